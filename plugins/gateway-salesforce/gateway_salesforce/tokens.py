"""Access tokens: one login at a time, however many threads find the old token ended.

simple-salesforce could log in by itself, but repeats a call without its headers, without end, and once per thread.
Nothing here ever logs out: that would end the sessions of everybody else who works as the same user.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests

from gateway.contracts import Secret
from gateway.errors import AccessRefused, TryLater
from gateway_salesforce.codes import SOON, fault_of

LIFETIME = 180
"""Seconds a JWT is good for: it is used at once."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Token:
    """``instance`` is where calls go: scheme and host as Salesforce said, never as configured."""

    value: str = field(repr=False)
    instance: str
    org: str


class Tokens:
    """Holds the token of one connected app. ``spend`` is called before each login: logins count as calls, too."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        session: requests.Session,
        spend: Callable[[int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._session = session
        self._spend = spend
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None

    def current(self, priority: int = 5) -> Token:
        with self._lock:
            if self._token is None:
                self._token = self._log_in(priority)
            return self._token

    def renew(self, ended: Token, priority: int = 5) -> Token:
        """Another token than ``ended``. Who comes second gets what the first one fetched."""
        with self._lock:
            if self._token is None or self._token is ended:
                self._token = None
                self._token = self._log_in(priority)
            return self._token

    @property
    def reference(self) -> str:
        """The secret we prove ourselves with, as the settings name it."""
        secret: Secret = self._settings["private_key" if self._settings["flow"] == "jwt" else "consumer_secret"]
        return secret.reference

    def _log_in(self, priority: int) -> Token:
        url = f"{self._settings['login_url'].rstrip('/')}/services/oauth2/token"
        self._spend(priority)
        answer = self._session.post(url, allow_redirects=False, **self._proof())
        other = "next_consumer_secret" in self._settings and self._settings["flow"] != "jwt"
        if other and answer.status_code in (400, 401, 403):
            self._spend(priority)
            answer = self._session.post(url, allow_redirects=False, **self._proof("next_consumer_secret"))
        try:
            data = answer.json()
        except ValueError:
            data = None
        if answer.status_code >= 500 or answer.status_code in (420, 429):
            raise TryLater(SOON, f"Salesforce gives no token now (HTTP {answer.status_code})")
        if not isinstance(data, Mapping):
            raise AccessRefused(f"login_url: there is no token endpoint there (HTTP {answer.status_code})")
        if answer.status_code != 200:
            fault = fault_of(data, answer.status_code)
            if "rate exceeded" in fault.message.lower():
                raise TryLater(SOON, "Salesforce gives no token now: too many logins")
            raise AccessRefused(f"Salesforce refused {self.reference} ({fault.code or f'HTTP {answer.status_code}'})")
        return self._checked(data)

    def _proof(self, which: str = "consumer_secret") -> dict[str, Any]:
        key: str = self._settings["consumer_key"].reveal()
        if self._settings["flow"] != "jwt":
            secret: str = self._settings[which].reveal()
            return {"data": {"grant_type": "client_credentials"}, "auth": (key, secret)}
        claims = {
            "iss": key,
            "sub": self._settings["username"],
            "aud": self._settings.get("audience") or _audience(self._settings["login_url"]),
            "exp": int(self._clock()) + LIFETIME,
        }
        try:
            assertion = jwt.encode(claims, self._settings["private_key"].reveal(), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError):
            raise AccessRefused(f"{self.reference}: is no RSA private key in PEM form") from None
        return {"data": {"grant_type": _GRANT, "assertion": assertion}}

    def _checked(self, data: Mapping[str, Any]) -> Token:
        value, url, identity = (data.get(name) for name in ("access_token", "instance_url", "id"))
        if not (isinstance(value, str) and value and isinstance(url, str)):
            raise TryLater(SOON, "Salesforce's token answer holds no token")
        parts = urlsplit(url)
        wanted = urlsplit(self._settings["login_url"]).scheme
        if parts.scheme not in ("https", wanted) or not parts.netloc:
            raise AccessRefused("Salesforce named an instance that is not reached by https")
        org = identity.rstrip("/").split("/")[-2] if isinstance(identity, str) and identity.count("/") > 1 else ""
        pinned: str | None = self._settings.get("org_id")
        if pinned is not None and org[:15] != pinned[:15]:  # a sandbox's ids differ from production's
            raise AccessRefused(
                f"org_id: {self.reference} belongs to another org ({org or 'unnamed'}), not to {pinned}"
            )
        self._secret = Secret(value, "the access token")  # so that nobody repeats it
        return Token(value, f"{parts.scheme}://{parts.netloc}", org)


def _audience(url: str) -> str:
    host = urlsplit(url).hostname or ""
    sandbox = "--" in host or ".sandbox." in host or host.startswith("test.")
    return f"https://{'test' if sandbox else 'login'}.salesforce.com"
