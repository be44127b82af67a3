"""Promise 11: who asked to be forgotten is forgotten, everywhere in the store, and stays so; the numbers stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import small_instance
from small_instance import Small, days
from sqlalchemy import BigInteger, Boolean, Integer, insert

from gateway.contracts import (
    Document,
    Event,
    Mark,
    PersonErased,
    RecordChanged,
    RecordConverted,
    RecordsLinked,
    RecordsMerged,
)
from gateway.inbound.readings import Reading
from gateway.journey.judgement import Judgement
from gateway.pipeline import Pipeline
from gateway.store import forget, person
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.times import new_id
from gateway.times import to_micros

CANARIES = ("canary", "kanarienvogel", "c4n4ry")
SKELETON = {t.leads, t.reached, t.transitions, t.scores, t.activity_kinds, t.outcomes, t.handoffs}


@pytest.fixture
def small(tmp_path: Path) -> Small:

    made = Small(tmp_path, merge_on_email=True)
    made.take(
        "site",
        {"kind": "firm", "id": "f", "at": days(30), "industry": "software"},
        {
            "kind": "contact",
            "id": "canary@one.example",
            "at": days(20),
            "email": "canary@one.example",
            "number": "c4n4ry",
        },
        {"kind": "contact", "id": "2", "at": days(19), "email": "kanarienvogel@two.example", "title": "canary"},
        {"kind": "contact", "id": "9", "at": days(19), "email": "bo@two.example", "title": "CEO", "firm_id": "f"},
    )
    made.take(
        "site", {"kind": "contact", "id": "canary@one.example", "at": days(9), "title": "CEO canary", "page": "/canary"}
    )
    made.take("site", {"kind": "contact", "id": "2", "at": days(8), "email": "canary@one.example", "firm_id": "f"})
    made.take(
        "crm",
        {"id": "crm-7", "at": days(7), "number": "c4n4ry", "position": "CEO kanarienvogel", "state": "Working"},
    )
    made.take(
        "site", {"kind": "deal", "id": "d", "at": days(6), "contact_id": "2", "stage": "proposal", "amount": "10"}
    )
    made.take("site", {"kind": "contact", "id": "2", "at": days(5), "opens": 3, "country": "Canary Islands"})
    made.take("crm", {"id": "crm-7", "at": days(4), "state": "Recycled", "why": "canary sings"})
    lead = _lead(made)
    mark = Mark(made.at, "manual", 20, "met canary", None, "kim", new_id())
    made.pipeline.run((), [lead], "person", judgements={lead: Judgement(marks=(mark,))})
    return made


def _lead(small: Small) -> str:
    ((lead,),) = [row[:1] for row in small.rows(t.records, "entity", "record") if row[1] == "crm-7"]
    return lead


def _forget(small: Small, lead: str) -> None:
    event = PersonErased(
        system="gateway", object="steps", kind="person", record=lead, at=small.at, key=f"person:{new_id()}", by="kim"
    )
    small.pipeline.run(
        [Reading(Document(id=new_id(), system="gateway", received_at=small.at, body=b""), [event])], [lead]
    )


def _everything(small: Small) -> str:
    return repr([(table.name, small.rows(table)) for table in t.main.tables.values()]).casefold()


def test_nothing_that_names_them_is_left_in_any_table(small):
    """Values, texts, observations, keys, ids that are addresses, merges, marks, deals, writes: all of it."""
    before = _everything(small)
    assert all(canary in before for canary in CANARIES)
    _forget(small, _lead(small))
    after = _everything(small)
    assert [canary for canary in CANARIES if canary in after] == []
    assert "bo@two.example" in after


def test_what_the_numbers_need_stays(small):
    """Rows and their times stay, of every table that is counted; who asked is on record."""
    lead = _lead(small)
    before = {table.name: len(small.rows(table)) for table in SKELETON}
    _forget(small, lead)
    assert {table.name: len(small.rows(table)) for table in SKELETON} == before
    assert (lead, "kim") in small.rows(t.leads, "id", "erased_by")
    assert small.rows(t.deals, "amount") == [("10.00",)]


def test_they_stay_forgotten_whatever_comes(small):
    """News of each of their records is told apart by a keyed hash and not taken in; its document is emptied, too."""
    lead = _lead(small)
    _forget(small, lead)
    blanked = len(small.rows(t.unblanked))
    small.take("site", {"kind": "contact", "id": "canary@one.example", "at": days(1), "email": "canary@one.example"})
    small.take("crm", {"id": "crm-7", "at": days(0), "position": "kanarienvogel"})
    after = _everything(small)
    assert [canary for canary in CANARIES if canary in after] == []
    assert len(small.rows(t.unblanked)) == blanked + 2


def test_a_document_that_says_again_what_was_known_of_them_is_emptied_too(small):
    """As the next pull brings the same page again: nothing in it is new, and it names them."""
    told = {"kind": "contact", "id": "2", "at": days(2), "title": "CEO canary"}
    small.take("site", told)
    _forget(small, _lead(small))
    again = small.read("site", [told])
    small.pipeline.run([again])
    assert again.document.id in {row[0] for row in small.rows(t.unblanked)}


ANN = {"kind": "contact", "id": "ann@three.example", "at": days(3), "email": "ann@three.example", "title": "CEO"}
BOB = {"kind": "contact", "id": "bob", "at": days(3), "email": "bob@four.example", "title": "CFO"}


def _of(small: Small, record: str) -> str:
    ((lead,),) = [row[:1] for row in small.rows(t.records, "entity", "record") if row[1] == record]
    return lead


def _named(small: Small, lead: str) -> set[str]:
    """Documents that the export of a lead names."""
    with read(small.store.main) as connection:
        leads = person.aliases(connection, lead)
        rows = person.rows_of(connection, leads, person.refs_of(connection, leads))
    return {row["document"] for name in ("events", "repeats") for row in rows.get(name, ())}


def _unblanked(small: Small) -> set[str]:
    return {row[0] for row in small.rows(t.unblanked)}


@pytest.mark.parametrize("at_once", [False, True], ids=["later", "in one batch"])
def test_a_document_that_only_said_again_what_was_known_is_named_and_emptied(small, at_once):
    """It was read before the erasure: no event stands for it. A page is emptied as soon as one of its people asks."""
    first, again = small.read("site", [ANN, BOB]), small.read("site", [ANN, BOB])
    for batch in ([first, again],) if at_once else ([first], [again]):
        small.pipeline.run(batch)
    both = {first.document.id, again.document.id}
    ann, bob = _of(small, ANN["id"]), _of(small, "bob")
    assert _named(small, ann) == _named(small, bob) == both
    _forget(small, ann)
    assert both <= _unblanked(small)
    assert {row[0] for row in small.rows(t.repeats, "record")} == {"bob"}
    assert "ann@" not in _everything(small)
    with write(small.store.main) as connection:
        forget.blanked(connection, both)
    assert small.rows(t.repeats) == []


def test_a_document_that_says_something_new_and_something_known_is_tied_to_both(small):
    """The one by its event, the other by that it was said again; a replay adds nothing."""
    small.take("site", ANN)
    page = small.read("site", [ANN, BOB])
    for _ in range(2):
        small.pipeline.run([page])
        assert small.rows(t.repeats) == [("site", "contact", ANN["id"], page.document.id)]
    assert page.document.id in _named(small, _of(small, ANN["id"])) & _named(small, _of(small, "bob"))


def test_news_alone_is_said_again_by_nobody(small):
    """Nor are two words of a page on one thing, nor what is read a second time: its events name the document."""
    page = small.read("site", [ANN, BOB, ANN])
    small.pipeline.run([page])
    small.pipeline.run([page])
    assert small.rows(t.repeats) == []


def test_who_became_one_with_another_is_forgotten_with_what_said_again_of_either(small):
    """The document told of the record before the two were known to be one person."""
    small.take("site", ANN, BOB)
    again = small.read("site", [BOB])
    small.pipeline.run([again])
    small.take("site", BOB | {"at": days(2), "email": ANN["email"]})
    assert _of(small, "bob") == _of(small, ANN["id"])
    _forget(small, _of(small, "bob"))
    assert again.document.id in _unblanked(small)
    assert small.rows(t.repeats) == []


def test_what_was_said_again_while_they_were_forgotten_is_emptied(small, monkeypatch):
    """The batch was computed before the erasure and is committed after it: it changes no row that tells so."""
    small.take("site", ANN)
    again, compute = small.read("site", [ANN]), Pipeline.compute

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.undo()
        _forget(small, _of(small, ANN["id"]))
        compute(*arguments)

    monkeypatch.setattr(Pipeline, "compute", meanwhile)
    assert small.pipeline.run([again]).forgot
    assert again.document.id in _unblanked(small)
    assert small.rows(t.repeats) == []
    assert "ann@" not in _everything(small)


def test_what_is_said_again_beside_an_erasure_is_committed_after_it(small, monkeypatch):
    """Another worker's batch: neither sees yet what the other writes."""
    small.take("site", ANN)
    again, erase = small.read("site", [ANN]), forget.forget
    beside = Thread(target=small.pipeline.run, args=([again],))

    def meanwhile(*arguments: Any) -> None:
        erase(*arguments)
        beside.start()
        beside.join(0.5)

    monkeypatch.setattr(forget, "forget", meanwhile)
    _forget(small, _of(small, ANN["id"]))
    beside.join(10)
    assert again.document.id in {row[0] for row in small.rows(t.documents_read, "document")} & _unblanked(small)
    assert small.rows(t.repeats) == []


