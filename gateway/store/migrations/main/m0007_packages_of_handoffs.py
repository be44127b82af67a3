"""What sales are told with each handoff, as of its opening."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "main_0007"
down_revision = "main_0006"


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("handoffs", sa.Column("package", json, server_default=sa.text("'{}'"), nullable=False))
