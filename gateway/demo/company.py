"""The demo's company on disk and at work: an instance folder, and a gateway that runs in it.

In: nothing but a folder's name. Out: a running gateway on a free port of this machine, and calls to it that are signed
as the web site would sign them. What is called is made up by ``simulation``; what it led to is told by ``story``.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from gateway.demo.simulation import Hook
from gateway.errors import GatewayError, Refused

MARK = ".gateway-demo"
"""A folder that holds this file is a demo's, and may be made anew."""
SECRET = "website.secret"
PATIENCE = 180.0
"""Seconds for the gateway to come up, and at the end to finish."""
# The child ends with us, even when we are killed: an orphan would keep the port.
_RUN = """import ctypes, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
from gateway.cli.main import main
main()"""


@contextmanager
def instance(folder: Path) -> Iterator[str]:
    """Make the instance in ``folder``, and hold it until the end of the block. Gives the gateway's address.

    An earlier demo in the folder is replaced. Raises ``Refused`` when it holds anything else, or a demo that runs.
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
        with as_file(files("gateway.demo") / "instance") as shipped:
            shutil.copytree(shipped, folder, dirs_exist_ok=True)
        address = f"127.0.0.1:{_free_port()}"
        main = folder / "gateway.yaml"
        main.write_text(main.read_text().replace("127.0.0.1:8080", address))
        (folder / SECRET).touch(mode=0o600)
        (folder / SECRET).write_text(secrets.token_hex(32))
        yield address


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


class WebSite:
    """The company's web site: calls the gateway and signs what it says."""

    def __init__(self, folder: Path, address: str) -> None:
        self._secret = (folder / SECRET).read_bytes()
        self._connection = http.client.HTTPConnection(address, timeout=30)

    def call(self, hook: Hook) -> int:
        """Send one call; a forged one is signed by somebody who does not know the secret. Returns the status.

        Where the gateway is busy it is sent again, as every sender does.
        """
        secret = self._secret if hook.kind != "forged" else b"a guess"
        signature = hmac.new(secret, hook.body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature-256": f"sha256={signature}"}
        deadline = time.monotonic() + PATIENCE
        while True:
            self._connection.request("POST", "/hooks/website", hook.body, headers)
            answer = self._connection.getresponse()
            answer.read()
            if answer.status != 503 or time.monotonic() > deadline:
                return answer.status
            time.sleep(0.5)

    def close(self) -> None:
        self._connection.close()


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


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
