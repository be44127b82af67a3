"""``column IN (many values)`` as one parameter: no limit of variables, and the statement's text never changes.

SQLAlchemy writes every value of an ``IN`` list into the text anew, which cost more than the query itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from sqlalchemy import ARRAY, Boolean, ColumnElement, Dialect, String, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Texts(TypeDecorator[list[str]]):
    """An array where there are arrays; a JSON list elsewhere."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(ARRAY(Text()) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else orjson.dumps(value).decode()


class Among(FunctionElement[bool]):
    """Arguments: a text column, and a list of texts."""

    name = "among"
    type = Boolean()
    inherit_cache = True
    _is_implicitly_boolean = True  # else SQLite is asked for ``… = 1``, and no index serves that


def among(column: ColumnElement[Any], values: Iterable[str]) -> Among:
    """``column`` is one of ``values`` (texts; any number, none included)."""
    return Among(column, bindparam("among", list(values), _Texts(), unique=True))


class Outside(Among):
    """The same, and the column's text is none of them."""

    name = "outside"
    inherit_cache = True


def outside(column: ColumnElement[Any], values: Iterable[str]) -> Outside:
    """``column``, which is never null, is none of ``values``: looked up, where PostgreSQL would compare each row's with
    all of them, one by one."""
    return Outside(column, bindparam("outside", list(values), _Texts(), unique=True))


@compiles(Among)
def _on_sqlite(element: Among, compiler: Any, **kwargs: Any) -> str:
    column, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(Among, "postgresql")
def _on_postgresql(element: Among, compiler: Any, **kwargs: Any) -> str:
    column, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{column} = ANY ({values})"


@compiles(Outside)
def _not_on_sqlite(element: Outside, compiler: Any, **kwargs: Any) -> str:
    column, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{column} NOT IN (SELECT value FROM json_each({values}))"


@compiles(Outside, "postgresql")
def _not_on_postgresql(element: Outside, compiler: Any, **kwargs: Any) -> str:
    column, values = (compiler.process(clause, **kwargs) for clause in element.clauses)
    return f"{column} NOT IN (SELECT unnest({values}))"
