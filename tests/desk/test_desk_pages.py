"""The pages of the desk: what they show, what may be done there and by whom."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from disk_instance import ANN, Instance
from sqlalchemy import select, update

from gateway.store import desk as queries
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.times import utc_now
from gateway.web.desk.page import NAME


def ann(company: Instance) -> str:
    return str(company.json("leads", "show", "ann@one.example")["lead"])


def bucket(company: Instance) -> Any:
    [one] = company.json("handoffs", "list")["handoffs"]
    return one["bucket"]


def test_today_tells_what_is_due_and_how_the_systems_are(desk: Any) -> None:
    text = desk("viewer").get("/")
    assert "<b>1</b> open handoffs" in text
    assert "Ann Ames" in text
    assert ">mql</th>" in text
    for name in ("leads", "sales"):
        assert f'<a href="/systems/{name}">{name}</a></th>' in text


def test_a_figure_of_today_leads_to_its_leads(desk: Any, company: Instance) -> None:
    """Exactly as many as it says; who was merged is counted as whom they were merged into."""
    company.bring([ANN | {"id": "9", "email": "ann@nine.example", "at": f"{utc_now():%Y-%m-%dT00:00:00}"}], "later.csv")
    company.run("leads", "merge", "ann@one.example", "ann@nine.example")
    browser = desk("viewer")
    shown = re.findall(r'<a href="(/numbers/funnel/leads[^"]+)"[^>]*>(\d+)</a>', browser.get("/"))
    assert shown
    for path, count in shown:
        assert browser.get(path.replace("&amp;", "&")).count('<a href="/leads/') == int(count), path


def test_today_tells_of_each_system_when_it_was_heard_of_what_failed_and_what_its_calls_are(
    desk: Any, app: Any, company: Instance
) -> None:
    company.bring([ANN | {"id": "7", "email": "nobody"}], "wrong.csv")
    budget = app.extensions[NAME].gateway.budgets["sales"]
    budget.allow(1000, timedelta(days=1))
    budget.spend(7)
    text = desk("admin").get("/").split('id="systems"')[1]
    leads, sales = text.split('href="/systems/sales"')
    assert re.search(rf'data-label="Heard of last"><time [^>]*>{utc_now():%Y}-', leads)
    assert 'data-label="Heard of last"></td>' in sales
    assert "7 of 1,000" in sales
    assert "not counted" in leads
    with write(app.extensions[NAME].gateway.inbox.engine) as connection:
        connection.execute(update(t.documents).values(state="quarantined"))
    text = desk("admin").get("/")
    assert re.search(r'href="/inbox\?system=leads&amp;state=quarantined">\d quarantined document', text)


def test_a_word_that_a_mapping_translates_is_no_difference(company: Instance, request: pytest.FixtureRequest) -> None:
    """What is marked in red beside the lead's own value means something else."""
    company.edit(
        "mappings/leads.yaml", "      country: country\n", "      country: {to: country, values: {DE: Germany}}\n"
    )
    company.bring([ANN | {"at": "2026-02-05T09:00:00"}], "later.csv")
    text = request.getfixturevalue("desk")("viewer").get(f"/leads/{ann(company)}")
    assert re.search(r"country</th><td>Germany</td>.*?<td>DE</td>", text, re.DOTALL)
    assert "(differs)" not in text


def test_a_lead_shows_its_points_its_records_and_what_happened(desk: Any, company: Instance) -> None:
    text = desk("viewer").get(f"/leads/{ann(company)}")
    for words in ("Executive or above", "+40.00", "Software", "What each system says", "Chief Financial Officer"):
        assert words in text
    assert "first heard of" in text
    assert "button" in text
    assert "Accept" not in text  # a viewer only looks


