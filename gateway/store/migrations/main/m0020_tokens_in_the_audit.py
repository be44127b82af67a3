"""Tokens in the audit."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0020"
down_revision = "main_0019"


def upgrade() -> None:
    with op.batch_alter_table("audit") as batch_op:
        batch_op.add_column(sa.Column("token", string(), server_default="", nullable=False))
