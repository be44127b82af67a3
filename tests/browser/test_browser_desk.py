"""The desk in a real browser, on the demo's company: what people see, click, type, and are told."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from real_browser import PASSWORD

from gateway.accounts import users
from gateway.answers.metrics.asking import METRICS
from gateway.people.forgetting import forget
from gateway.store.database import write
from gateway.web.desk import mounting

pytestmark = pytest.mark.browser
SALES, VIEWER = "anna.berg@sandbox.example", "vera@sandbox.example"
FOUND: dict[str, Any] = {  # a page about one thing: its addresses, or where a link to one stands
    "/deliveries/all/<word>": ["/deliveries/all/retry", "/deliveries/all/discard"],
    "/model/drafts/new": ["/model/drafts/new?file=scoring.yaml", "/model/drafts/new?file=journey.yaml"],
    "/numbers/<name>": [f"/numbers/{name}" for name in METRICS if name != "reconcile"],  # which asks the systems
    "/numbers/<name>/leads": ("/numbers/funnel", "main table a"),
    "/leads/<id_>": ("/leads", "tbody a"),
    "/inbox/<id_>": ("/inbox", "tbody a"),
    "/systems/<name>": ("/systems", "tbody th a"),
    "/systems/<name>/plan": ("/systems/salesforce", "a.button"),
}
ELSEWHERE = {
    "/numbers",
    "/reviews/<name>",
    "/model/drafts/<id_>",
    "/login",
    "/login/<text>",
    "/static/desk/<path:filename>",
    "/work/<id_>",
    "/jobs/<id_>/refused",  # a file
}
"""Looked at by tests of their own, or there may be none."""
AXE = "(async () => {{ {source}; return (await axe.run({options})).violations }})()"
COLOURS = "{runOnly: ['color-contrast']}"
"""What a dark page may be worse at than a light one."""
OVER = """(() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  const out = (one) => one.getBoundingClientRect().right > wide && !one.closest(".scroll");
  return [...document.querySelectorAll("main *")].filter(out).map((one) => one.outerHTML.slice(0, 120)).slice(0, 5);
})()"""
"""What makes the page wider than the screen."""


def addresses(page: Any, company: Any) -> list[str]:
    """Every page, those of one lead, one document … included; one that is new is looked at by itself."""
    rules = [rule for rule in company.app.url_map.iter_rules() if rule.endpoint.startswith("desk.")]
    got = {rule.rule: rule for rule in rules if "GET" in rule.methods and rule.rule not in ELSEWHERE}
    paths = [path for path, rule in got.items() if not rule.arguments and "." not in path and path not in FOUND]
    for where in (FOUND[path] for path, rule in got.items() if path in FOUND or (rule.arguments and "." not in path)):
        if isinstance(where, list):
            paths += where
        else:
            opened(page, company.url + where[0])
            paths.append(page.get_attribute(where[1], "href"))
    assert len(paths) >= 14
    return sorted(paths)


def opened(page: Any, url: str) -> Any:
    """The answer, once what is worked out beside the page is there."""
    answer = page.goto(url)
    page.wait_for_selector("main:not(:has([data-again]))")
    return answer


def told(page: Any, words: str, where: str = "main") -> None:
    """Wait until it says so."""
    page.locator(where).filter(has_text=words).first.wait_for()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_each_page_opens_without_complaints_and_axe_finds_nothing_serious(
    visit: Any, company: Any, axe_source: str, dark: bool
) -> None:
    page = visit(color_scheme="dark" if dark else "light", viewport={"width": 1000, "height": 800})
    found = {}
    paths = addresses(page, company)
    if dark:  # what is drawn is drawn by one hand
        paths = [path for path in paths if not path.startswith("/numbers/") or path == "/numbers/funnel"]
    for path in paths:
        assert opened(page, company.url + path).status == 200, path
        assert page.title()
        if over := page.evaluate(OVER):
            found[path, "wider than the screen"] = over
        for one in page.evaluate(AXE.format(source=axe_source, options=COLOURS if dark else "")):
            if one["impact"] in ("serious", "critical"):
                found[path, one["id"]] = one["nodes"][0]["html"][:200]
    assert found == {}


def test_a_phone_shows_each_page_without_scrolling_sideways(visit: Any, company: Any) -> None:
    page = visit(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    wide = {}
    for path in addresses(page, company):
        opened(page, company.url + path)
        if over := page.evaluate(OVER):
            wide[path] = over
    assert wide == {}


def test_from_accepted_to_won_by_a_sales_user_and_it_arrives_in_salesforce(visit: Any, company: Any) -> None:
    """Each click is written to Salesforce; the deal that is won there stands on the lead's page."""
    handoff = company.fresh()
    page, salesforce = visit(SALES), company.turning.salesforce
    page.goto(f"{company.url}/handoffs?whose=all")
    form = page.locator(f"article:has(#h{handoff['id']})")
    form.get_by_role("button", name="Accept").click()
    told(page, "Accepted.")
    form.locator("summary", has_text="Qualify").click()
    form.get_by_role("button", name="Qualify").click()
    told(page, "Ended as sales_qualified.")
    company.turning.turn(timedelta(hours=1))
    record = company.held(handoff["lead"])
    assert record["Gateway_Bucket__c"] == "sales_qualified"
    made = salesforce.convert(record.id, opportunity="40 seats", amount=4800.0)
    company.turning.turn(timedelta(hours=1))
    with salesforce.lock:
        salesforce.org.update("Opportunity", made["opportunity"], {"StageName": "Closed Won"}, salesforce.org.people[0])
    company.turning.turn(timedelta(hours=1))
    page.goto(f"{company.url}/leads/{handoff['lead']}")
    told(page, "stage won")


