"""What merges, sweeps, erasures and sizes must not break, one fact each."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from small_instance import CRM, JOURNEY, SITE, Small, days
from sqlalchemy import event, select

from gateway.contracts import RecordsMerged
from gateway.store import due
from gateway.store import tables as t
from gateway.times import to_micros

WINDOW = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit:
  - {name: Executive, when: {title: {matches: "chief|ceo"}}, points: 40}
  - {name: Software, when: {company.industry: software}, points: 20}
  - {name: From Peru, when: {country: Peru}, points: 5}
behaviour:
  - {name: Looked at a page, activity: page_view, points: 10, cap: 40, window: 10d}
"""


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path, scoring=WINDOW)
    yield small
    small.store.close()


def contact(id_, day, **fields):
    return {"kind": "contact", "id": id_, "at": days(day)} | fields


def test_counts_survive_a_merge_beside_late_news(small):
    """The winner's old activities are not loaded for scoring; a late event of the loser must not lose their count."""
    small.take("site", *(contact("1", day, page="/old") for day in range(60, 50, -1)))
    small.take("site", contact("2", 9, page="/a", opens=1), contact("2", 3, opens=5))
    small.take("site", contact("2", 6, opens=3), contact("1", 1, merged=["2"]))
    counts = dict(row for row in small.rows(t.activity_kinds, "kind", "count"))
    with small.store.main.connect() as connection:
        stored = list(connection.scalars(select(t.activities.c.kind)))
    assert counts == {kind: stored.count(kind) for kind in stored}
    assert counts["page_view"] == 11


def test_what_is_told_of_the_future_happened_when_it_was_told(small):
    """What the rules make of it, too, and the same when it is folded again."""
    small.take("site", contact("1", -2, page="/a"))
    assert small.rows(t.activities, "at") == [(to_micros(small.at),)]
    small.take("site", contact("1", 2, page="/b"))
    assert [row[0] for row in small.rows(t.activities, "at")][-1] == to_micros(small.at)
    assert small.rows(t.events, "reason").count(("time lay in the future: cut to its receipt",)) == 1


def test_the_leads_of_a_merged_company_follow_to_the_one_that_stays(small):
    """In batches of their own: then they are scored with the attributes of the company that stayed."""
    small.take("site", {"kind": "firm", "id": "f", "at": days(9), "industry": "software"})
    small.take("site", {"kind": "firm", "id": "g", "at": days(8), "industry": "steel"})
    small.take("site", *(contact(str(n), 7, title="CEO", firm_id="g") for n in range(5)))
    assert {row[0] for row in small.rows(t.scores, "total")} == {4000}
    reading = small.read("site", [])
    merged = RecordsMerged(
        system="site",
        object="firm",
        kind="company",
        record="f",
        at=small.at - timedelta(days=1),
        key="m",
        losers=("g",),
    )
    reading.events.append(merged)
    small.pipeline.run([reading])
    small.sweep()
    ((stays,),) = [row[:1] for row in small.rows(t.companies, "id", "merged_into") if row[1] is None]
    assert {row[0] for row in small.rows(t.leads, "company")} == {stays}
    assert {row[0] for row in small.rows(t.scores, "total")} == {4000}
    small.take("site", {"kind": "firm", "id": "g", "at": days(0.5), "industry": "software"})
    small.sweep()
    assert {row[0] for row in small.rows(t.scores, "total")} == {6000}


