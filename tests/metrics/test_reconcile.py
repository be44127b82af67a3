"""The same count on both sides: whoever is on one side only is there with why, and the differences add up exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts import Count
from gateway.metrics.reconcile import KINDS, Counted, Known, There, compare, report, why

JUNE = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
COUNT = Count(object="contact", at="mql_at", where={"stage": ("mql", "sql")})


def _day(at):
    return f"{at:%Y-%m-%d}"


def _there(gone="", asked=True, **values):
    return There("crm", "7", COUNT, gone, asked, values or None)


IN, OUT = "2026-06-07T10:00:00.000+0000", "2026-05-31T23:59:59Z"


@pytest.mark.parametrize(
    ("side", "known", "kind", "words"),
    [
        # the lead's own end comes first
        ("passed", Known(erased=True, there=[_there(mql_at=IN, stage="mql")]), "deleted", "forgotten"),
        ("passed", Known(there=[_there()], handoff="open"), "deleted", "its record is deleted in crm"),
        ("passed", Known(there=[_there(gone="deleted", asked=False)]), "deleted", "its record is deleted in crm"),
        # what its record over there holds now
        ("passed", Known(there=[_there(mql_at=OUT, stage="mql")]), "late", "counts it on 2026-05-31"),
        ("passed", Known(there=[_there(mql_at=1780826400000, stage="SQL")]), "late", "counts it by now"),
        ("passed", Known(there=[_there(mql_at=IN, stage="customer")]), "filtered", "not counted there, by stage"),
        ("received", Known(there=[_there(mql_at=None, stage="mql")]), "filtered", "not counted there, by mql_at"),
        ("passed", Known(there=[_there(asked=False)]), "late", "could not be asked for"),
        # what was to be written comes before how it stands meanwhile
        ("received", Known(there=[_there(mql_at="?")], write=("crm", "dead", "FULL")), "failed", "refused it: FULL"),
        ("passed", Known(handoff="open", write=("crm", "waiting", "")), "late", "on its way to crm"),
        # no record over there at all
        ("received", Known(handoff="open"), "filtered", "came to sales another way"),
        ("passed", Known(handoff="open"), "failed", "no record was made"),
        ("passed", Known(handoff="held", excluded="student"), "late", "held back"),
        ("passed", Known(handoff="withdrawn", excluded="student"), "filtered", "withdrawn"),
        ("passed", Known(excluded="student"), "filtered", "never handed over: student"),
        ("passed", Known(), "filtered", "not ready"),
    ],
)  # fmt: skip
def test_why_a_lead_is_missing_from_the_other_side(side, known, kind, words):
    told = why(side, known, *JUNE, _day)
    assert told[0] == kind
    assert words in told[1]


RECORDS = st.builds(
    Counted,
    st.sampled_from(["one", "two"]),
    st.just("person"),
    st.integers(1, 9).map(str),
    st.integers(0, 5).map(lambda days: JUNE[0] + timedelta(days=days)),
    st.sampled_from(["", "a", "b", "c", "d"]),
)


@given(st.lists(RECORDS, max_size=15), st.lists(RECORDS, max_size=15), st.randoms(use_true_random=False))
def test_the_differences_add_up_exactly(passed, received, random):
    """Whatever both sides count: each side's count is what both have and what is listed; no lead is listed twice."""
    compared = compare(passed, received)
    reasons = {
        (side, one): (random.choice(list(KINDS)), "so") for side, alone in compared.alone.items() for one in alone
    }
    counts = {"passed": [("one", "person", len(set(passed)))], "received": [("two", "person", len(set(received)))]}
    found = report(counts, compared, reasons)
    for side, counted in (("passed", passed), ("received", received)):
        listed = [one for one in found["only"] if one["side"] == side]
        assert found[side]["count"] == len(set(counted)) == found["both"] + len(listed)
        assert sum(one[side] for one in found["reasons"]) == len(listed)
        assert len({tuple(one.items()) for one in listed}) == len(listed)
    assert found["difference"] == sum(one["passed"] - one["received"] for one in found["reasons"])
    both = {one.lead for one in passed} & {one.lead for one in received} - {""}
    assert found["both"] == len(both)
    assert not any(one.lead in both for alone in compared.alone.values() for one in alone)
