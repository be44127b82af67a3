"""Rows as the driver has them: naming and converting each value of each row cost SQLAlchemy more than reading it.

Before: a select of columns; after: ``loading`` and its likes, which unpack by position. The counterpart of what ``put``
does for writing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, Connection, Select

_EMPTY: dict[str | None, Callable[[], Any]] = {"{}": dict, "[]": list, None: lambda: None}
"""What most of our JSON columns hold, mostly."""


def rows_of(connection: Connection, chosen: Select[Any]) -> Sequence[Sequence[Any]]:
    """The rows of ``chosen``, in its order of columns; JSON and truth values are as everywhere."""
    result = connection.execute(chosen)
    if connection.dialect.name != "sqlite" or result.cursor is None:
        return result.all()
    columns = list(chosen.selected_columns)
    json = [place for place, column in enumerate(columns) if isinstance(column.type, JSON)]
    flags = [place for place, column in enumerate(columns) if isinstance(column.type, Boolean)]
    rows: Sequence[Any] = result.cursor.fetchall()
    if json or flags:
        rows = [list(row) for row in rows]
        for row in rows:
            for place in json:
                text = row[place]
                row[place] = _EMPTY[text]() if text in _EMPTY else orjson.loads(text)
            for place in flags:
                row[place] = bool(row[place])
    return rows
