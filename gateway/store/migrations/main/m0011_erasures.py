"""Erasures: who asked for each, and the documents whose bodies are yet to be emptied."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0011"
down_revision = "main_0010"


def upgrade() -> None:
    with op.batch_alter_table("leads") as table:
        table.add_column(sa.Column("erased_by", string(), nullable=False, server_default=""))
    op.create_table(
        "unblanked",
        sa.Column("document", string(32), nullable=False),
        sa.PrimaryKeyConstraint("document"),
    )
