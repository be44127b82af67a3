"""Answers to writes of the API that may be sent again."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0019"
down_revision = "main_0018"


def upgrade() -> None:
    op.create_table(
        "once",
        sa.Column("key", string(64), primary_key=True),
        sa.Column("asked", string(64), nullable=False),
        sa.Column("answer", sa.JSON()),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_once_at", "once", ["at"])
