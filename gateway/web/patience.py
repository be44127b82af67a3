"""Ends connections of senders that are too slow, so that they cannot hold every thread of the server.

The server gives a call to one of its threads before its body is here, and waits for the body without an end: some
dozens of senders that send nothing would stop all others. A thread that waits cannot be woken, but its connection can
be shut from outside: the read then ends early and the call is answered 400.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time

LONGEST = 20.0
"""Seconds that a body may take while there is room."""
SHORTEST = 3.0
"""The same while half of the threads wait for slow senders."""
LOOK = 1.0

_TCP_INFO = struct.Struct("=8B10I")  # up to tcpi_last_ack_sent; tcpi_last_data_sent is the tenth number, in ms
waiting: dict[int, float] = {}
"""Thread → since when it waits for a body, in seconds of the monotonic clock. Intake writes it."""
cuts = 0
"""How often connections were shut: a body without a length that ended meanwhile may have been cut."""


def watch(port: int, threads: int) -> None:
    """Start the thread that looks after the connections to ``port`` of this process. Linux only; elsewhere nothing."""
    if hasattr(socket, "TCP_INFO") and os.path.isdir("/proc/self/fd"):
        threading.Thread(target=_watch, args=(port, threads), name="patience", daemon=True).start()


def _watch(port: int, threads: int) -> None:
    while True:
        time.sleep(LOOK)
        now = time.monotonic()
        waits = [now - since for since in list(waiting.values())]
        limit = SHORTEST if sum(wait > LOOK for wait in waits) >= threads / 2 else LONGEST
        if late := sum(wait > limit for wait in waits):
            with contextlib.suppress(OSError):
                shut_silent(port, limit, late)


def shut_silent(port: int, seconds: float, most: int) -> int:
    """Shut connections to ``port`` over which we have said nothing for so long: the most silent, ``most`` of them.

    The server itself ends idle ones, and no answer takes so long: those left have not sent all of their body, or wait
    behind those, which are older. An honest call cut by mistake has no answer and is sent again. Returns how many.
    """
    global cuts
    cuts += 1
    silent: list[tuple[float, socket.socket]] = []
    for name in os.listdir("/proc/self/fd"):
        try:
            own = socket.socket(fileno=os.dup(int(name)))
        except OSError:  # closed meanwhile, or no socket
            continue
        try:
            if own.getsockname()[1] == port and (since := _silent_for(own)) > seconds:
                silent.append((since, own))
                continue
        except (OSError, IndexError, TypeError):  # not connected, or not of the Internet
            pass
        own.close()
    silent.sort(key=lambda each: -each[0])
    for _, own in silent[:most]:
        with contextlib.suppress(OSError):
            own.shutdown(socket.SHUT_RD)
    for _, own in silent:
        own.close()
    return len(silent[:most])


def _silent_for(connection: socket.socket) -> float:
    connection.getpeername()  # raises for the listening socket
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    return float(_TCP_INFO.unpack(info)[17]) / 1000
