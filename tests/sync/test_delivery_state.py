"""What a system is told stays right while news, merges, erasures and lost answers fall between plan and receipt."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import structlog
from small_instance import CRM, Small, days
from sqlalchemy import select

from gateway.contracts import Call, Receipt, Sink
from gateway.outbound.delivery import Delivery
from gateway.store import outbox
from gateway.store import tables as t
from gateway.store.database import write
from gateway.store.overview import open_work


class Crm(Sink):
    """A CRM that makes a record for every create it is sent; ``answers`` go before its own, one per call."""

    def __init__(self):
        self.records, self.answers, self.sent = {}, [], []

    def calls(self, writes):
        return [Call(title="row", writes=(one,)) for one in writes]

    def deliver(self, call):
        (one,) = call.writes
        answer = self.answers.pop(0) if self.answers else None
        if callable(answer):
            answer = answer()
        if isinstance(answer, Receipt):
            yield answer
            return
        record = one.record or f"r{len(self.records) + 1}"
        self.sent.append((record, dict(one.fields)))
        if answer != "vanished":
            self.records.setdefault(record, {"key": one.key}).update(one.fields)
        if answer in ("lost", "vanished"):
            raise TimeoutError
        yield Receipt(key=one.key, result="done", record=record, held=answer if isinstance(answer, dict) else {})

    def find(self, object, keys):
        return {key: [r for r, held in self.records.items() if held["key"] == key] for key in keys}


def start(folder, **options):
    small = Small(folder, **options)
    small.crm = Crm()
    quiet = lambda *_: contextlib.nullcontext()  # noqa: E731
    small.delivery = Delivery(
        small.store.main, "crm", small.crm, "crm", lambda: small.at, quiet, structlog.get_logger()
    )
    return small


@pytest.fixture
def small(tmp_path):
    small = start(tmp_path)
    yield small
    small.store.close()


def deliver(small, minutes=0.0):
    small.at += timedelta(minutes=minutes)
    _, again = small.delivery.run("w")
    if again:
        small.pipeline.again(again)


def ready(small, number="1", day=3.0, **fields):
    """A lead over the threshold: one write waits."""
    small.take("site", {"kind": "contact", "id": number, "at": days(day), "title": "CEO", "page": "/a"} | fields)


def states(small):
    return sorted(row[0] for row in small.rows(t.writes, "state"))


def adds_up(small):
    with small.store.main.connect() as connection:
        tallies = {
            what: count
            for _, what, _, count in connection.execute(select(t.tallies).where(t.tallies.c.system == "crm"))
        }
        counts = outbox.counts(connection).get("crm", {})
    assert tallies.get("planned", 0) == sum(counts.values())
    for state in ("confirmed", "superseded"):
        assert tallies.get(state, 0) == counts.get(state, 0)


def test_news_after_a_lost_answer_makes_no_second_record(small):
    """Nobody knows whether the create arrived: the newer write waits until that has been looked up."""
    ready(small)
    small.crm.answers = ["lost"]
    deliver(small)
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})
    deliver(small)
    for _ in range(3):
        deliver(small, 10)
    assert len(small.crm.records) == 1
    assert small.crm.records["r1"]["land"] == "Peru"
    assert set(states(small)) <= {"confirmed", "superseded"}
    adds_up(small)


def test_news_while_an_answer_is_lost_makes_no_second_record(small):
    """The same, with the news falling into the call itself; and the create had not arrived."""
    ready(small)

    def news():
        small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})
        return "vanished"

    small.crm.answers = [news]
    for _ in range(4):
        deliver(small, 10)
    assert len(small.crm.records) == 1
    assert small.crm.records["r1"]["land"] == "Peru"
    adds_up(small)


@pytest.mark.parametrize("when", ["before", "during", "lost"])
def test_two_leads_that_merge_make_one_record(small, when):
    """Both were on their way to the CRM: the merged lead has one record there, and its news finds its lead."""
    ready(small, "1")
    ready(small, "2", 4)

    def merge():
        small.take("site", {"kind": "contact", "id": "1", "at": days(1), "merged": ["2"], "country": "Peru"})
        return "lost" if when == "lost" else None

    if when == "before":
        merge()
    else:
        small.crm.answers = [merge]
    for _ in range(4):
        deliver(small, 10)
    linked = [row for row in small.rows(t.records, "system", "record", "entity") if row[0] == "crm"]
    ((lead,),) = [row[:1] for row in small.rows(t.leads, "id", "merged_into") if row[1] is None]
    assert {row[2] for row in linked} == {lead}
    if when == "before":
        assert len(small.crm.records) == 1
    for record in small.crm.records:
        small.take("crm", {"id": record, "at": small.at.isoformat(), "state": "Working"})
    assert {row[0] for row in small.rows(t.outcomes, "lead")} == {lead}
    assert set(states(small)) <= {"confirmed", "superseded"}
    adds_up(small)


def linked(small, **held):
    ready(small, country="Chile")
    deliver(small)


def test_a_waiting_write_does_not_overwrite_what_the_system_said_since(small):
    """The CRM's own edit is newer than what waits: nothing is left to say."""
    linked(small)
    small.at += timedelta(days=2)
    small.take("site", {"kind": "contact", "id": "1", "at": days(-1), "country": "Peru"})
    small.take("crm", {"id": "r1", "at": days(-0.5), "land": "Bolivia"})
    assert states(small) == ["confirmed", "superseded", "waiting"]  # older than ours: still to be told
    small.take("crm", {"id": "r1", "at": days(-1.9), "land": "Brazil"})
    deliver(small, 1)
    assert small.crm.sent[1:] == []
    assert states(small) == ["confirmed", "superseded", "superseded"]
    assert small.leads()[0]["country"] == "Brazil"
    adds_up(small)


