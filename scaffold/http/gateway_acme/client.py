"""Calls to Acme.

Each is paid for first, has a deadline, and ends in an answer or in an error that says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from gateway.contracts import Context, Secret
from gateway.errors import AccessRefused, GatewayError, TryLater
from requests.auth import AuthBase

DEADLINE = (3.0, 6.0)
"""Seconds to connect, and to wait for an answer: well within what the gateway gives a plugin."""
WAIT = 60.0
"""Seconds to wait after "too many calls" without a word on how long."""
ROOM = 100
"""Records of one call, in both directions."""


class Busy(GatewayError):
    """Acme has trouble of its own; the same call later."""


class Unanswered(GatewayError):
    """No answer, or none that can be read: it may have had its effect."""


class Unacceptable(GatewayError):
    """The call itself is refused, and the same one later would be, too. ``status`` is its HTTP status."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"Acme refused the call with HTTP status {status}")


class _Bearer(AuthBase):
    """As ``auth`` of the session, so that no .netrc of the machine takes its place."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request


class Client:
    """One session with Acme; source and sink of a system have one each, and share its budget."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._url = settings["base_url"].rstrip("/")
        self._token: Secret = settings["token"]
        self._context = context
        self._session = requests.Session()
        self._session.auth = _Bearer(self._token)
        if context.budget is not None:
            context.budget.allow(settings["calls_per_minute"], timedelta(minutes=1))

    def call(self, method: str, path: str, priority: int = 5, **more: Any) -> Mapping[str, Any]:
        """The decoded answer, a JSON object. ``more``: what ``requests`` takes, such as ``params`` and ``json``.

        Raises ``TryLater`` when our budget or their limit is used up, ``AccessRefused`` when the token is not good,
        ``Busy``, ``Unanswered`` and ``Unacceptable``.
        """
        if self._context.budget is not None:
            self._context.budget.spend(priority=priority)
        try:
            reply = self._session.request(method, f"{self._url}{path}", timeout=DEADLINE, allow_redirects=False, **more)
        except requests.RequestException as exc:  # its text has the address in it, and so perhaps values
            raise Unanswered(f"no answer from Acme: {type(exc).__name__}") from None
        if reply.status_code == 429:
            raise TryLater(_seconds(reply.headers.get("Retry-After", ""), self._context.now()), "too many calls")
        if reply.status_code in (401, 403):
            raise AccessRefused(f"Acme refused the token {self._token.reference}")
        if reply.status_code >= 500:
            raise Busy(f"Acme answered with HTTP status {reply.status_code}")
        if reply.status_code >= 300:
            raise Unacceptable(reply.status_code)
        try:
            answer = reply.json()
        except ValueError:
            raise Unanswered("the answer of Acme is not readable as JSON") from None
        if not isinstance(answer, dict):
            raise Unanswered("the answer of Acme is no JSON object")
        return answer


def _seconds(told: str, now: datetime) -> float:
    """``Retry-After``: seconds, or a moment."""
    if told.strip().isdigit():
        return float(told)
    try:
        return max(1.0, (parsedate_to_datetime(told) - now).total_seconds())
    except (TypeError, ValueError):
        return WAIT
