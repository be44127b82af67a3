"""The demo's folder: held against a second demo, made anew each time, and a gateway that runs in it."""

from __future__ import annotations

import fcntl
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.accounts import keys, users
from gateway.errors import GatewayError, Refused
from gateway.settings.folder import store_place
from gateway.store.database import open_store, write
from gateway.store.times import utc_now
from gateway.times import to_micros

MARK = ".gateway-demo"
"""A folder that holds this file is a demo's, and may be made anew."""
PATIENCE = 180.0
"""Seconds for the gateway to come up, and at the end to finish."""
# The child ends with us, even when we are killed: an orphan would keep the port.
_RUN = """import ctypes, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
from gateway.cli.main import main
main()"""


@contextmanager
def emptied(folder: Path) -> Iterator[None]:
    """Hold ``folder`` until the end of the block, with nothing left in it of an earlier demo.

    Raises ``Refused`` when it holds anything else, or a demo that runs.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise Refused(f"{folder}: there is something else in this folder; name another one with --dir")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"{folder}: a demo is running in this folder; name another one with --dir") from None
        for old in folder.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
            elif old.name != MARK:
                old.unlink()
        yield


@contextmanager
def running(folder: Path, address: str) -> Iterator[None]:
    """``gateway run`` as a process of its own, ready to be called; asked to finish at the end of the block."""
    log = folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _RUN, "-C", str(folder), "run"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us, and we ask it to finish
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        _until_ready(process, address, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_ready(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection(address, timeout=5)
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not listening yet
        finally:
            connection.close()
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise GatewayError(f"the gateway did not come up; the end of {log}:\n{tail}")


def login_link(folder: Path, address: str) -> str:
    """An account that may everything, and a link by which whoever watches the demo comes in, once."""
    store = open_store(store_place(folder))
    now = to_micros(utc_now())
    try:
        with write(store.main) as connection:
            user = users.add(connection, "you@example.com", "You", "admin", "", now, "demo")
            return f"http://{address}/login/{keys.make(connection, 'link', user, now, keys.LINK)}"
    finally:
        store.close()
