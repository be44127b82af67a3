"""With its system first PostgreSQL took this index to find a delivery by, while it knew little of the table."""

from alembic import op

revision = "inbox_0002"
down_revision = "inbox_0001"


def upgrade() -> None:
    op.drop_index("documents_state", "documents")
    op.create_index("documents_state", "documents", ["state", "system"])
