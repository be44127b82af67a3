"""Many rows of one table in one statement: insert, upsert, count up, remove, or update by version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    JSON,
    Connection,
    Select,
    Table,
    TableValuedAlias,
    Text,
    and_,
    bindparam,
    column,
    delete,
    func,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from gateway.errors import StaleCommit

_NOTHING: Mapping[str, tuple[Any, ...]] = {}
_SAME = "b_"
"""Before the name of a value that a statement has a second time: SQLAlchemy keeps the plain one for ``SET``."""


@dataclass(slots=True)
class Put:
    """Insert, upsert, count and remove many rows of one table with one statement, on SQLite and on PostgreSQL."""

    connection: Connection

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]], ignore: bool = False) -> None:
        if rows:
            statement = self._into(table, rows)
            self._many(statement.on_conflict_do_nothing() if ignore else statement, rows, (table.name, ignore))

    def insert_new(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
        """Insert the rows that are not there yet; returns their primary keys."""
        if not rows:
            return set()
        statement = self._insert(table).on_conflict_do_nothing().returning(*table.primary_key)
        return {tuple(row) for row in self.connection.execute(statement, list(rows))}

    def insert_from(self, table: Table, names: Sequence[str], chosen: Select[Any]) -> None:
        """Insert what ``chosen`` selects, in the order of ``names``; rows that are there already stay."""
        self.connection.execute(self._insert(table).from_select(list(names), chosen).on_conflict_do_nothing())

    def upsert(
        self,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        newer: tuple[str, ...] = (),
        other: str = "",
        but: tuple[str, ...] = (),
    ) -> None:
        """:param newer: columns of a stamp; a stored row with a greater one stays. :param other: a column; a stored
        row with the same there stays. :param but: columns that stay as they are stored."""
        if rows:
            statement = self._into(table, rows)
            keys = [column.name for column in table.primary_key]
            values = {name: statement.excluded[name] for name in rows[0] if name not in (*keys, *but)}
            sent, held = ([columns[name] for name in newer] for columns in (statement.excluded, table.c))
            wins = tuple_(*sent) >= tuple_(*held) if newer else None
            wins = table.c[other] != statement.excluded[other] if other else wins
            statement = statement.on_conflict_do_update(index_elements=keys, set_=values, where=wins)
            self._many(statement, rows, (table.name, "upsert", newer, other, but))

    def count(
        self,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        on: tuple[str, ...] | None = None,
        bump: str = "count",
        also: Mapping[str, Any] | None = None,
    ) -> None:
        """Insert, or add to the counter of the row that is there, of which ``also`` sets other columns."""
        if rows:
            statement = self._insert(table)
            keys = list(on) if on else [column.name for column in table.primary_key]
            values = {bump: table.c[bump] + statement.excluded[bump], **(also or {})}
            self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))

    def remove(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> None:
        if keys:
            columns = list(table.primary_key)
            condition = and_(*(column == bindparam(f"b_{column.name}") for column in columns))
            self.connection.execute(
                delete(table).where(condition),
                [{f"b_{column.name}": part for column, part in zip(columns, key, strict=True)} for key in keys],
            )

    def versioned(
        self,
        table: Table,
        rows: Sequence[dict[str, Any]],
        filed: Sequence[str] = (),
        stored: Mapping[str, tuple[Any, ...]] = _NOTHING,
    ) -> None:
        """Insert rows of version 1; update the others where the stored version is the one before.

        :param filed: columns of indexes, which mostly stay: SQLite writes an index anew for each row whose update names
            its columns. :param stored: id → what ``filed`` held when the row was loaded.
        """
        self.insert(table, [row for row in rows if row["version"] == 1])
        known = [row for row in rows if row["version"] > 1]
        moved, same = known, known[:0]
        if filed and self._sqlite:
            values, moved = itemgetter(*filed), []
            for row in known:
                (same if values(row) == stored.get(row["id"]) else moved).append(row)
        self.update(table, moved, ("version",))
        self.update(table, same, ("version",), filed)

    def update(
        self, table: Table, rows: Sequence[Mapping[str, Any]], counted: Sequence[str] = (), but: Sequence[str] = ()
    ) -> None:
        """Set what ``rows`` name beside their primary key, except ``but``; where ``counted`` (a version, if any) is
        stored as the one before. Raises ``StaleCommit`` when not all are there like that."""
        if not rows:
            return
        keys = [column.name for column in table.primary_key]
        names = [name for name in rows[0] if name not in keys and name not in but]
        values: dict[str, Any]
        held: Any
        if self._sqlite:
            values = {name: bindparam(name) for name in names}
            held = {name: bindparam(f"{_SAME}{name}") for name in (*keys, *counted)}
        else:
            given = _given(table, rows)
            values, held = {name: given.c[name] for name in names}, given.c
        as_loaded = [table.c[name] == held[name] for name in keys]
        as_loaded += [table.c[name] == held[name] - literal_column("1") for name in counted]
        statement = update(table).where(*as_loaded).values(**values)
        if self._many(statement, rows, (table.name, "update", but)) != len(rows):
            raise StaleCommit(f"a row of {table.name} changed since it was loaded")

    def _many(self, statement: Any, rows: Sequence[Mapping[str, Any]], what: tuple[Any, ...]) -> int:
        """Run one statement for many rows. Returns how many were written.

        Naming and typing each value of each row costs SQLAlchemy more than the database needs to write it. So SQLite
        gets them as the driver's own parameters, PostgreSQL all of them as one (see ``_given``).
        """
        if not self._sqlite:
            given = orjson.dumps(rows, option=orjson.OPT_NON_STR_KEYS).decode()  # names of columns are texts of a kind
            return int(self.connection.execute(statement, {"given": given}).rowcount)
        key = (*what, *rows[0])
        plain = _plain.get(key)
        if plain is None:
            columns = list(rows[0]) if statement.is_insert else None  # an update names its own
            compiled = statement.compile(dialect=self.connection.dialect, column_keys=columns)
            own, binds = compiled.positiontup, compiled.binds
            names = [name.removeprefix(_SAME) for name in own]
            plain = _plain[key] = (
                str(compiled),
                itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],),
                [place for place, name in enumerate(own) if isinstance(binds[name].type, JSON)],
            )
        text, values, places = plain
        parameters = [values(row) for row in rows]
        if places:
            parameters = [_with_json(row, places) for row in parameters]
        return int(self.connection.exec_driver_sql(text, parameters).rowcount)

    @property
    def _sqlite(self) -> bool:
        return self.connection.dialect.name == "sqlite"

    def _insert(self, table: Table) -> Any:
        dialect = sqlite if self._sqlite else postgresql
        return dialect.insert(table)

    def _into(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> Any:
        """An insert of ``rows``, which ``_many`` runs."""
        if self._sqlite:
            return self._insert(table)
        given = _given(table, rows)
        return self._insert(table).from_select(list(given.c.keys()), select(*given.c))


def _given(table: Table, rows: Sequence[Mapping[str, Any]]) -> TableValuedAlias:
    """The rows that PostgreSQL is sent as one JSON text, as a table with the columns of ``table``."""
    columns = [column(name, table.c[name].type) for name in rows[0]]
    given = func.json_to_recordset(bindparam("given", type_=Text).cast(JSON)).table_valued(*columns)
    return given.render_derived(name="given", with_types=True)


_plain: dict[tuple[Any, ...], tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]], list[int]]] = {}
"""(table, what, columns) → text, a row's values in their order, and which of them are JSON."""


def _with_json(row: tuple[Any, ...], places: Sequence[int]) -> tuple[Any, ...]:
    values = list(row)
    for place in places:
        value = values[place]
        if value or value.__class__ not in _EMPTY:
            values[place] = orjson.dumps(value).decode()
        else:  # what most of our JSON columns hold, mostly
            values[place] = _EMPTY[value.__class__]
    return tuple(values)


_EMPTY = {dict: "{}", list: "[]"}
