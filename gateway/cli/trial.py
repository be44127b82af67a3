"""``gateway try``: one record all the way, and nothing stored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso, iso_time, plain, plural, points, raw, shown
from gateway.cli.main import App, pass_app
from gateway.cli.output import json_option, say, say_json, say_under, table

if TYPE_CHECKING:
    from gateway.contracts import Event
    from gateway.inbound.readings import Reading
    from gateway.outbound.planner import Planned
    from gateway.trial import Outcome, Trial, Value

FULL = 5
"""Leads that are shown in full, unless all are asked for."""


@click.command("try")
@click.argument("record", required=False, metavar="[SYSTEM:OBJECT:ID]")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Try what is in this file, a webhook's body or a file to import, instead of fetching a record.",
)
@click.option("--system", metavar="NAME", help="With --file: the system that would send it.")
@click.option("--all", "everything", is_flag=True, help=f"Show every lead it touches, not the first {FULL}.")
@json_option
@pass_app
def try_(app: App, record: str | None, file: Path | None, system: str | None, everything: bool, as_json: bool) -> None:
    """Show what one real record would do, and store nothing.

    All the way: what is read out of it, field by field; which lead it is or would be; the score with its reasons,
    stage and handoff; what would be written to which system. A record is fetched live, by calls of the day's budget.
    The exit code is 1 when nothing could be read.
    """
    from gateway import trial
    from gateway.settings.instance import known_systems

    if (record is None) == (file is None) or (file is None) != (system is None):
        raise click.UsageError("give a record as SYSTEM:OBJECT:ID, or --file with --system")
    gateway = app.gateway
    if file is not None and system is not None:
        known_systems(gateway.instance, [system])
        found = trial.of_file(gateway, system, file)
    else:
        parts = [*(record or "").split(":", 2), "", ""]
        if not parts[2]:
            raise click.UsageError(f"{record!r}: a record is named SYSTEM:OBJECT:ID, as `gateway leads show` has it")
        known_systems(gateway.instance, [parts[0]])
        _known_object(app, parts[0], parts[1])
        found = trial.of_record(gateway, (parts[0], parts[1], parts[2]))
    if as_json:
        say_json(_json(found))
    else:
        _print(found, app, everything)
    if not found.events:
        click.get_current_context().exit(1)


def _known_object(app: App, system: str, object_: str) -> None:
    from gateway.errors import NotFound
    from gateway.settings.files import suggest

    mapping = app.instance.systems[system].mapping
    objects = list(mapping.objects) if mapping is not None else []
    if object_ not in objects:
        there = suggest(object_, objects) or f"; there are: {', '.join(objects) or 'none'}"
        raise NotFound(f"mappings/{system}.yaml has no object {object_!r}{there}")


# -- for people --------------------------------------------------------------------------------------------------------


def _print(found: Trial, app: App, everything: bool) -> None:
    for reading in found.readings:
        _print_reading(reading, found, app)
    for ref, values in found.values.items():
        say()
        say(f"values of {' '.join(ref)}:")
        rows = [(one.field, raw(one.raw), one.to or _use(one), one.problem or plain(one.value)) for one in values]
        table(("field", "value", "lead field", "becomes"), rows, indent=2)
    for system, what, count in found.notes:
        say(f"{system}: {what}{f' ({count} times)' if count > 1 else ''}")
    for outcome in found.outcomes if everything else found.outcomes[:FULL]:
        say()
        _print_outcome(outcome, app)
    if not everything and len(found.outcomes) > FULL:
        say(f"… and {plural(len(found.outcomes) - FULL, 'more lead')}; --all shows them")
    if found.rescored:
        say(f"{plural(found.rescored, 'lead')} of the company would be scored again")
    elif not found.outcomes and found.events:
        say("no lead is touched by it")
    elif not found.readings:
        say("the system has no such record, or does not show it to us")
    say()
    say("nothing was stored")


def _use(value: Value) -> str:
    return "(we write it)" if value.ours else "(rules read it)"


def _print_reading(reading: Reading, found: Trial, app: App) -> None:
    document = reading.document
    how = {"lookup": "fetched", "file": "of the file", "webhook": "as a webhook"}.get(document.origin, document.origin)
    say(f"document of {document.system}, {how}: {plural(len(document.body), 'byte')}")
    if reading.failure:
        say(f"  quarantined: {reading.failure}")
        return
    for event in reading.events:
        known = " (known already)" if event.key in found.known else ""
        at = event.at.astimezone(app.zone)
        say(f"  {event.object} {event.record}: {_said(event)}, at {at:%Y-%m-%d %H:%M:%S}{known}")
    for skipped in reading.skipped:
        say(f"  skipped {skipped.object} {skipped.record}: {skipped.reason}")
    for bad in reading.quarantined:
        say(f"  quarantined {bad.object} {bad.record}: {bad.reason}")
    for lookup in reading.lookups:
        say(f"  names {lookup.object} {lookup.record}: it is fetched")
    if not (reading.events or reading.skipped or reading.quarantined or reading.lookups):
        say("  nothing is in it")


def _said(event: Event) -> str:
    words = {"RecordChanged": "values", "RecordGone": "deleted", "RecordRestored": "restored", "PersonErased": "erase"}
    name = type(event).__name__
    if name == "RecordsLinked":
        there = f"{getattr(event, 'to_object', '')} {getattr(event, 'to_record', '')}"
        return f"{'linked to' if getattr(event, 'present', True) else 'no longer linked to'} {there}"
    if name in ("ActivityHappened", "OutcomeReported"):
        return str(getattr(event, "activity", None) or getattr(event, "outcome", ""))
    if name == "RecordsMerged":
        return f"took over {shown(getattr(event, 'losers', ()))}"
    if name == "RecordConverted":
        return f"became {getattr(event, 'to_object', '')} {getattr(event, 'to_record', '')}"
    return words.get(name, name)


def _print_outcome(one: Outcome, app: App) -> None:
    from gateway.answers.texts import in_brackets, two_digits, who
    from gateway.scoring.explanation import lines

    lead = one.lead
    name = in_brackets(who(lead.attributes))
    say(f"a new lead{name}" if one.new else f"lead {lead.id}{name}")
    if lead.erased_at is not None:
        say("  would be forgotten")
        return
    for other, why in one.merged:
        say(f"  would take over lead {other}: {why}")
    for stored in lead.added_activities.values():
        say(f"  new activity: {' '.join(filter(None, [stored.activity.kind, stored.activity.asset]))}")
    for outcome in lead.added_outcomes.values():
        say(f"  new outcome: {outcome.outcome}{in_brackets(outcome.reason)}")
    if one.score is not None:
        before = one.before.get("total")
        say(f"  score{f', {two_digits(before)} before' if before not in (None, one.score.total) else ''}")
        for line in lines(one.score):
            say_under(f"    {line}", 8)
    for name, rated in lead.scores.items():
        say(f"  {name} {two_digits(rated.total)} ({rated.band})")
    before_stage = one.before.get("stage") or ""
    arrow = f"{before_stage} → {lead.stage}" if before_stage not in ("", lead.stage) else lead.stage
    say(f"  stage {arrow or 'none'}, persona {lead.persona or 'none'}")
    for move in lead.moves:
        if move["score"] is not None and move["threshold"] is not None:
            reached = f"{move['score_name'] or 'score'} {two_digits(move['score'])}"
            detail = f"{reached}, threshold {two_digits(move['threshold'])}"
            say(f"    into {move['stage']} by {move['reason']}: {detail}")
        elif move["from_stage"]:
            say(f"    into {move['stage']} by {move['reason']} {move['ref']}")
    for step in lead.steps:
        [(what, detail)] = step["step"].items() or [("", "")]
        held = f": withheld, {step['reason']}" if step["state"] == "withheld" else ""
        say(f"    {what} {shown(detail if not isinstance(detail, dict) else list(detail.values()))}{held}")
    if lead.opened is not None:
        say(f"  would be handed over to {lead.opened['system']}")
    elif lead.handoff is not None:
        say(f"  is with {lead.handoff['system']} already")
    for handoff in lead.closed:
        say(f"  its handoff would end as {handoff['bucket']}{in_brackets(handoff['bucket_reason'])}")
    if lead.excluded:
        say(f"  never handed over: {lead.excluded}")
    for planned in one.writes:
        _print_write(planned, app)
    for unsent in one.unsent:
        say(f"  {unsent.system} {unsent.object} {unsent.field} is left out: {unsent.reason}")
    if not one.writes:
        say("  nothing would be written")


def _print_write(planned: Planned, app: App) -> None:
    wanted = planned.wanted
    what = f"create {wanted.object}" if wanted.create else f"update {wanted.object} {wanted.record}"
    off = "" if wanted.system in app.gateway.model.active else " (outbound is off: it would not be sent)"
    say(f"  {wanted.system}: would {what}{off}")
    table(
        ("field", "holds", "becomes"),
        [
            (
                name,
                "" if wanted.create else raw(planned.known[name]) if name in planned.known else "(unknown)",
                raw(one),
            )
            for name, one in wanted.fields.items()
        ],
        indent=4,
    )


# -- for programs ------------------------------------------------------------------------------------------------------


def _json(found: Trial) -> dict[str, Any]:
    return {
        "documents": [_reading_json(reading, found) for reading in found.readings],
        "records": [
            {
                "system": ref[0],
                "object": ref[1],
                "record": ref[2],
                "fields": [
                    {
                        "field": v.field,
                        "raw": v.raw,
                        "lead_field": v.to or None,
                        "ours": v.ours,
                        "value": v.value,
                        "problem": v.problem,
                    }
                    for v in values
                ],
            }
            for ref, values in found.values.items()
        ],
        "scored_again": found.rescored,
        "not_taken_in": [{"system": s, "what": what, "count": count} for s, what, count in found.notes],
        "leads": [_outcome_json(one) for one in found.outcomes],
        "stored": False,
    }


def _reading_json(reading: Reading, found: Trial) -> dict[str, Any]:
    return {
        "system": reading.document.system,
        "origin": reading.document.origin,
        "bytes": len(reading.document.body),
        "quarantined": reading.failure,
        "events": [
            {
                "type": type(event).__name__,
                "object": event.object,
                "record": event.record,
                "at": iso_time(event.at),
                "known": event.key in found.known,
            }
            for event in reading.events
        ],
        "items": [
            {"what": what, "object": item.object, "record": item.record, "reason": getattr(item, "reason", "")}
            for what, items in (
                ("skipped", reading.skipped),
                ("quarantined", reading.quarantined),
                ("lookup", reading.lookups),
            )
            for item in items
        ],
    }


def _outcome_json(one: Outcome) -> dict[str, Any]:
    lead, score = one.lead, one.score
    return {
        "lead": None if one.new else lead.id,
        "new": one.new,
        "takes_over": [{"lead": other, "why": why} for other, why in one.merged],
        "attributes": dict(lead.attributes),
        "persona": lead.persona,
        "stage": lead.stage,
        "stage_before": one.before.get("stage"),
        "score": points(score.total) if score else None,
        "score_before": points(one.before.get("total")),
        "band": score.band if score else None,
        "scores": {name: points(rated.total) for name, rated in lead.scores.items()},
        "contributions": [
            {"axis": line.axis, "rule": line.rule, "points": points(line.hundredths), "reason": line.reason}
            for line in (score.contributions if score else ())
        ],
        "moves": [
            {"from": move["from_stage"], "stage": move["stage"], "at": iso(move["at"]), "reason": move["reason"]}
            for move in lead.moves
        ],
        "steps": [{"step": step["step"], "state": step["state"], "reason": step["reason"]} for step in lead.steps],
        "excluded": lead.excluded,
        "handoff": lead.opened["system"] if lead.opened else None,
        "closed": [{"bucket": one["bucket"], "reason": one["bucket_reason"]} for one in lead.closed],
        "activities": [
            {"kind": stored.activity.kind, "asset": stored.activity.asset, "at": iso_time(stored.activity.at)}
            for stored in lead.added_activities.values()
        ],
        "outcomes": [{"outcome": o.outcome, "reason": o.reason} for o in lead.added_outcomes.values()],
        "writes": [
            {
                "system": planned.wanted.system,
                "object": planned.wanted.object,
                "record": planned.wanted.record,
                "action": "create" if planned.wanted.create else "update",
                "fields": [
                    {"field": name, "known": planned.known.get(name), "unknown": name not in planned.known, "wanted": v}
                    for name, v in planned.wanted.fields.items()
                ],
            }
            for planned in one.writes
        ],
        "left_out": [
            {"system": u.system, "object": u.object, "field": u.field, "reason": u.reason} for u in one.unsent
        ],
    }
