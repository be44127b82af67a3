"""What a draft would have done, as JSON and in words, made once for commands and pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.answers.texts import iso, iso_time, plural, points, who
from gateway.governance.parts import is_score, score_of
from gateway.simulation.tally import DRAFT, LIVE, SIDES, Example
from gateway.store import listing
from gateway.store.database import read

if TYPE_CHECKING:
    from gateway.committee.simulating import Simulated
    from gateway.runtime import Gateway

LISTS = {
    "gained": "crosses under the draft alone",
    "dropped": "crosses under the live model alone",
    "wins caught": "won, and the draft alone had handed it over by then",
    "wins missed": "won, and the live model alone had handed it over by then",
}
"""List of examples → what it holds."""


def simulation_json(gateway: Gateway, found: Simulated) -> dict[str, Any]:
    """Everything a simulation found; scores in points. ``weeks`` begin on the Monday they are named by."""
    tally, count = found.tally, found.tally.counts
    named = {what: tally.named(what) for what in LISTS}
    with read(gateway.store.main) as connection:
        ids = sorted({one.lead for examples in named.values() for one in examples})
        people, records = listing.attributes_of(connection, ids), listing.record_names(connection, ids)
    weeks = sorted({week for _, week in tally.weeks})
    return {
        "since": iso_time(found.since),
        "until": iso_time(found.until),
        "stage": dict(zip(SIDES, found.stage, strict=True)),
        "changes": {name: list(words) for name, words in found.changes.items()},
        "not_replayed": list(found.left_out),
        "leads": tally.leads,
        **{
            side: {
                "crossed": count[f"crossed {side}"],
                "stand_now": count[f"stand {side}"],
                "wins_handed_over": count[f"wins {side}"],
                "expected": _expected(tally.expected(side)),
                "personas": {persona: n for (one, persona), n in sorted(tally.personas.items()) if one == side},
            }
            for side in SIDES
        },
        "both": count["both"],
        "gained": count["gained"],
        "dropped": count["dropped"],
        "at_once": count["at once"],
        "fall": count["fall"],
        "wins": count["wins"],
        "wins_caught": count["wins caught"],
        "wins_missed": count["wins missed"],
        "people": found.people,
        "capacity": dict(found.capacity),
        "weeks": [
            {
                "week": week.isoformat(),
                **{side: tally.weeks[side, week] for side in SIDES},
                **{f"{side}_each": _each(tally.weeks[side, week], found.people) for side in SIDES},
            }
            for week in weeks
        ],
        "examples": {
            what: [_example(one, people.get(one.lead, {}), records.get(one.lead, "")) for one in some]
            for what, some in named.items()
        },
    }


def _expected(found: tuple[float, float] | None) -> dict[str, float] | None:
    return None if found is None else {"accepted": round(found[0], 1), "won": round(found[1], 1)}


def _each(crossings: int, people: int) -> float | None:
    return round(crossings / people, 1) if people else None


def _example(one: Example, attributes: Any, record: str) -> dict[str, Any]:
    scores = {LIVE: points(one.live), DRAFT: points(one.draft)}
    return {"lead": one.lead, "who": who(attributes) or record, **scores, "persona": one.persona, "at": iso(one.at)}


def nameless(told: dict[str, Any]) -> dict[str, Any]:
    """As it may be kept: people by their ids alone."""
    examples = told["examples"].items()
    kept = {what: [{key: one[key] for key in one if key != "who"} for one in some] for what, some in examples}
    return {**told, "examples": kept}


def named(connection: Connection, told: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept, with people as they are called today."""
    ids = sorted({one["lead"] for some in told["examples"].values() for one in some})
    people, records = listing.attributes_of(connection, ids), listing.record_names(connection, ids)
    examples = {
        what: [one | {"who": who(people.get(one["lead"], {})) or records.get(one["lead"], "")} for one in some]
        for what, some in told["examples"].items()
    }
    return {**told, "examples": examples}


def sentences(told: dict[str, Any]) -> Iterator[str]:
    """What it comes to, a plain sentence for each number."""
    live, draft = told[LIVE], told[DRAFT]
    yield (
        f"{draft['crossed']:,} leads would have come to {told['stage'][DRAFT]} under the draft, "
        f"{live['crossed']:,} under the live model; {told['both']:,} under both"
    )
    crosses = plural(told["gained"], "lead crosses", "leads cross")
    yield f"{crosses} that did not, {told['dropped']:,} no longer do"
    yield (
        f"when it goes live, {told['at_once']:,} leads cross at once, and {told['fall']:,} that stand over the "
        "threshold now do not any more"
    )
    if told["weeks"]:
        weeks = len(told["weeks"])
        busiest = max(told["weeks"], key=lambda week: week[DRAFT])
        yield (
            f"{draft['crossed'] / weeks:,.1f} a week instead of {live['crossed'] / weeks:,.1f}; the busiest week, of "
            f"{busiest['week']}, {busiest[DRAFT]:,} instead of {busiest[LIVE]:,}"
        )
        if told["people"]:
            yield (
                f"for each of {told['people']} people in sales {draft['crossed'] / weeks / told['people']:,.1f} a week "
                f"instead of {live['crossed'] / weeks / told['people']:,.1f}"
            )
    else:
        yield "nobody crosses in that time under either"
    yield from _capacity(told)
    if told["wins"]:
        yield (
            f"of {plural(told['wins'], 'win')} the draft had handed over {draft['wins_handed_over']:,} before they "
            f"were won, the live model {live['wins_handed_over']:,}: {told['wins_caught']:,} more caught, "
            f"{told['wins_missed']:,} missed"
        )
    for side in SIDES:
        expected = told[side]["expected"]
        name = "the draft" if side == DRAFT else "the live model"
        if expected is not None:
            yield (
                f"of those that cross under {name}, sales would accept about {expected['accepted']:,.0f} and win about "
                f"{expected['won']:,.0f}, going by leads of like score that they got"
            )
        elif told[side]["crossed"]:
            yield f"what sales would make of those that cross under {name} nobody can say: none of them was handed over"
    for name in told["not_replayed"]:
        if is_score(name):
            tried = f"simulate --score {score_of(name)}" if score_of(name) else "simulate without --score"
            yield f"{name}: what it changes is not replayed: another score; `{tried}` tries it"
        else:
            yield f"{name}: what it changes is not replayed: facts are as the live mapping read them"


def _capacity(told: dict[str, Any]) -> Iterator[str]:
    day = told["capacity"].get("day")
    if day is None:
        return
    week = day * 7
    over = [one["week"] for one in told["weeks"] if one[DRAFT] > week]
    if told["at_once"] > day:
        yield f"sales take {day:,} a day: those that cross at once keep them busy {-(-told['at_once'] // day):,} days"
    if over:
        yield f"sales take {week:,} a week at most: {len(over)} weeks bring more, first that of {over[0]}"
