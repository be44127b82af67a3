"""``gateway leads merge`` and ``split``: a person says who is one and who is two; told first, done with ``--go``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso, moment, plural, points
from gateway.cli.main import App, pass_app
from gateway.cli.output import by_option, go_option, json_option, say, say_json
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.leads.record import Ref
    from gateway.people.regrouping import Regrouped, Side


@click.command()
@click.argument("one", metavar="KEY")
@click.argument("other", metavar="KEY")
@go_option
@by_option
@json_option
@pass_app
def merge(app: App, one: str, other: str, go: bool, by: str, as_json: bool) -> None:
    """Make two leads one, for they are the same person.

    Says what becomes of scores, handoffs, records and consent; with --go it is done. The lead with the earliest fact
    stays, the other's id leads to it for ever. `gateway leads split` takes it back.
    """
    from gateway.people import regrouping

    gateway = app.gateway
    done = regrouping.merge(gateway, gateway.find_lead(one), gateway.find_lead(other), by, go)
    if as_json:
        say_json(_json("merge", done, go))
        return
    say(f"lead {done.lead}{_who(done, done.lead)} stays: it has the earliest fact")
    say(f"lead {done.other}{_who(done, done.other)} {'is' if go else 'would be'} another name for it")
    _print(done, app, go)


@click.command()
@click.argument("key")
@click.option(
    "--record", "records", multiple=True, metavar="SYSTEM:OBJECT:ID", help="A record of somebody else; repeatable."
)
@click.option("--lead", "merged", metavar="ID", help="All records that this lead brought when it was merged.")
@click.option("--why", default="", metavar="TEXT", help="A word on it, for the timeline.")
@go_option
@by_option
@json_option
@pass_app
def split(
    app: App,
    key: str,
    records: tuple[str, ...],
    merged: str | None,
    why: str,
    go: bool,
    by: str,
    as_json: bool,
) -> None:
    """Make a lead two, for it is two people.

    The records named, with their activities, outcomes and consent, become a lead of their own: the one they came
    from, if a merge brought them. Says what becomes of both; with --go it is done. No key joins the two again.
    """
    from gateway.people import regrouping

    gateway = app.gateway
    lead = gateway.find_lead(key)
    refs = [_ref(text) for text in records]
    parts = regrouping.parts(gateway, lead)
    if merged is not None:
        refs += next((brought for row, brought in parts if row.other == merged), [])
    if not refs:
        names = "".join(f"\n  {_part(row, brought, app)}" for row, brought in parts) or " none"
        raise Refused(f"name the records of somebody else with --record, or --lead; merged with lead {lead}:{names}")
    done = regrouping.split(gateway, lead, refs, by, why, go)
    if as_json:
        say_json(_json("split", done, go))
        return
    again = "a lead of its own again, as before it was merged" if done.restored else "a new lead of its own"
    say(f"lead {done.lead}{_who(done, done.lead)} {'keeps' if go else 'would keep'} the other records")
    say(f"lead {done.other} {'is' if go else 'would be'} {again}")
    _print(done, app, go)


def _part(row: Any, brought: list[Ref], app: App) -> str:
    by = f" by {row.by}" if row.by else ""
    names = ", ".join(":".join(ref) for ref in brought)
    return f"--lead {row.other}  {moment(row.at, app.zone)}{by}, {row.why}: {names}"


def _ref(text: str) -> Ref:
    system, object_, record = [*text.split(":", 2), "", ""][:3]
    if not record:
        raise click.UsageError(f"--record {text!r}: a record is named SYSTEM:OBJECT:ID, as `gateway leads show` has it")
    return system, object_, record


def _who(done: Regrouped, lead: str) -> str:
    from gateway.answers.texts import in_brackets, who

    found = next((side for side in (*done.before, *done.after) if side.lead == lead), None)
    return in_brackets(who(found.attributes)) if found is not None else ""


def _print(done: Regrouped, app: App, go: bool) -> None:
    for when, sides in (("before", done.before), ("after", done.after)):
        say()
        say(f"{when}:")
        for side in sides:
            _print_side(side, app)
    say()
    for id_ in done.absorbed:
        say(f"handoff {id_} {'ended' if go else 'would end'} without a bucket: the older one goes on")
    for id_ in done.reopened:
        say(f"handoff {id_} {'is' if go else 'would be'} open again; a task that the merge closed stays closed")
    for system, count in sorted(done.writes.items()):
        say(f"{system}: {plural(count, 'write')} {'planned' if go else 'would be planned'}")
    if not go:
        say("nothing is stored yet; --go does it")


def _print_side(side: Side, app: App) -> None:
    from gateway.answers.texts import in_brackets, two_digits, who

    handoff = side.handoff
    standing = [f"stage {side.stage or 'none'}"]
    standing += [f"score {two_digits(side.score)}{in_brackets(side.band)}"] if side.score is not None else []
    standing += [f"with {handoff['system']} since {moment(handoff['opened_at'], app.zone)}"] if handoff else []
    say(f"  lead {side.lead}{in_brackets(who(side.attributes))}: {', '.join(standing)}")
    say(
        f"    {plural(side.activities, 'activity', 'activities')}, {plural(side.outcomes, 'outcome')}, "
        f"opt-outs: {', '.join(side.consent) or 'none'}"
    )
    for ref in side.records:
        say(f"    {':'.join(ref)}")


def _json(what: str, done: Regrouped, go: bool) -> dict[str, Any]:
    return {
        "what": what,
        "done": go,
        "lead": done.lead,
        "other": done.other,
        "restored": done.restored,
        "before": [_side_json(side) for side in done.before],
        "after": [_side_json(side) for side in done.after],
        "absorbed": list(done.absorbed),
        "reopened": list(done.reopened),
        "writes": dict(done.writes),
    }


def _side_json(side: Side) -> dict[str, Any]:
    return {
        "lead": side.lead,
        "attributes": dict(side.attributes),
        "stage": side.stage,
        "score": points(side.score),
        "band": side.band,
        "handoff": side.handoff["id"] if side.handoff else None,
        "handoff_opened_at": iso(side.handoff["opened_at"]) if side.handoff else None,
        "records": [":".join(ref) for ref in side.records],
        "activities": side.activities,
        "outcomes": side.outcomes,
        "opt_outs": list(side.consent),
    }
