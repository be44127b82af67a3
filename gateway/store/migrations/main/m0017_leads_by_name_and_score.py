"""Leads are found by the beginning of their name, and listed by their score, on an index each."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0017"
down_revision = "main_0016"

CHUNK = 5000


def upgrade() -> None:
    op.add_column("leads", sa.Column("sought", string(), nullable=False, server_default=""))
    leads = sa.table("leads", sa.column("id"), sa.column("attributes", sa.JSON()), sa.column("sought"))
    connection, last = op.get_bind(), ""
    fill = sa.update(leads).where(leads.c.id == sa.bindparam("key")).values(sought=sa.bindparam("text"))
    while rows := connection.execute(
        sa.select(leads.c.id, leads.c.attributes).where(leads.c.id > last).order_by(leads.c.id).limit(CHUNK)
    ).all():
        named = [{"key": row.id, "text": _sought(row.attributes)} for row in rows]
        if found := [one for one in named if one["text"]]:
            connection.execute(fill, found)
        last = rows[-1].id
    op.create_index("leads_sought", "leads", ["sought"])
    op.create_index("scores_total", "scores", ["total", "lead", "name"])
    merged = sa.text("merged_into IS NOT NULL")
    op.create_index("leads_merged", "leads", ["merged_into"], sqlite_where=merged, postgresql_where=merged)


def _sought(attributes: dict[str, object]) -> str:
    """As rows.sought had it when this was written."""
    last, first = attributes.get("last_name"), attributes.get("first_name")
    name = f"{last or ''} {first or ''}" if last or first else attributes.get("name") or attributes.get("company_name")
    return " ".join(str(name or "").casefold().split())[:100]
