"""Coming in to the desk: who may, what is kept of a form when the session is over, what a browser is told."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from disk_instance import Instance
from sqlalchemy import delete, update

from gateway.store import tables as t
from gateway.store.database import write
from gateway.web.desk.page import NAME

PAGES = ("/", "/leads", "/leads.csv", "/handoffs", "/work", "/account", "/model", "/model/process.svg", "/systems",
         "/systems/sales", "/inbox", "/deliveries")  # fmt: skip


def test_nobody_sees_a_page_without_logging_in(desk: Any) -> None:
    browser = desk()
    for path in (*PAGES, "/leads/x", "/work/x", "/inbox/x"):
        browser.get(path)
        assert "<h1>Log in</h1>" in browser.text
        assert "ann@one.example" not in browser.text


@pytest.mark.parametrize("role", ["admin", "marketing", "sales", "viewer"])
def test_everybody_who_is_in_sees_each_page(desk: Any, role: str) -> None:
    browser = desk(role)
    for path in PAGES:
        browser.get(path)
        assert (path, browser.status) == (path, 200)


def test_after_logging_in_one_is_where_one_wanted_to_be(desk: Any) -> None:
    browser = desk()
    browser.get("/leads?text=ann")
    assert 'value="/leads?text=ann"' in browser.text
    browser.post("/login", email="sales@one.example", password="correct horse battery", next="/leads?text=ann")
    assert "<h1>Leads</h1>" in browser.text
    assert "Ann Ames" in browser.text


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_a_link_to_us_sends_nobody_elsewhere(desk: Any, to: str) -> None:
    browser = desk()
    browser.get("/login")
    browser.post("/login", email="sales@one.example", password="correct horse battery", next=to)
    assert "<h1>Today</h1>" in browser.text


def test_a_wrong_login_says_so_and_keeps_the_address(desk: Any) -> None:
    browser = desk()
    browser.log_in("sales@one.example", "wrong")
    assert browser.status == 401
    assert "the password is wrong" in browser.text
    assert 'value="sales@one.example"' in browser.text
    for _ in range(4):
        browser.log_in("sales@one.example", "wrong")
    browser.log_in("sales@one.example")
    assert browser.status == 429
    assert "Too many wrong logins" in browser.text


@pytest.mark.parametrize("path", ["/login", "/leads/x/hold", "/account"])
def test_a_form_of_too_many_fields_is_not_read(app: Any, path: str) -> None:
    """Whoever sends it; what is left of a megabyte of them would be 12 on a page."""
    browser, fields = app.test_client(), "application/x-www-form-urlencoded"
    answer = browser.post(path, data="a=&" * 300_000, content_type=fields)
    assert answer.status_code == 413
    assert "That is too large." in answer.text
    assert browser.post(path, data="a=&" * 9_999, content_type=fields).status_code in (302, 400, 401)


def over(app: Any) -> None:
    """Every session ends."""
    with write(app.extensions[NAME].gateway.store.main) as connection:
        connection.execute(update(t.keys).values(expires_at=1))


def test_what_was_typed_when_the_session_ended_is_not_lost(app: Any, desk: Any, handoff: dict[str, Any]) -> None:
    """Nothing is done before they log in and say so; then it is."""
    browser = desk("sales")
    browser.get("/handoffs")
    over(app)
    path = f"/handoffs/{handoff['handoff']}/recycle"
    browser.post(path, reason="not now", wake="2031-01-02", back="/handoffs")
    assert browser.status == 401
    assert 'name="held.reason" value="not now"' in browser.text
    held = dict(re.findall(r'name="(held\.[a-z_]+)" value="([^"]*)"', browser.text))
    browser.post("/login", email="sales@one.example", password="correct horse battery", next=path, **held)
    assert "Nothing is lost" in browser.text
    assert 'value="2031-01-02"' in browser.text
    browser.post(path, reason="not now", wake="2031-01-02", back="/handoffs")
    assert "Ended as recycled" in browser.text


@pytest.mark.parametrize(
    ("role", "path", "fields"),
    [
        ("sales", "/handoffs/LEAD/reject", {"reason": "no budget"}),
        ("sales", "/handoffs/LEAD/reassign", {"owner": "Kim", "reason": "knows them"}),
        ("sales", "/handoffs/LEAD/correct", {"bucket": "recycled", "reason": "not now"}),
        ("sales", "/handoffs/release", {"best": "3"}),
        ("sales", "/leads/LEAD/hold", {"reason": "until spring", "until": "2031-01-02"}),
        ("sales", "/leads/LEAD/hand-over", {"reason": "asked for it"}),
        ("sales", "/owners/absent", {"owner": "Kim", "from": "2031-01-02", "until": "2031-01-09", "reason": "away"}),
        ("marketing", "/work/LEAD/resolve", {"way": "keep", "value": "sales", "always": "1"}),
        (
            "marketing",
            "/reviews/2026-Q3/decide",
            {"words": "More points\nfor demos", "owner": "Ann", "due": "2031-01-02"},
        ),
        ("admin", "/systems/sales/pause", {"reason": "they move house"}),
        ("admin", "/deliveries/discard", {"id": ["1", "2"], "reason": "gone over there"}),
        ("admin", "/inbox/all/replay", {"system": "leads", "state": "read", "since": "2026-01-02"}),
        ("admin", "/accounts", {"email": "kim@one.example", "name": 'Kim "K" <b>', "role": "sales"}),
        ("admin", "/accounts/LEAD/token", {"name": "report", "scope": ["read", "judge"], "days": "30"}),
    ],
)
def test_of_no_form_anything_is_lost_when_the_session_ended(
    app: Any, desk: Any, role: str, path: str, fields: dict[str, Any]
) -> None:
    """Through the login, to a page that sends it to where it was for."""
    browser = desk(role)
    browser.get("/")
    over(app)
    browser.post(path, back="/work", **fields)
    held = fields_of(browser.text)
    assert held.pop("next") == [path]
    sent = {name: values for name, values in held.items() if name.startswith("held.")}
    browser.post("/login", email=f"{role}@one.example", password="correct horse battery", next=path, **sent)
    assert "Nothing is lost" in browser.text
    assert f'action="{path}"' in browser.text
    wanted = {
        name: value if isinstance(value, list) else [value] for name, value in {**fields, "back": "/work"}.items()
    }
    again = fields_of(browser.text.split("<main")[1])
    assert {name: values for name, values in again.items() if name != "csrf_token"} == wanted


def fields_of(page: str) -> dict[str, list[str]]:
    """What a browser would send of it: a text of several lines survives in a textarea and hidden alone."""
    found: dict[str, list[str]] = {}
    fields = r'<textarea name="([^"]+)"[^>]*>\n(.*?)</textarea>|<input (type="hidden" )?name="([^"]+)" value="([^"]*)"'
    for area, long, hidden, name, value in re.findall(fields, page, re.DOTALL):
        assert hidden or "\n" not in value
        found.setdefault(unescape(area or name), []).append(unescape(long or value))
    return found


def test_a_draft_that_was_typed_when_the_session_ended_keeps_its_lines_and_all_that_was_chosen(
    app: Any, desk: Any, company: Instance
) -> None:
    browser = desk("marketing")
    page = "/model/drafts/new?file=scoring.yaml"
    browser.get(page)
    over(app)
    text = (company.root / "scoring.yaml").read_text()
    overlay = {"overlay-0-name": "Fair", "overlay-0-factor": "2", "overlay-0-from": "2026-05-01"}
    chosen = ["rule: Viewed a page", "rule: Executive or above"]
    browser.post(page, file="scoring.yaml", text=text, look="1", **overlay, **{"overlay-0-of": chosen})
    assert browser.status == 401

    sent = {name: values for name, values in fields_of(browser.text).items() if name.startswith("held.")}
    browser.post("/login", email="marketing@one.example", password="correct horse battery", next=page, **sent)
    assert "Nothing is lost" in browser.text
    back = {name: values for name, values in fields_of(browser.text).items() if name != "csrf_token"}
    assert (back["text"], back["overlay-0-of"]) == ([text], chosen)
    browser.post(page, **back)
    assert 'value="Fair"' in browser.text
    assert all(f"<option selected>{one}</option>" in browser.text for one in chosen)


def test_a_file_that_was_sent_when_the_session_ended_is_asked_for_again(app: Any, desk: Any) -> None:
    browser = desk("admin")
    browser.get("/systems/leads")
    over(app)
    browser.post("/systems/leads/import", back="/systems/leads")
    assert "Log in, and choose the file again." in browser.text
    assert 'value="/systems/leads"' in browser.text


def test_a_password_is_never_carried_along(app: Any, desk: Any) -> None:
    browser = desk("sales")
    browser.get("/account")
    over(app)
    browser.post("/account", old="correct horse battery", new="another horse battery", repeated="another horse battery")
    assert "Log in to change your password: it is as it was." in browser.text
    assert 'name="next" value="/account"' in browser.text
    assert "horse" not in browser.text


def test_who_logs_out_after_the_session_is_logged_out(app: Any, desk: Any) -> None:
    browser = desk("sales")
    over(app)
    browser.post("/logout")
    assert "You are logged out." in browser.text
    browser.post("/login", email="sales@one.example", password="correct horse battery", next="")
    assert "<h1>Today</h1>" in browser.text


@pytest.mark.parametrize(
    "said", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
@pytest.mark.parametrize("role", ["", "admin"])
def test_a_form_of_another_site_is_not_offered_to_be_sent(desk: Any, role: str, said: dict[str, str]) -> None:
    """Whoever is lured there would make them an admin with one more click."""
    client = desk(role).client
    fields = {"email": "mallory@evil.example", "role": "admin"}
    answer = client.post("/accounts", data=fields, headers=said)
    assert answer.status_code == (400 if role else 302)
    assert "mallory" not in answer.text
    for ours in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}):
        assert "mallory" in client.post("/accounts", data=fields, headers=ours).text


def test_who_guesses_from_elsewhere_keeps_nobody_out_of_their_browser(desk: Any) -> None:
    known = desk("sales")
    known.post("/logout")
    other = desk()
    for _ in range(6):
        other.log_in("sales@one.example", "wrong")
    assert other.status == 429
    assert "Log out" in known.log_in("sales@one.example")
    assert known.client.get_cookie("desk-known").http_only
    assert desk("viewer").status == 200  # another account from the same address


def test_behind_a_proxy_logins_are_counted_by_who_called_the_proxy(
    company: Instance, request: pytest.FixtureRequest
) -> None:
    """What stands before the proxy's own word anybody can say, so it counts for nothing."""
    from gateway.accounts.logins import TRIES

    (company.root / "gateway.yaml").write_text("proxies: 1\n" + (company.root / "gateway.yaml").read_text())
    desk = request.getfixturevalue("desk")
    guesser, honest = desk(), desk()
    for number in range(TRIES + 1):
        guesser.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"10.1.1.{number}, 203.0.113.7"
        guesser.log_in("sales@one.example", "wrong")
    assert guesser.status == 429
    honest.client.environ_base["HTTP_X_FORWARDED_FOR"] = "203.0.113.8"
    assert "Log out" in honest.log_in("sales@one.example")


