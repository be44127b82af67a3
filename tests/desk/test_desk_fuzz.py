"""Calls that the API's own document makes up, right ones and wrong ones: none breaks it, every answer is foretold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.engine import errands
from gateway.web.desk.page import NAME

pytestmark = pytest.mark.slow
EXAMPLES = 3
"""Of right calls, and as many of wrong ones, for each operation."""


def test_no_call_that_is_made_up_breaks_the_api(
    app: Any, program: Any, handoff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemathesis = pytest.importorskip("schemathesis")
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error

    monkeypatch.setattr(errands, "start", lambda *said, **more: "0" * 32)
    headers = program("admin").headers
    document = app.extensions[NAME].gateway.inbox.listing(None, None, 1)[0]["id"]
    there = {
        "/handoffs/{key}": handoff["handoff"],
        "/leads/{key}": handoff["lead"],
        "/systems/{name}": "sales",
        "/metrics/{name}": "funnel",
        "/inbox/{id_}": document,
        "/users/{email}": "viewer@one.example",
    }
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    schema.validate()
    checks = schemathesis.checks.CHECKS.get_by_names(
        ["status_code_conformance", "content_type_conformance", "response_schema_conformance"]
    )
    asked = set()
    for one in schema.get_all_operations():
        operation = one.ok()
        for mode in GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
            @settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            )
            def call(case: Any, real: bool) -> None:
                if real and (found := [one for one in there if one in case.path]):
                    case.path_parameters[found[0].partition("{")[2][:-1]] = there[found[0]]
                answer = case.call(headers=headers)
                case.validate_response(answer, checks=[not_a_server_error, *checks])

            call()
        asked.add(operation.label)
    assert len(asked) > 50
