"""How many leads are the opportunity that both teams wish for, and how much better those do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.errors import Refused
from gateway.journey.ideal import ALL
from gateway.metrics.report import Behind, Table, number, percent

UNSET = "journey.yaml names no ideal opportunity yet; docs/committee.md says how (`ideal:`)"


def ideal(asked: Asked) -> Answer:
    """Show how many leads and wins are the ideal opportunity of their persona, and how much better those do."""
    from gateway.metrics.ideal import ideal as counted
    from gateway.store.ideal import leads

    if not asked.journey.ideals:
        raise Refused(UNSET)
    found = leads(asked.connection, asked.journey, asked.since, asked.until)
    data, behind = counted(found, asked.journey.ideals)
    if ALL not in asked.journey.ideals:  # a persona that nobody is of has no ideal, either
        unnamed = sorted({*asked.journey.personas} - {*asked.journey.ideals})
        data["without_ideal"] = dict.fromkeys(unnamed, 0) | data["without_ideal"]
    return Answer(
        data, _parts(data), one_table(data["ideals"]), {name: ids.copy for name, ids in behind.items()}, ("ideal",)
    )


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    yield f"{number(data['ideal'])} of {plural(data['leads'], 'lead')} and {number(data['ideal_won'])} of " + (
        f"{plural(data['won'], 'win')} are the opportunity to wish for"
    )
    columns = ("ideal", "persona", "leads", "are it", "share", "won of them", "share won", "share won of the others")
    yield Table(columns, [_row(one) for one in data["ideals"]], words=2)
    if data["without_ideal"]:
        told = (f"{name or '(none)'} ({plural(leads, 'lead')})" for name, leads in data["without_ideal"].items())
        yield f"journey.yaml names no ideal for: {', '.join(told)}; their leads and wins are in no number above"


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    shares = (percent(None if one[key] is None else round(one[key], 3)) for key in ("won_share", "won_share_others"))
    return (
        *(one["name"], one["persona"], number(one["leads"])),
        Behind(number(one["ideal"]), one["persona"]),
        percent(None if one["share"] is None else round(one["share"], 3)),
        Behind(number(one["ideal_won"]), f"{one['persona']}/won"),
        *shares,
    )