LARGE, ID = "9" * 19, "0" * 32


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((f"/{page}?after={LARGE}:{ID}", 200) for page in ("work", "handoffs", "leads", "audit")),
        *((f"/{page}?after={words}", 200) for page in ("work", "leads") for words in ("x", f"1:{ID}'--", f"1e9:{ID}")),
        ("/inbox/all/replay?since=9999-12-31", 200),
        *((f"/{page}?until=9999-12-31", 409) for page in ("audit", "inbox/all/replay", "deliveries/all/retry")),
        *((f"/{page}?since=0001-01-01", 409) for page in ("audit", "inbox/all/replay", "deliveries/all/retry")),
        *((f"/{page}=%00", 400) for page in ("leads?text", "work?kind", "numbers/funnel?by")),
        *((f"/{page}/%00", 400) for page in ("leads", "inbox", "work", "systems", "login")),
        *((f"/leads?text={text}", 200) for text in ("%25%27%22_%5C", "%F0%9F%98%80", "%ED%A0%80", "a" * 9000)),
    ],
)  # fmt: skip
def test_an_address_that_somebody_wrote_by_hand_breaks_nothing(desk: Any, path: str, status: int) -> None:
    """Whatever the database under it: PostgreSQL takes no NUL, SQLite no number beyond 64 bits."""
    browser = desk("admin")
    browser.get(path)
    assert browser.status == status


