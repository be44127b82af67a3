"""Where webhooks arrive, beside Flask: length, headers, signature; append; commit; answer.

In: a WSGI call of ``/hooks/<system>``. Out: an ``Arrival`` for the inbox, and the answer its source declared. Nothing
is answered 2xx before it is on disk, nothing unauthentic is stored, and what the bytes mean is not asked here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

import orjson
import structlog

from gateway.contracts import Answer, Verification
from gateway.errors import StorageBusy
from gateway.logs import where
from gateway.store.arrivals import SHORT_MEMORY, Appended, Arrival
from gateway.web.calls import Call, Gone, HTTPProtocol, of_server, of_wsgi
from gateway.web.offer import SourceOffer
from gateway.web.receiving import Receiving
from gateway.web.signatures import verify

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIEnvironment
    from granian.rsgi import Scope

PREFIX = "/hooks"
MAX_BODY = 1024 * 1024
MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
MAX_QUERY = 8 * 1024
QUIET = 60.0
"""Seconds between two log lines about refused calls for the same reason; the counters miss none."""

# Not stored: secrets, the caller's address, and what concerns this one connection only.
_UNSTORED = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "proxy",
        "host",
        "connection",
        "keep-alive",
        "te",
        "upgrade",
        "expect",
        "transfer-encoding",
        "content-length",
        "accept",
        "accept-encoding",
        "accept-language",
        "accept-charset",
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "cf-connecting-ip",
        "true-client-ip",
    }
)
_BODY_UNPROVED = ("token", "none")
"""Schemes under which nothing would tell that a body was cut off on its way."""
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class _Reply(Exception):
    """Raised by the steps, answered by ``Intake``."""

    status: int
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = "application/json"

    def said(self) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body as they go out."""
        if self.status == 204:
            return list(self.headers), b""
        body = self.body
        if self.error:
            body = orjson.dumps({"ok": False, "errors": [self.error], "status": self.status})
        return [("Content-Type", self.content_type), ("Content-Length", str(len(body))), *self.headers], body


