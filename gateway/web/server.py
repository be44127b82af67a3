"""The web process: granian around the application.

granian runs one process that only watches and one worker that serves: senders in one loop, pages on threads. Killing
the watcher, even with SIGKILL, ends the worker; SIGTERM stops listening, lets running calls end, and then both exit.
"""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from gateway.web.front import Front

if TYPE_CHECKING:
    from flask import Flask
    from granian.rsgi import Scope

    from gateway.web.calls import HTTPProtocol

    Served = Callable[[Scope, HTTPProtocol], Awaitable[None]]

CONNECTIONS = 4096
"""Open at once, idle ones included; those beyond wait in the system's own queue."""
DRAIN = 25
"""Seconds that running calls have to end after SIGTERM; the supervisor kills after 30."""


def serve(factory: Callable[[], Flask], host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT. ``factory`` runs in the worker process; it must be picklable.

    Says on stderr where, once calls are answered. Exits with 1 when the port is taken or the factory fails.
    """
    server = Granian(
        "gateway",
        address=host,
        port=port,
        interface=Interfaces.RSGI,
        workers=1,
        backlog=1024,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,  # plain HTTP behind a proxy that ends TLS
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=64 * 1024),
        websockets=False,
        workers_kill_timeout=DRAIN,
        log_level=LogLevels.error,
    )
    server.serve(target_loader=partial(_load, factory, os.getpid(), host, port), wrap_loader=False)


def _load(factory: Callable[[], Flask], watcher: int, host: str, port: int) -> Served:
    """In the worker: never outlive the watcher, then build the application."""
    with contextlib.suppress(OSError, AttributeError):  # Linux only; elsewhere the supervisor kills the group
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
    if os.getppid() != watcher:
        sys.exit(1)
    with contextlib.suppress(ImportError, ValueError, OSError):  # each connection is an open file
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CONNECTIONS)), hard))
    front = factory().wsgi_app
    assert isinstance(front, Front)
    threading.Thread(target=_tell, args=[host, port], name="answers", daemon=True).start()
    return front.serve


def _tell(host: str, port: int) -> None:
    """Where we listen, as soon as a call of our own is answered: the port is open before anybody serves it."""
    while not _answers(host, port):
        time.sleep(0.05)
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    print(f"listening on http://{at}/ (senders call /hooks/SYSTEM); Ctrl-C ends it", file=sys.stderr, flush=True)


def _answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5.0)
    try:
        connection.request("GET", "/health/live")
        return bool(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
