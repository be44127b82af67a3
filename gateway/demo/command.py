"""``gateway demo``: a small made-up company at work, and then told, by commands that anybody can run."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import click

from gateway.cli.output import progress, say
from gateway.demo import simulation
from gateway.demo.company import PATIENCE, WebSite, instance, running
from gateway.errors import GatewayError

NEWS = "crm-news.csv"


@click.command()
@click.option("--once", is_flag=True, help="End when everything was told, instead of keeping the gateway running.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the demo's instance; one of an earlier demo is made anew.",
)
@click.pass_context
def demo(ctx: click.Context, once: bool, folder: Path) -> None:
    """Watch a small made-up company: its web site sends leads, the gateway works them, sales answers.

    Makes an instance in a folder, runs the gateway in it on this machine, and tells what happened. The exit code is 1
    when anything went otherwise than it should.
    """
    told = Story(folder, ctx.find_root().command)
    with instance(folder) as address, running(folder, address):
        told.happens(address)
        told.is_told()
        if not once and not told.wrong:
            say(f"The gateway keeps running at http://{address}/ until Ctrl-C; try the commands in another terminal.")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                say("Stopping.")
    for wrong in told.wrong:
        say(f"wrong: {wrong}", err=True)
    if told.wrong:
        ctx.exit(1)


@dataclass(slots=True)
class Story:
    """What happens at Tallyfin, and whether it went as it should. ``cli`` is the command line itself."""

    folder: Path
    cli: click.Command
    wrong: list[str] = field(default_factory=list)
    said: Sequence[Mapping[str, str]] = ()
    """What sales answered, row by row."""

    # -- it happens ---------------------------------------------------------------------------------------------------

    def happens(self, address: str) -> None:
        say("Tallyfin sells reporting software to finance departments. Its web site has had four weeks of visitors;")
        say("marketing and sales have agreed who is worth a call. This is what the gateway makes of it.")
        self._visits(address)
        self._until_worked()
        rows = self._crm()
        self._expect("leads in the CRM", len(rows), simulation.HANDED_OVER)
        self.said = simulation.answers(rows, datetime.now(UTC))
        _write_csv(self.folder / NEWS, self.said)
        self._heading(f"2. {len(rows)} leads reached sales, in {self.folder / 'crm' / 'Lead.csv'}. Sales answers:")
        self._show("import", str(self.folder / NEWS), "--system", "crm")
        self._until_worked()

    def _visits(self, address: str) -> None:
        hooks = simulation.hooks(datetime.now(UTC))
        answers: dict[tuple[str, int], int] = {}
        self._heading(f"1. The web site calls POST http://{address}/hooks/website, each call signed:")
        with closing(WebSite(self.folder, address)) as site, progress("calls", len(hooks)) as step:
            for number, hook in enumerate(hooks, 1):
                status = site.call(hook)
                answers[hook.kind, status] = answers.get((hook.kind, status), 0) + 1
                if status != hook.status:
                    self.wrong.append(f"a call ({hook.kind}) was answered with {status}, not {hook.status}")
                step(number)
        for (kind, status), count in answers.items():
            say(f"   {count:>4} {simulation.KINDS[kind]:<48} answered {status}")

    def _until_worked(self) -> None:
        """Wait until nothing waits any more, in the inbox or on its way to the CRM."""
        deadline = time.monotonic() + PATIENCE
        while waiting := self._waiting(self._ask("status")):
            if time.monotonic() > deadline:
                raise GatewayError(f"after {PATIENCE:g} s something still waits: {waiting}")
            time.sleep(0.1)

    def _waiting(self, status: Mapping[str, Any]) -> dict[str, int]:
        found = {"rescores": status["rescores_queued"]}
        for system in status["systems"]:
            for what in ("documents", "events", "writes"):
                found[f"{system['system']} {what}"] = system[what]["waiting"]
        return {what: count for what, count in found.items() if count}

    def _crm(self) -> list[dict[str, str]]:
        with (self.folder / "crm" / "Lead.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    # -- it is told ---------------------------------------------------------------------------------------------------

    def is_told(self) -> None:
        best = max(self._crm(), key=lambda row: (float(row["Score"]), row["Email"]))["Email"]
        self._heading("3. Who are the best leads?")
        self._show("leads", "list", "--limit", "8")
        self._heading("4. Why does the first have so many points?")
        self._show("leads", "explain", best)
        self._heading("5. How did the handoffs end? In three buckets: sales-qualified, sales-rejected, recycled.")
        self._show("handoffs", "list", "--limit", "30")
        self._heading("6. What would the newsletter tool be told of that lead? It is switched off, so nothing is sent.")
        self._show("plan", "mailing", "--lead", best)
        self._heading("7. How many got how far?")
        self._show("metrics", "funnel")
        self._heading("8. Was anything lost? Each equation must hold, also after a crash.")
        self._show("status")
        self._check()
        self._try_next(best)

    def _check(self) -> None:
        status, funnel = self._ask("status"), self._ask("metrics", "funnel")
        website = next(one for one in status["systems"] if one["system"] == "website")
        self._expect("equations that hold", status["ok"], True)
        self._expect("leads", funnel["entered"], simulation.PEOPLE)
        self._expect("documents in quarantine", website["documents"]["quarantined"], 1)
        self._expect("duplicates", website["documents"]["duplicates"], 1)
        self._expect("fields dropped", sum(website["events"]["fields_dropped"].values()), 1)
        self._expect("leads never handed over", dict(status["excluded"]), {"competitor": 1, "customer": 1})
        outcomes = {one["outcome"]: one["count"] for one in funnel["outcomes"] if one["count"]}
        self._expect("outcomes", outcomes, simulation.outcomes(self.said))
        stages = {one["stage"]: one["count"] for one in funnel["stages"]}
        for stage, outcome in (("sal", "accepted"), ("won", "won")):
            self._expect(f"leads in {stage}", stages[stage], outcomes.get(outcome, 0))
        unbucketed = [row["Email"] for row in self._crm() if not row.get("Bucket") and row["key"] in self._closed()]
        self._expect("closed handoffs without a bucket in the CRM", len(unbucketed), 0)

    def _closed(self) -> set[str]:
        """Keys of the leads whose handoff sales has ended."""
        return {row["key"] for row in self.said if row["Status"] != "Accepted"}

    def _try_next(self, best: str) -> None:
        self._heading(f"It is all in {self.folder} now. Look around:")
        commands = (
            (("leads", "show", best), "everything known of one lead"),
            (("leads", "list", "--excluded"), "who is never handed over, and why"),
            (("metrics", "funnel", "--by", "source"), "which source brings the leads that are won"),
            (("plan", "mailing"), "what the newsletter tool would be told of everybody"),
            (("activate", "mailing"), "what switching the newsletter tool on would do"),
            (("inbox", "list"), "what came in, and the call that could not be read"),
        )
        for words, why in commands:
            say(f"  {self._line(words):<64} # {why}")
        say(f"  $EDITOR {self.folder}/scoring.yaml {self.folder}/journey.yaml")
        say(f"  {self._line(('check',)):<64} # every mistake, with its line")

    # -- commands -----------------------------------------------------------------------------------------------------

    def _heading(self, text: str) -> None:
        click.secho(f"\n{text}", bold=True)

    def _line(self, words: Sequence[str]) -> str:
        return shlex.join([_program(), "-C", str(self.folder), *words])

    def _show(self, *words: str) -> None:
        """Run a command as anybody would, its output as it is."""
        click.secho(f"   $ {self._line(words)}", dim=True)
        sys.stdout.flush()
        if code := self._run(words):
            self.wrong.append(f"`{self._line(words)}` ended with {code}")

    def _ask(self, *words: str) -> Any:
        with redirect_stdout(StringIO()) as output:
            self._run([*words, "--json"])
        return json.loads(output.getvalue())

    def _run(self, words: Sequence[str]) -> int:
        run: Callable[..., Any] = self.cli.main
        return run(["-C", str(self.folder), *words], prog_name="gateway", standalone_mode=False) or 0

    def _expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong.append(f"{what}: {found}, expected {wanted}")


def _program() -> str:
    """How to call us again: by name where the shell finds us, else by the path we were called by."""
    called = sys.argv[0]
    if Path(called).name != "gateway":
        return "gateway"
    found = shutil.which("gateway")
    return "gateway" if found and Path(found).samefile(called) else called


def _write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["key"])
        writer.writeheader()
        writer.writerows(rows)
