"""What people say of those who get handoffs: who is absent, who is back, whose a handoff becomes; and how all stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from gateway.errors import NotFound, Problem, Refused
from gateway.journey.assigning import Order, Roster
from gateway.journey.owners import ROUND_ROBIN, Owner
from gateway.journey.turns import Turns, shared_by
from gateway.journey.words import CLOCK, FORGOTTEN
from gateway.settings.files import ConfigFile, suggest
from gateway.store import roster as stored
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.times import new_id
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


@dataclass(frozen=True, slots=True)
class Standing:
    """How one owner stands. ``gone``: why they take nothing now; ``known``: their system told of them (None: it tells
    of nobody); ``turn``: 1 = the next lead that nobody has is theirs; None = they take no turns by themselves."""

    owner: Owner
    zone: ZoneInfo | None
    known: bool | None
    gone: str
    at_work: bool
    until: datetime | None
    reason: str
    open: int
    turn: int | None


def standings(gateway: Gateway, connection: Connection) -> list[Standing]:
    """Every owner of journey.yaml, as they stand now."""
    at, journey = gateway.now(), gateway.model.journey
    roster = gateway.pipeline.roster(connection, at)
    h = t.handoffs.c
    counted = select(h.system, h.owner, func.count()).where(h.state == "open")
    open_: Counter[str] = Counter()
    for system, who, count in connection.execute(counted.group_by(h.owner, h.system)):
        if (owner := roster.owner(system, who)) is not None:
            open_[owner.name] += count
    order = _order(roster)
    return [
        _standing(roster, one, [name for name in journey.systems if one.serves(name)], at, open_[one.name], order)
        for one in journey.owners.listed
    ]


def _standing(
    roster: Roster, owner: Owner, systems: Sequence[str], at: datetime, open_: int, order: Sequence[str]
) -> Standing:
    telling = [system for system in systems if roster.users.get(system)]
    known = any(roster.user(system, owner.who) for system in telling) if telling else None
    reasons = [roster.gone(system, owner.name) for system in systems]
    calendars = [roster.calendar_of(system, owner.name) for system in systems]
    away = roster.away.get(owner.name)
    return Standing(
        owner,
        next((calendar.zone for calendar in calendars if calendar is not None), None),
        known,
        next(iter(reasons), "") if all(reasons) else "",
        all(calendar is None or calendar.at_work(at) for calendar in calendars),
        away.until if away is not None else None,
        away.reason if away is not None else "",
        open_,
        order.index(owner.name) + 1 if owner.name in order else None,
    )


def strangers(gateway: Gateway, connection: Connection, file: ConfigFile) -> Iterator[Problem]:
    """What ``gateway check`` says of owners whom systems that tell of their users do not know, or not as active."""
    roster, journey = gateway.pipeline.roster(connection, gateway.now()), gateway.model.journey
    for place, one in enumerate(journey.owners.listed):
        systems = [name for name in journey.systems if one.serves(name) and roster.users.get(name)]
        users = [user for name in systems if (user := roster.user(name, one.who)) is not None]
        path = ("owners", place, "queue" if one.queue else "user")
        if systems and not users:
            known = {word for name in systems for user in roster.users[name] for word in (user.email, user.name)} - {""}
            yield file.problem(path, f"not known to {', '.join(systems)}{suggest(one.who, known)}")
        elif users and not any(user.active for user in users):
            yield file.problem(path, f"not active in {', '.join(systems)}")


def _order(roster: Roster) -> list[str]:
    """Who of those that take turns for leads of no territory is next."""
    if ROUND_ROBIN not in roster.owners.assign:
        return []
    names = [one.name for one in roster.owners.listed if one.territory is None and one.weight > 0]
    id_ = shared_by(names)
    return roster.turns.get(id_, Turns(id_)).order([name for name in names if name not in roster.away])


def absent(gateway: Gateway, name: str, begins: datetime, ends: datetime | None, reason: str, by: str) -> None:
    """Note an absence. Raises ``NotFound`` and ``Refused``."""
    owner = _named(gateway, name)
    now = gateway.now()
    if ends is not None and ends <= begins:
        raise Refused("it ends before it begins")
    if ends is not None and ends <= now:
        raise Refused("it is over already")
    row = {
        "id": new_id(),
        "owner": owner.name,
        "begins": to_micros(begins),
        "ends": to_micros(ends) if ends is not None else None,
        "reason": reason,
        "by": by,
        "at": to_micros(now),
    }
    with write(gateway.store.main) as connection:
        stored.absent(connection, row)


def back(gateway: Gateway, name: str) -> None:
    """They are there again, and nothing is planned. Raises ``NotFound`` and ``Refused``."""
    owner = _named(gateway, name)
    with write(gateway.store.main) as connection:
        ended = stored.back(connection, owner.name, to_micros(gateway.now()))
    if not ended:
        raise Refused(f"{owner.name} is not absent, and no absence is noted")


def _named(gateway: Gateway, name: str) -> Owner:
    owners = gateway.model.journey.owners
    owner = owners.named(name) or next((one for one in owners.listed if one.who.casefold() == name.casefold()), None)
    if owner is None:
        names = [one.name for one in owners.listed]
        others = suggest(name, names) or (f"; there are {', '.join(names)}" if names else "; journey.yaml lists none")
        raise NotFound(f"no owner {name!r}{others}")
    return owner


def reassign(gateway: Gateway, key: str, name: str, reason: str, by: str) -> Mapping[str, Any]:
    """Give the open handoff of a lead, or the one with this id, to ``name``; empty: to whom the rules choose.

    Returns it as it is then. Raises ``NotFound`` and ``Refused``; then nothing is changed.
    """
    with read(gateway.store.main) as connection:
        named = handoff_of(gateway, connection, key)
        if connection.scalar(select(t.leads.c.erased_at).where(t.leads.c.id == named["lead"])) is not None:
            raise NotFound(FORGOTTEN)
        if named["state"] != "open":
            at, by = named["closed_at"], named["closed_by"]
            ended = f" {by_and_when(gateway, named['system'], by, at)}" if at else ""
            raise Refused(f"it ended as {named['bucket'] or named['state']}{ended}; only an open handoff has an owner")
        roster = gateway.pipeline.roster(connection, gateway.now(), [named["id"]])
    who = _possible(roster, named["system"], named["owner"], name)
    orders = {named["lead"]: Order(who, reason or "by hand", by)}
    gateway.observe(gateway.pipeline.run((), [named["lead"]], "person", by=by, orders=orders))
    with read(gateway.store.main) as connection:
        return handoff_of(gateway, connection, named["id"])


def handoff_of(gateway: Gateway, connection: Connection, key: str) -> Mapping[str, Any]:
    """The handoff with this id, or the latest of the lead with this key. Raises ``NotFound`` and ``Refused``."""
    h = t.handoffs.c
    row = connection.execute(select(t.handoffs).where(h.id == key)).mappings().first()
    if row is None:
        theirs = select(t.handoffs).where(h.lead == gateway.find_lead(key), h.state != "absorbed")
        row = connection.execute(theirs.order_by(h.opened_at.desc(), h.id.desc())).mappings().first()
    if row is None:
        raise Refused("this lead was never handed over")
    return dict(row)


def called(gateway: Gateway, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """handoff → what its owner is called here, else in their system."""
    roster = gateway.pipeline.roster(connection, gateway.now())
    return {row["id"]: name_of(roster, row["system"], row["owner"]) for row in rows}


def events(gateway: Gateway, connection: Connection, handoff: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the clock and people did with a handoff, in order, owners by their names."""
    e = t.clock_events.c
    roster = gateway.pipeline.roster(connection, gateway.now())
    rows = connection.execute(select(t.clock_events).where(e.handoff == handoff["id"]).order_by(e.at, e.id))
    names = ("kind", "at", "reason", "by")
    return [
        {name: row[name] for name in names}
        | {who: name_of(roster, handoff["system"], row[who]) for who in ("owner", "before")}
        for row in rows.mappings()
    ]


