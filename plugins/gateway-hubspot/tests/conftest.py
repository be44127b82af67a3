"""A small HubSpot on 127.0.0.1: the calls the plugin makes, in HubSpot's shapes, over an in-memory account."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from gateway_hubspot import SettingsSchema

from gateway.contracts import Context, Secret
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
TOKEN = "pat-eu1-very-secret"
MAPPING = """
system: hubspot
timezone: UTC
objects:
  contact:
    kind: person
    only: {object: contact}
    id: id
    time: updatedAt
    created: createdAt
    links: [{to: company, id: company_ids, role: works_at}]
    fields:
      email: email
      jobtitle: title
      gw_score: {to: score, type: integer, sync: out}
      lifecyclestage: {to: stage, sync: out}
    activities:
      - {activity: page_view, counter: hs_analytics_num_page_views, at: hs_analytics_last_timestamp, channel: "=web"}
  company:
    kind: company
    only: {object: company}
    id: id
    time: updatedAt
    fields: {name: name}
  deal:
    kind: deal
    only: {object: deal}
    id: id
    time: updatedAt
    links: [{to: contact, id: contact_ids, role: buyer}, {to: company, id: company_ids}]
    fields:
      amount: {to: amount, type: money, currency: deal_currency_code}
      dealstage: deal_stage
  form_submission:
    kind: person
    only: {object: form_submission}
    id: email
    time: time
    fields: {email: email}
    activities: [{activity: form_submitted, on: each, id: id, asset: form, channel: "=web"}]
