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
    with op.batch_alter_table("apart", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_apart_other"), ["other"], unique=False)

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
    with op.batch_alter_table("regroupings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_regroupings_lead"), ["lead"], unique=False)
        batch_op.create_index(batch_op.f("ix_regroupings_other"), ["other"], unique=False)

    with op.batch_alter_table("records", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "holds",
                sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
                server_default=sa.text("'{}'"),
                nullable=False,
            )
        )
        batch_op.create_index(
            "records_holds",
            ["entity"],
            unique=False,
            sqlite_where=sa.text("holds <> '{}'"),
            postgresql_where=sa.text("holds <> '{}'"),
        )

    with op.batch_alter_table("writes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("push", sa.String(), server_default="", nullable=False))
        batch_op.add_column(
            sa.Column(
                "before",
                sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
                server_default=sa.text("'{}'"),
                nullable=False,
            )
        )
        batch_op.create_index(
            "writes_push",
            ["push"],
            unique=False,
            sqlite_where=sa.text("push <> ''"),
            postgresql_where=sa.text("push <> ''"),
        )
