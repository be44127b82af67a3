"""The source as the gateway's contract suite wants it, against a fake, and leads that come in by it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from gateway.contracts import Lookup, Secret
from gateway.testing import FakeApi, Reply, SourceContract

from gateway_acme.settings import SettingsSchema
from gateway_acme.source import AcmeSource

NAME = "acme"
TOKEN, SIGNING = "a-token-for-tests", "a-signing-secret-for-tests"
MAPPING = """
system: acme
timezone: UTC
objects:
  person:
    kind: person
    id: id
    time: changed_at
    fields:
      email: email
      name: first_name
    activities:
      - {activity: form_submitted, when: {form: {known: true}}, on: each, asset: form}
"""


def person(number, **more):
    at = f"2026-06-01T12:{number // 60:02}:{number % 60:02}Z"
    known = {"id": str(number), "changed_at": at, "email": f"p{number}@one.example", "name": f"Name {number}"}
    return known | more


class FakeAcme(FakeApi):
    """What the source uses of it. A mark of where we are is the number of the last person that was shown."""

    def answer(self, request):
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"error": "who are you?"})
        if request.path != "/people":
            return Reply(404, {"error": "no such path"})
        people = sorted(self.records("person").values(), key=lambda one: int(one["id"]))
        if "ids" in request.query:
            return Reply(200, {"people": [one for one in people if one["id"] in request.query["ids"].split(",")]})
        after, limit = int(request.query.get("after", 0)), int(request.query["limit"])
        rest = [one for one in people if int(one["id"]) > after]
        rest = [one for one in rest if one["changed_at"] >= request.query.get("since", "")]
        last = rest[:limit][-1]["id"] if rest else str(after)
        return Reply(200, {"people": rest[:limit], "after": last, "more": len(rest) > limit})

    def hold(self, people):
        for one in people:
            self.put("person", one["id"], one)


class TestAcmeSource(SourceContract):
    schema = SettingsSchema
    secrets = (TOKEN, SIGNING)
    mapping = MAPPING

    def system(self):
        fake = FakeAcme()
        fake.hold(person(number) for number in range(1, 251))
        return fake

    def build(self, context):
        given = {"token": Secret(TOKEN, "${TOKEN}"), "signing_secrets": [Secret(SIGNING, "${SIGNING}")]}
        return AcmeSource(SettingsSchema().load({**given, "base_url": self.fake.url}), context)

    def documents(self):
        two = {"people": [person(1), person(2, form="Request a demo")]}
        return [self.document(json.dumps(two)), self.document(json.dumps({"people": [person(3)]}))]

    def lookups(self):
        return [Lookup(system=NAME, object="person", record=str(number)) for number in (1, 2, 3)]


@pytest.fixture
def fake() -> Iterator[FakeAcme]:
    fake = FakeAcme()
    yield fake
    fake.close()


GATEWAY = """
systems:
  acme:
    plugin: acme
    role: ma
    settings:
      token: ${ACME_TOKEN}
      signing_secrets: ["${ACME_SIGNING}"]
      base_url: URL
"""


@pytest.fixture
def instance(gateway_instance, fake, monkeypatch):
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    monkeypatch.setenv("ACME_SIGNING", SIGNING)
    return gateway_instance({"gateway.yaml": GATEWAY.replace("URL", fake.url), f"mappings/{NAME}.yaml": MAPPING})


def signed(body, at):
    """As Acme signs: the time, a dot, and the body."""
    seconds = str(int(at.timestamp()))
    proof = hmac.new(SIGNING.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-Signature": proof, "X-Timestamp": seconds}


def test_a_webhook_becomes_a_lead(instance, gateway_clock):
    body = json.dumps({"people": [person(1)]}).encode()
    assert instance.post(NAME, body, signed(body, gateway_clock())).status_code == 200
    instance.work()
    [lead] = instance.leads()
    assert lead["attributes"] == {"email": "p1@one.example", "first_name": "Name 1"}


def test_who_does_not_sign_is_not_heard(instance, gateway_clock):
    """Nor who signs another body, or signed it ten minutes ago."""
    body = json.dumps({"people": [person(1)]}).encode()
    proof = signed(body, gateway_clock())
    assert instance.post(NAME, body).status_code == 401
    assert instance.post(NAME, body + b" ", proof).status_code == 401
    gateway_clock.move(minutes=10)
    assert instance.post(NAME, body, proof).status_code == 401
    assert instance.work() == 0


def test_what_was_missed_is_pulled(instance, fake, gateway_clock):
    """Page by page, from the moment on when the system was connected; the next pull brings only what is new."""
    instance.open()
    gateway_clock.move(hours=1)
    old = person(1, changed_at="2025-01-01T00:00:00Z")  # this is history, for `gateway pull --history`
    fake.hold([old])
    fake.hold(person(number) for number in range(2, 152))
    assert instance.pull(NAME) == 2
    assert instance.work() == 2
    assert len(instance.leads()) == 150
    fake.hold([person(152)])
    assert instance.pull(NAME) == 1
    instance.work()
    assert len(instance.leads()) == 151
