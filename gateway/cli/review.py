"""``gateway review``: the pack for the meeting of both teams, what they decided, and what became of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.answers.texts import iso, moment, plural
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, say, say_json, table
from gateway.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.answers.review import Section
    from gateway.metrics.period import Period
    from gateway.store.reviews import Decision, Review

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
    """Make the pack for the review of a period: every number both teams look at, each with one sentence.

    The pack is kept. Once something is decided by it (`gateway review decide`) its numbers stay as they were; until
    then it is made anew each time.
    """
    if ctx.invoked_subcommand is not None:
        if html is not None or as_json:
            raise click.UsageError(f"--html and --json stand behind `{ctx.invoked_subcommand}`, or not at all")
        return
    from gateway.answers.metrics.asked import Asked
    from gateway.answers.review import as_json as plain
    from gateway.answers.review import sections
    from gateway.store import reviews
    from gateway.store.database import read, write
    from gateway.store.times import new_id
    from gateway.times import to_micros

    chosen, now = _period(app, name), app.gateway.now()
    if chosen.since is None or chosen.until is None or chosen.since > now:
        raise click.BadParameter(f"{name!r} has not begun", param_hint="--period")
    with read(app.gateway.store.main) as connection:
        kept = next((one for one in reviews.listed(connection) if one.period == chosen.name), None)
        if kept is not None and kept.held_at is not None:
            _show(app, reviews.find(connection, chosen.name), html, as_json)
            return
        found = list(sections(Asked(app.gateway, connection, chosen, now)))
    made = reviews.Review(
        new_id(), chosen.name, to_micros(chosen.since), to_micros(chosen.until), to_micros(now), by, None, plain(found)
    )
    with write(app.gateway.store.main) as connection:
        made = reviews.keep(connection, made)
    _show(app, made, html, as_json)


@review.command("list")
@json_option
@pass_app_to_look
def list_(app: App, as_json: bool) -> None:
    """List the packs that were made, and when they were decided by."""
    from gateway.store import reviews
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        found, decided = reviews.listed(connection), reviews.decisions(connection)
    if as_json:
        say_json({"reviews": [_review_json(one) for one in found]})
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
    from gateway.store import reviews
    from gateway.store.database import write
    from gateway.times import to_micros

    now = app.gateway.now()
    day = _day(due)
    if day < now.astimezone(app.zone).date():
        raise click.BadParameter(f"{due} is over", param_hint="--due")
    if not words.strip() or not owner.strip():
        raise Refused("a decision has words and an owner")
    with write(app.gateway.store.main) as connection:
        found = reviews.find(connection, _period(app, name).name)
        task = reviews.decide(connection, found, words.strip(), owner.strip(), day.isoformat(), to_micros(now), by)
    if as_json:
        say_json({"task": task, "period": found.period})
        return
    say(f"recorded against {found.period}: task {task}, {owner.strip()}, by {day.isoformat()}")


@review.command()
@click.option("--all", "everything", is_flag=True, help="Also what is done.")
@json_option
@pass_app_to_look
def tasks(app: App, everything: bool, as_json: bool) -> None:
    """List what reviews decided and nobody has finished yet."""
    from gateway.store import reviews
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        found = reviews.decisions(connection, open_only=not everything)
    if as_json:
        say_json({"tasks": [_task_json(one) for one in found]})
        return
    today = app.gateway.now().astimezone(app.zone).date().isoformat()
    table(
        ("task", "decision", "owner", "by", "decided at", "state"),
        [
            (one.id, one.text, one.owner, one.due, one.period,
             f"done by {one.done_by}" if one.done_at is not None else "overdue" if one.due < today else "open")
            for one in found
        ],
    )  # fmt: skip
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


def _show(app: App, kept: Review, html: Path | None, as_json: bool) -> None:
    from gateway.answers.metrics.asked import Asked
    from gateway.answers.review import Section, named
    from gateway.metrics.period import Period
    from gateway.store import reviews
    from gateway.store.database import read
    from gateway.times import from_micros

    since, until = (from_micros(at).astimezone(app.zone) for at in (kept.since, kept.until))
    with read(app.gateway.store.main) as connection:
        asked = Asked(app.gateway, connection, Period(since, until, kept.period), app.gateway.now())
        found = [named(asked, Section.kept(one)) for one in kept.pack]
        listed = reviews.listed(connection)
        before = next((one.period for one in listed if one.since < kept.since and one.held_at is not None), None)
        last = reviews.decisions(connection, before) if before is not None else []
        ours = reviews.decisions(connection, kept.period)
    if as_json:
        say_json(
            {**_review_json(kept), "sections": kept.pack, "decisions": [_task_json(one) for one in ours]}
            | {"before": {"period": before, "decisions": [_task_json(one) for one in last]} if before else None}
        )
        return
    state = "reviewed; its numbers stay" if kept.held_at is not None else f"made {moment(kept.built_at, app.zone)}"
    say(f"{app.instance.name}, review of {kept.period} ({state})")
    for one in found:
        say(f"  {one.title}: {one.sentence}")
    if last:
        say(f"  {sum(one.done_at is not None for one in last)} of {plural(len(last), 'decision')} of {before} done")
    if html is not None:
        _page(app, kept, found, before, last, ours, html)
        say(f"drawn in {html}")


def _page(
    app: App,
    kept: Review,
    found: Sequence[Section],
    before: str | None,
    last: Sequence[Decision],
    ours: Sequence[Decision],
    html: Path,
) -> None:
    from gateway.answers.review import definitions, log
    from gateway.pictures.metrics import figures
    from gateway.pictures.page import Chapter, pages

    members = app.instance.committee.members if app.instance.committee is not None else ()
    people = "; ".join(f"{one.name} ({one.team})" for one in members)
    opening = [f"Made {moment(kept.built_at, app.zone)} by {kept.by}.", *([f"Committee: {people}."] if people else [])]
    chapters = [Chapter(opening)]
    if before is not None:
        chapters.append(Chapter([log(last, "")], title=f"Decided at the review of {before}"))
    chapters += [
        Chapter([one.sentence, *one.parts], figures(one.name, one.data) if one.data else (), one.title) for one in found
    ]
    decided = log(ours, "") if ours else "Nothing yet: `gateway review decide` records what the meeting decides."
    chapters.append(Chapter([decided], title="Decided"))
    title = f"{app.instance.name}: review of {kept.period}"
    html.write_text(pages(title, chapters, definitions(found)), encoding="utf-8")


def _period(app: App, name: str) -> Period:
    from gateway.metrics.period import period

    try:
        return period(name, app.gateway.now(), app.zone, app.instance.fiscal_year_start)
    except ValueError as exc:
        raise click.BadParameter(f"{name!r} is no period; {exc}", param_hint="--period") from None


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r}: a day is written like 2027-01-31", param_hint="--due") from None


def _review_json(one: Review) -> dict[str, object]:
    return {
        "period": one.period,
        "since": iso(one.since),
        "until": iso(one.until),
        "made_at": iso(one.built_at),
        "made_by": one.by,
        "reviewed_at": iso(one.held_at) if one.held_at is not None else None,
    }


def _task_json(one: Decision) -> dict[str, object]:
    return {
        "task": one.id, "period": one.period, "decision": one.text, "owner": one.owner, "due": one.due,
        "decided_at": iso(one.at), "decided_by": one.by,
        "done_at": iso(one.done_at) if one.done_at is not None else None, "done_by": one.done_by,
    }  # fmt: skip
