"""Commands that somebody starts at the desk: each in a process of its own, with a row that tells how far it is.

The web server takes webhooks; a plugin that hangs, or a system that answers slowly, must not keep it from that. What
the command prints, which holds no values of leads, is kept with the row. It ends when the web server does, between two
batches, and may be begun again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine

from gateway import jobs
from gateway.errors import Refused
from gateway.store import jobs as store
from gateway.store.database import write
from gateway.store.times import new_id, utc_now
from gateway.times import to_micros

PATIENCE = 60.0
"""Seconds after a stop was asked for until the command is interrupted, as by Ctrl-C."""
GRACE = 10.0
"""Seconds more until it is killed."""

log = structlog.get_logger(__name__)


def start(
    engine: Engine, root: Path, what: str, subject: str, by: str, arguments: Sequence[str], seconds: float | None = None
) -> str:
    """Start ``gateway ARGUMENTS`` for ``by``. Returns the id of its row. Raises ``Refused`` when it goes on already.

    :param seconds: how long it may take; None = as long as it says that it goes on.
    """
    if any((one.what, one.subject) == (what, subject) for one in jobs.rows(engine, running=True)):
        raise Refused(f"{what} {subject} is under way already".replace("  ", " "))
    id_ = new_id()
    with write(engine, lock=None) as connection:
        store.begin(connection, {"id": id_, "what": what, "subject": subject, "by": by}, to_micros(utc_now()))
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "-C", str(root), *arguments],
        env=os.environ | {jobs.GIVEN: f"{id_}:{os.getpid()}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C is for the server, which ends this in its own way
        text=True,
        errors="replace",
    )
    watching = threading.Thread(target=_watch, args=(engine, id_, process, seconds), name="errand", daemon=True)
    watching.start()
    return id_


def _watch(engine: Engine, id_: str, process: subprocess.Popen[str], seconds: float | None) -> None:
    """Until it ends: keep its row alive, and see that it does end."""
    begun, asked_at, words = time.monotonic(), None, ""
    while True:
        try:
            told, _ = process.communicate(timeout=jobs.EVERY)
            break
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if _noted(engine, id_) and asked_at is None:
            asked_at = now
        if seconds is not None and (asked_at is not None or now - begun > seconds):
            words = "" if asked_at is not None else f"it did not end within {seconds:g} s\n"
            process.kill()
        elif asked_at is not None and now - asked_at > PATIENCE:
            process.send_signal(signal.SIGINT) if now - asked_at < PATIENCE + GRACE else process.kill()
    over: dict[str, Any] = {"ended": "stopped" if asked_at is not None else "failed" if process.returncode else "done"}
    while not _ended(engine, id_, told + words, **over):
        time.sleep(jobs.EVERY)


def _noted(engine: Engine, id_: str) -> str:
    try:
        with write(engine, patience=jobs.EVERY, lock=None) as connection:
            return store.beat(connection, id_, to_micros(utc_now()))
    except Exception as exc:  # noqa: BLE001 - the store may be busy; the next beat may be written
        log.info("beat not written", error=type(exc).__name__)
        return ""


def _ended(engine: Engine, id_: str, told: str, ended: str) -> bool:
    try:
        with write(engine, lock=None) as connection:
            store.end(connection, id_, to_micros(utc_now()), ended)
            store.say(connection, id_, told.strip())
    except Exception as exc:  # noqa: BLE001 - it is tried again
        log.info("end not written", error=type(exc).__name__)
        return False
    return True
