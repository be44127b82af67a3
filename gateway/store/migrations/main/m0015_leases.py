"""Leases."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0015"
down_revision = "main_0014"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", string(), nullable=False),
        sa.Column("holder", string(), server_default="", nullable=False),
        sa.Column("token", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("beat", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
