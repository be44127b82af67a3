"""``gateway pull``: what is new in a system, its past, or just some fields of what is known of it.

The past may be long: what it takes is told first, the budget is kept, and what was broken off goes on where it stopped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import iso_time, moment, plural
from gateway.cli.importing import Taking, history_option, records_told, source_of, tell_of
from gateway.cli.main import MOMENT, App, pass_app, plugin_call
from gateway.cli.output import json_option, say
from gateway.cli.working import long_work
from gateway.errors import NotFound, Refused, TryLater

if TYPE_CHECKING:
    from gateway.contracts import Page, Source
    from gateway.inbound.pulling import Pulling
    from gateway.runtime import Gateway


ANSWER = timedelta(seconds=0.5)
"""What a call takes, about, however many the budget allows."""


@click.command()
@click.argument("system")
@history_option
@click.option("--since", type=MOMENT, help="Start here instead of where the last pull ended.")
@click.option("--fields", metavar="A,B", help="Read just these fields of all known records again.")
@click.option("--yes", is_flag=True, help="Do not ask before a long reading.")
@json_option
@pass_app
def pull(
    app: App, system: str, history: bool, since: datetime | None, fields: str | None, yes: bool, as_json: bool
) -> None:
    """Fetch what is new in a system, or with --history what was before.

    Each page is stored with its cursor, so it is safe to stop and goes on where it stopped. A first pull begins when
    the system was connected: what was there before is no news. --history and --fields say first how many calls they
    take and how long that is at the pace the budget allows.
    """
    if fields is not None and (history or since):
        raise click.UsageError("--fields reads what is known again, whatever its time: leave out --history and --since")
    gateway = app.gateway
    source = source_of(gateway, system)
    start = app.moment(since) if since else None
    if fields is not None:
        _again(gateway, system, source, [name.strip() for name in fields.split(",") if name.strip()], yes, as_json)
        return
    plugin = gateway.instance.systems[system].plugin
    streams = list(plugin_call(plugin, "streams", source.streams))
    if not streams:
        raise Refused(
            f"{system}: its plugin {plugin} has nothing to pull; it takes webhooks, or files (`gateway import`)"
        )
    if history:
        _history(gateway, system, source, streams, start, yes, as_json)
        return
    pulling = gateway.pullings[system]
    begins = {stream: start or pulling.begin(stream) for stream in streams}
    first = [at for at in begins.values() if at]
    if start is None and len(first) == len(streams):
        at = moment(int(max(first).timestamp() * 1e6), app.zone)
        say(f"{system}: a first pull begins when it was connected, {at};", err=True)
        say(f"what was there before comes with `gateway pull {system} --history`", err=True)
    with long_work(gateway, "pull", system) as work:
        taken = Taking(gateway, system, False, work)
        for stream in streams:
            with work.progress(stream) as tell:
                taken.pages(pulling.bring_in(stream, begins[stream]), records_told(tell))
        _finish(taken, pulling)
    tell_of(taken, as_json, {"streams": streams, "since": {one: iso_time(at) for one, at in begins.items() if at}})


def _history(
    gateway: Gateway,
    system: str,
    source: Source,
    streams: Sequence[str],
    start: datetime | None,
    yes: bool,
    as_json: bool,
) -> None:
    pulling = gateway.pullings[system]
    plugin = gateway.instance.systems[system].plugin
    left = [stream for stream in streams if not pulling.read_whole(stream)]
    told = {stream: plugin_call(plugin, "estimate", partial(source.estimate, stream, start)) for stream in left}
    rows = {stream: one for stream, one in told.items() if one is not None}
    for stream, one in rows.items():
        more = "; goes on where it stopped" if pulling.under_way(stream) else ""
        say(f"  {stream:<16} {plural(one.records, 'record')}, {plural(one.calls, 'call')}{more}", err=True)
    if others := [stream for stream in left if stream not in rows]:
        say(f"  {', '.join(others)}: nobody can tell before", err=True)
    if len(left) < len(streams):
        say(f"  read already: {', '.join(stream for stream in streams if stream not in left)}", err=True)
    records, calls = (sum(getattr(one, what) for one in rows.values()) for what in ("records", "calls"))
    extra = _agree(gateway, system, f"the past of {system}", records, calls, yes)
    with long_work(gateway, "pull the past", system) as work:
        taken = Taking(gateway, system, True, work)
        for stream in streams:
            pulling.begin(stream)  # what comes after this moment is news, even where the past turns out to be empty
        for stream in left:
            total = rows[stream].records if stream in rows else None
            with work.progress(stream, total) as tell:
                _patiently(system, partial(pulling.history, stream, start), taken, records_told(tell))
        pulling.forget_history(streams)
        _finish(taken, pulling)
    tell_of(taken, as_json, {"streams": streams, **extra})


def _again(gateway: Gateway, system: str, source: Source, names: Sequence[str], yes: bool, as_json: bool) -> None:
    from gateway.inbound import rereading
    from gateway.store.database import read, write
    from gateway.store.lookups import count_known

    mapping = gateway.instance.systems[system].mapping
    if mapping is None:
        raise Refused(f"{system}: it has no mapping file")
    of_object = _of_objects(system, mapping.objects, names)
    sizes = {object_: source.per_fetch(object_) for object_ in of_object}
    of_object = {object_: fields for object_, fields in of_object.items() if sizes[object_]}
    if not of_object:
        plugin = gateway.instance.systems[system].plugin
        raise Refused(f"{system}: plugin {plugin} cannot ask for records of {', '.join(sizes)} by their id")
    with read(gateway.store.main) as connection:
        known = {object_: count_known(connection, system, object_) for object_ in of_object}
    records, calls = sum(known.values()), sum(-(-count // sizes[one]) for one, count in known.items())
    extra = _agree(gateway, system, f"{', '.join(names)} of what is known of {system}", records, calls, yes)
    pulling = gateway.pullings[system]
    asked = {object_: mapping.objects[object_].reader.asked(fields) for object_, fields in of_object.items()}
    with long_work(gateway, "pull again", system) as work:
        taken = Taking(gateway, system, True, work)
        with work.progress(", ".join(names), records) as tell:

            def pages() -> Iterator[Page]:
                for done, page in pulling.again(asked):
                    tell(done)
                    yield page

            _patiently(system, pages, taken, lambda page: None)
        _finish(taken, pulling)
        with write(gateway.store.main) as connection:
            rereading.read_again(gateway, connection, system, of_object)
    tell_of(taken, as_json, {"fields": {object_: list(fields) for object_, fields in of_object.items()}, **extra})


def _of_objects(system: str, objects: Mapping[str, Any], names: Sequence[str]) -> dict[str, list[str]]:
    """Object → those of the named fields that its mapping reads. Raises ``NotFound`` for one that none reads."""
    from gateway.settings.files import suggest

    reads = {object_: {*one.inbound, *one.observed} for object_, one in objects.items()}
    everything = sorted(set().union(*reads.values()))
    for name in names:
        if name not in everything:
            raise NotFound(f"mappings/{system}.yaml takes in no field {name!r}{suggest(name, everything)}")
    found = {object_: [name for name in names if name in fields] for object_, fields in reads.items()}
    return {object_: fields for object_, fields in found.items() if fields}


def _agree(gateway: Gateway, system: str, what: str, records: int, calls: int, yes: bool) -> dict[str, Any]:
    """Say what it takes, and ask where somebody can answer. Returns the same for programs."""
    takes = max(gateway.budgets[system].takes(calls), calls * ANSWER)
    say(f"{what}: {plural(records, 'record')} in about {plural(calls, 'call')}, {_in_words(takes)}", err=True)
    if not yes and asks():
        click.confirm("Go on?", abort=True, err=True)
    return {"estimate": {"records": records, "calls": calls, "seconds": round(takes.total_seconds())}}


def asks() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty()


def _in_words(span: timedelta) -> str:
    seconds = span.total_seconds()
    for unit, words in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {words} or more at the pace of the budget"
    return "two minutes at most"


def _patiently(system: str, pages: Callable[[], Iterator[Page]], taken: Taking, tell: Callable[[Page], None]) -> None:
    """Take all pages: where the budget or the system says to wait, wait and go on where it stopped."""
    while True:
        try:
            taken.pages(pages(), tell)
            return
        except TryLater as exc:
            again = time.strftime("%H:%M:%S", time.localtime(time.time() + exc.seconds))
            say(f"{system}: {exc.reason}; goes on at {again} (stopped meanwhile, the next time)", err=True)
            taken.work.wait(max(1.0, exc.seconds))


def _finish(taken: Taking, pulling: Pulling) -> None:
    while pulling.look_up():  # what the pages only named
        taken.work.check()
    taken.finish()
