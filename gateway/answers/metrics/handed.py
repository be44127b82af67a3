"""What came of the leads that sales were given: what each scoring rule earned, and whom the score misjudged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.sheet import one_table
from gateway.answers.texts import plural
from gateway.metrics.report import Behind, Table, number, percent

if TYPE_CHECKING:
    from gateway.metrics.handed import Handed, Rule

AXES = ("fit", "behaviour")
SHOWN = 20
"""So many leads stand under each heading; --leads, --csv and --json have all."""


def rules(asked: Asked) -> Answer:
    """Show what each scoring rule earned: how often it hit, and how much better those did whom it gave points to.

    By the points that each handoff was opened with. Good is a handoff that sales qualified or won. Lift 2 means: those
    with the rule were good twice as often as all; below 1 a rule that gives points points at the wrong people.
    """
    from gateway.metrics.handed import rules as earned

    given, known = _given(asked), _known(asked)
    data = earned(given, [*known], known)
    data["rules"] = [one for one in data["rules"] if one["axis"] in AXES and not one["rule"].startswith("limit of ")]
    leads: dict[str, Callable[[], list[str]]] = {
        "handoffs": partial(_of, given),
        "decided": partial(_of, [one for one in given if one.decided]),
        "good": partial(_of, [one for one in given if one.good]),
    }
    for one in data["rules"]:
        hit = [given_ for given_ in given if given_.points.get((one["axis"], one["rule"]))]
        leads |= {one["rule"]: partial(_of, hit)} if hit else {}
        leads |= {f"{one['rule']}/good": partial(_of, [each for each in hit if each.good])} if one["good"] else {}
    return Answer(
        data,
        _parts(data),
        one_table(map(_flat, data["rules"]), ("axis", "rule")),
        leads,
        ("hit", "good", "lift", "range"),
    )


def surprises(asked: Asked) -> Answer:
    """Name the leads that the score misjudged: won with a low one, rejected with a high one, and what sales said.

    Low is the lowest quarter of the handoffs of the period, high the highest, by the score each was opened with.
    """
    from gateway.metrics.handed import surprises as judged

    data = judged(_given(asked))
    leads = {kind: partial(_leads, data[kind]) for kind in ("won_low", "rejected_high")}
    for reason in data["reasons"]:
        theirs = [one for one in data["rejected_high"] if one["reason"] == reason["reason"]]
        leads[f"rejected_high/{reason['reason'] or '(no reason)'}"] = partial(_leads, theirs)
    head = ("kind", "lead", "score", "persona", "owner", "reason")
    rows = [head, *((kind, *one.values()) for kind in ("won_low", "rejected_high") for one in data[kind])]
    return Answer(data, misjudged(asked, data), rows, leads, ("low", "high"))


def _given(asked: Asked) -> list[Handed]:
    from gateway.people.staffing import name_of
    from gateway.store.handed import handed

    name = partial(name_of, asked.gateway.pipeline.roster(asked.connection, asked.now))
    return handed(asked.connection, asked.journey, asked.since, asked.until, name)


def _known(asked: Asked) -> dict[Rule, str]:
    """Each rule of the live model, and which score it is of."""
    from gateway.metrics.handed import rule_of

    main = {"": asked.instance.scoring} if asked.instance.scoring is not None else {}
    return {
        (axis, rule_of(score, str(rule["name"]))): score
        for score, file in {**main, **asked.instance.scores}.items()
        for axis in AXES
        for rule in file.data.get(axis) or ()
        if isinstance(rule, Mapping) and "name" in rule
    }


def _of(given: Sequence[Handed]) -> list[str]:
    return list(dict.fromkeys(one.lead for one in given))


def _leads(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["lead"] for one in rows))


def _flat(one: Mapping[str, Any]) -> dict[str, Any]:
    low, high = one["range"] or (None, None)
    return {name: value for name, value in one.items() if name != "range"} | {"range_low": low, "range_high": high}


def _parts(data: Mapping[str, Any]) -> Iterator[str | Table]:
    if not data["decided"]:
        yield f"{plural(data['handoffs'], 'handoff')}, none of them decided yet: nothing can be said of the rules"
        return
    good = f"{number(data['good'])} of {number(data['decided'])} decided handoffs were qualified or won"
    yield f"{good}: {percent(_short(data['good_share']))}"
    columns = ("rule", "axis", "handoffs", "of all", "points", "good with it", "range", "good without", "lift")
    yield Table(columns, [_row(one) for one in data["rules"]], words=2)
    if silent := [one["rule"] for one in data["rules"] if one["live"] and not one["hits"]]:
        yield f"never gave or took a point: {', '.join(silent)}"
    if few := [one["rule"] for one in data["rules"] if one["few"] and one["hits"]]:
        yield f"fewer than 10 decided handoffs, too few to say: {', '.join(few)}"
    if len({one["of"] for one in data["rules"]}) > 1:
        yield "a rule of another score than the main one is held against the handoffs by that score"
    if wrong := [
        one["rule"] for one in data["rules"]
        if not one["few"] and one["points"] and (one["points"] > 0) is (one["lift"] < 1) and _sure(one)
    ]:  # fmt: skip
        yield f"points the wrong way, more than chance: {', '.join(wrong)}"


def _sure(one: Mapping[str, Any]) -> bool:
    low, high = one["range"]
    return not low <= one["base"] <= high


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    span = " to ".join(percent(_short(share)) for share in one["range"]) if one["range"] else ""
    return (
        one["rule"] + ("" if one["live"] else " (no more)"),
        one["axis"],
        Behind(number(one["hits"]), one["rule"]),
        percent(_short(one["share"])),
        "" if one["points"] is None else f"{one['points']:+.1f}",
        Behind(percent(_short(one["good_share"])), f"{one['rule']}/good"),
        span,
        percent(_short(one["good_share_without"])),
        "" if one["lift"] is None or one["few"] else f"{one['lift']:.2f}",
    )


def _short(share: float | None) -> float | None:
    return None if share is None else round(share, 3)


def misjudged(asked: Asked, data: Mapping[str, Any]) -> Iterator[str | Table]:
    """``data`` of ``surprises`` for people, with what the leads are called now."""
    if not data["handoffs"]:
        yield "no handoffs were opened in this time: the score misjudged nobody"
        return
    bounds = f"low: up to {data['low']:g}, high: from {data['high']:g} points"
    bounds += "".join(f"; {name}: {one['low']:g} and {one['high']:g}" for name, one in data["others"].items())
    yield f"{plural(data['handoffs'], 'handoff')}; {bounds}"
    for kind, title in (("won_low", "won with a low score"), ("rejected_high", "rejected with a high score")):
        some = data[kind][:SHOWN]
        names = _names(asked, [one["lead"] for one in some])
        rows = [(names[one["lead"]], one["persona"], one["owner"], one["reason"], f"{one['score']:g}") for one in some]
        yield Table(("lead", "persona", "owner", "reason", "score"), rows, title, words=4)
        if not some:
            yield f"nobody {title}"
        elif len(some) < len(data[kind]):
            yield f"{len(some)} of {number(len(data[kind]))} {title}"
    if data["reasons"]:
        called = [one["reason"] or "(no reason)" for one in data["reasons"]]
        counts = [number(one["handoffs"]) for one in data["reasons"]]
        reasons = [(name, Behind(count, f"rejected_high/{name}")) for name, count in zip(called, counts, strict=True)]
        yield Table(("rejected with a high score because", "handoffs"), reasons)


def _names(asked: Asked, ids: Sequence[str]) -> dict[str, str]:
    """Each lead as people call them, or its id."""
    from gateway.answers.texts import who
    from gateway.store import listing

    rows = listing.named(asked.connection, ids, asked.gateway.model.score_name)
    records = listing.record_names(asked.connection, ids)
    named = {row["id"]: who(row["attributes"]) or records.get(row["id"], "") for row in rows}
    return {id_: named.get(id_) or id_ for id_ in ids}
