"""Writes docs/screens/*.png, each page of the desk as the demo's company sees it: ``python docs/screenshots.py``.

Needs the plugins of ``make demo``, playwright, and Chromium, which is installed where that is possible.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import sync_playwright  # noqa: E402 - after the way to it is known
from real_browser import chromium, played  # noqa: E402

PAGES = {
    "today": "/",
    "leads": "/leads",
    "lead": ("/leads?bucket=open", "tbody a", "#score"),
    "handoffs": "/handoffs?whose=all",
    "owners": "/owners",
    "work": "/work",
    "numbers": "/numbers/funnel",
    "model": "/model",
    "systems": "/systems",
    "system": "/systems/salesforce",
    "inbox": "/inbox",
    "deliveries": "/deliveries",
    "jobs": "/jobs",
    "accounts": "/accounts",
    "audit": "/audit",
    "reviews": "/reviews",
}
"""Name of the picture → the page, or where a link to one stands and what of it is seen."""
SIZE = {"width": 1000, "height": 720}
PHONE = {"width": 390, "height": 800}


def main() -> None:
    folder = ROOT / "docs" / "screens"
    folder.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        played(Path(scratch) / "instance", sales=True) as company,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport=SIZE)
        page.goto(company.link("admin@sandbox.example"))
        page.click("main button")
        page.get_by_role("button", name="Log out").wait_for()
        for name, where in PAGES.items():
            if name == "jobs":
                _begin_work(page, company.url)
            path = where if isinstance(where, str) else _found(page, company.url, *where)
            page.goto(company.url + path)
            beside = "main:not(:has([data-again]))" + ("" if name == "jobs" else ":not(:has(#fresh:not([data-still])))")
            page.wait_for_selector(beside)  # what is worked out beside the page
            page.wait_for_load_state("networkidle")
            page.screenshot(path=folder / f"{name}.png")
        page.set_viewport_size(PHONE)
        page.goto(f"{company.url}/handoffs?whose=all")
        page.screenshot(path=folder / "phone.png")
        browser.close()


def _begin_work(page: Any, url: str) -> None:
    """Something that took a while is over."""
    page.goto(f"{url}/inbox/all/replay?system=hubspot&state=read")
    page.click("main form button")
    page.locator("#fresh article").filter(has_text="over at").wait_for()


def _found(page: Any, url: str, list_: str, link: str, part: str) -> str:
    page.goto(url + list_)
    return str(page.get_attribute(link, "href")) + part


if __name__ == "__main__":
    main()
