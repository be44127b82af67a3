"""When parts of a document were worked: what was decided because of it is found by its moments."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0031"
down_revision = "main_0030"


def upgrade() -> None:
    op.create_table(
        "parts_read",
        sa.Column("document", string(32), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("document", "read_at"),
    )
