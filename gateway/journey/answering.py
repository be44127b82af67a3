"""Whose an open handoff is, and the clock by which they have to answer: given at its opening, moved by news of the CRM,
by absence, by the clock, by a person. In: the lead with its handoff's row. Out: the row changed, and what is recorded.

The clock never ends a handoff. A first contact or an accept stops it; each alarm goes off once per owner's turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.journey.assigning import Choice, Order, Roster
from gateway.journey.calendar import Calendar
from gateway.journey.journey import Journey
from gateway.journey.recycling import FAST_TRACK
from gateway.leads.lead import Lead
from gateway.times import from_micros, to_micros

WARNED, ESCALATED, REASSIGNED = "warned", "escalated", "reassigned"
KNOWN = "known"
"""``hearing`` of a handoff whose records were read again since its alarm was due."""
_MICROSECOND = timedelta(microseconds=1)
_STILL = {"alarm": "", "alarm_at": None, "hearing": ""}
"""No alarm is set."""


@dataclass(frozen=True, slots=True)
class Following:
    """What is known of one lead beside its row. ``theirs``: the owner of its record in the handoff's system;
    ``account``: that of its company. ``asked``: what a plugin says whose a new handoff is."""

    journey: Journey
    at: datetime
    attributes: Mapping[str, Any]
    theirs: str
    account: str
    mint: Callable[[], str]
    asked: Callable[[dict[str, Any], Roster], str] = lambda *_: ""

    def needs_roster(self, lead: Lead, order: Order | None) -> bool:
        """Whether ``follow`` has to know who is there."""
        handoff = lead.handoff
        if handoff is None:
            return False
        if lead.opened is not None or order is not None or self._rings(handoff):
            return True
        return bool(self.theirs) and self.theirs != handoff["their_owner"]

    def heed(self, lead: Lead) -> None:
        """Whoever answered stops the clock; that takes no roster."""
        handoff = lead.handoff
        if handoff is not None and handoff["alarm"] and _answered(handoff):
            handoff |= _STILL
            lead.handoff_changed = lead.opened is None

    def follow(self, lead: Lead, roster: Roster, order: Order | None = None) -> None:
        """Bring the open handoff of ``lead`` up to date."""
        handoff = lead.handoff
        if handoff is None:
            return
        before = dict(handoff)
        if lead.opened is not None:
            self._begin(lead, handoff, roster)
        else:
            self._move(lead, handoff, roster, order)
        self.heed(lead)
        if self._rings(handoff):
            self._ring(lead, handoff, roster)
        if lead.opened is None and handoff != before:
            lead.handoff_changed = True

    # -- whose it is --------------------------------------------------------------------------------------------------

    def _begin(self, lead: Lead, handoff: dict[str, Any], roster: Roster) -> None:
        clock = self.journey.fast_clock if handoff["cause"] == FAST_TRACK else self.journey.follow_up
        if handoff["response_due"] is not None:
            wait = clock.wait(lead.score.band if lead.score else "")
            handoff["response_time"] = wait // _MICROSECOND if wait is not None else None
        handoff |= _STILL | {"owner_at": handoff["opened_at"], "owner_why": "", "their_owner": self.theirs}
        choice = self._first(handoff, roster)
        if choice is not None:
            handoff["owner"], handoff["owner_why"] = choice
            self._record(lead, handoff, "assigned", "", choice.why, "")
        calendar = roster.calendar_of(handoff["system"], handoff["owner"])
        if calendar is not None:
            handoff["period_ends"] = to_micros(calendar.after(from_micros(handoff["opened_at"]), clock.period))
        self._start(handoff, roster, handoff["opened_at"])

    def _first(self, handoff: dict[str, Any], roster: Roster) -> Choice | None:
        system = handoff["system"]
        if roster.owners.listed:
            if name := self.asked(handoff, roster):
                owner = roster.owner(system, name)
                assert owner is not None  # who is asked may name these only
                return Choice(roster.id_of(owner, system), "plugin")
            return roster.choose(system, self.attributes, (self.theirs, self.account), self.at)
        return Choice(self.theirs, f"owner in {system}") if self.theirs else None

    def _move(self, lead: Lead, handoff: dict[str, Any], roster: Roster, order: Order | None) -> None:
        system, owner = handoff["system"], handoff["owner"]
        heard, handoff["their_owner"] = handoff["their_owner"], self.theirs or handoff["their_owner"]
        if order is not None:
            choice = Choice(order.owner, "") if order.owner else self._next(handoff, roster)
            self._give(lead, handoff, roster, choice, "moved", order.reason, order.by)
        elif self.theirs and self.theirs != heard and (heard or not owner):
            # The first one heard of is who made the record, not whom somebody has chosen.
            if self.theirs != owner and roster.user(system, self.theirs) != (roster.user(system, owner) or "nobody"):
                self._give(lead, handoff, roster, Choice(self.theirs, ""), "moved", f"changed in {system}", system)
        elif roster.owners.listed and not roster.is_fallback(system, owner) and (why := roster.gone(system, owner)):
            self._give(lead, handoff, roster, self._next(handoff, roster), "moved", why, "")

    def _next(self, handoff: Mapping[str, Any], roster: Roster) -> Choice:
        had = {*roster.had.get(handoff["id"], ()), handoff["owner"]}
        return roster.choose(handoff["system"], self.attributes, (self.theirs, self.account), self.at, had)

    def _give(
        self, lead: Lead, handoff: dict[str, Any], roster: Roster, choice: Choice, kind: str, reason: str, by: str
    ) -> None:
        if choice.owner == handoff["owner"]:
            return
        system, before, now = handoff["system"], handoff["owner"], to_micros(self.at)
        was = roster.calendar_of(system, before)
        why = "; ".join(filter(None, (reason, choice.why)))
        handoff |= {"owner": choice.owner, "owner_why": why, "owner_at": now}
        self._record(lead, handoff, kind, before, why, by)
        calendar = roster.calendar_of(system, choice.owner)
        if calendar != was and handoff["period_ends"] > now:
            left = _between(was, self.at, from_micros(handoff["period_ends"]))
            handoff |= {"period_ends": to_micros(_after(calendar, self.at, left)), "checking": ""}
        self._start(handoff, roster, now)

    # -- the clock ----------------------------------------------------------------------------------------------------

    def _start(self, handoff: dict[str, Any], roster: Roster, begin: int) -> None:
        """A response time of their own for whoever has it now."""
        handoff |= _STILL
        if handoff["response_time"] is None or _answered(handoff):
            return
        calendar = roster.calendar_of(handoff["system"], handoff["owner"])
        wait = timedelta(microseconds=handoff["response_time"])
        start = from_micros(begin)
        handoff["response_due"] = to_micros(start + wait if calendar is None else calendar.after(start, wait))
        self._wind(handoff, roster)

    def _wind(self, handoff: dict[str, Any], roster: Roster) -> None:
        """Set the alarm that comes after the one that went off last, of this owner's turn."""
        kinds = [kind for _, kind in self._alarms(handoff, roster)]
        left = kinds[kinds.index(handoff["alarm"]) + 1 :] if handoff["alarm"] in kinds else kinds
        handoff |= _STILL
        if left:
            percent = next(percent for percent, kind in self._alarms(handoff, roster) if kind == left[0])
            calendar = roster.calendar_of(handoff["system"], handoff["owner"])
            begin, due = from_micros(handoff["owner_at"]), from_micros(handoff["response_due"])
            handoff |= {"alarm": left[0], "alarm_at": to_micros(_part(calendar, begin, due, percent))}

    def _alarms(self, handoff: Mapping[str, Any], roster: Roster) -> list[tuple[int, str]]:
        clock = self.journey.follow_up
        agreed = [(clock.warn, WARNED), (clock.escalate, ESCALATED)]
        if roster.owners.listed and not roster.is_fallback(handoff["system"], handoff["owner"]):
            agreed.append((clock.reassign, REASSIGNED))
        return sorted(((p, kind) for p, kind in agreed if p is not None), key=lambda one: one[0])

    def _rings(self, handoff: Mapping[str, Any]) -> bool:
        return bool(handoff["hearing"] == KNOWN)

    def _ring(self, lead: Lead, handoff: dict[str, Any], roster: Roster) -> None:
        """All that was due before its records were read again goes off now."""
        handoff["hearing"] = ""
        owner = handoff["owner"]
        while handoff["alarm"] and handoff["alarm_at"] <= to_micros(self.at) and handoff["owner"] == owner:
            kind = handoff["alarm"]
            if kind == REASSIGNED:
                choice = self._next(handoff, roster) if roster.owners.listed else None  # journey.yaml was another then
                if choice is not None and choice.owner != owner:
                    self._give(lead, handoff, roster, choice, kind, "no answer in time", "")
                    return
            else:
                self._record(lead, handoff, kind, owner, "no answer yet" if kind == WARNED else "no answer in time", "")
            self._wind(handoff, roster)

    def _record(self, lead: Lead, handoff: Mapping[str, Any], kind: str, before: str, reason: str, by: str) -> None:
        event = {"id": self.mint(), "handoff": handoff["id"], "lead": lead.id, "kind": kind, "at": to_micros(self.at)}
        event |= {"owner": handoff["owner"], "before": before, "reason": reason, "by": by}
        lead.clock_events = [*lead.clock_events, event]


def _answered(handoff: Mapping[str, Any]) -> bool:
    return bool(handoff["accepted_at"] or handoff["contacted_at"])


def _between(calendar: Calendar | None, start: datetime, end: datetime) -> timedelta:
    return end - start if calendar is None else calendar.worked(start, end)


def _after(calendar: Calendar | None, start: datetime, work: timedelta) -> datetime:
    return start + work if calendar is None else calendar.of_work(start, work)


def _part(calendar: Calendar | None, begin: datetime, due: datetime, percent: int) -> datetime:
    """When so much of the time from ``begin`` to ``due`` is over."""
    whole = _between(calendar, begin, due)
    if percent < 100:
        return _after(calendar, begin, whole * percent / 100)
    return due if percent == 100 else _after(calendar, due, whole * (percent - 100) / 100)
