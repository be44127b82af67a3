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
    leads = {
        "/".join(shown_value(row[part]) for part in KEYS[by]): partial(
            store.people, asked.connection, by, [row[part] or "" for part in KEYS[by]], *within
        )
        for row in rows[:NAMED]
    }
    written = one_table(rows, KEYS[by])
    return Answer(data, _parts(data, by, only_open), written, leads, definitions=("engagement", "reached", "points"))


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
            number(row["unassigned" if only_open else "engagements"]),
            Behind(number(row["people"]), "/".join(shown_value(row[part]) for part in KEYS[by])),
            *(percent(row[share]) for share in ("won_share", "not_won_share")),
            "" if row["points"] is None else f"{row['points']:g}",
        )
        for row in some
    ]
    yield Table(columns, cells, words=len(KEYS[by]) + 1)
    if len(some) < len(data["content"]):
        yield f"{number(len(some))} of {number(len(data['content']))} rows; CSV and JSON have all"
