"""Accounts and the audit at the desk: for admins, what is secret is told once, and every change has its entry."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from gateway.accounts import audit, users
from gateway.web.desk.page import NAME


def id_of(app: Any, email: str) -> str:
    with app.extensions[NAME].looking() as connection:
        return users.named(connection, email).id


def secret(browser: Any) -> str:
    found = re.search(r"<code>([^<]+)</code>", browser.text)
    assert found is not None
    return found[1]


def test_who_is_added_comes_in_by_the_link_that_is_shown_once(desk: Any) -> None:
    admin = desk("admin")
    admin.get("/accounts")
    admin.post("/accounts", email="Kim@one.example", name="Kim", role="sales")
    path = "/login/" + secret(admin).split("/login/")[1]
    assert path not in admin.get("/accounts")
    kim = desk()
    kim.get(path)
    kim.post(path)
    assert "Choose a password" in kim.text
    admin.post("/accounts", email="kim@one.example", role="sales", back="/accounts")
    assert "has an account already" in admin.text
    admin.post("/accounts", email="kam@one.example", role="boss", back="/accounts")
    assert "no role &#39;boss&#39;" in admin.text


def test_a_role_is_changed_and_somebody_is_kept_out(app: Any, desk: Any) -> None:
    admin, viewer = desk("admin"), desk("viewer")
    path = f"/accounts/{id_of(app, 'viewer@one.example')}"
    admin.get("/accounts")
    admin.post(f"{path}/role", role="marketing", back="/accounts")
    assert "viewer@one.example is marketing now" in admin.text
    assert "Log in" in viewer.get("/")  # a new role is a new session
    viewer.log_in("viewer@one.example")
    admin.post(f"{path}/disable", back="/accounts")
    assert "<strong>out</strong>" in admin.text
    assert "Log in" in viewer.get("/")
    admin.post(f"{path}/enable", back="/accounts")
    viewer.log_in("viewer@one.example")
    assert "Log out" in viewer.text
    admin.post(f"/accounts/{id_of(app, 'admin@one.example')}/disable", back="/accounts")
    assert "would leave no admin" in admin.text
    admin.post("/accounts/nobody/disable")
    assert admin.status == 404


def test_a_token_is_made_for_some_rights_and_ended(app: Any, desk: Any) -> None:
    admin = desk("admin")
    path = f"/accounts/{id_of(app, 'sales@one.example')}"
    admin.get("/accounts")
    admin.post(f"{path}/token", name="report", scope="read", days="30")
    token = {"Authorization": f"Bearer {secret(admin)}"}
    client = app.test_client()
    assert client.get("/api/v1/leads", headers=token).status_code == 200
    assert client.post("/api/v1/leads/x/hold", headers=token).status_code == 403
    assert secret(admin) not in desk("admin").get("/accounts")
    admin.get("/accounts")
    for fields, words in (
        ({"name": "report", "days": "30"}, "has a token"),
        ({"name": "", "days": "30"}, "what the token is for"),
        ({"name": "x", "days": "soon"}, "good for 30"),
        ({"name": "x", "days": "30", "scope": "operate"}, "may not operate"),
    ):
        admin.post(f"{path}/token", back="/accounts", **fields)
        assert words in admin.text
    admin.post(f"{path}/revoke", name="report", back="/accounts")
    assert client.get("/api/v1/leads", headers=token).status_code == 401


def test_the_audit_is_narrowed_down_and_taken_away(app: Any, desk: Any, handoff: Any, program: Any) -> None:
    sales = desk("sales")
    sales.get("/handoffs")
    sales.post(f"/handoffs/{handoff['handoff']}/accept", back="/handoffs")
    program("sales").post(f"/handoffs/{handoff['handoff']}/qualify")
    admin = desk("admin")
    text = admin.get("/audit?by=sales@one.example&what=handoff")
    assert "handoff: accept" in text
    assert "by token t1" in text
    assert "bucket: sales_qualified" in text
    assert "logged in" not in text
    assert "logged in" in admin.get("/audit")
    assert "Nothing was changed" in admin.get("/audit?until=1960-01-01")
    rows = list(csv.DictReader(io.StringIO(admin.get("/audit.csv?what=handoff"))))
    assert [(one["what"], one["by"], one["token"]) for one in rows] == [
        ("handoff: qualify", "sales@one.example", "t1"),
        ("handoff: accept", "sales@one.example", ""),
    ]
    admin.get("/audit?since=soon")
    assert admin.status == 409


@pytest.mark.parametrize("path", ["/accounts", "/audit", "/audit.csv"])
def test_only_admins_see_it(desk: Any, path: str) -> None:
    browser = desk("marketing")
    assert 'href="/accounts"' not in browser.text
    browser.get(path)
    assert browser.status == 403


def test_pages_of_the_audit_follow_each_other(app: Any, desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.web.desk.audit.PAGE", 2)
    admin = desk("admin")
    for role in ("sales", "viewer"):
        desk(role)
    with app.extensions[NAME].looking() as connection:
        whole = [one["id"] for one in audit.entries(connection, 100)]
    seen, path = 0, "/audit"
    while path:
        text = admin.get(path)
        seen += text.count('<td data-label="When"')
        found = re.search(r'href="([^"]+)">Earlier ones', text)
        path = found[1].replace("&amp;", "&") if found else ""
    assert seen == len(whole) > 2
