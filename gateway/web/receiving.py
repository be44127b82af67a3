"""Bodies on their way to our server's loop: none is waited for too long, and no more held than there is memory for."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from gateway.errors import StorageBusy
from gateway.web.calls import HTTPProtocol

LONGEST = 20.0
"""Seconds that a body may take to come."""
SHORTEST = 3.0
"""The same while ``CROWD`` of them and more are on their way."""
CROWD = 512
LOOK = 1.0
"""Seconds between two looks for late ones: a timer for each would cost more than its call."""
SMALL = 64 * 1024
"""Bytes of a body that is not counted: there is room for one of each connection."""
ROOM = 256 * 1024 * 1024
"""Bytes of larger ones that are held at a time, from the first of them until the call is answered."""


class Receiving:
    """The bodies of one loop."""

    def __init__(self) -> None:
        self._since: dict[asyncio.Task[Any], float] = {}  # who waits for a body, since when
        self._looking = False
        self._held = 0

    async def whole(self, protocol: HTTPProtocol, length: int | None, most: int) -> bytes:
        """All of it, or a little more than ``most`` bytes of a longer one; held until it is let go.

        :param length: as the call says; None: it ends where it ends. Raises ``TimeoutError`` when it does not come in
            time, ``StorageBusy`` when too much comes at once, and ``Gone``.
        """
        task = asyncio.current_task()
        assert task is not None
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(LOOK, self._look)
        self._since[task] = time.monotonic()
        try:
            return await (protocol() if length is not None and length <= SMALL else self._large(protocol, most))
        except asyncio.CancelledError:
            if task in self._since:  # not by us
                raise
            task.uncancel()
            raise TimeoutError from None
        finally:
            self._since.pop(task, None)

    def let_go(self, body: bytes) -> None:
        """Its call is answered."""
        if len(body) > SMALL:
            self._held -= len(body)

    async def _large(self, protocol: HTTPProtocol, most: int) -> bytes:
        body = bytearray()
        try:
            async for part in protocol:
                body += part
                self._held += len(part)
                if self._held > ROOM:
                    raise StorageBusy("too much comes at once")
                if len(body) > most:
                    break
        except BaseException:
            self._held -= len(body)
            raise
        if len(body) <= SMALL:
            self._held -= len(body)
        return bytes(body)

    def _look(self) -> None:
        now, longest = time.monotonic(), LONGEST if len(self._since) < CROWD else SHORTEST
        for task in [task for task, since in self._since.items() if now - since > longest]:
            del self._since[task]
            task.cancel()
        self._looking = bool(self._since)
        if self._looking:
            asyncio.get_running_loop().call_later(LOOK, self._look)
