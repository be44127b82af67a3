"""Amounts in other currencies, and shares that add up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.metrics.money import read_rates, shared_out, split
from gateway.settings.files import ConfigFile

RATES = """\
to: EUR
rates:
  USD: {2026-01-01: 0.90, 2026-04-01: 0.85}
"""


def test_the_rate_of_the_day_counts():
    """The last one on or before it; before the first there is none, and of other money neither."""
    rates, problems = read_rates(ConfigFile("rates.yaml", RATES), "EUR")
    assert problems == []
    amount = Decimal("10.00")
    assert rates.cents(amount, "USD", date(2026, 3, 31)) == 900
    assert rates.cents(amount, "USD", date(2026, 4, 1)) == 850
    assert rates.cents(amount, "USD", date(2025, 12, 31)) is None
    assert rates.cents(amount, "CHF", date(2026, 4, 1)) is None
    assert rates.cents(amount, None, date(2026, 4, 1)) is None
    assert rates.cents(Decimal("0.125"), "EUR", date(1, 1, 1)) == 12  # halves to even


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("to: EUR", "to: USD", "rates.yaml:1: to: must be EUR"),
        ("USD:", "usd:", "rates.yaml:3: rates.usd: write a currency's three capital letters"),
        ("USD:", "EUR:", "is the company's own"),
        ("{2026-01-01: 0.90, 2026-04-01: 0.85}", "0.9", "expected rates by their first day"),
        ("2026-01-01: 0.90", "spring: 0.90", "write a day, such as 2026-01-01"),
        ("0.85", "-1", "a number over 0"),
        ("0.85", "x", "a number over 0"),
        ("0.85", "1e30", "a number over 0"),
        ("rates:", "rate:", "unknown key"),
    ],
)
def test_what_is_wrong_in_rates_is_named_where_it_stands(old, new, says):
    _, problems = read_rates(ConfigFile("rates.yaml", RATES.replace(old, new)), "EUR")
    assert says in "\n".join(map(str, problems))


@given(st.dictionaries(st.text(max_size=3), st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_rounded_shares_add_up_to_the_whole(parts):
    """Each is rounded up or down, never further; a share of nothing is nothing."""
    whole = round(sum(parts.values()))
    assume(abs(sum(parts.values()) - whole) < 0.5)
    found = shared_out(parts, whole)
    assert sum(found.values()) == whole
    assert all(abs(found[name] - part) <= 1 for name, part in parts.items())
    assert shared_out({"a": 100 / 3, "b": 100 / 3, "c": 100 / 3}, 100) == {"a": 34, "b": 33, "c": 33}


@given(st.integers(-(10**12), 10**12), st.integers(1, 60))
def test_parts_add_up_and_differ_by_a_cent_at_most(cents, parts):
    """Whatever the amount."""
    found = split(cents, parts)
    assert sum(found) == cents
    assert max(found) - min(found) <= 1
