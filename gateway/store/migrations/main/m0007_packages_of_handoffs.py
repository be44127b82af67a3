"""What sales are told with each handoff, as of its opening."""

import sqlalchemy as sa
from alembic import op

revision = "main_0007"
down_revision = "main_0006"


def upgrade() -> None:
    json = sa.JSON()
    op.add_column("handoffs", sa.Column("package", json, server_default=sa.text("'{}'"), nullable=False))
