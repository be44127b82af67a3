"""What the gateway asks of every source, sink and connection, asked of HubSpot's against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from gateway_hubspot import HubSpotConnection, HubSpotSink, HubSpotSource, SettingsSchema
from gateway_hubspot.client import Client

from gateway.contracts import TASK, Connection, Context, Count, Document, Secret, Sink, Source
from gateway.testing import ConnectionContract, FakeSystem, SinkContract, SourceContract

sandbox = pytest.importorskip("gateway_sandbox", reason="the plugin gateway-sandbox is not installed")

TOKEN, SECRET, START = "pat-sandbox", "sandbox-client-secret", datetime(2026, 5, 21, 10, tzinfo=UTC)
CONTACTS = 205
"""More than a page of the list, and than one of a search."""


def system(contacts: int = 0) -> Any:
    from gateway_sandbox.hubspot.limits import Limits
    from gateway_sandbox.system import SandboxSystem

    box = sandbox.HubSpotSandbox(clock=sandbox.Clock(START), limits=Limits(None, None, None))
    box.define_gateway()
    for number in range(contacts):
        at = START - timedelta(hours=number)
        box.add("contacts", {"email": f"p{number}@example.org", "lastname": f"P{number}"}, at=at)
    return SandboxSystem(box, {"contact": "contacts", TASK: "tasks"})


def settings(fake: Any, **more: Any) -> Mapping[str, Any]:
    given = {"token": Secret(TOKEN, "${HUBSPOT_TOKEN}"), "client_secret": Secret(SECRET, "${HUBSPOT_SECRET}")}
    limits = {"limits": {"searches_per_s": 1000}}
    loaded: Mapping[str, Any] = SettingsSchema().load({**given, "base_url": fake.url, **limits, **more})
    return loaded


def client(loaded: Mapping[str, Any], context: Context) -> Client:
    return Client(loaded, context, sleep=lambda seconds: None)


class Parts:
    schema, secrets = SettingsSchema, (TOKEN, SECRET)
    mapping, role = files("gateway_hubspot").joinpath("mapping.yaml").read_text(encoding="utf-8"), "ma"


class TestSource(Parts, SourceContract):
    def build(self, context: Context) -> Source:
        loaded = settings(self.fake, objects=["contacts"])
        return HubSpotSource(loaded, context, client(loaded, context))

    def system(self) -> FakeSystem:
        return system(CONTACTS)

    def documents(self) -> Sequence[Document]:
        def told(kind: str, number: int, **more: Any) -> dict[str, Any]:
            at = 1_779_000_000_000 + number
            return {"portalId": 9900123, "subscriptionType": kind, "objectId": 1, "occurredAt": at, **more}

        ids = sorted(self.fake.records("contact"), key=int)
        named = [told("contact.creation", number, objectId=int(id_)) for number, id_ in enumerate(ids[:20])]
        lives = [
            told("contact.merge", 1, primaryObjectId=7, mergedObjectIds=[8], newObjectId=9),
            told("contact.deletion", 2),
            told("contact.privacyDeletion", 3),
            told("contact.restore", 4),
        ]
        times = {"createdAt": "2026-05-01T10:00:00Z", "updatedAt": "2026-05-02T10:00:00.123Z"}
        properties = {"email": "p1@example.org", "lastname": "Zoë", "hs_object_id": "1", "lifecyclestage": None}
        page = {
            "object": "contact",
            "results": [{"id": id_, "properties": properties, **times, "archived": False} for id_ in ids[:2]],
            "associations": {"company_ids": {ids[0]: ["77"]}},
            "missing": ids[2:4],
        }
        versions = [
            {"value": "P1", "timestamp": "2026-04-01T10:00:00Z"},
            {"value": "", "timestamp": "2026-03-01T10:00:00Z"},
        ]
        past = {**page["results"][0], "propertiesWithHistory": {"lastname": versions}}
        bin_ = {"object": "contact", "results": [past], "deleted": [{"id": "9", "archivedAt": times["updatedAt"]}]}
        return [self.document(json.dumps(one)) for one in (named, lives, page, bin_)]

    def counts(self) -> Sequence[tuple[Count, Mapping[str, datetime]]]:
        count = Count(object="contact", at="createdate", where={"hs_object_id": tuple(self.fake.records("contact"))})
        ids = sorted(self.fake.records("contact"), key=int)
        return [(count, {id_: START - timedelta(hours=number) for number, id_ in enumerate(ids)})]


class TestSink(Parts, SinkContract):
    object, text, longest = "contact", "lastname", 65_536

    def build(self, context: Context) -> Sink:
        loaded = settings(self.fake, task={}, lists=["Nurture"])
        return HubSpotSink(loaded, context, client(loaded, context))

    def system(self) -> FakeSystem:
        made = system()
        made.app.lists.make("Nurture")
        return made

    def fields(self, number: int) -> Mapping[str, Any]:
        return {"lastname": f"Name {number}", "email": f"p{number}@example.org", "jobtitle": "CEO"}


class TestConnection(Parts, ConnectionContract):
    objects = ("contact",)

    def build(self, context: Context) -> Connection:
        loaded = settings(self.fake)
        made = HubSpotConnection(loaded, context)
        made._client = client(loaded, context)
        return made

    def system(self) -> FakeSystem:
        return system(8)
