"""The circle: buyers in HubSpot, the gateway, sales in Salesforce, and back, all in one process and one time.

``python -m gateway_sandbox circle --days 14`` plays it. It needs the gateway with its HubSpot and Salesforce plugins;
nothing else of the sandbox does.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway_sandbox import hubspot, salesforce
from gateway_sandbox.clock import Clock
from gateway_sandbox.company import Company, Happening
from gateway_sandbox.hubspot import OFF, HubSpotSandbox
from gateway_sandbox.salesforce import SalesforceSandbox
from gateway_sandbox.serving import serve

if TYPE_CHECKING:
    from gateway.runtime import Gateway

FILES = ("gateway.yaml", "scoring.yaml", "journey.yaml", "mappings/hubspot.yaml", "mappings/salesforce.yaml")
START = datetime(2026, 6, 1, 8, tzinfo=UTC)
"""A Monday."""
SYSTEMS = ("hubspot", "salesforce")


class Circle:
    """``turn`` lets the company live for a while, then has the gateway do all that is due."""

    def __init__(self, company: Company, gateway: Gateway, folder: Path) -> None:
        self.company = company
        self.gateway = gateway
        self.folder = folder

    @property
    def hubspot(self) -> HubSpotSandbox:
        return self.company.hubspot

    @property
    def salesforce(self) -> SalesforceSandbox:
        return self.company.salesforce

    def turn(self, duration: timedelta = timedelta(hours=12)) -> list[Happening]:
        """Returns what happened in the company meanwhile."""
        happened = self.company.run(duration)
        self.work()
        return happened

    def work(self) -> None:
        """Pull, work, score again what has aged, and deliver until nothing is due."""
        for system in SYSTEMS:
            self.gateway.pull_once(system)
        while self.gateway.run_pipeline_once("circle") or self.gateway.sweep_once():
            pass
        for system in SYSTEMS:
            while self.gateway.deliver_once(system, "circle"):
                pass


def write_instance(folder: Path, hubspot_url: str, salesforce_url: str) -> None:
    """The gateway's files for two sandboxes at these addresses, in a new folder. Raises OSError."""
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; name a new folder")
    source = importlib.resources.files("gateway_sandbox") / "instance"
    (folder / "mappings").mkdir(parents=True, exist_ok=True)
    for name in FILES:
        text = source.joinpath(*name.split("/")).read_text(encoding="utf-8")
        text = text.replace("HUBSPOT_URL", hubspot_url).replace("SALESFORCE_URL", salesforce_url)
        (folder / name).write_text(text, encoding="utf-8")
    secrets = {
        "hubspot.token": hubspot.TOKEN,
        "salesforce.key": salesforce.CONSUMER_KEY,
        "salesforce.secret": salesforce.CONSUMER_SECRET,
    }
    for name, value in secrets.items():
        (folder / name).write_text(value, encoding="utf-8")


@contextlib.contextmanager
def circle(folder: Path, *, seed: int = 3, buyers_per_day: float = 4.0, start: datetime = START) -> Iterator[Circle]:
    """Both sandboxes served, the company in them, and a gateway opened in ``folder``.

    Raises ImportError without the gateway or its plugins, OSError when the folder cannot be written.
    """
    needed = ("gateway", "gateway_hubspot", "gateway_salesforce")
    if missing := [name for name in needed if importlib.util.find_spec(name) is None]:
        raise ImportError(f"the circle needs {', '.join(missing)}")
    from gateway.runtime import open_gateway

    clock = Clock(start)
    hub = HubSpotSandbox(seed=seed, clock=clock, limits=OFF)
    hub.define_gateway()
    force = SalesforceSandbox(seed=seed, clock=clock)
    for object in ("Lead", "Contact"):
        force.define(object, "Gateway_Handoff__c string(64)")
    company = Company(hub, force, seed=seed, buyers_per_day=buyers_per_day)
    with serve(hub) as one, serve(force) as other:
        write_instance(folder, one.url, other.url)
        with contextlib.closing(open_gateway(folder, now=clock.now)) as gateway:
            yield Circle(company, gateway, folder)


def play(folder: Path, days: int, seed: int, say: Any = print) -> dict[str, int]:
    """Some days of the circle, told as they pass. Returns the company's summary."""
    with circle(folder, seed=seed) as turning:
        for _ in range(days * 2):
            for happening in turning.turn():
                if not happening.what.startswith(("arrives", "downloads")):
                    say(str(happening))
        return turning.company.summary()
