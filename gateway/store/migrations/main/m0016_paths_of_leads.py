"""Each lead carries the stages that it reached, so that a funnel is one look at each lead."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0016"
down_revision = "main_0015"

_LISTED = {
    "sqlite": "SELECT group_concat(stage, char(10))"
    " FROM (SELECT stage FROM reached WHERE reached.lead = leads.id ORDER BY stage)",
    "postgresql": """SELECT string_agg(stage, chr(10) ORDER BY stage COLLATE "C") FROM reached"""
    " WHERE reached.lead = leads.id",
}


def upgrade() -> None:
    op.add_column("leads", sa.Column("path", string(), nullable=False, server_default=""))
    op.execute(f"UPDATE leads SET path = coalesce(({_LISTED[op.get_bind().dialect.name]}), '')")
