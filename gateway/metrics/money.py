"""Money of several currencies in the company's own: rates.yaml, and shares to the cent. Pure.

An amount is converted at the rate of its day: the last one listed on or before it. Without such a rate it is not
converted, and whoever asks names what is left out.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from gateway.errors import Problem
from gateway.settings.files import ConfigFile

CURRENCY = re.compile(r"[A-Z]{3}")
LARGEST = Decimal(10) ** 15
"""No amount and no rate is larger: it would be a slip."""
_KEYS = ("to", "rates")


@dataclass(frozen=True, slots=True)
class Rates:
    """``currency``: the company's own. ``table``: another currency → (first day, what one unit is worth), by day."""

    currency: str
    table: Mapping[str, Sequence[tuple[date, Decimal]]] = field(default_factory=dict)

    def cents(self, amount: Decimal, currency: str | None, day: date) -> int | None:
        """Hundredths of the company's currency, halves to even; None: there is no rate for that day."""
        if currency == self.currency:
            return int((amount * 100).to_integral_value(ROUND_HALF_EVEN))
        rate = self._rate(currency or "", day)
        return None if rate is None else int((amount * rate * 100).to_integral_value(ROUND_HALF_EVEN))

    def _rate(self, currency: str, day: date) -> Decimal | None:
        known = self.table.get(currency, ())
        place = bisect_right(known, day, key=lambda one: one[0])
        return known[place - 1][1] if place else None


def shared_out(parts: Mapping[str, float], whole: int) -> dict[str, int]:
    """Whole numbers as near to ``parts``, which add up to ``whole`` but for a rounding, as add up to it exactly.

    Each is rounded down; what is left goes to those that lost most, one each (Hamilton's method), by name if alike.
    """
    found = {name: math.floor(part) for name, part in parts.items()}
    order = sorted(parts, key=lambda name: (found[name] - parts[name], name))
    over = whole - sum(found.values())
    for name in order[:over] if over >= 0 else order[over:]:
        found[name] += 1 if over > 0 else -1
    return found


def split(cents: int, parts: int) -> list[int]:
    """In equal parts that add up to it: the first ones are a cent larger. ``(100, 3)`` → 34, 33, 33."""
    if parts < 2:
        return [cents] * parts
    each, over = divmod(cents, parts)
    return [each + 1] * over + [each] * (parts - over)


def read_rates(file: ConfigFile, currency: str) -> tuple[Rates, list[Problem]]:
    """The rates of rates.yaml, and everything that is wrong with it. ``currency``: the company's own."""
    problems = [file.problem((key,), "unknown key; there are: to, rates") for key in file.data if key not in _KEYS]
    if file.data.get("to") != currency:
        problems.append(file.problem(("to",), f"must be {currency}, the currency of gateway.yaml: rates lead into it"))
    rates = file.data.get("rates", {})
    if not isinstance(rates, Mapping):
        return Rates(currency), [*problems, file.problem(("rates",), "expected currencies, each with rates by day")]
    table: dict[str, list[tuple[date, Decimal]]] = {}
    for money, listed in rates.items():
        path = ("rates", money)
        if not isinstance(money, str) or not CURRENCY.fullmatch(money):
            problems.append(file.problem(path, "write a currency's three capital letters, such as USD"))
        elif money == currency:
            problems.append(file.problem(path, "is the company's own: it needs no rate"))
        elif not isinstance(listed, Mapping) or not listed:
            problems.append(file.problem(path, "expected rates by their first day, such as 2026-01-01: 0.92"))
        else:
            found = [_rate(file, (*path, day), day, rate) for day, rate in listed.items()]
            problems += [one for one in found if isinstance(one, Problem)]
            table[money] = sorted(one for one in found if not isinstance(one, Problem))
    return Rates(currency, table), problems


def _rate(file: ConfigFile, path: Sequence[Any], day: Any, rate: Any) -> tuple[date, Decimal] | Problem:
    try:
        begins = date.fromisoformat(str(day))
    except ValueError:
        return file.problem(path, "write a day, such as 2026-01-01")
    try:
        worth = Decimal(str(rate)) if not isinstance(rate, bool) else Decimal(0)
    except InvalidOperation:
        worth = Decimal(0)
    if not worth.is_finite() or not 0 < worth <= LARGEST:
        return file.problem(path, "write what one unit is worth, a number over 0 such as 0.92")
    return begins, worth