def test_a_form_from_elsewhere_does_nothing(desk: Any, handoff: dict[str, Any], company: Instance) -> None:
    browser = desk("sales")
    browser.post(f"/handoffs/{handoff['handoff']}/accept", token=False)
    assert browser.status == 400
    assert "Nothing is lost" in browser.text
    [one] = company.json("handoffs", "list")["handoffs"]
    assert one["accepted_at"] is None


def test_logging_out_ends_the_session_for_good(desk: Any) -> None:
    browser = desk("viewer")
    browser.get("/")
    cookie = browser.client.get_cookie("desk")
    browser.post("/logout")
    assert "<h1>Log in</h1>" in browser.text
    other = desk()
    other.client.set_cookie("desk", cookie.value)
    other.get("/")
    assert "<h1>Log in</h1>" in other.text


def test_a_link_lets_in_once_and_asks_for_a_password(company: Instance, desk: Any) -> None:
    made = company.run("users", "add", "new@one.example", "--role", "viewer", "--link").output
    path = "/login/" + made.split("/login/")[1].split()[0]
    browser = desk()
    browser.get(path)
    browser.get(path)  # a program that looks at links does not use it up
    browser.post(path)
    assert "Choose a password" in browser.text
    browser.post("/account", new="a new horse battery", repeated="a new horse battery")
    assert "Your password is changed" in browser.text
    other = desk()
    other.get(path)
    assert other.status == 404
    other.log_in("new@one.example", "a new horse battery")
    assert "Log out" in other.text


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"old": "wrong", "new": "another horse battery", "repeated": "another horse battery"}, "old password"),
        ({"old": "correct horse battery", "new": "another horse battery", "repeated": "x"}, "differ"),
        ({"old": "correct horse battery", "new": "short", "repeated": "short"}, "12 characters"),
    ],
)
def test_a_password_that_is_not_changed(
    desk: Any, fields: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.desk.door.time.sleep", lambda seconds: None)
    browser = desk("viewer")
    browser.get("/account")
    browser.post("/account", **fields)
    assert told in browser.text
    assert desk("viewer").status == 200


def test_what_a_browser_is_told_to_keep_to(desk: Any) -> None:
    answer = desk("viewer").client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = desk().client.get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


def test_without_accounts_the_page_says_how_the_first_is_made(company: Instance) -> None:
    from gateway.engine.process import web_app
    from gateway.opening import open_gateway

    opened = open_gateway(company.root)
    try:
        with write(opened.store.main) as connection:
            connection.execute(delete(t.users))
        client = web_app(company.root, lambda root: opened).test_client()
        answer = client.get("/", follow_redirects=True)
        assert "users add" in answer.text
    finally:
        opened.close()


HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/leads/x/y/z", 404),
        ("GET", "/logout", 405),  # a form is sent there
        ("POST", "/nowhere", 404),
    ],
)
def test_an_address_that_is_nobodys_is_a_page_for_people(
    app: Any, desk: Any, method: str, path: str, status: int
) -> None:
    """Logged in or not; a program that asks for no page is told as the API tells it."""
    for client in (desk("sales").client, app.test_client()):
        shown = client.open(path, method=method, headers=HTML)
        assert (shown.status_code, shown.mimetype) == (status, "text/html")
        assert "Back to Today" in shown.text
        assert "default-src 'none'" in shown.headers["Content-Security-Policy"]
    told = app.test_client().open(path, method=method)
    assert (told.status_code, told.json["ok"], told.json["status"]) == (status, False, status)


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/v2", "/hooks", "/health/nowhere", "/metrics/x"])
def test_programs_are_never_shown_a_page(app: Any, path: str) -> None:
    told = app.test_client().get(path, headers=HTML)
    assert (told.status_code, told.json["ok"]) == (404, False)


def test_the_api_tells_a_wrong_method_in_its_one_shape(app: Any) -> None:
    told = app.test_client().put("/api/v1/leads", headers=HTML)
    assert told.json == {"ok": False, "status": 405, "errors": ["Method Not Allowed"]}