def test_a_waiting_create_does_not_overwrite_a_record_that_was_linked_since(small):
    """The person is there already and the CRM knows better."""
    ready(small, email="kim@example.org", country="Chile")
    small.take("crm", {"id": "x", "at": days(1), "mail": "kim@example.org", "land": "Bolivia", "position": "CEO"})
    deliver(small)
    assert [(record, fields.get("land")) for record, fields in small.crm.sent] == [("x", None)]
    assert small.crm.sent[0][1]["score"] == 50
    adds_up(small)


def test_a_system_that_answers_with_some_fields_is_not_told_the_others_again(small):
    """What it did not mention is assumed to be as it was sent."""
    small.crm.answers = [{"score": 50}]
    linked(small)
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "employees": 5})
    assert states(small) == ["confirmed"]
    ((assumed,),) = [row[1:] for row in small.rows(t.records, "system", "assumed") if row[0] == "crm"]
    assert assumed == ["band", "land", "ours", "position"]


def test_a_record_that_was_gone_stays_gone_when_old_news_of_it_comes(small):
    """The system said so in its answer; news from before does not bring it back, and it is not made again."""
    linked(small)
    small.crm.answers = [lambda: Receipt(key=small.rows(t.writes, "key")[0][0], result="gone")]
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})
    deliver(small, 1)
    small.take("crm", {"id": "r1", "at": days(2), "state": "Working"})
    small.take("site", {"kind": "contact", "id": "1", "at": small.at.isoformat(), "country": "Bolivia"})
    deliver(small, 1)
    assert [row[1] for row in small.rows(t.records, "system", "gone") if row[0] == "crm"] == ["deleted over there"]
    assert len(small.crm.sent) == 1
    adds_up(small)


def test_an_answer_after_an_erasure_brings_nobody_back(small):
    """The write was on its way: its values are not kept, and what the CRM says of that record is not taken in."""
    ready(small, email="kim@example.org")
    small.crm.answers = [lambda: small.take("site", {"kind": "contact", "id": "1", "at": days(1), "forget": True})]
    deliver(small)
    small.take("crm", {"id": "r1", "at": days(0), "mail": "kim@example.org", "position": "CEO"})
    assert small.leads() == [{}]
    everything = repr([small.rows(table) for table in t.main.tables.values()])
    for personal in ("kim@", "CEO"):
        assert personal not in everything
    adds_up(small)


