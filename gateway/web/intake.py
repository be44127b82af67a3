"""Where webhooks arrive, beside Flask: length, headers, signature; append; commit; answer.

In: a WSGI call of ``/hooks/<system>``. Out: an ``Arrival`` for the inbox, and the answer its source declared. Nothing
is answered 2xx before it is on disk, nothing unauthentic is stored, and what the bytes mean is not asked here.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qs, quote

import orjson
import structlog

from gateway.contracts import Answer, Verification
from gateway.errors import StorageBusy
from gateway.store.arrivals import SHORT_MEMORY, Appended, Arrival
from gateway.web import patience
from gateway.web.signatures import verify

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

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
_OURS = {name: value for name, value in os.environ.items() if name.startswith("HTTP_")}
"""The server mixes our own environment into every call's; HTTP_PROXY is no header the caller sent."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SourceOffer:
    """What intake knows of one source: how its calls prove themselves, and what they are answered."""

    verification: Verification
    answer: Answer = field(default_factory=Answer)


@dataclass(eq=False)
class _Reply(Exception):
    """Raised by the steps, answered by ``Intake``."""

    status: int
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = "application/json"


class Intake:
    """A WSGI callable. ``append`` blocks until its arrival is on disk, or raises ``StorageBusy``.

    ``public_url`` is what senders call where a proxy stands in front; without it the Host header is believed, which
    matters for schemes that sign the URL. ``use`` changes it and the ``sources``.
    ``watch`` is the time that signatures are held against, the real one, where ``now`` is business time.
    """

    def __init__(
        self,
        sources: Mapping[str, SourceOffer | None],
        append: Callable[[Arrival], Appended],
        now: Callable[[], datetime],
        public_url: str | None = None,
        watch: Callable[[], datetime] | None = None,
    ) -> None:
        self._append = append
        self._now = now
        self._watch = watch or now
        self.use(sources, public_url)
        self.refused: Counter[tuple[str, str]] = Counter()
        """(system, reason) → calls refused, since this process began. An unknown system counts under ``""``."""
        self._logged: dict[tuple[str, str], float] = {}

    def use(self, sources: Mapping[str, SourceOffer | None], public_url: str | None) -> None:
        """From the next call on. A source that is None cannot say now how its calls prove themselves."""
        self._sources = sources
        self._public_url = public_url.rstrip("/") if public_url else None

    def knows(self, system: str) -> bool:
        """Whether it is one that may send here."""
        return system in self._sources

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            reply = self._handle(environ)
        except _Reply as early:
            reply = early
        except Exception as exc:  # noqa: BLE001 - whatever broke, the sender shall come again
            where = traceback.extract_tb(exc.__traceback__)[-1]  # the place only: texts may hold values
            self._note("", f"{type(exc).__name__} at {where.filename}:{where.lineno}", "intake failed")
            reply = _Reply(503, "try again later", (("Retry-After", "30"),))
        body = reply.body
        if reply.error:
            body = orjson.dumps({"ok": False, "errors": [reply.error], "status": reply.status})
        headers = [("Content-Type", reply.content_type), ("Content-Length", str(len(body))), *reply.headers]
        if reply.status == 204:
            headers = list(reply.headers)
        start_response(f"{reply.status} {_phrase(reply.status)}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _handle(self, environ: WSGIEnvironment) -> _Reply:
        path: str = environ.get("PATH_INFO", "")
        system = path[len(PREFIX) + 1 :].partition("/")[0]
        if system not in self._sources:
            self._refuse("", "unknown system", 404, "no such system")
        if (offer := self._sources[system]) is None:  # nothing unproved is stored, and nothing sent is lost
            self.refused[system, "plugin not available"] += 1
            self._note(system, "plugin not available")
            return _Reply(503, "try again later", (("Retry-After", "300"),))
        method = environ["REQUEST_METHOD"]
        if method == "POST":
            return self._post(environ, system, offer)
        if method in ("GET", "HEAD") and offer.answer.get != 405:
            return _spoken(offer.answer, offer.answer.get)
        if method == "OPTIONS":
            return _handshake(environ, offer.answer)
        return _Reply(405, "send it with POST", (("Allow", _allowed(offer.answer)),))

    def _post(self, environ: WSGIEnvironment, system: str, offer: SourceOffer) -> _Reply:
        headers = self._headers(environ, system)
        rule = offer.verification
        if rule.scheme in _BODY_UNPROVED and "form" in headers.get("content-type", ""):
            self._need_length(environ, system)  # half a form reads like a whole one
        body = self._body(environ, system)
        now = self._now()
        verdict = verify(
            rule,
            method="POST",
            url=self._url(environ) if "url" in "".join(rule.signed) else "",
            query=_query(environ) if rule.query else {},
            headers=headers,
            body=body,
            now=self._watch(),
        )
        if not verdict.ok:
            self._refuse(system, verdict.reason, 401, "not authentic")
        unstored = (rule.header.lower(),) if rule.scheme == "token" else ()
        memory = None
        if not verdict.delivery_id and rule.timestamp:
            # As long as a recorded call can be played back, it must be known.
            memory = max(SHORT_MEMORY, 2 * rule.timestamp.tolerance + timedelta(minutes=1))
        arrival = Arrival(
            system=system,
            body=body,
            received_at=now,
            content_type=headers.get("content-type", ""),
            headers={name: value for name, value in headers.items() if name not in _UNSTORED and name not in unstored},
            key=verdict.delivery_id or None,
            memory=memory,
        )
        try:
            stored = self._append(arrival)
        except StorageBusy as exc:
            self._note(system, f"busy: {exc.reason}")
            return _Reply(offer.answer.busy, "try again later", (("Retry-After", str(exc.retry_after)),))
        return _spoken(offer.answer, offer.answer.status, (("X-Gateway-Document", stored.id),))

    def _headers(self, environ: WSGIEnvironment, system: str) -> dict[str, str]:
        """Lower-case name → value; those sent twice are joined with commas by the server."""
        headers = {
            _spelled(name): value for name, value in environ.items() if name[:5] == "HTTP_" and _OURS.get(name) != value
        }
        if environ.get("CONTENT_TYPE"):
            headers["content-type"] = environ["CONTENT_TYPE"]
        size = len("".join(headers)) + len("".join(headers.values()))
        if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
            self._refuse(system, "headers too large", 431, f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES} bytes")
        if len(environ.get("QUERY_STRING", "")) > MAX_QUERY:
            self._refuse(system, "query too long", 414, f"at most {MAX_QUERY} bytes of query")
        return headers

    def _body(self, environ: WSGIEnvironment, system: str) -> bytes:
        given: str = environ.get("CONTENT_LENGTH") or ""
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        if given and (chunked or not (given.isascii() and given.isdigit())):
            self._refuse(system, "bad length", 400, "the length is not readable")
        if not (environ.get("wsgi.input_terminated") and (chunked or "2" in _http(environ))):
            self._need_length(environ, system)
        length = int(given) if given and len(given) < 20 else MAX_BODY + 1
        if given and length > MAX_BODY:
            self._refuse(system, "body too large", 413, f"at most {MAX_BODY} bytes")
        stream = environ["wsgi.input"]
        parts: list[bytes] = []
        missing = length
        me = threading.get_ident()
        patience.waiting[me] = time.monotonic()
        cuts = patience.cuts
        try:
            while missing and (part := stream.read(missing)):
                parts.append(part)
                missing -= len(part)
        finally:
            del patience.waiting[me]
        body = b"".join(parts)
        if (given and missing) or (not given and cuts != patience.cuts):
            self._refuse(system, "body cut short", 400, "the body is shorter than its length says")
        if len(body) > MAX_BODY:
            self._refuse(system, "body too large", 413, f"at most {MAX_BODY} bytes")
        return body

    def _need_length(self, environ: WSGIEnvironment, system: str) -> None:
        if not environ.get("CONTENT_LENGTH"):
            self._refuse(system, "no length", 411, "say how long the body is")

    def _url(self, environ: WSGIEnvironment) -> str:
        base = self._public_url or f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', environ['SERVER_NAME'])}"
        path = environ.get("RAW_URI", "").partition("?")[0] or quote(environ["PATH_INFO"].encode("latin-1"))
        query = environ.get("QUERY_STRING", "")
        return f"{base}{path}?{query}" if query else base + path

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


def _handshake(environ: WSGIEnvironment, answer: Answer) -> _Reply:
    """CloudEvents' abuse protection asks with OPTIONS whether calls are wanted here."""
    origin = environ.get("HTTP_WEBHOOK_REQUEST_ORIGIN", "")
    headers: tuple[tuple[str, str], ...] = (("Allow", _allowed(answer)),)
    if answer.echo_origin and origin and len(origin) <= 255 and origin.isascii() and origin.isprintable():
        headers += (("WebHook-Allowed-Origin", origin), ("WebHook-Allowed-Rate", "*"))
        return _Reply(200, "", headers)
    return _Reply(204, "", headers)


def _allowed(answer: Answer) -> str:
    return "POST, OPTIONS" if answer.get == 405 else "GET, HEAD, POST, OPTIONS"


def _query(environ: WSGIEnvironment) -> dict[str, list[str]]:
    try:
        return parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise _Reply(400, "the query is not readable") from None


def _http(environ: WSGIEnvironment) -> str:
    """``1.1`` or ``2``; bodies of HTTP/2 end by themselves."""
    return str(environ.get("SERVER_PROTOCOL", "")).partition("/")[2].partition(".")[0]


@lru_cache(maxsize=1024)
def _spelled(name: str) -> str:
    """A header's name from the environment's."""
    return name[5:].replace("_", "-").lower()


@lru_cache(maxsize=64)
def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Status"
