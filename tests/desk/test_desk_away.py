"""The store is away: people and programs are told so and that it passes, and not that something is broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from disk_instance import Instance

PAGES = ("/", "/leads", "/handoffs", "/work", "/numbers/funnel", "/model", "/systems", "/account", "/login")


@pytest.fixture
def gone(company: Instance, app: Any) -> Any:
    """``gone()`` takes the main database away, and gives back what puts it there again."""
    file = company.root / "var" / "gateway.db"
    away = company.root / "away.db"

    def take() -> Any:
        file.rename(away)
        return lambda: Path(away).rename(file)

    return take


def test_a_page_says_so_and_is_there_again_when_it_is(desk: Any, gone: Any) -> None:
    browser, nobody = desk("admin"), desk()
    browser.get("/leads")
    back = gone()
    for path in PAGES:
        for client in (browser.client, nobody.client):
            answer = client.get(path)
            if answer.status_code == 302:  # nobody is asked who they are, and that needs no store
                continue
            assert (path, answer.status_code, answer.headers["Retry-After"]) == (path, 503, "5")
            assert "<h1>Not now</h1>" in answer.text
            assert "may or may not" not in answer.text
    browser.post("/leads/nobody/hold", reason="x", follow=False)
    assert browser.status == 503
    assert "may or may not have been done" in browser.text
    back()
    for path in PAGES:
        browser.get(path)
        assert (path, browser.status) == (path, 200)
    assert "Log out" in browser.text


def test_a_program_is_told_to_come_again(app: Any, program: Any, gone: Any) -> None:
    caller = program("admin")
    caller.get("/leads")
    back = gone()
    for method, path in (("GET", "/api/v1/leads"), ("POST", "/api/v1/systems/check"), ("GET", "/health/work")):
        answer = caller.client.open(path, method=method, headers=caller.headers)
        assert (path, answer.status_code, answer.json["status"]) == (path, 503, 503)
        assert path.startswith("/health") or answer.headers["Retry-After"] == "5"
        assert "sqlite" not in answer.text.lower()
    back()
    caller.get("/leads")


def test_what_is_our_own_fault_is_still_said_to_be(app: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not there is no store; and the page that says so does not meet it once more."""
    browser = desk("admin")

    def wrong(*_: Any, **__: Any) -> Any:
        raise FileNotFoundError("somewhere")

    monkeypatch.setattr("gateway.web.desk.page.Desk.looking", wrong)
    answer = browser.client.get("/leads")
    assert answer.status_code == 500
    assert "<h1>Something went wrong</h1>" in answer.text
