"""Reviews and what they decided."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0023"
down_revision = "main_0022"


def upgrade() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", string(32), nullable=False),
        sa.Column("review", string(32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("owner", string(), nullable=False),
        sa.Column("due", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.Column("done_by", string(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_decisions_review"), ["review"], unique=False)

    op.create_table(
        "reviews",
        sa.Column("id", string(32), nullable=False),
        sa.Column("period", string(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("built_at", sa.BigInteger(), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=True),
        sa.Column("pack", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("period"),
    )
