"""One past lead as it was when it was judged, with what became of it. Before: ``store.learning``; after: ``leaks``.

A lead is judged when it was handed over; without a handoff at sales' first word of it, and where that is also the
last one, at its end. Only what was known before that moment can be learned from: the rest would tell the outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from gateway.contracts import Activity, Subject
from gateway.errors import Refused
from gateway.times import from_micros

LOST = ("lost", "rejected")
JUDGED = ("handoff", "first word", "end")


class Value(NamedTuple):
    """``at`` in microseconds; ``dated``: False where that is only when we heard of it. ``source``: system: field."""

    value: Any
    at: int
    dated: bool
    source: str = ""


class Told(NamedTuple):
    """An outcome that sales reported. ``known_at``: when we heard of it."""

    at: int
    outcome: str
    dated: bool
    known_at: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """All that is stored of a lead with an end. ``activities``: each with whether its time is known."""

    lead: str
    persona: str
    entered_at: int
    values: Mapping[str, Value] = field(repr=False)
    activities: Sequence[tuple[Activity, bool]] = field(repr=False)
    told: Sequence[Told]
    handoffs: Sequence[int]


@dataclass(frozen=True, slots=True)
class Case:
    """``order``: cases are learned from in this order, oldest first. ``judged``: one of ``JUDGED``.

    ``late``: values told only after ``at``. ``undated``: values, and ``undated_kinds`` activities, whose time is not
    known. ``subject`` holds neither, unless they were asked for: ``trusted`` are then its values of unknown time.
    """

    lead: str
    won: bool
    at: datetime
    judged: str
    order: float
    subject: Subject
    late: Mapping[str, Any] = field(repr=False)
    undated: Mapping[str, Any] = field(repr=False)
    undated_kinds: frozenset[str]
    trusted: frozenset[str] = frozenset()
    known_at: int = 0
    """When its end was heard of, in microseconds."""


def cases(pasts: Iterable[Past], order_by: str = "", undated: bool = False, forced: Collection[str] = ()) -> list[Case]:
    """All that have an end, oldest first.

    :param order_by: an attribute to sort by, a number or an ISO 8601 time; empty: when they were judged. Raises
        ``Refused`` when it cannot order them. :param undated: whether to use what is of unknown time.
    :param forced: attributes that are used whenever they were told.
    """
    found = [case for past in pasts if (case := _case(past, order_by, undated, frozenset(forced))) is not None]
    if order_by and found:
        unknown = sum(case.order != case.order for case in found)
        if unknown > len(found) / 10:
            raise Refused(
                f"--order-by {order_by}: {unknown} of {len(found)} leads have no number and no time there; "
                "name another attribute, or leave it out to order leads by when they were judged"
            )
        found = [case for case in found if case.order == case.order]
    return sorted(found, key=lambda case: (case.order, case.lead))


def _case(past: Past, order_by: str, undated: bool, forced: frozenset[str]) -> Case | None:
    won = [told for told in past.told if told.outcome == "won"]
    lost = [told for told in past.told if told.outcome in LOST]
    if not won and not lost:
        return None
    end = min(won or lost)
    moment, judged = _moment(past, end)
    known, late, unsure = dict[str, Any](), dict[str, Any](), dict[str, Any]()
    trusted: set[str] = set()
    for name, value in past.values.items():
        if name in forced:
            known[name] = value.value
        elif not value.dated:
            # Of two times of receipt the order is known all the same: what came with the outcome came too late.
            if not end.dated and value.at >= end.at:
                late[name] = value.value
            elif undated:
                known[name] = value.value
                trusted.add(name)
            else:
                unsure[name] = value.value
        elif value.at > moment or value.at >= end.at:
            late[name] = value.value
        else:
            known[name] = value.value
    at = from_micros(moment)
    before = [(one, dated) for one, dated in past.activities if one.at < at or (judged == "handoff" and one.at == at)]
    used = [one for one, dated in before if dated or undated or one.kind in forced]
    kinds = frozenset(one.kind for one, dated in past.activities if not dated and one.kind not in forced)
    order = _number(past.values[order_by].value) if order_by in past.values else float("nan")
    return Case(
        past.lead, bool(won), at, judged, order if order_by else moment / 1e6, Subject(known, used, (), past.persona),
        late, unsure, frozenset() if undated else kinds, frozenset(trusted),
        end.known_at,
    )  # fmt: skip


def _moment(past: Past, end: Told) -> tuple[int, str]:
    handed = [at for at in past.handoffs if at < end.at]
    if handed:
        return max(handed), "handoff"
    first = min(past.told)
    return (first.at, "first word") if first.at < end.at else (end.at, "end")


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        pass
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return float("nan")
