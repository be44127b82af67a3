"""The one way out to HubSpot: spend → call, with a deadline → try a reading again → say what was refused.

Around ``hubspot-api-client``, less its habits: its API objects are kept (each look-up would open new connections), its
retries are off (they never repeat a POST and hide a 429), every call has a timeout, and answers are read from the raw
JSON (its models drop what they do not know). Where the settings say so, paths are rewritten to HubSpot's dated API.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from importlib.metadata import version
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from urllib3 import HTTPResponse, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from gateway.contracts import Context
from gateway.errors import AccessRefused, GatewayError, TryLater
from gateway.replies import body_within
from gateway_hubspot.tokens import SOON, Tokens

CONNECT = 3.05
READ = 7.0
"""Seconds for an answer to a reading: a page may take ten, waiting for the budget included."""
WRITE = 18.0
"""Seconds for an answer to a write: a delivery may take thirty."""
PAUSES = (0.5, 1.5)
"""Seconds before a reading that failed is tried again. A write is never repeated here: what became of it is unknown."""
PATIENCE = 2.5
"""Seconds after which a reading is not tried again."""
TELL = 30.0
"""Seconds between two reports of the day's count to the budget."""
DAY = timedelta(days=1)
OVERLOADED = frozenset({500, 502, 503, 504, 521, 523, 524})
LOCKED = 423
MIGRATING = 477

_MOVED = (
    (re.compile(r"^/crm/v[34]/objects/"), "/crm/objects/2026-09/"),
    (re.compile(r"^/crm/v4/associations/"), "/crm/associations/2026-09/"),
    (re.compile(r"^/crm/v3/(lists|properties|owners|pipelines)(?=/|$)"), r"/crm/\1/2026-09"),
    (re.compile(r"^/account-info/v3/"), "/account-info/2026-09/"),
    (re.compile(r"^/oauth/v1/token(?=/|$)"), "/oauth/2026-09/token"),
    (re.compile(r"^/events/v3/events(?=/|$)"), "/events/event-occurrences/2026-09"),
    (re.compile(r"^/marketing/v3/forms(?=/|$)"), "/marketing/forms/2026-09-beta"),
)


class NoAnswer(GatewayError):
    """Nothing came back in time. ``sent``: it may have arrived, so a write may have happened."""

    def __init__(self, sent: bool) -> None:
        self.sent = sent
        super().__init__("HubSpot did not answer" if sent else "HubSpot cannot be reached")


class MissingScopes(AccessRefused):
    """The token is right, but may not do this. ``scopes``: those that it lacks, as far as HubSpot says."""

    def __init__(self, reference: str, scopes: Sequence[str]) -> None:
        self.scopes = tuple(scopes)
        lacks = f" lacks the scopes {', '.join(scopes)}" if scopes else " may not do this"
        super().__init__(f"{reference}{lacks}, says HubSpot")


class Unauthorised(AccessRefused):
    """The token is refused as such: another one may be taken."""


class Failure(GatewayError):
    """HubSpot answered, but not with what was asked for. ``body`` is its JSON, or empty."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body
        category = body.get("category")
        named = category if isinstance(category, str) and re.fullmatch(r"[A-Z_]{1,60}", category) else ""
        super().__init__(f"HubSpot answered {status} {named}".rstrip())

    @property
    def passing(self) -> bool:
        """Whether the same call may do better in a moment."""
        return self.status in OVERLOADED or self.status == LOCKED


@dataclass(frozen=True, slots=True)
class Reply:
    """``at``: HubSpot's own time of the answer, None where it does not say."""

    status: int
    data: Any = field(repr=False)
    at: datetime | None

    @property
    def results(self) -> list[dict[str, Any]]:
        """The records of a list, search or batch answer."""
        results = self.data.get("results") if isinstance(self.data, dict) else None
        return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []

    @property
    def after(self) -> str:
        """Where the next page begins; empty when this is the last."""
        following = ((self.data.get("paging") if isinstance(self.data, dict) else None) or {}).get("next") or {}
        return str(following.get("after") or "")


