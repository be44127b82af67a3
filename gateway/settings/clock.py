"""Business time: the real one, or one that runs faster from a moment on, for a demo or a rehearsal.

Only what happens to leads lives by it. Leases, budgets, timeouts and signatures go by real watches.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.times import EPOCH


@dataclass(frozen=True, slots=True)
class Clock:
    """From ``since`` on, ``speed`` seconds pass in a second."""

    since: datetime = EPOCH
    speed: float = 1.0

    def at(self, real: datetime) -> datetime:
        """The business time at a real one."""
        return real + max(real - self.since, timedelta(0)) * (self.speed - 1) if self.speed != 1 else real
