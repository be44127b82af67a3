"""Opt-outs take the strictest; only a later, explicit opt-in of the same channel lifts one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.leads.record import Record
from gateway.leads.stamps import OPT_OUTS, attributes

HOUR = 3_600_000_000


@dataclass
class Rule:
    to: str
    sync: str = "newest"
    prefer: str | None = None
    blank: str = "ignore"

    def load(self, raw):
        return raw


NEWS_OUT, NEWS_IN = "opted_out_newsletter", "opted_in_newsletter"
FIELDS = {name: Rule(name) for name in {*OPT_OUTS, *OPT_OUTS.values(), NEWS_OUT, NEWS_IN}}


def joined(*told):
    """``told``: (system, field, value, hour). Returns (values, origins)."""
    records = {}
    for system, name, value, hour in told:
        record = records.setdefault(system, Record(system, "contact", system, "person"))
        record.snapshot[name] = [value, hour * HOUR]
    return attributes(list(records.values()), lambda *_: FIELDS, {"crm": 0, "ma": 1})[:2]


OUT, NO_CALL = "opted_out_email", "do_not_call"
IN, CALL = "opted_in_email", "opted_in_call"


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ([("ma", OUT, True, 1), ("crm", OUT, False, 9)], True),  # a later no is no opt-in: the box was never ticked
        ([("ma", OUT, True, 1), ("crm", IN, True, 9)], False),  # explicit and later
        ([("ma", OUT, True, 9), ("crm", IN, True, 1)], True),  # explicit, but before
        ([("ma", OUT, True, 1), ("crm", CALL, True, 9)], True),  # of another channel
        ([("ma", OUT, True, 1), ("crm", IN, False, 9)], True),  # somebody took an opt-in back
        ([("ma", OUT, True, 1), ("crm", OUT, True, 9), ("ma", IN, True, 5)], True),  # after the one, before the other
        ([("ma", OUT, True, 1), ("crm", IN, "1970-01-01T05:00:00Z", 9)], False),  # the time of the opt-in itself
        ([("ma", OUT, True, 6), ("crm", IN, "1970-01-01T05:00:00Z", 9)], True),  # told later than it was given
        ([("ma", OUT, True, 1), ("crm", IN, "1970-01-02", 9)], False),
        ([("ma", OUT, True, 1), ("crm", IN, "yes", 9)], True),  # no time in it: says nothing of when
    ],
)
def test_who_opted_out(told, wanted):
    """The lead's value, whatever each system says."""
    assert joined(*told)[0][OUT] is wanted


@pytest.mark.parametrize(("by", "lifted"), [(NEWS_IN, True), ("opted_in_email", False)])
def test_a_subscription_has_an_opt_in_of_its_own(by, lifted):
    """One type of e-mail, not all of them; and strictest like every other."""
    told = [("ma", NEWS_OUT, True, 1), ("crm", NEWS_OUT, False, 2), ("crm", by, True, 9)]
    assert joined(*told)[0][NEWS_OUT] is not lifted


def test_a_lifted_opt_out_names_the_opt_in():
    """When it was given, and where: what `leads show` tells, and what the other systems are told."""
    _, origin = joined(("ma", OUT, True, 1), ("crm", IN, True, 9))
    assert origin[OUT] == (9 * HOUR, "crm")


def test_an_opt_in_lifts_all_opt_outs_of_its_channel():
    """And none of another."""
    told = [("ma", name, True, 1) for name in OPT_OUTS] + [("crm", IN, True, 9)]
    values, _ = joined(*told)
    assert {name for name in OPT_OUTS if values[name]} == {name for name, by in OPT_OUTS.items() if by == CALL}


@given(
    st.permutations([("ma", OUT, True, 1), ("crm", OUT, False, 2), ("crm", IN, True, 3), ("web", OUT, True, 2)]),
)
def test_the_order_of_the_records_is_no_matter(told):
    """The same facts, the same answer."""
    assert joined(*told) == joined(*sorted(told))
