"""People say who is one person and who is two: what a merge joins, a split gives back, and no key joins it again."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from small_instance import Small, days
from sqlalchemy import select
from structlog import get_logger

from gateway.contracts import TASK, Call, Receipt, Sink
from gateway.errors import NotFound, Refused
from gateway.outbound.delivery import Delivery
from gateway.people import regrouping
from gateway.store import tables as t

ONE, TWO = ("site", "contact", "1"), ("site", "contact", "2")


def gateway_of(small):
    return SimpleNamespace(
        store=small.store, pipeline=small.pipeline, model=small.model, now=lambda: small.at, observe=lambda done: None
    )


@pytest.fixture
def small(tmp_path):
    small = Small(tmp_path)
    yield small
    small.store.close()


def contact(id_, day, **fields):
    return {"kind": "contact", "id": id_, "at": days(day), **fields}


def lead_of(small, ref):
    r = t.records.c
    with small.store.main.connect() as connection:
        return connection.scalar(select(r.entity).where(r.system == ref[0], r.object == ref[1], r.record == ref[2]))


def merge(small, one=ONE, other=TWO, go=True):
    return regrouping.merge(gateway_of(small), lead_of(small, one), lead_of(small, other), "kim", go)


def split(small, *refs, go=True):
    return regrouping.split(gateway_of(small), lead_of(small, refs[0]), list(refs), "kim", go=go)


def content(small):
    with small.store.main.connect() as connection:
        return {name: connection.execute(select(table)).all() for name, table in t.main.tables.items()}


def two(small, **fields):
    """Two people over the threshold, the first one older; both are handed over."""
    small.take("site", contact("1", 5, title="CEO", page="/a", email="a@x.example"))
    small.take("site", contact("2", 4, title="CEO", page="/b", email="b@x.example", **fields))
    return lead_of(small, ONE), lead_of(small, TWO)


def test_a_merge_keeps_the_older_lead_and_says_so_before(small):
    """Told first, with nothing stored; then done, with one activity more for whom stays."""
    one, other = two(small)
    before = content(small)
    told = merge(small, TWO, ONE, go=False)
    assert content(small) == before
    assert (told.lead, told.other) == (one, other)
    done = merge(small, TWO, ONE)
    assert done == told
    assert [side.activities for side in done.after] == [2]
    assert lead_of(small, TWO) == one


def test_of_two_handoffs_the_merge_names_the_one_that_ends(small):
    """The younger is absorbed, and goes on when the two are split again."""
    two(small)
    absorbed = merge(small).absorbed
    assert [row[1] for row in small.rows(t.handoffs, "id", "state") if row[0] in absorbed] == ["absorbed"]
    told = split(small, TWO)
    assert told.reopened == absorbed
    assert small.rows(t.handoffs, "state") == [("open",), ("open",)]
    assert len({row[0] for row in small.rows(t.handoffs, "lead")}) == 2


def test_a_split_restores_the_id_that_other_systems_keep(small):
    """Who was merged has the old id again; whoever kept it finds the right lead."""
    _, other = two(small)
    merge(small)
    told = split(small, TWO)
    assert (told.other, told.restored, lead_of(small, TWO)) == (other, True, other)


def test_a_split_that_is_only_told_stores_nothing(small):
    """The same work, thrown away."""
    two(small)
    merge(small)
    before = content(small)
    told = split(small, TWO, go=False)
    assert content(small) == before
    assert told.after == split(small, TWO).after


def test_records_that_were_never_merged_get_a_new_lead(small):
    """Joined by an e-mail address at their first meeting: another system's record becomes a lead of its own."""
    small.take("site", contact("1", 5, email="a@x.example", page="/a"))
    small.take("crm", {"id": "x", "at": days(3), "mail": "a@x.example", "position": "Clerk", "state": "Working"})
    crm = ("crm", "lead", "x")
    one = lead_of(small, crm)
    told = split(small, crm)
    assert not told.restored
    assert lead_of(small, ONE) == one != lead_of(small, crm)
    assert [side.outcomes for side in told.after] == [0, 1]
    assert [side.attributes.get("title") for side in told.after] == [None, "Clerk"]


@pytest.mark.parametrize("key", [{"number": "7"}, {"email": "same@x.example"}])
def test_no_key_makes_a_split_pair_one_again(tmp_path, key):
    """News that carries the shared key is everybody's own; it is not even a question."""
    small = Small(tmp_path, merge_on_email=True)
    small.take("site", contact("1", 5, **key))
    small.take("site", contact("2", 4, **key))
    assert lead_of(small, ONE) == lead_of(small, TWO)
    split(small, TWO)
    small.take("site", contact("2", 3, page="/b", **key))
    small.take("site", contact("1", 2, page="/b", **key))
    assert lead_of(small, ONE) != lead_of(small, TWO)
    assert small.rows(t.work_items) == []
    small.store.close()


