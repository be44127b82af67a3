"""``gateway model drift``: does the live model still meet the leads it was agreed on for?"""

from __future__ import annotations

import click

from gateway.answers.texts import iso_time, plural
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, say_under


@click.command()
@click.option("--score", default="", metavar="NAME", help="Of this score; default: the main one.")
@json_option
@pass_app_to_look
def drift(app: App, score: str, as_json: bool) -> None:
    """Say what differs since the live model was agreed on.

    Leads that came in the 90 days before it went live, and leads that came since, each as it was known two weeks after
    it came: how their scores lie, which rules give points, how many sales accept. What differs by more than chance is
    told, with a likely cause. A running gateway looks once a day, and opens work items; nothing is changed by itself.
    """
    from gateway.committee import drifting
    from gateway.committee.governing import SHORT

    found = drifting.look(app.gateway, score)
    if as_json:
        told = None if found.findings is None else [{**one._asdict(), "words": one.words} for one in found.findings]
        report = {"score": found.score, "bundle": found.bundle, "live_since": iso_time(found.live_since)}
        say_json({**report, "before": found.before, "after": found.after, "findings": told})
        return
    day = found.live_since.astimezone(app.zone)
    leads = f"{plural(found.before, 'lead')} of before, {found.after:,} since"
    named = f"score {found.score}, " if score else ""
    say(f"{named}live {found.bundle[:SHORT]} since {day:%Y-%m-%d}: {leads}")
    if found.findings is None:
        say("too few leads to say: 50 on either side, two weeks old")
    elif not found.findings:
        say("nothing differs by more than chance")
    for one in found.findings or ():
        say_under(one.words, 2)
