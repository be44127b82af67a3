"""Batches worked lane by lane, as workers that met do: nothing is lost, doubled or told twice by the cut."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from small_instance import Small, days

from gateway import pipeline
from gateway.contracts import Quarantined, RecordChanged, RecordsLinked, RecordsMerged, Skipped
from gateway.leads.lanes import in_lanes
from gateway.store import tables as t
from gateway.store.trace import trace

AT = datetime(2026, 5, 1, tzinfo=UTC)
PEOPLE = [
    {
        "kind": "contact",
        "id": str(n),
        "at": days(9),
        "email": f"p{n}@a.example",
        "page": f"/{n}",
        "firm_id": f"f{n % 6}",
    }
    for n in range(12)
]
NEWS = [
    *PEOPLE,
    *({"kind": "firm", "id": f"f{n}", "at": days(8), "industry": "software"} for n in range(6)),
    *({"kind": "contact", "id": str(n), "at": days(7), "title": "CEO"} for n in range(12)),
    {"kind": "contact", "id": "0", "at": days(6), "merged": ["7"]},
    {"kind": "deal", "id": "d", "at": days(5), "status": "Won", "contact_id": "1"},
]
OF_BOTH = {0: {("site", "contact", str(n)) for n in range(6)}, 1: {("site", "contact", str(n)) for n in range(6, 12)}}


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path / "lanes")
    small.pipeline._turns = 10
    yield small
    small.store.close()


def changed(record, object_="contact"):
    return RecordChanged(
        system="site", object=object_, kind="person", record=record, at=AT, key=record, values={}, speaks_of=frozenset()
    )


def linked(record, to):
    ends = {"to_object": "firm", "to_kind": "company", "to_record": to, "role": "works at", "present": True}
    return RecordsLinked(system="site", object="contact", kind="person", record=record, at=AT, key=record + to, **ends)


def lane_of(lanes):
    return {ref: lane for lane, refs in lanes.items() for ref in refs}


def tallies(small):
    return {tuple(row) for row in small.rows(t.tallies, "system", "what", "reason", "count")}


def test_a_record_is_in_the_same_lane_in_every_batch():
    many = [changed(str(n)) for n in range(200)]
    lanes = in_lanes(many, 2)
    assert set(lanes) == {0, 1}
    assert sum(map(len, lanes.values())) == 200  # none in two
    assert min(map(len, lanes.values())) > 60
    alone = lane_of(lanes)
    assert all(
        lane_of(in_lanes([one], 2)) == {ref: alone[ref]} for one in many if (ref := ("site", "contact", one.key))
    )


def test_records_that_the_news_ties_are_in_one_lane():
    """A firm's people go with their firm, and a chain of ties is one."""
    people = [linked(str(n), "f") for n in range(20)]
    merged = RecordsMerged(
        system="site", object="contact", kind="person", record="x", at=AT, key="m", losers=("3", "y")
    )
    lanes = in_lanes([*people, merged, changed("y")], 8)
    assert len(lanes) == 1
    assert ("site", "firm", "f") in next(iter(lanes.values()))


def test_a_firms_people_are_in_the_lane_of_their_firm():
    """Whoever of them a batch is about: the same in every batch."""
    firms = [str(n) for n in range(20)]
    alone = {firm: next(iter(in_lanes([linked("x", firm)], 2))) for firm in firms}
    assert set(alone.values()) == {0, 1}
    for firm in firms:
        assert in_lanes([linked("y", firm), linked("z", firm)], 2).keys() == {alone[firm]}


def test_who_is_on_one_list_is_not_tied_by_it():
    """Else all of a campaign's people would wait for each other."""
    ends = {"to_object": "drive", "to_kind": "campaign", "to_record": "c", "role": "member", "present": True}
    told = [
        RecordsLinked(system="site", object="contact", kind="person", record=str(n), at=AT, key=str(n), **ends)
        for n in range(50)
    ]
    assert min(len(refs) for refs in in_lanes(told, 2).values()) > 5


def test_news_worked_by_lanes_says_what_it_says_as_a_whole(small, tmp_path):
    whole = Small(tmp_path / "whole")
    whole.take("site", *NEWS)
    assert len(in_lanes(small.read("site", NEWS).events, 2)) == 2
    small.take("site", *NEWS)
    assert small.facts() == whole.facts()
    assert tallies(small) == tallies(whole)
    assert len(small.rows(t.documents_read)) == 1
    whole.store.close()


def test_what_else_a_document_says_is_booked_once(small, monkeypatch):
    """Refused items, those left out, and that the document was read, belong to the last of its lanes."""
    monkeypatch.setattr(pipeline, "in_lanes", lambda events, count: {lane: set(of) for lane, of in OF_BOTH.items()})
    reading = small.read("site", PEOPLE)
    reading.events = [one for one in reading.events if isinstance(one, RecordChanged)]
    reading.quarantined = [Quarantined(object="contact", record="bad", reason="no id")]
    reading.skipped = [Skipped(object="contact", record="worse", reason="left out")]
    for _ in range(2):  # and the same when it is read again
        small.pipeline.run([reading])
        dead = [row for row in small.rows(t.events, "state") if row == ("dead",)]
        assert len(dead) == 1
        assert len(small.rows(t.documents_read)) == 1
        told = Counter()
        for _, what, _, count in tallies(small):
            told[what] += count
        assert told["read"] == told["applied"] + told["skipped"] + told["dead"]
    assert (told["applied"], told["dead"]) == (12, 1)


