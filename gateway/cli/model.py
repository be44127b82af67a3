"""``gateway model``: what marketing and sales agreed on, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from gateway.answers.model import live_rollups, model_json, rollups_of, rules_of, stage_of, weighed
from gateway.answers.texts import moment
from gateway.cli.drifting import drift
from gateway.cli.learning import learn
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, say_under, table
from gateway.cli.overlays import overlays
from gateway.cli.proposing import approve, discard, propose, reject
from gateway.cli.simulating import simulate
from gateway.cli.thresholds import thresholds
from gateway.cli.versions import diff, export, history


@click.group()
def model() -> None:
    """What marketing and sales agreed on, in words."""


_VERSIONS = (history, diff, export, propose, approve, reject, discard)
for _command in (*_VERSIONS, simulate, overlays, drift, learn, thresholds):
    model.add_command(_command)


@model.command()
@click.argument("version", default="live")
@json_option
@pass_app_to_look
def show(app: App, version: str, as_json: bool) -> None:
    """Show rules and stages in words.

    With their hashes, and since when they are in use. VERSION is live, disk, the beginning of an id or hash that
    `gateway model history` shows, the id of a draft, or a draft's file.
    """
    from gateway.answers.versions import LIVE, approval_words, files_called
    from gateway.governance.parts import JOURNEY, SCORING, is_score, score_of
    from gateway.journey.journey import compile_journey
    from gateway.settings.files import ConfigFile
    from gateway.store import bundle
    from gateway.store.database import read

    gateway = app.gateway
    with read(gateway.store.main) as connection:
        active = bundle.active(connection)
    journey, hashes = gateway.model.journey, gateway.model.hashes
    scoring = gateway.instance.scoring.data if gateway.instance.scoring is not None else None
    others = {name: file.data for name, file in gateway.instance.scores.items()}
    rollups = live_rollups(gateway.instance)
    if version != LIVE:
        _, files = files_called(gateway, version)
        file = ConfigFile(JOURNEY, files.get(JOURNEY, ""))
        journey = compile_journey(file)
        data = {name: ConfigFile(name, files[name]).data for name in files if is_score(name)}
        scoring, others = data.get(SCORING), {score_of(name): data[name] for name in sorted(data) if name != SCORING}
        rollups = rollups_of(file.data, {"": scoring or {}, **others})
        active, hashes = None, {}
    if as_json:
        say_json(model_json(journey, scoring, others, hashes, active, rollups))
        return
    if active:
        say(f"in use since {moment(active.active_at, app.zone)} (bundle {active.id})")
    for name, hash_ in sorted(hashes.items()):
        say(f"  {name:<20} {hash_}")
    for words in approval_words(gateway) if version == LIVE else ():
        say_under(words, 2)
    say()
    if scoring is None:
        say("no scoring.yaml: nobody is scored")
    else:
        _print_score(scoring)
        for name, one in others.items():
            say()
            say(f"score {name}:")
            _print_score(one)
    if rollups:
        say()
        say("what a company's leads come to together:")
        rows = [(one["name"], one["what"], "; ".join(one["read_by"]) or "no rule") for one in rollups]
        table(("roll-up", "counts", "read by"), rows, indent=2)
    say()
    if journey.personas:
        say(f"personas: {', '.join(journey.personas)}")
    table(
        ("stage", "counts as", "entered by", "steps", "when the score falls"),
        [
            (one["stage"], one["shared"], one["entry"], "; ".join(one["steps"]), one["fall"])
            for one in map(stage_of, journey.stages)
        ],
    )


def _print_score(scoring: Mapping[str, Any]) -> None:
    for word in ("weights", "maximum", "bands"):
        if word in scoring:
            say(f"{word}: {', '.join(f'{name} {value}' for name, value in scoring[word].items())}")
    table(
        ("axis", "rule", "points", "when", "limits"),
        [(one["axis"], one["name"], one["points"], one["when"], one["limits"]) for one in rules_of(scoring)],
    )
    if rows := weighed(scoring):
        say("activities count by persona and the stage that their content serves (content.yaml):")
        for row in rows:
            say_under(row, 2)
