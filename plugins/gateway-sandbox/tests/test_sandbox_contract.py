"""HubSpot's answers against OpenAPI documents, where a folder of them is given (``GATEWAY_HUBSPOT_SPECS``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from gateway_sandbox import Call

_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": float,
}


def wrong(value: Any, schema: dict[str, Any], spec: dict[str, Any], at: str = "$") -> Iterator[str]:
    """What of a value is not as its schema says."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if "oneOf" in schema:
        if all(list(wrong(value, one, spec, at)) for one in schema["oneOf"]):
            yield f"{at}: none of the alternatives"
        return
    kind = schema.get("type")
    if kind and (not isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{at}: {type(value).__name__} is no {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is not of {schema['enum']}"
    if schema.get("format") == "date-time":
        datetime.fromisoformat(value)
    if kind == "array":
        for place, one in enumerate(value):
            yield from wrong(one, schema.get("items", {}), spec, f"{at}[{place}]")
    if kind == "object":
        known = schema.get("properties", {})
        yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value)
        for name, one in value.items():
            # optional values may be null on the wire, as empty properties are
            if one is None and name not in schema.get("required", ()):
                continue
            if name in known:
                yield from wrong(one, known[name], spec, f"{at}.{name}")
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from wrong(one, schema["additionalProperties"], spec, f"{at}.{name}")


def operation(call: Call, specs: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    found = []
    for spec in specs:
        for path, methods in spec["paths"].items():
            pattern = re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(path)).rstrip("/") + "/?"
            if call.method.lower() in methods and re.fullmatch(pattern, call.path):
                found.append((path.count("{"), methods[call.method.lower()], spec))
    return min(found, key=lambda one: one[0])[1:] if found else None


def body_schema(content: dict[str, Any]) -> dict[str, Any] | None:
    schema: dict[str, Any] | None = content.get("content", {}).get("application/json", {}).get("schema")
    return schema


def problems(call: Call, specs: list[dict[str, Any]]) -> list[str]:
    found = operation(call, specs)
    if found is None:
        return []
    of, spec = found
    told = []
    asked = body_schema(of.get("requestBody", {}))
    if asked and call.status < 400:
        told += [f"asked {one}" for one in wrong(call.json(), asked, spec)]
    responses = of["responses"]
    given = responses.get(str(call.status), responses["default"] if call.status >= 400 else None)
    if given is None:
        return [*told, f"{call.status} is not among {sorted(responses)}"]
    schema = body_schema(given)
    if schema:
        told += [f"answered {one}" for one in wrong(call.answered(), schema, spec)]
    return told


def test_every_call_and_answer_is_as_the_documents_say(specs, hubspot, hub, use):
    """What the client sends and what the sandbox answers, refused and mixed ones too."""
    use(hubspot, hub)
    told = {f"{call.method} {call.path} {call.status}": problems(call, specs) for call in hubspot.calls}
    assert {line: found for line, found in told.items() if found} == {}
    checked = [call for call in hubspot.calls if operation(call, specs)]
    assert {call.status for call in checked} >= {200, 201, 204, 207, 400, 409}


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, b'{"results": [{"id": 501, "properties": {}, "createdAt": "2026-11-20T09:00:00Z"}]}'),
        (200, b'{"total": 1}'),
        (302, b"{}"),
    ],
)
def test_a_wrong_answer_is_found(specs, status, answer):
    """The check would notice: a number as id, a missing list, an unknown status."""
    at = datetime.fromisoformat("2026-11-20T09:00:00+00:00")
    call = Call(1, at, "GET", "/crm/v3/objects/contacts", "", {}, b"", status, answer)
    assert problems(call, specs)
