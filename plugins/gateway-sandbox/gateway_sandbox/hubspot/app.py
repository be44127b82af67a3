"""The HubSpot sandbox: one portal behind the API's paths, tokens, scopes and limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import Clock
from gateway_sandbox.hubspot import catalogue, errors, limits
from gateway_sandbox.hubspot.account import Account
from gateway_sandbox.hubspot.activities import Activities
from gateway_sandbox.hubspot.associations import Associations
from gateway_sandbox.hubspot.catalogue import TYPE_IDS, Property
from gateway_sandbox.hubspot.limits import Limits, Meter
from gateway_sandbox.hubspot.lists import Lists
from gateway_sandbox.hubspot.objects import Objects
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.hubspot.preferences import Preferences
from gateway_sandbox.hubspot.properties import Properties
from gateway_sandbox.hubspot.search import Search
from gateway_sandbox.hubspot.webhooks import Webhooks
from gateway_sandbox.records import Record, Records
from gateway_sandbox.sandbox import Noun, Refusal, Reply, Route, Sandbox

TOKEN = "pat-sandbox"
CLIENT_SECRET = "sandbox-client-secret"
ACCESS_LIVES = 1800

# The date-versioned paths: only the prefix moves.
_MOVED = [
    (re.compile(r"^/crm/objects/2026-\d\d/(?=[^/]+/[^/]+/associations/)"), "/crm/v4/objects/"),
    (re.compile(r"^/crm/objects/2026-\d\d/"), "/crm/v3/objects/"),
    (re.compile(r"^/crm/associations/2026-\d\d/"), "/crm/v4/associations/"),
    (re.compile(r"^/crm/(lists|properties|owners|pipelines)/2026-\d\d"), r"/crm/v3/\1"),
    (re.compile(r"^/events/event-occurrences/2026-\d\d"), "/events/v3/events"),
    (re.compile(r"^/oauth/2026-\d\d/token"), "/oauth/v1/token"),
    (re.compile(r"^/account-info/2026-\d\d/"), "/account-info/v3/"),
    (re.compile(r"^/marketing/forms/2026-\d\d(-beta)?"), "/marketing/v3/forms"),
]

# What a call needs: (method, path) → scope. The first that matches counts.
_SCOPES = [
    (r"POST .*/(search|batch/read)$|GET ", r"/crm/v3/objects/(contacts|companies|deals|leads)", "crm.objects.{}.read"),
    (r"", r"/crm/v3/objects/(contacts|companies|deals|leads)", "crm.objects.{}.write"),
    (r"GET ", r"/crm/v3/properties/(contacts|companies|deals)", "crm.schemas.{}.read"),
    (r"POST .*/batch/read$", r"/crm/v3/properties/(contacts|companies|deals)", "crm.schemas.{}.read"),
    (r"", r"/crm/v3/properties/(contacts|companies|deals)", "crm.schemas.{}.write"),
    (r"GET |POST .*/search$", r"/crm/v3/lists", "crm.lists.read"),
    (r"", r"/crm/v3/lists", "crm.lists.write"),
    (r"", r"/crm/v3/(owners)", "crm.objects.{}.read"),
    (r"", r"/email/public/v1", "content"),
    (r"", r"/form-integrations|/marketing/v3/forms", "forms"),
    (r"", r"/events/v3", "business-intelligence"),
]


class HubSpotSandbox(Sandbox):
    """``token`` is accepted (``pat-sandbox``); ``scopes`` None grants all of them.

    ``limits`` are the account's; ``index_lag`` is how long a change stays out of the search index.
    """

    name = "hubspot"

    def __init__(
        self,
        *,
        seed: int = 0,
        clock: Clock | None = None,
        token: str = TOKEN,
        client_secret: str = CLIENT_SECRET,
        limits: Limits | None = None,
        index_lag: timedelta | float = 0.0,
        scopes: Iterable[str] | None = None,
        portal_id: int = 9900123,
        enterprise: bool = True,
    ) -> None:
        clock = clock or Clock()
        self._tokens: dict[str, datetime | None] = {token: None}
        self._client_secret = client_secret
        self._refreshed = 0
        self.scopes = None if scopes is None else set(scopes)
        self.enterprise = enterprise
        """The account has the events API."""
        self.meter = Meter(limits or Limits())
        records = Records()
        self.portal = Portal(clock, records, portal_id)
        self.portal.index_lag = index_lag if isinstance(index_lag, timedelta) else timedelta(seconds=index_lag)
        self.objects = Objects(self.portal, self.row_error)
        self.lists = Lists(self.portal, self)
        self.account = Account(self.portal)
        self.activities = Activities(self.portal, lambda: self.enterprise)
        self.preferences = Preferences(self.portal, self)
        self._nouns: list[Noun] = [
            self.objects,
            Search(self.portal),
            Associations(self.portal),
            Properties(self.portal),
            self.lists,
            self.account,
            self.activities,
            self.preferences,
        ]
        super().__init__(seed=seed, clock=clock)
        self.records = records
        self.webhooks = Webhooks(clock, portal_id, self.random)
        self.portal.told += [self._told, self.webhooks.told]

    @property
    def limits(self) -> Limits:
        return self.meter.limits

    def routes(self) -> list[Route]:
        return [route for noun in self._nouns for route in noun.routes()] + [("POST", "/oauth/v1/token", self._token)]

    # What people do over there

    def add(self, object: str, values: Mapping[str, Any], at: datetime | None = None, by: str = "CRM_UI") -> Record:
        """A record that is there already: in the index at once, any property, read-only ones too."""
        with self.lock:
            return self.portal.create(object, _texts(values), by, at, indexed=True)

    def edit(
        self, object: str, id: str, values: Mapping[str, Any], by: str = "CRM_UI", at: datetime | None = None
    ) -> Record:
        """A person (or HubSpot itself) changes values: any property, the lifecycle stage in any direction."""
        with self.lock:
            record = self.portal.find(object, id)
            if record is None:
                raise KeyError(f"no {object} {id}")
            return self.portal.update(record, _texts(values), by, at)

    def remove(self, object: str, id: str) -> None:
        with self.lock:
            self.portal.archive(self.portal.records[object][id], "CRM_UI")

    def erase(self, id: str) -> None:
        """A person deletes a contact for good (GDPR)."""
        with self.lock:
            self.portal.erase(self.portal.records["contacts"][id])

    def merge(self, object: str, winner: str, loser: str) -> Record:
        with self.lock:
            all_of = self.portal.records[object]
            return self.portal.merge(all_of[winner], all_of[loser], "CRM_UI")

    def associate(self, object: str, id: str, to_object: str, to: str, types: set[int] | None = None) -> None:
        with self.lock:
            self.portal.link(object, id, to_object, to, types)

    def define(self, object: str, property: Property) -> None:
        with self.lock:
            self.portal.define(object, property)

    def define_gateway(self) -> None:
        """The custom properties that ``gateway plugins setup hubspot`` would make."""
        for of in (
            Property("gw_score", "Gateway score", "number", "number", "gateway", own=False),
            Property("gw_fit_score", "Gateway fit", "number", "number", "gateway", own=False),
            Property("gw_behaviour_score", "Gateway behaviour", "number", "number", "gateway", own=False),
            Property(
                "gw_bucket",
                "Gateway bucket",
                "enumeration",
                "select",
                "gateway",
                catalogue.options(("sales_qualified", "sales_rejected", "recycled")),
                own=False,
            ),
            Property("gw_band", "Gateway band", group="gateway", own=False),
            Property("gw_stage", "Gateway stage", group="gateway", own=False),
            Property("gw_bucket_reason", "Gateway bucket reason", group="gateway", own=False),
            Property("gw_model_version", "Gateway model version", group="gateway", own=False),
            Property("gw_scored_at", "Gateway scored at", "datetime", "date", "gateway", own=False),
            Property("gw_external_id", "Gateway id", group="gateway", unique=True, own=False),
        ):
            self.define("contacts", of)
        self.define("tasks", Property("gw_external_id", "Gateway id", group="gateway", unique=True, own=False))
        self.portal.groups["contacts"]["gateway"] = {
            "name": "gateway",
            "label": "Lead gateway",
            "displayOrder": -1,
            "archived": False,
        }

    def _told(self, kind: str, record: Record, values: Mapping[str, Any], by: str, details: Mapping[str, Any]) -> None:
        self.changed(kind, record.object, record.id, {**values, **details})

    # The base class's questions

    def canonical(self, path: str) -> str:
        for pattern, moved in _MOVED:
            if pattern.match(path):
                return pattern.sub(moved, path, count=1)
        return path

    def authorise(self, call: Call, authorization: str) -> None:
        if self.canonical(call.path).startswith("/oauth/"):
            return
        token = authorization.removeprefix("Bearer ")
        if not authorization.startswith("Bearer ") or token not in self._tokens:
            raise Refusal(401, _NO_TOKEN)
        ends = self._tokens[token]
        if ends is not None and ends <= self.clock.now():
            raise errors.refuse(401, "The OAuth token used to make this call has expired.", "EXPIRED_AUTHENTICATION")

    def guard(self, call: Call) -> None:
        path = self.canonical(call.path)
        if path.startswith("/oauth/"):
            return
        self.meter.count(_searches(call, path))
        if self.scopes is None:
            return
        for methods, pattern, scope in _SCOPES:
            found = re.match(pattern, path)
            if found and re.match(methods, f"{call.method} {path}"):
                needed = scope.format(*found.groups())
                if needed not in self.scopes:
                    raise errors.refuse(
                        403,
                        "This app hasn't been granted all required scopes to make this call.",
                        "MISSING_SCOPES",
                        errors=[
                            {
                                "message": "One or more of the following scopes are required.",
                                "context": {"requiredGranularScopes": [needed]},
                            }
                        ],
                    )
                return

    def decorate(self, call: Call, reply: Reply) -> None:
        path = self.canonical(call.path)
        if not path.startswith("/oauth/") and reply.status != 401:
            self.meter.headers(reply, _searches(call, path))

    def missing(self, call: Call) -> Reply:
        return Reply(404, errors.body("resource not found"))

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        return Reply(405, errors.body(f"HTTP {call.method} is not allowed here"), {"Allow": ", ".join(allowed)})

    def failed(self, call: Call, error: Exception) -> Reply:
        return Reply(400, errors.body(f"Invalid input JSON: {type(error).__name__}: {error}", "VALIDATION_ERROR"))

    def limited(self, kind: str, retry_after: float | None) -> Reply:
        headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
        return Reply(429, limits.body(kind), headers)

    def unauthorised(self) -> Reply:
        return Reply(401, _NO_TOKEN)

    def expire_tokens(self) -> None:
        self._tokens.clear()

    def issue(self, token: str, lives: float | None = None) -> None:
        """Accept one more token, for so many seconds of the sandbox's clock."""
        self._tokens[token] = None if lives is None else self.clock.now() + timedelta(seconds=lives)

    def close(self) -> None:
        self.webhooks.close()

    def _token(self, call: Call) -> Reply:
        given = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
        grant = given.get("grant_type")
        if grant not in ("refresh_token", "authorization_code"):
            return Reply(400, {"status": "BAD_GRANT_TYPE", "message": f"unknown grant type: {grant}"})
        if given.get("client_secret") != self._client_secret or not (given.get("refresh_token") or given.get("code")):
            return Reply(400, {"status": "BAD_CLIENT_SECRET", "message": "missing or invalid client secret"})
        self._refreshed += 1
        token = f"sandbox-access-{self._refreshed}"
        self.issue(token, ACCESS_LIVES)
        refresh = given.get("refresh_token") or "sandbox-refresh"
        return Reply(
            body={
                "token_type": "bearer",
                "access_token": token,
                "refresh_token": refresh,
                "expires_in": ACCESS_LIVES,
            }
        )

    # The control interface

    def control(self) -> list[Route]:
        return [
            *super().control(),
            ("POST", "/_sandbox/webhooks", self._subscribe),
            ("GET", "/_sandbox/webhooks", self._deliveries),
            ("POST", "/_sandbox/webhooks/flush", self._flush),
            ("POST", "/_sandbox/merge/{object}", self._merge),
            ("POST", "/_sandbox/erase/{id}", self._erase),
            ("POST", "/_sandbox/associate", self._associate),
            ("GET", "/_sandbox/lists", self._lists),
            ("POST", "/_sandbox/activities/{kind}", self._act),
        ]

    def _subscribe(self, call: Call) -> Reply:
        given = call.json()
        properties = given.pop("properties", None)
        self.webhooks.subscribe(
            given.pop("url"),
            given.pop("secret", self._client_secret),
            properties=None if properties is None else set(properties),
            **given,
        )
        return Reply(204)

    def _deliveries(self, call: Call) -> Reply:
        return Reply(
            body=[
                {"status": one.status, "attempt": one.attempt, "events": list(one.events)}
                for one in self.webhooks.deliveries
            ]
        )

    def _flush(self, call: Call) -> Reply:
        return Reply(body=[{"status": one.status, "events": len(one.events)} for one in self.webhooks.flush()])

    def _merge(self, call: Call, object: str) -> Reply:
        given = call.json()
        return Reply(body=self.merge(object, given["winner"], given["loser"]).as_json())

    def _erase(self, call: Call, id: str) -> Reply:
        self.erase(id)
        return Reply(204)

    def _associate(self, call: Call) -> Reply:
        given = call.json()
        self.associate(given["object"], given["id"], given["to_object"], given["to"])
        return Reply(204)

    def _act(self, call: Call, kind: str) -> Reply:
        """``visit``, ``email``, ``submit``, ``attend``, ``custom``, ``meeting`` or ``opt_out`` with their arguments."""
        if kind not in ("visit", "email", "submit", "attend", "custom", "meeting", "opt_out"):
            raise ValueError(f"nobody does {kind!r} here")
        noun = self.preferences if kind == "opt_out" else self.activities
        getattr(noun, kind)(**call.json())
        return Reply(204)

    def _lists(self, call: Call) -> Reply:
        return Reply(body=[{**one.as_json(), "members": sorted(one.members)} for one in self.lists.all.values()])


_NO_TOKEN = errors.body(
    "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details "
    "at https://developers.hubspot.com/docs/methods/auth/oauth-overview",
    "INVALID_AUTHENTICATION",
)


def _searches(call: Call, path: str) -> bool:
    return call.method == "POST" and bool(re.match(r"/crm/v3/objects/[^/]+/search$", path))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Every value of HubSpot is a string."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }


assert set(TYPE_IDS) == set(catalogue.standard())
