"""What the desk lets people settle where they read of it: work items, absences, documents and writes by the hundred."""

from __future__ import annotations

import re
from typing import Any

import pytest
from disk_instance import ANN, Instance
from sqlalchemy import select, update

from gateway.contracts import Field
from gateway.engine import errands
from gateway.store import catalogues, work
from gateway.store import tables as t
from gateway.store.database import write
from gateway.store.put import Put
from gateway.web.desk.page import NAME


def test_an_item_is_settled_where_it_is_told(desk: Any, company: Instance) -> None:
    """On Today and on the page of all work, nobody has to open it."""
    odd = {"id": "8", "at": "2026-01-09T09:00:00", "email": "ed@four.example", "status": "Signed"}
    company.bring([odd], "odd.csv")
    for path in ("/", "/work"):
        text = desk("marketing").get(path)
        assert "Settle…" in text
        assert "<option>won</option>" in text
        assert "Settle…" not in desk("viewer").get(path)
    [item] = company.json("work", "list")["work"]
    browser = desk("marketing")
    browser.get("/")
    browser.post(f"/work/{item['id']}/resolve", way="map", value="nothing", back="/")
    assert "<h1>Today</h1>" in browser.text
    assert "Signed is nothing" in browser.text
    assert "Settle…" not in browser.text


def test_who_is_away_gets_nothing_until_they_are_back(company: Instance, request: pytest.FixtureRequest) -> None:
    journey = company.root / "journey.yaml"
    people = "\nowners: [{user: sales@one.example, name: sal}, {user: lou@one.example, name: lou}]\nfallback: lou\n"
    journey.write_text(journey.read_text() + people + "assign: [round_robin]\n")
    desk = request.getfixturevalue("desk")  # opened with these files
    browser = desk("sales")
    text = browser.get("/owners")
    assert text.index(">sal ") < text.index(">lou")
    assert "you</span>" in text
    browser.post("/owners/absent", owner="sal", until="2026-01-01", back="/owners")
    assert "it ends before it begins" in browser.text
    browser.post("/owners/absent", owner="sal", reason="holidays", back="/owners")
    assert "absent</span> (holidays)" in browser.text
    [absence] = company.json("owners", "list")["absences"]
    assert (absence["owner"], absence["by"]) == ("sal", "sales@one.example")
    browser.post("/owners/back", owner="sal", back="/owners")
    assert "holidays" not in browser.text
    looking = desk("viewer")
    assert "Away…" not in looking.get("/owners")
    looking.post("/owners/absent", owner="lou")
    assert looking.status == 403


def test_dead_writes_are_settled_by_the_hundred_and_counted_before(desk: Any, app: Any, company: Instance) -> None:
    """The whole filter, not only the rows that are shown; why it was is kept with each."""
    with write(app.extensions[NAME].gateway.store.main) as connection:
        dead = update(t.writes).values(state="dead", code="NO_SUCH", message="no", finished_at=1_770_000_000_000_000)
        connection.execute(dead)
        Put(connection).count(t.tallies, [{"system": "sales", "what": "write dead", "reason": "", "count": 1}])
    browser = desk("admin")
    browser.get("/deliveries")
    assert "0 dead writes of leads would be" in browser.get("/deliveries/all/retry?system=leads")
    assert "0 dead writes until and with 2026-01-01" in browser.get("/deliveries/all/retry?until=2026-01-01")
    assert "1 dead write of sales refused with NO_SUCH" in browser.get(
        "/deliveries/all/discard?system=sales&code=NO_SUCH"
    )
    browser.post("/deliveries/all/discard", system="sales", code="NO_SUCH", back="/deliveries")
    assert "say why they are given up" in browser.text
    browser.post("/deliveries/all/discard", system="sales", code="NO_SUCH", reason="not wanted", back="/deliveries")
    assert "1 given up" in browser.text
    [one] = company.json("deliveries", "list")["deliveries"]
    assert (one["state"], one["message"]) == ("superseded", "given up by a person: not wanted")
    assert company.json("status")["ok"]
    browser.get("/deliveries/all/dance")
    assert "no such word" in browser.text