def test_a_batch_takes_the_same_number_of_statements_whatever_its_size(tmp_path):
    """10 events or 200: known and new people, links, activities, scores, writes."""
    counted = {}
    for size in (10, 200):
        small = Small(tmp_path / str(size), scoring=WINDOW)
        news = [contact(str(n), 5, email=f"p{n}@example.org", firm_id=f"f{n % 3}") for n in range(size)]
        small.take("site", *news[: size // 2])
        counted[size] = 0

        def count(*_, size=size):
            counted[size] += 1

        event.listen(small.store.main, "before_cursor_execute", count)
        small.take("site", *(one | {"at": days(2), "page": "/a", "title": "CEO"} for one in news))
        small.take("site", *(one | {"at": days(1), "page": "/b"} for one in news))
        small.take("site", *(one | {"at": days(3), "page": "/late"} for one in news))
        assert len(small.rows(t.handoffs)) == size
        small.store.close()
    assert counted[10] == counted[200]


def test_a_lead_whose_scoring_fails_does_not_hold_up_the_sweep(small, monkeypatch):
    """It keeps its score and is tried again later; the others are due as ever."""
    small.take("site", contact("1", 5, page="/a"))
    small.at += timedelta(days=20)

    def broken(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(type(small.model.scorer), "score", broken)
    ((lead,),) = small.rows(t.leads, "id")
    small.pipeline.run((), [lead], cause="time")
    with small.store.main.connect() as connection:
        assert due.scores(connection, ["lead"], to_micros(small.at), 10) == []
        assert due.scores(connection, ["lead"], to_micros(small.at + timedelta(days=1)), 10) == [lead]
    assert [row[0] for row in small.rows(t.work_items, "kind")] == ["scoring failed"]


def test_an_erased_lead_is_never_due_again(small):
    """Its score stays as a number and moves no more."""
    small.take("site", contact("1", 5, page="/a"))
    small.take("site", contact("1", 4, forget=True))
    with small.store.main.connect() as connection:
        assert due.scores(connection, ["lead"], to_micros(small.at + timedelta(days=99)), 10) == []


def test_somebody_erased_before_we_knew_them_stays_forgotten(small):
    """The wish may come before the record does."""
    small.take("site", contact("1", 5, forget=True))
    small.take("site", contact("1", 6, email="kim@example.org"))
    assert small.leads() == []
    assert "kim@" not in repr(small.rows(t.events))


def test_a_record_with_the_id_of_an_erased_lead_is_not_taken_in(small):
    """The CRM kept our id: whatever it says of that person is forgotten as well."""
    small.take("site", contact("1", 5, title="CEO"))
    ((lead,),) = small.rows(t.leads, "id")
    small.take("site", contact("1", 4, forget=True))
    small.take("crm", {"id": "x", "at": days(1), "ours": lead, "mail": "kim@example.org"})
    small.take("crm", {"id": "x", "at": days(0), "ours": lead, "position": "Chief of Staff"})
    assert small.leads() == [{}]
    everything = repr([small.rows(table) for table in t.main.tables.values()])
    assert "kim@" not in everything
    assert "Chief" not in everything


def test_a_merge_with_somebody_forgotten_leaves_the_living_alone(small):
    """The vendor merges a forgotten record into another: that one stays whose it was."""
    small.take("site", contact("2", 9, title="CEO"))
    small.take("site", contact("2", 8, forget=True))
    small.take("site", contact("1", 5, title="Clerk"), contact("1", 1, merged=["2"]))
    assert small.leads() == [{}, {"title": "Clerk"}]


def test_the_id_of_a_merged_lead_leads_to_the_one_that_stays(small):
    """A system may go on sending the id it once was given."""
    small.take("site", contact("1", 5, title="CEO"), contact("2", 4, title="CEO"))
    ids = dict(small.rows(t.records, "record", "entity"))
    small.take("site", contact("1", 1, merged=["2"]))
    for number, id_ in ids.items():
        small.take("crm", {"id": f"x{number}", "at": days(0), "ours": id_, "land": "Peru"})
    assert {row[0] for row in small.rows(t.records, "entity")} == {ids["1"]}


def test_a_chain_of_merges_in_one_batch_ends_in_one_lead(small):
    """Three leads, one after the other into the next, with a declared key that joins a fourth."""
    for number in "1234":
        small.take("site", contact(number, 10 - int(number), page=f"/{number}"))
    small.take("site", contact("4", 3, number="7"))
    small.take("site", contact("2", 2, merged=["3"]), contact("1", 1, merged=["2"]), contact("1", 1, number="7"))
    assert len(small.leads()) == 1
    (lead,) = {row[0] for row in small.rows(t.records, "entity")}
    assert {row[0] for row in small.rows(t.leads, "merged_into")} == {None, lead}
    assert small.rows(t.activity_kinds, "lead", "count") == [(lead, 4)]
    assert {row[0] for row in small.rows(t.identities, "lead")} == {lead}


def test_live_news_of_a_deal_is_live_news_of_its_lead(small):
    """A deal is won today: the stage is reached by news and not by an import."""
    small.take("site", contact("1", 9, title="Clerk"))
    small.take("site", {"kind": "deal", "id": "e", "at": days(5), "status": "Open", "contact_id": "1"})
    small.take("site", {"kind": "deal", "id": "e", "at": days(1), "status": "Won"})
    assert {row for row in small.rows(t.transitions, "stage", "cause") if row[0] == "won"} == {("won", "news")}


def test_contributions_of_a_handoff_add_up_to_its_score(tmp_path):
    """Also when a step of the same crossing sets a value that the score reads."""
    journey = JOURNEY.replace(
        "steps: [{handoff: crm}]", "steps: [{set: {field: country, value: Peru}}, {handoff: crm}]"
    )
    small = Small(tmp_path, scoring=WINDOW, journey=journey)
    small.take("site", contact("1", 5, title="CEO", page="/a"))
    ((score, contributions),) = small.rows(t.handoffs, "score", "contributions")
    assert score == sum(line[1] for line in contributions) == 5000
    assert [row[0] for row in small.rows(t.scores, "total")] == [5500]
    small.store.close()


def test_the_handoffs_of_merged_leads_are_all_the_winners(small):
    """Open, absorbed and closed ones: none is left with an alias."""
    for number in "12":
        small.take("site", contact(number, 5, title="CEO", page="/a"))
    small.take("site", contact("1", 1, merged=["2"]))
    assert len({row[0] for row in small.rows(t.handoffs, "lead")}) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("{to: size, type: number}", "12.50"),
        ("{to: budget, type: money, currency: EUR}", "1500.10"),
        ("{to: met, type: date}", "2026-05-04"),
        ("{to: seen, type: datetime}", "2026-05-04T10:00:00Z"),
        ("{to: tags, type: list}", "a;b"),
        ("{to: ready, type: boolean}", "true"),
    ],
)
def test_values_of_every_type_can_wait_in_the_outbox(tmp_path, field, value):
    """They are kept as JSON and mean the same when they come back."""
    crm = CRM.replace("      number:", f"      extra: {field[:-1]}, sync: newest}}\n      number:")
    small = Small(tmp_path, crm=crm)
    rule = small.mappings["crm"].objects["lead"].outbound["extra"]
    raw = orjson.loads(orjson.dumps(rule.dump(rule.load(value))))
    assert rule.load(raw) == rule.load(value)
    small.store.close()


PERSONAS = """
personas: {exec: {Looked at a page: 0.5}}
"""


class Counting:
    """The statements that read activities, while it is open."""

    def __init__(self, engine):
        self.engine, self.seen = engine, []

    def __enter__(self):
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self.seen

    def __exit__(self, *exc):
        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, connection, cursor, statement, *rest):
        if statement.startswith("SELECT") and "FROM activities" in statement:
            self.seen.append(statement)


