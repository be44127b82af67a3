"""The same leads counted on both sides: who is on one side only, and why. Pure.

In: what marketing's systems count as passed and sales' systems as received, each record with the lead it is of; then
what is known of those on one side only. Out: the JSON of the report, whose differences add up exactly.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.conditions import compile_condition
from gateway.contracts import Count

Side = Literal["passed", "received"]
Kind = Literal["filtered", "failed", "duplicate", "late", "deleted"]
OTHER: Mapping[Side, Side] = {"passed": "received", "received": "passed"}
KINDS: Mapping[Kind, str] = {
    "filtered": "a rule of yours keeps it away, or it never came that way",
    "failed": "it should be on the other side and is not: a system refused it, or it could not be read",
    "duplicate": "the same lead is counted there already, by another record",
    "late": "on its way, or counted by the other side in another period",
    "deleted": "its record is gone",
}
"""Why a lead is on one side only → what that means."""
DUPLICATE: tuple[Kind, str] = ("duplicate", "another record of this lead is counted here, too")


@dataclass(frozen=True, slots=True, order=True)
class Counted:
    """One record that a system counts, at its own time. ``lead`` "": the gateway does not know it."""

    system: str
    object: str
    record: str
    at: datetime
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """``both``: the leads that both sides count. ``alone``: per side the records whose lead only this side counts, and
    those the gateway does not know; ``doubled``: the second and further records of one lead.
    """

    both: frozenset[str]
    alone: Mapping[Side, Sequence[Counted]]
    doubled: Mapping[Side, Sequence[Counted]]


def compare(passed: Iterable[Counted], received: Iterable[Counted]) -> Compared:
    """Each record once, however often it is named."""
    sides: dict[Side, list[Counted]] = {"passed": sorted(set(passed)), "received": sorted(set(received))}
    first: dict[Side, dict[str, Counted]] = {"passed": {}, "received": {}}
    alone: dict[Side, list[Counted]] = {"passed": [], "received": []}
    doubled: dict[Side, list[Counted]] = {"passed": [], "received": []}
    for side, counted in sides.items():
        for one in sorted(counted, key=lambda one: (one.at, one)):
            if not one.lead:
                alone[side].append(one)
            elif first[side].setdefault(one.lead, one) is not one:
                doubled[side].append(one)
    for side, leads in first.items():
        alone[side] += [one for lead, one in leads.items() if lead not in first[OTHER[side]]]
    return Compared(frozenset(first["passed"].keys() & first["received"].keys()), alone, doubled)


# -- why ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class There:
    """One record of the lead in a system of the other side. ``values``: what it holds now, None = it is not there.

    ``asked``: whether it was looked at at all; else ``gone`` is what was last heard.
    """

    system: str
    record: str
    count: Count
    gone: str = ""
    asked: bool = True
    values: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a lead that the other side does not count. ``write``: (system, state, code) of the last one that
    has not been confirmed there. ``handoff``: the state of its last one, "" = it was never handed over.
    """

    erased: bool = False
    excluded: str = ""
    handoff: str = ""
    write: tuple[str, str, str] | None = None
    there: Sequence[There] = field(default=())


def why(side: Side, known: Known, since: datetime, until: datetime, day: Callable[[datetime], str]) -> tuple[Kind, str]:
    """Why a lead that ``side`` counts is missing from the other one. ``day``: a time as people read its day."""
    if known.erased:
        return "deleted", "the person was forgotten"
    living = [one for one in known.there if (one.values is not None if one.asked else not one.gone)]
    if known.there and not living:
        return "deleted", f"its record is deleted in {known.there[0].system}"
    elsewhere = ""
    for one in living:
        if one.values is None:
            continue
        at, holds = _counted(one.count, one.values)
        if at is not None and holds:
            if since <= at < until:
                return "late", f"{one.system} counts it by now: it changed meanwhile, or its search was behind"
            return "late", f"{one.system} counts it on {day(at)}"
        fields = ", ".join(one.count.where) if at is not None else one.count.at
        elsewhere = elsewhere or f"in {one.system}, but not counted there, by {fields}"
    if known.write is not None:
        system, state, code = known.write
        if state == "dead":
            return "failed", f"{system} refused it: {code or 'without a reason'}"
        return "late", f"on its way to {system}"
    if elsewhere:
        return "filtered", elsewhere
    if living:
        return "late", f"in {living[0].system}; that record could not be asked for"
    if side == "received":
        return "filtered", "no record where marketing counts: it came to sales another way"
    if known.handoff in ("open", "closed"):
        return "failed", "handed over, but no record was made where sales counts"
    if known.handoff == "held":
        return "late", "held back: more than sales can take"
    if known.handoff == "withdrawn":
        return "filtered", "held back, then withdrawn"
    if known.excluded:
        return "filtered", f"never handed over: {known.excluded}"
    return "filtered", "not handed over: by the gateway's rules it is not ready"


def _counted(count: Count, values: Mapping[str, Any]) -> tuple[datetime | None, bool]:
    """When a record that holds ``values`` counts, and whether its other fields let it count at all."""
    wanted = {name: list(given) for name, given in count.where.items()}
    return instant(values.get(count.at)), not wanted or compile_condition(wanted)(values)


def instant(raw: Any) -> datetime | None:
    """A system's time: ISO 8601, or milliseconds since 1970. Without a zone it is UTC; None = it is no time."""
    try:
        if isinstance(raw, int | float) or (isinstance(raw, str) and raw.isdigit()):
            return datetime.fromtimestamp(int(raw) / 1000, UTC)
        at = datetime.fromisoformat(str(raw))
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


# -- the report --------------------------------------------------------------------------------------------------------


def report(
    counts: Mapping[Side, Sequence[tuple[str, str, int]]],
    compared: Compared,
    reasons: Mapping[tuple[Side, Counted], tuple[Kind, str]],
) -> dict[str, Any]:
    """``passed`` and ``received`` (each its ``count`` and whose it is), ``both``, ``difference``, ``reasons`` (what the
    difference is made of: ``passed`` − ``received`` of all rows is the difference) and ``only``, every lead of it.

    :param counts: side → (system, object, its own count). :param reasons: of each record in ``compared.alone``.
    """
    only = [
        {"side": side, "system": one.system, "object": one.object, "record": one.record, "lead": one.lead or None}
        | {"at": one.at.astimezone(UTC).isoformat().replace("+00:00", "Z"), "kind": kind, "why": words}
        for side in OTHER
        for one, (kind, words) in [
            *((one, reasons[side, one]) for one in compared.alone[side]),
            *((one, DUPLICATE) for one in compared.doubled[side]),
        ]
    ]
    only.sort(key=lambda one: (one["side"], list(KINDS).index(one["kind"]), one["why"], one["at"], one["record"]))  # type: ignore[arg-type]
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in only:
        sums[str(one["kind"]), str(one["why"])][str(one["side"])] += 1
    sides: dict[str, dict[str, Any]] = {
        side: {
            "count": sum(count for _, _, count in counts[side]),
            "systems": [
                {"system": system, "object": object_, "count": count} for system, object_, count in counts[side]
            ],
        }
        for side in OTHER
    }
    return {
        **sides,
        "both": len(compared.both),
        "difference": sides["passed"]["count"] - sides["received"]["count"],
        "reasons": [
            {"kind": kind, "why": words, "passed": found["passed"], "received": found["received"]}
            for (kind, words), found in sorted(sums.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        ],
        "only": only,
    }
