"""Which edits nobody can put in order: the same answer in whatever order their records come."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.leads.record import Record
from gateway.leads.stamps import OWN, attributes

NOON, DAY = 12 * 3_600_000_000, 24 * 3_600_000_000


@dataclass
class Rule:
    to: str = "title"
    sync: str = "newest"
    prefer: str | None = None
    blank: str = "ignore"

    def load(self, raw):
        return raw


def record(system, entry, first_at=0):
    return Record(system, "contact", system, "person", snapshot={"title": entry}, first_at=first_at)


def undecided(*records, rules=None):
    found = {}
    rules = rules or {}
    attributes(records, lambda system, _: {"title": rules.get(system, Rule())}, {"crm": 0, "ma": 1}, found)
    return [[(one.system, at) for one, at in edits] for edits in found.values()]


@pytest.mark.parametrize(
    ("ours", "theirs", "asked"),
    [
        (["a", NOON], ["b", NOON], True),  # at one moment
        (["a", NOON], ["a", NOON], False),  # the same edit
        (["a", NOON], ["b", NOON + 1], False),  # later is later
        (["a", NOON], ["b", 1, DAY], True),  # sometime that day
        (["a", DAY + NOON], ["b", 1, DAY], False),  # the day after
        (["a", NOON], ["b", DAY, NOON + 1], False),  # after what it replaced, heard of at the end of the day
        (["a", NOON], ["b", DAY, NOON - 1], True),
        (["a", NOON], ["b", NOON, NOON], False),  # what the system made of our own write
    ],
)
def test_two_edits(ours, theirs, asked):
    """[value, stamp] and, where the time is not well known, its other end."""
    assert bool(undecided(record("crm", ours), record("ma", theirs))) is asked


def test_what_was_there_at_first_is_no_edit():
    """Two systems meet for the first time and differ: their rules settle it."""
    assert undecided(record("crm", ["a", NOON], first_at=NOON), record("ma", ["b", NOON])) == []


@pytest.mark.parametrize("rule", [Rule(sync="in"), Rule(sync="prefer", prefer="crm"), Rule(sync="only if blank")])
def test_another_rule_decides(rule):
    """Only where the newest value is to win can nobody know which it is."""
    records = record("crm", ["a", NOON]), record("ma", ["b", NOON])
    assert undecided(*records, rules={"crm": rule, "ma": rule}) == []


def test_an_opt_out_is_never_undecided():
    """The strictest counts, whoever was later."""
    records = record("crm", [True, NOON]), record("ma", [False, NOON])
    assert undecided(*records, rules=dict.fromkeys(("crm", "ma"), Rule("opted_out_email"))) == []


def test_what_a_person_said_stands():
    """Until somebody edits the field later."""
    said = Record(*OWN, "lead", "person", snapshot={"title": ["c", DAY - 1]}, first_at=1)
    assert undecided(record("crm", ["a", 1, DAY]), record("ma", ["b", 1, DAY]), said) == []


ENTRIES = st.tuples(st.sampled_from("ab"), st.integers(1, 6), st.none() | st.integers(1, 6))


@given(st.lists(st.tuples(st.sampled_from(["crm", "ma", "web"]), ENTRIES), max_size=4), st.randoms())
def test_the_order_of_the_records_is_no_matter(told, random):
    """Winner, conflict and its sides are functions of the set."""
    records = [
        Record(system, "contact", str(n), "person", snapshot={"title": [one for one in entry if one is not None]})
        for n, (system, entry) in enumerate(told)
    ]
    shuffled = random.sample(records, len(records))
    assert undecided(*records) == undecided(*shuffled)
