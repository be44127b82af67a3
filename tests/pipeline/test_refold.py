"""Stored events are folded anew by another mapping: the same facts as if it had been so from the start."""

from __future__ import annotations

import pytest
from small_instance import SITE, Small, days

from gateway.store import tables as t

CONTACT = {"kind": "contact", "id": "1", "at": days(9), "email": "kim@example.org", "title": "CEO"}
NEWS = [
    CONTACT,
    {"kind": "contact", "id": "1", "at": days(5), "status": "Signed", "page": "/a"},
    {"kind": "contact", "id": "1", "at": days(4), "status": "Open", "page": "/b"},
    {"kind": "deal", "id": "d", "at": days(6), "contact_id": "1", "status": "Open"},
    {"kind": "deal", "id": "d", "at": days(3), "status": "Paid", "amount": "900", "closed": days(3)},
]
OTHER = SITE.replace("when: {status: Won}", "when: {status: [Won, Signed]}").replace(
    "{Won: won,", "{Won: won, Paid: won,"
)


@pytest.mark.parametrize(
    ("refs", "outcomes"),
    [
        ([("site", "contact", "1")], 1),  # it was signed once, though it is open now
        ([("site", "deal", "d")], 1),
        ([("site", "contact", "1"), ("site", "deal", "d")], 2),
    ],
)
def test_what_was_read_means_something_else_by_now(tmp_path, refs, outcomes):
    """Outcomes appear, activities are neither doubled nor lost."""
    small = Small(tmp_path)
    small.take("site", *NEWS)
    assert small.rows(t.outcomes, "outcome") == []
    before = small.facts()
    small.store.close()
    small = Small(tmp_path, site=OTHER)
    small.pipeline.run((), cause="person", refold=refs)
    assert small.rows(t.outcomes, "outcome") == [("won",)] * outcomes
    assert small.facts()["activities"] == before["activities"]
    assert small.facts()["kinds"] == before["kinds"]
    small.store.close()


def test_with_the_same_mapping_nothing_changes(tmp_path):
    """Folding is a function of the events."""
    small = Small(tmp_path)
    small.take("site", *NEWS)
    before = small.facts()
    small.pipeline.run((), cause="person", refold=[("site", "contact", "1"), ("site", "deal", "d")])
    assert small.facts() == before
    small.store.close()


def test_all_facts_are_those_of_a_first_reading(tmp_path):
    """As if the mapping had been so from the start."""
    (tmp_path / "late").mkdir()
    small = Small(tmp_path / "late")
    small.take("site", *NEWS)
    small.store.close()
    small = Small(tmp_path / "late", site=OTHER)
    small.pipeline.run((), cause="person", refold=[("site", "contact", "1"), ("site", "deal", "d")])
    (tmp_path / "first").mkdir()
    first = Small(tmp_path / "first", site=OTHER)
    first.take("site", *NEWS)
    assert small.facts() == first.facts()
    small.store.close()
    first.store.close()
