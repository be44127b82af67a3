"""Catalogues of systems."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0004"
down_revision = "main_0003"


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "object"),
    )
    with op.batch_alter_table("work_items", schema=None) as batch_op:
        batch_op.create_index(
            "work_items_drift",
            ["system"],
            unique=False,
            sqlite_where=sa.text("kind = 'drift' AND resolved_at IS NULL"),
            postgresql_where=sa.text("kind = 'drift' AND resolved_at IS NULL"),
        )
