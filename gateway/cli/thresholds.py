"""``gateway model thresholds``: which score a lead should need, from what past leads did and what sales can work.

Nothing of the store changes; --out writes a journey.yaml for people to decide on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.answers.texts import plural
from gateway.cli.learning import (
    any_end_option,
    of_its_own,
    order_option,
    out_option,
    read_cases,
    refuse_taken,
    score_option,
    undated_option,
    write,
)
from gateway.cli.main import App, pass_app_to_look, plugin_call
from gateway.cli.output import json_option, progress, say, say_json, table
from gateway.errors import ConfigError, NotFound, Refused

if TYPE_CHECKING:
    from gateway.contracts import Scorer
    from gateway.journey.journey import Stage
    from gateway.learning.thresholds import Flow, Threshold
    from gateway.runtime import Gateway


@click.command()
@click.option(
    "--per-week",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    help="Leads sales can work in a week; default: five days of capacity: in journey.yaml.",
)
@click.option("--stage", "stage_name", metavar="NAME", help="Whose threshold; default: the stage that hands over.")
@score_option
@any_end_option
@click.option(
    "--weeks",
    metavar="N",
    type=click.FloatRange(min=0, min_open=True),
    default=13,
    show_default=True,
    help="The leads that entered in the last N weeks are what comes in.",
)
@click.option(
    "--draft",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="By the scores of this scoring model, not by those of the live one.",
)
@out_option
@order_option
@undated_option
@json_option
@pass_app_to_look
def thresholds(
    app: App,
    per_week: float | None,
    stage_name: str | None,
    score: str,
    any_end: bool,
    weeks: float,
    draft: Path | None,
    out: Path | None,
    order_by: str,
    undated: bool,
    as_json: bool,
) -> None:
    """Propose the score a lead should need, for each persona.

    As many leads come in as sales can work, those that past leads say are won most often; and what it costs to move
    each threshold. --out writes journey.yaml with the proposed ones.
    """
    from gateway.learning.thresholds import Ended
    from gateway.learning.thresholds import thresholds as best

    refuse_taken(out)
    gateway = app.gateway
    stage = _stage(gateway, stage_name, gateway.model.score_asked(score) if score else None)
    room = _room(gateway, per_week)
    scorer = _scorer(gateway, draft, stage.score)
    cases = read_cases(gateway, order_by, undated, (), "" if any_end else stage.score)
    if len({case.won for case in cases}) < 2:
        more = f"\n{of_its_own(stage.score)}" if stage.score and not any_end else ""
        raise Refused(
            f"no lead was won yet, or none lost, so a score promises nothing; see `gateway model learn`{more}"
        )
    past = [Ended(case.subject.persona, scorer.score(case.subject, case.at).total / 100, case.won) for case in cases]
    flow = _flow(gateway, weeks, None if draft is None else scorer, stage.score or gateway.model.score_name)
    personas = sorted({*gateway.model.journey.personas, *(persona for persona, _ in flow.leads)}) or [""]
    now = {persona: None if (one := stage.threshold(persona)) is None else one / 100 for persona in personas}
    found = best(past, flow, room, now)
    if out is not None:
        _write_journey(gateway, stage.name, {one.persona: one.proposed for one in found}, out)
    if as_json:
        rows = [asdict(one) for one in found]
        told = {"stage": stage.name, "score": stage.score or gateway.model.score_name, "per_week": room, "weeks": weeks}
        told |= {"leads": len(flow.leads), "past": len(past), "personas": rows, "file": str(out) if out else None}
        say_json(told)
        return
    _say_thresholds(stage.name, room, flow, found)
    if out is not None:
        say()
        say(f"{out}: journey.yaml with these thresholds; nothing changes by itself")


def _stage(gateway: Gateway, name: str | None, score: str | None) -> Stage:
    """``score`` None: whichever enters it."""
    asked = [stage for stage in gateway.model.journey.stages
             if stage.thresholds is not None and score in (None, stage.score)]  # fmt: skip
    if not asked:
        by = score or ("the main score" if score == "" else "a score")
        raise Refused(f"no stage of journey.yaml is entered by {by}, so there is no threshold to propose")
    if name is None:
        return next((stage for stage in asked if stage.handoff), asked[0])
    for stage in asked:
        if stage.name == name:
            return stage
    raise NotFound(f"no stage {name!r} is entered by a score; those are {', '.join(one.name for one in asked)}")


def _room(gateway: Gateway, per_week: float | None) -> float:
    """Leads a week: what was asked for, else what ``capacity`` of journey.yaml allows in five days of eight hours."""
    if per_week is not None:
        return per_week
    capacity = gateway.model.journey.capacity
    if not capacity:
        raise Refused("how many leads can sales work in a week? --per-week N says it, or capacity: in journey.yaml")
    return min(5 * capacity[span] * (8 if span == "hour" else 1) for span in capacity)


def _scorer(gateway: Gateway, draft: Path | None, score: str) -> Scorer:
    from gateway.settings.files import ConfigFile

    if draft is None:
        scorer = gateway.model.scorer_of(score)
        if scorer is None:
            raise Refused("there is no scoring.yaml, so there is no score to ask for; --draft FILE names a model")
        return scorer
    file = ConfigFile(str(draft), draft.read_text(encoding="utf-8"))
    strategy = file.data.get("strategy", "weighted") if isinstance(file.data, Mapping) else "weighted"
    offer = gateway.host.scorers.get(strategy)
    if offer is None:
        raise NotFound(f"{draft}: no installed plugin offers the strategy {strategy!r}")
    if offer.check is not None and (problems := offer.check(file)):
        raise ConfigError(problems)
    made: Scorer = plugin_call(offer.plugin, "build", lambda: offer.factory(gateway.instance.built_from(file)))
    return made


def _flow(gateway: Gateway, weeks: float, scorer: Scorer | None, score: str) -> Flow:
    """What came in of late. ``scorer``: by whose points, None = those that are stored of ``score``."""
    from gateway.learning.thresholds import Flow
    from gateway.store.database import read
    from gateway.store.learning import entered, rescored
    from gateway.times import to_micros

    now = gateway.now()
    since = to_micros(now - timedelta(weeks=weeks))
    with read(gateway.store.main) as connection:
        rows = entered(connection, since, score)
        scored: Mapping[str, int | None] = {row[0]: row[2] for row in rows}
        if scorer is not None:
            with progress("scoring leads by the draft") as done:
                scored = rescored(connection, scored.keys(), scorer, now, done)
    leads = [(persona, points / 100) for id_, persona, *_ in rows if (points := scored.get(id_)) is not None]
    return Flow(leads, weeks)


def _write_journey(gateway: Gateway, stage: str, proposed: Mapping[str, int], out: Path) -> None:
    """journey.yaml with other thresholds: only their numbers change, whatever the file looks like."""
    from ruamel.yaml import YAML

    text = gateway.instance.files.get("journey.yaml")
    if text is None:
        raise Refused(
            "there is no journey.yaml yet, so its thresholds cannot be written; begin with that of `gateway init`"
        )
    lines = text.splitlines(keepends=True)
    entry = next(one for one in YAML().load(text)["stages"] if one["name"] == stage)["entry"]
    score = entry["score"]
    if isinstance(score, Mapping):
        places = [(*score.lc.value(persona), str(proposed[persona])) for persona in score if persona in proposed]  # type: ignore[attr-defined]
    else:
        each = ", ".join(f"{_word(persona)}: {points}" for persona, points in proposed.items() if persona)
        places = [(*entry.lc.value("score"), str(proposed[""]) if {*proposed} == {""} else f"{{{each}}}")]
    for line, column, number in sorted(places, reverse=True):
        rest = re.sub(r"^[^\s,}#]+", number, lines[line][column:])
        lines[line] = lines[line][:column] + rest
    write(out, "".join(lines))


def _word(persona: str) -> str:
    return persona if re.fullmatch(r"[A-Za-z][A-Za-z0-9_ -]*", persona) else json.dumps(persona, ensure_ascii=False)


def _say_thresholds(stage: str, room: float, flow: Flow, found: Sequence[Threshold]) -> None:
    came = len(flow.leads) / flow.weeks
    say(f"{stage}: {plural(len(flow.leads), 'lead')} came in within {flow.weeks:g} weeks, {came:,.1f} a week; "
        f"sales can work {room:,.1f}")  # fmt: skip
    if all(one.proposed == 1 for one in found):
        say("sales can work all of them: no threshold keeps anybody out")
    numbers = ("now", "proposed", "leads a week", "at now's", "won a week", "at now's ", "last one won", "past won")
    table(
        ("persona", *numbers),
        [
            (one.persona or "everybody", "-" if one.now is None else f"{one.now:g}", one.proposed, f"{one.leads:.1f}",
             f"{one.leads_now:.1f}", f"{one.won:.2f}", f"{one.won_now:.2f}", f"{one.last:.0%}",
             f"{one.past[0]} of {one.past[1]}")
            for one in found
        ],
        right=numbers,
        indent=2,
    )  # fmt: skip
    say("  leads and won of them are a week's, as past leads have it; the last one in has the same chance everywhere")
    say()
    say("what it costs to move a threshold:")
    table(
        ("persona", "to", "leads a week", "won a week", "of those"),
        [
            (one.persona or "everybody", one.proposed + move.by, f"{move.leads:+.1f}", f"{move.won:+.2f}",
             f"{move.share:.0%} won")
            for one in found for move in one.moves if move.leads
        ],
        right=("to", "leads a week", "won a week", "of those"),
        indent=2,
    )  # fmt: skip