class Client:
    """HubSpot's API for one system. Source and sink have one each; the budget between them is the system's."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        context: Context,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.system = context.system
        self._tokens = Tokens(settings, self._fetch, clock)
        self._made_with: list[Any] = []
        """The configurations of all API objects: each keeps the token it was made with."""
        self._portal: int | None = settings.get("portal_id")
        self._dated = settings["api"] != "v3"
        self._budget = context.budget
        self._sleep, self._clock = sleep, clock
        limits = settings["limits"]
        self._between_searches = 1.0 / limits["searches_per_s"]
        self._next_search = self._next_told = 0.0
        self._account: Mapping[str, Any] | None = None
        if self._budget is not None:
            self._budget.allow(limits["per_10s"], timedelta(seconds=10))
            self._budget.allow(limits["per_day"], DAY)
        self._base_url = settings["base_url"]

    # -- the API objects, each made once ------------------------------------------------------------------------------

    @cached_property
    def _client(self) -> Any:
        from hubspot import HubSpot  # most commands call nobody

        return HubSpot(
            access_token="", host=self._base_url, base_url=self._base_url, retry=False, api_factory=self._made
        )

    @cached_property
    def basic(self) -> Any:
        return self._client.crm.objects.basic_api

    @cached_property
    def batch(self) -> Any:
        return self._client.crm.objects.batch_api

    @cached_property
    def searching(self) -> Any:
        return self._client.crm.objects.search_api

    @cached_property
    def associations(self) -> Any:
        return self._client.crm.associations.v4.batch_api

    @cached_property
    def properties(self) -> Any:
        return self._client.crm.properties.core_api

    @cached_property
    def property_batch(self) -> Any:
        return self._client.crm.properties.batch_api

    @cached_property
    def groups(self) -> Any:
        return self._client.crm.properties.groups_api

    @cached_property
    def lists(self) -> Any:
        return self._client.crm.lists.lists_api

    @cached_property
    def memberships(self) -> Any:
        return self._client.crm.lists.memberships_api

    @cached_property
    def oauth(self) -> Any:
        return self._client.oauth.tokens_api

    @cached_property
    def preferences(self) -> Any:
        return self._client.communication_preferences.status_api

    # -- calls --------------------------------------------------------------------------------------------------------

    def ask(self, operation: Callable[..., Any], *args: Any, priority: int = 5, **kwargs: Any) -> Reply:
        """A call that changes nothing, tried again when HubSpot is busy for a moment.

        Raises ``TryLater``, ``AccessRefused``, ``Failure`` or ``NoAnswer``.
        """
        self._check_account(priority)
        return self._repeated(operation, args, kwargs, priority)

    def page(self, operation: Callable[..., Any], *args: Any, priority: int = 5, **kwargs: Any) -> Reply:
        """``ask`` for records. An answer that has no list of them is none: it must not pass for an empty one."""
        return _with_results(self.ask(operation, *args, priority=priority, **kwargs))

    def search(self, object_: str, request: Mapping[str, Any], priority: int = 5) -> Reply:
        """One search, at the pace that all apps of the account share.

        The pace is this process's own. Where others search in the same second, HubSpot refuses one, which waits a
        second here, twice at most: no command ends because a worker searched, too.
        """
        self._check_account(priority)
        tries = 3
        while True:
            early = self._next_search - self._clock()
            if early > 0:
                self._sleep(early)
            self._next_search = self._clock() + self._between_searches
            try:
                return _with_results(self._repeated(self.searching.do_search, (object_, request), {}, priority))
            except TryLater as later:
                tries -= 1
                if not tries or later.seconds > 1:
                    raise
                self._sleep(later.seconds)

    def get(self, path: str, query: list[tuple[str, Any]], key: str = "results") -> Reply:
        """GET of what the library has no method for. ``key``: the list that an answer must have."""

        def operation(**kwargs: Any) -> Any:
            return self.basic.api_client.call_api(
                path,
                "GET",
                query_params=query,
                header_params={"Accept": "application/json"},
                auth_settings=["oauth2"],
                **kwargs,
            )

        return _with_results(self.ask(operation), key)

    def change(
        self, operation: Callable[..., Any], *args: Any, priority: int = 5, seconds: float = WRITE, **kwargs: Any
    ) -> Reply:
        """A call that changes something: sent once. ``seconds``: how long its answer may take."""
        self._check_account(priority)
        return self._once(operation, args, kwargs, priority, seconds)

    def account(self, priority: int = 5) -> Mapping[str, Any]:
        """``portalId, accountType, timeZone, companyCurrency, uiDomain`` of the account behind the token."""
        if self._account is None:
            path = "/account-info/v3/details"
            reply = self._repeated(
                lambda **kwargs: self.basic.api_client.call_api(
                    path, "GET", header_params={"Accept": "application/json"}, auth_settings=["oauth2"], **kwargs
                ),
                (),
                {},
                priority,
            )
            self._account = reply.data if isinstance(reply.data, dict) else {}
        return self._account

    def _check_account(self, priority: int = 5) -> None:
        if self._portal is None or self._account is not None:
            return
        found = self.account(priority).get("portalId")
        if found != self._portal:
            self._account = None
            raise AccessRefused(f"{self._tokens.reference} is of the HubSpot account {found}, not of {self._portal}")

    def _repeated(self, operation: Callable[..., Any], args: Any, kwargs: Any, priority: int = 5) -> Reply:
        began = self._clock()
        for pause in PAUSES:
            try:
                return self._once(operation, args, kwargs, priority, READ)
            except Failure as failure:
                if not failure.passing or self._clock() - began > PATIENCE:
                    raise
            except NoAnswer:
                if self._clock() - began > PATIENCE:
                    raise
            self._sleep(pause)
        return self._once(operation, args, kwargs, priority, READ)

    def _once(self, operation: Callable[..., Any], args: Any, kwargs: Any, priority: int, seconds: float) -> Reply:
        """One call; another where the access token had ended, which HubSpot says before it does anything."""
        token = self._carry(priority)
        try:
            return self._sent(operation, args, kwargs, priority, seconds)
        except Unauthorised:
            if not self._tokens.ended(token):
                raise
        self._carry(priority)
        return self._sent(operation, args, kwargs, priority, seconds)

    def _carry(self, priority: int) -> str:
        token = self._tokens.current(priority)
        for configuration in self._made_with:
            configuration.access_token = token
        return token

    def _fetch(self, form: Mapping[str, str], priority: int) -> tuple[int, Mapping[str, Any]]:
        try:
            reply = self._sent(self.oauth.create, (), dict(form), priority, READ)
        except (Failure, Unauthorised) as exc:
            return getattr(exc, "status", 401), {}
        except NoAnswer as exc:
            raise TryLater(SOON, str(exc)) from None
        return reply.status, reply.data if isinstance(reply.data, dict) else {}

    def _sent(self, operation: Callable[..., Any], args: Any, kwargs: Any, priority: int, seconds: float) -> Reply:
        if self._budget is not None:
            self._budget.spend(1, priority)
        try:
            response = operation(*args, **kwargs, _preload_content=False, _request_timeout=(CONNECT, seconds))
            status, headers, body = response.status, response.headers, response.data
        except (ConnectTimeoutError, NewConnectionError):
            raise NoAnswer(sent=False) from None
        except HTTPError:
            raise NoAnswer(sent=True) from None
        except UnicodeDecodeError as exc:  # the library decodes error pages as UTF-8, whatever they are in
            refused = exc.__context__
            raise self._refusal(getattr(refused, "status", 0), getattr(refused, "headers", None), b"") from None
        except AttributeError:  # the library dies on the body of a TLS failure, which has none
            raise NoAnswer(sent=False) from None
        except Exception as exc:
            # Each package of the library has an ApiException of its own; its text would quote headers and body.
            if not hasattr(exc, "status") or not hasattr(exc, "body"):
                raise
            raise self._refusal(exc.status or 0, getattr(exc, "headers", None), exc.body or "") from None
        self._tell(headers)
        at = _moment(headers.get("Date"))
        if not body:
            return Reply(status, None, at)
        try:
            return Reply(status, orjson.loads(body), at)
        except orjson.JSONDecodeError:
            raise NoAnswer(sent=True) from None  # a page of a proxy: nobody knows what HubSpot did

    # -- what was refused ---------------------------------------------------------------------------------------------

    def _refusal(self, status: int, headers: Any, body: str | bytes) -> GatewayError:
        headers = headers or {}
        try:
            data = orjson.loads(body)
        except orjson.JSONDecodeError:
            data = {}
        data = data if isinstance(data, dict) else {}
        self._tell(headers)
        if status == 0:
            return NoAnswer(sent=False)
        if status == 429:
            return self._limit(headers, data)
        if status == MIGRATING:
            return TryLater(_seconds(headers, 3600), "HubSpot moves this account to another data centre")
        if status == 401:
            return Unauthorised(f"HubSpot refused {self._tokens.reference}")
        if status == 403:
            return MissingScopes(self._tokens.reference, _scopes(data))
        return Failure(status, data)

    def _limit(self, headers: Any, data: Mapping[str, Any]) -> TryLater:
        policy = str(data.get("policyName") or "")
        if policy == "DAILY":
            return TryLater(_seconds(headers, self._until_midnight(headers)), "HubSpot's calls of the day are used up")
        wait = 1 if policy == "SECONDLY" else 10
        return TryLater(_seconds(headers, wait), "HubSpot says there were too many calls in a moment")

    def _until_midnight(self, headers: Any) -> float:
        """The day ends in the portal's zone; where that was never asked for, an hour is waited at a time."""
        at, zone = _moment(headers.get("Date")), (self._account or {}).get("timeZone")
        if at is None or not isinstance(zone, str):
            return 3600.0
        try:
            here = at.astimezone(ZoneInfo(zone))
        except (KeyError, ValueError, OSError):
            return 3600.0
        midnight = (here + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
        return max(60.0, (midnight.astimezone(UTC) - at).total_seconds())

    def _tell(self, headers: Any) -> None:
        """The day's calls of all apps, as HubSpot counts them; not with every answer, for each is a write for us."""
        if self._budget is None or self._clock() < self._next_told:
            return
        try:
            limit, left = int(headers["X-HubSpot-RateLimit-Daily"]), int(headers["X-HubSpot-RateLimit-Daily-Remaining"])
        except (KeyError, ValueError, TypeError):
            return
        self._next_told = self._clock() + TELL
        self._budget.told(max(0, limit - left), DAY)

    def _made(self, package: Any, name: str, config: dict[str, Any]) -> Any:
        from hubspot.discovery.discovery_base import DiscoveryBase

        api = DiscoveryBase._default_api_factory(package, name, config)
        api.api_client.configuration.access_token = self._tokens.held
        self._made_with.append(api.api_client.configuration)
        pool = api.api_client.rest_client.pool_manager
        pool.request = _in_time(pool.request)
        api.api_client.user_agent = f"lead-gateway/{version('lead-gateway')}"
        if self._dated:
            given = api.api_client.call_api
            api.api_client.call_api = lambda path, *args, **kwargs: given(dated(path), *args, **kwargs)
        return api


def _in_time(request: Callable[..., HTTPResponse]) -> Callable[..., HTTPResponse]:
    """The same calls, whose answers are read within the time of a call: else one that drips would never end."""

    def asked(*args: Any, timeout: Timeout, **kwargs: Any) -> HTTPResponse:
        until = time.monotonic() + float(timeout.read_timeout or WRITE)
        answer = request(*args, timeout=timeout, **{**kwargs, "preload_content": False})
        try:
            body = body_within(answer.read1, until - time.monotonic())
        except TimeoutError as exc:
            answer.close()
            raise HTTPError(str(exc)) from None
        return HTTPResponse(BytesIO(body), answer.headers, answer.status, preload_content=False, decode_content=False)

    return asked


def dated(path: str) -> str:
    """A v3 or v4 path in the dated API; one that has no counterpart there stays as it is."""
    for pattern, new in _MOVED:
        moved, found = pattern.subn(new, path)
        if found:
            return moved
    return path


def _with_results(reply: Reply, key: str = "results") -> Reply:
    if not isinstance(reply.data, dict) or not isinstance(reply.data.get(key), list):
        raise NoAnswer(sent=True)
    return reply


def _moment(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, TypeError):
        return None


def _seconds(headers: Any, default: float) -> float:
    try:
        return min(86_400.0, max(1.0, float(headers["Retry-After"])))
    except (KeyError, ValueError, TypeError):
        return default


def _scopes(data: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for error in data.get("errors") or ():
        context = error.get("context") if isinstance(error, dict) else None
        for scopes in context.values() if isinstance(context, dict) else ():
            found += [scope for scope in scopes if isinstance(scope, str)] if isinstance(scopes, list) else []
    return sorted({scope for scope in found if re.fullmatch(r"[\w.-]{1,80}", scope)})
