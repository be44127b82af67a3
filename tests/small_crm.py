"""A small CRM behind HTTP with a source, a sink and a connection for it: good ones, for the contract suites to pass."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
from marshmallow import Schema, fields

from gateway.contracts import (
    TASK,
    Account,
    Call,
    Connection,
    Context,
    Count,
    Cursor,
    Document,
    Estimate,
    Field,
    Held,
    Lookup,
    Page,
    Quarantined,
    ReadItem,
    Receipt,
    Secret,
    Sink,
    Source,
    Step,
    Verification,
    Write,
)
from gateway.errors import AccessRefused, GatewayError, QuarantineDocument, TryLater
from gateway.payloads import decode_json
from gateway.settings.secrets import SecretField
from gateway.testing import FakeApi, Reply, Request
from gateway.testing.contract import Contract

TOKEN, HOOK = "crm-s3cret-token", "crm-s3cret-hook"
BATCH, PAGE, LONGEST, OURS = 100, 2, 255, "gw_score"
TIMEOUT = (3.0, 6.0)
MAPPING = """
system: crm
timezone: UTC
objects:
  person:
    kind: person
    id: id
    time: changed
    create: always
    fields: {name: {to: last_name, sync: newest}, email: email}
"""


class Settings(Schema):
    url = fields.String(required=True, metadata={"description": "address of the CRM's API"})
    token = SecretField(required=True, metadata={"description": "of the gateway's own user"})
    hook = SecretField(required=True, metadata={"description": "what the CRM shows when it calls"})


class FakeCrm(FakeApi):
    """People under ids of its own, each found again by the key it was made with."""

    def __init__(self, people: int = 0) -> None:
        super().__init__()
        self.token = TOKEN
        self.keys: dict[str, str] = {}
        self.doubles: dict[str, list[str]] = {}
        self.fields = {"name": "string", "email": "email"}
        for number in range(1, people + 1):
            changed = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(hours=number)
            person = {"id": str(number), "changed": changed.isoformat(), "name": f"N{number}"}
            self.put("person", str(number), person | {"email": f"p{number}@example.org"})

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Reply(401)
        people = self.held.setdefault("person", {})
        match request.method, request.path:
            case "GET", "/account":
                return Reply(200, {"id": "acme", "name": "Acme"})
            case "GET", "/people":
                after = int(request.query.get("after") or 0)
                found = [one for id_, one in sorted(people.items(), key=lambda one: int(one[0])) if int(id_) > after]
                last = found[:PAGE][-1]["id"] if found else ""
                return Reply(200, {"people": found[:PAGE], "next": last if len(found) > PAGE else "", "last": last})
            case "POST", "/people/read":
                return Reply(200, {"people": [people[id_] | {"id": id_} for id_ in request.json() if id_ in people]})
            case "POST", "/people/find":
                ids = {key: [id_, *self.doubles.get(id_, ())] for key, id_ in self.keys.items()}
                return Reply(200, {"ids": {key: ids[key] for key in request.json() if key in ids}})
            case "POST", "/people/write" if len(request.json()) <= BATCH:
                return Reply(200, {"results": [self._written(one) for one in request.json()]})
            case "GET", "/fields":
                return Reply(200, {"fields": self.fields})
            case "POST", "/fields":
                self.fields |= request.json()
                return Reply(201, {"fields": self.fields})
        return Reply(400, {"error": "no such thing"})

    def double(self, object: str, record: str) -> str:
        self.doubles[record] = [f"{record}00"]
        self.put(object, f"{record}00", self.held[object][record])
        return f"{record}00"

    def _written(self, one: Mapping[str, Any]) -> dict[str, Any]:
        for name, value in one["fields"].items():
            if isinstance(value, str) and len(value) > LONGEST:
                return {"error": "too_long", "field": name}
        id_ = one.get("id") or self.keys.setdefault(one["key"], str(len(self.keys) + 1001))
        self.put(one["object"], id_, one["fields"])
        return {"id": id_}


class Client:
    """Paid, with a deadline, and every trouble told by what the caller does next."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.url, self._token, self._budget = settings["url"], settings["token"], context.budget
        self._session = requests.Session()
        if self._budget is not None:
            self._budget.allow(1000, timedelta(minutes=1))

    def ask(self, method: str, path: str, part: str, body: Any = None) -> Any:
        """The answer, which has ``part`` in it. Raises ``TryLater``, ``AccessRefused``, ``GatewayError``."""
        if self._budget is not None:
            self._budget.spend()
        headers = {"Authorization": f"Bearer {self._token.reveal()}"}
        try:
            answer = self._session.request(method, self.url + path, json=body, headers=headers, timeout=TIMEOUT)
            status, said = answer.status_code, answer.json() if answer.content else {}
        except (requests.RequestException, ValueError) as exc:
            raise GatewayError(f"the CRM gave no answer: {type(exc).__name__}") from None
        if status == 429:
            raise TryLater(float(answer.headers["Retry-After"]), "the CRM had too many calls")
        if status == 401:
            raise AccessRefused(f"the CRM refused {self._token.reference}")
        if status >= 300 or part not in said:
            raise GatewayError(f"the CRM answered {status}")
        return said


