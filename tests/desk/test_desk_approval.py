"""Every page says how the model changes; Today and Model say what of the files is not live."""

from __future__ import annotations

from typing import Any

import pytest
from disk_instance import Instance


def test_without_keys_every_page_says_so(desk: Any) -> None:
    """At its foot; a stranger is told nothing."""
    browser = desk("viewer")
    for path in ("/", "/leads", "/model", "/systems"):
        assert "Approval: off: whoever edits the files changes the model" in browser.get(path)


def test_an_edit_that_nobody_approved_is_on_today_and_model(company: Instance, request: pytest.FixtureRequest) -> None:
    """With the number of its changes, and what to do; also while the desk runs."""
    company.write("gateway.yaml", (company.root / "gateway.yaml").read_text() + "approval: two-key\n")
    company.run("status")
    company.edit("scoring.yaml", "points: 40}", "points: 20}")
    browser = request.getfixturevalue("desk")("sales")
    for path in ("/", "/model"):
        text = browser.get(path)
        assert "scoring.yaml differs from live " in text
        assert "(1 change): propose or discard" in text
    assert "Approval: two-key" in browser.get("/leads")
