"""A scripted org behind ``requests``: what it holds, what it answers, and everything it was asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
import responses
from gateway_salesforce import SettingsSchema

from gateway.contracts import Context

HOST = "https://acme.my.salesforce.com"
ORG = "00DKa0000004XyZMAU"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_IN = re.compile(r"FROM (\w+) WHERE (\w+) IN \((.*?)\)(.*)$", re.DOTALL)
_PREFIX = {"Lead": "00Q", "Contact": "003", "Task": "00T", "CampaignMember": "00v"}
Answer = tuple[int, Any]


class Asked(tuple):  # method, path, body, headers
    @property
    def method(self) -> str:
        return self[0]

    @property
    def path(self) -> str:
        return self[1]

    @property
    def body(self) -> Any:
        return self[2]

    @property
    def headers(self) -> Mapping[str, str]:
        return self[3]


class ScriptedOrg:
    """``records[object][id]`` are fields. ``answers``: functions asked first, in order; None = not for me."""

    host, id, now = HOST, ORG, NOW

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {}
        self.asked: list[Asked] = []
        self.logins = 0
        self.token: Answer | None = None
        self.answers: list[Callable[[Asked], Answer | Exception | None]] = []
        self.row: Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None] = lambda object_, record: None
        self.rows: Callable[[str], list[dict[str, Any]]] | None = None
        self._made = 0

    def holds(self, object_: str, record: str, **fields: Any) -> str:
        self.records.setdefault(object_, {})[record] = {"Id": record, **fields}
        return record

    def paths(self) -> list[str]:
        return [f"{one.method} {one.path.partition('?')[0]}" for one in self.asked]

    def soql(self) -> list[str]:
        return [parse_qs(urlsplit(one.path).query)["q"][0] for one in self.asked if one.path.startswith("query")]

    @staticmethod
    def error(code: str, message: str = "", *fields: str, **more: Any) -> dict[str, Any]:
        return {"success": False, "errors": [{"statusCode": code, "message": message, "fields": list(fields), **more}]}

    def answer(self, request: Any) -> tuple[int, Mapping[str, str], bytes]:
        parts = urlsplit(request.url)
        if parts.path == "/services/oauth2/token":
            self.logins += 1
            good = {"access_token": f"{ORG}!token{self.logins}", "instance_url": HOST, "id": f"{HOST}/id/{ORG}/005x"}
            status, body = self.token or (200, good)
            return status, {}, body if isinstance(body, bytes) else orjson.dumps(body)
        assert parts.path.startswith("/services/data/v67.0/"), parts.path
        path = parts.path.removeprefix("/services/data/v67.0/") + (f"?{parts.query}" if parts.query else "")
        asked = Asked((request.method, path, orjson.loads(request.body) if request.body else None, request.headers))
        self.asked.append(asked)
        for script in self.answers:
            if (given := script(asked)) is not None:
                if isinstance(given, Exception):
                    raise given
                return self._reply(*given)
        return self._reply(*self._default(asked))

    def _reply(self, status: int, body: Any) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Sforce-Limit-Info": "api-usage=18/15000"}
        return status, headers, body if isinstance(body, bytes) else orjson.dumps(body)

    def _default(self, asked: Asked) -> Answer:
        if asked.path.startswith("query"):
            soql = parse_qs(urlsplit(asked.path).query)["q"][0]
            rows = self.rows(soql) if self.rows else self._found(soql)
            return 200, {"totalSize": len(rows), "done": True, "records": rows}
        if asked.path.startswith("composite/sobjects"):
            return 200, [self._written(asked.path.split("/")[2:], record) for record in asked.body["records"]]
        if asked.path == "composite":
            return 200, {"compositeResponse": [self._part(part) for part in asked.body["compositeRequest"]]}
        if asked.path.endswith("/describe"):
            return 404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
        raise AssertionError(f"not scripted: {asked.method} {asked.path}")

    def _part(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """How many rows there are, and the youngest's stamp."""
        soql = parse_qs(urlsplit(part["url"]).query)["q"][0].replace("COUNT(Id) n, MAX(SystemModstamp) m", "Id")
        rows = self.rows(f"{soql} ORDER BY SystemModstamp, Id LIMIT 1000000") if self.rows else []
        stamps = [row["SystemModstamp"] for row in rows]
        return {
            "referenceId": part["referenceId"],
            "httpStatusCode": 200,
            "body": {"records": [{"n": len(rows), "m": max(stamps, default=None)}]},
        }

    def _found(self, soql: str) -> list[dict[str, Any]]:
        object_, field, listed, more = _IN.search(soql).groups()
        values = {value.strip("'").casefold() for value in listed.split(",")}
        return [
            dict(record)
            for record in self.records.get(object_, {}).values()
            if str(record.get(field)).casefold() in values
            and not ("IsConverted = false" in more and record.get("IsConverted"))
            and not ("IsClosed = true" in more and not record.get("IsClosed"))
        ]

    def _written(self, upsert: list[str], record: Mapping[str, Any]) -> Mapping[str, Any]:
        object_ = record["attributes"]["type"]
        fields = {name: value for name, value in record.items() if name not in ("attributes", "id")}
        if (scripted := self.row(object_, record)) is not None:
            return scripted
        mine = self.records.setdefault(object_, {})
        id_ = record.get("id", "")
        if upsert:
            id_ = next((one["Id"] for one in mine.values() if one.get(upsert[1]) == record[upsert[1]]), "")
        created = not id_
        if created:
            self._made += 1
            id_ = f"{_PREFIX[object_]}Ka{self._made:010d}AAA"
            mine[id_] = {"Id": id_, "OwnerId": "005Ka000000OwnerAAA"}
        mine[id_] |= fields
        return {"id": id_, "success": True, "errors": [], "created": created}


@pytest.fixture
def org() -> Iterator[ScriptedOrg]:
    scripted = ScriptedOrg()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST", "PATCH"):
            mock.add_callback(method, re.compile(rf"{re.escape(HOST)}/.*"), callback=scripted.answer)
        yield scripted


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Mapping[str, Any]]:
    monkeypatch.setenv("SF_SECRET", "s3cret")

    def load(**given: Any) -> Mapping[str, Any]:
        block = {"login_url": HOST, "consumer_key": "3MVG9", "consumer_secret": "${SF_SECRET}", **given}
        return SettingsSchema().load(block)

    return load


class Budget:
    """Keeps count; ``left`` calls may be spent."""

    def __init__(self, left: int = 10_000) -> None:
        self.left = left
        self.spent: list[int] = []
        self.limits: list[Any] = []
        self.heard: list[int] = []

    def allow(self, calls: int, window: Any) -> None:
        self.limits.append((calls, window))

    def spend(self, calls: int = 1, priority: int = 5) -> None:
        from gateway.errors import TryLater

        if len(self.spent) >= self.left:
            raise TryLater(3600, "the calls that crm allows are used up")
        self.spent += [priority] * calls

    def told(self, used: int, window: Any) -> None:
        self.heard.append(used)


@pytest.fixture
def budget() -> Budget:
    return Budget()


@pytest.fixture
def context(budget: Budget, tmp_path: Path) -> Context:
    return Context(system="crm", root=tmp_path, mapping=None, now=lambda: NOW, budget=budget)
