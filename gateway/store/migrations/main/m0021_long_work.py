"""Long work under way, which can be asked to stop; a rescoring, too."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0021"
down_revision = "main_0020"


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", string(32), primary_key=True),
        sa.Column("what", string(), nullable=False),
        sa.Column("subject", string(), server_default="", nullable=False),
        sa.Column("by", string(), nullable=False),
        sa.Column("machine", string(), server_default="", nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("part", string(), server_default="", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("stop_by", string(), server_default="", nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended", string(), server_default="", nullable=False),
        sa.Column("told", sa.Text(), server_default="", nullable=False),
    )
    op.add_column("rescores", sa.Column("stop_by", string(), nullable=False, server_default=""))
