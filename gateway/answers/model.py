"""The model in words: every rule of its scores, roll-ups, every stage of journey.yaml, and every point of a score."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gateway.answers.texts import iso, iso_time, points, shown
from gateway.journey.content import WEIGHTS

if TYPE_CHECKING:
    from gateway.journey.journey import Journey, Stage
    from gateway.past import Explained, Point
    from gateway.settings.instance import Instance

AXES = ("fit", "behaviour")


def rules_of(scoring: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for axis in AXES:
        for rule in scoring.get(axis) or ():
            points, when = _words(rule, scoring)
            limits = [
                f"{name.replace('_', ' ')} {rule[name]}"
                for name in ("cap", "group", "window", "half_life")
                if name in rule
            ]
            yield {"axis": axis, "name": rule["name"], "points": points, "when": when, "limits": ", ".join(limits)}


def weighed(scoring: Mapping[str, Any]) -> list[str]:
    """What an activity counts by persona and the stage that its content serves: ``finance: mql × 1.5, sql × 2``."""
    rows = (scoring.get(WEIGHTS) or {}).items()
    return [f"{name}: " + ", ".join(f"{stage} × {factor:g}" for stage, factor in row.items()) for name, row in rows]


def _words(rule: Mapping[str, Any], scoring: Mapping[str, Any]) -> tuple[str, str]:
    """(points, what they are given for) of one rule; whatever its kind, nothing of it is left out."""
    from gateway.conditions import in_words
    from gateway.scoring.model import COMPARISONS, level_words

    if "activity" in rule:
        kinds = rule["activity"] if isinstance(rule["activity"], list) else [rule["activity"]]
        return _signed(rule), "each " + " or ".join(kinds) + (
            f" where {in_words(rule['where'])}" if "where" in rule else ""
        )
    if "when" in rule:
        return _signed(rule), in_words(rule["when"])
    if "level" in rule:
        attribute = scoring["levels"][rule["level"]]["attribute"]
        comparison = next(name for name in COMPARISONS if name in rule)
        return _signed(rule), f"{attribute} is {level_words(comparison, rule[comparison])}"
    kind = next((name for name in ("ranges", "values", "levels") if name in rule), None)
    if kind is None:  # another strategy's rule: shown as it is written
        return _signed(rule), shown(
            [f"{name}: {value}" for name, value in rule.items() if name not in ("name", "points")]
        )
    given = rule[kind]
    attribute = given.get("attribute") or scoring["levels"][given["level"]]["attribute"]
    points = [f"{label}: {value:+g}" for label, value in given["points"].items()]
    if given.get("default"):
        points.append(f"any other: {given['default']:+g}")
    return ", ".join(points), f"by {attribute}"


def _signed(rule: Mapping[str, Any]) -> str:
    points = rule.get("points", 0)
    return f"{points:+g}" if isinstance(points, (int, float)) else shown(points)


def live_rollups(instance: Instance) -> list[dict[str, Any]]:
    """As ``rollups_of``, of the files in use."""
    scores = {name: file.data for name, file in instance.scores.items()}
    scores |= {"": instance.scoring.data} if instance.scoring is not None else {}
    return rollups_of(instance.journey_file.data, scores, instance.rollups)


def rollups_of(
    journey: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]], names: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """What companies' leads come to together, in words, and who reads each: rules, else sections of journey.yaml.

    :param journey, scores: the data of the files; the main score's under an empty name. :param names: those that are
        worked out; None = those that these files name or read.
    """
    from gateway.journey.rollups import in_words, wanted
    from gateway.mapping.grammar import OF_COMPANY
    from gateway.settings.doubts import uses

    read_by: dict[str, list[str]] = {}
    for score, data in scores.items():
        for path, what, name in uses(data, ()):
            rule = str(data[path[0]][path[1]]["name"]) if len(path) > 1 and path[0] in AXES else str(path[0])
            if what == "attribute" and name.startswith(OF_COMPANY):
                read_by.setdefault(name, []).append(f"{score}: {rule}" if score else rule)
    for path, what, name in uses(journey, ()):
        if what == "attribute" and name.startswith(OF_COMPANY):
            read_by.setdefault(name, []).append(str(path[0]).replace("_", " "))
    return [
        {"name": f"{OF_COMPANY}{name}", "what": in_words(one),
         "read_by": list(dict.fromkeys(read_by.get(f"{OF_COMPANY}{name}", ())))}
        for name, one in wanted(journey, read_by).items() if names is None or name in names
    ]  # fmt: skip


def stage_of(stage: Stage) -> dict[str, Any]:
    ways = []
    score = f"score {stage.score}" if stage.score else "score"
    if isinstance(stage.thresholds, Mapping):
        ways.append(f"{score} " + ", ".join(f"{name} {value / 100:g}" for name, value in stage.thresholds.items()))
    elif stage.thresholds is not None:
        ways.append(f"{score} {stage.thresholds / 100:g}")
    facts = [f"outcome {name}" for name in sorted(stage.outcomes)] + [
        f"activity {name}" for name in sorted(stage.activities)
    ]
    if facts:
        ways.append(" or ".join(facts))
    entry = (" and " if stage.both else " or ").join(ways)
    return {
        "stage": stage.name,
        "shared": stage.shared,
        "entry": entry or ("every lead" if stage.index == 0 else ""),
        "steps": [
            f"{name} "
            + (
                " ".join(f"{key} {shown(one)}" for key, one in value.items())
                if isinstance(value, Mapping)
                else shown(value)
            )
            for step in stage.steps
            for name, value in step.items()
        ],
        "fall": ""
        if stage.thresholds is None
        else f"goes back {stage.margin / 100:g} below"
        if stage.falls
        else "stays",
    }


def model_json(
    journey: Journey,
    scoring: Mapping[str, Any] | None,
    others: Mapping[str, Mapping[str, Any]],
    hashes: Mapping[str, str],
    active: Any | None,
    rollups: list[dict[str, Any]],
) -> dict[str, Any]:
    """Rules and stages in words, with their hashes. ``others``: the files of the scores beside the main one, by name;
    ``active``: the bundle's row, where they are in use; ``rollups``: as ``rollups_of`` has them."""
    return {
        "bundle": active.id if active else None,
        "active_since": iso(active.active_at) if active else None,
        "hashes": dict(hashes),
        "weights": (scoring or {}).get("weights"),
        "bands": (scoring or {}).get("bands"),
        WEIGHTS: (scoring or {}).get(WEIGHTS),
        "rules": list(rules_of(scoring)) if scoring else [],
        "scores": {
            name: {word: one.get(word) for word in ("weights", "bands", WEIGHTS)} | {"rules": list(rules_of(one))}
            for name, one in others.items()
        },
        "rollups": rollups,
        "personas": list(journey.personas),
        "stages": [stage_of(one) for one in journey.stages],
    }


def explained_json(found: Explained, hindsight: bool) -> dict[str, Any]:
    """A score with each point of it."""
    score = found.score
    return {
        "lead": found.lead,
        "at": iso_time(found.at),
        "hindsight": hindsight,
        "persona": found.subject.persona,
        "score": found.name,
        "total": points(score.total),
        "fit": points(score.fit),
        "behaviour": points(score.behaviour),
        "band": score.band,
        "changes_at": iso_time(score.changes_at) if score.changes_at else None,
        "scoring": found.scoring,
        "contributions": [
            {"axis": one.axis, "rule": one.rule, "points": points(one.hundredths), "reason": one.reason}
            for one in score.contributions
        ],
        "rollups": dict(found.rollups),
        "rolled_at": iso_time(found.rolled_at) if found.rolled_at else None,
    }


def point_json(one: Point) -> dict[str, Any]:
    """One moment of a score's history."""
    values = {name: points(getattr(one, name)) for name in ("total", "fit", "behaviour")}
    return {"at": iso_time(one.at), **values, "band": one.band, "scoring": one.scoring, "cause": one.cause}
