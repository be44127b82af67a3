"""Does the live model still meet the leads it was agreed on for? Looked at once a day, or when somebody asks.

In: leads that came in the 90 days before the model went live, and leads that came since, each as it was known two weeks
after it came, all scored by the live model. Out: findings, which are open as work items of kind ``model drift``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway import past
from gateway.answers.versions import history
from gateway.errors import NotFound, Refused
from gateway.settings.doubts import uses
from gateway.simulation.drift import Finding, Sample, Seen, compare, spread
from gateway.simulation.replay import Rules, rules_of
from gateway.store import alarms, due, simulating
from gateway.store.database import read, write
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

AGE = timedelta(days=14)
"""How old a lead is when it is looked at."""
SPAN = timedelta(days=90)
MOST = 300
"""Leads of each sample."""
_LOOKED = ("gateway", alarms.MODEL_DRIFT)
_DAY = timedelta(days=1) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Drift:
    """``live_since``: when the model went live. ``findings`` None: too few leads yet to say."""

    score: str
    bundle: str
    live_since: datetime
    before: int
    after: int
    findings: Sequence[Finding] | None


def look(gateway: Gateway, score: str = "") -> Drift:
    """By the leads' ``score``, empty = the main one. Raises ``Refused`` where nobody has it, or it enters no stage."""
    score = gateway.model.score_asked(score)
    scorer = gateway.model.scorer_of(score)
    rules = rules_of(scorer, gateway.model.journey, score) if scorer is not None else None
    versions = history(gateway, 1)
    if rules is None or not versions:
        raise Refused(f"there is no model that takes leads to sales by {score or 'their score'}")
    live, now = versions[0], to_micros(gateway.now())
    span, age = (one // timedelta(microseconds=1) for one in (SPAN, AGE))
    file = gateway.instance.score_file(score)
    data = file.data if file is not None else {}
    read_by = {
        rule["name"]: {name for _, what, name in uses(_plain(rule, data), ()) if what == "attribute"}
        for axis in ("fit", "behaviour")
        for rule in data.get(axis) or ()
    }
    samples = []
    for since, until in ((live.since - span, live.since), (max(live.since, now - age - span), now - age)):
        samples.append(_sample(gateway, rules, since, until, read_by))
    before, after = samples
    name = score or gateway.model.score_name
    found = compare(before, after, read_by)
    return Drift(name, live.bundle, from_micros(live.since), before.leads, after.leads, found)


def _plain(rule: dict[str, object], data: dict[str, object]) -> dict[str, object]:
    """A rule that reads a level, with the level's attribute in its place."""
    levels = data.get("levels") or {}
    name = rule.get("level") or (rule.get("levels") or {}).get("level")  # type: ignore[attr-defined]
    level = levels.get(name) if isinstance(levels, dict) else None
    return {**rule, "attribute": level["attribute"]} if level else rule


def _sample(gateway: Gateway, rules: Rules, since: int, until: int, read_by: Mapping[str, set[str]]) -> Sample:
    sample, attributes = Sample(), set[str]().union(*read_by.values())
    with read(gateway.store.main) as connection:
        came = simulating.entered(connection, since, until)
        entered = dict(came)
        ids = spread([lead for lead, _ in came], MOST)
        accepted = simulating.accepted_at(connection, ids)
        then = past.rules_now(gateway)
        for lead in ids:
            at = from_micros(entered[lead]) + AGE
            try:
                found = past.explained(connection, then, lead, at, True, rules.stage.score)
            except NotFound:
                continue
            needs = rules.stage.threshold(found.subject.persona)
            given = {one.rule for one in found.score.contributions} & read_by.keys()
            good = accepted.get(lead, until + 1) <= to_micros(at)
            above = needs is not None and found.score.total >= needs
            sample.take(Seen(found.score.total, given, found.subject.attributes, above, good), attributes)
    return sample


def watch(gateway: Gateway) -> None:
    """Once a day: what is found is open as a work item, what is found no more is ended."""
    now = to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        looked = due.cursor(connection, *_LOOKED)
    if looked is not None and now - looked["at"] < _DAY:
        return
    found = [(score, one) for score in gateway.model.score_names for one in _findings(gateway, score)]
    with write(gateway.store.main) as connection:
        due.save_cursor(connection, *_LOOKED, {"at": now}, now)
        rows = [
            {
                "key": ":".join((alarms.MODEL_DRIFT, *gateway.model.others.keys() & {score}, one.what)),
                "kind": alarms.MODEL_DRIFT,
                "system": "",
                "object": "",
                "detail": {"what": f"{score}: {one.words}" if score in gateway.model.others else one.words},
            }
            for score, one in found
        ]
        kept = {row["key"] for row in rows}
        alarms.raise_alarms(connection, rows, now)
        over = [row.key for row in alarms.open_alarms(connection, alarms.MODEL_DRIFT) if row.key not in kept]
        alarms.end_alarms(connection, over, alarms.RIGHT_AGAIN, now)


def _findings(gateway: Gateway, score: str) -> Sequence[Finding]:
    try:
        return look(gateway, score).findings or ()
    except Refused:
        return ()
