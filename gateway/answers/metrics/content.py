"""What people engage with, whom it reaches, and which stage of the journey it serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.metrics.content import KEYS
from gateway.metrics.report import Behind, Table, number, percent, shown_value

SHOWN = 50
"""So many rows are shown to people; programs get all."""
NAMED = 200
"""So many rows can have their people listed."""


def content(asked: Asked, by: str, only_open: bool) -> Answer:
    """Show every asset and channel: its stage, engagements, people, the share of buyers, and the points it earns.

    content.yaml says which stage an asset, a channel or a campaign serves; --unassigned lists what it does not name.
    """
    from gateway.metrics.content import content as counted
    from gateway.metrics.content import unassigned
    from gateway.store import content as store

    within = (asked.since, asked.until)
    found, whole = store.reached(asked.connection, asked.journey, by, *within)
    serves = asked.instance.content.stage_of
    data = counted(store.engagements(asked.connection, *within), found, whole, by, serves, _points(asked))
    rows: Sequence[Mapping[str, Any]] = unassigned(data) if only_open else data["content"]
    data = {**data, "content": rows}
    leads = _leads(asked, data, by, rows[:NAMED])
    written = one_table(rows, KEYS[by])
    return Answer(data, _parts(data, by, only_open), written, leads, definitions=("engagement", "reached", "points"))


def _leads(asked: Asked, data: Mapping[str, Any], by: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Number → how to read its leads: a row's people, those of them who bought, those of what serves no stage yet."""
    from gateway.store import content as store

    within = (asked.since, asked.until)
    buyers = partial(store.buyers, asked.connection, asked.journey, by)
    no_stage = partial(store.without_stage, asked.connection, asked.instance.content.stage_of, by)
    leads = {"won": partial(buyers, (), *within), "unassigned": partial(no_stage, (), *within)}
    found: dict[str, Any] = {name: one for name, one in leads.items() if data[name]}
    for row in rows:
        name, key = _name(row, by), [row[part] or "" for part in KEYS[by]]
        found |= {f"won/{name}": partial(buyers, key, *within)} if row["won"] else {}
        found |= {f"unassigned/{name}": partial(no_stage, key, *within)} if row["unassigned"] else {}
        found[name] = partial(store.people, asked.connection, by, key, *within)
    return found


def _name(row: Mapping[str, Any], by: str) -> str:
    return "/".join(shown_value(row[part]) for part in KEYS[by])


def _points(asked: Asked) -> Any:
    """What the model in use gives one fresh engagement, on the scale of 100."""
    from gateway.contracts import Activity, Subject

    scorer = asked.gateway.model.scorer

    @cache
    def points(touch: tuple[str, str, str, str]) -> float | None:
        if scorer is None:
            return None
        asset, channel, campaign, kind = touch
        subject = Subject({}, [Activity(asked.now, kind, asset, channel, campaign)])
        told = scorer.score(subject, asked.now, True).contributions
        earned = [one.hundredths for one in told if one.axis == "behaviour" and not one.rule.startswith("limit of ")]
        return sum(earned) / 100

    return points


def _parts(data: Mapping[str, Any], by: str, only_open: bool) -> Iterator[str | Table]:
    bought = f"of {plural(data['leads'], 'lead')} {number(data['won'])} bought"
    yield f"{plural(data['engagements'], 'engagement')}; {bought}"
    if data["unassigned"]:
        more = "" if only_open else " (ask for the unassigned to see what with)"
        yield f"{number(data['unassigned'])} serve no stage yet{more}: say which in content.yaml"
    some = data["content"][:SHOWN]
    columns = (*KEYS[by], "stage", "engagements", "people", "of buyers", "of others", "points each")
    cells = [
        (
            *(shown_value(row[part]) for part in KEYS[by]),
            ", ".join(row["stages"]) + (" (some)" if row["stages"] and row["unassigned"] else ""),
            Behind(number(row["unassigned"]), f"unassigned/{_name(row, by)}")
            if only_open
            else number(row["engagements"]),
            Behind(number(row["people"]), _name(row, by)),
            Behind(percent(row["won_share"]), f"won/{_name(row, by)}"),
            percent(row["not_won_share"]),
            "" if row["points"] is None else f"{row['points']:g}",
        )
        for row in some
    ]
    yield Table(columns, cells, words=len(KEYS[by]) + 1)
    if len(some) < len(data["content"]):
        yield f"{number(len(some))} of {number(len(data['content']))} rows; CSV and JSON have all"