def test_the_vendors_own_merge_is_not_repeated_after_a_split(small):
    """The system says it with every poll; only a merge that it had not told then counts as news."""
    two(small)
    small.take("site", contact("1", 3, merged=["2"]))
    split(small, TWO)
    small.take("site", contact("1", 2, merged=["2"]))
    assert lead_of(small, ONE) != lead_of(small, TWO)
    small.take("site", contact("3", 3.5, page="/c"))
    small.take("site", contact("2", 1, merged=["3"]))
    assert lead_of(small, TWO) == lead_of(small, ("site", "contact", "3"))


def test_whom_a_person_merges_again_is_one(small):
    """The latest word counts, and a later key may join them as any others."""
    two(small)
    merge(small)
    split(small, TWO)
    merge(small)
    assert lead_of(small, ONE) == lead_of(small, TWO)
    assert small.rows(t.apart) == []
    assert [row[0] for row in small.rows(t.regroupings, "what")] == ["merge", "merge", "split"]


def test_apart_stays_apart_through_a_third(small):
    """Who takes over one of the two is not the other, either."""
    two(small, number="7")
    merge(small)
    split(small, TWO)
    small.take("site", contact("3", 9, page="/c"))
    merge(small, TWO, ("site", "contact", "3"))
    small.take("site", contact("1", 1, number="7"))
    assert lead_of(small, ONE) != lead_of(small, TWO)


def test_deals_and_companies_are_whose_records_are_linked_to_them(small):
    """A merge counts a deal for one lead; a split gives it back to whom it is linked."""
    two(small, firm_id="f")
    small.take("site", {"kind": "firm", "id": "f", "at": days(6), "industry": "software"})
    small.take("site", {"kind": "deal", "id": "d", "at": days(2), "contact_id": "2", "status": "Won", "stage": "w"})
    small.sweep()
    before = small.facts()
    merge(small)
    split(small, TWO)
    assert small.facts() == before


@pytest.mark.parametrize(
    ("refs", "error", "words"),
    [
        ([], Refused, "--record"),
        ([("site", "contact", "9")], NotFound, "site:contact:1"),
        ([ONE], Refused, "at least one has to stay"),
    ],
)
def test_a_split_says_what_can_be_split(small, refs, error, words):
    """No record, a foreign one, all of them: the message names those that there are."""
    small.take("site", contact("1", 5, page="/a"))
    with pytest.raises(error, match=words):
        regrouping.split(gateway_of(small), lead_of(small, ONE), refs, "kim")


def test_one_lead_is_not_merged_with_itself(small):
    """Both keys lead to the same person."""
    small.take("site", contact("1", 5, page="/a"))
    with pytest.raises(Refused, match="lead to lead"):
        merge(small, ONE, ONE)


NEWS = st.fixed_dictionaries(
    {"id": st.sampled_from("12"), "at": st.sampled_from([days(n) for n in (1, 2, 3, 8, 20, 40, 90)])},
    optional={
        "title": st.sampled_from(["CEO", "Clerk", None]),
        "country": st.sampled_from(["Chile", "Peru", ""]),
        "page": st.sampled_from(["/a", "/b"]),
        "opens": st.sampled_from([0, 1, 3]),
        "status": st.sampled_from(["Accepted", "Rejected", "Won", "New"]),
        "firm_id": st.sampled_from("fg"),
        "optout": st.booleans(),
    },
)
SITE = """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    only: {kind: contact}
    id: id
    time: at
    fields:
      title: {to: title, sync: newest}
      country: {to: country, sync: newest, blank: clear}
      optout: {to: opted_out_email, type: boolean}
    links: [{to: firm, id: firm_id, role: works at}]
    activities:
      - {activity: page_view, when: {page: {known: true}}, on: each, asset: page}
      - {activity: email_open, counter: opens}
    outcomes:
      - {outcome: accepted, when: {status: Accepted}}
      - {outcome: rejected, when: {status: Rejected}}
      - {outcome: won, when: {status: Won}}
  firm:
    kind: company
    only: {kind: firm}
    id: id
    time: at
    fields: {industry: industry}
"""


