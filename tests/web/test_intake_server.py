"""The intake in its real server: over a socket, under load, and killed."""

import hashlib
import hmac
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress

import pytest

from gateway.store.database import open_store, upgrade
from gateway.store.inbox import Inbox
from gateway.web.patience import SHORTEST, shut_silent

pytestmark = pytest.mark.processes
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc to find the worker process")

SERVER = """
import pathlib, sys
from datetime import UTC, datetime
from functools import partial
from gateway.contracts import Secret, Verification
from gateway.store.database import open_store
from gateway.store.inbox import GroupWriter, Inbox
from gateway.web.app import create_app
from gateway.web.intake import Intake, SourceOffer
from gateway.web.server import serve

RULE = Verification(scheme="hmac", header="X-Signature", id_header="X-Delivery", secrets=(Secret("s", "${S}"),))

def build(folder):
    writer = GroupWriter(Inbox(open_store(folder).inbox), folder)
    return create_app(Intake({"website": SourceOffer(RULE)}, writer.append, lambda: datetime.now(UTC)))

if __name__ == "__main__":
    serve(partial(build, pathlib.Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]), threads=16)
"""


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """The web process on one port; it may be killed and started again."""

    def __init__(self, tmp_path):
        self.port = free_port()
        self.folder = tmp_path / "var"
        store = open_store(self.folder)
        upgrade(store)
        store.close()
        self.script = tmp_path / "server.py"
        self.script.write_text(SERVER)
        self.process = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, self.script, self.folder, str(self.port)])
        deadline = time.monotonic() + 20
        while True:
            try:
                assert self.get("/health/live") == 200
                return self
            except OSError:
                assert time.monotonic() < deadline, "the server does not come up"
                time.sleep(0.05)

    def get(self, path):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def raw(self, data):
        """Send bytes as they are; returns the status."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=10)) as connection:
            connection.sendall(data)
            return int(connection.recv(1000).split()[1])

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop()


def signed(body):
    return hmac.new(b"s", body, hashlib.sha256).hexdigest()


def send(connection, delivery):
    body = b'{"n": "%s"}' % delivery.encode()
    headers = {"X-Signature": signed(body), "X-Delivery": delivery}
    connection.request("POST", "/hooks/website", body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def stored_keys(folder):
    store = open_store(folder)
    with store.inbox.connect() as connection:
        keys = {key for (key,) in connection.exec_driver_sql("SELECT key FROM documents")}
    store.close()
    return keys


def worker_of(process):
    [child] = [int(pid) for pid in _children(process.pid)]
    return child


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as found:
        return found.read().split()


@linux
@pytest.mark.parametrize("victim", ["worker", "watcher"])
def test_kill_9_under_load_loses_no_acknowledged_document(server, victim):
    """Every delivery that was answered 200 is on disk, whichever of the two processes dies, and none twice."""
    acknowledged = []

    def load(number):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        try:
            for index in range(100_000):
                delivery = f"{number}-{index}"
                if send(connection, delivery) == 200:
                    acknowledged.append(delivery)
        except (OSError, http.client.HTTPException):
            return  # killed: the sender would come again

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    deadline = time.monotonic() + 20
    while len(acknowledged) < 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    child = worker_of(server.process)
    os.kill(child if victim == "worker" else server.process.pid, signal.SIGKILL)
    [thread.join() for thread in threads]
    assert server.process.wait(30) != 0
    assert len(acknowledged) >= 200
    assert set(acknowledged) <= stored_keys(server.folder)

    server.start()  # and everybody sends everything again
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert {send(connection, delivery) for delivery in acknowledged[-50:]} == {200}
    connection.close()
    store = open_store(server.folder)
    counts = Inbox(store.inbox).counts()["website"]
    store.close()
    assert counts["stored"] == len(stored_keys(server.folder))
    assert counts["duplicates"] == 50


@linux
def test_no_worker_outlives_its_watcher(server):
    """An orphan would go on listening on our port with old configuration."""
    child = worker_of(server.process)
    server.stop(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            server.get("/health/live")
        except ConnectionRefusedError:
            break
        except OSError:
            pass  # it is dying
        time.sleep(0.02)
    else:
        pytest.fail("the worker still serves")
    assert not os.path.exists(f"/proc/{child}/exe")


def test_sigterm_ends_with_0_and_idle_connections_do_not_hold_it(server):
    """A keep-alive connection that says nothing must not delay a stop."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert send(connection, "1") == 200
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 10
    connection.close()
    assert stored_keys(server.folder) == {"1"}


