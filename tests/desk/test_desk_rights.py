"""Who may what, by the server: every route of the desk and the API, for every role. A route without a row fails."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.engine import errands

ROLES = ("admin", "marketing", "sales", "viewer")
ALL, ADMINS = set(ROLES), {"admin"}
JUDGES, SETTLERS, DECIDERS = {"admin", "sales"}, {"admin", "marketing"}, {"admin", "marketing", "sales"}
DESK = {
    "GET /": ALL,
    "GET /account": ALL,
    "GET /accounts": ADMINS,
    "POST /accounts": ADMINS,
    "POST /accounts/<id_>/<word>": ADMINS,
    "GET /audit": ADMINS,
    "GET /audit.csv": ADMINS,
    "POST /account": ALL,
    "GET /deliveries": ALL,
    "POST /deliveries/<word>": ADMINS,
    "GET /deliveries/all/<word>": ADMINS,
    "POST /deliveries/all/<word>": ADMINS,
    "GET /handoffs": ALL,
    "POST /handoffs/<id_>/<word>": JUDGES,
    "POST /handoffs/release": JUDGES,
    "GET /jobs/<id_>/refused": ADMINS,
    "GET /inbox": ALL,
    "GET /inbox/<id_>": ALL,
    "POST /inbox/<id_>/discard": ADMINS,
    "POST /inbox/<id_>/replay": ADMINS,
    "GET /inbox/all/discard": ADMINS,
    "POST /inbox/all/discard": ADMINS,
    "GET /inbox/all/replay": ADMINS,
    "POST /inbox/all/replay": ADMINS,
    "GET /jobs": ALL,
    "POST /jobs/<id_>/<word>": ADMINS,
    "GET /leads": ALL,
    "GET /leads.csv": ALL,
    "GET /leads/<id_>": ALL,
    "POST /leads/<id_>/hand-over": JUDGES,
    "POST /leads/<id_>/hold": JUDGES,
    "POST /logout": ALL,
    "GET /owners": ALL,
    "POST /owners/<word>": JUDGES,
    "GET /model": ALL,
    "GET /model/process.svg": ALL,
    "GET /model/versions": ALL,
    "GET /model/drafts/<id_>": ALL,
    "GET /model/learned": DECIDERS,
    "POST /model/learned": DECIDERS,
    "GET /model/drafts/new": DECIDERS,
    "POST /model/drafts/new": DECIDERS,
    "POST /model/drafts/<id_>/<word>": DECIDERS,
    "POST /check": ADMINS,
    "GET /systems": ALL,
    "POST /plugins/<name>/<word>": ADMINS,
    "GET /systems/<name>": ALL,
    "GET /systems/<name>/plan": ADMINS,
    "POST /systems/<name>/<word>": ADMINS,
    "POST /systems/<name>/import": ADMINS,
    "GET /numbers": ALL,
    "GET /numbers/<name>": ALL,
    "POST /numbers/<name>": DECIDERS,
    "GET /numbers/<name>.csv": ALL,
    "GET /numbers/<name>/leads": ALL,
    "GET /numbers/<name>/leads.csv": ALL,
    "GET /reviews": ALL,
    "POST /reviews": DECIDERS,
    "GET /reviews/<name>": ALL,
    "GET /reviews/<name>/page.html": ALL,
    "POST /reviews/<name>/decide": DECIDERS,
    "POST /reviews/tasks/<id_>/done": DECIDERS,
    "GET /work": ALL,
    "GET /work/<id_>": ALL,
    "POST /work/<id_>/resolve": SETTLERS,
}
NOBODYS = {
    "GET /login",
    "POST /login",
    "GET /login/<text>",
    "POST /login/<text>",
    "GET /static/desk/<path:filename>",
    "GET /static/desk/plotly.js",
}
"""Shown to who is not logged in."""
API = {
    "GET /audit": ADMINS,
    "GET /deliveries": ALL,
    "POST /deliveries/discard": ADMINS,
    "POST /deliveries/retry": ADMINS,
    "GET /handoffs": ALL,
    "GET /handoffs/<key>": ALL,
    "GET /handoffs/held": ALL,
    "POST /handoffs/release": JUDGES,
    "POST /handoffs/<key>/<any(accept, qualify, reject):word>": JUDGES,
    "POST /handoffs/<key>/correct": JUDGES,
    "POST /handoffs/<key>/reassign": JUDGES,
    "POST /handoffs/<key>/recycle": JUDGES,
    "GET /jobs/<id_>/refused": ADMINS,
    "GET /inbox": ALL,
    "GET /inbox/<id_>": ALL,
    "POST /inbox/discard": ADMINS,
    "POST /inbox/replay": ADMINS,
    "GET /jobs": ALL,
    "GET /jobs/<id_>": ALL,
    "POST /jobs/<id_>/<any(stop, resume):word>": ADMINS,
    "GET /leads": ALL,
    "GET /leads/<key>": ALL,
    "GET /leads/<key>/score": ALL,
    "POST /leads/<key>/handoff": JUDGES,
    "POST /leads/<key>/hold": JUDGES,
    "DELETE /leads/<key>/hold": JUDGES,
    "GET /metrics": ALL,
    "GET /metrics/<name>": ALL,
    "GET /model": ALL,
    "GET /model/distribution": ALL,
    "GET /model/thresholds": ALL,
    "GET /model/versions": ALL,
    "GET /model/proposals/<id_>": ALL,
    "POST /model/proposals": DECIDERS,
    "POST /model/proposals/<id_>/<any(approve, reject, withdraw, override):word>": DECIDERS,
    "POST /model/proposals/<id_>/comment": DECIDERS,
    "GET /owners": ALL,
    "POST /owners/<name>/absence": JUDGES,
    "DELETE /owners/<name>/absence": JUDGES,
    "GET /plugins": ALL,
    "POST /plugins/<name>/disable": ADMINS,
    "POST /plugins/<name>/enable": ADMINS,
    "GET /reviews": ALL,
    "POST /reviews": DECIDERS,
    "GET /reviews/<name>": ALL,
    "POST /reviews/<name>/decisions": DECIDERS,
    "POST /reviews/tasks/<id_>/done": DECIDERS,
    "GET /systems": ALL,
    "GET /systems/<name>": ALL,
    "GET /systems/<name>/mapping": ALL,
    "GET /systems/<name>/plan": ADMINS,
    "POST /systems/<name>/activate": ADMINS,
    "POST /systems/<name>/import": ADMINS,
    "POST /systems/<name>/pause": ADMINS,
    "POST /systems/<name>/pull": ADMINS,
    "POST /systems/<name>/push": ADMINS,
    "POST /systems/<name>/resume": ADMINS,
    "POST /systems/check": ADMINS,
    "GET /tokens": ADMINS,
    "GET /users": ADMINS,
    "POST /users": ADMINS,
    "PATCH /users/<email>": ADMINS,
    "POST /users/<email>/link": ADMINS,
    "POST /users/<email>/tokens": ADMINS,
    "DELETE /users/<email>/tokens/<name>": ADMINS,
    "GET /work": ALL,
    "GET /work/<id_>": ALL,
    "POST /work/<id_>/resolve": SETTLERS,
}


def filled(rule: str) -> str:
    """An address of this rule, of something that is not there."""
    rule = re.sub(r"<any\((\w+)[^)]*\):\w+>", r"\1", rule)
    return re.sub(r"<[^>]*>", "nothing", rule)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands that would have been started."""
    found: list[Any] = []

    def start(*said: Any, **more: Any) -> str:
        found.append(said)
        return "0" * 32

    monkeypatch.setattr(errands, "start", start)
    return found