def test_documents_are_read_again_by_the_hundred_and_counted_before(
    desk: Any, company: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(errands, "start", lambda *given: begun.append(given[2:6]) or "id")
    company.bring([ANN | {"at": "2026-02-01T09:00:00"}], "again.csv")
    browser = desk("admin")
    assert "0 quarantined documents would be" in browser.get("/inbox/all/replay")
    assert "2 read documents of leads would be" in browser.get("/inbox/all/replay?system=leads&state=read")
    browser.post("/inbox/all/replay", system="leads", state="read", since="2020-01-01")
    words = ("inbox", "replay", "--system", "leads", "--state", "read", "--since", "2020-01-01T00:00:00+01:00")
    assert begun == [("replay", "leads", "admin@one.example", words)]
    company.run(*words, "--dry-run")  # the command understands it
    looking = desk("sales")
    looking.get("/account")
    looking.post("/inbox/all/replay", state="read")
    assert looking.status == 403
    assert len(begun) == 1


def test_documents_in_quarantine_are_given_up_with_a_reason_one_or_many(desk: Any, app: Any, company: Instance) -> None:
    """It is said before how many that are, and that it is for good; what was given up is neither read nor given up."""
    inbox = app.extensions[NAME].gateway.inbox
    company.bring([ANN | {"at": "2026-02-01T09:00:00"}], "again.csv")
    with write(inbox.engine) as connection:
        connection.execute(update(t.documents).values(state="quarantined", reason="not UTF-8"))
    [first, second] = inbox.quarantined()
    browser = desk("admin")
    assert "Give it up" in browser.get(f"/inbox/{first}")
    browser.post(f"/inbox/{first}/discard", back=f"/inbox/{first}")
    assert "say why" in browser.text
    browser.post(f"/inbox/{first}/discard", reason="a test", back=f"/inbox/{first}")
    assert "1 document given up" in browser.text
    assert "given up by admin@one.example: a test; it was in quarantine: not UTF-8" in browser.text
    assert "Give it up" not in browser.text
    assert "Read it again" not in browser.text
    assert "0 quarantined documents until and with 2020-01-01" in browser.get("/inbox/all/discard?until=2020-01-01")
    assert "1 quarantined document of leads would be given up" in browser.get("/inbox/all/discard?system=leads")
    looking = desk("marketing")
    looking.get("/account")
    looking.post("/inbox/all/discard", system="leads", reason="a test")
    assert (looking.status, inbox.quarantined()) == (403, [second])
    browser.post("/inbox/all/discard", system="leads", reason="a test", back="/inbox")
    assert "1 document given up" in browser.text
    browser.post("/inbox/all/discard", system="leads", reason="a test", back="/inbox")
    assert "none of them is in quarantine" in browser.text
    assert "<option>discarded</option>" in browser.get("/inbox")
    assert company.json("status")["ok"]


def refused(app: Any, field: str, options: tuple[str, ...] = ()) -> None:
    """The write to sales is refused for one field, whose system told of its choices."""
    with write(app.extensions[NAME].gateway.store.main) as connection:
        row = connection.execute(select(t.writes)).one()
        connection.execute(update(t.writes).values(state="dead", code="NO_SUCH", finished_at=1_770_000_000_000_000))
        Put(connection).count(t.tallies, [{"system": "sales", "what": "write dead", "reason": "", "count": 1}])
        detail = {"write": row.id, "code": "NO_SUCH", "message": "no such choice", "candidates": [], "fields": [field]}
        names = {
            "id": "f" * 32,
            "key": f"dead:{row.id}",
            "kind": "dead letter",
            "system": "sales",
            "object": "lead",
            "record": "",
        }
        work.found(connection, [{**names, "lead": row.lead, "detail": detail, "opened_at": 1}])
        catalogues.hold(connection, "sales", "lead", {field: Field(name=field, type="choice", options=options)}, 1)


def test_a_refused_value_is_given_its_word_over_there_and_sent_anew(desk: Any, app: Any, company: Instance) -> None:
    """Into the mapping file, whose comments stay; the write that was refused is given up, and planned with the word."""
    company.edit("mappings/sales.yaml", "title, sync: newest}", "title, sync: newest} # ours")
    refused(app, "position", ("CFO", "CEO"))
    browser = desk("marketing")
    text = browser.get("/work")
    assert "refused for good (position): NO_SUCH" in text
    assert "<option>CFO</option>" in text
    path = f"/work/{'f' * 32}"
    browser.post(f"{path}/resolve", way="map", value="King", back="/work")
    assert "sales has no &#39;King&#39;" in browser.text
    browser.post(f"{path}/resolve", way="map", value="CFO", back="/work")
    assert "sent as CFO" in browser.text
    assert "Nothing needs a person" in browser.text
    mapping = (company.root / "mappings/sales.yaml").read_text()
    assert "position: {to: title, sync: newest, values: {CFO: Chief Financial Officer}} # ours" in mapping
    writes = {one["state"]: one["fields"].get("position") for one in company.json("deliveries", "list")["deliveries"]}
    assert writes == {"superseded": "Chief Financial Officer", "waiting": "CFO"}


def test_what_is_no_list_is_not_mapped(desk: Any, app: Any, company: Instance) -> None:
    """A name that was refused is nobody's word for anything."""
    refused(app, "mail")
    browser = desk("marketing")
    browser.get("/work")
    browser.post(f"/work/{'f' * 32}/resolve", way="map", value="x", back="/work")
    assert "lead.mail is no list that sales told of" in browser.text
    assert "values" not in (company.root / "mappings/sales.yaml").read_text()


def test_what_could_not_be_read_and_a_plugin_that_is_not_called_stand_with_the_work(
    desk: Any, app: Any, company: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is to be done about it on the spot, for those who may; a tile counts them, too."""
    gateway = app.extensions[NAME].gateway
    with write(gateway.inbox.engine) as connection:
        connection.execute(update(t.documents).values(state="quarantined", reason="not UTF-8"))
    opened = {"opened_at": 1_800_000_000_000_000, "retry_at": 1_900_000_000_000_000, "trips": 1, "strikes": []}
    with write(gateway.store.main) as connection:
        row = {"plugin": "files", "part": "deliver", "reason": "it raised KeyError three times", **opened}
        Put(connection).insert(t.breakers, [row])
    for path in ("/", "/work"):
        seen = desk("viewer").get(path)
        assert "files <span" in seen
        assert "it raised KeyError three times" in seen
        assert 'href="/inbox?system=leads&amp;state=quarantined">why</a>' in seen
        assert "Try it again" not in seen
    assert "<b>2</b> need a person" in desk("viewer").get("/")
    admin = desk("admin")
    text = admin.get("/work")
    again = next(one for one in re.findall(r'href="([^"]+)">read all of them again', text))
    assert "would be read again" in admin.get(again.replace("&amp;", "&"))
    assert "quarantined" in admin.get("/systems").split('id="plugins"')[1]
    begun: list[Any] = []
    monkeypatch.setattr(errands, "start", lambda *given: begun.append(given[-2]) or "a" * 32)
    admin.post("/plugins/files/enable", back="/jobs")
    admin.post("/plugins/files/disable", reason="it is old", back="/systems")
    assert begun == [
        ("plugins", "enable", "files"),
        ("plugins", "disable", "files", "--reason=it is old", "--by=admin@one.example"),
    ]
    admin.post("/plugins/files/disable", back="/systems")
    assert "say why" in admin.text
    admin.post("/plugins/nope/enable", back="/systems")
    assert admin.status == 404
