"""Regroupings pushes and holds."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0003"
down_revision = "main_0002"


def upgrade() -> None:
    op.create_table(
        "apart",
        sa.Column("one", string(32), nullable=False),
        sa.Column("other", string(32), nullable=False),
        sa.PrimaryKeyConstraint("one", "other"),
    )
    op.create_index(op.f("ix_apart_other"), "apart", ["other"], unique=False)

    op.create_table(
        "regroupings",
        sa.Column("id", string(32), nullable=False),
        sa.Column("what", string(), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.Column("other", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("why", string(), nullable=False),
        sa.Column("by", string(), server_default="", nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_regroupings_lead"), "regroupings", ["lead"], unique=False)
    op.create_index(op.f("ix_regroupings_other"), "regroupings", ["other"], unique=False)

    op.add_column(
        "records",
        sa.Column(
            "holds",
            sa.JSON(),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_index(
        "records_holds",
        "records",
        ["entity"],
        unique=False,
        sqlite_where=sa.text("holds <> '{}'"),
        postgresql_where=sa.text("holds::text <> '{}'"),
    )

    op.add_column("writes", sa.Column("push", string(), server_default="", nullable=False))
    op.add_column(
        "writes",
        sa.Column(
            "before",
            sa.JSON(),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.create_index(
        "writes_push",
        "writes",
        ["push"],
        unique=False,
        sqlite_where=sa.text("push <> ''"),
        postgresql_where=sa.text("push <> ''"),
    )
