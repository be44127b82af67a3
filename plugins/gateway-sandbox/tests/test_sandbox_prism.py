"""HubSpot's API through Prism, which refuses calls and answers that break the OpenAPI documents (``tox -e prism``)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hubspot import HubSpot

from gateway_sandbox import serve

pytestmark = pytest.mark.skipif("GATEWAY_PRISM" not in os.environ, reason="GATEWAY_PRISM names no Prism to run")


def merged(specs: list[dict[str, Any]]) -> dict[str, Any]:
    """One document of all: their schemas have the same names and need not be the same."""
    all_of: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {"title": "HubSpot", "version": "1"},
        "paths": {},
        "components": {"schemas": {}, "securitySchemes": {}},
    }
    for number, spec in enumerate(specs):
        own = json.loads(json.dumps(spec).replace('"#/components/schemas/', f'"#/components/schemas/s{number}_'))
        all_of["paths"] |= own["paths"]
        all_of["components"]["securitySchemes"] |= own["components"].get("securitySchemes", {})
        all_of["components"]["schemas"] |= {
            f"s{number}_{name}": with_nulls(schema) for name, schema in own["components"]["schemas"].items()
        }
    return all_of


def with_nulls(schema: dict[str, Any]) -> dict[str, Any]:
    """Optional values may be null on the wire, as empty properties are; the documents do not say so."""
    for name, one in schema.get("properties", {}).items():
        if name not in schema.get("required", ()) and "$ref" not in one:
            one["nullable"] = True
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"]["nullable"] = True
    for one in schema.get("properties", {}).values():
        with_nulls(one)
    return schema


@pytest.fixture
def prism(specs, hubspot, tmp_path: Path) -> Iterator[str]:
    document = tmp_path / "hubspot.json"
    document.write_text(json.dumps(merged(specs)))
    with serve(hubspot) as server, (tmp_path / "prism.log").open("wb") as log:
        # Prism takes the port it is given; 0 is not among its ports.
        with serve(hubspot) as other:
            port = other.port
        command = [os.environ["GATEWAY_PRISM"], "proxy", "-h", "127.0.0.1", "-p", str(port), "--errors"]
        process = subprocess.Popen([*command, str(document), server.url], stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            requests.get(url, timeout=5)
        except requests.ConnectionError:
            assert process.poll() is None, "Prism has ended"
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Prism does not answer")


def test_prism_lets_every_call_and_answer_through(prism, hubspot, use):
    """A call that broke its schema would be a 422, an answer a 500: the client would raise."""
    use(hubspot, HubSpot(access_token="pat-sandbox", host=prism, base_url=prism, retry=False))
    assert len(hubspot.calls) > 30


def test_prism_stops_what_is_wrong(prism, hubspot):
    """It does check: a wrong call does not arrive, and a wrong answer does not come back."""
    headers = {"Authorization": "Bearer pat-sandbox"}
    call = requests.post(f"{prism}/crm/v3/objects/contacts/batch/read", json={"inputs": 1}, headers=headers, timeout=5)
    assert (call.status_code, len(hubspot.calls)) == (422, 0)
    hubspot.faults.add("GET", status=200, body={"results": [{"id": 501}]})
    answer = requests.get(f"{prism}/crm/v3/objects/contacts", headers=headers, timeout=5)
    assert answer.status_code == 500
    assert "sl-violations" in answer.headers
