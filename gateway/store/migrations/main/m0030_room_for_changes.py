"""PostgreSQL leaves room on the pages of leads and records: a row that changes stays on its page, and so no index of
the table is written but where what it holds moved."""

from alembic import op

revision = "main_0030"
down_revision = "main_0029"


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table in ("leads", "records"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 75)")
