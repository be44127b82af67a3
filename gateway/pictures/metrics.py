"""The figures of each metric. In: the JSON of a ``gateway metrics`` command. Out: what ``figure`` makes of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gateway.answers.texts import plural
from gateway.metrics.report import number, shown_value
from gateway.pictures.figure import Figure, bars, grid, lines, linked, ranges

Data = Mapping[str, Any]
NO_STAGE = "no stage yet"
MONTHS = 36
"""So many months (quarters, years) are drawn: the newest."""
_UNIT = re.compile(r"[0-9]{4}(-Q[1-4]|-[01][0-9])?")


def figures(metric: str, data: Data) -> list[Figure]:
    """What there is to see in the numbers of ``metric``; nothing where it counted nothing."""
    return list(_DRAWN[metric](data)) if metric in _DRAWN else []


def funnel(data: Data) -> Iterator[Figure]:
    if not data["entered"]:
        return
    stages = [{"stage": "entered", "count": data["entered"], "conversion": None}, *data["stages"]]
    texts = [
        number(one["count"]) + (f", {one['conversion']:.0%} of the stage before" if one["conversion"] else "")
        for one in stages
    ]
    names = [one["stage"] for one in stages]
    counts = [one["count"] for one in stages]
    yield linked(bars("Leads at each stage", names, {"leads": counts}, "leads", "stage", texts={"leads": texts}), names)
    over_time = bool(data["groups"]) and all(_UNIT.fullmatch(str(group["value"])) for group in data["groups"])
    groups = data["groups"][-MONTHS:] if over_time else data["groups"]
    if not groups:
        return
    values = [group["value"] for group in groups]
    young = [bool(group.get("maturing")) for group in groups]
    if over_time:
        newest = f" (the newest {MONTHS} of {len(data['groups']):,})" if len(groups) < len(data["groups"]) else ""
        newest += " (hollow: still maturing)" if any(young) else ""
        reached = {
            one["stage"]: [group["stages"][place]["count"] for group in groups]
            for place, one in enumerate(data["stages"])
        }
        counted = {"entered": [one["entered"] for one in groups]} | reached
        drawn = lines(f"Leads at each stage over time{newest}", values, counted, "leads", pale=young)
        yield linked(drawn, *([f"{stage}/{shown_value(value)}" for value in values] for stage in counted))
    elif data["stages"]:
        last = data["stages"][-1]["stage"]
        counts = [group["stages"][-1]["count"] for group in groups]
        if data["basis"] == "cohort":
            share = [
                count / group["entered"] if group["entered"] else None
                for count, group in zip(counts, groups, strict=True)
            ]
            title = f"Share of those who entered that reached {last}"
            drawn = bars(title, values, {"share": share}, "share of leads", share=True)
        else:
            drawn = bars(f"Leads that reached {last}", values, {"leads": counts}, "leads")
        yield linked(drawn, [f"{last}/{shown_value(value)}" for value in values])
    revenue = [group["revenue"] for group in groups]
    money = f"revenue in {data['currency']}"
    if any(revenue) and over_time:
        yield lines(f"Revenue over time{newest}", values, {"revenue": revenue}, money, pale=young)
    elif any(revenue):
        yield bars("Revenue", values, {"revenue": revenue}, money)


def baseline(data: Data) -> Iterator[Figure]:
    covered = [one for one in data["steps"] if one["covered"] and one["leads"]]
    if covered:
        names = [f"{one['stage']} → {one['to']}" for one in covered]
        points = [(one["low"], one["rate"], one["high"]) for one in covered]
        yield ranges("How many go on to the next stage, with the range of chance", names, points, "share of leads")


def goals(data: Data) -> Iterator[Figure]:
    if data["goals"]:
        series = {"baseline": "baseline", "so far": "rate", "forecast": "forecast", "wanted": "wanted"}
        shares = {words: [one[key] for one in data["goals"]] for words, key in series.items()}
        names = [f"{one['name']} ({one['team']}, {one['by']})" for one in data["goals"]]
        reached = [f"{one['name']}/went on" for one in data["goals"]]
        yield linked(bars("Goals: where each stands", names, shares, "share of leads", share=True), [], reached)


def velocity(data: Data) -> Iterator[Figure]:
    steps = [one for one in (*data["steps"], data["cycle"]) if one["leads"]]
    if steps:
        names = [f"{one['stage']} → {one['to']}" for one in steps]
        yield bars("How long each step takes", names, _spread(steps, 1), "days of 24 hours", "step")
    owners = [one for one in data["owners"] if one["answered"]]
    if owners:
        names = [one["owner"] or "(nobody)" for one in owners]
        whose = [f"owner/{name}" for name in names]
        yield linked(bars("How soon owners answer", names, _spread(owners, 24), "hours", "owner"), *[whose] * 3)
    kept = [one for one in data["owners"] if one["in_time_of"] or one["ended_of"]]
    if kept:
        shares = {
            "answered within the response time": [one["in_time"] for one in kept],
            "bucket given by a person": [one["ended_by_a_person"] for one in kept],
        }
        names = [one["owner"] or "(nobody)" for one in kept]
        yield bars("How follow-up is kept", names, shares, "share of handoffs", "owner", share=True)


def campaigns(data: Data) -> Iterator[Figure]:
    found = [one for one in data["campaigns"] if one["leads"] or one["cost"]]
    if not found:
        return
    names = [one["campaign"] or "(no campaign)" for one in found]
    money, title = {"revenue": [one["revenue"] for one in found]}, "What campaigns brought"
    if any(one["cost"] is not None for one in found):
        money["cost"], title = [one["cost"] for one in found], "What campaigns brought and cost"
    if any(map(any, money.values())):
        yield bars(title, names, money, data["currency"], "campaign")
    stages = [one["stage"] for one in found[0]["stages"]]
    found = [one for one in found if one["leads"]]
    if stages and found:
        names = [one["campaign"] or "(no campaign)" for one in found]
        shares = [[one["share"] or 0.0 for one in row["stages"]] for row in found]
        drawn = grid("Share of a campaign's leads that reached a stage", names, stages, shares, "stage", "campaign")
        yield linked(drawn, [f"leads/{one['campaign'] or '(none)'}" for one in found])


def content(data: Data) -> Iterator[Figure]:
    rows = data["content"]
    if not rows:
        return
    parts = [name for name in ("channel", "asset", "campaign") if name in rows[0]]
    names = [" · ".join(filter(None, (row[part] for part in parts))) or "(none)" for row in rows]
    served: dict[str, list[float | None]] = {}
    for place, row in enumerate(rows):
        stage = row["stages"][0] if row["stages"] else NO_STAGE
        served.setdefault(stage, [None] * len(rows))[place] = row["engagements"]
    yield bars("Engagements, by the stage they serve", names, served, "engagements", stacked=True, grey=NO_STAGE)
    shares = {"buyers": [row["won_share"] for row in rows], "others": [row["not_won_share"] for row in rows]}
    if data["won"]:
        people = ["/".join(row[part] or "(none)" for part in parts) for row in rows]
        drawn = bars("Who engaged: share of buyers and of others", names, shares, "share of leads", share=True)
        yield linked(drawn, people, people)


def attribution(data: Data) -> Iterator[Figure]:
    models, by = [one for one in data["models"] if one["credits"]], data["by"]
    for key, title in (("revenue", f"revenue in {data['currency']}"), ("deals", "deals")):
        if not models or not data[key]:
            continue
        earned = {one["model"]: {credit[by]: credit[key] for credit in one["credits"]} for one in models}
        names = sorted({name for one in earned.values() for name in one})
        names.sort(key=lambda name: -sum(one.get(name, 0.0) for one in earned.values()))
        cells = [[one.get(name, 0.0) / data[key] for one in earned.values()] for name in names]
        drawn = grid(f"Share of {title} that each model credits to each {by}", names, list(earned), cells, "model", by)
        yield linked(drawn, names)


def recycled(data: Data) -> Iterator[Figure]:
    money = f"revenue in {data['currency']}"
    if data["revenue"]:
        names = [
            "never handed over" if one["generation"] is None else f"generation {one['generation']}"
            for one in data["generations"]
        ]
        texts = [f"{one['share'] or 0:.0%}, {plural(one['deals'], 'deal')}" for one in data["generations"]]
        revenue = [one["revenue"] for one in data["generations"]]
        drawn = bars("Revenue by generation", names, {"revenue": revenue}, money, texts={"revenue": texts})
        yield linked(drawn, [f"won/{one['generation'] or '(never handed over)'}" for one in data["generations"]])
    if data["reasons"]:
        names = [one["reason"] or "(no reason)" for one in data["reasons"]]
        counts = {"recycled": [one["recycled"] for one in data["reasons"]]}
        counts["came back"] = [one["returned"] for one in data["reasons"]]
        drawn = bars("Who was recycled, and who came back", names, counts, "handoffs", "reason")
        yield linked(drawn, *([f"{which}/{name}" for name in names] for which in ("recycled", "returned")))


def ideal(data: Data) -> Iterator[Figure]:
    known = [one for one in data["ideals"] if one["leads"]]
    if known:
        names = [f"{one['name']} ({one['persona']})" for one in known]
        shares = {"won of the ideal": [one["won_share"] for one in known]}
        shares["won of the others"] = [one["won_share_others"] for one in known]
        yield bars("Who is won: the ideal opportunity and the others", names, shares, "share of leads", share=True)


def rules(data: Data) -> Iterator[Figure]:
    known = [one for one in data["rules"] if one["range"] and not one["few"]]
    if known:
        names = [f"{one['rule']} ({one['points']:+.0f})" for one in known]
        points = [(one["range"][0], one["good_share"], one["range"][1]) for one in known]
        all_ = f"all: {data['good_share']:.0%}"
        yield ranges(f"Share of good handoffs with each rule, with the range of chance ({all_})", names, points, "good")


def surprises(data: Data) -> Iterator[Figure]:
    if data["reasons"]:
        names = [one["reason"] or "(no reason)" for one in data["reasons"]]
        counts = {"handoffs": [one["handoffs"] for one in data["reasons"]]}
        yield bars("Why leads with a high score were rejected", names, counts, "handoffs", "reason")


def reconcile(data: Data) -> Iterator[Figure]:
    names = [f"counted as {side}" for side in ("passed", "received")]
    only = [data[side]["count"] - data["both"] for side in ("passed", "received")]
    both = [data["both"], data["both"]]
    yield bars("Both counts", names, {"on both sides": both, "on one side only": only}, "records", stacked=True)
    if data["reasons"]:
        names = [one["why"] for one in data["reasons"]]
        counts = {f"{side} only": [one[side] or None for one in data["reasons"]] for side in ("passed", "received")}
        yield bars("Why some are on one side only", names, counts, "records", stacked=True)


def _spread(found: Sequence[Data], factor: float) -> dict[str, list[float | None]]:
    shares = {"half of them within": "median_days", "75 of 100 within": "p75_days", "90 of 100 within": "p90_days"}
    return {
        words: [None if one[name] is None else round(one[name] * factor, 2) for one in found]
        for words, name in shares.items()
    }


_DRAWN: Mapping[str, Callable[[Data], Iterator[Figure]]] = {
    "funnel": funnel,
    "baseline": baseline,
    "goals": goals,
    "velocity": velocity,
    "campaigns": campaigns,
    "content": content,
    "attribution": attribution,
    "recycled": recycled,
    "ideal": ideal,
    "rules": rules,
    "surprises": surprises,
    "reconcile": reconcile,
}
"""Command → its figures."""