def test_every_route_has_its_row(routes: Any) -> None:
    assert routes("desk.") ^ (DESK.keys() | NOBODYS) == set()
    assert routes("api_", "/api/v1") ^ API.keys() == set()


@pytest.mark.parametrize("role", ROLES)
def test_the_desk_refuses_what_a_role_may_not(app: Any, desk: Any, started: Any, role: str) -> None:
    browser = desk(role)
    app.config["WTF_CSRF_METHODS"] = set()  # that is another refusal, with a test of its own
    wrong = []
    for row, may in sorted(DESK.items(), key=lambda one: "logout" in one[0]):
        method, rule = row.split(maxsplit=1)
        status = browser.client.open(filled(rule), method=method).status_code
        if (status == 403) is (role in may):
            wrong.append((row, status))
    assert wrong == []
    assert bool(started) is (role == "admin")


@pytest.mark.parametrize("role", ROLES)
def test_the_api_refuses_what_a_role_may_not(app: Any, program: Any, started: Any, role: str) -> None:
    """Before it looks at what they say: without a body who may is told that it does not fit."""
    caller = program(role)
    wrong = []
    for row, may in API.items():
        method, rule = row.split(maxsplit=1)
        path = f"/api/v1{filled(rule)}"
        found = caller.client.open(path, method=method, headers=caller.headers)
        nobody = caller.client.open(path, method=method)
        if (found.status_code == 403) is (role in may) or found.status_code >= 500 or nobody.status_code != 401:
            wrong.append((row, found.status_code, nobody.status_code))
    assert wrong == []
