"""``/api/v1``: what the pages do, for programs."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from disk_instance import Instance
from packaging.version import Version
from sqlalchemy import select, update

from gateway.accounts import audit
from gateway.journey.assigning import User
from gateway.store import roster
from gateway.store import tables as t
from gateway.store.database import write
from gateway.web.desk.page import NAME


class Program:
    def __init__(self, client: Any, token: str) -> None:
        self.client, self.headers = client, {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, status: int = 200) -> Any:
        return self._told(self.client.get(f"/api/v1{path}", headers=self.headers), status)

    def post(self, path: str, status: int = 200, key: str = "", **body: Any) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return self._told(self.client.post(f"/api/v1{path}", json=body, headers=headers), status)

    def delete(self, path: str, status: int = 200) -> Any:
        return self._told(self.client.delete(f"/api/v1{path}", headers=self.headers), status)

    def _told(self, answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.json.keys() == {"ok", "status", "errors"}
            assert (answer.json["ok"], answer.json["status"]) == (False, status)
        return answer.json


@pytest.fixture
def program(app: Any, company: Instance) -> Any:
    """``program(role, *scopes)``: one that calls with a token of its own."""
    made = 0

    def enter(role: str, *scopes: str) -> Program:
        nonlocal made
        made += 1
        words = [word for scope in scopes for word in ("--scope", scope)]
        token = company.run("users", "token", f"{role}@one.example", "--name", f"t{made}", *words).stdout.strip()
        return Program(app.test_client(), token)

    return enter


def test_the_api_and_the_commands_tell_the_same(program: Any, company: Instance) -> None:
    caller = program("viewer")
    rows = company.json("leads", "list")["leads"]
    listed = caller.get("/leads")
    assert {one["lead"]: one for one in listed["leads"]}.keys() == {one["lead"] for one in rows}
    for one in listed["leads"]:
        [told] = [row for row in rows if row["lead"] == one["lead"]]
        assert {key: told[key] for key in one} == one
    lead = listed["leads"][0]["lead"]
    assert caller.get(f"/leads/{lead}") == company.json("leads", "show", lead)
    assert (
        caller.get(f"/leads/{lead}/score")["contributions"] == company.json("leads", "explain", lead)["contributions"]
    )
    [handoff] = caller.get("/handoffs")["handoffs"]
    assert handoff == company.json("handoffs", "list")["handoffs"][0]
    assert caller.get("/work") == company.json("work", "list")


def test_pages_go_on_where_the_last_ended(program: Any) -> None:
    caller = program("viewer")
    seen, after = [], ""
    while True:
        page = caller.get(f"/leads?limit=1&after={after}")
        seen += [one["lead"] for one in page["leads"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert len(seen) == len(set(seen)) == 4


def test_nobody_is_told_anything_without_a_token(app: Any, company: Instance, program: Any) -> None:
    assert "users token" in Program(app.test_client(), "").get("/leads", 401)["errors"][0]
    Program(app.test_client(), "lgw_guess").get("/leads", 401)
    ended = program("viewer")
    ended.get("/leads")
    company.run("users", "tokens", "--revoke", "viewer@one.example", "t1")
    ended.get("/leads", 401)


def test_a_session_of_the_desk_is_no_token(desk: Any) -> None:
    assert desk("admin").client.get("/api/v1/leads").status_code == 401


def test_a_token_may_what_its_user_may_and_its_scopes_say(program: Any, handoff: Any) -> None:
    path = f"/handoffs/{handoff['handoff']}/accept"
    program("viewer").post(path, 403)
    assert "may not judge" in program("sales", "read").post(path, 403)["errors"][0]
    assert program("sales").post(path)["accepted_at"] is not None


def test_what_is_sent_twice_is_done_once(program: Any, handoff: Any) -> None:
    caller = program("sales")
    path = f"/handoffs/{handoff['handoff']}/qualify"
    first = caller.post(path, key="a-1")
    assert first["bucket"] == "sales_qualified"
    assert caller.post(path, key="a-1") == first
    assert "it ended as" in caller.post(path, 409, key="a-2")["errors"][0]
    assert "another call" in caller.post(path, 409, key="a-1", reason="other")["errors"][0]
    assert "it ended as" in program("admin").post(path, 409, key="a-1")["errors"][0]  # another user's key is another


def test_who_ended_a_handoff_at_the_desk_may_correct_it_by_the_api_and_the_audit_names_the_token(
    app: Any, desk: Any, program: Any, handoff: Any
) -> None:
    browser = desk("sales")
    browser.get("/handoffs")
    browser.post(f"/handoffs/{handoff['handoff']}/qualify", back="/handoffs")
    path = f"/handoffs/{handoff['handoff']}/correct"
    said = {"bucket": "sales_rejected", "reason": "no budget"}
    caller = program("sales")
    assert caller.post(path, **said)["bucket"] == "sales_rejected"
    with app.extensions[NAME].looking() as connection:
        [mine, theirs] = audit.entries(connection, 2, what="handoff:")
    assert (mine["by"], mine["token"], mine["what"]) == ("sales@one.example", "t1", "handoff: correct")
    assert (theirs["by"], theirs["token"]) == ("sales@one.example", "")
    assert (mine["before"]["bucket"], mine["after"]["bucket"]) == ("sales_qualified", "sales_rejected")


def test_who_ended_it_in_the_crm_is_the_same_person(
    app: Any, program: Any, handoff: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the CRM tells of them: their id there has the address of their account."""
    gateway = app.extensions[NAME].gateway
    caller, path = program("sales"), f"/handoffs/{handoff['handoff']}"
    caller.post(f"{path}/qualify")
    with write(gateway.store.main) as connection:
        connection.execute(update(t.handoffs).values(closed_by="005A"))
    said = {"bucket": "sales_rejected", "reason": "no budget"}
    assert "005A ended it, not sales@one.example" in caller.post(f"{path}/correct", 409, **said)["errors"][0]
    users = {"sales": [User("005A", "Sales@one.example")]}
    monkeypatch.setattr(roster, "known_users", lambda connection, systems: users)
    assert caller.post(f"{path}/correct", **said)["closed_by"] == "sales@one.example"


