"""The Salesforce sandbox: one org behind the REST API's paths, sessions and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import Clock
from gateway_sandbox.records import Record, Records
from gateway_sandbox.salesforce import deploying
from gateway_sandbox.salesforce.bulk import Bulk
from gateway_sandbox.salesforce.composite import Composite
from gateway_sandbox.salesforce.conversion import convert
from gateway_sandbox.salesforce.fields import RowError, field_of
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.salesforce.outbound import Outbound
from gateway_sandbox.salesforce.reading import Reading
from gateway_sandbox.salesforce.rows import Rows, refusal
from gateway_sandbox.salesforce.rules import DuplicateRule
from gateway_sandbox.salesforce.tokens import CONSUMER_KEY, CONSUMER_SECRET, USERNAME, Tokens
from gateway_sandbox.sandbox import Noun, Refusal, Reply, Route, Sandbox

OLDEST_VERSION, NEWEST_VERSION = 31, 68
_DATA = re.compile(r"^/services/data/v(\d+)\.0(?=/|$)")


class SalesforceSandbox(Sandbox):
    """``daily`` is the org's API limit; ``gateway=False`` is an org without the gateway's custom fields."""

    name = "salesforce"

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        consumer_key: str = CONSUMER_KEY,
        consumer_secret: str = CONSUMER_SECRET,
        username: str = USERNAME,
        public_key: str | None = None,
        daily: int = 100_000,
        gateway: bool = True,
        is_sandbox: bool = True,
    ) -> None:
        clock = clock or Clock()
        self.daily = daily
        self.used_today = 0
        """Also moved by other integrations of the org: set it to be nearly out of calls."""
        records = Records()
        self.org = Org(clock, records, seed, gateway, is_sandbox)
        base = f"/services/data/v{NEWEST_VERSION - 1}.0"
        self.tokens = Tokens(clock, self.org, consumer_key, consumer_secret, username, public_key)
        self.rows = Rows(self.org, self.row_error, base)
        self.bulk = Bulk(self.org, lambda: self.random, self.row_error)
        self.outbound = Outbound(self.org)
        self._nouns: list[Noun] = [
            self.tokens,
            self.rows,
            Reading(self.org, base),
            deploying.Deploying(self.org),
            Composite(self.org, self._inner),
            self.bulk,
        ]
        super().__init__(seed=seed, clock=clock)
        self.records = records
        self.org.changed = self._told

    def _told(self, kind: str, object: str, id: str, values: Mapping[str, Any]) -> None:
        self.changed(kind, object, id, values)
        self.outbound.told(kind, object, id)

    def routes(self) -> list[Route]:
        return [route for noun in self._nouns for route in noun.routes()] + [
            ("GET", "/services/data", self._versions),
            ("GET", "/data/limits", self._limits),
        ]

    # What people do over there

    def add(self, object: str, values: Mapping[str, Any], at: datetime | None = None, by: str | None = None) -> Record:
        """A record that is there already; no rule is asked. Raises KeyError on an unknown field."""
        with self.lock:
            return self.org.add(object, values, by or self.org.people[0], at)

    def edit(self, object: str, id: str, values: Mapping[str, Any], by: str | None = None) -> Record:
        """A person changes a record; the org's rules apply. Raises ``RowError``."""
        with self.lock:
            return self.org.edit(id, values, by)

    def remove(self, object: str, id: str) -> None:
        with self.lock:
            self.org.delete(object, id)

    def convert(self, lead: str, **more: Any) -> dict[str, str | None]:
        """Convert a lead (``opportunity=`` a name, ``amount=``, ``contact=`` an id, ``keep_key=``)."""
        with self.lock:
            return convert(self.org, lead, **more)

    def merge(self, winner: str, loser: str) -> Record:
        with self.lock:
            return self.org.merge(winner, loser)

    def add_campaign(self, name: str, statuses: Mapping[str, bool] | None = None, **values: Any) -> Record:
        """A campaign with its member statuses (label → has responded)."""
        with self.lock:
            campaign = self.org.add("Campaign", {"Name": name, "IsActive": True, **values}, self.org.people[0])
            for place, (label, responded) in enumerate((statuses or {"Sent": False, "Responded": True}).items()):
                self.org.add(
                    "CampaignMemberStatus",
                    {
                        "CampaignId": campaign.id,
                        "Label": label,
                        "HasResponded": responded,
                        "IsDefault": place == 0,
                        "SortOrder": place + 1,
                    },
                )
            return campaign

    def define(self, object: str, line: str) -> None:
        """A new or changed field, as in ``catalogue``: ``Budget__c string(40)``, ``Tier__c picklist*(a|b) !``."""
        with self.lock:
            of = field_of(line)
            self.org.objects[object][of.name] = of
            self.org.described_at = self.clock.now()

    def hide(self, object: str, field: str) -> None:
        """Deleted, or taken away by field-level security: the field is simply not there. Raises KeyError."""
        with self.lock:
            del self.org.objects[object][field]
            self.org.described_at = self.clock.now()

    def deploy(self, folder: Path, assigned: bool = True) -> list[str]:
        """Deploy a metadata folder; see ``deploying``. Raises ``DeployFailed``."""
        with self.lock:
            return deploying.deploy(self.org, folder, assigned)

    def assign(self) -> list[str]:
        """An administrator gives the permission sets that were deployed to the integration user."""
        with self.lock:
            return deploying.assign(self.org)

    def forbid(self, object: str, *what: str) -> None:
        """The integration user loses ``createable`` or ``updateable`` of an object; nothing: it does not see it."""
        with self.lock:
            if not what:
                del self.org.objects[object]
            self.org.forbidden.update((object, one) for one in what)
            self.org.described_at = self.clock.now()

    # The base class's questions

    def canonical(self, path: str) -> str:
        return _DATA.sub("/data", path)

    def authorise(self, call: Call, authorization: str) -> None:
        if call.path.rstrip("/") == "/services/data":
            return
        if call.path.startswith("/services/oauth2/"):
            self.tokens.basic = authorization.removeprefix("Basic ") if authorization.startswith("Basic ") else ""
            return
        version = _DATA.match(call.path)
        if version and not OLDEST_VERSION <= int(version[1]) <= NEWEST_VERSION:
            gone = int(version[1]) < OLDEST_VERSION
            raise refusal(
                RowError("UNSUPPORTED_API_VERSION", "This API version is no longer supported", status=410)
                if gone
                else RowError("NOT_FOUND", "The requested resource does not exist", status=404)
            )
        if not self.tokens.valid(authorization.removeprefix("Bearer ")):
            raise Refusal(401, _DEAD_SESSION)

    def guard(self, call: Call) -> None:
        if not _DATA.match(call.path):
            return
        if self.used_today >= self.daily:
            raise Refusal(403, _NO_CALLS)
        self.used_today += 1

    def decorate(self, call: Call, reply: Reply) -> None:
        if _DATA.match(call.path) and reply.status != 401:
            reply.headers["Sforce-Limit-Info"] = f"api-usage={self.used_today}/{self.daily}"

    def missing(self, call: Call) -> Reply:
        return Reply(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        message = f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(allowed)}"
        return Reply(405, [{"errorCode": "METHOD_NOT_ALLOWED", "message": message}], {"Allow": ",".join(allowed)})

    def failed(self, call: Call, error: Exception) -> Reply:
        return Reply(400, [{"errorCode": "JSON_PARSER_ERROR", "message": f"{type(error).__name__}: {error}"}])

    def limited(self, kind: str, retry_after: float | None) -> Reply:
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return Reply(403, _NO_CALLS if kind == "daily" else _TOO_MANY, headers)

    def unauthorised(self) -> Reply:
        return Reply(401, _DEAD_SESSION)

    def expire_tokens(self) -> None:
        self.tokens.expire()

    def _inner(self, call: Call) -> Reply:
        """One part of a composite call: the same handlers, without a token and for no further call."""
        path = self.canonical(call.path)
        found = self._router.find(call.method, path)
        if found is None:
            return self.missing(call)
        handler, parts = found
        try:
            return handler(call, **parts)
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            return self.failed(call, exc)

    def _versions(self, call: Call) -> Reply:
        return Reply(
            body=[
                {"label": f"v{number}", "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
                for number in range(OLDEST_VERSION, NEWEST_VERSION + 1)
            ]
        )

    def _limits(self, call: Call) -> Reply:
        left = max(0, self.daily - self.used_today)
        return Reply(
            body={
                "DailyApiRequests": {"Max": self.daily, "Remaining": left},
                "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
                "DataStorageMB": {"Max": 1024, "Remaining": 1000},
            }
        )

    # The control interface

    def control(self) -> list[Route]:
        return [
            *super().control(),
            ("POST", "/_sandbox/convert/{id}", self._convert),
            ("POST", "/_sandbox/merge", self._merge),
            ("POST", "/_sandbox/campaigns", self._campaign),
            ("POST", "/_sandbox/fields/{object}", self._define),
            ("DELETE", "/_sandbox/fields/{object}/{name}", self._hide),
            ("POST", "/_sandbox/duplicate-rules", self._rule),
            ("POST", "/_sandbox/outbound", self._push),
            ("POST", "/_sandbox/outbound/flush", self._flush),
        ]

    def _convert(self, call: Call, id: str) -> Reply:
        try:
            return Reply(body=self.convert(id, **(call.json() if call.body else {})))
        except RowError as error:
            raise refusal(error) from None

    def _merge(self, call: Call) -> Reply:
        given = call.json()
        return Reply(body=self.merge(given["winner"], given["loser"]).as_json())

    def _campaign(self, call: Call) -> Reply:
        given = call.json()
        return Reply(201, self.add_campaign(given.pop("Name"), given.pop("statuses", None), **given).as_json())

    def _define(self, call: Call, object: str) -> Reply:
        self.define(object, call.json()["field"])
        return Reply(204)

    def _hide(self, call: Call, object: str, name: str) -> Reply:
        self.hide(object, name)
        return Reply(204)

    def _push(self, call: Call) -> Reply:
        given = call.json()
        self.outbound.subscribe(given["object"], given["fields"], given["url"])
        return Reply(204)

    def _flush(self, call: Call) -> Reply:
        made = self.outbound.flush()
        return Reply(body=[{"status": one.status, "acknowledged": one.acknowledged} for one in made])

    def _rule(self, call: Call) -> Reply:
        given = call.json()
        if "against" in given:
            given["against"] = tuple(given["against"])
        self.org.duplicate_rules.append(DuplicateRule(**given))
        return Reply(204)


_DEAD_SESSION = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
_NO_CALLS = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
_TOO_MANY = [{"message": "ConcurrentPerOrgLongTxn Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
