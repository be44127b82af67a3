"""What our server brings, and what the pages make of it: over a socket, as one who calls sees it."""

import http.client
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress

import orjson
import pytest

pytestmark = pytest.mark.processes

SERVER = """
import sys, time
from datetime import UTC, datetime
from functools import partial
from flask import Response, request, stream_with_context
from gateway.web import front, receiving, server
from gateway.web.app import create_app
from gateway.web.intake import Intake

front.SILENCE = receiving.LONGEST = 1.0
closed = []

def build():
    app = create_app(Intake({}, None, lambda: datetime.now(UTC)))

    @app.route("/echo/<path:rest>", methods=["GET", "POST", "PUT"])
    def echo(rest):
        names = ("REMOTE_ADDR", "SERVER_PORT", "REQUEST_METHOD", "QUERY_STRING", "HTTP_X_TWICE", "HTTP_HOST")
        return {
            "path": request.path, "rest": rest, "url": request.url, "args": request.args.to_dict(),
            "form": request.form.to_dict(), "cookies": request.cookies.to_dict(),
            "environ": {name: request.environ.get(name) for name in names},
        }

    @app.post("/size")
    def size():
        return {"size": sum(map(len, iter(lambda: request.stream.read(1 << 16), b"")))}

    @app.post("/unread")
    def unread():
        return {"ok": True}

    @app.get("/rows")
    def rows():
        def lines():
            try:
                for n in range(int(request.args["n"])):
                    yield b"%08d\\n" % n * 1000
            finally:
                closed.append(1)
        return Response(stream_with_context(lines()), content_type="text/csv")

    @app.get("/closed")
    def how_many():
        return {"closed": len(closed)}

    @app.get("/slow")
    def slow():
        time.sleep(float(request.args["s"]))
        return {"ok": True}

    @app.get("/broken")
    def broken():
        def lines():
            yield b"x" * 100_000
            raise RuntimeError("in the middle")
        return Response(lines())

    return app

if __name__ == "__main__":
    server.serve(build, "127.0.0.1", int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    script = tmp_path_factory.mktemp("front") / "server.py"
    script.write_text(SERVER)
    process = subprocess.Popen([sys.executable, script, str(number)])
    deadline = time.monotonic() + 60
    try:
        while True:
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", number)) == 0:
                    break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield number
    finally:
        process.terminate()
        process.wait(60)


def call(port, method, target, body=None, headers=()):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.putrequest(method, target)
        for name, value in headers:
            connection.putheader(name, value)
        if isinstance(body, bytes):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def test_a_page_is_told_what_was_sent(port):
    """Path, query, form, cookies and headers, as any WSGI server tells them."""
    headers = [("X-Twice", "a"), ("X-Twice", "b"), ("Cookie", "one=1"), ("Cookie", "two=2")]
    headers.append(("Content-Type", "application/x-www-form-urlencoded"))
    status, _, text = call(port, "POST", "/echo/%C3%BC%20b%2Fc?q=%C3%A4+b&e=", b"name=%C3%B6&x=1", headers)
    said = orjson.loads(text)
    assert status == 200
    assert (said["path"], said["rest"]) == ("/echo/ü b/c", "ü b/c")
    assert (said["args"], said["form"]) == ({"q": "ä b", "e": ""}, {"name": "ö", "x": "1"})
    assert said["cookies"] == {"one": "1", "two": "2"}
    assert said["environ"] == {
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PORT": str(port),
        "REQUEST_METHOD": "POST",
        "QUERY_STRING": "q=%C3%A4+b&e=",
        "HTTP_X_TWICE": "a,b",
        "HTTP_HOST": f"127.0.0.1:{port}",
    }


@pytest.mark.parametrize("size", [0, 1, 70_000, 5_000_000])
def test_what_is_uploaded_arrives_whole(port, size):
    """By its length, and in chunks."""
    body = b"x" * size
    assert orjson.loads(call(port, "POST", "/size", body)[2]) == {"size": size}
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part) + b"0\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        head = b"POST /size HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + chunks)
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert said.endswith(b'{"size":%d}\n' % size)


def test_head_says_the_length_and_sends_nothing(port):
    """So that a client may ask how large a page is."""
    length = call(port, "GET", "/echo/x")[1]["Content-Length"]
    status, headers, text = call(port, "HEAD", "/echo/x")
    assert (status, headers["Content-Length"], text) == (200, str(int(length) + 1), b"")  # HEAD is a letter longer


def test_a_long_page_is_sent_in_parts_and_closed(port):
    """It is never in memory as a whole."""
    before = orjson.loads(call(port, "GET", "/closed")[2])["closed"]
    status, headers, text = call(port, "GET", "/rows?n=500")
    assert (status, headers["Content-Type"], len(text)) == (200, "text/csv", 500 * 9000)
    assert text[-9:] == b"00000499\n"
    assert orjson.loads(call(port, "GET", "/closed")[2])["closed"] == before + 1


def test_who_leaves_in_the_middle_of_a_page_holds_nothing(port):
    """The page is closed, as if it had been read."""
    before = orjson.loads(call(port, "GET", "/closed")[2])["closed"]
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
        connection.sendall(b"GET /rows?n=100000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    deadline = time.monotonic() + 60
    while orjson.loads(call(port, "GET", "/closed")[2])["closed"] == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_page_that_breaks_in_the_middle_says_so(port):
    """Its begin was sent: it must not be taken for whole."""
    status, _, text = call(port, "GET", "/broken")
    assert (status, text[:3]) == (200, b"xxx")
    assert text.endswith(b"The rest is missing: something went wrong. Please ask again.\n")


def test_slow_pages_and_slow_readers_keep_no_sender_waiting(port):
    """All threads of the pages are taken; who calls /hooks is answered as if nothing were."""
    slow = [threading.Thread(target=call, args=(port, "GET", "/slow?s=2")) for _ in range(80)]
    [thread.start() for thread in slow]
    time.sleep(0.3)
    start = time.monotonic()
    for _ in range(10):
        assert call(port, "POST", "/hooks/nobody", b"{}")[0] == 404
    assert time.monotonic() - start < 2
    [thread.join() for thread in slow]


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(port):
    """A short one is not brought before its page; the page of a long one hears that the sender is gone."""
    for length, refused in ((10, b"408"), (5_000_000, b"400")):
        with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
            connection.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nabc" % length)
            start = time.monotonic()
            assert connection.recv(1000).startswith(b"HTTP/1.1 " + refused)
            assert time.monotonic() - start < 20
        with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as connection:
            connection.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nabc" % length)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1000).startswith(b"HTTP/1.1 400")  # half an upload is none
    assert call(port, "POST", "/unread", b"x" * 3_000_000)[0] == 200  # and nobody has to read what is sent


@pytest.mark.parametrize("head", [b"Content-Length: 50000", b"Content-Length: 5000000", b"Transfer-Encoding: chunked"])
def test_who_drips_a_body_keeps_no_page_from_others(port, head):
    """Neither health nor a log-in waits for them, however many they are, and each is sent away."""
    drip = b"1\r\na\r\n" if b"chunked" in head else b"a"
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(80)]
        for connection in slow:
            connection.sendall(b"POST /size HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + drip)
        begun = time.monotonic()
        while time.monotonic() - begun < 3:
            start = time.monotonic()
            assert call(port, "GET", "/health/live")[0] == 200
            assert call(port, "POST", "/echo/x", b"a=1")[0] == 200
            assert time.monotonic() - start < 2
            time.sleep(0.2)
            for connection in slow:
                with suppress(OSError):
                    connection.sendall(drip)
        assert slow[0].recv(1000)[9:12] in (b"400", b"408")
