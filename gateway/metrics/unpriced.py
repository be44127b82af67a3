"""Deals that were won and have no revenue: no amount is known, or no rate for its day. Pure.

In: whose deals those are. Out: how every metric with revenue counts them, and the numbers whose leads can be listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

RATE, AMOUNT = "without_rate", "without_amount"
"""Why a deal that was won has no revenue: how the JSON calls it, and the number whose leads can be listed."""
Unpriced = Mapping[str, Sequence[Sequence[str]]]
"""A currency without a rate for the day, or "" where no amount is known → the leads of each such deal."""


def without(unpriced: Unpriced) -> dict[str, Any]:
    """``without_rate`` (deals by currency) and ``without_amount`` (deals), as every metric with revenue has them."""
    return {RATE: {money: len(deals) for money, deals in unpriced.items() if money}, AMOUNT: len(unpriced.get("", ()))}


def leads_without(unpriced: Unpriced) -> dict[str, list[str]]:
    """``without_rate/USD``, ``without_amount`` → whose deals those are."""
    return {
        f"{RATE}/{money}" if money else AMOUNT: sorted({lead for leads in deals for lead in leads})
        for money, deals in unpriced.items()
    }
