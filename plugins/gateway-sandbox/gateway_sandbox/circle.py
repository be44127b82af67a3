"""The circle: buyers in HubSpot, the gateway, sales in Salesforce, and back, all in one process and one time.

``python -m gateway_sandbox circle --days 14`` plays it, and so does ``gateway demo``. It needs the gateway with its
HubSpot and Salesforce plugins; nothing else of the sandbox does.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import importlib.util
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway_sandbox import hubspot, salesforce
from gateway_sandbox.clock import Clock
from gateway_sandbox.company import Company, Happening
from gateway_sandbox.hubspot import OFF, HubSpotSandbox, Property
from gateway_sandbox.salesforce import SalesforceSandbox
from gateway_sandbox.serving import Serving, serve

if TYPE_CHECKING:
    from gateway.runtime import Gateway

FILES = ("gateway.yaml", "scoring.yaml", "journey.yaml", "mappings/hubspot.yaml", "mappings/salesforce.yaml")
START = datetime(2026, 6, 1, 8, tzinfo=UTC)
"""A Monday."""
SYSTEMS = ("hubspot", "salesforce")
LISTS = ("Nurture", "Suppressed")
"""In HubSpot: who was recycled, and whom sales rejected."""
HANDED_OVER = Property("gw_handed_over_at", "Handed over at", "datetime", "date", "gateway", own=False)
"""In HubSpot: by this marketing counts what it passed to sales."""
WEEKEND = 5
MORE = 3
"""Handoffs beyond the capacity that are released in a day."""
SUBSCRIBED = frozenset({"email", "firstname", "lastname", "jobtitle", "company", "country", "hs_email_optout"})
"""Properties whose changes HubSpot tells at once, signed; the others are found by asking."""


class Circle:
    """``turn`` lets the company live for a while, then has the gateway do all that is due."""

    def __init__(self, company: Company, gateway: Gateway, folder: Path) -> None:
        self.company = company
        self.gateway = gateway
        self.folder = folder
        self._released = company.clock.now()

    @property
    def hubspot(self) -> HubSpotSandbox:
        return self.company.hubspot

    @property
    def salesforce(self) -> SalesforceSandbox:
        return self.company.salesforce

    def days(self, count: int) -> Iterator[list[Happening]]:
        """So many days: at noon and in the evening of each working day the gateway does all that is due."""
        until = self.company.clock.now() + timedelta(days=count)
        while (now := self.company.clock.now()) < until:
            turn = now.replace(hour=12, minute=0, second=0, microsecond=0)
            while turn <= now or turn.weekday() >= WEEKEND:
                turn += timedelta(hours=6 if turn.hour == 12 else 18)
            yield self.turn(min(turn, until) - now)

    def turn(self, duration: timedelta = timedelta(hours=12)) -> list[Happening]:
        """Returns what happened in the company meanwhile."""
        happened = self.company.run(duration)
        self.hubspot.webhooks.flush()
        if self.company.clock.now() - self._released >= timedelta(days=1):
            self.release()
        self.work()
        return happened

    def release(self) -> int:
        """What a manager does each morning: give sales what was held back, as much as they can take."""
        from gateway.people.judging import release

        self._released = self.company.clock.now()
        return len(release(self.gateway, (), MORE, "manager").opened)

    def work(self) -> None:
        """Take in what came, fetch what it named, pull, score again what has aged, and deliver until nothing is due."""
        self.learn()
        while any(self.gateway.deliver_once(system, "circle") for system in SYSTEMS):
            pass

    def learn(self) -> None:
        """All of ``work`` but the deliveries. The clocks ask Salesforce before they do anything."""
        from gateway.sweeps.clocks import tick

        while self.gateway.run_pipeline_once("circle"):
            pass
        while True:
            for system in SYSTEMS:
                self.gateway.pull_once(system)
            while self.gateway.run_pipeline_once("circle") or self.gateway.sweep_once():
                pass
            if not tick(self.gateway):
                return


def write_instance(folder: Path, hubspot_url: str, salesforce_url: str, listen: str = "127.0.0.1:8080") -> None:
    """The gateway's files for two sandboxes at these addresses. Raises OSError."""
    source = importlib.resources.files("gateway_sandbox") / "instance"
    (folder / "mappings").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        text = source.joinpath(*name.split("/")).read_text(encoding="utf-8")
        text = text.replace("HUBSPOT_URL", hubspot_url).replace("SALESFORCE_URL", salesforce_url)
        (folder / name).write_text(text.replace("LISTEN", listen), encoding="utf-8")
    secrets = {
        "hubspot.token": hubspot.TOKEN,
        "hubspot.secret": hubspot.CLIENT_SECRET,
        "salesforce.key": salesforce.CONSUMER_KEY,
        "salesforce.secret": salesforce.CONSUMER_SECRET,
    }
    for name, value in secrets.items():
        (folder / name).write_text(value, encoding="utf-8")