class Endless(Client):
    """The same without a deadline."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        super().__init__(settings, context)
        given = self._session.request
        self._session.request = lambda *some, **more: given(*some, **more | {"timeout": None})  # type: ignore[method-assign]


class CrmSource(Source):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.verification = Verification(scheme="token", header="X-Hook", secrets=(settings["hook"],))
        self.context, self.client = context, Client(settings, context)

    def read(self, document: Document) -> Iterable[ReadItem]:
        payload = decode_json(document.body)
        if isinstance(payload, dict) and isinstance(payload.get("changed_ids"), list):
            return [self._named(one) for one in payload["changed_ids"]]
        if not isinstance(payload, list):
            raise QuarantineDocument("neither a list of people nor one of ids")
        return self.context.mapping.read(payload, document)

    def _named(self, one: Any) -> ReadItem:
        if type(one) is int or (type(one) is str and one):
            return Lookup(system="crm", object="person", record=str(one))
        return Quarantined(object="person", record="", reason="changed_ids: an id is a number or a text")

    def fetch(self, lookups: Sequence[Lookup]) -> Iterator[Page]:
        ids = [one.record for one in lookups]
        for start in range(0, len(ids), BATCH):
            people = self.client.ask("POST", "/people/read", "people", ids[start : start + BATCH])["people"]
            yield Page(document=json.dumps(people).encode(), records=len(people))

    def per_fetch(self, object: str) -> int:
        return BATCH

    def streams(self) -> Sequence[str]:
        return ["people"]

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        after = (cursor or {}).get("after", "")
        while True:
            reply = self.client.ask("GET", f"/people?after={after}", "people")
            after, more, people = reply["last"] or after, bool(reply["next"]), reply["people"]
            body = json.dumps(people).encode() if people else b""
            yield Page(document=body, cursor={"after": after}, more=more, records=len(people))
            if not more:
                return

    def estimate(self, stream: str, since: datetime | None) -> Estimate | None:
        return Estimate(records=5, calls=3)

    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        for page in self.pull("people", None, None):
            for one in json.loads(page.document or b"[]"):
                at = datetime.fromisoformat(one[count.at])
                if since <= at < until and all(one[name] in values for name, values in count.where.items()):
                    yield one["id"], at


class CrmSink(Sink):
    links = {"person": "https://crm.example/people/{record}"}  # noqa: RUF012 - read only
    carries = {TASK: ("*",)}  # noqa: RUF012 - read only

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.client = Client(settings, context)

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        parts = [tuple(writes[start : start + BATCH]) for start in range(0, len(writes), BATCH)]
        return [Call(title=f"write {len(part)} people", writes=part) for part in parts]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        body = [{"object": one.object, "key": one.key, "id": one.record, "fields": one.fields} for one in call.writes]
        try:
            results = self.client.ask("POST", "/people/write", "results", body)["results"]
        except TryLater as exc:
            return [Receipt(key=one.key, result="limit", seconds=exc.seconds) for one in call.writes]
        except AccessRefused as exc:
            return [Receipt(key=one.key, result="auth", message=exc.reason) for one in call.writes]
        except GatewayError:
            return [Receipt(key=one.key, result="unknown") for one in call.writes]
        return [self._receipt(one, result) for one, result in zip(call.writes, results, strict=True)]

    def _receipt(self, write: Write, result: Mapping[str, Any]) -> Receipt:
        if "error" in result:
            return Receipt(key=write.key, result="rejected", code=result["error"], fields=(result["field"],))
        return Receipt(key=write.key, result="done", record=result["id"], held=write.fields)

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: Mapping[str, Sequence[str]] = {}
        if keys:
            found = self.client.ask("POST", "/people/find", "ids", list(keys))["ids"]
        return found

    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        people = self.client.ask("POST", "/people/read", "people", list(records))["people"]
        return {one["id"]: Held(values={name: one.get(name) for name in fields}) for one in people}

    def describe(self, object: str) -> Mapping[str, Field]:
        if object != "person":
            return {}
        found = self.client.ask("GET", "/fields", "fields")["fields"]
        return {name: Field(name=name, type=type_, length=LONGEST) for name, type_ in found.items()}


class CrmConnection(Connection):
    role = "crm"

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.client = Client(settings, context)

    @classmethod
    def mapping(cls) -> str:
        return MAPPING

    def account(self) -> Account:
        return Account(id=self.client.ask("GET", "/account", "id")["id"], pin={"url": self.client.url})

    def sample(self, object: str, fields: Sequence[str], records: int) -> Iterable[Mapping[str, Any]]:
        return self.client.ask("GET", "/people", "people")["people"][:records]

    def setup(self, dry_run: bool = True, folder: Any = None) -> Iterable[Step]:
        there = OURS in self.client.ask("GET", "/fields", "fields")["fields"]
        if not there and not dry_run:
            self.client.ask("POST", "/fields", "fields", {OURS: "integer"})
        yield Step(object="person", name=OURS, state="there" if there else "missing" if dry_run else "made")


def settings(fake: FakeApi) -> dict[str, Any]:
    return {"url": fake.url, "token": Secret(TOKEN, "${TOKEN}"), "hook": Secret(HOOK, "${HOOK}")}


def run(suite: Contract, check: str, *arguments: Any) -> None:
    """One check, as pytest runs it."""
    suite.setup_method(getattr(suite, check))
    try:
        getattr(suite, check)(*arguments)
    finally:
        suite.teardown_method()
