"""Facts converge: whatever order, repeats and batches news arrives in, the same is known at the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from drawing import draws
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from small_instance import Small, days

from gateway.store import due
from gateway.store import tables as t
from gateway.times import from_micros


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path)
    yield small
    small.store.close()


def test_a_record_becomes_a_lead_with_score_stage_and_handoff(small):
    """One payload is enough for the whole way: lead, score, stage, handoff, and a write for the CRM."""
    small.take(
        "site",
        {"kind": "contact", "id": "1", "at": days(2), "email": "Kim@Example.org", "title": "CEO", "page": "/pricing"},
        {"kind": "contact", "id": "1", "at": days(1), "page": "/demo"},
    )
    assert small.leads() == [{"email": "kim@example.org", "title": "CEO"}]
    assert small.rows(t.scores, "total", "fit", "behaviour", "band") == [(6000, 4000, 2000, "good")]
    assert small.rows(t.reached, "stage", "cause") == [("mql", "threshold"), ("target", "entry")]
    ((state, score, contributions),) = small.rows(t.handoffs, "state", "score", "contributions")
    assert (state, score, sum(line[1] for line in contributions)) == ("open", 6000, 6000)
    ((system, create, fields),) = small.rows(t.writes, "system", "create", "fields")
    assert (system, create) == ("crm", True)
    ((lead,),) = small.rows(t.leads, "id")
    assert fields == {"position": "CEO", "score": 60, "band": "good", "ours": lead}


def test_our_own_echo_is_an_empty_change(small):
    """A record that comes back as it is held moves no stamp, no score, and plans nothing."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": "a@example.org", "title": "Clerk"})
    before = small.rows(t.records, "snapshot")
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "email": "a@example.org", "title": "Clerk"})
    assert small.rows(t.records, "snapshot") == before
    assert small.rows(t.writes) == []


def test_a_changed_email_is_the_same_person(small):
    """The record's own id decides, so a new address makes no second lead; the old address still leads to it."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": "old@example.org"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "email": "new@example.org"})
    assert small.leads() == [{"email": "new@example.org"}]
    assert len({row[1] for row in small.rows(t.identities, "value", "lead")}) == 1


def test_first_meeting_by_email_links_records_of_two_systems(small):
    """A record of another system with the same address is the same person."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": "a@example.org", "title": "Clerk"})
    small.take("crm", {"id": "x", "at": days(1), "mail": "A@example.org", "position": "Chief of Staff"})
    assert small.leads() == [{"email": "a@example.org", "title": "Chief of Staff"}]
    assert len({row[0] for row in small.rows(t.records, "entity")}) == 1


@pytest.mark.parametrize("mailbox", ["info@example.org", "sales+eu@example.org"])
def test_shared_mailboxes_never_join_people(small, mailbox):
    """Behind info@ stand several people: two records with it stay two leads."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": mailbox})
    small.take("crm", {"id": "x", "at": days(1), "mail": mailbox})
    assert len(small.leads()) == 2


def test_two_records_of_one_system_with_one_email_are_a_question(small):
    """Only a person can say whether they are one: two leads and one work item, however often it is met."""
    for day in (5, 4):
        small.take("site", {"kind": "contact", "id": "1", "at": days(day), "email": "a@example.org"})
        small.take("site", {"kind": "contact", "id": "2", "at": days(day), "email": "a@example.org"})
    assert len(small.leads()) == 2
    assert [row[0] for row in small.rows(t.work_items, "kind")] == ["ambiguous match"]


def test_a_declared_key_joins_two_leads(small):
    """The lead with the earliest fact stays, the other id remains as an alias, facts keep their record."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": "a@example.org", "page": "/a"})
    small.take("crm", {"id": "x", "at": days(9), "mail": "b@example.org", "state": "Working"})
    assert len(small.leads()) == 2
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "number": "7"})
    small.take("crm", {"id": "x", "at": days(1), "number": "7"})
    assert len(small.leads()) == 1
    ((alias,),) = [row for row in small.rows(t.leads, "merged_into") if row[0]]
    owners = {row[0] for row in [*small.rows(t.activities, "lead"), *small.rows(t.outcomes, "lead")]}
    assert owners == {alias} == {row[0] for row in small.rows(t.records, "entity")}
    assert [row[0] for row in small.rows(t.outcomes, "record")] == ["x"]


