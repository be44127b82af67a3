"""Bodies that are kept, by their age: those that are to go were looked for among all that had gone."""

import sqlalchemy as sa
from alembic import op

revision = "inbox_0003"
down_revision = "inbox_0002"

KEPT = sa.text("state = 'read' AND reason = ''")


def upgrade() -> None:
    op.create_index("documents_kept", "documents", ["state", "received_at"], sqlite_where=KEPT, postgresql_where=KEPT)
