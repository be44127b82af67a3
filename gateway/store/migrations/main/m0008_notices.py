"""What people are told, each once; what of handoffs, steps and writes they are told of is found by its own index."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0008"
down_revision = "main_0007"


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("id", string(32), nullable=False),
        sa.Column("key", string(), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("subject", string(), nullable=False),
        sa.Column("lead", string(32)),
        sa.Column("words", string(), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("end_told_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_notices_lead", "notices", ["lead"])
    for name, table, columns, where in (
        ("notices_open", "notices", ["id"], "ended_at IS NULL OR told_at IS NULL OR end_told_at IS NULL"),
        ("steps_waiting", "steps", ["id"], "state = 'waiting'"),
        ("writes_failing", "writes", ["system"], "attempts >= 3 AND finished_at IS NULL"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    op.create_index("endings_decided", "endings", ["decided_at"])