def test_what_is_forbidden_is_refused_by_the_server_and_not_only_hidden(visit: Any, company: Any) -> None:
    handoff = company.fresh()
    page = visit(VIEWER)
    page.goto(f"{company.url}/leads/{handoff['lead']}")
    assert page.get_by_role("button", name="Accept").count() == 0
    token = page.input_value("header input[name=csrf_token]")
    for path in (
        f"/handoffs/{handoff['id']}/accept",
        f"/leads/{handoff['lead']}/hold",
        "/systems/salesforce/pause",
        "/check",
        "/deliveries/discard",
    ):
        answer = page.request.post(company.url + path, form={"csrf_token": token, "reason": "x"})
        assert answer.status == 403, path
    without = page.request.post(f"{company.url}/handoffs/{handoff['id']}/accept", form={"reason": "x"})
    assert without.status in (400, 403)
    [still] = [one for one in company.handoffs() if one["id"] == handoff["id"]]
    assert still["accepted_at"] is None


def test_of_two_people_at_one_handoff_the_second_is_told(visit: Any, company: Any) -> None:
    handoff = company.fresh()
    first, second = visit(SALES), visit()
    for page in (first, second):
        page.goto(f"{company.url}/leads/{handoff['lead']}")
    first.locator("summary", has_text="Qualify").first.click()
    first.get_by_role("button", name="Qualify").click()
    told(first, "Ended as sales_qualified.")
    second.locator("summary", has_text="Reject").first.click()
    second.select_option("details[open] select", "no budget")
    second.get_by_role("button", name="Reject").click()
    told(second, f"it ended as sales_qualified by {SALES} on 20", "[role=alert]")


def test_a_page_about_somebody_who_is_forgotten_says_so_and_nothing_of_them(visit: Any, company: Any) -> None:
    """Somebody looked at it, and had begun to type, when they were forgotten."""
    page = visit()
    page.goto(f"{company.url}/leads")
    link = page.locator("tbody a").last  # who has the fewest points is with nobody
    name, path = link.inner_text(), link.get_attribute("href")
    page.goto(company.url + path)
    page.get_by_text("Keep from sales…").click()
    page.fill("details[open] input[name=reason]", "asked us to wait")
    forget(company.turning.gateway, path.rpartition("/")[2], "root", go=True)
    page.get_by_role("button", name="Keep").click()
    told(page, "this person is forgotten")
    page.goto(company.url + path)
    told(page, "this person is forgotten")
    assert name not in page.content()
    page.complaints.clear()  # the browser notes that there is no such page
    page.goto(f"{company.url}/leads")
    assert path not in page.content()


def test_a_bulk_replay_leads_to_its_progress(visit: Any, company: Any) -> None:
    page = visit()
    page.goto(f"{company.url}/inbox")
    page.get_by_text("Read many again…").click()
    page.select_option("details[open] select[name=state]", "read")
    page.get_by_role("button", name="How many?").click()
    told(page, "would be read again")
    page.get_by_role("button", name="Read again").click()
    told(page, "are read again.", "[role=status]")
    told(page, "Long work", "h1")
    page.locator("#fresh article").filter(has_text="Replay").filter(has_text="over at").wait_for()


