"""Fields that change in a system and that its webhooks never tell of: nobody has subscribed to them there.

Only of systems that name the field in each notification (``Lookup.because``). What was ever named is tallied with the
batch that read it; what changes is seen in the latest records, which the pull brings all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from gateway.store import tables as t

if TYPE_CHECKING:
    from gateway.runtime import Gateway

NOTIFIED = "notified"
"""What of the tallies counts notifications; the reason is ``object.field``."""
RECORDS = 1000
"""Records of an object that are looked at: those with the highest ids."""
FEWEST = 3
"""Records in which a field must have changed before its silence means something."""
_HOUR = 3_600_000_000


def unsubscribed(gateway: Gateway, connection: Connection) -> Iterator[tuple[str, str]]:
    """(system, ``object.field``) of each. A field that we write ourselves is none: its changes are ours."""
    c, r = t.tallies.c, t.records.c
    named: dict[str, set[str]] = {}
    for row in connection.execute(select(c.system, c.reason).where(c.what == NOTIFIED)):
        named.setdefault(row.system, set()).add(row.reason)
    for system, fields in named.items():
        mapping = gateway.instance.systems[system].mapping if system in gateway.instance.systems else None
        for object_ in mapping.objects.values() if mapping is not None else ():
            silent = [one for one in object_.inbound if f"{object_.name}.{one}" not in fields]
            silent = [one for one in silent if one not in object_.outbound]
            if not silent or not any(one.startswith(f"{object_.name}.") for one in fields):
                continue
            latest = select(r.first_at, r.snapshot).where(r.system == system, r.object == object_.name)
            rows = connection.execute(latest.order_by(r.record.desc()).limit(RECORDS)).all()
            for field in silent:
                changed = [
                    row for row in rows if field in row.snapshot and row.snapshot[field][1] > row.first_at + _HOUR
                ]
                if len(changed) >= FEWEST:
                    yield system, f"{object_.name}.{field}"