@contextlib.contextmanager
def stage(folder: Path, *, seed: int = 3, buyers_per_day: float = 4.0, start: datetime = START) -> Iterator[Company]:
    """Both sandboxes served, a company in them, and the files of its gateway in ``folder``.

    HubSpot sends its webhooks to the gateway's address. Raises ImportError without the gateway or its plugins, OSError
    when the folder cannot be written.
    """
    needed = ("gateway", "gateway_hubspot", "gateway_salesforce")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ImportError(f"the circle needs {', '.join(missing)}")
    clock = Clock(start)
    hub = HubSpotSandbox(seed=seed, clock=clock, limits=OFF)
    hub.define_gateway()
    hub.define("contacts", HANDED_OVER)
    for name in LISTS:
        hub.lists.make(name)
    force = SalesforceSandbox(seed=seed, clock=clock)
    company = Company(hub, force, seed=seed, buyers_per_day=buyers_per_day)
    listen = f"127.0.0.1:{_free_port()}"
    hub.webhooks.subscribe(f"http://{listen}/hooks/hubspot", hubspot.CLIENT_SECRET, properties=SUBSCRIBED)
    with serve(hub) as one, serve(force) as other:
        write_instance(folder, one.url, other.url, listen)
        yield company


@contextlib.contextmanager
def working(company: Company, folder: Path) -> Iterator[Circle]:
    """The gateway of ``folder`` opened in the company's time, its webhooks taken at the address it has."""
    from gateway.opening import open_gateway
    from gateway.people.staffing import absent
    from gateway.store.times import utc_now
    from gateway.web.app import create_app
    from gateway.web.intake import Intake

    with contextlib.closing(open_gateway(folder, now=company.clock.now)) as gateway:
        instance, inbox = gateway.instance, gateway.inbox
        intake = Intake(
            gateway.intake_sources(),
            lambda arrival: inbox.append([arrival])[0],
            gateway.now,
            instance.public_url,
            utc_now,
        )
        app: Any = create_app(intake)
        with contextlib.closing(Serving(app, instance.listen[1])):
            for seller in company.sellers.all:
                for begins, ends in seller.away:
                    absent(gateway, seller.email, begins, ends, "holiday", "manager")
            yield Circle(company, gateway, folder)


@contextlib.contextmanager
def circle(folder: Path, *, seed: int = 3, buyers_per_day: float = 4.0, start: datetime = START) -> Iterator[Circle]:
    """``stage`` and ``working`` in one."""
    at = stage(folder, seed=seed, buyers_per_day=buyers_per_day, start=start)
    with at as company, working(company, folder) as turning:
        yield turning


def play(folder: Path, days: int, seed: int, say: Any = print) -> dict[str, int]:
    """Some days of the circle, told as they pass. Returns the company's summary."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder")
    with circle(folder, seed=seed) as turning:
        for _ in range(days * 2):
            for happening in turning.turn():
                if not happening.what.startswith(("arrives", "downloads")):
                    say(str(happening))
        return turning.company.summary()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
