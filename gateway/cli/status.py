"""``gateway status``: what became of everything that came in, and whether anything was lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import asked_again, iso, iso_time, on_clock, plural
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, say, say_json, say_under

if TYPE_CHECKING:
    from gateway.store.breakers import Quarantine
    from gateway.store.overview import Equation, Overview, SystemCounts

# What is counted: (attribute of a system's counts, words for the whole)
EQUATIONS = (("documents", "documents stored"), ("events", "events read"), ("writes", "writes planned"))


@click.command()
@json_option
@pass_app_to_look
def status(app: App, as_json: bool) -> None:
    """Show what came in and what became of it.

    Three equations must hold for every system: documents stored = read + waiting + quarantined + discarded; events
    read = applied + skipped + waiting + dead; writes planned = confirmed + superseded + waiting + dead. The exit code
    is 1 when one does not, or when nobody can say which plugins are let in, since plugins.lock or plugins.yaml is
    broken.
    """
    seen = _look(app)
    if as_json:
        say_json(_told(app, seen))
    else:
        _print(app, seen)
    if not seen.found.holds or _unruled(app):
        click.get_current_context().exit(1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """All that is asked of the store and of this machine, at one moment."""

    now: int
    found: Overview
    systems: Mapping[str, SystemCounts]
    clocks: Mapping[str, int]
    quarantined: Mapping[str, Quarantine]
    unloaded: Mapping[str, tuple[str, datetime]]
    review: Sequence[str]
    drifts: Mapping[str, Sequence[str]]
    """system → what drifted"""
    fallen: Sequence[str]
    """Processes of this machine that are not up"""
    works: Sequence[Any]
    """Long work under way"""


def _look(app: App) -> _Seen:
    from gateway.answers.jobs import jobs_of
    from gateway.answers.review import overdue
    from gateway.engine.supervisor import STATUS, down
    from gateway.store import followups
    from gateway.store.alarms import DRIFT, open_alarms
    from gateway.store.breakers import broken, by_plugin, known
    from gateway.store.database import read
    from gateway.store.overview import SystemCounts, overview
    from gateway.times import to_micros

    gateway = app.gateway
    now = to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        found = overview(connection, gateway.inbox, gateway.model.score_names, now)
        clocks = followups.waiting(connection)
        unloaded = broken(known(connection))
        late = overdue(gateway, connection)
        drifts: dict[str, list[str]] = {}
        for row in open_alarms(connection, DRIFT):
            drifts.setdefault(row.system, []).append(row.detail["what"])
    none = SystemCounts.empty()
    return _Seen(
        now=now,
        found=found,
        systems={name: found.systems.get(name, none) for name in gateway.instance.systems} | dict(found.systems),
        clocks=clocks,
        quarantined=by_plugin(gateway.breakers.open()),
        unloaded=unloaded,
        review=late,
        drifts=drifts,
        fallen=list(down(gateway.instance.store.folder / STATUS)),
        works=jobs_of(gateway, running=True),
    )


def _told(app: App, seen: _Seen) -> dict[str, Any]:
    from gateway.answers.jobs import job_json
    from gateway.answers.versions import approval_words

    gateway, found = app.gateway, seen.found
    return {
        "ok": found.holds,
        "problems": [str(one) for one in (*gateway.broken, gateway.unscored, *seen.fallen) if one],
        "approval": approval_words(gateway),
        "review": seen.review,
        "systems": [
            {**_json(name, counts, app), "drift": seen.drifts.get(name, [])} for name, counts in seen.systems.items()
        ],
        "plugins_quarantined": [
            {"plugin": name, "reason": one.reason, "since": iso_time(one.since), "again": iso_time(one.again)}
            for name, one in seen.quarantined.items()
        ],
        "plugins_broken": [
            {"plugin": name, "reason": reason, "since": iso_time(since)}
            for name, (reason, since) in seen.unloaded.items()
        ],
        "leads": found.leads,
        "excluded": dict(found.excluded),
        "handoffs_open": found.handoffs_open,
        "clocks_waiting": seen.clocks,
        "work_open": found.work_open,
        "rescores_due": found.rescores_due,
        "rescores_queued": found.rescores_queued,
        "rescoring": _rescoring(found),
        "jobs": [job_json(job) for job in seen.works],
    }


def _print(app: App, seen: _Seen) -> None:
    from gateway.answers.jobs import line
    from gateway.answers.versions import approval_words
    from gateway.store.rescoring import RESCORE

    for name, counts in seen.systems.items():
        _print_system(name, counts, app, seen.now)
        for words in seen.drifts.get(name, ()):
            say_under(f"  {'DRIFT':<16}  {words} (`gateway work list --kind drift`)", 20)
    _print_rest(seen.found)
    for job in seen.works:
        if job.what != RESCORE:  # which is told with what it means
            say_under(f"under way: {line(job)} (`gateway jobs stop {job.id}`)", 2)
    if app.gateway.unscored:
        say_under(f"PROBLEM: leads keep the scores they have: {app.gateway.unscored} (`gateway check`)", 2)
    for words in (*approval_words(app.gateway), *seen.review):
        say_under(words, 2)
    for words in (*seen.fallen, *_kept_out(app, seen.unloaded, seen.quarantined)):
        say_under(f"PROBLEM: {words}", 2)
    for name, count in seen.clocks.items():
        say(f"clocks of {plural(count, 'handoff')} wait until {name} is read")


def _kept_out(
    app: App, unloaded: Mapping[str, tuple[str, datetime]], quarantined: Mapping[str, Quarantine]
) -> Iterator[str]:
    """Plugins that are not called, whether a system is of them or not."""
    for plugin, (reason, broken) in unloaded.items():
        since = on_clock(broken, app.zone)
        yield f"plugin {plugin} is broken since {since}: {reason} (`gateway plugins check {plugin}`)"
    for plugin, one in quarantined.items():
        theirs = [name for name in app.instance.systems if app.gateway.plugin_of(name) == plugin]
        waits = f"; what concerns {', '.join(theirs)} waits" if theirs else ""
        since, again = on_clock(one.since, app.zone), on_clock(one.again, app.zone)
        yield (
            f"plugin {plugin} is quarantined since {since}: {one.reason}{waits}; "
            f"tried again by itself from {again} on (`gateway plugins enable {plugin}` tries now)"
        )


def _problem(name: str, app: App) -> str:
    """Why a system is not at work; where nobody knows who is let in, that comes before what was known once."""
    return _unruled(app) or app.gateway.problems.get(name, "")


def _unruled(app: App) -> str:
    """What is wrong with the files that say which plugins are let in."""
    from gateway.plugins.rules import FILES

    return next((str(one) for one in app.gateway.broken if str(one).startswith(FILES)), "")


def _json(name: str, counts: SystemCounts, app: App) -> dict[str, Any]:
    def equation(one: Equation, whole: str) -> dict[str, Any]:
        return {whole: one.total, **one.parts, "holds": one.holds}

    system = app.instance.systems.get(name)
    return {
        "system": name,
        "configured": system is not None,
        "outbound": system is not None and system.outbound,
        "documents": {**equation(counts.documents, "stored"), "duplicates": counts.duplicates},
        "events": {
            **equation(counts.events, "read"),
            "skipped_by_reason": dict(counts.skipped),
            "fields_dropped": dict(counts.dropped),
        },
        "writes": equation(counts.writes, "planned"),
        "fields_not_sent": dict(counts.unsent),
        "oldest_waiting_document": iso(counts.oldest_document),
        "oldest_waiting_write": iso(counts.oldest_write),
        "paused": counts.paused,
        "asked_again_at": iso(counts.asked_again),
        "problem": _problem(name, app),
    }


def _rescoring(found: Overview) -> dict[str, Any] | None:
    bulk = found.rescoring
    if bulk is None and not found.crossed:
        return None
    told = {"scoring": bulk.scoring, "since": iso(bulk.since), "leads": bulk.leads, "done": bulk.done} if bulk else {}
    return {"complete": bulk is None, **told, "crossed": found.crossed}


def _print_system(name: str, counts: SystemCounts, app: App, now: int) -> None:
    system = app.instance.systems.get(name)
    notes = [f"outbound {'on' if system.outbound else 'off'}" if system else "not in gateway.yaml any more"]
    if counts.paused:
        notes.append(f"PAUSED: {counts.paused} (`gateway systems resume {name}`)")
    if counts.asked_again is not None:
        notes.append(
            f"NO ANSWER: {asked_again(counts.asked_again, now, app.zone)} (`gateway push {name}` asks at once)"
        )
    if problem := _problem(name, app):
        notes.append(f"PROBLEM: {problem}")
    say(f"{name} ({'; '.join(notes)})")
    for attribute, whole in EQUATIONS:
        one: Equation = getattr(counts, attribute)
        parts = " + ".join(f"{count:,} {part}" for part, count in one.parts.items())
        mark = "" if one.holds else f"   DOES NOT HOLD: {one.total - sum(one.parts.values()):+,} unaccounted for"
        say(f"  {whole:<16}  {one.total:>9,} = {parts}{mark}")
    left_out = (("skipped", counts.skipped), ("fields dropped", counts.dropped), ("fields not sent", counts.unsent))
    for words, reasons in left_out:
        if reasons:
            say_under(f"  {words:<16}  {_by_size(reasons)}", 20)
    if counts.dropped or counts.events.parts["dead"]:
        say(f"  {'which':<16}  `gateway inbox list --troubles --system {name}`")
    if counts.duplicates:
        say(f"  {'duplicates':<16}  {counts.duplicates:,} had no effect")
    from gateway.durations import age_in_words

    for words, oldest in (("document", counts.oldest_document), ("write", counts.oldest_write)):
        if oldest is not None:
            say(f"  {'oldest waiting':<16}  a {words}, for {age_in_words(now - oldest)}")


def _print_rest(found: Overview) -> None:
    say(
        f"{plural(found.leads, 'lead')} · {plural(found.handoffs_open, 'open handoff')} · "
        f"{plural(found.work_open, 'work item')} (`gateway work list`)"
    )
    if found.excluded:
        say(f"never handed over: {_by_size(found.excluded)}")
    if (bulk := found.rescoring) is not None:
        far = "waits for the pipeline worker of `gateway run`"
        if bulk.leads is not None:
            far = f"{bulk.done:,} of {plural(bulk.leads, 'lead')} ({bulk.done * 100 // (bulk.leads or 1)} %)"
        if bulk.stop_by:
            far += f", rests, asked by {bulk.stop_by} (`gateway jobs resume {bulk.id}`)"
        say_under(f"rescoring by the changed model: {far}; lists show the scores of before until all are done", 2)
    if found.crossed:
        say(f"journey: {plural(found.crossed, 'lead')} moved by the changed model, not answered yet")
    due = [f"{plural(found.rescores_due, 'score')} due to move by time"] if found.rescores_due else []
    queued = found.rescores_queued - (found.rescoring is not None)
    due += [f"{plural(queued, 'rescore')} queued"] if queued else []
    if due:
        say(f"rescoring: {', '.join(due)}")
    if not found.holds:
        say("An equation does not hold: something was lost or counted twice.", err=True)


def _by_size(reasons: Mapping[str, int]) -> str:
    between = "; " if any("," in reason for reason in reasons) else ", "
    return between.join(f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
