"""How many calls an app may make, and what HubSpot says when it makes more.

Windows are counted in real time whatever the sandbox's clock does: a client paces itself by its own watch.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway_sandbox.hubspot import errors
from gateway_sandbox.sandbox import Refusal, Reply


@dataclass(slots=True)
class Limits:
    """``None`` switches a limit off. ``burst`` calls in 10 s, ``daily`` calls, ``search`` searches in a second."""

    burst: int | None = 100
    daily: int | None = 250_000
    search: int | None = 5
    used_today: int = 0
    """Also moved by other apps of the account: set it to be nearly out of calls."""


OFF = Limits(None, None, None)

_POLICY = {"burst": ("TEN_SECONDLY_ROLLING", "ten_secondly_rolling"), "second": ("SECONDLY", "secondly")}


def body(kind: str) -> dict[str, object]:
    policy, words = _POLICY.get(kind, ("DAILY", "daily"))
    told = errors.body(f"You have reached your {words} limit.")
    return told | {"errorType": "RATE_LIMIT", "policyName": policy, "requestId": f"r-{kind}"}


class Meter:
    def __init__(self, limits: Limits, real: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.real = real
        self._calls: collections.deque[float] = collections.deque()
        self._searches: collections.deque[float] = collections.deque()

    def count(self, search: bool) -> None:
        """Count one call. Refuses it when a window is full."""
        at, limits = self.real(), self.limits
        _forget(self._calls, at - 10)
        _forget(self._searches, at - 1)
        if limits.daily is not None and limits.used_today >= limits.daily:
            raise Refusal(429, body("daily"))
        if limits.burst is not None and len(self._calls) >= limits.burst:
            raise Refusal(429, body("burst"))
        if search and limits.search is not None and len(self._searches) >= limits.search:
            raise Refusal(429, body("second"))
        limits.used_today += 1
        self._calls.append(at)
        if search:
            self._searches.append(at)

    def headers(self, reply: Reply, search: bool) -> None:
        """What is left, on every answer but those of searches."""
        if search or self.limits.burst is None:
            return
        reply.headers |= {
            "X-HubSpot-RateLimit-Max": str(self.limits.burst),
            "X-HubSpot-RateLimit-Remaining": str(max(0, self.limits.burst - len(self._calls))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
        }
        if self.limits.daily is not None:
            reply.headers |= {
                "X-HubSpot-RateLimit-Daily": str(self.limits.daily),
                "X-HubSpot-RateLimit-Daily-Remaining": str(max(0, self.limits.daily - self.limits.used_today)),
            }


def _forget(window: collections.deque[float], before: float) -> None:
    while window and window[0] <= before:
        window.popleft()
