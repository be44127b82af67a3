"""Drafts of the model, and whose keys were turned for them."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0022"
down_revision = "main_0021"


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", string(32), primary_key=True),
        sa.Column("name", string(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("base", string(), nullable=False),
        sa.Column("state", string(), nullable=False),
        sa.Column("user", string(32), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("bundle", string(), server_default="", nullable=False),
        sa.Column("problem", string(), server_default="", nullable=False),
    )
    op.create_index("ix_drafts_state", "drafts", ["state"])
    op.create_table(
        "draft_turns",
        sa.Column("id", string(32), primary_key=True),
        sa.Column("draft", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("what", string(), nullable=False),
        sa.Column("user", string(32), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("role", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
    )
    op.create_index("ix_draft_turns_draft", "draft_turns", ["draft"])
