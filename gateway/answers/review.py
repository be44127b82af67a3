"""The review pack: a period's numbers in the order in which both teams talk about them, each with a plain sentence.

Sections are made once, kept with the review, and shown from there: a pack that was decided by does not change. People
in it by their ids alone; names are put in when it is shown, so a forgotten person has none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers import outlook
from gateway.answers.metrics import attribution, campaigns, content, funnel, goals, handed, ideal, recycled, velocity
from gateway.answers.metrics.asked import Answer, Asked, settled, stated
from gateway.answers.section import Data, Section
from gateway.answers.texts import plural
from gateway.errors import Refused
from gateway.metrics.definitions import DEFINITIONS
from gateway.metrics.period import Period
from gateway.metrics.report import Table, number, percent

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.committee.simulating import Tell
    from gateway.runtime import Gateway
    from gateway.store.reviews import Decision

NONE = "Nobody was handed over in the period."
HALF_LIFE = timedelta(days=30)
MOST = 200
"""So many rows of one number's list are kept: whoever wants all asks the metric itself."""


def sections(asked: Asked, before: Sequence[Section] = (), tell: Tell = lambda *_: None) -> Iterator[Section]:
    """Of the period that is asked for. What cannot be told says why, and the rest is told all the same.

    :param before: those of the pack made last, of which replays are taken that are still of use. :param tell: how far a
        replay is.
    """
    ever = replace(asked, period=Period())
    by_channel = partial(attribution.attribution, by="channel", window=None, half_life=HALF_LIFE)
    for name, title, of, answer in (
        ("funnel", "The funnel", asked, lambda one: funnel.funnel(one, None, "period")),
        ("goals", "Goals", ever, goals.goals),
        ("baseline", "What is usual", ever, goals.baseline),
        ("ideal", "The ideal opportunity", asked, ideal.ideal),
        ("surprises", "Whom the score misjudged", asked, handed.surprises),
        ("rules", "What each rule earned", asked, handed.rules),
        ("content", "Content", asked, lambda one: content.content(one, "asset", False)),
        ("campaigns", "Campaigns", asked, campaigns.campaigns),
        ("attribution", "What deals are owed to", asked, by_channel),
        ("recycled", "What came back", asked, recycled.recycled),
        ("velocity", "How fast it goes, and how follow-up is kept", asked, velocity.velocity),
    ):  # fmt: skip
        yield _section(name, title, of, answer)
    yield from outlook.sections(asked, {one.name: one.data or {} for one in before}, tell)


def _section(name: str, title: str, asked: Asked, answer: Callable[[Asked], Answer]) -> Section:
    try:
        found = answer(asked)
    except Refused as exc:
        return Section(name, title, str(exc), problem=str(exc))
    data = {
        key: value[:MOST] if isinstance(value, list) else value
        for key, value in (stated(settled(asked, found), found.counts) | dict(found.data)).items()
    }
    parts = [] if name == "surprises" else list(found.parts)
    return Section(name, title, _SAID[name](found.data), parts, data, found.definitions)


def named(asked: Asked, section: Section) -> Section:
    """With what people are called today, where it tells of people."""
    if section.data is None:
        return section
    if section.name == "surprises":
        return replace(section, parts=list(handed.misjudged(asked, section.data)))
    return replace(section, parts=[*section.parts, *outlook.people(asked, section)])


def definitions(found: Sequence[Section]) -> dict[str, str]:
    return {name: DEFINITIONS[name] for one in found for name in one.definitions if name in DEFINITIONS}


def log(decisions: Sequence[Decision], title: str) -> Table:
    """What was decided, whose it is and what became of it."""
    rows = [
        (one.text, one.owner, one.due, f"done by {one.done_by}" if one.done_at is not None else "open")
        for one in decisions
    ]
    return Table(("decision", "owner", "by", "state"), rows, title, words=4)


def overdue(gateway: Gateway, connection: Connection) -> list[str]:
    """In words, when the committee was to meet and has not: nobody decided anything by a pack since."""
    from gateway.store import reviews
    from gateway.times import from_micros

    committee, zone = gateway.instance.committee, gateway.instance.zone
    if committee is None:
        return []
    last = reviews.held(connection)
    due = committee.due(from_micros(last).astimezone(zone).date() if last is not None else None)
    late = (gateway.now().astimezone(zone).date() - due).days
    words = f"the committee's review was due on {due}, {plural(late, 'day')} ago (`gateway review`)"
    return [words] if late > 0 else []


def as_json(found: Sequence[Section]) -> list[dict[str, Any]]:
    import orjson

    plain: list[dict[str, Any]] = orjson.loads(orjson.dumps(found, option=orjson.OPT_NON_STR_KEYS))
    return plain


# -- one sentence each -------------------------------------------------------------------------------------------------


def _funnel(data: Data) -> str:
    last = data["stages"][-1] if data["stages"] else None
    won = f", {number(last['count'])} reached {last['stage']}" if last else ""
    brought = f" and brought {data['revenue']:,.0f} {data['currency']}" if data["revenue"] else ""
    return f"{plural(data['entered'], 'lead')} entered{won}{brought}."