@draws(10)
@given(news=st.lists(NEWS, min_size=2, max_size=14), later=st.lists(NEWS, max_size=4))
def test_a_split_gives_back_what_a_merge_mixed(tmp_path_factory, news, later):
    """Attributes, activities, outcomes, companies, scores, opt-outs and stages: as if they had never been one."""
    folders = [tmp_path_factory.mktemp("store") for _ in range(2)]
    small, never = Small(folders[0], site=SITE), Small(folders[1], site=SITE)
    for one in (small, never):
        one.take("site", {"kind": "firm", "id": "f", "at": days(99), "industry": "software"})
        one.take("site", *(contact(number, 100, title="Clerk") for number in "12"))
        one.take("site", *({"kind": "contact", **item} for item in news))
    merge(small)
    for one in (small, never):
        one.take("site", *({"kind": "contact", **item} for item in later))
    split(small, TWO)
    assert small.facts() == never.facts()
    for one in (small, never):
        one.store.close()


def test_nobody_is_merged_with_somebody_forgotten(small):
    """Nothing is left to tell them by."""
    one, other = two(small)
    small.take("site", contact("2", 1, forget=True))
    with pytest.raises(Refused, match="forgotten"):
        regrouping.merge(gateway_of(small), one, other, "kim", go=True)
    with pytest.raises(Refused, match="forgotten"):
        regrouping.split(gateway_of(small), other, [TWO], "kim", go=True)


class Crm(Sink):
    """Every write is done; a task is known by its key, and ``meanwhile`` is called before the answer."""

    def __init__(self):
        self.sent, self.meanwhile, self.there = [], lambda: None, ""

    def calls(self, writes):
        return [Call(title="row", writes=(one,)) for one in writes]

    def deliver(self, call):
        (one,) = call.writes
        self.sent.append((one.object, one.key))
        if self.there and one.record is None and one.object != TASK:
            return [Receipt(key=one.key, result="duplicate", candidates=(self.there,))]
        if one.object == TASK:
            self.meanwhile()
        return [Receipt(key=one.key, result="done", record=f"at {one.key}")]


@pytest.fixture
def told(small):
    """The small instance with a CRM that keeps tasks; ``deliver`` sends until nothing is due."""
    small.model = replace(small.model, carries={"crm": {TASK: ("*",)}})
    small.pipeline.model = small.model
    small.crm = Crm()
    quiet = lambda *_: nullcontext()  # noqa: E731
    sending = Delivery(small.store.main, "crm", small.crm, "crm", lambda: small.at, quiet, get_logger())

    def deliver():
        for _ in range(9):
            worked, again = sending.run("w")
            if again:
                small.pipeline.again(again)
            if not worked:
                return
        pytest.fail("the same is told again and again")

    small.deliver = deliver
    return small


def test_a_task_goes_with_its_handoff(told):
    """Also after the merge closed it for the other record: nothing is made twice, or told for ever."""
    one, other = two(told)
    told.deliver()
    merge(told)
    told.deliver()
    split(told, TWO, ("crm", "lead", f"at lead:{other}:lead"))
    told.deliver()
    owners = dict(told.rows(t.handoffs, "id", "lead"))
    tasks = [row for row in told.rows(t.records, "record", "entity") if row[0].startswith("handoff:")]
    assert {record.split(":")[1]: entity for record, entity in tasks} == owners
    assert set(owners.values()) == {one, other}


def test_a_split_while_its_task_is_under_way_leaves_one_task(told):
    """The answer comes for the lead that the handoff belongs to by then."""
    _, other = two(told)
    merge(told)
    told.crm.meanwhile = lambda: split(told, TWO) if lead_of(told, TWO) != other else None
    told.deliver()
    tasks = Counter(key for object_, key in told.crm.sent if object_ == TASK)
    assert set(tasks.values()) == {1}


def test_a_record_of_somebody_who_is_said_to_be_another_is_work_for_a_person(told):
    """The CRM says that it is there already: nobody is made, merged or asked for ever."""
    one, other = two(told)
    told.model = told.pipeline.model = replace(told.model, active=frozenset())
    merge(told)
    split(told, TWO)
    told.model = told.pipeline.model = replace(told.model, active=frozenset({"crm"}))
    told.pipeline.run((), [one])
    told.deliver()
    told.crm.there = f"at lead:{one}:lead"
    told.pipeline.run((), [other])
    told.deliver()
    assert (f"lead:{other}:lead", "dead", "another lead's record") in told.rows(t.writes, "key", "state", "code")
    assert ("dead letter", other) in told.rows(t.work_items, "kind", "lead")
    assert lead_of(told, ONE) == one != lead_of(told, TWO)
