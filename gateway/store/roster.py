"""The roster of a moment: what CRMs say of their users, who is absent, whose turn is next, who had a handoff before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError
from sqlalchemy import Connection, and_, or_, select, update

from gateway.journey.assigning import Away, Roster, User
from gateway.journey.calendar import Calendar
from gateway.journey.owners import Owners
from gateway.journey.turns import Turns
from gateway.store import tables as t
from gateway.store.among import among
from gateway.times import from_micros

Users = Mapping[tuple[str, str], Mapping[str, Any]]
"""(system, object) of kind user → its fields that come in, as the mapping reads them"""
_r, _a, _h, _e = t.records.c, t.absences.c, t.handoffs.c, t.clock_events.c


def load_roster(
    connection: Connection,
    owners: Owners,
    calendar: Calendar | None,
    users: Users,
    now: int,
    handoffs: Collection[str] = (),
) -> Roster:
    """:param handoffs: open ones that may get another owner."""
    away: dict[str, Away] = {}
    for row in absences(connection, now):
        if row.begins <= now:
            until = from_micros(row.ends) if row.ends is not None else None
            known = away.get(row.owner)
            if known is None or until is None or (known.until is not None and known.until < until):
                away[row.owner] = Away(until, row.reason)
    turns = {row.id: Turns(row.id, row.version, dict(row.turns)) for row in connection.execute(select(t.turns))}
    had: dict[str, set[str]] = {}
    for row in connection.execute(select(_e.handoff, _e.owner, _e.before).where(among(_e.handoff, handoffs))):
        had.setdefault(row.handoff, set()).update({row.owner, row.before} - {""})
    return Roster(owners, calendar, known_users(connection, users), away, turns, had)


def known_users(connection: Connection, users: Users) -> dict[str, list[User]]:
    """system → the users that it told of."""
    found: dict[str, list[User]] = {}
    for (system, object_), fields in users.items():
        rows = select(_r.record, _r.snapshot, _r.gone).where(_r.system == system, _r.object == object_)
        theirs = found.setdefault(system, [])
        theirs += [_user(row.record, row.snapshot, row.gone, fields) for row in connection.execute(rows)]
    return found


def _user(id_: str, snapshot: Mapping[str, Sequence[Any]], gone: str | None, fields: Mapping[str, Any]) -> User:
    values = {}
    for name, rule in fields.items():
        if name in snapshot and snapshot[name][0] is not None:
            try:
                values[rule.to] = rule.load(snapshot[name][0])
            except ValidationError:
                continue
    name = values.get("name") or " ".join(str(values[n]) for n in ("first_name", "last_name") if values.get(n))
    active = gone is None and values.get("active") is not False
    return User(id_, str(values.get("email", "")), str(name), active, _zone(values.get("time_zone")))


def _zone(name: Any) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError, TypeError):
        return None  # a zone that this machine does not know: the calendar's counts


def absences(connection: Connection, now: int) -> Sequence[Any]:
    """Those of now and those to come, the next first."""
    coming = select(t.absences).where(or_(_a.ends.is_(None), _a.ends > now))
    return connection.execute(coming.order_by(_a.begins, _a.id)).all()


def absent(connection: Connection, row: Mapping[str, Any]) -> None:
    connection.execute(t.absences.insert().values(row))


def back(connection: Connection, owner: str, now: int) -> int:
    """End what is, and take back what is to come. Returns how many absences that were."""
    mine = (_a.owner == owner, or_(_a.ends.is_(None), _a.ends > now))
    return int(connection.execute(update(t.absences).where(*mine).values(ends=now)).rowcount)


def held_by(connection: Connection, system: str, owners: Collection[str], limit: int) -> list[str]:
    """Leads whose open handoff to ``system`` one of these has."""
    living = and_(t.leads.c.id == _h.lead, t.leads.c.merged_into.is_(None), t.leads.c.erased_at.is_(None))
    theirs = select(_h.lead).join(t.leads, living).where(_h.state == "open", among(_h.owner, owners))
    return list(connection.scalars(theirs.where(_h.system == system).limit(limit)))
