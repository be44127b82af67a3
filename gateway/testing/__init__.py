"""Contract suites for plugin authors: subclass one in your tests, say how to build your part, and every check runs.

    from gateway.testing import ScorerContract

    class TestMyScorer(ScorerContract):
        def build(self):
            return MyScorer(MODEL)

``SourceContract``, ``SinkContract`` and ``ConnectionContract`` are tried against a fake of the system that you bring:
a ``FakeApi`` with your routes, or a ``FakeSystem`` of your own. Needs pytest. What a check promises is its docstring;
the gateway relies on each of them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.testing.api import FakeApi, Reply, Request
    from gateway.testing.connection import ConnectionContract
    from gateway.testing.context import CountedBudget, RecordedLog
    from gateway.testing.scorer import ScorerContract
    from gateway.testing.sink import SinkContract
    from gateway.testing.source import SourceContract
    from gateway.testing.system import FAULTS, FakeSystem, Fault
    from gateway.testing.transform import TransformContract

__all__ = [
    "FAULTS",
    "ConnectionContract",
    "CountedBudget",
    "FakeApi",
    "FakeSystem",
    "Fault",
    "RecordedLog",
    "Reply",
    "Request",
    "ScorerContract",
    "SinkContract",
    "SourceContract",
    "TransformContract",
]
_ROOMS = {
    "api": ("FakeApi", "Reply", "Request"),
    "connection": ("ConnectionContract",),
    "context": ("CountedBudget", "RecordedLog"),
    "scorer": ("ScorerContract",),
    "sink": ("SinkContract",),
    "source": ("SourceContract",),
    "system": ("FAULTS", "FakeSystem", "Fault"),
    "transform": ("TransformContract",),
}


def __getattr__(name: str) -> Any:
    """Each when it is asked for: pytest loads this package at every start, also where nobody needs it."""
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(importlib.import_module(f"gateway.testing.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
