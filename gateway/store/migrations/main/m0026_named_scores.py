"""A decision names the score that it was made by: there may be several, and the main one has no name."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0026"
down_revision = "main_0025"


def upgrade() -> None:
    for table in ("transitions", "handoffs"):
        op.add_column(table, sa.Column("score_name", string(), nullable=False, server_default=""))
