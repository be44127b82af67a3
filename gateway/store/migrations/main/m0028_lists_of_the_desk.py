"""What the desk lists is found by an index, the newest or the best first, however much there is."""

import sqlalchemy as sa
from alembic import op

revision = "main_0028"
down_revision = "main_0027"


def upgrade() -> None:
    op.drop_index("scores_total", "scores")
    op.create_index("scores_total", "scores", ["total", "lead", "name", "band"])
    op.create_index("leads_stage", "leads", ["stage", "persona"])
    op.create_index("leads_persona", "leads", ["persona"])
    op.drop_index("handoffs_owner", "handoffs")
    due = ["accepted_at", "contacted_at", "response_due", "period_ends", "id"]
    op.create_index("handoffs_owner", "handoffs", ["state", "owner", "system", *due])
    op.create_index("handoffs_bucket", "handoffs", ["bucket", "lead"])
    op.create_index("writes_planned", "writes", ["system", "state", "planned_at", "id"])
    for name, table, columns, some in (
        ("activities_campaign", "activities", ["campaign", "lead"], "campaign <> ''"),
        ("work_items_open", "work_items", ["opened_at", "id", "kind", "system", "key"], "resolved_at IS NULL"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(some), postgresql_where=sa.text(some))
