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
from contextlib import ExitStack, closing, suppress
from itertools import count

import pytest

from gateway.store.database import open_store, upgrade
from gateway.store.inbox import Inbox
from gateway.web.receiving import CROWD

pytestmark = pytest.mark.processes
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc to find the worker process")

SERVER = """
import pathlib, sys
from datetime import UTC, datetime
from functools import partial
from gateway.contracts import Secret, Verification
from gateway.store.database import open_store
from gateway.store.group_writer import GroupWriter
from gateway.store.inbox import Inbox
from gateway.web import receiving, server
from gateway.web.app import create_app
from gateway.web.intake import Intake
from gateway.web.offer import SourceOffer

receiving.SHORTEST = 10.0  # longer than 20 calls take on a busy machine
server.DRAIN = 600  # longer than any test waits: nothing is ended by force
RULE = Verification(scheme="hmac", header="X-Signature", id_header="X-Delivery", secrets=(Secret("s", "${S}"),))

def build(folder):
    writer = GroupWriter(Inbox(open_store(folder).inbox), folder, patience=60)
    offers = {"website": SourceOffer(RULE)}
    return create_app(Intake(offers, writer.append, lambda: datetime.now(UTC), soon=writer.soon))

if __name__ == "__main__":
    server.serve(partial(build, pathlib.Path(sys.argv[1])), "127.0.0.1", int(sys.argv[2]))
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
        until(self.lives)

    def lives(self):
        assert self.process.poll() is None, "the server ended"
        try:
            return self.get("/health/live") == 200
        except OSError:
            return False

    def get(self, path):
        with self.connection() as connection:
            connection.request("GET", path)
            return connection.getresponse().status

    def connection(self):
        """For a ``with`` block, so that it is closed however the block ends."""
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60))

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def raw(self, data):
        """Send bytes as they are; returns the status."""
        with self.socket() as connection:
            connection.sendall(data)
            return int(connection.recv(1000).split()[1])

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(120)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    try:
        server.start()
        yield server
        if server.process.poll() is None:
            server.stop()
    finally:
        server.process.kill()
        server.process.wait()


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
        # When it is killed, the sender would come again.
        with server.connection() as connection, suppress(OSError, http.client.HTTPException):
            for index in count():
                delivery = f"{number}-{index}"
                if send(connection, delivery) == 200:
                    acknowledged.append(delivery)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    until(lambda: len(acknowledged) >= 200)
    child = worker_of(server.process)
    os.kill(child if victim == "worker" else server.process.pid, signal.SIGKILL)
    [thread.join() for thread in threads]
    assert server.process.wait(120) != 0
    assert set(acknowledged) <= stored_keys(server.folder)

    server.start()  # and everybody sends everything again
    with server.connection() as connection:
        assert {send(connection, delivery) for delivery in acknowledged[-50:]} == {200}
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

    def refused():
        try:
            server.get("/health/live")
        except OSError as exc:  # others: it is dying
            return isinstance(exc, ConnectionRefusedError)
        return False

    until(refused)
    assert not os.path.exists(f"/proc/{child}/exe")


def test_sigterm_ends_with_0_and_idle_connections_do_not_hold_it(server):
    """A keep-alive connection that says nothing must not delay a stop."""
    with server.connection() as connection:
        assert send(connection, "1") == 200
        assert server.stop() == 0
    assert stored_keys(server.folder) == {"1"}


def test_a_running_call_is_answered_before_the_stop(server):
    """Half of the body is here when SIGTERM comes; the sender still gets its 200, and it is on disk."""
    body = b'{"slow": true}'
    with server.socket() as connection:
        head = f"POST /hooks/website HTTP/1.1\r\nHost: x\r\nX-Signature: {signed(body)}\r\nX-Delivery: slow\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # a thread waits for the body now
        connection.sendall(body[:5])
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)  # most likely it has noticed
        connection.sendall(body[5:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.process.wait(120) == 0
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
    with server.socket() as connection:
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
    connection = server.socket()
    head = f"POST /hooks/website HTTP/1.1\r\nHost: x\r\nX-Signature: {signed(b'x' * 1000)}\r\nContent-Length: 1000"
    connection.sendall(f"{head}\r\n\r\nx".encode())
    return connection


def test_senders_that_send_nothing_do_not_stop_the_others(server):
    """However many they are: they alone wait, and only so long."""
    with ExitStack() as stack:
        slow = [stack.enter_context(slow_call(server)) for _ in range(CROWD + 50)]
        honest = stack.enter_context(server.connection())
        for n in range(20):
            assert send(honest, str(n)) == 200
        slow[-1].setblocking(False)
        with pytest.raises(BlockingIOError):  # all that while they waited
            slow[-1].recv(1)
        for each in (slow[0], slow[-1]):
            each.settimeout(60)
            assert each.recv(1000).startswith(b"HTTP/1.1 408")
    with server.connection() as connection:  # and all of them are gone
        assert send(connection, "0") == 200
    assert stored_keys(server.folder) == {str(n) for n in range(20)}


def test_idle_connections_do_not_stop_the_others(server):
    """Senders keep their connections for the next call."""
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(server.socket())
        assert send(stack.enter_context(server.connection()), "1") == 200


def test_a_taken_port_ends_the_process_with_an_error(server):
    """The supervisor must hear of it."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        second = subprocess.run(
            [sys.executable, server.script, server.folder, str(port)], timeout=180, capture_output=True, check=False
        )
    assert second.returncode != 0