def _events(small: Small, *events: Event) -> None:
    document = Document(id=new_id(), system="site", received_at=small.at, body=b"")
    small.pipeline.run([Reading(document, list(events))])


def _about(record: str, **more: Any) -> dict[str, Any]:
    at = small_instance.NOW
    return {
        "system": "site",
        "object": "contact",
        "kind": "person",
        "record": record,
        "at": at,
        "key": new_id(),
        **more,
    }


@pytest.mark.parametrize(
    "event",
    [
        RecordConverted(**_about("canary@one.example"), to_object="contact", to_record="heir"),
        RecordsMerged(**_about("heir"), losers=("canary@one.example", "2")),
        RecordsMerged(**_about("heir"), losers=("nobody", "2")),
    ],
    ids=["converted", "merged into a new one", "merged with one nobody knows"],
)
@pytest.mark.parametrize("apart", [False, True], ids=["at once", "news later"])
def test_a_new_id_over_there_does_not_bring_them_back(small, event, apart):
    """As sales convert them, or their two records become one: the system says itself that it is them."""
    _forget(small, _lead(small))
    leads = len(small.rows(t.leads))
    news = RecordChanged(**_about("heir"), values={"email": "canary@one.example"}, speaks_of=frozenset({"email"}))
    _events(small, *([event] if apart else [news, event]))
    _events(small, news)
    assert [canary for canary in CANARIES if canary in _everything(small)] == []
    assert len(small.rows(t.leads)) == leads
    assert small.rows(t.unblanked)


