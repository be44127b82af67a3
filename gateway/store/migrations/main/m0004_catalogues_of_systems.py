"""Catalogues of systems."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "main_0004"
down_revision = "main_0003"


def upgrade() -> None:
    op.create_table(
        "catalogues",
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("object", sa.String(), nullable=False),
        sa.Column("fields", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
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
