"""Whole histories of two systems converge: people, companies and deals, merged, converted, linked, deleted, restored.

What depends on the order by design is left out of the comparison: decisions (handoffs, moves by score), which of two
ids survives a merge, and which of two leads an e-mail address belongs to when it may not merge them. So addresses
either merge leads or belong to one record alone.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from drawing import draws
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from small_instance import NOW, Small

from gateway.contracts import (
    Document,
    RecordChanged,
    RecordConverted,
    RecordGone,
    RecordRestored,
    RecordsLinked,
    RecordsMerged,
)
from gateway.inbound.readings import Reading
from gateway.store.times import new_id

WINDOWS = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit:
  - {name: Executive, when: {title: {matches: "chief|ceo"}}, points: 40}
  - {name: Software, when: {company.industry: software}, points: 20}
behaviour:
  - {name: Looked at a page, activity: page_view, points: 10, cap: 30, window: 20d}
  - {name: Opened an e-mail, activity: email_open, points: 5, cap: 10, window: 10d}
"""
PEOPLE = [("site", "contact", "1"), ("site", "contact", "2"), ("site", "contact", "3"), ("crm", "lead", "x")]
PEOPLE += [("crm", "lead", "y")]
FIRMS = [("site", "firm", "f"), ("site", "firm", "g")]
DEALS = [("site", "deal", "d"), ("site", "deal", "e")]
KIND = {"contact": "person", "lead": "person", "firm": "company", "deal": "deal"}
SITE_FIELDS = {
    "email": ["a@example.org", "b@example.org", "A@example.org", None],
    "title": ["CEO", "Clerk", "", None],
    "country": ["Chile", "Peru", "", None],
    "employees": ["10", 10, "many", None],
    "number": ["7", "8", None],
    "page": ["/a", "/b", None],
    "opens": [0, 1, 3, 4],
    "status": ["Accepted", "Rejected", "Won", "New", None],
}
FIELDS = {
    "contact": SITE_FIELDS,
    "lead": {
        "mail": ["a@example.org", "c@example.org", None],
        "position": ["CEO", "Chief Clerk", None],
        "land": ["Chile", "Bolivia", None],
        "number": ["7", "9", None],
        "state": ["Working", "Recycled", None],
        "why": ["later", None],
    },
    "firm": {"industry": ["software", "steel", None]},
    "deal": {
        "status": ["Won", "Lost", "Open", None],
        "amount": ["10", "20.50", None],
        "closed": [(NOW - timedelta(days=n)).isoformat() for n in (3, 30)] + [None],
        "stage": ["offer", "talk", None],
    },
}


@st.composite
def histories(draw, addresses_merge):
    """Events with distinct keys; many share a time, some lie before every window."""
    events = []
    for number in range(draw(st.integers(2, 14))):
        system, object_, record = draw(st.sampled_from(PEOPLE * 2 + FIRMS + DEALS))
        kind = KIND[object_]
        common = {
            "system": system,
            "object": object_,
            "kind": kind,
            "record": record,
            "at": NOW - timedelta(days=draw(st.sampled_from([1, 2, 3, 4, 5, 6, 9, 15, 40, 100]))),
            "key": f"k{number:02}",
        }
        what = draw(st.sampled_from(["changed"] * 6 + ["gone", "restored", "merged", "converted", "linked", "linked"]))
        same = [ref[2] for ref in PEOPLE + FIRMS + DEALS if ref[:2] == (system, object_) and ref[2] > record]
        if what == "merged" and same:  # always the later into the earlier: no circles
            events.append(
                RecordsMerged(**common, losers=tuple(draw(st.lists(st.sampled_from(same), min_size=1, unique=True))))
            )
        elif what == "converted" and same and kind == "person":
            common["record"] = same[-1]
            events.append(RecordConverted(**common, to_object=object_, to_record=record))
        elif what == "gone":
            events.append(RecordGone(**common, reason="deleted"))
        elif what == "restored":
            events.append(RecordRestored(**common))
        elif what == "linked" and system == "site" and object_ != "firm":
            to = draw(st.sampled_from(FIRMS if object_ == "contact" else [*FIRMS, *PEOPLE[:3]]))
            events.append(
                RecordsLinked(
                    **common,
                    to_object=to[1],
                    to_record=to[2],
                    to_kind=KIND[to[1]],
                    role=draw(st.sampled_from(["", "other"])),
                    present=draw(st.sampled_from([True, True, False])),
                )
            )
        else:
            values = draw(
                st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in FIELDS[object_].items()})
            )
            for name in ("email", "mail"):
                if values.get(name) and not addresses_merge:
                    values[name] = f"{record}{values[name]}"
            events.append(
                RecordChanged(
                    **common,
                    values={name: raw for name, raw in values.items() if raw is not None},
                    speaks_of=frozenset(values),
                    created=draw(st.sampled_from([None, None, NOW - timedelta(days=200), NOW - timedelta(days=50)])),
                )
            )
    return events


def known(folder, batches, **options):
    small = Small(folder, scoring=WINDOWS, active=(), **options)
    for batch in batches:
        readings = []
        for system in ("site", "crm"):
            document = Document(id=new_id(), system=system, received_at=NOW, body=b"")
            readings.append(Reading(document, [event for event in batch if event.system == system]))
        small.pipeline.run([reading for reading in readings if reading.events])
    small.sweep()
    facts = small.facts()
    counts = {}
    for system, what, _, count in small.rows(small_tallies()):
        counts.setdefault(system, {}).setdefault(what, 0)
        counts[system][what] += count
    small.store.close()
    for told in counts.values():
        assert told["read"] == told.get("applied", 0) + told.get("skipped", 0) + told.get("dead", 0)
    return facts


def small_tallies():
    from gateway.store import tables as t

    return t.tallies


@pytest.mark.parametrize("addresses_merge", [True, False])
@draws(25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_histories_in_any_order_with_repeats_in_any_batches_give_the_same_facts(
    tmp_path_factory, addresses_merge, data
):
    """Promise 3, and equation 2 on the way: one by one in their order, and shuffled, repeated and cut up."""
    events = data.draw(histories(addresses_merge))
    order = data.draw(st.permutations(events + events[: data.draw(st.integers(0, 3))]))
    batches = []
    while order:
        size = data.draw(st.integers(1, len(order)))
        batches.append(order[:size])
        order = order[size:]
    folder = tmp_path_factory.mktemp
    one = known(folder("a"), [[event] for event in events], merge_on_email=addresses_merge)
    other = known(folder("b"), batches, merge_on_email=addresses_merge)
    for name, facts in one.items():
        assert facts == other[name], name
