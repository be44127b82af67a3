"""Regroupings pushes and holds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "main_0003"
down_revision = "main_0002"


def upgrade() -> None:
    op.create_table(
        "apart",
        sa.Column("one", sa.String(length=32), nullable=False),
        sa.Column("other", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("one", "other"),
    )
    op.create_index(op.f("ix_apart_other"), "apart", ["other"], unique=False)

    op.create_table(
        "regroupings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("lead", sa.String(length=32), nullable=False),
        sa.Column("other", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("by", sa.String(), server_default="", nullable=False),
        sa.Column("detail", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_regroupings_lead"), "regroupings", ["lead"], unique=False)
    op.create_index(op.f("ix_regroupings_other"), "regroupings", ["other"], unique=False)

    op.add_column(
        "records",
        sa.Column(
            "holds",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
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
        postgresql_where=sa.text("holds <> '{}'"),
    )

    op.add_column("writes", sa.Column("push", sa.String(), server_default="", nullable=False))
    op.add_column(
        "writes",
        sa.Column(
            "before",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
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
