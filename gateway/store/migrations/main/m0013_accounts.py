"""Accounts: who may use the desk and the API, and who changed what there."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0013"
down_revision = "main_0012"


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", string(32), primary_key=True),
        sa.Column("email", string(), nullable=False, unique=True),
        sa.Column("name", string(), nullable=False),
        sa.Column("role", string(), nullable=False),
        sa.Column("password", string(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
    )
    op.create_table(
        "keys",
        sa.Column("hash", string(64), primary_key=True),
        sa.Column("id", string(32), nullable=False, unique=True),
        sa.Column("kind", string(), nullable=False),
        sa.Column("user", string(32), nullable=False),
        sa.Column("name", string(), nullable=False),
        sa.Column("scopes", sa.JSON()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger()),
        sa.Column("expires_at", sa.BigInteger()),
    )
    op.create_index("ix_keys_user", "keys", ["user"])
    op.create_table(
        "login_failures",
        sa.Column("account", string(), nullable=False),
        sa.Column("address", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    for column in ("account", "address", "at"):
        op.create_index(f"ix_login_failures_{column}", "login_failures", [column])
    op.create_table(
        "audit",
        sa.Column("id", string(32), primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("what", string(), nullable=False),
        sa.Column("subject", string(), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
