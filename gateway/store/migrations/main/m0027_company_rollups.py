"""What a company's leads come to together, and when that is due."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0027"
down_revision = "main_0026"


def upgrade() -> None:
    op.create_table(
        "rollups",
        sa.Column("company", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("company", "at"),
    )
    op.create_table(
        "rollups_due",
        sa.Column("company", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.Column("worked_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("company"),
    )
    op.create_index("ix_rollups_due_due_at", "rollups_due", ["due_at"])
