"""Every change, at the desk and by the API, has its entry in the audit: each writing route is walked, none left out."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from disk_instance import Instance
from sqlalchemy import select, update

from gateway.accounts import audit, users
from gateway.answers import versions
from gateway.engine import errands
from gateway.store import jobs, listing, reviews
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import write
from gateway.store.times import new_id, utc_now
from gateway.web.desk.page import NAME

ADMIN = "admin@one.example"
JOB = "a" * 32
OWNERS = """
owners:
  - {name: Kim, user: kim@one.example}
  - {name: Ada, user: ada@one.example}
fallback: Ada
"""
DECISION = {"decision": "Ask first", "owner": "Kim", "due": "2099-01-31"}
Step = tuple[str, str, dict[str, Any]]
"""(``METHOD /rule``, the path, what is said)"""
NO_CHANGES = {
    "POST /logout",
    "POST /login",  # noted as a login, with a test of its own, as the next
    "POST /login/<text>",
    "POST /numbers/<name>",  # asks other systems
    "POST /model/drafts/new",  # test_desk_drafts has them, for they need people with keys
    "POST /model/drafts/<id_>/<word>",
    "POST /model/learned",  # test_desk_learned
}


@pytest.fixture
def company(company: Instance) -> Instance:
    """With owners, something that needs a person, and the pack of a review."""
    company.write("journey.yaml", (company.root / "journey.yaml").read_text() + OWNERS)
    odd = [
        {"id": f"{n}", "at": "2026-01-09T09:00:00", "email": f"e{n}@four.example", "country": f"Odd {n}"}
        for n in (7, 8)
    ]
    mapped = "country: {to: country, values: {DE: Germany}, values_default: drop}"
    company.edit("mappings/leads.yaml", "country: country", mapped)  # no model looks at it: no keys are asked for
    company.bring(odd, "odd.csv")
    company.run("review", "--period", "2026")
    company.edit("gateway.yaml", "instance:", "approval: two-key\ninstance:")
    return company


@pytest.fixture
def gateway(app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(errands, "start", lambda *said, **more: JOB)
    found = app.extensions[NAME].gateway
    with write(found.store.main) as connection:
        jobs.begin(connection, {"id": JOB, "what": "pull", "subject": "x", "by": "kim"}, 2**62)
    return found


def changing(routes: set[str]) -> set[str]:
    return {one for one in routes if not one.startswith("GET ")}


def entries(app: Any) -> list[dict[str, Any]]:
    with app.extensions[NAME].looking() as connection:
        return audit.entries(connection, 1000)


def dead(gateway: Any) -> str:
    """The id of a write, which is dead now."""
    with write(gateway.store.main) as connection:
        connection.execute(update(t.writes).values(state="dead", finished_at=1))
        return str(connection.scalar(select(t.writes.c.id)))


def quarantined(gateway: Any) -> str:
    """The id of a document that nobody could read."""
    body = new_id().encode()
    [one] = gateway.inbox.append([Arrival(system="leads", body=body, received_at=utc_now(), content_type="text/csv")])
    gateway.inbox.quarantine(one.id, "not UTF-8")
    return str(one.id)


def item(gateway: Any) -> str:
    with gateway.store.main.connect() as connection:
        return str(listing.work_items(connection, 1)[0]["id"])


def task(gateway: Any) -> str:
    with gateway.store.main.connect() as connection:
        return str(reviews.decisions(connection, open_only=True)[0].id)


def by_the_api(gateway: Any, handoff: Any) -> Iterator[Step]:
    one, lead = f"/handoffs/{handoff['handoff']}", f"/leads/{handoff['lead']}"
    document = gateway.inbox.listing(None, "read", 1)[0]["id"]
    yield "POST /handoffs/<key>/<any(accept, qualify, reject):word>", f"{one}/accept", {}
    yield "POST /handoffs/<key>/reassign", f"{one}/reassign", {"owner": "Kim"}
    yield "POST /handoffs/<key>/recycle", f"{one}/recycle", {"reason": "not now"}
    yield "POST /handoffs/<key>/correct", f"{one}/correct", {"bucket": "sales_rejected", "reason": "no budget"}
    yield "POST /leads/<key>/hold", f"{lead}/hold", {"reason": "asked us to wait"}
    yield "DELETE /leads/<key>/hold", f"{lead}/hold", {}
    yield "POST /leads/<key>/handoff", f"{lead}/handoff", {"reason": "met at the fair"}
    yield "POST /owners/<name>/absence", "/owners/Kim/absence", {}
    yield "DELETE /owners/<name>/absence", "/owners/Kim/absence", {}
    yield "POST /work/<id_>/resolve", f"/work/{item(gateway)}/resolve", {"way": "map", "value": "Oddland"}
    yield "POST /systems/<name>/pause", "/systems/sales/pause", {"reason": "their migration"}
    yield "POST /systems/<name>/resume", "/systems/sales/resume", {}
    yield "POST /systems/<name>/pull", "/systems/leads/pull", {}
    yield "POST /systems/<name>/push", "/systems/sales/push", {}
    yield "POST /handoffs/release", "/handoffs/release", {"best": 1}
    yield "POST /systems/<name>/activate", "/systems/sales/activate", {"existing": "ignore"}
    yield "POST /systems/<name>/import", "/systems/leads/import?file=leads.csv", {"id": "1"}
    yield "POST /systems/check", "/systems/check", {}
    yield "POST /plugins/<name>/disable", "/plugins/files/disable", {}
    yield "POST /plugins/<name>/enable", "/plugins/files/enable", {}
    yield "POST /jobs/<id_>/<any(stop, resume):word>", f"/jobs/{JOB}/stop", {}
    yield "POST /inbox/replay", "/inbox/replay", {"ids": [document]}
    said = {"ids": [quarantined(gateway)], "reason": "a test"}
    yield "POST /inbox/discard", "/inbox/discard", said
    yield "POST /deliveries/retry", "/deliveries/retry", {"ids": [dead(gateway)]}
    yield "POST /deliveries/discard", "/deliveries/discard", {"ids": [dead(gateway)], "reason": "not wanted"}
    files = {"scoring.yaml": (gateway.instance.root / "scoring.yaml").read_text().replace("points: 40", "points: 35")}
    yield "POST /model/proposals", "/model/proposals", {"name": "less", "files": files, "reason": "titles say less"}
    proposal = f"/model/proposals/{versions.open_drafts(gateway)[0]['id']}"
    yield "POST /model/proposals/<id_>/comment", f"{proposal}/comment", {"reason": "are we sure?"}
    turned = "POST /model/proposals/<id_>/<any(approve, reject, withdraw, override):word>"
    yield turned, f"{proposal}/withdraw", {"reason": "we are not"}
    yield "POST /reviews", "/reviews", {"period": "2025"}
    yield "POST /reviews/<name>/decisions", "/reviews/2026/decisions", DECISION
    yield "POST /reviews/tasks/<id_>/done", f"/reviews/tasks/{task(gateway)}/done", {}
    yield "POST /users", "/users", {"email": "kim@one.example", "role": "viewer"}
    yield "PATCH /users/<email>", "/users/kim@one.example", {"role": "sales"}
    yield "POST /users/<email>/link", "/users/kim@one.example/link", {}
    yield "POST /users/<email>/tokens", "/users/kim@one.example/tokens", {"name": "report"}
    yield "DELETE /users/<email>/tokens/<name>", "/users/kim@one.example/tokens/report", {}


def at_the_desk(gateway: Any, handoff: Any, kim: str) -> Iterator[Step]:
    lead = f"/leads/{handoff['lead']}"
    document = gateway.inbox.listing(None, "read", 1)[0]["id"]
    yield "POST /handoffs/<id_>/<word>", f"/handoffs/{handoff['handoff']}/qualify", {}
    yield "POST /leads/<id_>/hold", f"{lead}/hold", {"reason": "asked us to wait"}
    yield "POST /leads/<id_>/hold", f"{lead}/hold", {"end": "1"}
    yield "POST /leads/<id_>/hand-over", f"{lead}/hand-over", {"reason": "met at the fair"}
    yield "POST /owners/<word>", "/owners/absent", {"owner": "Kim"}
    yield "POST /work/<id_>/resolve", f"/work/{item(gateway)}/resolve", {"way": "map", "value": "Oddland"}
    yield "POST /systems/<name>/<word>", "/systems/sales/pause", {}
    yield "POST /handoffs/release", "/handoffs/release", {"best": "1"}
    yield "POST /systems/<name>/import", "/systems/leads/import", {"file": (io.BytesIO(b"id\n1\n"), "leads.csv")}
    yield "POST /check", "/check", {}
    yield "POST /plugins/<name>/<word>", "/plugins/files/disable", {"reason": "it is old"}
    yield "POST /jobs/<id_>/<word>", f"/jobs/{JOB}/stop", {}
    yield "POST /inbox/<id_>/replay", f"/inbox/{document}/replay", {}
    yield "POST /inbox/all/replay", "/inbox/all/replay", {"state": "read"}
    why = {"reason": "a test"}
    yield "POST /inbox/<id_>/discard", f"/inbox/{quarantined(gateway)}/discard", why
    quarantined(gateway)
    yield "POST /inbox/all/discard", "/inbox/all/discard", why
    dead(gateway)
    yield "POST /deliveries/all/<word>", "/deliveries/all/retry", {"system": "sales"}
    yield "POST /deliveries/<word>", "/deliveries/retry", {"id": dead(gateway)}
    yield "POST /reviews", "/reviews", {"period": "2025"}
    words = {"words": DECISION["decision"], **DECISION}
    yield "POST /reviews/<name>/decide", "/reviews/2026/decide", words
    yield "POST /reviews/tasks/<id_>/done", f"/reviews/tasks/{task(gateway)}/done", {}
    yield "POST /accounts", "/accounts", {"email": "new@one.example", "role": "viewer"}
    for word, said in (
        ("role", {"role": "marketing"}),
        ("link", {}),
        ("token", {"name": "report", "days": "30"}),
        ("revoke", {"name": "report"}),
        ("disable", {}),
    ):
        yield "POST /accounts/<id_>/<word>", f"/accounts/{kim}/{word}", said
    new = "a new horse battery"
    yield "POST /account", "/account", {"old": "correct horse battery", "new": new, "repeated": new}


def test_by_the_api(app: Any, routes: Any, gateway: Any, program: Any, handoff: Any) -> None:
    caller, walked = program("admin"), []
    for row, path, said in by_the_api(gateway, handoff):
        before = len(entries(app))
        found = caller.client.open(f"/api/v1{path}", method=row.partition(" ")[0], json=said, headers=caller.headers)
        assert (path, found.status_code, found.text) == (path, 200, found.text)
        new = entries(app)[:-before]
        assert [(path, one["by"], one["token"]) for one in new] == [(path, ADMIN, "t1")]
        walked.append(row)
    assert changing(routes("api_", "/api/v1")) ^ {*walked} == set()


def test_at_the_desk(app: Any, routes: Any, gateway: Any, desk: Any, handoff: Any) -> None:
    browser, walked = desk("admin"), []
    with app.extensions[NAME].looking() as connection:
        kim = users.named(connection, "viewer@one.example").id
    for row, path, said in at_the_desk(gateway, handoff, kim):
        browser.get("/account")
        before = len(entries(app))
        browser.post(path, back="/account", **said)
        new: Sequence[Any] = entries(app)[:-before]
        assert (path, {one["by"] for one in new}) == (path, {ADMIN}), browser.text
        walked.append(row)
    assert changing(routes("desk.")) ^ ({*walked} | NO_CHANGES) == set()