def test_a_kept_answer_does_not_outlive_the_person(app: Any, program: Any, handoff: Any, company: Instance) -> None:
    program("sales").post(f"/handoffs/{handoff['handoff']}/qualify", key="a-1")
    company.run("leads", "forget", handoff["lead"], "--go")
    with app.extensions[NAME].looking() as connection:
        assert connection.execute(select(t.once)).all() == []


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/handoffs/{handoff}/recycle", {"wake": "soon"}, "wake: Not a valid datetime"),
        ("/handoffs/{handoff}/correct", {"bucket": "won"}, "bucket: Must be one of"),
        ("/handoffs/{handoff}/accept", {"resaon": "x"}, "resaon: Unknown field"),
        ("/leads/{lead}/hold", {}, "reason: Missing data"),
    ],
)
def test_what_does_not_fit_is_named(program: Any, handoff: Any, path: str, body: Any, words: str) -> None:
    told = program("sales").post(path.format(**handoff), 422, **body)
    assert any(words in one for one in told["errors"])


def test_a_lead_is_kept_from_sales_and_let_go(program: Any, handoff: Any) -> None:
    caller = program("sales")
    path = f"/leads/{handoff['lead']}/hold"
    assert caller.post(path, reason="asked us to wait")["held"] is True
    assert caller.delete(path)["held"] is False
    assert "is not held" in caller.delete(path, 409)["errors"][0]
    caller.post("/leads/nobody/hold", 404, reason="x")


def test_the_document_names_every_operation(app: Any) -> None:
    """Each rule of the API stands in its OpenAPI document, and the other way round."""
    client = app.test_client()
    document = client.get("/api/v1/openapi.json").json
    told = {(path, method) for path, found in document["paths"].items() for method in found if method != "parameters"}
    rules = {
        (rule.rule, method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and not rule.rule.endswith("openapi.json")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert len(told) == len(rules)
    assert document["openapi"].startswith("3.")


def test_the_saved_document_is_what_is_served(app: Any) -> None:
    """When this fails: `python docs/generate_api.py`, with the newest flask-smorest."""
    if Version(version("flask-smorest")) < Version("0.47"):
        pytest.skip("the document is saved by a newer flask-smorest")
    saved = Path(__file__).parents[2] / "docs" / "openapi.json"
    assert json.loads(saved.read_text(encoding="utf-8")) == app.test_client().get("/api/v1/openapi.json").json
