"""Numbers and lists as spreadsheets take them: one table, its head first, each row with the period that it is of.

In: the rows of an answer. Out: CSV. Everything that is sent as CSV, by a command or by a page, is written here: what
people typed somewhere else must not become a formula in somebody's spreadsheet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.answers.texts import iso, points, who

if TYPE_CHECKING:
    from gateway.answers.metrics.asked import Asked

FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A text that begins so is taken for a formula, or hides one."""
LEADS = ("lead", "who", "stage", "persona", "score", "entered_at")
_DAY = "%Y-%m-%d"


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as lines. Numbers stay numbers; a text that would be a formula gets an apostrophe before it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(_cell, row) for row in rows)
    return text.getvalue()


def one_table(rows: Iterable[Mapping[str, object]], head: Sequence[str] = ()) -> Iterator[Sequence[object]]:
    """One table of rows that know different things: a column for each name that any has, in order of appearance.

    :param head: columns that are there even without rows.
    """
    known = list(rows)
    columns = list(dict.fromkeys([*head, *(name for row in known for name in row)]))
    yield columns
    yield from ([row.get(name) for name in columns] for row in known)


def dated(rows: Iterable[Sequence[object]], asked: Asked, counts: str) -> Iterator[Sequence[object]]:
    """The rows with what they count, since when and until before when, in the instance's zone; open ends are blank.

    As the last columns: the tables of two periods can be put below each other. Without ``counts`` there is no period.
    """
    period = (counts, *map(_moment, (asked.period.since, asked.period.until)))
    for place, row in enumerate(rows):
        yield (*row, *(period if place else ("counts", "since", "until_before"))) if counts else row


def leads(rows: Iterable[Mapping[str, Any]], number: str) -> Iterator[Sequence[object]]:
    """The leads (rows of ``store.listing.named``) that are behind a number."""
    yield (*LEADS, "number")
    for row in rows:
        names = row["id"], who(row["attributes"]), row["stage"], row["persona"]
        yield (*names, points(row["total"]), iso(row["entered_at"]), number)


def _moment(at: datetime | None) -> str:
    """A day where it begins one, else the time with its offset."""
    if at is None:
        return ""
    return f"{at:{_DAY}}" if (at.hour, at.minute, at.second, at.microsecond) == (0, 0, 0, 0) else at.isoformat()


def _cell(value: object) -> object:
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    if not isinstance(value, str):
        return value
    # A bare carriage return would end the row where nobody wrote an end: the next cell could be anything.
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if value.startswith(FORMULA) else text
