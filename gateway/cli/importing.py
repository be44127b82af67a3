"""``gateway import``, and what it shares with ``gateway pull``: page by page through the same inbox as a webhook.

Each page is on disk with its cursor before it is worked, so both may be stopped anywhere and started again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import plural
from gateway.cli.campaigns import take_costs
from gateway.cli.main import App, pass_app, plugin_call
from gateway.cli.output import json_option, say, say_json
from gateway.cli.working import Working, long_work
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.contracts import Page, Source
    from gateway.runtime import Gateway

LEFT_TO_OTHERS = 0.2
"""Seconds between two looks at documents that another process works on."""

LINES = 50
"""So many refused lines are named on the screen; JSON has all."""

history_option = click.option(
    "--history",
    is_flag=True,
    help="Record facts, scores and past stages only: no handoff, no delivery.",
)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--system", metavar="NAME", help="The system of gateway.yaml that the file comes from.")
@click.option("--costs", is_flag=True, help="It is a CSV file of what campaigns cost, instead.")
@history_option
@click.option("--remove", is_flag=True, help="Remove the file once all of it is taken in.")
@click.option(
    "--refused",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the lines that were refused there, as they came; in a folder, it is called as the job.",
)
@json_option
@pass_app
def import_(
    app: App,
    file: Path,
    system: str | None,
    costs: bool,
    history: bool,
    remove: bool,
    refused: Path | None,
    as_json: bool,
) -> None:
    """Take in a file of a system, or what campaigns cost.

    With the times in the data, through the same inbox and pipeline as a webhook; safe to stop and to repeat. The exit
    code is 1 when nothing of it could be taken in.

    The columns of costs: campaign, amount, currency (else the instance's), and month (2026-05) or from and until. A
    row of the same campaign, days and currency takes the place of the one before.
    """
    from gateway.contracts import Source
    from gateway.inbound import refused as refusing

    if costs == (system is not None):
        raise click.UsageError("say which system the file comes from with --system NAME, or that it holds --costs")
    if system is None:
        take_costs(app, file, as_json)
        return
    gateway = app.gateway
    source = source_of(gateway, system)
    if type(source).pull is Source.pull:
        raise Refused(f"{system}: its plugin {gateway.instance.systems[system].plugin} does not read files")
    stream = str(file.resolve())
    size = None if file.suffix in (".gz", ".gzip") else os.path.getsize(file)
    began = gateway.now()
    with long_work(gateway, "import", f"{file.name} → {system}") as work:
        taken = Taking(gateway, system, history, work)
        with work.progress("bytes", size, bytes=True) as tell:
            taken.pages(gateway.pullings[system].bring_in(stream, None, history, "file"), _offset(tell))
            taken.finish()
        # What was brought lies where its content says, so all that came from there is of this file, however often it
        # was begun; a path of somebody's own may hold another file each time.
        lines = refusing.lines_of(gateway, system, stream, None if remove else began)
        kept = refusing.keep(file, lines, refused, work.id) if refused is not None and lines else None
    if remove:
        file.unlink()
    told = [{"line": line, "reason": why} for line, why in lines.items()]
    tell_of(taken, as_json, {"file": str(file), "refused": told, "refused_file": str(kept) if kept else None})


def source_of(gateway: Gateway, system: str) -> Source:
    """The system's source. Raises ``NotFound`` or, with the reason, ``Refused``."""
    from gateway.settings.instance import known_systems

    known_systems(gateway.instance, [system])
    if system not in gateway.sources:
        reason = gateway.problems.get(system) or f"its plugin {gateway.instance.systems[system].plugin} has no source"
        raise Refused(f"{system}: {reason}")
    return gateway.sources[system]


class Taking:
    """One import or pull under way: what came, and what it moved."""

    def __init__(self, gateway: Gateway, system: str, history: bool, work: Working) -> None:
        from gateway.store.times import new_id

        self.gateway = gateway
        self.system = system
        self.history = history
        self.work = work
        self.worker = f"import:{os.getpid()}:{new_id()}"
        self.rows = 0
        self._before = self._standing()
        self._inbox_before = gateway.inbox.counts().get(system, {})

    def pages(self, pages: Iterator[Page], tell: Callable[[Page], None]) -> None:
        """Work page after page as they come in."""
        plugin = self.gateway.instance.systems[self.system].plugin
        try:
            while (page := plugin_call(plugin, "pull", lambda: next(pages, None))) is not None:
                self.rows += page.records
                self.gateway.run_pipeline_once(self.worker)
                tell(page)
        finally:
            self.gateway.inbox.release(self.worker)

    def finish(self) -> None:
        """Work until nothing of this system waits, whoever works it, then score again what that asked for."""
        gateway = self.gateway
        try:
            while True:
                self.work.check()
                if gateway.run_pipeline_once(self.worker):
                    continue
                if not gateway.inbox.counts().get(self.system, {}).get("waiting"):
                    break
                time.sleep(LEFT_TO_OTHERS)
        finally:
            gateway.inbox.release(self.worker)
        self._rescore()

    def _rescore(self) -> None:
        """Leads of companies that changed, or came to something else together; a scorer that fails on one must not keep
        us here for ever."""
        from gateway.runtime import SWEEP_LEADS
        from gateway.store.database import read
        from gateway.store.overview import queued_rescores
        from gateway.sweeps import rollups

        gateway = self.gateway
        while rollups.sweep(gateway.pipeline):
            self.work.check()
        with read(gateway.store.main) as connection:
            queued = queued_rescores(connection)
        for _ in range(queued * (2 + self._standing()["leads"] // SWEEP_LEADS)):
            self.work.check()
            if not gateway.sweep_once():
                break

    def moved(self) -> dict[str, int]:
        """What changed since the start. With a running gateway beside us, what it did for this system is in it."""
        after = self._standing()
        moved = {name: after[name] - self._before.get(name, 0) for name in after}
        inbox = self.gateway.inbox.counts().get(self.system, {})
        for name in ("stored", "quarantined", "duplicates"):
            moved[f"documents {name}"] = inbox.get(name, 0) - self._inbox_before.get(name, 0)
        moved["writes waiting"] = after["writes waiting"]
        return moved

    def _standing(self) -> dict[str, int]:
        from gateway.store.database import read
        from gateway.store.overview import standing

        with read(self.gateway.store.main) as connection:
            return standing(connection, self.system)


def _offset(tell: Callable[[int], None]) -> Callable[[Page], None]:
    def told(page: Page) -> None:
        offset = (page.cursor or {}).get("offset")
        if isinstance(offset, int):
            tell(offset)

    return told


def records_told(tell: Callable[[int], None]) -> Callable[[Page], None]:
    seen = [0]

    def told(page: Page) -> None:
        seen[0] += page.records
        tell(seen[0])

    return told


def tell_of(taken: Taking, as_json: bool, extra: Mapping[str, Any]) -> None:
    moved = taken.moved()
    skipped = {name.removeprefix("skipped: "): n for name, n in moved.items() if name.startswith("skipped: ") and n}
    report = {
        "system": taken.system,
        **extra,
        "history": taken.history,
        "new": bool(moved["documents stored"]),
        "rows": taken.rows,
        "documents": {
            "stored": moved["documents stored"],
            "duplicates": moved["documents duplicates"],
            "quarantined": moved["documents quarantined"],
        },
        "events": {
            "read": moved["read"],
            "applied": moved["applied"],
            "skipped": moved["skipped"],
            "skipped_by_reason": skipped,
            "dead": moved["dead"],
        },
        "fields_dropped": moved["fields dropped"],
        "leads_new": moved["leads"],
        "handoffs_opened": moved["handoffs"],
        "writes_waiting": moved["writes waiting"],
    }
    if as_json:
        say_json(report)
    else:
        _print(taken, report)
    events = report["events"]
    unread = events["dead"] + moved["documents quarantined"]
    if report["new"] and unread and not events["applied"] + events["skipped"]:
        if not as_json:
            say(f"nothing of it could be taken in: is {taken.system} its system, and the mapping right?", err=True)
        click.get_current_context().exit(1)


def _print(taken: Taking, report: Mapping[str, Any]) -> None:
    if not report["new"]:
        say("nothing new" + (f" ({plural(taken.rows, 'row')} known already)" if taken.rows else ""))
        return
    events = report["events"]
    say(f"{plural(taken.rows, 'row')} read{', as history' if taken.history else ''}")
    say(f"events     {events['applied']:,} applied, {events['skipped']:,} skipped, {events['dead']:,} quarantined")
    for reason, count in sorted(events["skipped_by_reason"].items(), key=lambda item: -item[1]):
        say(f"  skipped  {count:,} {reason}")
    if report["fields_dropped"]:
        say(f"fields     {report['fields_dropped']:,} dropped because they do not load")
    for one in report.get("refused", ())[:LINES]:
        say(f"  refused  line {one['line']:,}: {one['reason']}")
    if (more := len(report.get("refused", ())) - LINES) > 0:
        say(f"  refused  {plural(more, 'line')} more")
    if report.get("refused_file"):
        say(f"           as they came: {report['refused_file']}")
    if report["fields_dropped"] or events["dead"]:
        say(f"           `gateway inbox list --troubles --system {taken.system}` names records and fields")
    if quarantined := report["documents"]["quarantined"]:
        say(f"documents  {quarantined:,} quarantined (`gateway inbox list --state quarantined`)")
    say(f"leads      {report['leads_new']:,} new")
    say(f"handoffs   {report['handoffs_opened']:,} opened")
    if report["writes_waiting"]:
        say(f"writes     {report['writes_waiting']:,} waiting; a running gateway sends them, or `gateway push`")
