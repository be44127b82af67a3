"""Puts the API into the Flask application: its resources, its OpenAPI document, its one error shape."""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask
from flask_smorest import Api
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from gateway.accounts.rights import RIGHTS
from gateway.errors import ConfigError, GatewayError, NotFound, Refused, StorageBusy, TryLater
from gateway.web.api import handoffs, leads, work
from gateway.web.api.caller import NotAllowed

log = structlog.get_logger(__name__)
PREFIX = "/api/v1"
STATUS = ((NotFound, 404), (Refused, 409), (TryLater, 503), (StorageBusy, 503), (ConfigError, 409))


class ErrorSchema(Schema):
    """What every error is told as."""

    ok = fields.Boolean(metadata={"description": "false"})
    status = fields.Integer()
    errors = fields.List(fields.String(), metadata={"description": "what is wrong, all at once"})


class GatewayApi(Api):  # type: ignore[misc]  # the library has no types
    ERROR_SCHEMA = ErrorSchema

    def handle_http_exception(self, error: HTTPException) -> Any:
        """Also what the library refuses: a body or a query that does not fit its schema."""
        messages = getattr(error, "data", {}).get("messages") or {}
        told = [
            f"{place}: {name}: {text}"
            for place, found in messages.items()
            for name, texts in (found.items() if isinstance(found, dict) else {place: found}.items())
            for text in (texts if isinstance(texts, list) else [str(texts)])
        ]
        return _answer(told or [error.name], error.code or 500)


def mount(app: Flask) -> GatewayApi:
    app.config |= {
        "API_TITLE": "Lead gateway",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.0.3",
        "OPENAPI_URL_PREFIX": PREFIX,
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    told = {
        "info": {
            "description": f"Rights of a token: {'; '.join(f'`{name}`: {words}' for name, words in RIGHTS.items())}."
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }
    api = GatewayApi(app, spec_kwargs=told)
    for resource in (leads, handoffs, work):
        blueprint = resource.blueprint
        api.register_blueprint(blueprint, url_prefix=PREFIX)
    return api


def _answer(errors: list[str], status: int, headers: dict[str, str] | None = None) -> Any:
    return {"ok": False, "status": status, "errors": errors}, status, headers or {}


def errors_of(blueprint: Any) -> None:
    """Tell what a resource raises in the one shape."""

    @blueprint.errorhandler(NotAllowed)
    def not_allowed(exc: NotAllowed) -> Any:
        return _answer([str(exc)], exc.status, {"WWW-Authenticate": "Bearer"} if exc.status == 401 else None)

    @blueprint.errorhandler(GatewayError)
    def told(exc: GatewayError) -> Any:
        status = next((status for kind, status in STATUS if isinstance(exc, kind)), 500)
        return _answer([str(exc)], status, {"Retry-After": "5"} if status == 503 else None)


for _resource in (leads, handoffs, work):
    errors_of(_resource.blueprint)