def test_a_dead_letter_ends_when_its_lead_becomes_anothers(small):
    """The one who stays says everything."""
    ready(small)
    small.crm.answers = [lambda: Receipt(key=small.rows(t.writes, "key")[0][0], result="rejected")]
    deliver(small)
    small.take("site", {"kind": "contact", "id": "2", "at": days(9)})
    small.take("site", {"kind": "contact", "id": "2", "at": days(1), "merged": ["1"]})
    deliver(small, 1)
    assert (sorted(states(small)), len(small.crm.records)) == (["confirmed", "superseded"], 1)
    with small.store.main.connect() as connection:
        assert connection.execute(open_work()).all() == []
    adds_up(small)


@pytest.mark.parametrize("answer", ["retry", "rejected", "lost", "vanished"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_nothing_is_made_of_who_is_forgotten_before_all_is_said(small, answer, moment):
    """What may have been made over there is looked for once more, so that no news of it is taken in; then all rests."""

    def forget():
        small.take("site", {"kind": "contact", "id": "1", "at": days(1), "forget": True})

    def deliver_first(call):
        del small.crm.deliver
        if moment == "before":
            forget()
        made = Receipt(key=call.writes[0].key, result=answer) if answer in ("retry", "rejected") else None
        small.crm.answers = [(lambda: made) if made else answer]
        yield from small.crm.deliver(call)

    ready(small, email="kim@example.org")
    small.crm.deliver = deliver_first
    deliver(small)
    if moment == "after":
        forget()
    with write(small.store.main) as connection:
        outbox.retry(connection, 0, None, "crm")
    for _ in range(3):
        deliver(small, 60)
    assert set(states(small)) == {"confirmed" if answer == "lost" else "superseded"}
    assert len(small.crm.sent) == (answer in ("lost", "vanished"))
    if answer == "lost":
        small.take("crm", {"id": "r1", "at": days(0), "mail": "kim@example.org", "position": "CEO"})
    assert small.leads() == [{}]
    adds_up(small)


def test_an_erased_person_is_not_made_anew_where_every_lead_is_created(tmp_path):
    """`create: always` means every lead that is somebody."""
    small = start(tmp_path, crm=CRM.replace("create: handoff", "create: always"))
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "title": "Clerk"})
    assert states(small) == ["waiting"]
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "forget": True})
    with small.store.main.connect() as connection:
        assert connection.scalar(select(t.leads.c.erased_at)) is not None
    small.pipeline.run((), [small.rows(t.leads, "id")[0][0]])
    assert set(states(small)) <= {"superseded"}
    small.store.close()


def test_an_echo_in_another_spelling_is_no_news(tmp_path):
    """We wrote a number and hear a text: the value keeps the stamp of its origin, so a later word still wins."""
    small = start(
        tmp_path,
        crm=CRM.replace("      number:", "      size: {to: employees, type: integer, sync: newest}\n      number:"),
    )
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "title": "CEO", "page": "/a", "employees": 60})
    deliver(small)
    small.take("crm", {"id": "r1", "at": days(1), "size": "60"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "employees": 70})
    assert small.leads()[0]["employees"] == 70
    deliver(small, 1)
    assert small.crm.records["r1"]["size"] == 70
    small.store.close()


def test_small_drifts_of_the_score_add_up(tmp_path):
    """A score is told once it is `send_score_step` points from what the CRM holds, in however many steps."""
    rules = "".join(f"  - {{name: R{n}, when: {{employees: {{at_least: {n}}}}}, points: 2}}\n" for n in range(1, 8))
    axes = "weights: {fit: 100, behaviour: 0}\nmaximum: {fit: 100, behaviour: 1}\nbands: {great: 90, good: 10}\n"
    scoring = axes + "fit:\n  - {name: CEO, when: {title: CEO}, points: 60}\n" + rules
    small = start(tmp_path, scoring=scoring)
    ready(small)
    deliver(small)
    for step in range(1, 7):
        small.take("site", {"kind": "contact", "id": "1", "at": days(2 - step / 10), "employees": step})
        deliver(small, 1)
    assert [fields["score"] for _, fields in small.crm.sent] == [60, 66, 72]
    small.store.close()


