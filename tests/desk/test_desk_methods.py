"""Every method on every route: who only looks changes nothing, and who is refused hears what is allowed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from disk_instance import Instance

from gateway.store import tables as t
from gateway.store.database import read
from gateway.web.desk.page import NAME

ODD = ("PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "POST")


@pytest.fixture
def addresses(app: Any) -> list[tuple[str, set[str]]]:
    """(an address of each rule, of something that is not there; the methods of all rules that it fits)."""

    def filled(rule: str) -> str:
        return re.sub(r"<[^>]*>", "nothing", re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule))

    paths = {filled(rule.rule) for rule in app.url_map.iter_rules()}
    return [(path, set(app.url_map.bind("").allowed_methods(path))) for path in sorted(paths)]


@pytest.fixture
def callers(app: Any, desk: Any, program: Any) -> list[tuple[Any, dict[str, str]]]:
    """(client, headers): nobody, somebody logged in, and a program with a token."""
    caller = program("admin")
    return [(app.test_client(), {}), (desk("admin").client, {"Accept": "text/html"}), (caller.client, caller.headers)]


def stored(app: Any) -> dict[str, list[Any]]:
    """Every row there is, but for when a key was seen."""
    gateway = app.extensions[NAME].gateway
    with read(gateway.store.main) as connection:
        rows = {table.name: list(connection.execute(table.select())) for table in t.main.sorted_tables}
    rows["keys"] = [(row.id, row.kind) for row in rows["keys"]]
    return {name: sorted(found, key=repr) for name, found in rows.items()}


def test_head_is_answered_as_get_without_a_body_and_neither_changes_anything(
    app: Any, addresses: Any, callers: Any
) -> None:
    before, wrong = stored(app), []
    for client, headers in callers:
        for path, methods in addresses:
            shown, head, asked = (client.open(path, method=one, headers=headers) for one in ("GET", "HEAD", "OPTIONS"))
            same = (head.status_code, head.location, head.data) == (shown.status_code, shown.location, b"")
            if not same or shown.status_code >= 500 or (asked.status_code, set(asked.allow)) != (200, methods):
                wrong.append((path, shown.status_code, head.status_code, asked.status_code, asked.allow))
    assert wrong == []
    assert stored(app) == before


def test_a_login_link_that_a_mail_program_looks_at_is_good_still(desk: Any, company: Instance) -> None:
    """Some ask for the page, and some only whether there is one."""
    link = company.run("users", "link", "viewer@one.example").stdout.strip()
    path = "/login/" + link.rpartition("/")[2]
    scanner = desk().client
    for method in ("HEAD", "GET", "OPTIONS", "HEAD"):
        assert scanner.open(path, method=method).status_code == 200
    assert scanner.get("/").status_code == 302  # it is not let in
    browser = desk()
    browser.get(path)
    browser.post(path)
    assert "Log out" in browser.text


def test_what_a_route_does_not_know_is_405_with_what_it_does(addresses: Any, callers: Any) -> None:
    """Whoever asks, before anybody is asked who they are: another address may take it."""
    wrong = []
    for client, headers in callers:
        for path, methods in addresses:
            for method in sorted(set(ODD) - methods):
                told = client.open(path, method=method, headers=headers)
                if (told.status_code, set(told.allow)) != (405, methods):
                    wrong.append((method, path, told.status_code, told.allow, methods))
    assert wrong == []
