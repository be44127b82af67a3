"""``gateway jobs``: long work under way, and stopping it."""

from __future__ import annotations

import click

from gateway.answers.texts import moment
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, limit_option, say, say_json, table


@click.group()
def jobs() -> None:
    """Long work under way: imports, pulls, replays, pushes, rescoring."""


@jobs.command("list")
@limit_option
@json_option
@pass_app_to_look
def list_(app: App, limit: int, as_json: bool) -> None:
    """List what goes on, then what ended in the last week.

    Work that takes less than two seconds is not listed.
    """
    from gateway.answers.jobs import called, far, job_json, jobs_of

    rows = jobs_of(app.gateway, limit)
    if as_json:
        say_json({"jobs": [job_json(row) for row in rows]})
        return
    table(
        ("job", "begun", "what", "by", "how far"),
        [(row.id, moment(row.begun_at, app.zone), called(row), row.by, far(row)) for row in rows],
    )
    if not rows:
        say("no long work goes on, and none ended in the last week")


@jobs.command()
@click.argument("id_", metavar="ID")
@by_option
@json_option
@pass_app
def stop(app: App, id_: str, by: str, as_json: bool) -> None:
    """Ask work to stop between two batches.

    What is done is kept; the same command goes on from there. A rescoring rests until `gateway jobs resume`. ID is a
    job's id, or the end of it.
    """
    from gateway.answers.jobs import stop as ask

    with app.noting(by, "job: stop", id_):
        told = ask(app.gateway, id_, by)
    say_json({"asked": True, "by": by}) if as_json else say(told)


@jobs.command()
@click.argument("id_", metavar="ID")
@by_option
@json_option
@pass_app
def resume(app: App, id_: str, by: str, as_json: bool) -> None:
    """Let a rescoring that rests go on."""
    from gateway.answers.jobs import go_on

    with app.noting(by, "job: resume", id_):
        told = go_on(app.gateway, id_)
    say_json({"resumed": True}) if as_json else say(told)
