"""The clock and the ids of rows. Conversions of times are in ``gateway.times``."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

from gateway.times import EPOCH, from_micros, to_micros

__all__ = ["EPOCH", "from_micros", "new_id", "to_micros", "utc_now"]


def utc_now() -> datetime:
    """Real time. Business code is given ``now`` as a parameter; only the outermost callers use this."""
    return datetime.now(UTC)


_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 (RFC 9562) as 32 hex digits; ids of one process never go backwards."""
    global _last
    with _lock:
        # 48 bits of milliseconds and 12 of their fraction, so that ids made in one millisecond keep their order.
        stamp = int(utc_now().timestamp() * 4_096_000)
        _last = stamp = max(stamp, _last + 1)
    head = (stamp >> 12 << 16) | 0x7000 | (stamp & 0xFFF)
    tail = (0b10 << 62) | (int.from_bytes(os.urandom(8)) >> 2)
    return f"{head << 64 | tail:032x}"