def _living(small: Small) -> int:
    """How many leads anything is known of."""
    return len([one for one in small.leads() if one])


@pytest.mark.parametrize("moved", ["converted", "merged"])
def test_a_new_id_that_was_told_of_first_does_not_bring_them_back(small, moved):
    """News of the contact came with an earlier pull than that of the conversion which made it."""
    _forget(small, _lead(small))
    living = _living(small)
    at = small_instance.NOW
    events = {
        "converted": RecordConverted(**_about("canary@one.example"), to_object="contact", to_record="heir"),
        "merged": RecordsMerged(**_about("heir"), losers=("canary@one.example", "2")),
    }
    values = {"email": "canary@one.example", "title": "canary"}
    _events(small, RecordChanged(**_about("heir", at=at - timedelta(seconds=2 if moved == "converted" else 0)),
                                 values=values, speaks_of=frozenset(values)))  # fmt: skip
    assert _living(small) == living + 1
    _events(small, events[moved])
    again = RecordChanged(**_about("heir", at=at + timedelta(hours=1)), values=values, speaks_of=frozenset(values))
    _events(small, again)
    assert [canary for canary in CANARIES if canary in _everything(small)] == []
    assert _living(small) == living
    assert small.rows(t.unblanked)


@pytest.mark.parametrize("case", ["older", "known elsewhere"])
def test_who_was_somebody_of_their_own_stays_when_somebody_forgotten_is_converted_into_them(small, case):
    """Their contact is older than the conversion, or they came back by themselves, by another door."""
    _forget(small, _lead(small))
    living = _living(small)
    values = {"email": "heir@one.example", "title": "CFO"}
    at = small_instance.NOW - timedelta(minutes=1 if case == "older" else 0)
    _events(small, RecordChanged(**_about("heir", at=at), values=values, speaks_of=frozenset(values)))
    if case == "known elsewhere":
        small.take("site", {"kind": "contact", "id": "new", "at": days(0), "email": "heir@one.example"})
    _events(small, RecordConverted(**_about("canary@one.example"), to_object="contact", to_record="heir"))
    assert _living(small) == living + 1
    assert [one["title"] for one in small.leads() if one.get("email") == "heir@one.example"] == ["CFO"]
    assert [canary for canary in CANARIES if canary in _everything(small)] == []


