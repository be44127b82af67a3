"""The part of SOQL that integrations send: text in, rows out.

``query`` reads the text, ``paths`` the fields that it names. Errors are ``RowError`` in Salesforce's words.
"""

from __future__ import annotations

from typing import Any

from gateway_sandbox.records import Record
from gateway_sandbox.salesforce.catalogue import CHILDREN
from gateway_sandbox.salesforce.fields import RowError
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.salesforce.paths import comparable, parent_of, reader, relation_of, spelled, value_of
from gateway_sandbox.salesforce.query import Column, Parser, Query, Test

MAX_TEXT = 100_000


def run(org: Org, text: str, deleted: bool = False, url: str = "/services/data/v67.0") -> list[dict[str, Any]] | int:
    """The rows of a query as the API shows them; the number alone for ``COUNT()``. Raises ``RowError``."""
    if len(text) > MAX_TEXT:
        raise RowError("QUERY_TOO_COMPLICATED", "SOQL statement is too long")
    query = Parser(org, text).parse()
    return _rows(org, query, deleted or query.all_rows, url)


def _rows(org: Org, query: Query, deleted: bool, url: str, within: Test | None = None) -> list[dict[str, Any]] | int:
    table = org.records[query.object].values()
    found = [
        record
        for record in table
        if (deleted or not record.gone)
        and (within is None or within(record))
        and (query.test is None or query.test(record))
    ]
    if any(column.function for column in query.columns) or query.group:
        return _aggregated(org, query, found)
    for path, descending, nulls_first in reversed(query.order):
        read, of = reader(org, query.object, path)
        first = (not descending) if nulls_first is None else nulls_first
        missing = [record for record in found if read(record) is None]
        there = sorted(
            (record for record in found if read(record) is not None),
            key=lambda record: comparable(of, read(record)),
            reverse=descending,
        )
        found = missing + there if first else there + missing
    end = None if query.limit is None else query.offset + query.limit
    return [_shown(org, query, record, deleted, url) for record in found[query.offset : end]]


def _shown(org: Org, query: Query, record: Record, deleted: bool, url: str) -> dict[str, Any]:
    shown = _attributes(record, url)
    for column in query.columns:
        if column.children is not None:
            relation = CHILDREN[query.object, column.path]
            children = _rows(org, column.children, deleted, url, lambda one: one[relation[1]] == record.id)  # noqa: B023
            assert isinstance(children, list)
            shown[column.path] = {"totalSize": len(children), "done": True, "records": children} if children else None
            continue
        *parents, name = column.path.split(".")
        at: dict[str, Any] | None = shown
        held: Record | None = record
        for parent in parents:
            of = relation_of(org, held.object if held else "", parent) if held else None
            held = parent_of(org, held, of) if held and of else None
            key = of.relationship if of and of.relationship else parent
            if held is None:
                if at is not None:
                    at.setdefault(key, None)
                at = None
                break
            assert at is not None
            if at.get(key) is None:
                at[key] = _attributes(held, url)
            at = at[key]
        if at is not None and held is not None:
            at[spelled(org, held.object, name)] = value_of(held, name)
    return shown


def _attributes(record: Record, url: str) -> dict[str, Any]:
    return {"attributes": {"type": record.object, "url": f"{url}/sobjects/{record.object}/{record.id}"}}


def _aggregated(org: Org, query: Query, found: list[Record]) -> list[dict[str, Any]] | int:
    if (
        len(query.columns) == 1
        and query.columns[0].function == "COUNT"
        and not query.columns[0].path
        and not query.group
    ):
        return len(found)
    readers = {path: reader(org, query.object, path)[0] for path in query.group}
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in found:
        groups.setdefault(tuple(read(record) for read in readers.values()), []).append(record)
    if not query.group:
        groups.setdefault((), [])
    rows = []
    for key, records in groups.items():
        row: dict[str, Any] = {"attributes": {"type": "AggregateResult"}}
        unnamed = 0
        for column in query.columns:
            if not column.function:
                row[column.alias or column.path.split(".")[-1]] = dict(zip(readers, key, strict=True))[column.path]
                continue
            alias = column.alias or f"expr{unnamed}"
            unnamed += not column.alias
            row[alias] = _aggregate(org, query.object, column, records)
        rows.append(row)
    for path, descending, _ in reversed(query.order):
        name = path.split(".")[-1]
        rows.sort(key=lambda row: (row.get(name) is not None, row.get(name)), reverse=descending)
    return rows[query.offset :][: query.limit]


def _aggregate(org: Org, object: str, column: Column, records: list[Record]) -> Any:
    if not column.path:
        return len(records)
    read, _ = reader(org, object, column.path)
    values = [value for record in records if (value := read(record)) is not None]
    match column.function:
        case "COUNT":
            return len(values)
        case "COUNT_DISTINCT":
            return len(set(values))
        case "SUM":
            return sum(values) if values else None
        case "AVG":
            return sum(values) / len(values) if values else None
        case "MIN":
            return min(values, default=None)
        case _:
            return max(values, default=None)
