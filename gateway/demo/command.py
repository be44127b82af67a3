"""``gateway demo``: a small made-up company between HubSpot and Salesforce, told by commands that anybody can run."""

from __future__ import annotations

import http.client
import json
import shlex
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import plural
from gateway.cli.main import log_to_stderr
from gateway.cli.output import progress, say
from gateway.errors import Refused
from gateway.store.times import utc_now

if TYPE_CHECKING:
    from gateway_sandbox.circle import Circle
    from gateway_sandbox.company import Company

PLUGINS = ("sandbox", "hubspot", "salesforce")
ERROR = 40
SEED = 3
BUYERS_PER_DAY = 1.5
TURN = timedelta(hours=12)
KEPT = 3
"""Days at the end, in which somebody surely gets ready for sales."""
LAST = (timedelta(minutes=1), timedelta(minutes=3), timedelta(minutes=6))
"""The last turns: what a busy machine had put off is tried again before both systems are asked what they hold."""
QUARTER = 13
LATELY = 4
"""Weeks in which both sides' counts are compared: some who came back are counted again by one side alone."""
ENOUGH = 12
"""Weeks after which some leads that were recycled have come back."""
TOLD = (
    *("asks for a demo", "unsubscribes", "accepts", "forgets", "closes: not now", "is interested again", "qualifies"),
    *("wins", "loses"),
)
REASONS = ("Viewed a page", "Downloaded the whitepaper", "Clicked in an e-mail")
"""Rules whose points come from what HubSpot saw; those leads are explained that have points for them."""


@click.command()
@click.option("--once", is_flag=True, help="End when everything was told, instead of letting the company go on.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder of the demo's instance; one of an earlier demo is made anew.",
)
@click.option(
    "--weeks",
    type=click.IntRange(1, 26),
    default=QUARTER,
    show_default=True,
    help="Weeks that are played at the beginning.",
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 100_000),
    default=1440.0,
    show_default=True,
    help="Seconds that pass in a second when the company goes on; 1440 is a day in a minute.",
)
@click.pass_context
def demo(ctx: click.Context, once: bool, folder: Path, weeks: int, speed: float) -> None:
    """Watch a small made-up company: buyers in HubSpot, sales people in Salesforce, the gateway between them.

    Both systems are servers on this machine (the plugin gateway-sandbox). Plays some weeks, tells what happened with
    the gateway's own commands, and checks it against both systems: the exit code is 1 when anything is otherwise than
    it should. Then lets the company go on until Ctrl-C.
    """
    if missing := [f"gateway-{name}" for name in PLUGINS if find_spec(f"gateway_{name}") is None]:
        names = " ".join(missing)
        raise Refused(
            f"the demo needs {names}: `pip install {names}`; in a clone of the project, `make demo` installs them"
        )
    from gateway_sandbox import circle

    from gateway.demo.instance import emptied

    log_to_stderr(ERROR)
    begin = (utc_now() - timedelta(weeks=weeks)).replace(microsecond=0)
    with emptied(folder), circle.stage(folder, seed=SEED, buyers_per_day=BUYERS_PER_DAY, start=begin) as company:
        told = Story(folder, ctx.find_root().command, weeks)
        with circle.working(company, folder) as turning:
            told.happens(turning)
            told.is_told(turning)
        if not once and not told.wrong:
            _goes_on(company, folder, speed)
    for wrong in told.wrong:
        say(f"wrong: {wrong}", err=True)
    if told.wrong:
        ctx.exit(1)


def _goes_on(company: Company, folder: Path, speed: float) -> None:
    """``gateway run`` and both systems at work, in one time that runs faster, until Ctrl-C."""
    from gateway.demo.instance import login_link, running

    since = utc_now()
    company.clock.run(speed, since)
    with (folder / "gateway.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nclock: {{since: '{since.isoformat()}', speed: {speed:g}}}\n")
    address = _address(company)
    click.secho("\nAnd so it goes on.", bold=True)
    say(f"From now on {timedelta(seconds=speed)} h pass in a second (--speed).")
    with running(folder, address):
        company.start()
        company.hubspot.webhooks.start()
        pages = (
            (login_link(folder, address), "the desk, which keeps running until Ctrl-C; the link lets you in once"),
            (f"{company.hubspot.url}/", "HubSpot, as marketing sees it"),
            (f"{company.salesforce.url}/", "Salesforce, as sales sees it"),
        )
        for page, what in pages:
            say(f"  {page:<32} {what}")
        seen = len(company.story)
        try:
            while True:
                for happening in company.story[seen:]:
                    say(str(happening))
                    seen += 1
                time.sleep(0.2)
        except KeyboardInterrupt:
            say("Stopping.")
        company.close()