def _goals(data: Data) -> str:
    states = [one["state"] for one in data["goals"]]
    good = sum(state in ("reached", "on course") for state in states)
    behind = [f"{one['name']} ({one['team']})" for one in data["goals"] if one["state"] in ("behind", "missed")]
    return f"{good} of {plural(len(states), 'goal')} reached or on course" + (
        f"; behind: {', '.join(behind)}." if behind else "."
    )


def _baseline(data: Data) -> str:
    known = [one for one in data["steps"] if one["rate"] is not None]
    if not known:
        return "The history does not cover a step yet: import more."
    narrow = min(known, key=lambda one: one["rate"])
    return f"Fewest go on from {narrow['stage']} to {narrow['to']}: {narrow['rate']:.0%} of those that had the time."


def _ideal(data: Data) -> str:
    share = data["ideal"] / data["leads"] if data["leads"] else 0.0
    wins = f"; {number(data['ideal_won'])} of {plural(data['won'], 'win')} are" if data["won"] else ""
    leads = f"{number(data['ideal'])} of {plural(data['leads'], 'lead')} ({share:.0%})"
    return f"{leads} are the opportunity to wish for{wins}."


def _surprises(data: Data) -> str:
    if not data["handoffs"]:
        return NONE
    won, rejected = len(data["won_low"]), len(data["rejected_high"])
    said = f", most often because: {data['reasons'][0]['reason'] or '(no reason)'}" if data["reasons"] else ""
    return (
        f"Of {plural(data['handoffs'], 'handoff')} {won} were won with a low score, "
        f"and {rejected} rejected with a high one{said}."
    )


def _rules(data: Data) -> str:
    if not data["handoffs"]:
        return NONE
    sure = [one for one in data["rules"] if not one["few"] and one["lift"] is not None]
    silent = sum(one["live"] and not one["hits"] for one in data["rules"])
    more = f" {plural(silent, 'rule')} never hit." if silent else ""
    if not sure:
        return f"Too few handoffs are decided to say which rule earns its points.{more}"
    best, worst = max(sure, key=lambda one: one["lift"]), min(sure, key=lambda one: one["lift"])
    telling = f"{best['rule']} tells most (lift {best['lift']:.2f}), {worst['rule']} least ({worst['lift']:.2f})"
    chance = all(one["range"][0] <= one["base"] <= one["range"][1] for one in (best, worst))
    return f"{telling}{', but no more than chance explains' if chance else ''}.{more}"


def _content(data: Data) -> str:
    if not data["content"]:
        return "Nobody engaged with anything."
    first = data["content"][0]
    name = next((first[key] for key in ("asset", "channel", "campaign") if first.get(key)), "(none)")
    missing = f" {number(data['unassigned'])} engagements serve no stage yet." if data["unassigned"] else ""
    return f"Most engaged with: {name} ({plural(first['people'], 'person', 'people')}).{missing}"


def _campaigns(data: Data) -> str:
    known = [one for one in data["campaigns"] if one["campaign"]]
    if not known:
        return "No campaign brought a lead."
    best = max(known, key=lambda one: (one["revenue"], one["leads"]))
    back = [one for one in known if one["return"] is not None]
    most = max(back, key=lambda one: one["return"], default=None)
    returned = f"; best return: {most['campaign']} ({most['return']:+.0%})" if most else ""
    return f"{best['campaign']} brought most: {plural(best['leads'], 'lead')}, {best['revenue']:,.0f}{returned}."


def _attribution(data: Data) -> str:
    what = "revenue" if data["revenue"] else "deals"
    firsts = [
        max(one["credits"], key=lambda credit: credit[what])[data["by"]] for one in data["models"] if one["credits"]
    ]
    if not firsts:
        return "No deal of the period had a touch before it."
    top = max(sorted(set(firsts)), key=firsts.count)
    return f"{firsts.count(top)} of {len(firsts)} models credit {top or '(none)'} most."


def _recycled(data: Data) -> str:
    back = [one for one in data["generations"] if (one["generation"] or 0) > 1]
    if not data["deals"]:
        return "Nothing was won in the period."
    share = sum(one["share"] or 0.0 for one in back)
    deals = plural(sum(one["deals"] for one in back), "deal")
    return f"{deals} came back from nurture: {percent(round(share, 3))} of revenue."


def _velocity(data: Data) -> str:
    slow = data["bottleneck"]
    first = f"It takes longest from {slow['stage']} to {slow['to']}: {slow['median_days']:.1f} days." if slow else ""
    due = sum(one["in_time_of"] for one in data["owners"])
    kept = sum((one["in_time"] or 0) * one["in_time_of"] for one in data["owners"])
    second = f"{kept / due:.0%} of {plural(due, 'handoff')} were answered in time." if due else "No clock has ended."
    return f"{first} {second}".strip()


_SAID: Mapping[str, Callable[[Data], str]] = {
    "funnel": _funnel,
    "goals": _goals,
    "baseline": _baseline,
    "ideal": _ideal,
    "surprises": _surprises,
    "rules": _rules,
    "content": _content,
    "campaigns": _campaigns,
    "attribution": _attribution,
    "recycled": _recycled,
    "velocity": _velocity,
}
