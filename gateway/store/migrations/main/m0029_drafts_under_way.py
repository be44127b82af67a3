"""Drafts are kept while somebody works on them, with what was found when they were tried."""

import sqlalchemy as sa
from alembic import op

revision = "main_0029"
down_revision = "main_0028"


def upgrade() -> None:
    op.add_column("drafts", sa.Column("changed_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("drafts", sa.Column("trial", sa.JSON()))
