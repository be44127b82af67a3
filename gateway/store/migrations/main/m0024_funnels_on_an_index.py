"""A funnel reads the paths of leads, and who reached a stage, from an index alone."""

from alembic import op

revision = "main_0024"
down_revision = "main_0023"


def upgrade() -> None:
    op.create_index("leads_path", "leads", ["path", "entered_at", "merged_into"])
    op.drop_index("reached_stage", "reached")
    op.create_index("reached_stage", "reached", ["stage", "at", "lead"])
