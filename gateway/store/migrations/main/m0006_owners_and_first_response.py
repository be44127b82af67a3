"""Whose each handoff is and why, whose turn is next, who is absent, and what the first-response clock did."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0006"
down_revision = "main_0005"


def upgrade() -> None:
    for name in ("owner_why", "their_owner", "alarm", "hearing"):
        op.add_column("handoffs", sa.Column(name, string(), server_default="", nullable=False))
    for name in ("owner_at", "response_time", "alarm_at"):
        op.add_column("handoffs", sa.Column(name, sa.BigInteger()))
    op.create_index("handoffs_alarm", "handoffs", ["state", "hearing", "alarm_at"])
    op.create_index("handoffs_owner", "handoffs", ["state", "owner"])
    op.create_table(
        "clock_events",
        sa.Column("id", string(32), nullable=False),
        sa.Column("handoff", string(32), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("owner", string(), nullable=False),
        sa.Column("before", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("by", string(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_clock_events_handoff", "clock_events", ["handoff"])
    op.create_index("ix_clock_events_lead", "clock_events", ["lead"])
    op.create_index("clock_events_at", "clock_events", ["at", "id"])
    op.create_table(
        "turns",
        sa.Column("id", string(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("turns", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "absences",
        sa.Column("id", string(32), nullable=False),
        sa.Column("owner", string(), nullable=False),
        sa.Column("begins", sa.BigInteger(), nullable=False),
        sa.Column("ends", sa.BigInteger()),
        sa.Column("reason", string(), nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_absences_owner", "absences", ["owner"])
