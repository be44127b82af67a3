"""``gateway review``: the pack for the meeting of both teams, what they decided, and what became of it."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from gateway.answers.texts import moment, plural
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, progress, say, say_json, table

COMMANDLINE = ParameterSource.COMMANDLINE
period_option = click.option(
    "--period", "name", metavar="PERIOD", default="last-quarter", show_default=True, help="Such as 2026-Q3 or 2026-10."
)


@click.group(invoke_without_command=True)
@period_option
@click.option(
    "--html", metavar="FILE", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="The pack as a page."
)
@by_option
@json_option
@click.pass_context
@pass_app
def review(app: App, ctx: click.Context, name: str, html: Path | None, by: str, as_json: bool) -> None:
    """Make the pack for the review of a period, and record what was decided.

    It holds every number that both teams look at, each with one sentence. The pack is kept. Once something is decided
    by it (`gateway review decide`) its numbers stay as they were; until then it is made anew each time.
    """
    if ctx.invoked_subcommand is not None:
        if html is not None or as_json:
            raise click.UsageError(f"--html and --json stand behind `{ctx.invoked_subcommand}`, or not at all")
        said = {one: value for one, value in ctx.params.items() if ctx.get_parameter_source(one) is COMMANDLINE}
        ctx.default_map = {ctx.invoked_subcommand: said}  # `review --period P decide` means that of P, too
        return
    from gateway.answers import reviewing
    from gateway.store.database import read

    with progress("replaying") as tell:
        made = reviewing.make(app.gateway, reviewing.called(app.gateway, name), by, lambda done, total: tell(done))
    with read(app.gateway.store.main) as connection:
        found = reviewing.shown(app.gateway, connection, made.period)
    if html is not None:
        html.write_text(reviewing.drawn(app.gateway, found), encoding="utf-8")
    if as_json:
        say_json(reviewing.shown_json(found))
        return
    state = "reviewed; its numbers stay" if made.held_at is not None else f"made {moment(made.built_at, app.zone)}"
    say(f"{app.instance.name}, review of {made.period} ({state})")
    for one in found.sections:
        say(f"  {one.title}: {one.sentence}")
    if found.last:
        ended = sum(one.done_at is not None for one in found.last)
        say(f"  {ended} of {plural(len(found.last), 'decision')} of {found.before} done")
    if html is not None:
        say(f"drawn in {html}")


@review.command("list")
@json_option
@pass_app_to_look
def list_(app: App, as_json: bool) -> None:
    """List the packs that were made, and when they were decided by."""
    from gateway.answers.reviewing import review_json
    from gateway.store import reviews
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        found, decided = reviews.listed(connection), reviews.decisions(connection)
    if as_json:
        say_json({"reviews": [review_json(one) for one in found]})
        return
    if not found:
        say("no pack was made yet; `gateway review` makes that of the last quarter")
    table(
        ("period", "made", "by", "reviewed", "decisions", "open"),
        [
            (
                *(one.period, moment(one.built_at, app.zone), one.by),
                moment(one.held_at, app.zone) if one.held_at is not None else "",
                str(sum(each.period == one.period for each in decided)),
                str(sum(each.period == one.period and each.done_at is None for each in decided)),
            )
            for one in found
        ],
        right=("decisions", "open"),
    )


@review.command()
@click.argument("words", metavar="DECISION")
@click.option("--owner", required=True, metavar="NAME", help="Who does it.")
@click.option("--due", required=True, metavar="DAY", help="Until when, such as 2027-01-31.")
@period_option
@by_option
@json_option
@pass_app
def decide(app: App, words: str, owner: str, due: str, name: str, by: str, as_json: bool) -> None:
    """Record what the meeting decided: a task with an owner and a day.

    The first decision by a pack makes its numbers final.
    """
    from gateway.answers import reviewing
    from gateway.store.database import write

    chosen = reviewing.called(app.gateway, name)
    with write(app.gateway.store.main) as connection:
        task = reviewing.decide(app.gateway, connection, chosen.name, words, owner, due, by)
    if as_json:
        say_json({"task": task, "period": chosen.name})
        return
    say(f"recorded against {chosen.name}: task {task}, {owner.strip()}, by {due}")


@review.command()
@click.option("--all", "everything", is_flag=True, help="Also what is done.")
@json_option
@pass_app_to_look
def tasks(app: App, everything: bool, as_json: bool) -> None:
    """List what reviews decided and nobody has finished yet."""
    from gateway.answers.reviewing import task_json
    from gateway.store import reviews
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        found = reviews.decisions(connection, open_only=not everything)
    if as_json:
        say_json({"tasks": [task_json(one) for one in found]})
        return
    today = app.gateway.now().astimezone(app.zone).date().isoformat()
    table(
        ("task", "decision", "owner", "by", "decided at", "state"),
        [
            (
                *(one.id, one.text, one.owner, one.due, one.period),
                f"done by {one.done_by}" if one.done_at is not None else "overdue" if one.due < today else "open",
            )
            for one in found
        ],
    )
    say(plural(len(found), "task") + ("" if everything else " to do"))


@review.command()
@click.argument("task")
@by_option
@pass_app
def done(app: App, task: str, by: str) -> None:
    """Say that a task is finished. TASK is its id, or how that begins."""
    from gateway.store import reviews
    from gateway.store.database import write
    from gateway.times import to_micros

    with write(app.gateway.store.main) as connection:
        found = reviews.done(connection, task, to_micros(app.gateway.now()), by)
    say(f"done: {found.text}")