"""


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    headers: dict[str, str]


Answer = tuple[int, Any, dict[str, str]]
Rule = Callable[[Request], Answer | None]


@dataclass
class FakeHubSpot:
    """``records[type][id]`` are properties. ``rules`` answer before the model does; ``now`` is the account's time."""

    url: str = ""
    now: datetime = NOW
    records: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"contacts": {}, "companies": {}, "deals": {}, "meetings": {}}
    )
    associations: dict[tuple[str, str], dict[str, list[Any]]] = field(default_factory=dict)
    properties: list[dict[str, Any]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    forms: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    email_events: list[dict[str, Any]] = field(default_factory=list)
    portal: int = 9900123
    rules: list[Rule] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    merged: dict[str, str] = field(default_factory=dict)
    _next: int = 60000

    def add(self, path: str, id_: str | int, at: datetime = NOW, **properties: Any) -> str:
        modified = "lastmodifieddate" if path == "contacts" else "hs_lastmodifieddate"
        stamp = at.isoformat().replace("+00:00", "Z")
        self.records[path][str(id_)] = {"hs_object_id": str(id_), "createdate": stamp, modified: stamp, **properties}
        return str(id_)

    def once(self, part: str, status: int, body: Any, **headers: str) -> None:
        """The next call whose path ends with ``part`` is answered so."""
        spent: list[int] = []

        def rule(request: Request) -> Answer | None:
            if spent or not request.path.endswith(part):
                return None
            spent.append(1)
            return status, body, headers

        self.rules.append(rule)

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        for rule in self.rules:
            if (given := rule(request)) is not None:
                return given
        path = re.sub(r"^/crm/objects/2026-09/", "/crm/v3/objects/", request.path)
        path = re.sub(r"^/crm/associations/2026-09/", "/crm/v4/associations/", path)
        parts = path.strip("/").split("/")
        if path.endswith(("/account-info/v3/details", "/account-info/2026-09/details")):
            return 200, {"portalId": self.portal, "timeZone": "Europe/Berlin"}, {}
        if parts[:2] == ["crm", "v4"]:
            return self._associated(parts[3], parts[4], request.body)
        if parts[-1] == "groups":
            self.groups.append(request.body["name"])
            return 201, request.body, {}
        if "properties" in parts and request.method == "POST":
            if any(one["name"] == request.body["name"] for one in self.properties):
                return 409, {"category": "OBJECT_ALREADY_EXISTS", "message": "exists"}, {}
            self.properties.append(request.body)
            return 201, request.body, {}
        if "properties" in parts:
            return 200, {"results": self.properties}, {}
        if parts[:3] == ["crm", "v3", "objects"]:
            return self._objects(parts[3], "/".join(parts[4:]), request)
        if path == "/marketing/v3/forms":
            return 200, {"results": [{"id": guid, "name": f"Form {guid}"} for guid in self.forms]}, {}
        if path.startswith("/form-integrations/"):
            return self._submissions(parts[-1], request)
        if path.startswith("/email/"):
            type_, start = request.query["eventType"][0], int(request.query["startTimestamp"][0])
            events = [one for one in self.email_events if one["type"] == type_ and one["created"] >= start]
            return 200, {"hasMore": False, "offset": "x", "events": events}, {}
        return 404, {"status": "error", "category": "NOT_FOUND", "message": "no such path"}, {}

    def _objects(self, path: str, what: str, request: Request) -> Answer:
        held, body = self.records[path], request.body
        if what == "":
            ids = sorted(held, key=int)
            after = request.query.get("after", ["0"])[0]
            limit = int(request.query["limit"][0])
            rest = [id_ for id_ in ids if int(id_) > int(after or 0)]
            page = {"results": [self._shown(path, id_, request.query.get("properties", [])) for id_ in rest[:limit]]}
            if len(rest) > limit:
                page["paging"] = {"next": {"after": rest[limit - 1]}}  # type: ignore[assignment]
            return 200, page, {}
        if what == "search":
            return self._search(path, body)
        if what == "batch/read":
            by = body.get("idProperty")
            found, missing = [], []
            for one in body["inputs"]:
                id_ = one["id"]
                if by:
                    ids = [key for key, values in held.items() if str(values.get(by)).lower() == id_.lower()]
                else:
                    id_ = self.merged.get(id_, id_)
                    ids = [id_] if id_ in held else []
                found += [self._shown(path, key, body["properties"]) for key in ids]
                missing += [] if ids else [id_]
            return (207 if missing else 200), {"status": "COMPLETE", "results": found}, {}
        results, errors = [], []
        for one in body["inputs"]:
            id_, trace = one["id"], one.get("objectWriteTraceId")
            if what == "batch/upsert":
                mine = [key for key, values in held.items() if values.get(one["idProperty"]) == id_]
                if not mine:
                    email = one["properties"].get("email")
                    others = [key for key, values in held.items() if email and email in str(values.get("second"))]
                    if others:
                        message = f"Contact already exists. Existing ID: {others[0]}"
                        errors.append(_error("CONFLICT", message, trace))
                        continue
                    self._next += 1
                    mine = [self.add(path, self._next, self.now)]
                id_ = mine[0]
            id_ = self.merged.get(id_, id_)
            if id_ not in held:
                errors.append(_error("OBJECT_NOT_FOUND", "resource not found", trace))
                continue
            self._write(held[id_], one["properties"])
            results.append({**self._shown(path, id_, list(one["properties"])), "objectWriteTraceId": trace})
        body = {"status": "COMPLETE", "results": results}
        return (207, {**body, "numErrors": len(errors), "errors": errors}, {}) if errors else (200, body, {})

    STAGES = ("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")

    def _write(self, held: dict[str, Any], properties: dict[str, str]) -> None:
        for name, value in properties.items():
            before = held.get(name) if name == "lifecyclestage" and value else None
            if before and self.STAGES.index(value) < self.STAGES.index(before):
                continue  # dropped without a word
            held[name] = value or None

    def _search(self, path: str, body: Any) -> Answer:
        assert len(json.dumps(body)) <= 3000
        [group] = body["filterGroups"]
        found = []
        for id_, values in self.records[path].items():
            if all(_holds(values, one) for one in group["filters"]):
                found.append(id_)
        found.sort(key=int)
        page = found[: body["limit"]]
        return 200, {"total": len(found), "results": [self._shown(path, id_, body["properties"]) for id_ in page]}, {}

    def _associated(self, from_: str, to: str, body: Any) -> Answer:
        held = self.associations.get((from_, to), {})
        results = [{"from": {"id": one["id"]}, "to": held[one["id"]]} for one in body["inputs"] if one["id"] in held]
        return (200 if len(results) == len(body["inputs"]) else 207), {"status": "COMPLETE", "results": results}, {}

    def _submissions(self, guid: str, request: Request) -> Answer:
        ordered = sorted(self.forms[guid], key=lambda one: -one["submittedAt"])
        start, limit = int(request.query.get("after", ["0"])[0]), int(request.query["limit"][0])
        page: dict[str, Any] = {"results": ordered[start : start + limit]}
        if start + limit < len(ordered):
            page["paging"] = {"next": {"after": str(start + limit)}}
        return 200, page, {}

    def _shown(self, path: str, id_: str, properties: list[str]) -> dict[str, Any]:
        values = self.records[path][id_]
        modified = values["lastmodifieddate" if path == "contacts" else "hs_lastmodifieddate"]
        return {
            "id": id_,
            "properties": {name: values.get(name) for name in properties},
            "createdAt": values["createdate"],
            "updatedAt": modified,
            "archived": False,
        }


def _error(category: str, message: str, trace: str | None) -> dict[str, Any]:
    context = {"objectWriteTraceId": [trace]} if trace else {}
    return {"status": "error", "category": category, "message": message, "context": context}


def _holds(values: dict[str, Any], one: dict[str, str]) -> bool:
    raw = values.get(one["propertyName"])
    value = float(raw) if str(raw).isdigit() else datetime.fromisoformat(raw).timestamp() * 1000
    low = int(one["value"])
    return {
        "GT": value > low,
        "GTE": value >= low,
        "BETWEEN": low <= value <= int(one.get("highValue", 0)),
    }[one["operator"]]


@pytest.fixture
def hubspot() -> Iterator[FakeHubSpot]:
    fake = FakeHubSpot()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            request = Request(self.command, parts.path, parse_qs(parts.query), body, dict(self.headers))
            status, data, headers = fake.answer(request)
            if status == 0:  # the line drops
                self.close_connection = True
                return
            raw = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response_only(status)
            self.send_header("Date", format_datetime(fake.now, usegmt=True))
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(hubspot: FakeHubSpot) -> Callable[..., dict[str, Any]]:
    def made(**given: Any) -> dict[str, Any]:
        loaded: dict[str, Any] = SettingsSchema().load(
            {
                "token": Secret(TOKEN, "${HUBSPOT_TOKEN}"),
                "client_secret": Secret("gw-test-secret", "${HUBSPOT_SECRET}"),
                "base_url": hubspot.url,
                "limits": {"searches_per_s": 1000},
                **given,
            }
        )
        return loaded

    return made


@pytest.fixture
def context() -> Context:
    mapping = compile_mapping(ConfigFile("mappings/hubspot.yaml", MAPPING), "ma", {})
    return Context(system="hubspot", root=Path(), mapping=mapping, now=lambda: NOW)