def test_a_changed_field_is_scored_without_reading_what_the_lead_did(small):
    """Who has a great many activities costs no more than who has none, and the points are the same."""
    small.take("site", contact("1", 5, email="ann@one.example", page="/a"))
    with Counting(small.store.main) as seen:
        small.take("crm", {"id": "c", "at": days(4), "mail": "ann@one.example", "land": "Peru"})
        meeting = len(seen)
        small.take("crm", {"id": "c", "at": days(3), "land": "Peru", "position": "buyer"})
        small.take("crm", {"id": "c", "at": days(2), "land": "Chile"})
        assert (meeting, len(seen)) == (1, 1)  # two become one: then everything is counted
        small.take("site", contact("1", 1, page="/b"))
        assert len(seen) == 2
    assert small.rows(t.scores, "total", "fit", "behaviour") == [(2000, 0, 2000)]


def test_a_handoff_that_a_changed_field_opens_says_what_the_lead_did(small):
    """Its reasons hold the activities that were not needed for the score."""
    small.take("site", contact("1", 5, email="ann@one.example", page="/a"))
    small.take("crm", {"id": "c", "at": days(4), "mail": "ann@one.example"})
    small.take("crm", {"id": "c", "at": days(3), "position": "CEO"})
    ((score, contributions),) = small.rows(t.handoffs, "score", "contributions")
    assert score == sum(line[1] for line in contributions) == 5000
    assert {line[0] for line in contributions} == {"Executive", "Looked at a page"}


def test_a_new_persona_is_scored_with_points_of_its_own(tmp_path):
    """What the lead did is worth something else to another persona."""
    journey = "personas: [{name: exec, when: {title: {matches: ceo}}}]\n" + JOURNEY
    small = Small(tmp_path, scoring=WINDOW + PERSONAS, journey=journey)
    small.take("site", contact("1", 5, email="ann@one.example", page="/a"))
    small.take("crm", {"id": "c", "at": days(4), "mail": "ann@one.example"})
    assert small.rows(t.scores, "fit", "behaviour") == [(0, 1000)]
    small.take("crm", {"id": "c", "at": days(3), "position": "CEO"})
    assert small.rows(t.scores, "fit", "behaviour") == [(4000, 500)]
    small.store.close()


def test_an_activity_older_than_any_that_counts_is_stored_once(tmp_path):
    """Two events may tell of the same old visit: the second finds it where it was not looked for."""
    rule = "      - {activity: visit, when: {visit: {known: true}}, on: each, at: seen, id: visit, asset: visit}\n"
    site = SITE.replace("    outcomes:\n", f"{rule}    outcomes:\n", 1)
    small = Small(tmp_path, site=site, scoring=WINDOW)
    old = {"visit": "v1", "seen": days(70)}
    small.take("site", contact("1", 9, **old))
    small.take("site", contact("1", 8, **old), contact("1", 7, visit="v0", seen=days(80)))
    assert small.rows(t.activities, "asset") == [("v0",), ("v1",)]
    assert small.rows(t.activity_kinds, "kind", "count") == [("visit", 2)]
    small.store.close()
