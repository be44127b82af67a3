"""Whom documents name that told nothing new: they are emptied when one of these asks to be forgotten."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0032"
down_revision = "main_0031"


def upgrade() -> None:
    op.create_table(
        "repeats",
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("document", string(32), nullable=False),
        sa.PrimaryKeyConstraint("system", "object", "record", "document"),
    )
    op.create_index(op.f("ix_repeats_document"), "repeats", ["document"], unique=False)
