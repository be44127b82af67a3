"""Scores that move by themselves, found by a span of time: neighbours that are written together share its pages."""

import sqlalchemy as sa
from alembic import op

revision = "main_0025"
down_revision = "main_0024"


def upgrade() -> None:
    op.drop_index("ix_scores_changes_at", table_name="scores")
    known = sa.text("changes_at IS NOT NULL")
    columns: list[str | sa.TextClause] = [sa.text("(changes_at / 14400000000)"), "lead", "name", "changes_at"]
    op.create_index("scores_due", "scores", columns, sqlite_where=known, postgresql_where=known)
