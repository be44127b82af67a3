"""What marketing passed against what sales received, by their own counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.errors import Refused
from gateway.metrics.reconcile import OTHER
from gateway.metrics.report import Behind, Table, number

SHOWN = 50
"""So many leads are shown to people; programs get all."""
COLUMNS = ("side", "kind", "why", "system", "object", "record", "lead", "at")


def reconcile(asked: Asked) -> Answer:
    """Ask marketing's and sales' systems for their own counts, and say of every lead on one side only why.

    What a system counts stands under `counts:` in its mapping file. Both are asked live, as are the records on one side
    only; that costs some calls of each system's budget. The differences add up exactly.
    """
    from gateway.reconciling import reconcile as reconciled

    since, until = asked.period.since, asked.period.until or asked.now
    if since is None:
        raise Refused("say of when, such as --period last-month, or --since DAY")

    def day(at: datetime) -> str:
        return f"{at.astimezone(asked.zone):%Y-%m-%d}"

    data, compared = reconciled(asked.gateway, since, until, day)
    answer = told(data)
    return replace(answer, leads={"both": lambda: sorted(compared.both), **answer.leads})


def told(data: Mapping[str, Any]) -> Answer:
    """The answer of its JSON, which has no leads that are on both sides."""
    leads: dict[str, Callable[[], list[str]]] = {}
    for side in OTHER:
        alone = [one for one in data["only"] if one["side"] == side]
        leads[f"{side}-only"] = partial(_leads, alone)
        for word in ("kind", "why"):
            for said in dict.fromkeys(one[word] for one in alone):
                leads[f"{side}-only/{said}"] = partial(_leads, [one for one in alone if one[word] == said])
    rows = [COLUMNS, *([one[name] for name in COLUMNS] for one in data["only"])]
    return Answer(data, _parts(data), rows, leads, definitions=("passed", "received", "only"))


def _leads(chosen: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["lead"] for one in chosen if one["lead"]))


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    for side in ("passed", "received"):
        whose = ", ".join(f"{number(one['count'])} {one['object']} in {one['system']}" for one in data[side]["systems"])
        yield f"{side}: {number(data[side]['count'])} ({whose})"
    yield f"on both sides: {number(data['both'])} leads"
    if not data["only"]:
        yield "nobody is on one side only"
        return
    reasons: list[Sequence[str]] = [
        (one["why"], one["kind"], *(Behind(_count(one[side]), f"{side}-only/{one['why']}") for side in OTHER))
        for one in data["reasons"]
    ]
    sums = (sum(one[side] for one in data["reasons"]) for side in ("passed", "received"))
    reasons.append(("all on one side only", "", *map(number, sums)))
    yield Table(("why", "kind", "passed only", "received only"), reasons, words=2)
    some = data["only"][:SHOWN]
    yield Table(
        ("side", "kind", "record", "lead", "why"),
        [(one["side"], one["kind"], _record(one), one["lead"] or "(unknown)", one["why"]) for one in some],
        words=5,
    )
    if len(some) < len(data["only"]):
        yield f"{number(len(some))} of {number(len(data['only']))} records on one side only; CSV and JSON have all"


def _record(one: Mapping[str, Any]) -> str:
    return f"{one['system']}:{one['object']}:{one['record']}"


def _count(count: int) -> str:
    return number(count) if count else ""
