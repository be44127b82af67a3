"""Puts the API into the Flask application: its resources, its OpenAPI document, its one error shape."""

from __future__ import annotations

from functools import cached_property

from flask import Flask, Response, json
from flask_smorest import Api
from marshmallow import Schema, fields

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

    def _register_error_handlers(self) -> None:
        """Each resource has its own; the library's would answer for the whole application."""

    def _openapi_json(self) -> Response:
        """Made once: nothing of it changes while we serve."""
        return Response(self._document, mimetype="application/json")

    @cached_property
    def _document(self) -> str:
        return json.dumps(self.spec.to_dict(), indent=2, sort_keys=False)


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
