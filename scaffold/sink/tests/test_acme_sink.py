"""The sink as the gateway's contract suite wants it, against a fake, and a lead that is written by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway.contracts import Secret
from gateway.testing import FakeApi, Reply, SinkContract

from gateway_acme.settings import SettingsSchema
from gateway_acme.sink import AcmeSink

TOKEN = "a-token-for-tests"
LONGEST = 80
FIELDS = [
    {"name": "name", "type": "text", "label": "Name", "longest": LONGEST},
    {"name": "email", "type": "text", "label": "E-mail", "longest": LONGEST},
    {"name": "score", "type": "number", "label": "Score"},
]


class FakeAcme(FakeApi):
    """As much of Acme as the sink uses: what it holds, and what it refuses."""

    def answer(self, request):
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, {"error": "who are you?"})
        _, root, object_, *rest = request.path.split("/")
        if (root, object_) != ("records", "person"):
            return Reply(404, {"error": "no such object"})
        if rest == ["fields"]:
            return Reply(200, {"fields": FIELDS})
        if request.method == "POST":
            return Reply(200, {"results": [self.write(row) for row in request.json()["records"]]})
        wanted = {name: listed.split(",") for name, listed in request.query.items()}
        return Reply(200, {"records": list(self.rows(wanted.get("ids", []), wanted.get("keys", [])))})

    def write(self, row):
        for name, value in row["fields"].items():
            if isinstance(value, str) and len(value) > LONGEST:
                return {"key": row["key"], "status": "refused", "code": "too long", "field": name}
        known = [one["id"] for one in self.rows([], [row["key"]])]
        if row["id"] and row["id"] not in self.records("person"):
            return {"key": row["key"], "status": "gone"}
        id_ = row["id"] or (known or [str(len(self.records("person")) + 1)])[0]
        self.put("person", id_, {**row["fields"], "key": row["key"]})
        return {"key": row["key"], "status": "written", "id": id_}

    def double(self, object, record):
        """A second record with the key of the first, as an import over there leaves it."""
        self.put(object, f"{record}-2", self.records(object)[record])
        return f"{record}-2"

    def rows(self, ids, keys) -> Iterator[dict]:
        for id_, held in self.records("person").items():
            if id_ in ids or held["key"] in keys:
                yield {"id": id_, "key": held["key"], "fields": {k: v for k, v in held.items() if k != "key"}}


class TestAcmeSink(SinkContract):
    object = "person"
    text = "name"
    longest = LONGEST
    schema = SettingsSchema
    secrets = (TOKEN,)

    def system(self):
        return FakeAcme()

    def build(self, context):
        settings = SettingsSchema().load({"token": Secret(TOKEN, "${TOKEN}"), "base_url": self.fake.url})
        return AcmeSink(settings, context)


GATEWAY = """
systems:
  site: {plugin: memory, role: ma}
  sales:
    plugin: acme
    role: crm
    outbound: on
    settings: {token: "${ACME_TOKEN}", base_url: "URL"}
"""
MAPPING = """
system: {system}
timezone: UTC
objects:
  {object}:
    kind: person
    id: id
    time: at
    create: always
    fields:
      email: {{to: email, sync: newest}}
      name: {{to: first_name, sync: newest}}
"""


@pytest.fixture
def fake() -> Iterator[FakeAcme]:
    fake = FakeAcme()
    yield fake
    fake.close()


@pytest.fixture
def instance(gateway_instance, fake, monkeypatch):
    """Marketing's system is in memory; sales use Acme."""
    monkeypatch.setenv("ACME_TOKEN", TOKEN)
    return gateway_instance(
        {
            "gateway.yaml": GATEWAY.replace("URL", fake.url),
            "mappings/site.yaml": MAPPING.format(system="site", object="contact"),
            "mappings/sales.yaml": MAPPING.format(system="sales", object="person"),
        }
    )


ANN = {"id": "1", "at": "2026-05-31T09:00:00", "email": "ann@one.example", "name": "Ann"}


def test_a_lead_is_written_once(instance, fake):
    """What marketing knows is a record over there; what is known there is not written again."""
    instance.give("site", ANN)
    instance.work()
    assert [sorted(write.fields) for write in instance.planned("sales")] == [["email", "name"]]
    assert fake.calls == 0  # a plan sends nothing
    assert instance.deliver("sales") == 1
    [held] = fake.records("person").values()
    assert (held["email"], held["name"]) == ("ann@one.example", "Ann")
    assert instance.planned("sales") == []


def test_an_answer_that_is_lost_doubles_nobody(instance, fake, gateway_clock):
    """The record was made, and the line broke: the gateway asks for the key before it sends again."""
    instance.give("site", ANN)
    instance.work()
    fake.fail("cut after")
    instance.deliver("sales")
    assert [row["state"] for row in instance.writes("sales")] == ["unknown"]
    gateway_clock.move(hours=1)
    instance.deliver("sales")
    assert [row["state"] for row in instance.writes("sales")] == ["confirmed"]
    assert len(fake.records("person")) == 1