def test_a_vendors_merge_moves_the_record_and_keeps_its_facts(small):
    """The loser's record is gone, its lead is an alias, its activities belong to the winner."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "page": "/a"})
    small.take("site", {"kind": "contact", "id": "2", "at": days(4), "page": "/b"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "merged": ["2"]})
    assert len(small.leads()) == 1
    assert [row[:2] for row in small.rows(t.records, "record", "gone")] == [("1", None), ("2", "merged into 1")]
    assert len({row[0] for row in small.rows(t.activities, "lead")}) == 1
    assert small.rows(t.activity_kinds, "kind", "count") == [("page_view", 2)]


def test_of_two_open_handoffs_the_older_stays(small):
    """A merge leaves one open handoff; the other is absorbed without a bucket."""
    for number in ("1", "2"):
        small.take(
            "site",
            {"kind": "contact", "id": number, "at": days(3), "title": "CEO", "page": "/a", "number": None},
        )
    assert [row[0] for row in small.rows(t.handoffs, "state")] == ["open", "open"]
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "merged": ["2"]})
    assert small.rows(t.handoffs, "state", "bucket") == [("absorbed", None), ("open", None)]


def test_a_deletion_alone_makes_no_lead(small):
    """A record we never saw is deleted: nobody is there; when it turns up later, its news is still older."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "deleted": True})
    assert small.leads() == []
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": "a@example.org"})
    assert small.leads() == [{"email": "a@example.org"}]
    assert small.rows(t.records, "gone") == [("deleted",)]


def test_blank_clears_only_where_the_rule_says_so(small):
    """country says `blank: clear`, title does not."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "title": "Clerk", "country": "Chile"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "title": "", "country": ""})
    assert small.leads() == [{}]  # blanked where it was held: title has no other record to come from


def test_a_bad_field_is_dropped_and_named_without_its_value(small):
    """The rest of the record counts; the event says which field was dropped."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "title": "CEO", "employees": "many people"})
    assert small.leads() == [{"title": "CEO"}]
    ((reason,),) = small.rows(t.events, "reason")
    assert "employees" in reason
    assert "many" not in reason


def test_history_opens_nothing(small):
    """Imported history is known, scored and staged, but hands nobody over and tells no system."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "title": "CEO", "page": "/a"}, history=True)
    assert [row[0] for row in small.rows(t.reached, "stage")] == ["mql", "target"]
    assert small.rows(t.handoffs) == small.rows(t.writes) == []
    assert [row[0] for row in small.rows(t.steps, "reason")] == ["history"]
    assert small.rows(t.records, "enrolled") == [(False,)]


def test_excluded_leads_are_not_handed_over(small):
    """The reason of journey.yaml is on the lead, where it can be counted."""
    small.take(
        "site",
        {"kind": "contact", "id": "1", "at": days(3), "email": "x@rival.example", "title": "CEO", "page": "/a"},
    )
    assert small.rows(t.leads, "excluded") == [("competitor",)]
    assert small.rows(t.handoffs) == []


def test_a_companys_change_rescores_its_leads_later(small):
    """Its attributes reach the fit of its leads, in a batch of their own."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "email": "a@example.org", "firm_id": "f"})
    small.take("site", {"kind": "firm", "id": "f", "at": days(2), "industry": "software"})
    assert [row[0] for row in small.rows(t.scores, "total")] == [0]
    ((company, lead),) = [(row[0], row[1]) for row in small.rows(t.leads, "company", "id")]
    assert small.rows(t.rescores, "company", "cause") == [(company, "company changed")]
    small.pipeline.run((), [lead])
    assert small.rows(t.scores, "total") == [(2000,)]


