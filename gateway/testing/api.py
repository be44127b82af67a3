"""A fake of a system behind HTTP: your routes, faults on demand, every call and every effect recorded.

    class FakeCrm(FakeApi):
        def answer(self, request):
            if request.headers.get("authorization") != "Bearer s3cret":
                return Reply(401)
            if (request.method, request.path) == ("PUT", "/people"):
                person = request.json()
                self.put("person", person["key"], person["fields"])
                return Reply(200, {"id": person["key"]})
            return Reply(404)

``fake.url`` is its address: a server on 127.0.0.1 that runs from the first time it is asked for until ``close``.
``fake.mount(mock, url)`` puts it behind ``responses`` instead, for clients that insist on an address of their own.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from gateway.testing.system import FakeSystem, Fault

HELD = 3.0
"""Seconds after which a call that hangs is cut: a caller without a deadline of its own must not hang the test."""
_EFFECT_FIRST = ("cut after", "garbage", "hang")


@dataclass(frozen=True, slots=True)
class Request:
    """One call as it came. Header names are in lower case; of a query parameter that repeats, the last counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The decoded body. Raises ``ValueError``."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """``body``: what JSON can hold, or bytes as they go out; None = no body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else b"" if self.body is None else orjson.dumps(self.body)


@dataclass(slots=True)
class _Planned:
    fault: Fault
    seconds: float
    after: int


