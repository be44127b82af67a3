"""Puts the API into the Flask application: its resources, its OpenAPI document, its one error shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask
from flask_smorest import Api
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException

from gateway.accounts.rights import RIGHTS
from gateway.web.api import (
    accounts,
    deliveries,
    documents,
    handoffs,
    jobs,
    leads,
    metrics,
    model,
    owners,
    plugins,
    proposals,
    reviews,
    systems,
    work,
)
from gateway.web.api.resource import answer

PREFIX = "/api/v1"
RESOURCES = (
    leads,
    handoffs,
    owners,
    work,
    systems,
    plugins,
    documents,
    deliveries,
    jobs,
    model,
    proposals,
    metrics,
    reviews,
    accounts,
)


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
        told = [": ".join(filter(None, words)) for words in _flat(messages)]
        return answer(told or [error.name], error.code or 500)


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
    for resource in RESOURCES:
        api.register_blueprint(resource.blueprint, url_prefix=PREFIX)
    return api


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
