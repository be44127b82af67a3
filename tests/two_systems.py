"""HubSpot and Salesforce, as sandboxes over real sockets, and the gateway between them, all in one time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from gateway_sandbox import HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.clock import Clock
from gateway_sandbox.hubspot import CLIENT_SECRET, TOKEN
from gateway_sandbox.salesforce import CONSUMER_KEY, CONSUMER_SECRET

from gateway.opening import open_gateway

START = datetime(2026, 6, 1, 9, tzinfo=UTC)
"""A Monday."""
SYSTEMS = ("hubspot", "salesforce")
SECRETS = {"HS_TOKEN": TOKEN, "HS_SECRET": CLIENT_SECRET, "SF_KEY": CONSUMER_KEY, "SF_SECRET": CONSUMER_SECRET}
"""Variables that an instance's gateway.yaml may name."""

Kind = TypeVar("Kind", bound="TwoSystems")


class TwoSystems:
    """Subclasses give ``FILES``: name → text; ``HUBSPOT_URL`` and ``SALESFORCE_URL`` in it stand for the addresses."""

    FILES: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self, folder: Path, hubspot: HubSpotSandbox, salesforce: SalesforceSandbox, urls: dict[str, str]
    ) -> None:
        self.at, self.folder, self.hubspot, self.salesforce = START, folder, hubspot, salesforce
        self.prepare()
        for name, text in self.FILES.items():
            for system, url in urls.items():
                text = text.replace(f"{system.upper()}_URL", url)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        self.gateway = open_gateway(folder, now=lambda: self.at)
        self.begin()

    def prepare(self) -> None:
        """What both systems hold before the gateway meets them."""

    def begin(self) -> None:
        """The first look: what comes later is news."""
        self.turn()

    def turn(self, times: int = 1, minutes: float = 5) -> None:
        for _ in range(times):
            self.move(minutes=minutes)
            self.do_what_is_due()

    def do_what_is_due(self) -> None:
        self.pull()
        self.work()
        self.deliver()
        self.work()

    def move(self, **span: float) -> None:
        self.at += timedelta(**span)
        for sandbox in (self.hubspot, self.salesforce):
            sandbox.clock.advance(timedelta(**span))

    def pull(self) -> None:
        for system in SYSTEMS:
            self.gateway.pull_once(system)

    def work(self) -> None:
        while self.gateway.run_pipeline_once("test"):
            pass

    def deliver(self, *systems: str) -> None:
        for system in systems or SYSTEMS:
            while self.gateway.deliver_once(system, "test"):
                pass


@contextmanager
def between(kind: type[Kind], folder: Path) -> Iterator[Kind]:
    hubspot = HubSpotSandbox(seed=1, clock=Clock(START, 0))
    salesforce = SalesforceSandbox(seed=1, clock=Clock(START, 0), gateway=True)
    with pytest.MonkeyPatch.context() as environment, serve(hubspot) as one, serve(salesforce) as other:
        for name, value in SECRETS.items():
            environment.setenv(name, value)
        made = kind(folder, hubspot, salesforce, {"hubspot": one.url, "salesforce": other.url})
        yield made
        made.gateway.close()