class FakeApi(FakeSystem):
    """Override ``answer``. ``requests`` is what came, ``held`` what it holds: object → id → fields."""

    tokens: Sequence[str] = ("/oauth", "/token")
    """Where tokens are had: faults pass calls whose path has one of these in it."""
    garbage: bytes = b'{"results": [{"id": "'

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.held: dict[str, dict[str, dict[str, Any]]] = {}
        self.without_deadline = 0
        """Calls of ``mount`` that would have waited for ever."""
        self._planned: list[_Planned] = []
        self._lock = threading.RLock()
        self._server: _Server | None = None

    # -- yours --------------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        """What the system answers, and does. One call at a time.

        ``ConnectionError`` cuts the line, ``TimeoutError`` lets the call hang; another exception is a 500, with its
        text.
        """
        raise NotImplementedError("say what it answers: def answer(self, request): return Reply(200, {...})")

    def faulty(self, fault: Fault, seconds: float) -> Reply:
        """How this system says ``limit``, ``busy`` and ``auth``."""
        if fault == "limit":
            return Reply(429, {"error": "too many calls"}, {"Retry-After": f"{seconds:.0f}"})
        return Reply(401, {"error": "not authorised"}) if fault == "auth" else Reply(503, {"error": "in trouble"})

    # -- for tests ----------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> int:
        return len(self.requests)

    def fail(self, fault: Fault, *, seconds: float = 0, after: int = 0) -> None:
        with self._lock:
            self._planned.append(_Planned(fault, seconds, after))

    def calm(self) -> None:
        with self._lock:
            self._planned.clear()

    def records(self, object: str) -> Mapping[str, Mapping[str, Any]]:
        return self.held.get(object, {})

    def put(self, object: str, id: str, fields: Mapping[str, Any]) -> bool:
        """Write fields of a record; made if it is not there yet, which is the answer."""
        records = self.held.setdefault(object, {})
        new = id not in records
        records[id] = {**records.get(id, {}), **fields}
        return new

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        if self._server is None:
            self._server = _Server(self)
        return f"http://127.0.0.1:{self._server.server_port}"

    def mount(self, mock: Any, url: str) -> None:
        """Behind ``responses.RequestsMock(assert_all_requests_are_fired=False)``, for every path below ``url``."""
        below = partial(self._mocked, urlsplit(url).path)
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            mock.add_callback(method, re.compile(rf"{re.escape(url)}(?:[/?].*)?\Z"), callback=below)

    def close(self) -> None:
        if self._server is not None:
            self._server.end()
            self._server = None

    # -- serving ------------------------------------------------------------------------------------------------------

    def heard(self, request: Request) -> tuple[Fault | None, Reply]:
        """One call: which fault it meets, and what is answered where the line holds."""
        with self._lock:
            self.requests.append(request)
            planned = None if any(one in request.path for one in self.tokens) else self._struck()
            if planned is None:
                try:
                    return None, self._answered(request)
                except (ConnectionError, TimeoutError) as exc:
                    return "hang" if isinstance(exc, TimeoutError) else "cut after", Reply()
            if planned.fault == "cut before":
                return planned.fault, Reply()
            if planned.fault in _EFFECT_FIRST:
                with suppress(ConnectionError, TimeoutError):
                    self._answered(request)
                return planned.fault, Reply(200, self.garbage, {"Content-Type": "application/json"})
            return planned.fault, self.faulty(planned.fault, planned.seconds)

    def _struck(self) -> _Planned | None:
        if not self._planned:
            return None
        if self._planned[0].after:
            self._planned[0].after -= 1
            return None
        return self._planned.pop(0)

    def _answered(self, request: Request) -> Reply:
        try:
            return self.answer(request)
        except (NotImplementedError, ConnectionError, TimeoutError):
            raise
        except Exception as exc:  # noqa: BLE001 - a mistake of the fake is seen best where its answer is read
            return Reply(500, {"error": f"the fake failed: {type(exc).__name__}: {exc}"})

    def _mocked(self, above: str, prepared: Any) -> tuple[int, Mapping[str, str], bytes]:
        import requests

        if prepared.req_kwargs.get("timeout") is None:
            self.without_deadline += 1
        body = prepared.body or b""
        body = body.encode() if isinstance(body, str) else bytes(body)
        request = _request(prepared.method, prepared.url, prepared.headers, body)
        fault, reply = self.heard(replace(request, path=request.path.removeprefix(above)))
        if fault == "hang":
            raise requests.ReadTimeout("no answer in time")
        if fault in ("cut before", "cut after"):
            raise requests.ConnectionError("('Connection aborted.', ConnectionResetError(104, 'reset by peer'))")
        return reply.status, {"Content-Type": "application/json", **reply.headers}, reply.content()


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, parts.path, query, {name.lower(): value for name, value in headers.items()}, body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault, reply = self.server.api.heard(_request(self.command, self.path, dict(self.headers), body))
        if fault == "hang":
            self.server.ended.wait(HELD)
        if fault in ("hang", "cut before", "cut after"):
            self._cut()
            return
        content = reply.content()
        self.send_response_only(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _cut(self) -> None:
        """With a reset, so that the caller sees a broken line and not an empty answer."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *arguments: Any) -> None:
        """Calls are recorded, not printed."""

    def setup(self) -> None:
        super().setup()
        # Header and body leave as two packets; without this a kept connection waits 40 ms for each.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.lines.add(self.connection)

    def finish(self) -> None:
        self.server.lines.discard(self.connection)
        with suppress(OSError, ValueError):
            super().finish()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.ended = threading.Event()
        self.lines: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A line that was cut on purpose raises in its thread; nobody needs to read that."""

    def end(self) -> None:
        self.ended.set()
        self.shutdown()
        self._thread.join()
        for line in list(self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self.server_close()


@contextmanager
def impatient(seconds: float = 0.2) -> Iterator[dict[int, float | None]]:
    """Whoever waits at a socket waits so long at most, whatever it had in mind: what would be its timeout is over at
    once. Gives, per socket that was told one, the deadline it had asked for last; None = for ever."""
    asked: dict[int, float | None] = {}
    settimeout = socket.socket.settimeout

    def hurried(line: socket.socket, value: float | None) -> None:
        asked[id(line)] = value
        settimeout(line, seconds if value is None or value > seconds else value)

    socket.socket.settimeout = hurried  # type: ignore[method-assign, assignment]
    try:
        yield asked
    finally:
        if settimeout is getattr(socket.socket.__base__, "settimeout", None):
            del socket.socket.settimeout
        else:
            socket.socket.settimeout = settimeout  # type: ignore[method-assign]
