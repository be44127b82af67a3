"""A sandbox of each kind behind a real socket, and the client libraries that real connectors use."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from hubspot import HubSpot
from simple_salesforce import Salesforce

from gateway_sandbox import Clock, HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.hubspot import OFF
from gateway_sandbox.testing import PlainAdapter, log_in

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture
def hubspot() -> HubSpotSandbox:
    sandbox = HubSpotSandbox(seed=1, clock=Clock(START), limits=OFF)
    sandbox.define_gateway()
    return sandbox


@pytest.fixture
def hub(hubspot: HubSpotSandbox) -> Iterator[HubSpot]:
    with serve(hubspot) as server:
        yield HubSpot(access_token="pat-sandbox", host=server.url, base_url=server.url, retry=False)


@pytest.fixture
def salesforce() -> SalesforceSandbox:
    return SalesforceSandbox(seed=1, clock=Clock(START))


@pytest.fixture
def force(salesforce: SalesforceSandbox) -> Iterator[Salesforce]:
    with serve(salesforce) as server, requests.Session() as session:
        session.mount("https://127.0.0.1", PlainAdapter())
        told = log_in(server.url)
        yield Salesforce(
            session_id=told["access_token"], instance_url=told["instance_url"], version="67.0", session=session
        )
