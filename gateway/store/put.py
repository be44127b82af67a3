"""Many rows of one table in one statement: insert, upsert, count up, remove, or update by version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.errors import StaleCommit


@dataclass(slots=True)
class Put:
    """Insert, upsert, count and remove many rows of one table with one statement, on SQLite and on PostgreSQL."""

    connection: Connection

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]], ignore: bool = False) -> None:
        if rows:
            statement = self._insert(table)
            self.connection.execute(statement.on_conflict_do_nothing() if ignore else statement, list(rows))

    def upsert(self, table: Table, rows: Sequence[Mapping[str, Any]], newer: tuple[str, ...] = ()) -> None:
        """:param newer: columns of a stamp; a stored row with a greater one stays."""
        if rows:
            statement = self._insert(table)
            keys = [column.name for column in table.primary_key]
            values = {name: statement.excluded[name] for name in rows[0] if name not in keys}
            sent, held = ([columns[name] for name in newer] for columns in (statement.excluded, table.c))
            wins = tuple_(*sent) >= tuple_(*held) if newer else None
            self.connection.execute(
                statement.on_conflict_do_update(index_elements=keys, set_=values, where=wins), list(rows)
            )

    def count(
        self, table: Table, rows: Sequence[Mapping[str, Any]], on: tuple[str, ...] | None = None, bump: str = "count"
    ) -> None:
        """Insert, or add to the counter of the row that is there."""
        if rows:
            statement = self._insert(table)
            keys = list(on) if on else [column.name for column in table.primary_key]
            values = {bump: table.c[bump] + statement.excluded[bump]}
            self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))

    def remove(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> None:
        if keys:
            columns = list(table.primary_key)
            condition = and_(*(column == bindparam(f"b_{column.name}") for column in columns))
            self.connection.execute(
                delete(table).where(condition),
                [{f"b_{column.name}": part for column, part in zip(columns, key, strict=True)} for key in keys],
            )

    def versioned(self, table: Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows of version 1; update the others where the stored version is the one before."""
        self.insert(table, [row for row in rows if row["version"] == 1])
        known = [row for row in rows if row["version"] > 1]
        if not known:
            return
        values: dict[str, Any] = {name: bindparam(f"v_{name}") for name in known[0] if name != "id"}
        statement = (
            update(table)
            .where(table.c.id == bindparam("b_id"), table.c.version == bindparam("b_version"))
            .values(**values)
        )
        parameters = [
            {"b_id": row["id"], "b_version": row["version"] - 1, **{f"v_{k}": v for k, v in row.items() if k != "id"}}
            for row in known
        ]
        if self.connection.execute(statement, parameters).rowcount != len(known):
            raise StaleCommit(f"a row of {table.name} changed since it was loaded")

    def _insert(self, table: Table) -> Any:
        dialect = sqlite if self.connection.dialect.name == "sqlite" else postgresql
        return dialect.insert(table)