def test_a_deal_counts_once_and_a_reopened_one_takes_back_its_win(small):
    """Won is a function of the deal as it stands: reopened, the lead has not won."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(9), "email": "a@example.org"})
    small.take("site", {"kind": "contact", "id": "2", "at": days(9), "email": "b@example.org"})
    won = {"kind": "deal", "id": "d", "status": "Won", "amount": "1500.00", "closed": days(3)}
    small.take("site", won | {"at": days(3), "contact_id": "1"})
    small.take("site", {"kind": "deal", "id": "d", "at": days(3), "contact_id": "2"})
    assert small.rows(t.deals, "status", "amount", "currency") == [("won", "1500.00", "EUR")]
    assert [row[0] for row in small.rows(t.outcomes, "outcome")] == ["won", "won"]
    assert [row[0] for row in small.rows(t.reached, "stage")].count("won") == 2
    small.take("site", {"kind": "deal", "id": "d", "at": days(1), "status": "Open"})
    assert small.rows(t.outcomes) == []
    assert "won" not in [row[0] for row in small.rows(t.reached, "stage")]
    assert small.rows(t.deals, "status") == [("open",)]


def test_an_open_deal_keeps_its_leads_from_being_handed_over(small):
    """The deal's owner is at work already."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(9), "email": "a@example.org"})
    small.take("site", {"kind": "deal", "id": "d", "at": days(5), "status": "Open", "contact_id": "1"})
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "title": "CEO", "page": "/a"})
    assert small.rows(t.leads, "excluded") == [("open deal",)]
    assert small.rows(t.handoffs) == []


RECORDS = st.fixed_dictionaries(
    {"kind": st.just("contact"), "id": st.sampled_from(["1", "2"]), "at": st.integers(1, 40).map(days)},
    optional={
        "title": st.sampled_from(["CEO", "Clerk", ""]),
        "country": st.sampled_from(["Chile", "Peru", ""]),
        "page": st.sampled_from(["/a", "/b"]),
        "opens": st.integers(0, 4),
        "status": st.sampled_from(["Accepted", "Rejected", "Won", "New"]),
    },
)


@draws(40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), news=st.lists(RECORDS, min_size=1, max_size=12))
def test_any_order_repeats_and_batches_give_the_same_facts(tmp_path_factory, data, news):
    """Promise 3: the same events end in the same attributes, activities, outcomes, scores and stages."""
    results = []
    orders = [news, data.draw(st.permutations(news + news[:3]))]
    for order in orders:
        small = Small(tmp_path_factory.mktemp("facts"))
        left = list(order)
        while left:
            size = data.draw(st.integers(1, len(left))) if order is not news else 1
            small.take("site", *left[:size])
            left = left[size:]
        results.append(small.facts())
        small.store.close()
    assert results[0] == results[1]


STEPS = """
stages:
  - {name: target, shared: target}
  - name: mql
    shared: mql
    entry: {score: 50}
    steps:
      - {set: {field: country, value: Peru}}
      - {join: newsletter}
      - {campaign: {name: Spring, status: Responded}}
      - {handoff: crm}
  - {name: won, shared: won, entry: {outcome: [won]}}
"""


def test_steps_of_a_threshold_set_values_once(tmp_path):
    """What a step sets is a value like any other: it reaches the CRM, and newer news replaces it."""
    small = Small(tmp_path, journey=STEPS)
    small.take(
        "site",
        {"kind": "contact", "id": "1", "at": days(3), "title": "CEO", "country": "Chile", "page": "/a"},
    )
    ((attributes,),) = small.rows(t.leads, "attributes")
    assert attributes == {
        "title": "CEO",
        "country": "Peru",
        "lists": ["newsletter"],
        "campaigns": ["Spring: Responded"],
    }
    ((fields,),) = small.rows(t.writes, "fields")
    assert fields["land"] == "Peru"
    assert [row[0] for row in small.rows(t.steps, "state")] == ["done"] * 4
    small.at += timedelta(days=2)
    small.take("site", {"kind": "contact", "id": "1", "at": small.at.isoformat(), "country": "Bolivia", "page": "/b"})
    assert small.rows(t.leads, "attributes")[0][0]["country"] == "Bolivia"
    assert len(small.rows(t.steps)) == 4
    small.store.close()


