"""A sandbox of each kind behind a real socket, and the client libraries that real connectors use."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from hubspot import HubSpot
from simple_salesforce import Salesforce

from gateway_sandbox import Clock, HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.hubspot import OFF
from gateway_sandbox.testing import PlainAdapter, log_in

BESIDE = Path(__file__).resolve().parents[4] / "shared/apis/specs"
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


@pytest.fixture(scope="session")
def specs() -> list[dict[str, Any]]:
    """OpenAPI documents of HubSpot's endpoints, from ``GATEWAY_HUBSPOT_SPECS`` or beside the project."""
    folder = Path(os.environ.get("GATEWAY_HUBSPOT_SPECS", BESIDE))
    files = sorted(folder.glob("*-v[34].json"))
    if not files:
        pytest.skip("no OpenAPI documents of HubSpot are here; GATEWAY_HUBSPOT_SPECS names their folder")
    return [json.loads(file.read_bytes()) for file in files]


@pytest.fixture(scope="session")
def use() -> Callable[[HubSpotSandbox, HubSpot], None]:
    """Makes every kind of call once."""
    return _use


def _use(hubspot: HubSpotSandbox, hub: HubSpot) -> None:
    """Every kind of call once, the refused and the mixed ones among them."""
    contacts = hub.crm.contacts
    made = contacts.basic_api.create({"properties": {"email": "kim@example.org"}, "associations": []})
    firm = hubspot.add("companies", {"name": "Norvik"})
    hub.crm.associations.v4.basic_api.create_default("contacts", made.id, "companies", firm.id)
    hub.crm.associations.v4.batch_api.get_page("contacts", "companies", {"inputs": [{"id": made.id}, {"id": "1"}]})
    hub.crm.associations.v4.basic_api.get_page("contacts", made.id, "companies")
    hub.crm.associations.v4.batch_api.create(
        "contacts",
        "companies",
        {
            "inputs": [
                {
                    "from": {"id": made.id},
                    "to": {"id": firm.id},
                    "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}],
                }
            ]
        },
    )
    contacts.basic_api.get_page(limit=1, properties=["email"], properties_with_history=["email"])
    contacts.basic_api.get_by_id(made.id, associations=["companies"])
    contacts.basic_api.update(made.id, {"properties": {"jobtitle": "Chief"}})
    for api in (contacts.batch_api.update, contacts.batch_api.upsert):
        api(
            {
                "inputs": [
                    {"id": made.id, "objectWriteTraceId": "a", "properties": {"gw_score": "1"}},
                    {"id": "1", "objectWriteTraceId": "b", "properties": {"nonsense": "1"}},
                ]
            }
        )
    contacts.batch_api.create(
        {
            "inputs": [
                {"objectWriteTraceId": "a", "properties": {"email": "lou@example.org"}, "associations": []},
                {"objectWriteTraceId": "b", "properties": {"email": "kim@example.org"}, "associations": []},
            ]
        }
    )
    contacts.batch_api.read(
        {"inputs": [{"id": made.id}, {"id": "1"}], "properties": ["email"], "propertiesWithHistory": ["email"]}
    )
    contacts.search_api.do_search(
        {"filterGroups": [], "properties": ["email"], "limit": 1, "sorts": [{"propertyName": "createdate"}]}
    )
    other = hubspot.add("contacts", {"email": "max@example.org"}).id
    contacts.basic_api.merge({"primaryObjectId": made.id, "objectIdToMerge": other})
    contacts.basic_api.purge({"objectId": "lou@example.org", "idProperty": "email"})
    for name, value, status in (("email", "kim@example.org", 409), ("nonsense", "1", 400)):
        body = {"properties": {name: value}, "associations": []}
        answer = hub.api_request({"path": "/crm/v3/objects/contacts", "method": "POST", "body": body})
        assert answer.status_code == status
    deal = hub.crm.deals.basic_api.create({"properties": {"dealname": "D"}, "associations": []})
    hub.crm.deals.basic_api.archive(deal.id)
    lists = hub.crm.lists
    made_list = lists.lists_api.create({"name": "N", "objectTypeId": "0-1", "processingType": "MANUAL"}).list.list_id
    lists.lists_api.get_by_name("N", "0-1")
    lists.lists_api.do_search({"query": "N"})
    lists.memberships_api.add(made_list, [made.id, "1"])
    lists.memberships_api.add_and_remove(made_list, {"recordIdsToAdd": [], "recordIdsToRemove": [made.id]})
    lists.memberships_api.get_page(made_list)
    lists.memberships_api.get_lists("0-1", made.id)
    hub.crm.owners.owners_api.get_page(limit=1)
    hub.crm.pipelines.pipelines_api.get_all("deals")
    hub.crm.properties.core_api.get_all("contacts")
    hub.crm.properties.groups_api.create("contacts", {"name": "ours", "label": "Ours"})
    given = {"groupName": "ours", "name": "our_text", "label": "T", "type": "string", "fieldType": "text"}
    hub.crm.properties.batch_api.create("contacts", {"inputs": [given, given]})
    hub.crm.properties.core_api.update("contacts", "our_text", {"label": "Text"})
