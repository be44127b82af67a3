"""People who look at the demo's company with a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from real_browser import Company, axe, chromium, played

NEVER = 60.0
"""Seconds after which what a page should show never comes."""


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    pytest.importorskip("gateway_sandbox.circle")
    with played(tmp_path_factory.mktemp("company") / "instance") as made:
        yield made


@pytest.fixture(scope="session")
def chrome() -> Iterator[Any]:
    playwright_api = pytest.importorskip("playwright.sync_api", reason="`tox -e browser` brings it")
    try:
        path = chromium()
    except RuntimeError as exc:
        pytest.skip(str(exc))
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe_source(tmp_path_factory: pytest.TempPathFactory) -> str:
    base = tmp_path_factory.getbasetemp()
    try:
        return axe(base)
    except RuntimeError as exc:
        pytest.skip(str(exc))


@pytest.fixture
def visit(chrome: Any, company: Company) -> Iterator[Any]:
    """``visit(email, **context)``: a page of a browser in which they are logged in. What it complains of fails the
    test, less what a test expects and removes from ``page.complaints``."""
    contexts = []

    def enter(email: str = "admin@sandbox.example", **options: Any) -> Any:
        context = chrome.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
        context.set_default_timeout(NEVER * 1000)
        contexts.append(context)
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda told: told.type in ("error", "warning") and page.complaints.append(told.text))
        page.on("pageerror", lambda exc: page.complaints.append(str(exc)))
        page.goto(company.link(email))
        page.click("main button")
        page.get_by_role("button", name="Log out").wait_for()
        return page

    yield enter
    complaints = [text for context in contexts for page in context.pages for text in getattr(page, "complaints", ())]
    for context in contexts:
        context.close()
    assert complaints == []
