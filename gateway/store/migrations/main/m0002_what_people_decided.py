"""What people decided."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "main_0002"
down_revision = "main_0001"


def upgrade() -> None:
    op.create_table(
        "resolutions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("item", sa.String(length=32), nullable=False),
        sa.Column("lead", sa.String(length=32), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("resolution", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_resolutions_item"), "resolutions", ["item"], unique=False)
    op.create_index(op.f("ix_resolutions_lead"), "resolutions", ["lead"], unique=False)

    op.add_column(
        "records",
        sa.Column(
            "told",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "records",
        sa.Column(
            "contested",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
    )

    op.add_column("writes", sa.Column("anyway", sa.Boolean(), server_default=sa.false(), nullable=False))
