"""How handoffs ended, each time that was decided; what is read again before the clock ends one."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0005"
down_revision = "main_0004"


def upgrade() -> None:
    op.create_table(
        "endings",
        sa.Column("handoff", string(32), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("what", string(), nullable=False),
        sa.Column("bucket", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.PrimaryKeyConstraint("handoff", "decided_at", "what"),
    )
    op.execute(
        "INSERT INTO endings SELECT id, closed_at, 'end', bucket, bucket_reason, closed_at, closed_by FROM handoffs"
        " WHERE state = 'closed'"
    )
    op.add_column("handoffs", sa.Column("checking", string(), server_default="", nullable=False))
    op.drop_index("handoffs_due", table_name="handoffs")
    op.create_index("handoffs_due", "handoffs", ["state", "checking", "period_ends"], unique=False)
