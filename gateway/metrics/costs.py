"""What campaigns cost: a CSV file becomes rows, every problem at once. Pure: text in, rows or problems out."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from gateway.errors import Problem
from gateway.metrics.money import LARGEST

COLUMNS = ("campaign", "amount", "currency", "from", "until", "month")
HELP = "columns: campaign, amount, currency (else the instance's), and month (2026-05) or from and until (2026-05-01)"
YEARS = range(1900, 2200)
_INSTANT = timedelta(microseconds=1)
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Cost:
    """``begins`` and ``ends``: its first day, and the day after its last. ``line``: where it stands in its file."""

    campaign: str
    amount: Decimal
    currency: str
    begins: date
    ends: date
    line: int = field(default=0, compare=False)

    def within(self, since: datetime | None, until: datetime | None) -> Decimal:
        """Its part from ``since`` until before ``until``, as clocks show there: spread evenly over its own days."""
        first, last = (datetime.combine(day, time.min) for day in (self.begins, self.ends))
        begins, ends = max(first, since or first), min(last, until or last)
        return self.amount * max(0, (ends - begins) // _INSTANT) / ((last - first) // _INSTANT)


def read_costs(name: str, text: str, currency: str) -> tuple[list[Cost], list[Problem]]:
    """The rows of a file called ``name``; with problems, none of it should be taken."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    head = [cell.strip().lower() for cell in next(rows, [])]
    missing = [column for column in COLUMNS[:2] if column not in head]
    strange = [cell for cell in head if cell not in COLUMNS]
    if missing or strange or not ("month" in head or {"from", "until"} <= {*head}):
        wrong = [f"no column {name!r}" for name in missing] + [f"unknown column {name!r}" for name in strange]
        return [], [Problem(name, 1, "", "; ".join(wrong or ["no column for its time"]) + f"; {HELP}")]
    costs, problems = [], []
    for cells in rows:
        if not any(cells):
            continue
        cost = _cost(dict(zip(head, (cell.strip() for cell in cells), strict=False)), currency)
        if isinstance(cost, Cost):
            costs.append(replace(cost, line=rows.line_num))
        else:
            problems += [Problem(name, rows.line_num, key, words) for key, words in cost]
    return costs, problems


def _cost(row: dict[str, str], currency: str) -> Cost | Sequence[tuple[str, str]]:
    wrong = []
    campaign, money = row.get("campaign", ""), row.get("currency") or currency
    if not campaign:
        wrong.append(("campaign", "is empty"))
    if not re.fullmatch(r"[A-Z]{3}", money):
        wrong.append(("currency", "write a currency's three capital letters, such as EUR"))
    try:
        amount = Decimal(row.get("amount", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount <= LARGEST:
        wrong.append(("amount", "write a number without spaces, such as 1500.00"))
    begins, ends = _span(row, wrong)
    if wrong or begins is None or ends is None:
        return wrong
    return Cost(campaign, amount, money, begins, ends)


def _span(row: dict[str, str], wrong: list[tuple[str, str]]) -> tuple[date | None, date | None]:
    if month := row.get("month"):
        found = _MONTH.fullmatch(month)
        if found is None or int(found[1]) not in YEARS:
            wrong.append(("month", "write a year and a month, such as 2026-05"))
            return None, None
        begins = date(int(found[1]), int(found[2]), 1)
        return begins, (begins + timedelta(days=31)).replace(day=1)
    days = []
    for key in ("from", "until"):
        try:
            day = date.fromisoformat(row.get(key, ""))
        except ValueError:
            day = date.min
        if day.year in YEARS:
            days.append(day)
        else:
            wrong.append((key, "write a day, such as 2026-05-01"))
    if len(days) < 2:
        return None, None
    if days[1] < days[0]:
        wrong.append(("until", "lies before from"))
    return days[0], days[1] + timedelta(days=1)
