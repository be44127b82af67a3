"""Which of several values of one field wins: the greater stamp, under the field's rule.

A stamp is (time, rank of the system, record): greater time wins; at the same time the system listed earlier in
gateway.yaml wins; the record id only makes the choice definite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol

from marshmallow import ValidationError

from gateway.leads.record import Record
from gateway.times import to_micros

OPT_OUTS = {
    "do_not_email": "opted_in_email",
    "opted_out_email": "opted_in_email",
    "unsubscribed": "opted_in_email",
    "do_not_call": "opted_in_call",
    "opted_out_call": "opted_in_call",
}
"""Opt-outs take the strictest: once any system says yes, the answer is yes. Only an explicit opt-in of the same channel
that is later than it lifts one: the field it is paired with, true since then, or the time of the opt-in itself. Beside
the channels, ``opted_out_X`` of any other kind, such as one newsletter, is paired with ``opted_in_X``."""


def opt_in_of(name: str) -> str:
    """The lead field that lifts this opt-out; "" of one that is none."""
    return OPT_OUTS.get(name) or (f"opted_in_{name[10:]}" if name.startswith("opted_out_") else "")


Candidate = tuple[Any, list[Any], Record, "FieldRule"]
"""(canonical value, entry of the snapshot, its record, its rule)"""


class FieldRule(Protocol):
    """The part of a mapped field that merging needs."""

    to: str
    sync: str
    prefer: str | None
    blank: str

    def load(self, raw: Any) -> Any: ...


Inbound = Callable[[str, str], Mapping[str, FieldRule]]
"""(system, object) → system field → rule; empty when the system has no such mapping any more."""


Joined = tuple[dict[str, Any], Mapping[str, tuple[int, str]], list[tuple[Record, str]]]


def attributes(
    records: Sequence[Record],
    inbound: Inbound,
    rank: Mapping[str, int],
    undecided: dict[str, list[tuple[Record, int]]] | None = None,
) -> Joined:
    """Join the records of one lead, company or deal.

    Returns (attributes, for each where its value came from as (stamp, system), fields whose raw value did not load).
    Pure in the set of records: their order does not matter.

    :param undecided: is given each attribute that two systems edited, nobody knows in which order, and by whom; an
        opt-out is none of them: the strictest counts.
    """
    if len(records) == 1 and (joined := _alone(records[0], inbound)) is not None:
        return joined
    best: dict[str, Candidate] = {}
    rivals: dict[str, list[Candidate]] = {}
    refused: list[tuple[Record, str]] = []

    def weight(value: Any, entry: list[Any], record: Record, rule: FieldRule) -> tuple[Any, ...]:
        return (
            value is True and opt_in_of(rule.to) != "",
            rule.prefer == record.system,
            rule.sync != "only if blank",
            entry[1],
            -rank.get(record.system, 1 << 30),
            record.object,
            record.record,
        )

    for record in records:
        rules = inbound(record.system, record.object)
        for name, entry in record.snapshot.items():
            rule, raw = rules.get(name), entry[0]
            if rule is None or (raw is None and rule.blank != "clear"):
                continue
            try:
                candidate = (None if raw is None else rule.load(raw), entry, record, rule)
            except ValidationError:
                refused.append((record, name))
                continue
            held = best.get(rule.to)
            if held is None:  # mostly one record speaks: nothing to weigh
                best[rule.to] = candidate
                continue
            rivals.setdefault(rule.to, [held]).append(candidate)
            if weight(*candidate) > weight(*held):
                best[rule.to] = candidate
    merged = {to: value for to, (value, _, _, _) in best.items() if value is not None}
    origin = {to: (entry[1], record.system) for to, (_, entry, record, _) in best.items()}
    for to in [to for to, value in merged.items() if value is True and opt_in_of(to)]:
        if lifted := _lifted(best.get(opt_in_of(to)), rivals.get(to) or [best[to]]):
            merged[to], origin[to] = False, lifted
    if undecided is not None:
        for to, candidates in rivals.items():
            if others := [one for one in candidates if not opt_in_of(to) and _collide(best[to], one)]:
                others.sort(key=lambda one: one[2].ref)
                undecided[to] = [(record, entry[1]) for _, entry, record, _ in (best[to], *others)]
    return merged, origin, refused


def _alone(record: Record, inbound: Inbound) -> Joined | None:
    """The same of one record, which is all that most leads have. None: two fields meet, or an opt-out may be lifted."""
    rules, system = inbound(record.system, record.object), record.system
    merged: dict[str, Any] = {}
    won: dict[str, list[Any]] = {}
    refused: list[tuple[Record, str]] = []
    for name, entry in record.snapshot.items():
        rule = rules.get(name)
        if rule is None:
            continue
        raw, to = entry[0], rule.to
        if raw is not None:
            try:
                value = rule.load(raw)
            except ValidationError:
                refused.append((record, name))
                continue
            if value is True and opt_in_of(to):
                return None
            if value is not None:
                merged[to] = value
        elif rule.blank != "clear":
            continue
        if to in won:
            return None
        won[to] = entry
    return merged, _Told(won, system), refused


@dataclass(frozen=True, slots=True)
class _Told(Mapping[str, tuple[int, str]]):
    """attribute → (stamp, system), where one system told all: hardly any of these pairs is ever looked at."""

    won: Mapping[str, list[Any]]
    system: str

    def __getitem__(self, to: str) -> tuple[int, str]:
        return self.won[to][1], self.system

    def __iter__(self) -> Iterator[str]:
        return iter(self.won)

    def __len__(self) -> int:
        return len(self.won)


def _lifted(opted_in: Candidate | None, told: Iterable[Candidate]) -> tuple[int, str] | None:
    """(time, system) of the opt-in that came after every opt-out that was told; None when there is none."""
    if opted_in is None or opted_in[0] in (None, False):
        return None
    value, entry, record, _ = opted_in
    try:
        at = instant(value) if isinstance(value, str) else int(entry[1])
    except ValueError:
        return None  # a text that is no time says nothing of when
    return (at, record.system) if all(at > one[1][1] for one in told if one[0] is True) else None


def _collide(winner: Candidate, other: Candidate) -> bool:
    """Two systems that both may set the field edited it, and either may have been later.

    No edit is what a record held when we first heard of it, and what a system made of our own write; what a person or
    the journey set stands.
    """
    (value, entry, record, rule), (theirs, their_entry, their_record, their_rule) = winner, other
    if rule.sync != "newest" or their_rule.sync != "newest" or record.system == their_record.system:
        return False
    if OWN[0] in (record.system, their_record.system) or value == theirs:
        return False
    if not _edited(entry, record) or not _edited(their_entry, their_record):
        return False
    return bool(min(entry[1:]) <= max(their_entry[1:]) and min(their_entry[1:]) <= max(entry[1:]))


def instant(text: str, zone: tzinfo = UTC) -> int:
    """A canonical date or datetime as microseconds; a date is its midnight in ``zone``."""
    at = datetime.fromisoformat(text)
    return to_micros(at if "T" in text else at.replace(tzinfo=zone))


def _edited(entry: list[Any], record: Record) -> bool:
    return bool(entry[1] > record.first_at and (len(entry) == 2 or entry[2] != entry[1]))


def earliest(records: Sequence[Record]) -> int:
    """When a lead entered: the earliest time a system says it created the person, else the earliest thing known."""
    created = [record.created_at for record in records if record.created_at is not None]
    return min(created or [record.first_at for record in records])


OWN = ("gateway", "steps")
"""(system, object) of the values that the journey's own steps set: one record per lead, its id the lead's."""


@dataclass(slots=True)
class OwnRule:
    """A value the gateway set itself: canonical already, the newest wins."""

    to: str
    sync: str = "newest"
    prefer: str | None = None
    blank: str = "clear"

    def load(self, raw: Any) -> Any:
        return raw


class OwnRules(Mapping[str, FieldRule]):
    """Every name is a lead field of the same name."""

    def __getitem__(self, name: str) -> FieldRule:
        return OwnRule(name)

    def get(self, name: str, default: Any = None) -> Any:
        return OwnRule(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