class Intake:
    """Answers the calls of senders: of our server (``serve``, without a thread for each), and of any WSGI server.

    ``append`` blocks until its arrival is on disk, or raises ``StorageBusy``; ``soon`` does the same without blocking.
    ``public_url`` is what senders call where a proxy stands in front; without it the Host header is believed, which
    matters for schemes that sign the URL. ``use`` changes it and the ``sources``.
    ``watch`` is the time that signatures are held against, the real one, where ``now`` is business time.
    ``tell`` hears of each document that was taken in, ``count`` of each answer: system or "", status, seconds.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceOffer | None],
        append: Callable[[Arrival], Appended],
        now: Callable[[], datetime],
        public_url: str | None = None,
        watch: Callable[[], datetime] | None = None,
        soon: Callable[[Arrival], Awaitable[Appended]] | None = None,
        tell: Callable[[str, Appended], object] = lambda system, stored: None,
        count: Callable[[str, int, float], object] = lambda system, status, seconds: None,
    ) -> None:
        self._append = append
        self._soon = soon or (lambda arrival: asyncio.to_thread(append, arrival))
        self._now = now
        self._watch = watch or now
        self._tell = tell
        self._count = count
        self.use(sources, public_url)
        self.refused: Counter[tuple[str, str]] = Counter()
        """(system, reason) → calls refused, since this process began. An unknown system counts under ``""``."""
        self._logged: dict[tuple[str, str], float] = {}
        self.receiving = Receiving()

    def use(self, sources: Mapping[str, SourceOffer | None], public_url: str | None) -> None:
        """From the next call on. A source that is None cannot say now how its calls prove themselves."""
        self._sources = sources
        self._public_url = public_url.rstrip("/") if public_url else None

    async def serve(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer a call of our server (RSGI), while others wait for theirs."""
        began, system, body = time.perf_counter(), "", b""
        try:
            call = of_server(scope)
            system = self._system(call)
            offer = self._offer(system)
            if call.method == "POST":
                rule, length = offer.verification, self._length(call, system, offer.verification)
                body = await self._received(protocol, length, system)
                stored = await self._soon(self._arrival(call, system, rule, length, body))
                reply = self._taken(system, offer.answer, stored)
            else:
                reply = _without_body(call, offer.answer)
        except Exception as exc:  # noqa: BLE001 - whatever broke, the sender shall come again
            reply = self._failed(system, exc)
        finally:
            self.receiving.let_go(body)
        headers, said = reply.said()
        self._count(system, reply.status, time.perf_counter() - began)
        protocol.response_bytes(reply.status, headers, said)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began, system = time.perf_counter(), ""
        try:
            call = of_wsgi(environ)
            system = self._system(call)
            offer = self._offer(system)
            if call.method == "POST":
                rule, length = offer.verification, self._length(call, system, offer.verification)
                body = _read(environ["wsgi.input"], MAX_BODY + 1 if length is None else length)
                stored = self._append(self._arrival(call, system, rule, length, body))
                reply = self._taken(system, offer.answer, stored)
            else:
                reply = _without_body(call, offer.answer)
        except Exception as exc:  # noqa: BLE001 - whatever broke, the sender shall come again
            reply = self._failed(system, exc)
        headers, body = reply.said()
        self._count(system, reply.status, time.perf_counter() - began)
        start_response(f"{reply.status} {_phrase(reply.status)}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    # -- the steps, each of which may raise a ``_Reply`` ---------------------------------------------------------------

    def _system(self, call: Call) -> str:
        system = call.path[len(PREFIX) + 1 :].partition("/")[0]
        if system not in self._sources:
            self._refuse("", "unknown system", 404, "no such system")
        return system

    def _offer(self, system: str) -> SourceOffer:
        if (offer := self._sources[system]) is None:  # nothing unproved is stored, and nothing sent is lost
            self.refused[system, "plugin not available"] += 1
            self._note(system, "plugin not available")
            raise _Reply(503, "try again later", (("Retry-After", "300"),))
        return offer

    def _length(self, call: Call, system: str, rule: Verification) -> int | None:
        """How long its body says it is; None: it ends where it ends."""
        if len(call.headers) > MAX_HEADERS or sum(map(len, chain(*call.headers.items()))) > MAX_HEADER_BYTES:
            self._refuse(system, "headers too large", 431, f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes")
        if len(call.query) > MAX_QUERY:
            self._refuse(system, "query too long", 414, f"at most {MAX_QUERY} bytes of query")
        given = call.headers.get("content-length", "")
        if given and (call.chunked or not (given.isascii() and given.isdigit())):
            self._refuse(system, "bad length", 400, "the length is not readable")
        unproved = rule.scheme in _BODY_UNPROVED and "form" in call.headers.get("content-type", "")
        if not given and (unproved or not call.ends):  # half a form reads like a whole one
            self._refuse(system, "no length", 411, "say how long the body is")
        if given and (len(given) > 19 or int(given) > MAX_BODY):
            self._refuse(system, "body too large", 413, f"at most {MAX_BODY} bytes")
        return int(given) if given else None

    async def _received(self, protocol: HTTPProtocol, length: int | None, system: str) -> bytes:
        try:
            return await self.receiving.whole(protocol, length, MAX_BODY)
        except Gone:
            self._refuse(system, "body cut short", 400, "the body is shorter than its length says")
        except TimeoutError:
            self._refuse(system, "body too slow", 408, "the body did not come in time")

    def _arrival(self, call: Call, system: str, rule: Verification, length: int | None, body: bytes) -> Arrival:
        if length is not None and len(body) != length:
            self._refuse(system, "body cut short", 400, "the body is shorter than its length says")
        if len(body) > MAX_BODY:
            self._refuse(system, "body too large", 413, f"at most {MAX_BODY} bytes")
        try:
            query = call.parameters() if rule.query else {}
        except ValueError:
            raise _Reply(400, "the query is not readable") from None
        verdict = verify(
            rule,
            method="POST",
            url=call.url(self._public_url) if "url" in "".join(rule.signed) else "",
            query=query,
            headers=call.headers,
            body=body,
            now=self._watch(),
        )
        if not verdict.ok:
            self._refuse(system, verdict.reason, 401, "not authentic")
        unstored = rule.header.lower() if rule.scheme == "token" else ""
        memory = None
        if not verdict.delivery_id and rule.timestamp:
            # As long as a recorded call can be played back, it must be known.
            memory = max(SHORT_MEMORY, 2 * rule.timestamp.tolerance + timedelta(minutes=1))
        return Arrival(
            system=system,
            body=body,
            received_at=self._now(),
            content_type=call.headers.get("content-type", ""),
            headers={name: value for name, value in call.headers.items() if name not in _UNSTORED and name != unstored},
            key=verdict.delivery_id or None,
            memory=memory,
        )

    def _taken(self, system: str, answer: Answer, stored: Appended) -> _Reply:
        self._tell(system, stored)
        return _spoken(answer, answer.status, (("X-Gateway-Document", stored.id),))

    def _failed(self, system: str, exc: Exception) -> _Reply:
        """What is answered. The error lets go of the call and its body, for it may itself be held: by this reply, or
        by the writer, which tells many callers of one."""
        place = "" if isinstance(exc, (_Reply, StorageBusy)) else where(exc)
        exc.__traceback__ = None
        if isinstance(exc, _Reply):
            return exc
        if isinstance(exc, StorageBusy):
            self._note(system, f"busy: {exc.reason}")
            busy = offer.answer.busy if (offer := self._sources.get(system)) is not None else 503
            return _Reply(busy, "try again later", (("Retry-After", str(exc.retry_after)),))
        self._note("", f"{type(exc).__name__} at {place}", "intake failed")
        return _Reply(503, "try again later", (("Retry-After", "30"),))

    def _refuse(self, system: str, reason: str, status: int, error: str) -> NoReturn:
        self.refused[system, reason] += 1
        self._note(system, reason)
        raise _Reply(status, error)

    def _note(self, system: str, reason: str, what: str = "call refused") -> None:
        """One line a minute: whoever sends rubbish must not fill our disk with words about it."""
        now = time.monotonic()
        if now - self._logged.get((system, reason), float("-inf")) >= QUIET:
            self._logged[system, reason] = now
            log.warning(what, system=system, reason=reason, since_start=self.refused[system, reason])


def _spoken(answer: Answer, status: int, headers: tuple[tuple[str, str], ...] = ()) -> _Reply:
    return _Reply(status, "", headers, b"" if status == 204 else answer.body, answer.content_type)


def _without_body(call: Call, answer: Answer) -> _Reply:
    if call.method in ("GET", "HEAD") and answer.get != 405:
        return _spoken(answer, answer.get)
    if call.method == "OPTIONS":
        return _handshake(call, answer)
    return _Reply(405, "send it with POST", (("Allow", _allowed(answer)),))


def _handshake(call: Call, answer: Answer) -> _Reply:
    """CloudEvents' abuse protection asks with OPTIONS whether calls are wanted here."""
    origin = call.headers.get("webhook-request-origin", "")
    headers: tuple[tuple[str, str], ...] = (("Allow", _allowed(answer)),)
    if answer.echo_origin and origin and len(origin) <= 255 and origin.isascii() and origin.isprintable():
        headers += (("WebHook-Allowed-Origin", origin), ("WebHook-Allowed-Rate", "*"))
        return _Reply(200, "", headers)
    return _Reply(204, "", headers)


def _allowed(answer: Answer) -> str:
    return "POST, OPTIONS" if answer.get == 405 else "GET, HEAD, POST, OPTIONS"


def _read(stream: InputStream, length: int) -> bytes:
    """So many bytes, or fewer when it ends before."""
    parts: list[bytes] = []
    while length and (part := stream.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
