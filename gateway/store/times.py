"""The clock and the ids of rows. Conversions of times are in ``gateway.times``."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

from gateway.times import EPOCH, from_micros, to_micros

__all__ = ["EPOCH", "from_micros", "made_at", "new_id", "new_ids", "to_micros", "utc_now"]


def utc_now() -> datetime:
    """Real time. Business code is given ``now`` as a parameter; only the outermost callers use this."""
    return datetime.now(UTC)


_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as 32 hex digits; ids of one process never go backwards."""
    return new_ids(1)[0]


def made_at(id_: str) -> int:
    """When an id of ours was made, of the real clock: microseconds, to the millisecond."""
    return int(id_[:12], 16) * 1000


def new_ids(count: int) -> list[str]:
    """``count`` of them, in order."""
    global _last
    with _lock:
        # 48 bits of milliseconds and 12 of their fraction, so that ids made in one millisecond keep their order.
        first = max(time.time_ns() * 512 // 125_000, _last + 1)
        _last = first + count - 1
    tails = iter(memoryview(os.urandom(8 * count)).cast("Q"))
    return [
        f"{stamp >> 12:012x}7{stamp & 0xFFF:03x}{1 << 63 | next(tails) >> 2:016x}"
        for stamp in range(first, first + count)
    ]
