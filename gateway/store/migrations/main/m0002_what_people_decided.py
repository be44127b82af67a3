"""What people decided."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0002"
down_revision = "main_0001"


def upgrade() -> None:
    op.create_table(
        "resolutions",
        sa.Column("id", string(32), nullable=False),
        sa.Column("item", string(32), nullable=False),
        sa.Column("lead", string(32), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("resolution", string(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_resolutions_item"), "resolutions", ["item"], unique=False)
    op.create_index(op.f("ix_resolutions_lead"), "resolutions", ["lead"], unique=False)

    op.add_column(
        "records",
        sa.Column(
            "told",
            sa.JSON(),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )
    op.add_column(
        "records",
        sa.Column(
            "contested",
            sa.JSON(),
            server_default=sa.text("'[]'"),
            nullable=False,
        ),
    )

    op.add_column("writes", sa.Column("anyway", sa.Boolean(), server_default=sa.false(), nullable=False))
