"""Who gets a handoff: the rules of `assign` over those who are there. In: ``Roster``, the lead. Out: ``Choice``.

Pure, but for the turns of the roster, which move on: the store keeps them from one batch to the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.journey.calendar import Calendar
from gateway.journey.owners import ACCOUNT_OWNER, TERRITORY, Owner, Owners
from gateway.journey.turns import Turns, shared_by

SHORT = 15
"""Characters of a Salesforce id without its check digits."""


class User(NamedTuple):
    """What a CRM says of one of its users or queues. ``active`` False: nobody there takes anything any more."""

    id: str
    email: str = ""
    name: str = ""
    active: bool = True
    zone: ZoneInfo | None = None


class Choice(NamedTuple):
    """``owner``: as the CRM knows them: their id there, or what journey.yaml says where that is not known."""

    owner: str
    why: str


class Order(NamedTuple):
    """A person gives a handoff to ``owner``, as the CRM knows them; empty: to whom the rules choose."""

    owner: str
    reason: str
    by: str


class Away(NamedTuple):
    """``until`` None: until they are back."""

    until: datetime | None
    reason: str


@dataclass(slots=True)
class Roster:
    """Owners as they are now. ``users``: system → what it says of its users; ``away``: name → absence of now."""

    owners: Owners
    calendar: Calendar | None
    users: Mapping[str, Sequence[User]] = field(default_factory=dict)
    away: Mapping[str, Away] = field(default_factory=dict)
    turns: dict[str, Turns] = field(default_factory=dict)
    had: Mapping[str, Collection[str]] = field(default_factory=dict)
    """handoff → those it was given to so far, as the CRM knows them"""
    _known: dict[tuple[str, str], User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for system, users in self.users.items():
            for keys in ("name", "email"):  # an id beats an address, an address a name
                self._known |= {(system, getattr(user, keys).casefold()): user for user in users}
            self._known |= {(system, id_): user for user in users for id_ in (user.id[:SHORT], user.id)}

    def user(self, system: str, who: str) -> User | None:
        """By id, e-mail address or name; None: ``system`` did not tell of such a user."""
        return (self._known.get((system, who)) or self._known.get((system, who.casefold()))) if who else None

    def owner(self, system: str, who: str) -> Owner | None:
        """The entry of journey.yaml that is this user of ``system``, or is called so."""
        user = self.user(system, who)
        for one in self.owners.listed:
            if one.serves(system) and (one.name == who or self._is(one, system, who, user)):
                return one
        return None

    def _is(self, one: Owner, system: str, who: str, user: User | None) -> bool:
        return one.who.casefold() == who.casefold() or (user is not None and self.user(system, one.who) is user)

    def _both(self, system: str, who: str) -> tuple[Owner | None, User | None]:
        owner = self.owner(system, who)
        return owner, self.user(system, owner.who if owner is not None else who)

    def id_of(self, owner: Owner, system: str) -> str:
        user = self.user(system, owner.who)
        return user.id if user is not None else owner.who

    def calendar_of(self, system: str, who: str) -> Calendar | None:
        """The working hours of an owner, by their own clocks."""
        owner, user = self._both(system, who)
        calendar = owner.calendar if owner is not None and owner.calendar is not None else self.calendar
        zone = owner.zone if owner is not None and owner.zone is not None else user.zone if user is not None else None
        return calendar if calendar is None or zone is None else replace(calendar, zone=zone)

    def gone(self, system: str, who: str) -> str:
        """Why nobody of this name takes handoffs now; empty: they do."""
        owner, user = self._both(system, who)
        if user is not None and not user.active:
            return f"not active in {system}"
        if user is None and owner is not None and self.users.get(system):
            return f"not known in {system}"
        return "absent" if owner is not None and owner.name in self.away else ""

    def at_work(self, system: str, owner: Owner, at: datetime) -> bool:
        calendar = self.calendar_of(system, owner.name)
        return calendar is None or calendar.at_work(at)

    def possible(self, system: str) -> list[Owner]:
        """Who can be given a handoff by name."""
        return [one for one in self.owners.listed if one.serves(system) and not self.gone(system, one.name)]

    def choose(
        self,
        system: str,
        attributes: Mapping[str, Any],
        theirs: Sequence[str],
        at: datetime,
        had: Collection[str] = (),
    ) -> Choice:
        """Whose a handoff to ``system`` becomes.

        :param theirs: who owns the lead's record and its company's over there. :param had: owners who do not get it
            again, as the CRM knows them.
        """
        before = {one.name for who in had if (one := self.owner(system, who)) is not None}
        served = [one for one in self.owners.listed if one.serves(system)]
        left = [one for one in served if one.name not in before]
        alone = "no rule of assign gives it away"
        for rule in self.owners.assign:
            if rule == ACCOUNT_OWNER:
                for who in theirs:
                    owner = self.owner(system, who)
                    if owner in left and owner is not None and not self.gone(system, owner.name):
                        return Choice(self.id_of(owner, system), "account owner")
                continue
            pool = [one for one in served if one.weight > 0 and _takes(one, rule, attributes)]
            there = [one for one in pool if not self.gone(system, one.name)]
            present = [one for one in there if self.at_work(system, one, at)] or there
            free = [one for one in present if one in left] or [one for one in there if one in left]
            if free:
                chosen = self._deal(pool, present if free[0] in present else free, free)
                why = f"territory: {chosen.where}" if rule == TERRITORY else "turn"
                return Choice(self.id_of(chosen, system), why)
            if pool:
                alone = "nobody else is there" if there else "nobody is there"
        fallback = self.owners.named(self.owners.fallback)
        assert fallback is not None  # a checked file has one
        return Choice(self.id_of(fallback, system), f"fallback: {alone}")

    def _deal(self, pool: Sequence[Owner], present: Sequence[Owner], free: Sequence[Owner]) -> Owner:
        id_ = shared_by([one.name for one in pool])
        turns = self.turns.setdefault(id_, Turns(id_))
        name = turns.deal({one.name: one.weight for one in present}, {one.name for one in free})
        return next(one for one in free if one.name == name)

    def is_fallback(self, system: str, who: str) -> bool:
        owner = self.owner(system, who)
        return owner is not None and owner.name == self.owners.fallback

    def out(self, system: str) -> Iterator[str]:
        """Everybody who may have a handoff to ``system`` and takes none now, as the CRM or journey.yaml knows them.

        Never the fallback: nobody is left to take it from there.
        """
        away = [one for one in self.owners.listed if one.serves(system) and self.gone(system, one.name)]
        names = {name for one in away for name in (one.who, self.id_of(one, system))}
        names |= {user.id for user in self.users.get(system, ()) if not user.active}
        return (name for name in sorted(names) if not self.is_fallback(system, name))


def _takes(owner: Owner, rule: str, attributes: Mapping[str, Any]) -> bool:
    return owner.territory is None if rule != TERRITORY else owner.territory is not None and owner.territory(attributes)
