"""``gateway model simulate``: what a draft would have done, before anybody approves it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import two_digits
from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, say_under, table, told_when_stopped
from gateway.cli.working import long_work
from gateway.errors import Refused, Stopped

if TYPE_CHECKING:
    from gateway.committee.simulating import Simulated

PERIOD = timedelta(days=90)


@click.command()
@click.argument("draft", default="disk")
@click.option("--since", type=MOMENT, help="Replay what happened from then on; default: the last 90 days.")
@click.option("--score", default="", metavar="NAME", help="By this score and its stage; default: the main one.")
@click.option("--keep", is_flag=True, help="Keep what is found with the draft of this id, for its page at the desk.")
@json_option
@pass_app_to_look
def simulate(app: App, draft: str, since: datetime | None, score: str, keep: bool, as_json: bool) -> None:
    """Try a model on what has happened, beside the live one.

    Who would have crossed to sales that did not, who would not, how many a week, which wins were caught or missed. It
    has no effect on anything. DRAFT is a file, a folder or a name in `drafts`, the id of a draft that was proposed, or
    an id of `gateway model history`; without it, the files on disk. What a lead is counts as it is known today.
    """
    from gateway.answers.simulation import nameless, simulation_json
    from gateway.answers.versions import files_called
    from gateway.committee import drafting
    from gateway.committee.simulating import simulate as run

    gateway = app.gateway
    name, files = files_called(gateway, draft)
    begin = app.moment(since) if since is not None else gateway.now() - PERIOD
    page = drafting.called(gateway, draft) if keep else None
    try:
        with (
            told_when_stopped("nothing is kept of it, and it has no effect on anything"),
            long_work(gateway, "simulate", name) as work,
            work.progress("replaying") as tell,
        ):
            found = run(gateway, files, begin, tell, score=score)
            told = simulation_json(gateway, found)
            if page is not None:
                drafting.tried(gateway, page, nameless(told), score, work.id)
    except Stopped as exc:
        raise Refused(f"stopped by {exc.by}; nothing is kept of it") from None
    if as_json:
        say_json({"draft": name, **told})
        return
    _say(name, found, told)


def _say(name: str, found: Simulated, told: dict[str, Any]) -> None:
    from gateway.answers.simulation import LISTS, sentences

    say(f"{name} beside the live model, {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}, {told['leads']:,} leads")
    for file, words in found.changes.items():
        for line in words:
            say_under(f"  {file}: {line}", 4)
    if not found.changes:
        say("  they are the same model")
    say()
    for sentence in sentences(told):
        say_under(sentence, 2)
    if told["weeks"]:
        say()
        rows = [(one["week"], one["live"], one["draft"], one["draft_each"]) for one in told["weeks"]]
        each = "each person" if told["people"] else ""
        table(("week of", "live", "draft", each), rows, right=("live", "draft", each))
    for what, words in LISTS.items():
        if some := told["examples"][what]:
            say()
            say(f"{words}:")
            table(
                ("lead", "who", "persona", "live", "draft", "when"),
                [
                    (
                        one["lead"],
                        one["who"],
                        one["persona"],
                        *(two_digits(round(one[side] * 100)) for side in ("live", "draft")),
                        one["at"][:10],
                    )
                    for one in some
                ],
                right=("live", "draft"),
                indent=2,
            )
