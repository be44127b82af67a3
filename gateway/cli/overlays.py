"""``gateway model overlays``: seasons and initiatives, whose they are, and what they changed."""

from __future__ import annotations

from typing import Any

import click

from gateway.answers.texts import plural, two_digits
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, progress, say, say_json, say_under, table


@click.command()
@click.argument("name", default="", metavar="[NAME]")
@click.option("--score", default="", metavar="NAME", help="Those of this score; default: of all.")
@json_option
@pass_app_to_look
def overlays(app: App, name: str, score: str, as_json: bool) -> None:
    """Show what holds for a time only; with NAME, what it changed.

    What has happened since it began is replayed with it and without it: who came to sales by it alone, whom it kept
    back, and which wins it caught or missed. Nothing is written or sent.
    """
    from gateway.answers.overlays import effect
    from gateway.answers.overlays import overlays as listed

    if name:
        with progress("replaying") as tell:
            told = effect(app.gateway, name, lambda done, total: tell(done), score)
        say_json(told) if as_json else _print(told)
        return
    model = app.gateway.model
    mine = (model.score_asked(score) or model.score_name) if score else ""
    found = [one for one in listed(app.gateway) if mine in ("", one["score"])]
    several = bool(model.others)
    if as_json:
        say_json({"overlays": found})
        return
    table(
        ("overlay", *["score"] * several, "state", "from", "to", "factor", "rules", "owner"),
        [
            (
                *(
                    one["name"],
                    *[one["score"]] * several,
                    one["state"],
                    (one["from"] or "")[:10],
                    (one["to"] or "")[:10],
                ),
                *(f"{one['factor']:g}", ", ".join(one["rules"]), one["owner"]),
            )
            for one in found
        ],
        right=("factor",),
    )
    if not found:
        say("no overlays; `overlays:` in scoring.yaml lets rules count more or less for a time")


def _print(told: dict[str, Any]) -> None:
    say(f"{told['overlay']} of {told['score']}, {told['since'][:10]} to {told['until'][:10]}")
    say_under(
        f"{plural(told['with'], 'lead')} came to sales with it, {told['without']:,} would have without: "
        f"{told['brought']:,} by it alone, {told['kept_back']:,} were kept back",
        2,
    )
    if told["wins_caught"] or told["wins_missed"]:
        say(f"wins that only it caught: {told['wins_caught']:,}; missed: {told['wins_missed']:,}")
    for what, words in (("brought", "by it alone"), ("kept_back", "kept back")):
        if some := told["examples"][what]:
            say(f"{words}:")
            rows = [
                (one["lead"], one["who"], one["persona"], two_digits(round(one["live"] * 100)), one["at"][:10])
                for one in some
            ]
            table(("lead", "who", "persona", "score", "when"), rows, right=("score",), indent=2)
