"""What a part is given in a test: a budget that counts, a log that remembers, a clock that is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gateway.errors import TryLater

REFUSED_FOR = 3600.0
"""Seconds after which a budget with nothing left is asked again."""


@dataclass
class CountedBudget:
    """A ``Budget`` that counts what is spent; with ``left`` it gives no more than so many calls."""

    left: int | None = None
    spent: int = 0
    limits: list[tuple[int, timedelta]] = field(default_factory=list)
    heard: list[tuple[int, timedelta]] = field(default_factory=list)
    priorities: list[int] = field(default_factory=list)

    def allow(self, calls: int, window: timedelta) -> None:
        if calls < 1 or window <= timedelta(0):
            raise ValueError("a limit is at least one call within some time")
        self.limits.append((calls, window))

    def spend(self, calls: int = 1, priority: int = 5) -> None:
        if self.left is not None and self.spent + calls > self.left:
            raise TryLater(REFUSED_FOR, "the calls that the system allows are used up")
        self.spent += calls
        self.priorities.append(priority)

    def told(self, used: int, window: timedelta) -> None:
        self.heard.append((used, window))


@dataclass
class RecordedLog:
    """Takes what a logger takes, and remembers it: ``lines`` are (level, message, values)."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, level: str) -> Any:
        if level not in ("debug", "info", "warning", "error", "critical", "exception"):
            raise AttributeError(level)

        def log(message: str = "", *arguments: Any, **values: Any) -> None:
            self.lines.append((level, message, values | ({"arguments": arguments} if arguments else {})))

        return log

    def bind(self, **values: Any) -> RecordedLog:
        return self
