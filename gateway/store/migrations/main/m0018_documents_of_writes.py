"""Writes name the document that they were planned because of, so that one can be followed from webhook to receipt."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0018"
down_revision = "main_0017"


def upgrade() -> None:
    op.add_column("writes", sa.Column("document", string(32), nullable=False, server_default=""))
