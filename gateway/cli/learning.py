"""``gateway model learn``: what past leads say about points, as a draft for people to decide on.

Nothing of the store changes; a draft is a file in scoring.yaml's format where somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import plural
from gateway.cli.main import App, pass_app_to_look, plugin_call
from gateway.cli.output import json_option, progress, say, say_json, table
from gateway.errors import GatewayError, NotFound, Refused

if TYPE_CHECKING:
    from gateway.learning.case import Case
    from gateway.learning.lesson import Lesson
    from gateway.runtime import Gateway

SHOWN = 15
"""So many proposed values are shown to people; the draft has all."""

out_option = click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the draft there; a file that exists stays as it is.",
)
undated_option = click.option("--undated", is_flag=True, help="Learn from values of unknown time, too.")
order_option = click.option(
    "--order-by", metavar="ATTRIBUTE", default="", help="What tells older leads from newer; default: when judged."
)
force_option = click.option(
    "--force", "forced", metavar="NAME", multiple=True, help="Learn from it whatever the leak guard says; repeatable."
)
score_option = click.option("--score", default="", metavar="NAME", help="Of this score; default: the main one.")
any_end_option = click.option(
    "--any-end", is_flag=True, help="With another score than the main one: from all leads with an end, not its own."
)


@click.command()
@out_option
@score_option
@any_end_option
@click.option("--strategy", metavar="NAME", default="weighted", show_default=True, help="Whose model is proposed.")
@order_option
@undated_option
@force_option
@json_option
@pass_app_to_look
def learn(
    app: App,
    out: Path | None,
    score: str,
    any_end: bool,
    strategy: str,
    order_by: str,
    undated: bool,
    forced: tuple[str, ...],
    as_json: bool,
) -> None:
    """Propose a scoring model from won and lost leads.

    A lead is looked at as it was when it was handed over to sales; what was told later may know the end, so it is
    named and left out. The proposal is judged on the newest 30 % of the leads, which it has not learned from.

    Another score than the main one is learned from the leads that it brought to sales, and what became of them since;
    --out then names a file of its own, such as drafts/learned/scores/NAME.yaml.
    """
    from gateway.learning import draft

    refuse_taken(out)
    gateway = app.gateway
    score = gateway.model.score_asked(score)
    offer = gateway.host.scorers.get(strategy)
    if offer is None:
        there = ", ".join(sorted(gateway.host.scorers))
        raise NotFound(f"no installed plugin offers the strategy {strategy!r}; there are {there}")
    cases = read_cases(gateway, order_by, undated, forced, "" if any_end else score)
    teaching = _teaching(gateway, cases, score, strategy, forced, order_by)
    try:
        lesson: Lesson = plugin_call(offer.plugin, "learn", teaching)
    except Refused as exc:
        raise (exc if any_end or not score else Refused(f"{exc}\n{of_its_own(score)}")) from None
    text = draft.text(lesson)
    _refuse_broken(offer, text)
    if out is not None:
        write(out, text)
    if as_json:
        say_json({"score": score or gateway.model.score_name} | _json(lesson, out, text))
        return
    if score:
        whose = "all leads with an end" if any_end else "the leads that it brought to sales"
        say(f"score {score}, by {whose}")
    _say(lesson)
    say()
    if out is None:
        say("--out FILE writes the whole of it, with a reason for each value")
    else:
        say(f"{out}: the draft, with a reason for each value; it scores nobody")
        say("gateway model diff, simulate and propose take its path, or its name in drafts/")


def _teaching(
    gateway: Gateway, cases: Sequence[Case], score: str, strategy: str, forced: Sequence[str], order_by: str
) -> Callable[[], Lesson]:
    """To learn from the cases, beside the model that is live. ``score``: as stages name it, empty for the main one."""
    from gateway.answers.versions import scored_since
    from gateway.learning.lesson import learn as teach

    file = gateway.instance.score_file(score)
    live = {} if file is None else gateway.instance.built_from(file)
    live |= {"name": score} if score else {}
    return partial(
        teach,
        cases,
        live,
        {name: one.factory for name, one in gateway.host.scorers.items()},
        strategy,
        forced=forced,
        live_scorer=gateway.model.scorer_of(score),
        apart={name for rules in gateway.model.joining.objects.values() for name in rules.identify_by} | {order_by},
        sources=sources(gateway),
        thresholds=live_thresholds(gateway, score),
        live_since=scored_since(gateway),
    )


# -- in ----------------------------------------------------------------------------------------------------------------


def read_cases(gateway: Gateway, order_by: str, undated: bool, forced: Sequence[str], score: str = "") -> list[Case]:
    """All won and lost leads of the store, oldest first. ``score``: only those that this one brought to sales."""
    from gateway.learning.case import cases
    from gateway.store.database import read
    from gateway.store.learning import ended, pasts

    joining = gateway.model.joining
    with read(gateway.store.main) as connection:
        leads = ended(connection, score)
        with progress("reading past leads", len(leads)) as done:
            found = pasts(connection, leads, joining.inbound, joining.rank, done, score)
            return cases(found, order_by, undated, forced)


def of_its_own(score: str) -> str:
    """What is to be done where a score has brought too few leads to sales."""
    return f"looked at are the leads that {score} brought to sales; --any-end takes all that were won or lost"


def sources(gateway: Gateway) -> dict[str, str]:
    """Attribute → the fields it comes from, as their systems call them."""
    found: dict[str, list[str]] = {}
    for (system, _), rules in gateway.model.joining.objects.items():
        prefix = "company." if rules.kind == "company" else ""
        for field, rule in rules.inbound.items():
            found.setdefault(prefix + rule.to, []).append(f"{field} of {system}")
    return {name: ", ".join(dict.fromkeys(fields)) for name, fields in found.items()}


def live_thresholds(gateway: Gateway, score: str) -> list[tuple[str, str, float]]:
    """(stage, persona or empty for all, points) of every threshold in use that is measured by this score."""
    found = []
    for stage in (one for one in gateway.model.journey.stages if one.score == score):
        asked = stage.thresholds if isinstance(stage.thresholds, Mapping) else {"": stage.thresholds}
        found += [(stage.name, persona, points / 100) for persona, points in asked.items() if points is not None]
    return found


def refuse_taken(out: Path | None) -> None:
    """Raises ``Refused`` where a draft cannot be written without harm."""
    if out is not None and out.exists():
        raise Refused(f"{out}: is there already; name another file")


def write(out: Path, text: str) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


def _refuse_broken(offer: Any, text: str) -> None:
    from gateway.settings.files import ConfigFile

    problems = offer.check(ConfigFile("draft", text))
    if problems:
        raise GatewayError(f"plugin {offer.plugin}: what it learned does not pass its own check: {problems[0]}")


# -- out ---------------------------------------------------------------------------------------------------------------


def _say(lesson: Lesson) -> None:
    from gateway.learning.draft import judged_words

    say(f"{plural(lesson.cases, 'lead')} with an end, of which {lesson.won:,} were won ({lesson.base:.0%})")
    words = {"handoff": "handed over", "first word": "first heard of by sales", "end": "at their end"}
    say("looked at as they were when " + ", ".join(f"{words[name]} ({n:,})" for name, n in lesson.judged.items() if n))
    for doubt in lesson.doubts:
        say(f"beware: {doubt}")
    say()
    say(f"judged on the newest {lesson.newer:,} by what the {lesson.older:,} older ones teach:")
    table(
        ("model", "auc", "±", "best fifth won", "lift 10 %", "lift 20 %", "off by"),
        [
            (one.name, f"{one.auc:.3f}", f"{one.unsure:.3f}", f"{one.top_20:.0%}", f"{one.lift_10:.2f}",
             f"{one.lift_20:.2f}", f"{one.off:.1f} %")
            for one in lesson.verdicts
        ],
        right=("auc", "±", "best fifth won", "lift 10 %", "lift 20 %", "off by"),
        indent=2,
    )  # fmt: skip
    say("  auc: how often a won lead stands above a lost one; off by: promised against real share of won, on average")
    for sentence in judged_words(lesson):
        say(sentence)
    leaks = [leak for leak in lesson.left_out if leak.why != "no use"]
    if leaks:
        say()
        say("left out, for they may know the end (--force NAME learns from one all the same):")
        table(
            ("name", "why"), [(leak.name, leak.words + " (forced: it is in)" * leak.forced) for leak in leaks], indent=2
        )
    useless = [leak for leak in lesson.left_out if leak.why == "no use"]
    if useless:
        say()
        say("of no use:")
        table(("name", "why"), [(leak.name, leak.words) for leak in useless], indent=2)
    if lesson.proposed is not None:
        found = [(rule.name, one) for rule in lesson.proposed.rules for one in rule.values]
        found.sort(key=lambda pair: -abs(pair[1].points))
        say()
        say(f"what counts most ({min(SHOWN, len(found))} of {plural(len(found), 'value')}):")
        table(
            ("rule", "value", "points", "between", "leads", "won", "lift"),
            [
                (name, one.label, f"{one.points:+d}", f"{one.low:+.1f} and {one.high:+.1f}", one.cases,
                 f"{one.won:.0%}", f"{one.lift:.1f}")
                for name, one in found[:SHOWN]
            ],
            right=("points", "leads", "won", "lift"),
            indent=2,
        )  # fmt: skip


def _json(lesson: Lesson, out: Path | None, text: str) -> dict[str, Any]:
    from gateway.learning.draft import judged_words

    proposed = lesson.proposed
    return {
        "strategy": lesson.strategy,
        "cases": lesson.cases,
        "won": lesson.won,
        "older": lesson.older,
        "newer": lesson.newer,
        "judged": dict(lesson.judged),
        "doubts": list(lesson.doubts),
        "models": [
            {
                "name": one.name, "auc": round(one.auc, 4), "unsure": round(one.unsure, 4),
                "lift_10": round(one.lift_10, 3), "lift_20": round(one.lift_20, 3), "top_20_won": round(one.top_20, 4),
                "off": round(one.off, 2),
                "calibration": [{"leads": g.cases, "expected": round(g.expected, 4), "won": round(g.won, 4)}
                                for g in one.groups],
            }
            for one in lesson.verdicts
        ],
        "better": lesson.better,
        "splits": {f"{share}/{100 - share}": round(area, 4) for share, area in lesson.splits.items()},
        "sentences": [*judged_words(lesson)],
        "chosen_split": f"{lesson.chosen}/{100 - lesson.chosen}" if lesson.splits else None,
        "thresholds": [asdict(one) for one in lesson.crossings],
        "left_out": [
            {"name": leak.attribute, "fields": leak.source, "why": leak.why, "words": leak.words, "forced": leak.forced}
            for leak in lesson.left_out
        ],
        "values": [
            {"rule": rule.name, "axis": rule.axis, "value": one.label, "points": one.points, "low": round(one.low, 2),
             "high": round(one.high, 2), "cases": one.cases, "won": round(one.won, 4), "lift": round(one.lift, 3),
             "words": one.words()}
            for rule in (proposed.rules if proposed else ()) for one in rule.values
        ],
        "model": lesson.data,
        "file": str(out) if out else None,
        "draft": text,
    }  # fmt: skip
