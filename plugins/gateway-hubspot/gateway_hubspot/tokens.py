"""The bearer of an account: a token as it is, or with ``flow: oauth`` access tokens that live for half an hour.

They are fetched ahead of their end, one at a time, however many threads need one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from gateway.contracts import Secret
from gateway.errors import AccessRefused, TryLater

AHEAD = 120.0
"""Seconds before its end after which a token is not used any more: a call may take some of them."""
SOON = 30.0


class Tokens:
    """``fetch(form, priority)`` posts a form to the token endpoint and gives its JSON: (status, data)."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        fetch: Callable[[Mapping[str, str], int], tuple[int, Mapping[str, Any]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._refresh: str = settings["refresh_token"].reveal() if settings["flow"] == "oauth" else ""
        self._given: list[str] = [] if self._refresh else [name for name in ("token", "next_token") if name in settings]
        self._access: str = "" if self._refresh else settings["token"].reveal()
        self._until = 0.0 if self._refresh else float("inf")

    @property
    def reference(self) -> str:
        """The secret we prove ourselves with, as the settings name it."""
        secret: Secret = self._settings["refresh_token" if self._refresh else self._given[0]]
        return secret.reference

    @property
    def held(self) -> str:
        """The token of the last call; "" before the first."""
        return self._access

    def current(self, priority: int = 5) -> str:
        """Raises ``AccessRefused`` and ``TryLater``."""
        with self._lock:
            if self._clock() >= self._until:
                self._renew(priority)
            return self._access

    def ended(self, access: str) -> bool:
        """HubSpot refused this one. Whether another may be had: once for each; of tokens as they are, the next one."""
        with self._lock:
            if access != self._access:
                return True
            if self._refresh:
                self._until = 0.0
            elif len(self._given) > 1:
                del self._given[0]
                self._access = self._settings[self._given[0]].reveal()
            else:
                return False
            return True

    def _renew(self, priority: int) -> None:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._settings["client_id"],
            "client_secret": self._settings["client_secret"].reveal(),
            "refresh_token": self._refresh,
        }
        status, data = self._fetch(form, priority)
        if status in (400, 401, 403) and "next_client_secret" in self._settings:
            status, data = self._fetch(
                form | {"client_secret": self._settings["next_client_secret"].reveal()}, priority
            )
        access, lives, refresh = (data.get(name) for name in ("access_token", "expires_in", "refresh_token"))
        if status in (400, 401, 403):
            secret: Secret = self._settings["client_secret"]
            raise AccessRefused(f"HubSpot refused {self.reference} or {secret.reference} (HTTP {status})")
        if status != 200 or not isinstance(access, str) or not access:
            raise TryLater(SOON, f"HubSpot gives no token now (HTTP {status})")
        self._access = access
        self._secret = Secret(access, "the access token")  # so that nobody repeats it
        self._until = self._clock() + max(0.0, float(lives if isinstance(lives, int | float) else 0) - AHEAD)
        if isinstance(refresh, str) and refresh:
            self._refresh = refresh
