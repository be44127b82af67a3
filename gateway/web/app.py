"""The Flask application: health and pages behind, the intake in front. The test client reaches both."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence

import structlog
from flask import Flask, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from gateway.contracts import Secret
from gateway.logs import where
from gateway.store.database import store_trouble
from gateway.web.front import Front
from gateway.web.intake import Intake
from gateway.web.measures import Measures

AWAY = "the store does not answer just now; try again in a moment"
COME_AGAIN = {"Retry-After": "5"}
log = structlog.get_logger(__name__)


def create_app(
    intake: Intake,
    problems: Callable[[], Sequence[str]] = tuple,
    warnings: Callable[[], Sequence[str]] = tuple,
    measures: Measures | None = None,
    watcher: Secret | None = None,
    dead: Callable[[], str] = str,
) -> Flask:
    """Build the application. ``problems`` says why it is not ready; ``warnings`` are what an admin should look at
    while everything works. ``watcher``: the token that ``/metrics`` asks for; without one only this machine is told.
    ``dead``: why only a new process helps, or "". The desk is mounted by who has an opened instance.
    """
    app = Flask("gateway.web")
    app.wsgi_app = Front(intake, app.wsgi_app)  # type: ignore[method-assign]

    @app.get("/health/live")
    def live() -> ResponseReturnValue:
        if why := dead():
            return {"ok": False, "errors": [why], "status": 503}, 503
        return {"ok": True}

    @app.get("/health/ready")
    def ready() -> ResponseReturnValue:
        if found := list(problems()):
            return {"ok": False, "errors": found, "status": 503}, 503
        told = list(warnings())
        return {"ok": True, "warnings": told} if told else {"ok": True}

    @app.get("/metrics")
    def metrics() -> ResponseReturnValue:
        if measures is None:
            return {"ok": False, "errors": ["Not Found"], "status": 404}, 404
        if not _may_watch(watcher):
            words = "say Authorization: Bearer TOKEN, with the `metrics_token` of gateway.yaml"
            return {"ok": False, "errors": [words], "status": 401}, 401
        return measures.text(), 200, {"Content-Type": measures.content_type}

    app.register_error_handler(HTTPException, refused)

    @app.errorhandler(Exception)
    def broken(exc: Exception) -> ResponseReturnValue:
        if failed(exc) == 503:
            return {"ok": False, "errors": [AWAY], "status": 503}, 503, COME_AGAIN
        return {"ok": False, "errors": ["internal error"], "status": 500}, 500

    return app


def failed(exc: Exception) -> int:
    """The status of a page that raised it, noted in the log: 503 where the store is away, busy or full, else 500."""
    log.error("page failed", page=request.endpoint, error=type(exc).__name__, where=where(exc))
    return 503 if store_trouble(exc) and not isinstance(exc, OSError) else 500


def refused(exc: HTTPException) -> ResponseReturnValue:
    """As a program is told, whatever it asked for."""
    status = exc.code or 500
    return {"ok": False, "errors": [exc.name], "status": status}, status, headers_of(exc)


def headers_of(exc: HTTPException) -> dict[str, str]:
    """What belongs to its status, such as ``Allow``."""
    return {name: value for name, value in exc.get_headers() if name != "Content-Type"}


def _may_watch(watcher: Secret | None) -> bool:
    """With the token; without one from this machine, unless a proxy passed it on."""
    if watcher is not None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), watcher.reveal().encode())
    passed_on = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"))
    return request.remote_addr in ("127.0.0.1", "::1") and not passed_on