def name_of(roster: Roster, system: str, who: str) -> str:
    """What an owner of a handoff to ``system`` is called here, else over there."""
    owner, user = roster.owner(system, who), roster.user(system, who)
    if owner is not None:
        return owner.name
    return (user.name or user.email or who) if user is not None else who


def by_and_when(gateway: Gateway, system: str, by: str, at: int) -> str:
    """Of what somebody did: ``by Kim on 2026-11-23 at 09:12``. Whoever comes second learns whom to ask."""
    with read(gateway.store.main) as connection:
        roster = gateway.pipeline.roster(connection, gateway.now())
    who = "the clock" if by == CLOCK else name_of(roster, system, by)
    return f"{f'by {who} ' if who else ''}on {from_micros(at).astimezone(gateway.instance.zone):%Y-%m-%d at %H:%M}"


def _possible(roster: Roster, system: str, has: str, name: str) -> str:
    """The id of whom ``name`` means; empty stays empty."""
    possible = [one.name for one in roster.possible(system) if roster.id_of(one, system) != has]
    others = f"; possible are {', '.join(possible)}" if possible else "; nobody else is possible"
    if not name:
        if not roster.owners.listed:
            raise Refused("journey.yaml lists no owners to choose from; name one, or list them under `owners:`")
        return ""
    owner, user = roster.owner(system, name), roster.user(system, name)
    if owner is None and user is None:
        known = [*possible, *(one.email for one in roster.users.get(system, ()) if one.email and one.active)]
        raise Refused(f"no owner {name!r} for handoffs to {system}{suggest(name, known) or others}")
    if why := roster.gone(system, name):
        away = roster.away.get(owner.name) if owner is not None else None
        until = f" until {away.until:%Y-%m-%d %H:%M} UTC" if away is not None and away.until is not None else ""
        raise Refused(f"{name} is {why}{until}{others}")
    who = roster.id_of(owner, system) if owner is not None else user.id if user is not None else name
    if who == has:
        raise Refused(f"it is {name}'s already{others}")
    return who
