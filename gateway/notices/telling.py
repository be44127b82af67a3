"""Notices become writes of the systems that carry them: who hears of each, where, in which words.

One write is one message to one addressee. It belongs to the lead it names, so that forgetting a person blanks it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gateway.contracts import NOTICE
from gateway.journey.assigning import Roster
from gateway.journey.notify import ESCALATION, OF_HANDOFFS, OWNER, REASSIGNED, STEP, WARNING, Hearer
from gateway.notices import messages
from gateway.notices.messages import About, Message
from gateway.store import notices as store
from gateway.store.times import new_id
from gateway.sync.links import link
from gateway.sync.planning import BULK, HANDOFF
from gateway.times import iso, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

FLOOD = 5
"""More messages of one kind to one addressee at once are one message."""
DIGEST = "digest"


class Telling:
    """Of one sweep, in its transaction."""

    def __init__(self, gateway: Gateway, connection: Connection, hearers: Sequence[Hearer]) -> None:
        self._gateway = gateway
        self._connection = connection
        self._hearers = hearers
        self._now = to_micros(gateway.now())
        self._zone = gateway.instance.zone
        self._unknown: set[str] = set()

    def rows(self, begins: Sequence[Any], ends: Sequence[Any]) -> list[dict[str, Any]]:
        """The writes that tell the begin and the end of these notices."""
        plain = [row for row in begins if row.kind != DIGEST]
        self._learn(plain)
        together: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for row in plain:
            for hearer, part, to, zone in self._told(row):
                write = self._write(hearer, part, to, row, messages.begun(self._about(row, zone)))
                together.setdefault((hearer.through, to, row.kind), []).append(write)
        found = [write for (_, _, kind), writes in together.items() for write in self._few(kind, writes)]
        for row in ends:
            for hearer, part, to, zone in self._told(row):
                message = messages.over(self._about(row, zone), row.ended_at)
                found.append(self._write(hearer, f"{part}:end", to, row, message, thread=f"notice:{row.id}:{part}"))
        for row in begins:
            if row.kind == DIGEST:
                found += self._digest(row)
        return found

    def _told(self, row: Any) -> Iterator[tuple[Hearer, str, str, ZoneInfo]]:
        """(role, which of its addressees, address, their zone); who has two roles hears it once."""
        told: set[tuple[str, str]] = set()
        for hearer in self._hearers:
            if self._hears(hearer, row):
                for place, to, zone in self._addressees(hearer, row):
                    if (hearer.through, to) not in told:
                        told.add((hearer.through, to))
                        yield hearer, f"{hearer.role}:{place}", to, zone

    def _learn(self, rows: Sequence[Any]) -> None:
        """Handoffs, steps, names and records that the messages speak of."""
        of = {row.id: row.subject.partition(":")[0] for row in rows if row.kind in OF_HANDOFFS and row.kind != STEP}
        known = store.handoffs(self._connection, set(of.values())) if of else {}
        self._handoffs = {id_: known[handoff] for id_, handoff in of.items() if handoff in known}
        rang = {row.id: row.subject.partition(":")[2] for row in rows if row.kind in (WARNING, ESCALATION, REASSIGNED)}
        moments = store.moments(self._connection, set(rang.values())) if rang else {}
        self._rang = {id_: moments[event] for id_, event in rang.items() if event in moments}
        steps = [row.subject for row in rows if row.kind == STEP]
        self._steps = store.steps(self._connection, steps) if steps else {}
        leads = {lead for row in rows if (lead := self._lead(row))}
        self._people = store.people(self._connection, leads) if leads else {}
        self._links: dict[str, dict[str, str]] = {}
        for record in store.records(self._connection, leads) if leads else ():
            address = link(self._gateway.model.links, (record.system, record.object, record.record))
            if address:
                self._links.setdefault(record.entity, {}).setdefault(record.system, address)

    def _lead(self, row: Any) -> str | None:
        """Whose it is by now: a handoff moves to whom its lead was merged into."""
        handoff, step = self._handoffs.get(row.id), self._steps.get(row.subject)
        found: str | None = (handoff or step or row).lead
        return found

    def _hears(self, hearer: Hearer, row: Any) -> bool:
        if row.lead is not None and self._lead(row) not in self._people:
            return False  # forgotten
        if row.kind in (WARNING, REASSIGNED) and self._is_past(row):
            return False
        if row.kind == STEP:
            return row.subject in self._steps and self._steps[row.subject].step.get("notify") == hearer.role
        return row.kind in hearer.about

    def _is_past(self, row: Any) -> bool:
        """What the clock wanted of an owner is past: they have answered, or somebody else has the lead."""
        handoff, rang = self._handoffs.get(row.id), self._rang.get(row.id)
        if handoff is None or rang is None or handoff.state != "open" or handoff.owner != rang.owner:
            return True
        return row.kind == WARNING and (handoff.accepted_at is not None or handoff.contacted_at is not None)

    def _about(self, row: Any, zone: ZoneInfo) -> About:
        lead, handoff = self._lead(row) if row.lead else None, self._handoffs.get(row.id)
        if lead is None:
            return About(row.kind, row.words, row.began_at, zone)
        links = self._links.get(lead, {})
        address = links.get(handoff.system, "") if handoff is not None else ""
        address = address or next(iter(links.values()), "")
        name = messages.name_of(self._people[lead])
        held = None
        if handoff is not None:
            held = {**handoff._mapping, "owner": self._owner(handoff.system, handoff.owner)[0]}
            if (rang := self._rang.get(row.id)) is not None and rang.owner != handoff.owner:  # it has gone on since
                held |= {"owner": self._owner(handoff.system, rang.owner)[0], "next": held["owner"]}
        return About(row.kind, row.words, row.began_at, zone, name, address, lead, held)

    def _addressees(self, hearer: Hearer, row: Any) -> Iterator[tuple[int, str, ZoneInfo]]:
        """(place, address, zone of whoever it is for); the address of a chat is empty."""
        if not hearer.to:
            yield 0, "", self._zone
        for place, to in enumerate(hearer.to):
            if to != OWNER:
                yield place, to, self._zone
            elif (handoff := self._handoffs.get(row.id)) is not None:
                _, address, zone = self._owner(handoff.system, handoff.owner)
                if address:
                    yield place, address, zone
                elif handoff.owner not in self._unknown:
                    self._unknown.add(handoff.owner)
                    self._gateway.log.warning("owner not told", handoff=handoff.id, why="nobody knows their address")

    def _owner(self, system: str, who: str) -> tuple[str, str, ZoneInfo]:
        """What an owner is called, their e-mail address ("" when nobody knows it), and their time zone."""
        roster = self._roster
        entry, user = roster.owner(system, who), roster.user(system, who)
        known = [user.email if user is not None else "", entry.who if entry is not None else "", who]
        calendar = roster.calendar_of(system, who) if who else None
        name = entry.name if entry is not None else user.name if user is not None else who
        return name, next((one for one in known if "@" in one), ""), calendar.zone if calendar else self._zone

    @cached_property
    def _roster(self) -> Roster:
        return self._gateway.pipeline.roster(self._connection, self._gateway.now())

    def _few(self, kind: str, writes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len(writes) <= FLOOD:
            return writes
        message = messages.many(kind, len(writes))
        return [{**writes[0], "lead": None, "fields": writes[0]["fields"] | message._asdict()}]

    def _digest(self, row: Any) -> Iterator[dict[str, Any]]:
        role = row.subject.rpartition(":")[0]
        hearer = next((one for one in self._hearers if one.role == role), None)
        if hearer is None:
            return
        lasting = [one for one in store.lasting(self._connection) if one.ended_at is None and one.kind in hearer.about]
        open_ = [About(one.kind, one.words, one.began_at, self._zone) for one in lasting]
        loads = store.load(self._connection, self._now) if OF_HANDOFFS & set(hearer.about) else []
        whole = {name: sum(getattr(one, name) for one in loads) for name in ("open", "late")}
        for place, to in enumerate(hearer.to or ("",)):
            if to == OWNER:
                for number, one in enumerate(loads):
                    _, address, zone = self._owner(one.system, one.owner)
                    theirs = messages.digest((), {"open": one.open, "late": one.late}, zone)
                    if address and theirs is not None:
                        yield self._write(hearer, f"{role}:{place}:{number}", address, row, theirs)
            elif (message := messages.digest(open_, whole if loads else None, self._zone)) is not None:
                yield self._write(hearer, f"{role}:{place}", to, row, message)

    def _write(
        self, hearer: Hearer, part: str, to: str, row: Any, message: Message, thread: str = ""
    ) -> dict[str, Any]:
        fields = {"to": to, **message._asdict(), "role": hearer.role, "about": row.kind, "at": iso(self._now)}
        return {
            "id": new_id(),
            "system": hearer.through,
            "object": NOTICE,
            "key": f"notice:{row.id}:{part}",
            "lead": self._lead(row) if row.lead else None,
            "record": None,
            "fields": fields | ({"thread": thread} if thread else {}),
            "refs": {},
            "create": True,
            "anyway": False,
            "stamps": {},
            "priority": HANDOFF if row.kind in OF_HANDOFFS else BULK,
            "cause": "notice",
            "planned_at": self._now,
            "state": "waiting",
            "due_at": self._now,
            "message": "",
        }
