"""What both sandboxes share: one call at a time is matched, goes wrong on demand, is served and recorded.

``call → fault? → guard (token, limits) → handler → answer``; ``/_sandbox/…`` is for the test, not for the client.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Protocol
from urllib.parse import unquote

import orjson
from werkzeug.wrappers import Request, Response

from gateway_sandbox.calls import HIDDEN, Call, Calls, Effect
from gateway_sandbox.clock import Clock
from gateway_sandbox.faults import Fault, Faults
from gateway_sandbox.page import page, record_page
from gateway_sandbox.records import Record, Records


@dataclass(slots=True)
class Reply:
    """An answer: ``body`` is JSON data, or bytes as they go out, or None for an empty one."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    apart: float = 0.0
    """Seconds between two bytes on the line."""

    def content(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else orjson.dumps(self.body)


class Refusal(Exception):
    """A handler's way to answer with an error from anywhere."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        self.reply = Reply(status, body, dict(headers or {}))


Handler = Callable[..., Reply]
Route = tuple[str, str, Handler]


class Noun(Protocol):
    """A part of an API: it knows its own paths."""

    def routes(self) -> list[Route]: ...


class Router:
    """``("GET", "/crm/v3/objects/{object}/{id}", handler)``; parts are unquoted one by one, so ``%2F`` stays inside."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[tuple[str, int], list[tuple[list[str], Handler]]] = {}
        for method, pattern, handler in routes:
            parts = pattern.strip("/").split("/")
            self._routes.setdefault((method, len(parts)), []).append((parts, handler))
        for same in self._routes.values():
            same.sort(key=lambda route: [part.startswith("{") for part in route[0]])

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        given = path.strip("/").split("/")
        for parts, handler in self._routes.get((method, len(given)), ()):
            if all(part == have or (part.startswith("{") and have) for part, have in zip(parts, given, strict=True)):
                return handler, {
                    part[1:-1]: unquote(have) for part, have in zip(parts, given, strict=True) if part.startswith("{")
                }
        return None

    def methods(self, path: str) -> list[str]:
        return sorted({method for method, _ in self._routes if self.find(method, path)})


class Sandbox:
    """A WSGI application over a model in memory. Subclasses bring the routes, the guard and the API's own errors.

    ``records[object][id]``, ``calls``, ``effects`` and ``faults`` are what a test reads and writes; take ``lock`` when
    other threads are being served meanwhile.
    """

    name = "sandbox"

    def __init__(self, *, seed: int = 0, clock: Clock | None = None) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.url = "http://127.0.0.1"
        self.records = Records()
        self.calls = Calls()
        self.effects: list[Effect] = []
        self.faults = Faults()
        self._call: Call | None = None
        self._fault: Fault | None = None
        self._router = Router(self.routes())
        self._control = Router(self.control())

    # What subclasses say

    def routes(self) -> Iterable[Route]:
        raise NotImplementedError

    def guard(self, call: Call) -> None:
        """Refuse a call before it is served (token, scope, limits)."""

    def canonical(self, path: str) -> str:
        """The path the routes know, of the path that was called."""
        return path

    def decorate(self, call: Call, reply: Reply) -> None:
        """Add the headers that every answer of this API carries."""

    def missing(self, call: Call) -> Reply:
        raise NotImplementedError

    def wrong_method(self, call: Call, allowed: list[str]) -> Reply:
        raise NotImplementedError

    def failed(self, call: Call, error: Exception) -> Reply:
        """The answer to a body that cannot be read."""
        raise NotImplementedError

    def limited(self, kind: str, retry_after: float | None) -> Reply:
        raise NotImplementedError

    def unauthorised(self) -> Reply:
        raise NotImplementedError

    def expire_tokens(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """End what the sandbox started."""

    # What a test (or the simulation) does over there

    def add(self, object: str, values: Mapping[str, Any]) -> Record:
        raise NotImplementedError

    def edit(self, object: str, id: str, values: Mapping[str, Any]) -> Record:
        raise NotImplementedError

    def remove(self, object: str, id: str) -> None:
        raise NotImplementedError

    def changed(self, kind: str, object: str, id: str, values: Mapping[str, Any] | None = None) -> None:
        """Note an effect, under the call being served if there is one."""
        call = self._call
        effect = Effect(call.number if call else None, self.clock.now(), kind, object, id, dict(values or {}))
        self.effects.append(effect)
        if call:
            call.effects.append(effect)

    def row_error(self, place: int, row: Any) -> Mapping[str, Any] | None:
        """What the fault script says of this row of the batch being served."""
        return self._fault.row(place, row) if self._fault else None

    # Serving

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        path = str(environ.get("REQUEST_URI") or request.path).split("?", 1)[0]
        if path.startswith("http"):
            path = "/" + path.split("/", 3)[3]
        if path == "/" and request.method == "GET":
            with self.lock:
                whole = page(self.name, self.clock.now(), len(self.calls), self.records)
            return Response(whole, content_type="text/html;charset=utf-8")(environ, start_response)
        with self.lock:
            told = record_page(self.name, path, self.records) if request.method == "GET" else None
        if told is not None:
            return Response(told, content_type="text/html;charset=utf-8")(environ, start_response)
        if path.startswith("/_sandbox"):
            reply = self._controlled(request, path)
        else:
            answered = self._served(request, path)
            if answered is None:
                _cut(environ)
                # Nothing can be said any more; the server notices when it tries.
                return Response(status=500)(environ, start_response)
            reply = answered
        response = Response(reply.content(), reply.status)
        response.headers["Content-Type"] = "application/json;charset=utf-8"
        response.headers["Date"] = format_datetime(self.clock.now(), usegmt=True)
        for name, value in reply.headers.items():
            response.headers[name] = value
        if reply.status == 204:
            del response.headers["Content-Type"]
        if reply.apart:
            response.headers["Content-Length"] = str(len(reply.content()))
            response.response = _dripping(reply)
        return response(environ, start_response)

    def _served(self, request: Request, path: str) -> Reply | None:
        body = request.get_data()
        with self.lock:
            call = Call(
                number=len(self.calls) + 1,
                at=self.clock.now(),
                method=request.method,
                path=path,
                query=request.query_string.decode("ascii", "replace"),
                headers={name.lower(): value for name, value in request.headers if name.lower() not in HIDDEN},
                body=body,
            )
            self.calls.append(call)
            fault = self.faults.take(call)
        kind = fault.kind if fault else None
        after = bool(fault and (fault.action.get("after") or kind == "garbage" or fault.action.get("drop") == "after"))
        if fault:
            call.fault = kind
        if kind == "slow" and fault and not after:
            time.sleep(float(fault.action["slow"]))
        if fault and kind in ("drop", "status", "limit", "auth") and not after:
            reply = None if kind == "drop" else self._faulty(fault)
        else:
            with self.lock:
                if kind == "expire":
                    self.expire_tokens()
                self._call, self._fault = call, fault
                try:
                    reply = self._handled(call, request.headers.get("Authorization", ""))
                finally:
                    self._call = self._fault = None
            if fault and kind == "slow":
                time.sleep(float(fault.action["slow"]) if after else 0)
            elif fault and kind == "drip":
                reply.apart = float(fault.action["drip"])
            elif fault and kind == "swell":
                reply = Reply(reply.status, reply.content() + b" " * int(fault.action["swell"]), reply.headers)
            elif fault and after:
                reply = None if kind == "drop" else self._faulty(fault)
        if reply is not None:
            self.decorate(call, reply)
            call.status, call.answer = reply.status, reply.content()
        return reply

    def _handled(self, call: Call, authorization: str) -> Reply:
        path = self.canonical(call.path)
        try:
            self.authorise(call, authorization)
            self.guard(call)
            found = self._router.find(call.method, path)
            if found is None:
                allowed = self._router.methods(path)
                return self.wrong_method(call, allowed) if allowed else self.missing(call)
            handler, parts = found
            return handler(call, **parts)
        except Refusal as refusal:
            return refusal.reply
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            return self.failed(call, exc)

    def authorise(self, call: Call, authorization: str) -> None:
        """Refuse a call without a good token. The header is seen here alone and kept nowhere."""

    def _faulty(self, fault: Fault) -> Reply:
        action = fault.action
        if fault.kind == "limit":
            return self.limited(str(action["limit"]), action.get("retry_after"))
        if fault.kind == "auth":
            return self.unauthorised()
        if fault.kind == "garbage":
            return Reply(200, b'{"results": [{"id": "')
        return Reply(int(action["status"]), action.get("body"), dict(action.get("headers") or {}))

    # The control interface

    def control(self) -> Iterable[Route]:
        """Routes below ``/_sandbox``."""
        return [
            ("GET", "/_sandbox", self._summary),
            ("GET", "/_sandbox/calls", self._list_calls),
            ("DELETE", "/_sandbox/calls", self._forget_calls),
            ("GET", "/_sandbox/effects", self._list_effects),
            ("GET", "/_sandbox/faults", lambda call: Reply(body=[fault.as_json() for fault in self.faults])),
            ("POST", "/_sandbox/faults", self._add_faults),
            ("DELETE", "/_sandbox/faults", self._forget_faults),
            ("POST", "/_sandbox/tokens/expire", self._expire),
            ("GET", "/_sandbox/clock", lambda call: Reply(body={"now": self.clock.now().isoformat()})),
            ("POST", "/_sandbox/clock", self._move_clock),
            ("GET", "/_sandbox/records/{object}", self._list_records),
            ("POST", "/_sandbox/records/{object}", self._add_record),
            ("GET", "/_sandbox/records/{object}/{id}", self._show_record),
            ("PATCH", "/_sandbox/records/{object}/{id}", self._edit_record),
            ("DELETE", "/_sandbox/records/{object}/{id}", self._remove_record),
        ]

    def _controlled(self, request: Request, path: str) -> Reply:
        call = Call(0, self.clock.now(), request.method, path, request.query_string.decode("ascii", "replace"), {}, b"")
        call.body = request.get_data()
        found = self._control.find(request.method, path)
        if found is None:
            return Reply(404, {"error": "the control interface has no such address", "see": "/_sandbox"})
        handler, parts = found
        try:
            with self.lock:
                return handler(call, **parts)
        except Refusal as refusal:
            return refusal.reply
        except (ValueError, TypeError, KeyError) as exc:
            return Reply(400, {"error": f"{type(exc).__name__}: {exc}"})

    def _summary(self, call: Call) -> Reply:
        return Reply(
            body={
                "sandbox": self.name,
                "seed": self.seed,
                "now": self.clock.now().isoformat(),
                "calls": len(self.calls),
                "effects": len(self.effects),
                "faults": len(self.faults),
                "records": {object: sum(1 for _ in self.records.alive(object)) for object in sorted(self.records)},
            }
        )

    def _list_calls(self, call: Call) -> Reply:
        return Reply(body=[made.as_json() for made in self.calls.matching(call.arg("match") or "")])

    def _forget_calls(self, call: Call) -> Reply:
        self.calls.clear()
        self.effects.clear()
        return Reply(204)

    def _list_effects(self, call: Call) -> Reply:
        wanted = {name: call.arg(name) for name in ("kind", "object", "id")}
        return Reply(
            body=[
                effect.as_json()
                for effect in self.effects
                if all(value in (None, getattr(effect, name)) for name, value in wanted.items())
            ]
        )

    def _add_faults(self, call: Call) -> Reply:
        given = call.json()
        self.faults.script(given if isinstance(given, list) else [given])
        return Reply(201, [fault.as_json() for fault in self.faults])

    def _forget_faults(self, call: Call) -> Reply:
        self.faults.clear()
        return Reply(204)

    def _expire(self, call: Call) -> Reply:
        self.expire_tokens()
        return Reply(204)

    def _move_clock(self, call: Call) -> Reply:
        return Reply(body={"now": self.clock.advance(float(call.json()["advance"])).isoformat()})

    def _list_records(self, call: Call, object: str) -> Reply:
        return Reply(body=[record.as_json() for record in self.records[object].values()])

    def _add_record(self, call: Call, object: str) -> Reply:
        return Reply(201, self.add(object, call.json()).as_json())

    def _show_record(self, call: Call, object: str, id: str) -> Reply:
        record = self.records[object].get(id)
        return Reply(body=record.as_json()) if record else Reply(404, {"error": "no such record"})

    def _edit_record(self, call: Call, object: str, id: str) -> Reply:
        return Reply(body=self.edit(object, id, call.json()).as_json())

    def _remove_record(self, call: Call, object: str, id: str) -> Reply:
        self.remove(object, id)
        return Reply(204)


def _dripping(reply: Reply) -> Iterator[bytes]:
    for byte in reply.content():
        yield bytes([byte])
        time.sleep(reply.apart)


def _cut(environ: Mapping[str, Any]) -> None:
    """Close the line with a reset, so that the client sees a broken connection and not an empty answer."""
    line: socket.socket | None = environ.get("werkzeug.socket")
    if line is None:
        raise ConnectionResetError("the fault script cut this call")
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.shutdown(socket.SHUT_RDWR)
        line.close()


def moment(at: datetime | None, clock: Clock) -> datetime:
    return at if at is not None else clock.now()