def test_a_lead_shows_its_company_and_what_colleagues_come_to(
    company: Instance, request: pytest.FixtureRequest
) -> None:
    """The company's fields with its roll-ups, and beside the points with which numbers they were made."""
    rule = "  - {name: Several, when: {company.engaged_leads: {at_least: 1}}, points: 5}\nbehaviour:\n"
    company.edit("scoring.yaml", "behaviour:\n", rule)
    company.bring([ANN | {"page": "/a", "at": f"{utc_now():%Y-%m-%dT00:00:00}"}], "later.csv")
    text = request.getfixturevalue("desk")("viewer").get(f"/leads/{ann(company)}")
    assert "Its company" in text
    assert re.search("engaged_leads</th><td[^>]*>1</td><td[^>]*>its leads</td>", text)
    assert "company.engaged_leads 1: what its company" in text


def test_a_lead_shows_how_its_score_moved_and_why_a_value_counts(desk: Any, company: Instance) -> None:
    """News takes ten points away; the newest of two titles counts, and it is said why."""

    company.bring([ANN | {"title": "Intern", "at": "2026-02-05T09:00:00"}], "later.csv")
    text = desk("viewer").get(f"/leads/{ann(company)}")
    assert "It moved 2 times" in text
    assert '<path d="M0 ' in text
    assert text.count('data-label="Because of">news</td>') == 2
    assert "nobody else says it" in text


@pytest.mark.parametrize(
    "asked",
    [
        *("stage=mql", "stage=target&persona=other", "persona=executive", "band=bad", "bucket=open"),
        *("bucket=recycled", "campaign=fair", "campaign=none", "stage=mql&bucket=open&band=good", "owner=Kim"),
    ],
)
def test_few_leads_and_many_are_looked_through_in_another_way_and_are_the_same(
    desk: Any, company: Instance, handoff: Any, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """By the index of what is asked for, or down the scores."""
    database = sqlite3.connect(company.root / "var" / "gateway.db")
    with database:
        database.execute("UPDATE activities SET campaign = 'fair'")
        database.execute("UPDATE handoffs SET owner = 'kim'")
    database.close()
    browser = desk("viewer")
    few = browser.get(f"/leads?{asked}")
    assert browser.status == 200
    monkeypatch.setattr(queries, "FEW", -1)
    assert leads_of(browser.get(f"/leads?{asked}")) == leads_of(few)
    if asked in ("stage=mql", "bucket=open", "stage=target&persona=other", "band=bad"):
        assert leads_of(few)


def leads_of(text: str) -> list[str]:
    return re.findall(r'data-label="Lead"><a href="/leads/([0-9a-f]{32})', text)


def test_a_lead_is_found_by_any_key_of_its_own(desk: Any, company: Instance) -> None:
    browser = desk("viewer")
    browser.get("/leads/ann@one.example")
    assert "<h1>Ann Ames</h1>" in browser.text
    browser.get("/leads/nobody@one.example")
    assert browser.status == 404
    assert "no lead has this id" in browser.text


def test_a_forgotten_lead_says_so(desk: Any, company: Instance) -> None:
    id_ = ann(company)
    browser = desk("viewer")
    company.run("leads", "forget", id_, "--go")
    browser.get(f"/leads/{id_}")
    assert browser.status == 404
    assert "forgotten" in browser.text
    assert "Ann" not in browser.text


def test_what_is_said_of_a_lead_that_was_forgotten_meanwhile_is_refused(
    desk: Any, company: Instance, handoff: Any
) -> None:
    """The page was open when somebody had them forgotten: whoever says something of them then is told so."""
    browser = desk("admin")
    browser.get(f"/leads/{handoff['lead']}")
    company.run("leads", "forget", handoff["lead"], "--go")
    for path, fields in (
        (f"/handoffs/{handoff['handoff']}/accept", {}),
        (f"/handoffs/{handoff['handoff']}/reject", {"reason": "no budget"}),
        (f"/handoffs/{handoff['handoff']}/reassign", {"owner": ""}),
        (f"/leads/{handoff['lead']}/hold", {"reason": "asked to wait"}),
        (f"/leads/{handoff['lead']}/hand-over", {"reason": "asked for it"}),
    ):
        browser.get("/")
        browser.post(path, back="/handoffs", **fields)
        assert "forgotten" in browser.text, path
        assert "Ann" not in browser.text
    assert handoff["lead"] not in browser.get("/handoffs?whose=all")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("text=ames", {"Ann Ames"}),
        ("text=ANN%20AM", {"Ann Ames"}),
        ("text=bob@", {"bob@two.example"}),
        ("text=%25", set()),
        ("band=bad", {"bob@two.example", "di@three.example"}),
        ("stage=mql", {"Ann Ames", "cy@rival.example"}),
        ("bucket=open", {"Ann Ames"}),
        ("persona=executive", {"Ann Ames"}),
        ("owner=nobody", set()),
    ],
)
def test_leads_are_looked_for(desk: Any, asked: str, found: set[str]) -> None:
    browser = desk("viewer")
    text = browser.get(f"/leads?{asked}")
    assert browser.status == 200
    names = {"Ann Ames", "bob@two.example", "di@three.example", "cy@rival.example"}
    assert {name for name in names if f">{name}</a>" in text} == found


