"""What the gateway asks of every source, sink and connection, asked of Salesforce's against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import pytest
from gateway_salesforce import SalesforceConnection, SalesforceSink, SalesforceSource, SettingsSchema

from gateway.contracts import CAMPAIGN, TASK, Connection, Context, Count, Document, Secret, Sink, Source
from gateway.testing import ConnectionContract, FakeSystem, SinkContract, SourceContract

sandbox = pytest.importorskip("gateway_sandbox", reason="the plugin gateway-sandbox is not installed")

SECRET, MESSAGES, START = "sandbox-consumer-secret", "s3cret-of-messages", datetime(2026, 5, 21, 10, tzinfo=UTC)
LEADS, MOST, WINDOW = 25, 5, 10
"""More than one question brings, and of that more than a page takes."""
NO_TIME = "Salesforce names no time; half a minute or half an hour is waited, by which limit it is"
MESSAGE = """<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
 <notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>00DKa0000004XyZMAU</OrganizationId>
 {named}</notifications></soapenv:Body></soapenv:Envelope>"""
NAMED = """<Notification><Id>04l000000000001AAA</Id><sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.\
sforce.com"><sf:Id>{id}</sf:Id></sObject></Notification>"""


def system(leads: int = 0) -> Any:
    from gateway_sandbox.system import SandboxSystem

    class Org(SandboxSystem):
        def fail(self, fault: Any, *, seconds: float = 0, after: int = 0) -> None:
            if fault == "auth":  # a session that ended is only renewed: the credentials are refused where it is made
                self.app.expire_tokens()
                self.app.faults.add("^POST /services/oauth2/", status=400, body={"error": "invalid_client"})
            else:
                super().fail(fault, seconds=seconds, after=after)

    made = sandbox.SalesforceSandbox(clock=sandbox.Clock(START))
    for number in range(leads):
        values = {"LastName": f"P{number}", "Company": "Norvik", "Email": f"p{number}@example.org"}
        made.add("Lead", values, at=START - timedelta(minutes=leads - number))
    return Org(made, {TASK: "Task", CAMPAIGN: "CampaignMember"})


class Parts:
    schema, secrets = SettingsSchema, (SECRET, MESSAGES)
    mapping = files("gateway_salesforce").joinpath("mapping.yaml").read_text(encoding="utf-8")

    def settings(self, **more: Any) -> Mapping[str, Any]:
        given = {
            "login_url": self.fake.url,
            "consumer_key": "sandbox-consumer-key",
            "consumer_secret": Secret(SECRET, "${SF_SECRET}"),
            "outbound_messages": Secret(MESSAGES, "${SF_MESSAGES}"),
        }
        loaded: Mapping[str, Any] = SettingsSchema().load({**given, **more})
        return loaded


class TestSource(Parts, SourceContract):
    skips = {"test_it_waits_as_long_as_the_system_says": NO_TIME}  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway_salesforce.pages.MOST", MOST)
        monkeypatch.setattr("gateway_salesforce.source.WINDOW", WINDOW)

    def build(self, context: Context) -> Source:
        return SalesforceSource(self.settings(objects=["Lead"]), context)

    def system(self) -> FakeSystem:
        return system(LEADS)

    def documents(self) -> Sequence[Document]:
        ids = sorted(self.fake.records("Lead"))[:20]
        message = MESSAGE.format(named="".join(NAMED.format(id=id_) for id_ in ids))
        about = {
            "object": "Lead",
            "LastName": "Zoë",
            "Company": "Norvik",
            "CreatedDate": "2026-05-01T10:00:00.000+0000",
        }
        gone = {"IsConverted": True, "ConvertedContactId": "003Ka0000000001AAA"}
        page = {
            "object": "Lead",
            "records": [
                {"Id": id_, "SystemModstamp": "2026-05-02T10:00:00.000+0000", **about, **more}
                for id_, more in ((ids[0], {"Email": "p@example.org"}), (ids[1], gone))
            ],
            "deleted": [{"object": "Lead", "id": ids[5], "at": "2026-05-21T10:00:00+00:00"}],
        }
        return [self.document(message, "text/xml; charset=utf-8"), self.document(json.dumps(page))]

    def counts(self) -> Sequence[tuple[Count, Mapping[str, datetime]]]:
        ids = sorted(self.fake.records("Lead"))
        count = Count(object="Lead", at="CreatedDate", where={"Company": ("Norvik", "Nordvik & Søn's")})
        return [(count, {id_: START - timedelta(minutes=LEADS - number) for number, id_ in enumerate(ids)})]


class TestSink(Parts, SinkContract):
    object, text, longest = "Lead", "Title", 128
    skips = {"test_it_waits_as_long_as_the_system_says": NO_TIME}  # noqa: RUF012

    def build(self, context: Context) -> Sink:
        return SalesforceSink(self.settings(task={}, campaigns=["Spring"]), context)

    def system(self) -> FakeSystem:
        made = system()
        made.app.add_campaign("Spring")
        return made

    def fields(self, number: int) -> Mapping[str, Any]:
        return {"LastName": f"Name {number}", "Company": "Norvik", "Email": f"p{number}@example.org", "Title": "CEO"}


class TestConnection(Parts, ConnectionContract):
    objects = ("Lead",)

    def build(self, context: Context) -> Connection:
        return SalesforceConnection(self.settings(), context)

    def system(self) -> FakeSystem:
        made = system(8)
        made.app.org.may_deploy = True
        return made

    def by_hand(self) -> None:
        from gateway_sandbox.salesforce.deploying import assign

        assign(self.fake.app.org)