def test_a_running_call_is_answered_before_the_stop(server):
    """Half of the body is here when SIGTERM comes; the sender still gets its 200, and it is on disk."""
    body = b'{"slow": true}'
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as connection:
        head = f"POST /hooks/website HTTP/1.1\r\nHost: x\r\nX-Signature: {signed(body)}\r\nX-Delivery: slow\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:5])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[5:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.process.wait(30) == 0
    assert stored_keys(server.folder) == {"slow"}


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("POST /hooks/website HTTP/1.1\r\nContent-Length: abc", 400),
        ("POST /hooks/website HTTP/1.1\r\nContent-Length: 9999999999", 413),
        ("POST /hooks/website HTTP/1.1", 411),
        ("POST /hooks/website HTTP/1.1\r\nContent-Length: 2\r\nX-Big: " + "x" * 40_000, 431),
        ("POST /hooks/website HTTP/1.1\r\nContent-Length: 2\r\n" + "\r\n".join(f"X-{n}: 1" for n in range(101)), 431),
        ("POST /hooks/nobody HTTP/1.1\r\nContent-Length: 2", 404),
        ("POST /hooks/website HTTP/1.1\r\nContent-Length: 2\r\nX-Signature: 00", 401),
    ],
)
def test_the_limits_hold_over_a_real_socket(server, lines, status):
    """What the server lets through, the intake refuses; nothing of it is stored."""
    assert server.raw(f"{lines}\r\nHost: x\r\n\r\n".encode() + b"{}") == status
    assert stored_keys(server.folder) == set()


def test_chunked_bodies_are_read_to_their_end_and_capped(server):
    """Some senders do not know the length beforehand."""
    body = b'{"chunked": 1}'
    head = f"POST /hooks/website HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Signature: {signed(body)}\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:4], body[4:])) + b"0\r\n\r\n"
    assert server.raw(head.encode() + b"X-Delivery: c\r\n\r\n" + chunks) == 200
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as connection:
        connection.sendall(head.encode() + b"\r\n")
        try:
            for _ in range(40):
                connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # answered and closed before we were done
        else:
            assert connection.recv(1000).startswith(b"HTTP/1.1 413")
    assert stored_keys(server.folder) == {"c"}


def slow_call(server):
    """A connection that promises a body and does not send it."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    head = f"POST /hooks/website HTTP/1.1\r\nHost: x\r\nX-Signature: {signed(b'x' * 1000)}\r\nContent-Length: 1000"
    connection.sendall(f"{head}\r\n\r\nx".encode())
    return connection


def persistent(server, delivery):
    """Send as senders do: again when there was no answer. A call that waits behind slow ones may be cut with them."""
    for _ in range(4):
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection,
        ):
            return send(connection, delivery)
    return 0


@linux
def test_senders_that_send_nothing_do_not_stop_the_others(server):
    """More of them than there are threads: they are cut off, and honest calls are answered again."""
    slow = [slow_call(server) for _ in range(40)]
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    try:
        start = time.monotonic()
        assert persistent(server, "honest") == 200
        assert time.monotonic() - start < 6 * SHORTEST
        assert slow[0].recv(1000).startswith(b"HTTP/1.1 400")
    finally:
        for each in slow + idle:
            each.close()
    assert stored_keys(server.folder) == {"honest"}


def test_idle_connections_do_not_stop_the_others(server):
    """Senders keep their connections for the next call."""
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(300)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    assert send(connection, "1") == 200
    for each in (connection, *idle):
        each.close()


@linux
def test_only_connections_that_were_told_nothing_are_shut():
    """Those of other ports, and those with an answer on their way, stay as they are."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as other:
        port = listening.getsockname()[1]
        ends = [socket.create_connection(one.getsockname()) for one in (listening, listening, other)]
        silent, answered, elsewhere = (one.accept()[0] for one in (listening, listening, other))
        time.sleep(0.4)
        answered.sendall(b"200")
        assert shut_silent(port, 0.3, 5) == 1
        for each in (silent, answered, elsewhere):
            each.settimeout(0.2)
        assert silent.recv(1) == b""
        for each in (answered, elsewhere):
            with pytest.raises(TimeoutError):
                each.recv(1)
        for each in (silent, answered, elsewhere, *ends):
            each.close()


def test_a_taken_port_ends_the_process_with_an_error(server):
    """The supervisor must hear of it."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        second = subprocess.run(
            [sys.executable, server.script, server.folder, str(port)], timeout=30, capture_output=True, check=False
        )
    assert second.returncode != 0
