"""What is read: queries and their pages, changes and deletions of a time, descriptions, limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import parse
from gateway_sandbox.salesforce import ids, soql
from gateway_sandbox.salesforce.catalogue import CHILDREN, READ_ONLY
from gateway_sandbox.salesforce.fields import RowError, stamp
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.salesforce.rows import refusal
from gateway_sandbox.sandbox import Refusal, Reply, Route

PAGE, SMALLEST_PAGE = 2000, 200
LONGEST_URL = 16_000
OLDEST = timedelta(days=30)
MOST_IDS = 600_000
LOCATORS = 10


class Reading:
    def __init__(self, org: Org, base: str) -> None:
        self.org = org
        self.base = base
        self._open: dict[str, tuple[str, int, list[dict[str, Any]]]] = {}
        """Locator → verb, total and what is left of its query; the ten youngest are kept."""
        self._locators = 0

    def routes(self) -> list[Route]:
        return [
            ("GET", "/data/query", self.query),
            ("GET", "/data/queryAll", self.query_all),
            ("GET", "/data/query/{locator}", self.more),
            ("GET", "/data/queryAll/{locator}", self.more),
            ("GET", "/data/sobjects", self.describe_all),
            ("GET", "/data/sobjects/{object}", self.basics),
            ("GET", "/data/sobjects/{object}/describe", self.describe),
            ("GET", "/data/sobjects/{object}/updated", self.updated),
            ("GET", "/data/sobjects/{object}/deleted", self.deleted),
        ]

    # Queries

    def query(self, call: Call) -> Reply:
        return self._query(call, deleted=False)

    def query_all(self, call: Call) -> Reply:
        return self._query(call, deleted=True)

    def _query(self, call: Call, deleted: bool) -> Reply:
        if len(call.path) + len(call.query) > LONGEST_URL:
            raise Refusal(
                414, b"<html><head><title>414 URI Too Long</title></head></html>", {"Content-Type": "text/html"}
            )
        text = call.arg("q")
        if not text:
            raise refusal(RowError("MALFORMED_QUERY", "A query string has to be specified"))
        try:
            rows = soql.run(self.org, text, deleted, self.base)
        except RowError as error:
            raise refusal(error) from None
        if isinstance(rows, int):
            return Reply(body={"totalSize": rows, "done": True, "records": []})
        return self._page(call, "queryAll" if deleted else "query", len(rows), rows)

    def _page(self, call: Call, verb: str, total: int, rows: list[dict[str, Any]]) -> Reply:
        asked = re.search(r"batchSize=(\d+)", call.headers.get("sforce-query-options", ""))
        size = min(PAGE, max(SMALLEST_PAGE, int(asked[1]))) if asked else PAGE
        body: dict[str, Any] = {"totalSize": total, "done": len(rows) <= size, "records": rows[:size]}
        if len(rows) > size:
            self._locators += 1
            locator = f"{ids.make('QueryLocator', self._locators)}-{total - len(rows) + size}"
            self._open[locator] = (verb, total, rows[size:])
            while len(self._open) > LOCATORS:
                self._open.pop(next(iter(self._open)))
            body["nextRecordsUrl"] = f"{self.base}/{verb}/{locator}"
        return Reply(body=body)

    def more(self, call: Call, locator: str) -> Reply:
        if locator not in self._open:
            raise refusal(RowError("INVALID_QUERY_LOCATOR", "invalid query locator"))
        return self._page(call, *self._open[locator])

    # Changes of a time

    def updated(self, call: Call, object: str) -> Reply:
        object, start, end = self._window(call, object)
        found = [
            record.id
            for record in self.org.records[object].values()
            if not record.gone and start <= _whole(record.changed_at) <= end
        ]
        if len(found) > MOST_IDS:
            raise refusal(RowError("EXCEEDED_ID_LIMIT", f"more than {MOST_IDS} ids"))
        return Reply(body={"ids": found, "latestDateCovered": stamp(end)})

    def deleted(self, call: Call, object: str) -> Reply:
        object, start, end = self._window(call, object)
        found = [
            {"id": record.id, "deletedDate": stamp(record.gone_at)}
            for record in self.org.records[object].values()
            if record.gone and record.gone_at and start <= _whole(record.gone_at) <= end
        ]
        oldest = stamp(self.org.clock.now() - OLDEST)
        return Reply(body={"deletedRecords": found, "earliestDateAvailable": oldest, "latestDateCovered": stamp(end)})

    def _window(self, call: Call, object: str) -> tuple[str, datetime, datetime]:
        name = self._named(object)
        try:
            # a plus sign that was not quoted arrives as a space
            start, end = (
                parse((call.arg(key) or "").replace(" ", "+")).replace(second=0, microsecond=0)
                for key in ("start", "end")
            )
        except ValueError:
            raise refusal(RowError("INVALID_REPLICATION_DATE", "start and end must be ISO 8601 times")) from None
        now = self.org.clock.now()
        if start >= end:
            raise refusal(RowError("INVALID_REPLICATION_DATE", "startDate must precede endDate by at least one minute"))
        if start < now - OLDEST:
            raise refusal(RowError("INVALID_REPLICATION_DATE", "startDate before org replication enabled date"))
        return name, start, min(end, now.replace(second=0, microsecond=0))

    # Descriptions

    def _named(self, object: str) -> str:
        name = self.org.named(object)
        if name not in self.org.objects:
            raise refusal(RowError("NOT_FOUND", "The requested resource does not exist", status=404))
        return name

    def _basics(self, name: str) -> dict[str, Any]:
        writable = name not in READ_ONLY
        return {
            "name": name,
            "label": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name),
            "keyPrefix": ids.PREFIXES[name],
            "custom": name.endswith("__c"),
            "createable": writable and (name, "createable") not in self.org.forbidden,
            "updateable": writable and (name, "updateable") not in self.org.forbidden,
            "deletable": writable,
            "queryable": True,
            "retrieveable": True,
            "replicateable": True,
            "urls": {
                "sobject": f"{self.base}/sobjects/{name}",
                "describe": f"{self.base}/sobjects/{name}/describe",
                "rowTemplate": f"{self.base}/sobjects/{name}/{{ID}}",
            },
        }

    def describe_all(self, call: Call) -> Reply:
        shown = [self._basics(name) for name in self.org.objects]
        return Reply(body={"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": shown})

    def basics(self, call: Call, object: str) -> Reply:
        return Reply(body={"objectDescribe": self._basics(self._named(object)), "recentItems": []})

    def describe(self, call: Call, object: str) -> Reply:
        name = self._named(object)
        since = call.headers.get("if-modified-since")
        at = self.org.described_at.astimezone(UTC).replace(microsecond=0)
        if since and parsedate_to_datetime(since) >= at:
            return Reply(304)
        children = [
            {"childSObject": child, "field": key, "relationshipName": relation}
            for (parent, relation), (child, key) in CHILDREN.items()
            if parent == name
        ]
        body = {
            **self._basics(name),
            "fields": [of.as_json() for of in self.org.objects[name].values()],
            "childRelationships": children,
            "recordTypeInfos": [],
        }
        return Reply(body=body, headers={"Last-Modified": format_datetime(at, usegmt=True)})


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)