def test_who_is_known_stays_when_somebody_forgotten_is_merged_into_them(small):
    """Their record, which was here before, is somebody of their own; the other's id is not kept with them."""
    _forget(small, _lead(small))
    _events(small, RecordsMerged(**_about("9"), losers=("canary@one.example",)))
    _events(
        small,
        RecordsLinked(
            **_about("d", object="deal", kind="deal"),
            to_object="contact",
            to_kind="person",
            to_record="canary@one.example",
            role="buyer",
            present=True,
        ),
    )
    small.take("site", {"kind": "contact", "id": "9", "at": days(0), "title": "CFO"})
    assert [canary for canary in CANARIES if canary in _everything(small)] == []
    assert [one["title"] for one in small.leads() if one.get("email") == "bo@two.example"] == ["CFO"]


def test_an_open_handoff_of_theirs_is_withdrawn(small):
    """Nobody can work it any more; it gets no bucket."""
    small.take("site", {"kind": "contact", "id": "2", "at": days(0), "page": "/a"})
    lead = _lead(small)
    assert (lead, "open") in small.rows(t.handoffs, "lead", "state")
    _forget(small, lead)
    after = {row[1:] for row in small.rows(t.handoffs, "lead", "state", "bucket", "bucket_reason") if row[0] == lead}
    assert after == {("withdrawn", None, "forgotten")}


def test_an_export_holds_every_row_of_theirs(small):
    """Whatever names them anywhere stands in a row that the export gives."""
    lead = _lead(small)
    with read(small.store.main) as connection:
        leads = person.aliases(connection, lead)
        rows = person.rows_of(connection, leads, person.refs_of(connection, leads))
    for table in t.main.tables.values():
        naming = [row for row in small.rows(table) if any(canary in repr(row).casefold() for canary in CANARIES)]
        given = {tuple(row.values()) for row in map(_hashable, rows.get(table.name, ()))}
        missing = [row for row in naming if tuple(_hashable(dict(enumerate(row))).values()) not in given]
        assert missing == [], table.name


def _hashable(row):
    return {name: repr(value) for name, value in row.items()}


NOBODYS = {
    *(
        "companies",
        "deal_stages",
        "tallies",
        "documents_read",
        "parts_read",
        "turns",
        "absences",
        "cursors",
        "leases",
        "systems",
    ),
    *("rescores", "rescore_parts", "catalogues", "budgets", "breakers", "unblanked", "costs", "tombstones", "settings"),
    *("bundles", "drafts", "draft_turns"),
    *("reviews", "decisions"),  # leads by their ids alone; owners are people of the company's own
    # of those who work here, whose accounts end with `gateway users`; the audit names what they changed by its id
    *("users", "keys", "login_failures", "audit"),
    *("rollups", "rollups_due"),  # numbers of companies; whoever is forgotten is not in those worked out later
    "jobs",  # long work and who began it
    "once",  # answers of the last day: an erasure empties it, whoever they told of
}


