"""Breakers: parts of plugins that failed, and until when they are not called."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0010"
down_revision = "main_0009"


def upgrade() -> None:
    op.create_table(
        "breakers",
        sa.Column("plugin", string(), nullable=False),
        sa.Column("part", string(), nullable=False),
        sa.Column("strikes", sa.JSON(), nullable=False),
        sa.Column("opened_at", sa.BigInteger()),
        sa.Column("retry_at", sa.BigInteger()),
        sa.Column("trips", sa.Integer(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.PrimaryKeyConstraint("plugin", "part"),
    )
