"""HubSpot's answers against OpenAPI documents, where a folder of them is given (``GATEWAY_HUBSPOT_SPECS``)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hubspot import HubSpot

from gateway_sandbox import Call, HubSpotSandbox

BESIDE = Path(__file__).resolve().parents[4] / "shared/apis/specs"


@pytest.fixture(scope="module")
def specs() -> list[dict[str, Any]]:
    folder = Path(os.environ.get("GATEWAY_HUBSPOT_SPECS", BESIDE))
    files = sorted(folder.glob("*-v[34].json"))
    if not files:
        pytest.skip("no OpenAPI documents of HubSpot are here; GATEWAY_HUBSPOT_SPECS names their folder")
    return [json.loads(file.read_bytes()) for file in files]


_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": float,
}


def wrong(value: Any, schema: dict[str, Any], spec: dict[str, Any], at: str = "$") -> Iterator[str]:
    """What of a value is not as its schema says."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in schema:
        if all(list(wrong(value, one, spec, at)) for one in schema["oneOf"]):
            yield f"{at}: none of the alternatives"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{at}: {type(value).__name__} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not of {schema['enum']}"
    if schema.get("format") == "date-time":
        datetime.fromisoformat(value)
    if kind == "array":
        for place, one in enumerate(value):
            yield from wrong(one, schema.get("items", {}), spec, f"{at}[{place}]")
    if kind == "object":
        known = schema.get("properties", {})
        yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, one in value.items():
            # optional values may be null on the wire, as empty properties are
            if one is None and name not in schema.get("required", ()):
                continue
            if name in known:
                yield from wrong(one, known[name], spec, f"{at}.{name}")
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from wrong(one, schema["additionalProperties"], spec, f"{at}.{name}")


def operation(call: Call, specs: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    found = []
    for spec in specs:
        for path, methods in spec["paths"].items():
            pattern = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(path)).rstrip("/") + "/?"
            if call.method.lower() in methods and re.fullmatch(pattern, call.path):
                found.append((path.count("{"), methods[call.method.lower()], spec))
    return min(found, key=lambda one: one[0])[1:] if found else None


def body_schema(content: dict[str, Any]) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = content.get("content", {}).get("application/json", {}).get("schema")
    return schema


def problems(call: Call, specs: list[dict[str, Any]]) -> list[str]:
    found = operation(call, specs)
    if found is None:
        return []
    of, spec = found
    told = []
    asked = body_schema(of.get("requestBody", {}))
    if asked and call.status < 400:
        told += [f"asked {one}" for one in wrong(call.json(), asked, spec)]
    responses = of["responses"]
    given = responses.get(str(call.status), responses["default"] if call.status >= 400 else None)
    if given is None:
        return [*told, f"{call.status} is not among {sorted(responses)}"]
    schema = body_schema(given)
    if schema:
        told += [f"answered {one}" for one in wrong(call.answered(), schema, spec)]
    return told


def _use(hubspot: HubSpotSandbox, hub: HubSpot) -> None:
    """Every kind of call once, the refused and the mixed ones among them."""
    contacts, companies = hub.crm.contacts, hub.crm.companies
    made = contacts.basic_api.create({"properties": {"email": "kim@example.org"}, "associations": []})
    firm = companies.basic_api.create({"properties": {"name": "Norvik"}, "associations": []})
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
    for body in ({"properties": {"email": "kim@example.org"}}, {"properties": {"nonsense": "1"}}):
        hub.api_request({"path": "/crm/v3/objects/contacts", "method": "POST", "body": body})
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


def test_every_call_and_answer_is_as_the_documents_say(specs, hubspot, hub):
    """What the client sends and what the sandbox answers, refused and mixed ones too."""
    _use(hubspot, hub)
    told = {f"{call.method} {call.path} {call.status}": problems(call, specs) for call in hubspot.calls}
    assert {line: found for line, found in told.items() if found} == {}
    checked = [call for call in hubspot.calls if operation(call, specs)]
    assert {call.status for call in checked} >= {200, 201, 204, 207, 400, 409}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b'{"results": [{"id": 501, "properties": {}, "createdAt": "2026-11-20T09:00:00Z"}]}'),
        (200, b'{"total": 1}'),
        (302, b"{}"),
    ],
)
def test_a_wrong_answer_is_found(specs, status, answer):
    """The check would notice: a number as id, a missing list, an unknown status."""
    at = datetime.fromisoformat("2026-11-20T09:00:00+00:00")
    call = Call(1, at, "GET", "/crm/v3/objects/contacts", "", {}, b"", status, answer)
    assert problems(call, specs)
