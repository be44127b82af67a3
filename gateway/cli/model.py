"""``gateway model``: what marketing and sales agreed on, in words."""

from __future__ import annotations

import click

from gateway.answers.model import rules_of, stage_of
from gateway.answers.texts import iso, moment
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, table


@click.group()
def model() -> None:
    """What marketing and sales agreed on, in words."""


@model.command()
@json_option
@pass_app_to_look
def show(app: App, as_json: bool) -> None:
    """Show rules and stages in words.

    With their hashes, and since when they are in use.
    """
    from gateway.store import bundle
    from gateway.store.database import read

    gateway = app.gateway
    with read(gateway.store.main) as connection:
        active = bundle.active(connection)
    scoring = gateway.instance.scoring.data if gateway.instance.scoring is not None else None
    rules = list(rules_of(scoring)) if scoring else []
    journey = gateway.model.journey
    stages = [stage_of(stage) for stage in journey.stages]
    if as_json:
        say_json(
            {
                "bundle": active.id if active else None,
                "active_since": iso(active.active_at) if active else None,
                "hashes": dict(gateway.model.hashes),
                "weights": (scoring or {}).get("weights"),
                "bands": (scoring or {}).get("bands"),
                "rules": rules,
                "personas": list(journey.personas),
                "stages": stages,
            }
        )
        return
    if active:
        say(f"in use since {moment(active.active_at, app.zone)} (bundle {active.id})")
    for name, hash_ in sorted(gateway.model.hashes.items()):
        say(f"  {name:<20} {hash_}")
    say()
    if scoring is None:
        say("no scoring.yaml: nobody is scored")
    else:
        for word in ("weights", "maximum", "bands"):
            if word in scoring:
                say(f"{word}: {', '.join(f'{name} {value}' for name, value in scoring[word].items())}")
        table(
            ("axis", "rule", "points", "when", "limits"),
            [(one["axis"], one["name"], one["points"], one["when"], one["limits"]) for one in rules],
        )
    say()
    if journey.personas:
        say(f"personas: {', '.join(journey.personas)}")
    table(
        ("stage", "counts as", "entered by", "steps", "when the score falls"),
        [(one["stage"], one["shared"], one["entry"], "; ".join(one["steps"]), one["fall"]) for one in stages],
    )