@dataclass(slots=True)
class Story:
    """What happens, and whether it went as it should. ``cli`` is the command line itself."""

    folder: Path
    cli: click.Command
    weeks: int
    wrong: list[str] = field(default_factory=list)

    # -- it happens ---------------------------------------------------------------------------------------------------

    def happens(self, turning: Circle) -> None:
        company = turning.company
        say("A company sells forecasting software. Its buyers leave traces in HubSpot: forms, page views, newsletters,")
        say("webinars. Its sales people work in Salesforce. Between the two stands only the gateway: it scores who is")
        say("worth a call, makes a lead and a task for sales, and brings back to marketing what became of it.")
        weeks = plural(self.weeks, "week")
        self._heading(
            f"1. {weeks} pass in about two minutes; HubSpot's and Salesforce's APIs are servers on this machine."
        )
        self._forged(turning)
        end = company.clock.now() + timedelta(weeks=self.weeks)
        begin, days = company.clock.now(), self.weeks * 7 - KEPT
        with progress("days", days) as step:
            for _ in turning.days(days):
                step((company.clock.now() - begin).days)
        self._planned(turning)
        while company.clock.now() < end - sum(LAST, timedelta()):
            turning.turn(min(TURN, end - sum(LAST, timedelta()) - company.clock.now()))
        for one in LAST:
            turning.turn(one)
        self._summary(turning)

    def _summary(self, turning: Circle) -> None:
        company = turning.company
        self._heading("3. Now it is today. This is what happened:")
        say("   " + " · ".join(f"{what} {count}" for what, count in company.summary().items()))
        hooks = Counter(one.status for one in company.hubspot.webhooks.deliveries)
        calls = [f"{len(sandbox.calls):,} calls of {name}" for name, sandbox in self._systems(turning)]
        say(f"   {' and '.join(calls)} by the gateway; {hooks[200]:,} signed webhooks from HubSpot")
        on = {one.name: len(one.members) for one in turning.hubspot.lists.all.values() if not one.deleted}
        say(f"   in HubSpot {on['Nurture']} recycled contacts are on the list Nurture,")
        say(f"   and {on['Suppressed']} that sales rejected on the list Suppressed")
        say("   The last of each kind:")
        last = {word: one for one in company.story for word in TOLD if one.what.startswith(word)}
        for one in sorted(last.values(), key=lambda one: one.at):
            say(f"     {one}")

    def _planned(self, turning: Circle) -> None:
        """Half a day at a time, until somebody is ready for sales; before it is delivered."""
        for _ in range(KEPT * 2):
            turning.company.run(TURN)
            turning.hubspot.webhooks.flush()
            turning.learn()
            systems = self._ask("plan", "salesforce")["systems"]
            if any(one["creates"] for one in systems):
                break
            turning.work()
        self._heading(
            "2. Somebody is ready for sales. Before it is sent: what would Salesforce be told, field by field?"
        )
        self._show("plan", "salesforce")
        turning.work()

    def _systems(self, turning: Circle) -> tuple[tuple[str, Any], ...]:
        return ("HubSpot", turning.hubspot), ("Salesforce", turning.salesforce)

    def _forged(self, turning: Circle) -> None:
        """A webhook by somebody who does not know the secret."""
        connection = http.client.HTTPConnection(_address(turning.company), timeout=30)
        try:
            connection.request(
                "POST",
                "/hooks/hubspot",
                b'[{"subscriptionType": "contact.privacyDeletion", "objectId": 501}]',
                {"Content-Type": "application/json", "X-HubSpot-Signature-v3": "Z3Vlc3M=",
                 "X-HubSpot-Request-Timestamp": str(int(time.time() * 1000))},
            )  # fmt: skip
            status = connection.getresponse().status
        finally:
            connection.close()
        say(f"   we send a forged webhook that would erase a person: answered {status}, nothing stored")
        self._expect("the answer to a forged webhook", status, 401)

    # -- it is told ---------------------------------------------------------------------------------------------------

    def is_told(self, turning: Circle) -> None:
        self._heading("4. Who are the best leads?")
        self._show("leads", "list", "--limit", "8")
        self._heading("5. Why has this one its points? Page view, download and click are what HubSpot saw.")
        explained = self._explained()
        for lead in explained:
            self._show("leads", "explain", lead)
        self._heading("6. What did sales make of what it was given? Three buckets: qualified, rejected, recycled.")
        self._show("handoffs", "list", "--limit", "30")
        self._returned()
        self._contract(turning)
        self._heading("7. How many got how far, and what did they bring?")
        self._show("metrics", "funnel")
        self._heading("8. Marketing counts whom it passed lately, sales count whom they received. Do the two agree?")
        begin = turning.company.clock.now() - timedelta(weeks=min(self.weeks, LATELY))
        self._show("metrics", "reconcile", "--since", f"{begin:%Y-%m-%d}")
        self._heading("9. Was anything lost? Each equation must hold, also after a crash.")
        self._show("status")
        self._check(turning)
        self._try_next(explained[0])

    def _explained(self) -> list[str]:
        """As few leads as have points for all that HubSpot can see: mostly one, two where nobody has all just now."""
        reasons = {}
        for one in self._ask("leads", "list", "--limit", "1000")["leads"]:
            said = self._ask("leads", "explain", one["lead"])["contributions"]
            reasons[str(one["lead"])] = {one["rule"] for one in said if one["points"] > 0}
        found: list[str] = []
        missing = set(REASONS)
        while not found or missing:
            lead = max(reasons, key=lambda lead: len(reasons[lead] & missing))  # of equals the first
            if found and not reasons[lead] & missing:
                break
            found.append(lead)
            missing -= reasons[lead]
        if missing and self.weeks >= ENOUGH:
            self.wrong.append(f"no lead has points for {', '.join(sorted(missing))}")
        return found

    def _returned(self) -> None:
        """Recycled leads that qualified again."""
        all_of = self._ask("handoffs", "list", "--limit", "10000")["handoffs"]
        again = [one for one in all_of if one["generation"] > 1]
        if self.weeks >= ENOUGH:
            self._expect("recycled leads that came back", bool(again), True)
        ended = Counter(one["bucket"] or "open" for one in again)
        say(f"   {len(again)} of {len(all_of)} are of leads that were recycled and came back: {_counted(ended)}")

    def _contract(self, turning: Circle) -> None:
        from gateway.demo.contract import Contract

        contract = Contract(turning)
        for line in contract.lines():
            say(f"   {line}")
        for what, found, wanted in contract.facts():
            self._expect(what, found, wanted)

    def _check(self, turning: Circle) -> None:
        """What both systems hold is what the gateway says, person by person."""
        status, funnel = self._ask("status"), self._ask("metrics", "funnel")
        summary, force = turning.company.summary(), turning.salesforce.records
        listed = self._ask("handoffs", "list", "--limit", "100000")["handoffs"]
        handoffs = [one for one in listed if one["state"] in ("open", "closed")]  # sales were told of
        self._expect("equations that hold", status["ok"], True)
        self._expect("leads", funnel["entered"], summary["buyers"])
        people = Counter(one["Email"] for one in force.alive("Lead"))
        self._expect("people with two leads in Salesforce", [one for one in people.values() if one > 1], [])
        tasks = Counter(one["Gateway_Id__c"] for one in force.alive("Task") if one["Gateway_Id__c"])
        self._expect("tasks of handoffs", len(tasks), len(handoffs))
        self._expect("handoffs with two tasks", [one for one in tasks.values() if one > 1], [])
        stages = {one["stage"]: one["count"] for one in funnel["stages"]}
        won = {one.about for one in turning.company.story if one.what.startswith("wins")}
        self._expect("leads won", stages["won"], len(won))
        there = Counter(one["gw_stage"] for one in turning.hubspot.records.alive("contacts"))
        self._expect("leads won that HubSpot knows of", there["won"], len(won))
        if not self.wrong:
            say(f"Both systems hold what the gateway says: one lead and one task for each of {len(handoffs)} handoffs,")
            say(f"and the {len(won)} deals won in Salesforce stand at their contacts in HubSpot.")

    def _try_next(self, best: str) -> None:
        self._heading(f"It is all in the folder {self.folder} now. Look around:")
        commands = (
            (("leads", "show", best), "everything known of one lead, and how it came"),
            (("leads", "list", "--limit", "5"), "the best ones"),
            (("handoffs", "list", "--open"), "what sales has not answered"),
            (("metrics", "funnel", "--by", "source"), "which source brings the leads that are won"),
            (("work", "list"), "what needs a person"),
            (("model", "show"), "what gives points"),
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


def _address(company: Company) -> str:
    """Where the gateway listens: HubSpot calls it there."""
    return str(company.hubspot.webhooks.url).removeprefix("http://").partition("/")[0]


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())


def _program() -> str:
    """How to call us again: by name where the shell finds us, else by the path we were called by."""
    called = sys.argv[0]
    if Path(called).name != "gateway":
        return "gateway"
    found = shutil.which("gateway")
    return "gateway" if found and Path(found).samefile(called) else called