def test_a_worker_that_dies_between_two_lanes_is_taken_over(small, tmp_path, monkeypatch):
    """What the first lane committed is known to whoever reads the document again; the books are even."""
    whole = Small(tmp_path / "whole")
    whole.take("site", *NEWS)
    reading, commit, calls = small.read("site", NEWS), pipeline.commit, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        commit(*given)

    monkeypatch.setattr(pipeline, "commit", dies)
    with pytest.raises(KeyboardInterrupt):
        small.pipeline.run([reading])
    assert small.rows(t.events)
    assert small.rows(t.documents_read) == []
    for turns in (0, 10):  # the next one may have met nobody, or work by lanes, too
        small.pipeline._turns = turns
        small.pipeline.run([reading])
        assert small.facts() == whole.facts()
        told = Counter()
        for _, what, _, count in tallies(small):
            told[what] += count
        assert told["read"] == told["applied"] + told["skipped"]
        assert told["applied"] == len(small.rows(t.events))
    whole.store.close()


def titles(records):
    return [
        {"kind": "contact", "id": n, "at": days(1), "email": f"{n}@a.example", "title": "CEO", "page": page}
        for n in records
        for page in "ab"
    ]


def told(small, document):
    with small.store.main.connect() as connection:
        return trace(connection, document)


@pytest.fixture
def ticking(small):
    """Each look at the clock is a moment later: no two lanes are worked at the same one."""

    def now():
        small.at += timedelta(seconds=1)
        return small.at

    small.pipeline.now = now
    return small


def test_what_was_decided_is_found_whichever_lane_it_was_in(ticking):
    """Documents of one lane, of the other, and of both: the moves, handoffs and writes of all that they tell of."""
    records = [str(n) for n in range(8)]
    lanes = in_lanes([changed(one) for one in records], 2)
    of = [[record for _, _, record in sorted(lanes[lane])] for lane in (0, 1)]
    readings = [ticking.read("site", titles(some)) for some in (of[0][1:], of[1][1:], [of[0][0], of[1][0]])]
    ticking.pipeline.run(readings)
    for reading, expected in zip(readings, (len(of[0]) - 1, len(of[1]) - 1, 2), strict=True):
        found = told(ticking, reading.document.id)
        assert len(found.leads) == expected
        for part in (found.moves, found.handoffs, found.writes):
            assert {one["lead"] for one in part} == set(found.leads)
    assert len(ticking.rows(t.documents_read)) == 3
    assert len(ticking.rows(t.parts_read)) == 1  # of the one that was worked twice


def test_what_a_replay_finds_new_is_told_of_its_document(ticking):
    """As after a mapping was mended; a replay that finds nothing leaves no trace."""
    reading = ticking.read("site", titles(["0", "1"]))
    whole, reading.events = reading.events, [one for one in reading.events if one.record == "0"]
    ticking.pipeline.run([reading])
    assert len({one["lead"] for one in told(ticking, reading.document.id).moves}) == 1
    reading.events = whole
    for _ in range(2):
        ticking.pipeline.run([reading])
        found = told(ticking, reading.document.id)
        assert {one["lead"] for one in found.moves} == {one["lead"] for one in found.writes} == set(found.leads)
        assert (len(found.leads), len(ticking.rows(t.parts_read))) == (2, 1)


def test_what_was_decided_before_a_worker_died_is_told(ticking, monkeypatch):
    """Of a document that waits to be read again, and once it was."""
    reading, commit, calls = ticking.read("site", titles([str(n) for n in range(8)])), pipeline.commit, []

    def dies(*given):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        commit(*given)

    monkeypatch.setattr(pipeline, "commit", dies)
    with pytest.raises(KeyboardInterrupt):
        ticking.pipeline.run([reading])
    found = told(ticking, reading.document.id)
    assert found.read_at is None
    assert {one["lead"] for one in found.moves} == set(found.leads)
    ticking.pipeline.run([reading])
    assert {one["lead"] for one in told(ticking, reading.document.id).moves} == {
        lead for (lead,) in ticking.rows(t.leads, "id")
    }


def test_a_document_with_as_many_items_as_may_be_is_followed(small):
    reading = small.read("site", [one for one in titles([str(n) for n in range(1000)]) if one["page"] == "a"])
    small.pipeline.run([reading])
    assert len(told(small, reading.document.id).leads) == 1000


def test_what_a_deal_and_an_end_led_to_is_told(ticking):
    """The stage that a lead reached by its deal's document, and the handoff that another one ended."""
    ticking.take("site", *titles(["0"]))
    ticking.at += timedelta(hours=1)
    now = ticking.at.isoformat()
    rejected = ticking.read("site", [{"kind": "contact", "id": "0", "at": now, "status": "Rejected"}])
    won = ticking.read("site", [{"kind": "deal", "id": "d", "at": now, "status": "Won", "contact_id": "0"}])
    for reading in (rejected, won):
        ticking.pipeline.run([reading])
    handoffs = told(ticking, rejected.document.id).handoffs
    assert [(one["state"], one["bucket"]) for one in handoffs] == [("closed", "sales_rejected")]
    assert [one["stage"] for one in told(ticking, won.document.id).moves][-1:] == ["won"]
