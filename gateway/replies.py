"""A system's answer, read within a time: for the clients of plugins, whose libraries' timeouts begin anew at each byte.

Before: a library has the answer's head. After: its body as bytes, or ``TimeoutError``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MOST = 64 * 1024 * 1024
PART = 64 * 1024


def body_within(
    read1: Callable[[int], bytes], seconds: float, clock: Callable[[], float] = time.monotonic, most: int = MOST
) -> bytes:
    """All that ``read1`` gives, called with a size until it gives nothing.

    Raises ``TimeoutError`` when that takes longer, or is more than ``most`` bytes: nobody knows the rest of it.
    """
    parts: list[bytes] = []
    size, until = 0, clock() + seconds
    while part := read1(PART):
        parts.append(part)
        size += len(part)
        if size > most or clock() > until:
            raise TimeoutError(f"{size} bytes in {seconds:g} s, and no end")
    return b"".join(parts)