def test_every_table_is_known_to_hold_people_or_not():
    """A new table has to say whether it is about somebody: else an export and an erasure would miss it."""
    assert {table.name for table in person.WHOSE} | NOBODYS == set(t.main.tables)
    assert not {table.name for table in person.WHOSE} & NOBODYS


IDS = {
    "id",
    "lead",
    "system",
    "object",
    "to_object",
    "kind",
    "to_kind",
    "type",
    "entity",
    "document",
    "handoff",
    "item",
}
IDS |= {"deal"}
KEPT = {  # what the numbers need, in words of the files or of the gateway, never of a person or about one
    "leads": "merged_into company attributes persona stage journey excluded above erased_by returned path sought",
    "records": "mapping contested",
    "associations": "role",
    "events": "precision mapping state",
    "outcomes": "outcome amount currency precision",
    "scores": "name band scoring",
    "reached": "stage cause",
    "transitions": "from_stage stage cause reason score_name scoring journey",
    "steps": "stage step state reason",
    "handoffs": "stage persona score_name scoring journey state cause bucket bucket_reason checking alarm hearing"
    " owner their_owner",  # who are people of the company's own
    "endings": "what bucket reason",
    "clock_events": "owner before",
    "deals": "merged_into company attributes stage status amount currency",
    "writes": "cause state lease code push",
    "notices": "key subject words",
    "regroupings": "what other",
    "apart": "one other",
    "work_items": "detail resolution",
}


def test_every_column_that_may_hold_a_text_is_decided_on():
    """A new one has to be emptied with its person, or to stand here: else what is in it outlives them."""
    undecided = {}
    for table in person.WHOSE.keys() - set(forget._GONE):
        emptied = {*forget._VALUES.get(table, ()), *forget._NAMES.get(table, ())}
        texts = {column.name for column in table.c if not isinstance(column.type, BigInteger | Integer | Boolean)}
        if left := texts - emptied - IDS - set(KEPT.get(table.name, "").split()):
            undecided[table.name] = left
    assert undecided == {}


def test_what_only_they_were_told_of_goes_and_what_is_counted_stays(small):
    """A reason in words of nobody else is a text about them; one that others ended with, too, is a number."""
    lead, now = _lead(small), to_micros(small.at)
    item = {
        "id": new_id(),
        "key": "k",
        "kind": "conflict",
        "system": "site",
        "lead": lead,
        "detail": {},
        "opened_at": now,
    }
    handoff = {"stage": "mql", "system": "crm", "persona": "", "generation": 1, "opened_at": now, "decided_at": now}
    handoff |= {
        "score": 1,
        "contributions": [],
        "scoring": "",
        "journey": "",
        "state": "closed",
        "bucket": "recycled",
        "closed_at": now,
    }
    ended = [(lead, "canary sings"), (lead, "no budget"), ("0" * 32, "no budget")]
    with write(small.store.main) as connection:
        connection.execute(
            insert(t.work_items).values(
                item | {"opened_at": now, "resolved_at": now, "resolution": "value kanarienvogel"}
            )
        )
        for whose, reason in ended:
            one = handoff | {"id": new_id(), "lead": whose, "bucket_reason": reason}
            connection.execute(insert(t.handoffs).values(one))
            end = {"handoff": one["id"], "decided_at": now, "what": "end", "bucket": "recycled", "reason": reason}
            connection.execute(insert(t.endings).values(end | {"at": now, "by": ""}))
    _forget(small, lead)
    after = _everything(small)
    assert [canary for canary in CANARIES if canary in after] == []
    assert set(small.rows(t.endings, "reason")) >= {("no budget",), ("forgotten",)}


def test_moments_are_the_columns_of_microseconds():
    """What an export writes as a time is one."""
    for table in person.WHOSE:
        for name in person.moments(table.name):
            assert isinstance(table.c[name].type, BigInteger)
            assert name.endswith(("at", "until", "due", "ends", "wake", "begins")), (table.name, name)
