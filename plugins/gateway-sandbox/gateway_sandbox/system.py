"""A sandbox as the other side of the gateway's contract suites. Needs the gateway; nothing else here does."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from gateway.testing import FakeSystem, Fault

from gateway_sandbox.sandbox import Sandbox
from gateway_sandbox.serving import serve

NOT_TOKENS = r"^(?!POST /(?:oauth|services/oauth2)/)"
_NO_NAMES: Mapping[str, str] = {}


class SandboxSystem(FakeSystem):
    """A sandbox behind a socket. ``names``: an object as a sink names it → as the sandbox does."""

    def __init__(self, app: Sandbox, names: Mapping[str, str] = _NO_NAMES) -> None:
        self.app, self._names = app, names
        self._ends = contextlib.ExitStack()
        self.url = self._ends.enter_context(serve(app)).url

    @property
    def calls(self) -> int:
        return len(self.app.calls)

    def fail(self, fault: Fault, *, seconds: float = 0, after: int = 0) -> None:
        actions: Mapping[str, Mapping[str, Any]] = {
            "limit": {"limit": "burst", "retry_after": seconds},
            "busy": {"status": 503},
            "auth": {"auth": True},
            "cut before": {"drop": "before"},
            "cut after": {"drop": "after"},
            "garbage": {"garbage": True},
            "hang": {"slow": 1.0, "after": True},
        }
        self.app.faults.add(NOT_TOKENS, action=actions[fault], skip=after)

    def calm(self) -> None:
        self.app.faults.clear()

    def records(self, object: str) -> Mapping[str, Mapping[str, Any]]:
        with self.app.lock:
            return {one.id: dict(one.values) for one in self.app.records.alive(self._names.get(object, object))}

    def close(self) -> None:
        self._ends.close()
