"""One Salesforce org as the source and the sink call it: budget first, a token, the call, and what its errors mean.

Out of ``call`` comes plain data or one of four errors, by what the caller does next: ``TryLater`` (a limit),
``AccessRefused`` (a person must act), ``RefusedCall`` (the request was answered with errors) and ``NoAnswer``.
"""

from __future__ import annotations

import importlib.metadata
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote

import orjson
import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from gateway.contracts import Context
from gateway.errors import AccessRefused, GatewayError, TryLater
from gateway.replies import body_within
from gateway_salesforce.codes import Fault, faults_of
from gateway_salesforce.tokens import Token, Tokens

TIMEOUT = (3.05, 26.0)
"""Seconds to connect, and until the answer is there: together less than the 30 after which a worker is killed."""
LEAST = 1.0
"""Seconds that must be left for a call to begin."""
DAY = timedelta(days=1)
LONGEST_LIST = 11_000
"""Characters, as sent, of the values in one question: queries go by GET, whose address may have about 16,000."""
_USAGE = re.compile(r"(?:^|[\s;])api-usage=(\d+)/(\d+)")


class RefusedCall(GatewayError):
    """The request as a whole was answered with errors; nothing of it was done."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.told for fault in faults))

    @property
    def fault(self) -> Fault:
        return self.faults[0]


class NoAnswer(GatewayError):
    """Nothing came back that could be understood. ``sent``: the request may have been carried out."""

    def __init__(self, reason: str, sent: bool) -> None:
        self.sent = sent
        super().__init__(reason)


class Org:
    """Calls of one system. ``settings`` as ``SettingsSchema`` loads them; safe to be used by several threads."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._settings = settings
        self._budget = context.budget
        self._per_day: int = settings["limits"]["per_day"]
        self._told = 0
        self._limit = threading.local()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"lead-gateway/{importlib.metadata.version('lead-gateway')}"
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Patient(self._hurry))
        self._session.hooks["response"].append(self._listen)
        self.tokens = Tokens(settings, self._session, lambda priority: self._spend(priority))
        if self._budget is not None:
            self._budget.allow(self._per_day, DAY)
            if per_20s := settings["limits"].get("per_20s"):
                self._budget.allow(per_20s, timedelta(seconds=20))

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """No call of this thread waits beyond these seconds, and none begins when they are nearly over.

        Whoever asks us does not wait for ever either; a worker that is killed leaves more open than a late answer.
        """
        self._limit.until = time.monotonic() + seconds
        try:
            yield
        finally:
            self._limit.until = None

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        priority: int = 5,
    ) -> Any:
        """One call, ``path`` below ``/services/data/vXX.X/``. The same call once more, headers and all, when the
        session ended. An empty answer is None."""
        token = self._log_in(None, priority)
        for last in (False, True):
            self._spend(priority)
            try:
                return self._once(token, method, path, body, params, headers)
            except RefusedCall as refused:
                meaning = refused.fault.meaning
                if meaning == "limit":
                    raise TryLater(refused.fault.wait, f"Salesforce: {refused.fault.told}") from None
                if meaning == "auth" or (meaning == "session" and last):
                    raise AccessRefused(
                        f"Salesforce refused a session made with {self.tokens.reference} ({refused.fault.told})"
                    ) from None
                if meaning != "session":
                    raise
            token = self._log_in(token, priority)
        raise AssertionError("unreachable")

    def query(self, soql: str, *, deleted: bool = False, priority: int = 5) -> tuple[list[dict[str, Any]], bool]:
        """The first records of an answer, and whether they are all. ``deleted``: those in the recycle bin, too."""
        answer = self.call("GET", "queryAll/" if deleted else "query/", params={"q": soql}, priority=priority)
        rows = answer.get("records") if isinstance(answer, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) and type(row.get("Id")) is str for row in rows):
            raise NoAnswer("an answer without records", sent=True)
        return rows, bool(answer.get("done", True))

    def query_in(
        self,
        select: str,
        field: str,
        values: Iterable[str],
        *,
        where: str = "",
        deleted: bool = False,
        priority: int = 5,
    ) -> Iterator[dict[str, Any]]:
        """``select … WHERE field IN (values)``, in as many calls as the address of one allows."""
        for part in parts(values):
            condition = f"{field} IN ({','.join(map(quoted, part))}){where}"
            rows, all_ = self.query(f"{select} WHERE {condition}", deleted=deleted, priority=priority)
            yield from rows
            if not all_:  # more records than values: one value leads to many
                raise NoAnswer("more records than one answer holds", sent=True)

    # -- one request --------------------------------------------------------------------------------------------------

    def _log_in(self, ended: Token | None, priority: int) -> Token:
        try:
            return self.tokens.current(priority) if ended is None else self.tokens.renew(ended, priority)
        except requests.RequestException as exc:
            raise NoAnswer(f"the token endpoint: {type(exc).__name__}", sent=False) from None

    def _once(
        self,
        token: Token,
        method: str,
        path: str,
        body: Any,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Any:
        # It takes as long to import as all else together, and most commands call nobody.
        from simple_salesforce.api import Salesforce
        from simple_salesforce.exceptions import SalesforceError

        salesforce: Any = Salesforce(
            session_id=token.value,
            instance_url=token.instance,
            version=self._settings["api_version"],
            session=self._session,
            object_pairs_hook=None,
        )
        # It knows https only; a sandbox on this machine has none.
        salesforce.base_url = f"{token.instance}/services/data/v{self._settings['api_version']}/"
        sent = {} if body is None else {"data": body if isinstance(body, bytes) else orjson.dumps(body)}
        try:
            return salesforce.restful(
                path, params=params, method=method, headers=dict(headers or {}), timeout=self._hurry(), **sent
            )
        except SalesforceError as exc:
            faults = faults_of(exc.content, int(exc.status))
        except (requests.RequestException, ValueError, TypeError) as exc:  # null or a number makes the library stumble
            raise NoAnswer(type(exc).__name__, sent=_sent(exc)) from None
        if not faults[0].code and faults[0].status >= 500:
            raise NoAnswer(f"HTTP {faults[0].status}", sent=True)
        raise RefusedCall(faults)

    def _hurry(self) -> tuple[float, float]:
        until: float | None = getattr(self._limit, "until", None)
        if until is None:
            return TIMEOUT
        left = until - time.monotonic()
        if left < LEAST:
            raise NoAnswer("Salesforce is slow", sent=False)
        return min(TIMEOUT[0], left), min(TIMEOUT[1], left)

    def _spend(self, priority: int) -> None:
        if self._budget is not None:
            self._budget.spend(1, priority)

    def _listen(self, answer: requests.Response, *args: Any, **kwargs: Any) -> None:
        """Others use the org's calls, too: our share is never more than what is left of them."""
        if self._budget is None or not (usage := _USAGE.search(answer.headers.get("Sforce-Limit-Info", ""))):
            return
        used, total = int(usage[1]), int(usage[2])
        gone = self._per_day - (total - used)
        if gone > 0 and abs(gone - self._told) >= self._per_day // 100:
            self._told = gone
            self._budget.told(gone, DAY)


def quoted(value: str) -> str:
    """A text as SOQL writes it, in quotes."""
    from simple_salesforce.format import quote_soql_value

    return str(quote_soql_value(value))


def parts(values: Iterable[str], most: int = 200) -> Iterator[list[str]]:
    """Values, each once, cut so that every part fits into the address of a question."""
    part: list[str] = []
    length = 0
    for value in dict.fromkeys(values):
        size = len(quote(quoted(value), safe="")) + 3
        if part and (length + size > LONGEST_LIST or len(part) == most):
            yield part
            part, length = [], 0
        part.append(value)
        length += size
    if part:
        yield part


def same_id(one: str, other: str) -> bool:
    """Ids have 15 or 18 characters; the last three only repeat which letters are capitals."""
    return one[:15] == other[:15]


class _Patient(HTTPAdapter):
    """Requests wait for ever unless they are told otherwise, and simple-salesforce tells only some of them. A login,
    too, is over in time; and so is an answer that drips."""

    def __init__(self, timeout: Callable[[], tuple[float, float]]) -> None:
        self._timeout = timeout
        super().__init__()

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout()
        until = time.monotonic() + kwargs["timeout"][1]
        answer = super().send(request, *args, **kwargs)
        try:
            body = body_within(answer.raw.read1, until - time.monotonic())
        except TimeoutError as exc:
            answer.close()
            raise requests.ReadTimeout(str(exc)) from None
        except HTTPError as exc:
            raise requests.ConnectionError(exc) from None
        answer.raw = HTTPResponse(BytesIO(body), preload_content=False, decode_content=False)
        return answer


def _sent(exc: Exception) -> bool:
    if isinstance(exc, requests.ConnectTimeout):
        return False
    reason = getattr(exc.args[0], "reason", None) if exc.args else None
    return not isinstance(reason, NewConnectionError | ConnectTimeoutError)
