"""Which of several values of one field wins: the greater stamp, under the field's rule.

A stamp is (time, rank of the system, record): greater time wins; at the same time the system listed earlier in
gateway.yaml wins; the record id only makes the choice definite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from marshmallow import ValidationError

from gateway.leads.record import Record

CONSENT = ("do_not_email", "do_not_call", "opted_out_email", "opted_out_call", "unsubscribed")
"""Opt-outs take the strictest: once any system says yes, the answer is yes."""


class FieldRule(Protocol):
    """The part of a mapped field that merging needs."""

    to: str
    sync: str
    prefer: str | None
    blank: str

    def load(self, raw: Any) -> Any: ...


Inbound = Callable[[str, str], Mapping[str, FieldRule]]
"""(system, object) → system field → rule; empty when the system has no such mapping any more."""


def attributes(
    records: Iterable[Record], inbound: Inbound, rank: Mapping[str, int]
) -> tuple[dict[str, Any], dict[str, tuple[int, str]], list[tuple[Record, str]]]:
    """Join the records of one lead, company or deal.

    Returns (attributes, for each where its value came from as (stamp, system), fields whose raw value did not load).
    Pure in the set of records: their order does not matter.
    """
    best: dict[str, tuple[Any, int, Record, FieldRule]] = {}
    refused: list[tuple[Record, str]] = []

    def weight(value: Any, stamp: int, record: Record, rule: FieldRule) -> tuple[Any, ...]:
        return (
            rule.to in CONSENT and value is True,
            rule.prefer == record.system,
            rule.sync != "only if blank",
            stamp,
            -rank.get(record.system, 1 << 30),
            record.object,
            record.record,
        )

    for record in records:
        rules = inbound(record.system, record.object)
        for name, (raw, stamp) in record.snapshot.items():
            rule = rules.get(name)
            if rule is None or (raw is None and rule.blank != "clear"):
                continue
            try:
                candidate = (None if raw is None else rule.load(raw), stamp, record, rule)
            except ValidationError:
                refused.append((record, name))
                continue
            held = best.get(rule.to)
            if held is None or weight(*candidate) > weight(*held):  # mostly one record speaks: nothing to weigh
                best[rule.to] = candidate
    merged = {to: value for to, (value, _, _, _) in best.items() if value is not None}
    origin = {to: (stamp, record.system) for to, (_, stamp, record, _) in best.items()}
    return merged, origin, refused


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
