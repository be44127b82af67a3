"""Work for a page in a process of its own, so that no webhook waits for it.

A command of the gateway's (``answer``): a plugin that hangs in it keeps nobody, and what it says of people is kept
nowhere. Or numbers (``worked``): their arithmetic would hold the lock that all threads of the web server share. Each is
a new process that ends with its answer, so that the memory it took is free again, and it gives way to the others.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import func, select

from gateway.errors import GatewayError, NotFound, Refused, TryLater
from gateway.logs import where
from gateway.store import tables as t
from gateway.store.database import read

if TYPE_CHECKING:
    from gateway.runtime import Gateway

P = ParamSpec("P")
T = TypeVar("T")
FEW = 20_000
"""Numbers of so many leads are worked out here: that is over before another process would have begun."""
LONGEST = 600.0
"""Seconds that numbers may take, and that they wait for others to be worked out first."""
AT_ONCE = threading.BoundedSemaphore(2)
NICE = 5
TELLS: dict[str, type[GatewayError]] = {one.__name__: one for one in (NotFound, Refused)}
"""What may be said of a question that has no answer; the rest is told as refused."""


def answer(root: Path, arguments: Sequence[str], seconds: float) -> Any:
    """What ``gateway ARGUMENTS --json`` says. Raises ``Refused`` with its words where it fails, or takes too long."""
    command = [sys.executable, "-m", "gateway", "-C", str(root), *arguments, "--json"]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise _late(seconds) from None
    if ended.returncode:
        raise Refused((ended.stderr.strip() or f"it ended with {ended.returncode}").removeprefix("Error: "))
    return json.loads(ended.stdout)


def worked(gateway: Gateway, work: Callable[Concatenate[Gateway, P], T], *said: P.args, **more: P.kwargs) -> T:
    """What ``work`` gives of an opened gateway, of this moment: a function of a module, its values plain.

    Raises ``Refused`` and ``NotFound`` as ``work`` does, ``Refused`` where it takes too long, ``TryLater`` where too
    many ask at once.
    """
    with read(gateway.store.main) as connection:
        some = select(t.leads.c.id).limit(FEW + 1).subquery()
        if (connection.scalar(select(func.count()).select_from(some)) or 0) <= FEW:
            return work(gateway, *said, **more)
    asked = pickle.dumps((gateway.instance.root, gateway.now(), work, said, more))
    if not AT_ONCE.acquire(timeout=LONGEST):
        raise TryLater(60, "other numbers are being worked out")
    try:
        ended = subprocess.run(
            [sys.executable, "-m", __name__], input=asked, stdout=subprocess.PIPE, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        raise _late(LONGEST) from None
    finally:
        AT_ONCE.release()
    if ended.returncode:
        raise ChildProcessError(f"numbers ended with {ended.returncode}")
    kind, told = pickle.loads(ended.stdout)
    if kind:
        raise TELLS.get(kind, Refused)(told)
    found: T = told
    return found


def _late(seconds: float) -> Refused:
    return Refused(f"it did not end within {seconds / 60:.0f} minutes, and was ended")


def _begun() -> None:
    """In the process of ``worked``: question from stdin, answer to stdout. What fails is told by its place alone."""
    from gateway import logs
    from gateway.opening import open_gateway

    os.nice(NICE)
    logs.configure(logs.WARNING)
    root, now, work, said, more = pickle.load(sys.stdin.buffer)
    out, sys.stdout = sys.stdout.buffer, sys.stderr  # nothing that a plugin prints gets into the answer
    told: tuple[str, Any]
    try:
        gateway = open_gateway(root, now=_standing(now), fallback=True, following="replaced")
        try:
            told = "", work(gateway, *said, **more)
        finally:
            gateway.close()
    except GatewayError as exc:
        told = type(exc).__name__, str(exc)
    except Exception as exc:  # noqa: BLE001 - its text may hold values
        sys.exit(f"numbers failed: {type(exc).__name__} at {where(exc)}")
    out.write(pickle.dumps(told))
    out.flush()


def _standing(now: datetime) -> Callable[[], datetime]:
    return lambda: now


if __name__ == "__main__":
    _begun()
