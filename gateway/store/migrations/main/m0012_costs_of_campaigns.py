"""Costs of campaigns."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0012"
down_revision = "main_0011"


def upgrade() -> None:
    op.create_table(
        "costs",
        sa.Column("campaign", string(), nullable=False),
        sa.Column("begins", string(), nullable=False),
        sa.Column("ends", string(), nullable=False),
        sa.Column("currency", string(), nullable=False),
        sa.Column("amount", string(), nullable=False),
        sa.PrimaryKeyConstraint("campaign", "begins", "ends", "currency"),
    )
