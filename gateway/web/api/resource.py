"""How an operation is declared: where it is, the right it asks for, what it takes and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from flask import Request, Response, request
from flask_smorest import Blueprint
from marshmallow import Schema
from webargs.core import is_json, missing
from webargs.flaskparser import FlaskParser, abort
from werkzeug.exceptions import HTTPException

from gateway.errors import ConfigError, GatewayError, NotFound, QuarantineDocument, Refused, StorageBusy, TryLater
from gateway.payloads import decode_json
from gateway.web.api.caller import NotAllowed, needs
from gateway.web.api.once import once
from gateway.web.desk.page import storable

F = TypeVar("F", bound=Callable[..., Any])
STATUS = ((NotFound, 404), (Refused, 409), (TryLater, 503), (StorageBusy, 503), (ConfigError, 409))
ONCE = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "A call sent again with the same key within a day is answered as the first time, and not done again",
}


class _Strictly(FlaskParser):
    """Bodies are read as those of documents are: the library fails at deep ones and at long numbers."""

    def _raw_load_json(self, req: Request) -> Any:
        if not is_json(req.mimetype) or not (body := req.get_data()):
            return missing
        try:
            return decode_json(body)
        except QuarantineDocument as exc:
            abort(400, messages={"json": [str(exc)]})


class Resource(Blueprint):  # type: ignore[misc]  # the library has no types
    """One kind of thing. Errors are told in the one shape, and texts that no database takes are refused."""

    ARGUMENTS_PARSER = _Strictly()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(f"api_{name}", __name__, description=description)
        self.register_error_handler(NotAllowed, _not_allowed)
        self.register_error_handler(GatewayError, _told)
        self.register_error_handler(HTTPException, _refused)
        self.before_request(_storable)
        self.after_request(_unkept)

    def looks(
        self, rule: str, gives: type[Schema] | None, right: str = "read", asks: type[Schema] | None = None
    ) -> Callable[[F], F]:
        """An operation that changes nothing. ``asks``: of the query; ``gives`` None: an object without a schema."""

        def declare(view: F) -> F:
            made = self.response(200, gives)(view)
            if gives is None:
                made = self.alt_response(200, schema={"type": "object"})(made)
            if asks is not None:
                made = self.arguments(asks, location="query")(made)
            self._declare(rule, "GET", right, made)
            return view

        return declare

    def changes(
        self,
        rule: str,
        right: str,
        takes: type[Schema] | None = None,
        gives: type[Schema] | None = None,
        *,
        method: str = "POST",
        kept: bool = True,
        asks: type[Schema] | None = None,
    ) -> Callable[[F], F]:
        """An operation that changes something, and answers with JSON as ``gives`` tells it.

        :param asks: of the query.
        :param kept: its answer is kept for a call that is sent again; False where it holds a secret.
        """

        def declare(view: F) -> F:
            made = self.response(200)(once(view) if kept else view)
            made = self.alt_response(200, schema=gives if gives is not None else {"type": "object"})(made)
            if takes is not None:
                made = self.arguments(takes)(made)
            if asks is not None:
                made = self.arguments(asks, location="query")(made)
            if kept:
                made = self.doc(parameters=[ONCE])(made)
            self._declare(rule, method, right, made)
            return view

        return declare

    def _declare(self, rule: str, method: str, right: str, view: Callable[..., Any]) -> None:
        """Who may not is told so before anybody looks at what they say."""
        told = self.doc(description=f"Asks for the right `{right}`.")(needs(right)(view))
        self.route(rule, methods=[method])(told)


def answer(errors: list[str], status: int, headers: dict[str, str] | None = None) -> Any:
    """The one shape of errors."""
    return {"ok": False, "status": status, "errors": errors}, status, headers or {}


def _not_allowed(exc: NotAllowed) -> Any:
    return answer([str(exc)], exc.status, {"WWW-Authenticate": "Bearer"} if exc.status == 401 else None)


def _told(exc: GatewayError) -> Any:
    status = next((status for kind, status in STATUS if isinstance(exc, kind)), 500)
    return answer([str(exc)], status, {"Retry-After": "5"} if status == 503 else None)


def _refused(exc: HTTPException) -> Any:
    """Also what the library refuses: a body or a query that does not fit its schema."""
    messages = getattr(exc, "data", {}).get("messages") or {}
    told = [": ".join(filter(None, words)) for words in _flat(messages)]
    return answer(told or [exc.name], exc.code or 500)


def _flat(messages: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Where, and what is wrong there, of each message of a schema."""
    if isinstance(messages, dict):
        for name, found in messages.items():
            yield from _flat(found, *path, "" if name == "_schema" else str(name))
    elif isinstance(messages, list):
        for one in messages:
            yield from _flat(one, *path)
    else:
        yield *path, str(messages)


def _storable() -> Any:
    if not all(map(storable, (request.view_args or {}).values())):
        return answer(["there is nothing of this name"], 404)
    return None


def _unkept(response: Response) -> Response:
    """Nothing on the way keeps what is told of people."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