def test_a_second_record_is_written_to_when_the_first_is_gone(small):
    """Two links of one object: the primary is written to, and the other takes its place when it is deleted."""
    linked(small)
    small.take("crm", {"id": "q", "at": days(2), "ours": small.rows(t.leads, "id")[0][0], "land": "Chile"})
    small.take("crm", {"id": "r1", "at": days(2), "land": "Chile"})
    deliver(small, 1)
    with small.store.main.connect() as connection:
        primary = [row.record for row in connection.execute(select(t.records)) if row.system == "crm" and row.main]
    assert primary == ["r1"]
    with write(small.store.main) as connection:
        connection.execute(t.records.update().where(t.records.c.record == "r1").values(gone="deleted"))
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})
    deliver(small, 1)
    assert small.crm.sent[-1][0] == "q"
    assert small.crm.sent[-1][1]["land"] == "Peru"


def test_a_newer_write_takes_the_place_of_a_dead_one(small):
    """However often its lead changes or is pushed, a record has one dead letter at most, and the books balance."""
    ready(small)
    small.crm.answers = [Receipt(key=small.rows(t.writes, "key")[0][0], result="rejected", code="BAD")] * 3
    for day in (3, 2, 1):
        deliver(small)
        assert states(small).count("dead") == 1
        small.take("site", {"kind": "contact", "id": "1", "at": days(day - 1), "country": f"land {day}"})
    assert states(small) == ["superseded", "superseded", "superseded", "waiting"]
    tallies = {what: count for system, what, _, count in small.rows(t.tallies) if system == "crm"}
    assert (tallies["planned"], tallies["superseded"], tallies["write dead"]) == (4, 3, 0)
    deliver(small)
    assert small.crm.records["r1"]["land"] == "land 1"


def test_a_write_that_dies_beside_a_newer_one_is_superseded(small):
    """News came while it was on its way: the newer write, which waits, is the one that counts."""
    ready(small)
    bad = Receipt(key=small.rows(t.writes, "key")[0][0], result="rejected", code="BAD")

    def meanwhile():
        small.take("site", {"kind": "contact", "id": "1", "at": days(1), "country": "Peru"})
        return bad

    small.crm.answers = [meanwhile]
    deliver(small)
    assert states(small) == ["superseded", "waiting"]
    assert small.rows(t.work_items) == []
    deliver(small)
    assert small.crm.records["r1"]["land"] == "Peru"


def test_an_unsure_create_is_looked_up_even_when_its_record_is_known(small):
    """News of the record came before the look-up. What the system finds unfinished is said again, whole, to it."""
    ready(small)
    small.crm.answers = ["lost"]
    deliver(small)
    ((lead,),) = small.rows(t.leads, "id")
    small.take("crm", {"id": "r1", "at": days(0), "ours": lead, "position": "CEO"})
    small.crm.find = lambda *_: {}
    deliver(small, 10)
    assert [record for record, _ in small.crm.sent] == ["r1", "r1"]
    assert small.crm.sent[0][1] == small.crm.sent[1][1]
    deliver(small, 1)
    assert states(small) == ["confirmed", "superseded"]  # what the news had planned is said already


@pytest.mark.parametrize("seconds", [0.0, 1.0, 5.0])
def test_an_edit_between_the_effect_and_its_answer_is_newer_than_what_we_wrote(small, seconds):
    """An automation over there changes what it was sent in the same breath, dated by whole seconds; we hear of it after
    the answer, which took its time."""
    small.at += timedelta(seconds=0.7)
    ready(small, country="Chile")
    edited = (small.at + timedelta(seconds=seconds)).replace(microsecond=0)

    def slow():
        small.at += timedelta(seconds=seconds + 0.2)
        return {"score": 50}

    small.crm.answers = [slow]
    deliver(small)
    small.take("crm", {"id": "r1", "at": edited.isoformat(), "land": "Bolivia"})
    ((snapshot,),) = [row[1:] for row in small.rows(t.records, "system", "snapshot") if row[0] == "crm"]
    assert snapshot["land"][0] == "Bolivia"
    assert small.leads()[0]["country"] == "Bolivia"