def test_a_session_that_ends_in_the_middle_of_a_form_loses_nothing(visit: Any, company: Any) -> None:
    """They log in again, see what they typed, and send it."""
    handoff = company.fresh()
    page = visit(SALES)
    page.goto(f"{company.url}/leads/{handoff['lead']}")
    page.get_by_text("Keep from sales…").click()
    page.fill("details[open] input[name=reason]", "asked us to wait until spring")
    with write(company.store) as connection:
        user = users.named(connection, SALES)
        users.change(connection, user, 2, "root", role="viewer")
        users.change(connection, users.named(connection, SALES), 3, "root", role="sales")
    page.get_by_role("button", name="Keep").click()
    page.locator("input[name=password]").wait_for()
    page.complaints.clear()  # the browser notes that the answer was 401
    page.fill("input[name=email]", SALES)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Send it").wait_for()
    assert page.input_value("input[name=reason]") == "asked us to wait until spring"
    page.get_by_role("button", name="Send it").click()
    told(page, "Kept from sales: asked us to wait until spring")


def test_a_handoff_is_disposed_of_with_the_keyboard_alone(visit: Any, company: Any) -> None:
    """The skip link comes first; every step is seen in the focus; the answer is announced."""
    handoff = company.fresh()
    page = visit(SALES)
    page.goto(f"{company.url}/leads/{handoff['lead']}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("[document.activeElement.tagName, document.activeElement.textContent.trim()]")
        if focused == ["SUMMARY", "Recycle"]:
            break
    else:
        pytest.fail("Recycle is not reached with Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("not now")
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Recycle":
            break
    page.keyboard.press("Enter")
    told(page, "Ended as recycled.", "[role=status]")


def test_live_clocks_run_without_the_page_being_loaded_again(visit: Any, company: Any) -> None:
    page = visit()
    page.goto(f"{company.url}/handoffs?whose=all")
    clock = page.locator("time.clock").first
    assert re.fullmatch(r"(in )?\d+ (minute|hour|day)s?( ago)?", clock.inner_text())
    assert clock.get_attribute("title")


def test_a_hostile_name_is_text(visit: Any, company: Any) -> None:
    """In a list, a heading and a title: nothing of it runs."""
    handoff = company.fresh()
    hostile = '<img src=x onerror="window.taken=1">'
    record = company.held(handoff["lead"])
    with company.turning.salesforce.lock:
        org = company.turning.salesforce.org
        org.update("Lead", record.id, {"LastName": hostile}, org.people[0])
    company.turning.turn(timedelta(hours=1))
    page = visit()
    for path in (f"/leads/{handoff['lead']}", "/leads?text=%3Cimg", "/"):
        page.goto(company.url + path)
        assert page.evaluate("window.taken === undefined")
    page.goto(f"{company.url}/leads/{handoff['lead']}")
    told(page, hostile, "h1")


def test_a_wrong_password_says_so_and_a_right_one_lets_in(chrome: Any, company: Any) -> None:
    page = chrome.new_page()
    for word, words in (("wrong password!", "The e-mail address or the password is wrong."), (PASSWORD, "Log out")):
        page.goto(f"{company.url}/login")
        page.fill("input[name=email]", VIEWER)
        page.fill("input[name=password]", word)
        page.get_by_role("button", name="Log in").click()
        told(page, words, "body")
    page.close()


def test_the_policy_of_the_page_lets_no_foreign_script_run(visit: Any, company: Any) -> None:
    page = visit()
    page.goto(company.url)
    page.evaluate(
        "() => { const one = document.createElement('script'); one.textContent = 'window.taken = 1';"
        " document.body.append(one); }"
    )
    assert page.evaluate("window.taken === undefined")
    assert any("Content Security Policy" in text for text in page.complaints)
    page.complaints.clear()
    assert "unsafe" not in mounting.HEADERS["Content-Security-Policy"]


def test_a_link_lets_in_once(chrome: Any, company: Any) -> None:
    link = company.link(VIEWER)
    for once in (True, False):
        page = chrome.new_context().new_page()
        page.goto(link)
        if once:
            page.click("main button")
        told(page, "Log out" if once else "This link does not work any more", "body")
        page.context.close()
