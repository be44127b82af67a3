"""Rescoring by a changed model: its parts, the scores that people still see, and who crossed."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0014"
down_revision = "main_0013"


def upgrade() -> None:
    with op.batch_alter_table("rescores") as table:
        table.add_column(sa.Column("scoring", string(), nullable=False, server_default=""))
        table.add_column(sa.Column("leads", sa.Integer(), nullable=True))
    op.create_table(
        "rescore_parts",
        sa.Column("rescore", string(32), nullable=False),
        sa.Column("low", string(), nullable=False),
        sa.Column("high", string(), nullable=False),
        sa.Column("leads", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("rescore", "low"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "former_scores",
        sa.Column("lead", string(32), nullable=False),
        sa.Column("name", string(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("fit", sa.Integer(), nullable=False),
        sa.Column("behaviour", sa.Integer(), nullable=False),
        sa.Column("band", string(), nullable=False),
        sa.Column("scoring", string(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "name"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "crossed",
        sa.Column("lead", string(32), nullable=False),
        sa.PrimaryKeyConstraint("lead"),
    )