def test_leads_are_taken_away_as_they_are_listed(desk: Any, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, each lead once."""
    from gateway.web.desk import leads

    monkeypatch.setattr(leads, "CSV_PAGE", 2)
    browser = desk("viewer")
    rows = list(csv.DictReader(io.StringIO(browser.get("/leads.csv"))))
    assert len(rows) == len({row["lead"] for row in rows}) == 4
    assert rows[0]["name"] == "Ann Ames"
    [only] = csv.DictReader(io.StringIO(browser.get("/leads.csv?text=ann")))
    assert only["email"] == "ann@one.example"


def test_pages_of_leads_go_on_where_the_last_ended(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    from gateway.web.desk import leads

    monkeypatch.setattr(leads, "PAGE", 3)
    browser = desk("viewer")
    seen = re.findall(r'href="/leads/([0-9a-f]{32})"', browser.get("/leads"))
    following = re.search(r'href="(/leads\?after=[^"]+)"', browser.text)
    assert following is not None
    seen += re.findall(r'href="/leads/([0-9a-f]{32})"', browser.get(following[1]))
    assert len(seen) == len(set(seen)) == 4


def test_names_are_shown_as_text(desk: Any, company: Instance) -> None:
    hostile = "<script>alert(1)</script>{{ 7*7 }}"
    company.bring([ANN | {"first": hostile, "at": "2026-02-05T09:00:00"}], "hostile.csv")
    browser = desk("sales")
    for path in ("/", "/leads", "/handoffs", "/leads/ann@one.example"):
        text = browser.get(path)
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }} Ames" in text


@pytest.mark.parametrize(
    ("word", "fields", "told", "ended"),
    [
        ("accept", {}, "Accepted.", None),
        ("qualify", {}, "Ended as sales_qualified.", "sales_qualified"),
        ("reject", {"reason": "no budget"}, "Ended as sales_rejected.", "sales_rejected"),
        ("recycle", {"reason": "not now"}, "Ended as recycled.", "recycled"),
        ("reject", {"reason": "weather"}, "no such reason", None),
        ("reject", {}, "say why", None),
        ("recycle", {"reason": "not now", "wake": "soon"}, "a day is written like", None),
        ("dance", {}, "no such word", None),
    ],
)
def test_sales_say_what_became_of_it(
    desk: Any, company: Instance, handoff: Any, word: str, fields: dict[str, str], told: str, ended: str | None
) -> None:
    browser = desk("sales")
    browser.get("/handoffs")
    browser.post(f"/handoffs/{handoff['handoff']}/{word}", back="/handoffs", **fields)
    assert told in browser.text
    assert "--" not in browser.text.split("<main")[1].split("</p>")[0]
    assert bucket(company) == ended


def test_of_two_who_dispose_of_one_the_second_is_told(desk: Any, company: Instance, handoff: Any) -> None:
    first, second = desk("sales"), desk("admin")
    for browser in (first, second):
        browser.get("/handoffs")
    first.post(f"/handoffs/{handoff['handoff']}/qualify", back="/handoffs")
    second.post(f"/handoffs/{handoff['handoff']}/reject", reason="no budget", back="/handoffs")
    assert re.search(r"it ended as sales_qualified by sales@one.example on \d{4}-\d\d-\d\d at \d\d:\d\d", second.text)
    assert bucket(company) == "sales_qualified"


def test_what_was_said_can_be_corrected_and_stands_in_the_audit(
    app: Any, desk: Any, company: Instance, handoff: Any
) -> None:
    from gateway.accounts import audit

    browser = desk("sales")
    browser.get("/handoffs")
    browser.post(f"/handoffs/{handoff['handoff']}/qualify", back="/handoffs")
    browser.get(f"/leads/{handoff['lead']}")
    browser.post(f"/handoffs/{handoff['handoff']}/correct", bucket="sales_rejected", reason="no budget", back="/")
    assert "It counts as sales_rejected now" in browser.text
    with read(app.extensions[NAME].gateway.store.main) as connection:
        noted = [(one["what"], one["by"]) for one in audit.entries(connection, 3)]
    assert ("handoff: correct", "sales@one.example") in noted


@pytest.mark.parametrize("role", ["viewer", "marketing"])
def test_who_may_not_judge_is_refused_by_the_server(desk: Any, company: Instance, handoff: Any, role: str) -> None:
    browser = desk(role)
    text = browser.get("/handoffs")
    assert "Qualify" not in text
    for path in (f"/handoffs/{handoff['handoff']}/qualify", f"/leads/{handoff['lead']}/hold"):
        browser.get("/account")
        browser.post(path, reason="x")
        assert browser.status == 403
    assert bucket(company) is None


def test_a_lead_is_kept_from_sales_and_let_go(desk: Any, company: Instance) -> None:
    browser = desk("sales")
    path = f"/leads/{ann(company)}"
    browser.get(path)
    browser.post(f"{path}/hold", reason="asked us to wait", back=path)
    assert "Kept from sales: asked us to wait" in browser.text
    browser.post(f"{path}/hold", end="1", back=path)
    assert "Kept from sales" not in browser.text
    browser.post(f"{path}/hold", reason="", back=path)
    assert "say why" in browser.text


def test_work_is_settled_on_the_spot(desk: Any, company: Instance) -> None:
    """An odd status is said to mean a sale; then nothing needs a person, and the lead is won."""
    odd = {"id": "7", "at": "2026-01-09T09:00:00", "email": "eve@four.example", "status": "Signed"}
    company.bring([odd], "odd.csv")
    [item] = company.json("work", "list")["work"]
    path = f"/work/{item['id']}"
    assert "Signed: what does it mean?" in desk("viewer").get("/work")
    looking = desk("viewer")
    assert "Your role may not settle it" in looking.get(path)
    looking.get("/account")
    looking.post(f"{path}/resolve", way="map", value="won")
    assert looking.status == 403
    browser = desk("marketing")
    assert "<option>won</option>" in browser.get(path)
    browser.post(f"{path}/resolve", way="map", back=path)
    assert "it needs a word" in browser.text
    browser.post(f"{path}/resolve", way="map", value="won", back="/work")
    assert "Nothing needs a person" in browser.text
    assert company.json("leads", "show", "eve@four.example")["stage"] == "won"
    browser.get("/work/ffffffff")
    assert browser.status == 404


def test_the_model_is_told_in_words_with_its_thresholds(desk: Any) -> None:
    text = desk("viewer").get("/model")
    for words in ("Executive or above", "by employees", "50.00", "4 scored leads"):
        assert words in text


def test_a_system_shows_which_field_meets_which_and_is_stopped_and_goes_on(desk: Any) -> None:
    browser = desk("admin")
    assert "position" in browser.get("/systems/sales")
    browser.post("/systems/sales/pause", reason="their migration", back="/systems/sales")
    assert "Paused" in browser.text
    assert "their migration" in browser.text
    browser.post("/systems/sales/resume", back="/systems/sales")
    assert "their migration" not in browser.text
    browser.get("/systems/nowhere")
    assert browser.status == 404


@pytest.mark.parametrize("role", ["sales", "marketing", "viewer"])
def test_only_admins_touch_systems_and_see_bodies(desk: Any, role: str) -> None:
    import re

    browser = desk(role)
    found = re.search(r'href="(/inbox/[0-9a-f]{32})"', browser.get("/inbox"))
    assert found is not None
    assert "ann@one.example" not in browser.get(found[1])
    for path in ("/systems/sales/pause", f"{found[1]}/replay", "/deliveries/retry"):
        browser.get("/account")
        browser.post(path)
        assert browser.status == 403


def test_a_document_is_looked_into_and_read_again(desk: Any) -> None:
    import re

    browser = desk("admin")
    found = re.search(r'href="(/inbox/[0-9a-f]{32})"', browser.get("/inbox"))
    assert found is not None
    assert "ann@one.example" in browser.get(found[1])
    browser.post(f"{found[1]}/replay", back=found[1])
    assert "It is read again" in browser.text


def test_documents_and_writes_are_looked_for(
    desk: Any, app: Any, company: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, gateway = desk("admin"), app.extensions[NAME].gateway
    with read(gateway.inbox.engine) as connection:
        one = connection.execute(select(t.documents.c.id, t.documents.c.key)).first()
    assert f"{one.id}</span>" in browser.get(f"/inbox?id={one.id}")
    assert f'href="/inbox/{one.id}"' in browser.get(f"/inbox?id={one.key}&system=leads")
    assert "No such documents" in browser.get(f"/inbox?id={one.key}&system=sales")
    assert f'href="/leads/{ann(company)}"' in browser.get("/deliveries?lead=ann@one.example")
    assert "No such writes" in browser.get("/deliveries?lead=bob@two.example")
    assert "no lead" in browser.get("/deliveries?lead=nobody@one.example")
    monkeypatch.setattr("gateway.web.desk.documents.PAGE", 1)
    company.bring([ANN | {"title": "CEO", "at": "2026-02-05T09:00:00"}], "later.csv")
    seen, path = [], "/deliveries?lead=ann@one.example"
    while path:
        text = browser.get(path)
        seen += re.findall(r'name="id" value="([0-9a-f]{32})"|data-label="State">', text)
        older = re.search(r'href="(/deliveries\?[^"]+)">Older', text)
        path = older[1].replace("&amp;", "&") if older else ""
    with read(gateway.store.main) as connection:
        assert len(seen) >= len(connection.execute(select(t.writes.c.id)).all()) > 0


def test_writes_are_given_up_with_a_reason(desk: Any, company: Instance) -> None:
    import re

    browser = desk("admin")
    found = re.search(r'name="id" value="([0-9a-f]{32})"', browser.get("/deliveries"))
    assert found is not None
    browser.post("/deliveries/discard", id=found[1], back="/deliveries")
    assert "say why" in browser.text
    browser.post("/deliveries/discard", id=found[1], reason="not wanted", back="/deliveries")
    assert "1 given up" in browser.text
    [one] = company.json("deliveries", "list")["deliveries"]
    assert one["state"] == "superseded"


def test_what_is_held_back_is_released_the_best_first(
    desk: Any, program: Any, company: Instance, handoff: dict[str, Any]
) -> None:
    """Listed by the API, released at the desk; each says what it did."""
    database = sqlite3.connect(company.root / "var" / "gateway.db")
    with database:
        database.execute("UPDATE handoffs SET state = 'held'")
    database.close()
    caller, browser = program("sales"), desk("sales")
    assert [one["handoff"] for one in caller.get("/handoffs/held")["handoffs"]] == [handoff["handoff"]]
    caller.post("/handoffs/release", 409)
    assert "1 handoff is held back" in browser.get("/handoffs")
    assert "say how many" in browser.post("/handoffs/release", best="many", back="/handoffs")
    assert "1 released." in browser.post("/handoffs/release", best="5", back="/handoffs")
    assert "held back" not in browser.get("/handoffs")
    assert caller.get("/handoffs")["handoffs"][0]["handoff"] == handoff["handoff"]
    assert caller.post("/handoffs/release", best=1) == {"released": [], "withdrawn": {}}
