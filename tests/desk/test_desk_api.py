"""``/api/v1``: what the pages do, for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from disk_instance import Instance
from sqlalchemy import select, update

from gateway.accounts import audit
from gateway.journey.assigning import User
from gateway.store import roster
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import write
from gateway.web.desk.page import NAME

JSON = {"Content-Type": "application/json"}


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
    admin = program("admin")
    for path, *words in (
        ("/work", "work", "list"),
        ("/systems", "systems", "list"),
        ("/inbox", "inbox", "list"),
        ("/deliveries", "deliveries", "list"),
        ("/owners", "owners", "list"),
        ("/users", "users", "list"),
        ("/tokens", "users", "tokens"),
        ("/model", "model", "show"),
        ("/metrics/funnel", "metrics", "funnel"),
    ):
        said, told = admin.get(path), company.json(*words)
        assert {name: _timeless(said[name]) for name in told} == {name: _timeless(told[name]) for name in told}
        assert said.keys() - told.keys() <= {"next"}


def _timeless(found: Any) -> Any:
    """Without when a token was seen last, which asking changes."""
    return (
        [one | {"seen_at": None} if isinstance(one, dict) else one for one in found]
        if isinstance(found, list)
        else found
    )


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


@pytest.mark.parametrize("path", ["/leads", "/inbox", "/deliveries", "/audit", "/work"])
def test_each_list_is_read_page_by_page(program: Any, company: Instance, path: str) -> None:
    odd = [{"id": f"{n}", "at": f"2026-01-09T09:00:0{n}", "status": f"Signed {n}"} for n in (7, 8)]
    company.bring(odd, "odd.csv")
    caller = program("admin")
    name = {"/inbox": "documents", "/audit": "entries"}.get(path, path[1:])
    whole = [one.get("id", one.get("lead")) for one in caller.get(path)[name]]
    seen, following = [], ""
    while following is not None:
        page = caller.get(f"{path}?limit=1" + (f"&after={following}" if following else ""))
        seen += [one.get("id", one.get("lead")) for one in page[name]]
        following = page["next"]
    assert seen == whole
    assert len(whole) > (path != "/deliveries")
    assert "not a `next` of ours" in caller.get(f"{path}?after=elsewhere", 422)["errors"][0]


def test_leads_are_narrowed_down(program: Any, company: Instance, handoff: Any) -> None:
    caller = program("viewer")
    for word, found in (("text=ann", 1), ("stage=won", 1), ("bucket=open", 1), ("persona=executive", 1)):
        assert (word, len(caller.get(f"/leads?{word}")["leads"])) == (word, found)
    assert caller.get("/leads?owner=Nobody")["leads"] == []


def test_a_plan_says_field_by_field_what_would_be_written(program: Any, company: Instance) -> None:
    company.run("deliveries", "discard", company.json("deliveries", "list")["deliveries"][0]["id"])
    told = program("admin").get("/systems/sales/plan")
    assert (told["whole"], told["creates"], told["updates"]) == (True, 1, 0)
    assert {one["field"] for one in told["fields"]} >= {"mail", "score", "gateway_id"}
    [example] = told["examples"]
    assert {"field": "mail", "held": "unknown", "known": None, "wanted": "ann@one.example"} in example["fields"]


def test_a_document_is_masked_for_who_may_not_see_bodies(app: Any, program: Any) -> None:
    said = {"email": "ann@one.example", "vip": True, "pages": [{"visits": 7, "note": None}], "ann@one.example": "x"}
    arrival = Arrival(system="leads", body=orjson.dumps(said), received_at=datetime.now(UTC))
    id_ = app.extensions[NAME].gateway.inbox.append([arrival])[0].id
    told = program("viewer").get(f"/inbox/{id_}")
    shape = {"email": "(text of 15)", "vip": True, "pages": [{"visits": "(number)", "note": None}]}
    assert (told["masked"], told["body"]) == (True, {**shape, "(key 4)": "(text of 1)"})
    assert program("admin").get(f"/inbox/{id_}")["body"] == said
    with app.extensions[NAME].looking() as connection:
        assert audit.entries(connection, 1)[0]["what"] == "document: looked into"


def test_documents_are_read_again_by_id_and_by_what_they_have_in_common(program: Any) -> None:
    caller = program("admin")
    [row] = [one for one in caller.get("/inbox")["documents"] if one["system"] == "leads"]
    assert caller.post("/inbox/replay", ids=[row["id"]], dry_run=True)["documents"] == [row["id"]]
    assert caller.get(f"/inbox/{row['id']}")["state"] == "read"
    assert caller.post("/inbox/replay", system="leads", state="read")["documents"] == [row["id"]]
    assert caller.get(f"/inbox/{row['id']}")["state"] == "waiting"
    assert "name documents" in caller.post("/inbox/replay", 409)["errors"][0]
    assert "with these ids" in caller.post("/inbox/replay", 404, ids=["f" * 32])["errors"][0]
    assert "no system" in caller.post("/inbox/replay", 404, system="nowhere")["errors"][0]


def test_writes_are_given_up_by_id_with_a_reason(program: Any) -> None:
    caller = program("admin")
    [row] = caller.get("/deliveries?state=waiting")["deliveries"]
    assert caller.post("/deliveries/discard", ids=[row["id"]], reason="x", dry_run=True)["settled"] == 0
    assert "reason: Missing data" in caller.post("/deliveries/discard", 422, ids=[row["id"]])["errors"][0]
    assert caller.post("/deliveries/discard", ids=[row["id"]], reason="not wanted")["settled"] == 1
    assert caller.get("/deliveries")["deliveries"][0]["state"] == "superseded"
    assert "no dead write" in caller.post("/deliveries/retry", 404, ids=[row["id"]])["errors"][0]


def test_a_system_is_paused_and_goes_on_and_tells_its_mapping(program: Any) -> None:
    caller = program("admin")
    assert caller.post("/systems/sales/pause", reason="their migration")["paused"] == "their migration"
    assert caller.post("/systems/sales/resume")["paused"] == ""
    one = caller.get("/systems/sales")
    assert one["counts"]["writes"]["holds"] is True
    fields = {row["field"]: row for row in caller.get("/systems/sales/mapping")["fields"]}
    assert (fields["position"]["to"], fields["position"]["sync"]) == ("title", "newest")
    assert "no system 'nowhere'" in caller.get("/systems/nowhere", 404)["errors"][0]


def test_an_account_is_made_changed_and_ended(program: Any, app: Any) -> None:
    caller = program("admin")
    made = caller.post("/users", email="Kim@One.example", role="sales")
    assert (made["email"], made["name"]) == ("kim@one.example", "kim")
    link = caller.post("/users/kim@one.example/link", key="k")["link"]
    assert caller.post("/users/kim@one.example/link", key="k")["link"] != link  # a secret is not kept
    token = caller.post("/users/kim@one.example/tokens", name="report", scopes=["read"], days=30)["token"]
    kim = type(caller)(app.test_client(), token)
    kim.get("/leads")
    kim.get("/users", 403)
    assert caller.delete("/users/kim@one.example/tokens/report") == {"ended": "report"}
    kim.get("/leads", 401)
    assert caller.patch("/users/kim@one.example", disabled=True)["disabled_at"] is not None
    assert "say what changes" in caller.patch("/users/kim@one.example", 409)["errors"][0]
    assert "no account" in caller.patch("/users/kam@one.example", 404, name="x")["errors"][0]
    noted = [(one["what"], one["token"]) for one in caller.get("/audit?by=admin@one.example&limit=5")["entries"]]
    assert noted[0] == ("account changed", "t1")
    assert ("token revoked", "t1") in noted


def test_a_token_gives_nobody_more_than_it_has(program: Any) -> None:
    """Or one that may only add people would make itself one that may everything."""
    caller = program("admin", "accounts", "read")
    for path, body in (
        ("/users", {"email": "kim@one.example", "role": "admin"}),
        ("/users/admin@one.example/tokens", {"name": "x"}),
        ("/users/admin@one.example/link", {}),
        ("/users/sales@one.example/link", {}),
    ):
        assert "gives nobody more than it has" in caller.post(path, 403, **body)["errors"][0]
    assert "gives nobody" in caller.patch("/users/viewer@one.example", 403, role="admin")["errors"][0]
    caller.post("/users", email="kim@one.example", role="viewer")
    caller.post("/users/admin@one.example/tokens", name="x", scopes=["read"])


@pytest.mark.parametrize("key", ["%00", "%ED%A0%80", "a%2Fb", "'; drop table leads; --", "x" * 5000])
def test_a_hostile_key_finds_nothing(program: Any, key: str) -> None:
    caller = program("admin")
    for path in (f"/leads/{key}", f"/handoffs/{key}", f"/systems/{key}", f"/inbox/{key}", f"/work/{key}"):
        caller.get(path, 404)


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("\0", 400, "json: $.reason: a text contains a NUL character"),
        ("\ud800", 400, "json: not readable as JSON"),
        ("x" * 201, 422, "json: reason: Length must be between 0 and 200."),
    ],
)
def test_a_hostile_text_is_refused(program: Any, handoff: Any, text: str, status: int, words: str) -> None:
    caller = program("sales")
    told = caller.post(f"/handoffs/{handoff['handoff']}/accept", status, reason=text)
    assert words in told["errors"][0]


def test_nobody_is_told_anything_without_a_token(app: Any, company: Instance, program: Any) -> None:
    ended = program("viewer")
    for header, words in (({}, "users token"), ({"Authorization": "Bearer lgw_guess"}, "unknown")):
        nobody = app.test_client().get("/api/v1/leads", headers=header)
        assert nobody.status_code == 401
        assert words in nobody.json["errors"][0]
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
        ("/leads/{lead}/hold", {}, "json: reason: Missing data"),
    ],
)
def test_what_does_not_fit_is_named(program: Any, handoff: Any, path: str, body: Any, words: str) -> None:
    told = program("sales").post(path.format(**handoff), 422, **body)
    assert any(words in one for one in told["errors"])


def test_every_error_has_the_one_shape(program: Any, app: Any) -> None:
    caller = program("admin")
    told = caller.post("/deliveries/retry", 422, ids=["x", 7], since="soon")["errors"]
    assert told == ["json: ids: 1: Not a valid string.", "json: since: Not a valid datetime."]
    caller.post("/audit", 405)
    assert caller.client.get("/api/v1/leads", headers=caller.headers).headers["Cache-Control"] == "no-store"
    caller.get("/nothing/here", 404)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "not readable as JSON"),
        ("[" * 200_000, "nested deeper than 32 levels"),  # further down than Python itself can go
        ('{"a":' * 100 + "1" + "}" * 100, "nested deeper than 32 levels"),
        ("[" + "9" * 5000 + "]", "not readable as JSON"),  # a number that Python refuses to read
        ("[" + "9" * 30 + "]", "an integer beyond 64 bit"),
        ('{"ids": [], "ids": []}', "the same key twice"),
    ],
)
def test_a_body_that_is_not_plain_json_is_refused(program: Any, body: str, words: str) -> None:
    caller = program("admin")
    odd = caller.client.post("/api/v1/deliveries/retry", data=body, headers=caller.headers | JSON)
    [error] = odd.json["errors"]
    assert (odd.status_code, words in error) == (400, True), error


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