def test_an_idle_lead_is_due_exactly_when_its_score_moves(small):
    """The sweep finds it at `changes_at`, not a microsecond before, and nobody else."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(10), "page": "/a"})
    small.take("site", {"kind": "contact", "id": "2", "at": days(10), "title": "CEO"})
    ((lead, due_at),) = [row for row in small.rows(t.scores, "lead", "changes_at") if row[1]]
    with small.store.main.connect() as connection:
        assert due.scores(connection, ["lead"], due_at - 1, 10) == []
        assert due.scores(connection, ["lead"], due_at, 10) == [lead]
    small.at = from_micros(due_at)
    small.pipeline.run((), [lead], cause="time")
    assert [row[0] for row in small.rows(t.scores, "total")] == [4000, 500]


def test_an_erased_person_leaves_a_skeleton_and_stays_forgotten(small):
    """Values, texts, bodies and keys go; stage, counts and amounts stay; later news of the record is not taken in."""
    small.take(
        "site",
        {"kind": "contact", "id": "1", "at": days(5), "email": "kim@example.org", "title": "CEO", "page": "/secret"},
    )
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "forget": True})
    small.take("site", {"kind": "contact", "id": "1", "at": days(1), "email": "kim@example.org", "title": "CEO"})
    assert small.leads() == [{}]
    assert small.rows(t.identities) == []
    assert [row[0] for row in small.rows(t.reached, "stage")] == ["mql", "target"]
    assert small.rows(t.activity_kinds, "kind", "count") == [("page_view", 1)]
    everything = repr([small.rows(table) for table in t.main.tables.values()])
    for personal in ("kim@", "CEO", "/secret"):
        assert personal not in everything
    assert ("site", "skipped", "forgotten person", 1) in small.rows(t.tallies)
    assert small.rows(t.writes, "state", "fields") == [("superseded", {})]


def test_replaying_a_document_changes_nothing_and_gives_dead_items_another_chance(small):
    """Its events are known already; an item that could not be read is booked anew, not twice."""
    reading = small.read("site", [{"kind": "contact", "at": days(1)}, {"kind": "contact", "id": "1", "at": days(1)}])
    assert len(reading.quarantined) == len(reading.events) == 1
    for _ in range(3):
        small.pipeline.run([reading])
    counts = {row[1:3]: row[3] for row in small.rows(t.tallies)}
    assert counts == {("applied", ""): 1, ("dead", ""): 1, ("read", ""): 4, ("skipped", "known already"): 2}
    assert sorted(row[0] for row in small.rows(t.events, "state")) == ["applied", "dead"]


def test_a_commit_over_a_changed_lead_is_refused_and_computed_again(small, monkeypatch):
    """Two workers at one lead: the slower one loads again, so no update is lost."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "title": "Clerk"})
    compute, other = small.pipeline.compute, []

    def slow(*args):
        compute(*args)
        if not other:
            other.append(True)
            small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile"})

    monkeypatch.setattr(small.pipeline, "compute", slow)
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "CEO"})
    assert small.leads() == [{"title": "CEO", "country": "Chile"}]
    assert small.rows(t.leads, "version") == [(3,)]


def test_a_record_that_carries_our_id_is_that_lead(small):
    """Another system kept our key: its record is linked by it, whatever its e-mail says."""
    small.take("site", {"kind": "contact", "id": "1", "at": days(5), "email": "a@example.org"})
    ((lead,),) = small.rows(t.leads, "id")
    small.take("crm", {"id": "x", "at": days(1), "mail": "other@example.org", "ours": lead})
    small.take("crm", {"id": "y", "at": days(1), "mail": "third@example.org", "ours": "f" * 32})
    assert {row[0] for row in small.rows(t.records, "entity", "record") if row[1] in "1x"} == {lead}
    assert len(small.leads()) == 2
