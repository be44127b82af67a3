"""What our server calls: ``/hooks`` goes to the intake without a thread, all else to the pages, on threads of theirs.

The server speaks RSGI, the pages WSGI: what comes between is here. In front of another WSGI server, or of Flask's test
client, the same ``Front`` is a WSGI callable.
"""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from werkzeug.exceptions import ClientDisconnected

from gateway.errors import StorageBusy
from gateway.logs import where
from gateway.store import hanging
from gateway.web.calls import Gone, HTTPProtocol
from gateway.web.intake import PREFIX, Intake

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from granian.rsgi import Scope

THREADS = 32
"""Pages worked at once; more wait."""
FORM = 1024 * 1024
"""Bytes of a body that is here as a whole before a page takes a thread."""
UPLOADS = 8
"""Longer ones, and those of no length, that pages read at once, on threads of their own."""
PATIENCE = 10.0
"""Seconds that a page has for what it asks of a store on another machine."""
SILENCE = 20.0
"""Seconds without a byte after which a page waits no longer for what it is sent."""
PACE = 8 * 1024
"""Bytes a second that must have come of it by then, too: who drips keeps a thread as well as who is silent."""
PORTION = 64 * 1024
"""Bytes of a page that are made before they are sent; those of a smaller one are all there then."""

BROKEN = 500, "internal error"

log = structlog.get_logger(__name__)


class Front:
    """Both in one."""

    def __init__(self, intake: Intake, pages: WSGIApplication) -> None:
        self._intake = intake
        self._pages = pages
        self._threads = ThreadPoolExecutor(THREADS, "page")
        self._uploads = ThreadPoolExecutor(UPLOADS, "upload")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[Any]:
        if _hooked(environ.get("PATH_INFO", "")):
            return self._intake(environ, start_response)
        with hanging.within(PATIENCE):  # a thread that waits for ever is one less for the others
            return self._pages(environ, start_response)

    async def serve(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer a call of our server."""
        if _hooked(scope.path):
            await self._intake.serve(scope, protocol)
            return
        length = scope.headers.get("content-length", "" if "transfer-encoding" in scope.headers else "0")
        if not length.isdigit() or int(length) > FORM:
            sent = io.BufferedReader(_Sent(protocol, asyncio.get_running_loop()))
            await self._page(scope, protocol, sent, self._uploads)
            return
        body = b""
        try:
            if int(length):
                body = await self._intake.receiving.whole(protocol, int(length), FORM)
            await self._page(scope, protocol, io.BytesIO(body), self._threads)
        except Gone:
            _refuse(protocol, 400, "the body is shorter than its length says")
        except TimeoutError:
            _refuse(protocol, 408, "the body did not come in time")
        except StorageBusy as exc:
            _refuse(protocol, 503, "try again later", ("Retry-After", str(exc.retry_after)))
        finally:
            self._intake.receiving.let_go(body)

    async def _page(self, scope: Scope, protocol: HTTPProtocol, sent: io.BufferedIOBase, threads: Executor) -> None:
        loop = asyncio.get_running_loop()
        page = _Page(self, _environ(scope, sent))
        transport = None
        try:
            part = await loop.run_in_executor(threads, page.part)
            if page.ended:
                protocol.response_bytes(page.status, page.headers, part)
                return
            transport = protocol.response_stream(page.status, page.headers)
            while part:
                await transport.send_bytes(part)
                part = await loop.run_in_executor(threads, page.part)
        except Gone:
            pass  # who asked is gone
        except Exception as exc:  # noqa: BLE001 - the server would print what it holds
            log.error("page broke off", error=type(exc).__name__, where=where(exc))
            if transport is None:
                _refuse(protocol, *BROKEN)
            else:  # its first part is sent: what follows must not look whole
                await transport.send_bytes(b"\nThe rest is missing: something went wrong. Please ask again.\n")
        finally:
            if not page.ended:
                await loop.run_in_executor(threads, page.close)
            sent.close()  # an error and its request may hold each other, but not the body


class _Page:
    """One answer of the pages, made part by part by whichever thread is free."""

    def __init__(self, pages: WSGIApplication, environ: WSGIEnvironment) -> None:
        self.status, self.headers, self.ended = 500, list[tuple[str, str]](), False
        self._pages = pages
        self._environ = environ
        self._answer: Iterable[bytes] | None = None
        self._context = copy_context()  # Flask's words of a request are the page's, not a thread's

    def part(self) -> bytes:
        """The next bytes, none at its end; then it is closed."""
        return self._context.run(self._part)

    def close(self) -> None:
        """Let go what it holds."""
        self._context.run(self._close)

    def _part(self) -> bytes:
        if self._answer is None:
            self._answer = self._pages(self._environ, self._start)
            self._rest = iter(self._answer)
        some, size = list[bytes](), 0
        for each in self._rest:
            some.append(each)
            if (size := size + len(each)) >= PORTION:
                return b"".join(some)
        self.ended = True
        self._close()
        return b"".join(some)

    def _close(self) -> None:
        answer, self._answer = self._answer, ()
        getattr(answer, "close", lambda: None)()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Any:
        self.status, self.headers = int(status[:3]), headers


class _Sent(io.RawIOBase):
    """A call's body as a file, for the thread of its page; the loop brings it when it is asked for."""

    def __init__(self, protocol: HTTPProtocol, loop: asyncio.AbstractEventLoop) -> None:
        self._parts = aiter(protocol)
        self._loop = loop
        self._left = b""
        self._since, self._came = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            # The loop may have ended meanwhile; then nobody counts the time but we.
            coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            try:
                part = coming.result(2 * SILENCE)
            except (TimeoutError, Gone):
                raise ClientDisconnected from None
            if part is None:
                return 0
            self._left = part  # may be empty, and not be the last
            self._came += len(part)
            if time.monotonic() - self._since > SILENCE + self._came / PACE:
                raise ClientDisconnected
        some, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(some)] = some
        return len(some)

    async def _next(self) -> bytes | None:
        async with asyncio.timeout(SILENCE):
            try:
                return bytes(await anext(self._parts))
            except StopAsyncIteration:
                return None


def _refuse(protocol: HTTPProtocol, status: int, error: str, *headers: tuple[str, str]) -> None:
    said = orjson.dumps({"ok": False, "errors": [error], "status": status})
    protocol.response_bytes(status, [("Content-Type", "application/json"), *headers], said)


def _hooked(path: str) -> bool:
    return path == PREFIX or path.startswith(PREFIX + "/")


def _environ(scope: Scope, body: io.BufferedIOBase) -> WSGIEnvironment:
    host, _, port = scope.server.rpartition(":")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if "content-length" not in scope.headers:  # with one, Flask looks whether all has come
        environ["wsgi.input_terminated"] = True
    for name, value in scope.headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        between = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{between}{value}" if key in environ else value
    return environ
