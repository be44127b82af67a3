"""How leads come back to sales: why a handoff opened, when sales want a lead again, when a journey moves by itself."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0009"
down_revision = "main_0008"


def upgrade() -> None:
    for name in ("cause", "cause_reason", "cause_by"):
        op.add_column("handoffs", sa.Column(name, string(), server_default="", nullable=False))
    op.add_column("handoffs", sa.Column("wake_at", sa.BigInteger()))
    op.create_index("handoffs_opened", "handoffs", ["opened_at"])
    op.add_column("outcomes", sa.Column("wake", sa.BigInteger()))
    op.add_column("leads", sa.Column("returned", sa.JSON()))
    op.add_column("leads", sa.Column("wakes_at", sa.BigInteger()))
    op.create_index("leads_wake", "leads", ["wakes_at"])
