"""First tables."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "inbox_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", string(32), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("key", string(), nullable=False),
        sa.Column("body_hash", string(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("content_type", string(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("origin", string(), nullable=False),
        sa.Column("stream", string(), server_default="", nullable=False),
        sa.Column("history", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("state", string(), nullable=False),
        sa.Column("reason", string(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("flags", string(), server_default="", nullable=False),
        sa.Column("lease", string(), server_default="", nullable=False),
        sa.Column("beat", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("documents_key", "documents", ["system", "key", "received_at"], unique=False)
    op.create_index("documents_state", "documents", ["system", "state"], unique=False)
    op.create_index(
        "documents_waiting",
        "documents",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "duplicates",
        sa.Column("system", string(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system"),
    )
