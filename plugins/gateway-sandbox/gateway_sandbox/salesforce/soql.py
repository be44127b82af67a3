"""The part of SOQL that integrations send: text in, rows out.

``SELECT`` of fields, parents (``Owner.Email``), children (``(SELECT … FROM OpportunityContactRoles)``) and aggregates;
``WHERE`` with AND, OR, NOT, brackets, ``= != < <= > >= LIKE IN NOT IN`` and half-joins; ``GROUP BY``, ``ORDER BY``,
``LIMIT``, ``OFFSET``. Text is compared without case, as there. Errors are ``RowError`` in Salesforce's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway_sandbox.clock import parse as parse_time
from gateway_sandbox.records import Record
from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.catalogue import CHILDREN, Field, RowError
from gateway_sandbox.salesforce.org import Org

MAX_TEXT = 100_000
NAME_FIELDS = {
    name.lower(): name
    for name in ("Id", "Name", "Type", "Email", "FirstName", "LastName", "Title", "Phone", "Username", "IsActive")
}
"""What can be asked of a parent that may be of several types."""

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))?)
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_][\w.]*(?::\d+)?)
  | (?P<sign><=|>=|!=|<>|[=<>(),])
)""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_AGGREGATES = ("COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX")

Test = Callable[[Record], bool]


@dataclass(slots=True)
class Column:
    path: str = ""
    function: str = ""
    alias: str = ""
    children: Query | None = None


@dataclass(slots=True)
class Query:
    object: str
    columns: list[Column]
    test: Test | None = None
    group: list[str] = field(default_factory=list)
    order: list[tuple[str, bool, bool | None]] = field(default_factory=list)
    """(path, descending, nulls first)."""
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False


def malformed(message: str) -> RowError:
    return RowError("MALFORMED_QUERY", message)


def run(org: Org, text: str, deleted: bool = False, url: str = "/services/data/v67.0") -> list[dict[str, Any]] | int:
    """The rows of a query as the API shows them; the number alone for ``COUNT()``. Raises ``RowError``."""
    if len(text) > MAX_TEXT:
        raise RowError("QUERY_TOO_COMPLICATED", "SOQL statement is too long")
    query = _Parser(org, text).parse()
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
        read, of = _reader(org, query.object, path)
        first = (not descending) if nulls_first is None else nulls_first
        missing = [record for record in found if read(record) is None]
        there = sorted(
            (record for record in found if read(record) is not None),
            key=lambda record: _comparable(of, read(record)),
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
            of = _relation(org, held.object if held else "", parent) if held else None
            held = _parent(org, held, of) if held and of else None
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
            at[_spelled(org, held.object, name)] = _value(held, name)
    return shown


def _spelled(org: Org, object: str, name: str) -> str:
    of = org.field(object, name)
    return of.name if of else NAME_FIELDS.get(name.lower(), name)


def _value(record: Record, name: str) -> Any:
    if name.lower() == "type" and record.object in ("User", "Group", "Lead", "Contact"):
        return "Queue" if record.object == "Group" else record.object
    if name in record.values:
        return record.values[name]
    return next((value for key, value in record.values.items() if key.lower() == name.lower()), None)


def _attributes(record: Record, url: str) -> dict[str, Any]:
    return {"attributes": {"type": record.object, "url": f"{url}/sobjects/{record.object}/{record.id}"}}


def _relation(org: Org, object: str, name: str) -> Field | None:
    return next(
        (of for of in org.fields(object).values() if of.relationship and of.relationship.lower() == name.lower()), None
    )


def _parent(org: Org, record: Record, of: Field) -> Record | None:
    id = record[of.name]
    return org.records[ids.object_of(id) or ""].get(id) if id else None


def _reader(org: Org, object: str, path: str) -> tuple[Callable[[Record], Any], Field]:
    """How to read a path from a record, and the field at its end. Raises ``RowError`` INVALID_FIELD."""
    *parents, name = path.split(".")
    if parents and parents[0].lower() == object.lower():
        parents = parents[1:]
    at, relations = object, []
    for parent in parents:
        of = _relation(org, at, parent)
        if of is None:
            raise RowError(
                "INVALID_FIELD",
                f"Didn't understand relationship '{parent}' in field path. If you are attempting to use a custom "
                "relationship, be sure to append the '__r' after the custom relationship name.",
            )
        relations.append(of)
        if len(of.to) > 1:
            if name.lower() not in NAME_FIELDS:
                raise _no_column(name, "Name")
            name = NAME_FIELDS[name.lower()]
            end = next((org.objects[to][name] for to in of.to if name in org.objects[to]), Field(name))
            return _through(org, relations, name), end
        at = of.to[0]
    end_of = org.field(at, name)
    if end_of is None:
        raise _no_column(name, at)
    if not relations:
        exact = end_of.name
        return lambda record: record.values.get(exact), end_of
    return _through(org, relations, end_of.name), end_of


def _through(org: Org, relations: list[Field], name: str) -> Callable[[Record], Any]:
    def read(record: Record) -> Any:
        held: Record | None = record
        for of in relations:
            held = _parent(org, held, of) if held else None
        return _value(held, name) if held else None

    return read


def _no_column(name: str, object: str) -> RowError:
    return RowError(
        "INVALID_FIELD",
        f"\nERROR at Row:1:Column:8\nNo such column '{name}' on entity '{object}'. If you are attempting to use a "
        "custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the "
        "describe call for the appropriate names.",
    )


def _comparable(of: Field, value: Any) -> Any:
    if value is None:
        return None
    if of.type == "datetime":
        return value if isinstance(value, datetime) else parse_time(str(value))
    if of.type in ("double", "int", "currency", "percent"):
        return float(value)
    if of.type == "boolean":
        return bool(value)
    if of.type in ("id", "reference"):
        try:
            return ids.whole(str(value))
        except ValueError:
            return str(value)
    return str(value).lower()


def _aggregated(org: Org, query: Query, found: list[Record]) -> list[dict[str, Any]] | int:
    if (
        len(query.columns) == 1
        and query.columns[0].function == "COUNT"
        and not query.columns[0].path
        and not query.group
    ):
        return len(found)
    readers = {path: _reader(org, query.object, path)[0] for path in query.group}
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
    read, _ = _reader(org, object, column.path)
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


class _Parser:
    def __init__(self, org: Org, text: str) -> None:
        self.org = org
        self.tokens = list(_tokens(text))
        self.at = 0

    # Words

    def _peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place][1] if place < len(self.tokens) else ""

    def _is(self, *words: str) -> bool:
        return all(
            self._peek(ahead).upper() == word and self._kind(ahead) != "text" for ahead, word in enumerate(words)
        )

    def _kind(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.tokens[place][0] if place < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        if not token:
            raise malformed("unexpected end of query")
        self.at += 1
        return token

    def _expect(self, word: str) -> None:
        if not self._is(word):
            raise malformed(f"unexpected token: '{self._peek() or '<EOF>'}'")
        self.at += 1

    def _skip(self, *words: str) -> bool:
        if not self._is(*words):
            return False
        self.at += len(words)
        return True

    # Clauses

    def parse(self) -> Query:
        query = self._query(None)
        if self.at < len(self.tokens):
            raise malformed(f"unexpected token: '{self._peek()}'")
        return query

    def _query(self, parent: str | None) -> Query:
        self._expect("SELECT")
        # columns need the object, which comes after them
        start, depth = self.at, 0
        while self.at < len(self.tokens) and not (depth == 0 and self._is("FROM")):
            depth += {"(": 1, ")": -1}.get(self._peek(), 0) if self._kind() == "sign" else 0
            self.at += 1
        end = self.at
        self._expect("FROM")
        name = self._take()
        if parent is None:
            object = self.org.named(name)
            if object not in self.org.objects:
                raise RowError(
                    "INVALID_TYPE",
                    f"\nERROR at Row:1:Column:1\nsObject type '{name}' is not supported. If you are attempting to "
                    "use a custom object, be sure to append the '__c' after the entity name.",
                )
        else:
            relation = next((key for key in CHILDREN if key[0] == parent and key[1].lower() == name.lower()), None)
            if relation is None:
                raise RowError("INVALID_TYPE", f"Didn't understand relationship '{name}' in FROM part of query call.")
            object = CHILDREN[relation][0]
        after, self.at = self.at, start
        columns = self._columns(object, end)
        self.at = after
        query = Query(object, columns)
        self._clauses(query)
        return query

    def _columns(self, object: str, end: int) -> list[Column]:
        columns = []
        while self.at < end:
            columns.append(self._column(object))
            if self.at < end:
                self._expect(",")
        if not columns:
            raise malformed("unexpected token: 'FROM'")
        return columns

    def _column(self, object: str) -> Column:
        if self._skip("("):
            children = self._query(object)
            self._expect(")")
            name = next(key[1] for key, (child, _) in CHILDREN.items() if key[0] == object and child == children.object)
            return Column(path=name, children=children)
        name = self._take()
        if self._is("("):
            if name.upper() not in (*_AGGREGATES, "FIELDS"):
                raise malformed(f"unknown function: {name}")
            self.at += 1
            path = "" if self._is(")") else self._take()
            self._expect(")")
            if path:
                _reader(self.org, object, path)
            alias = self._take() if self._kind() == "name" and not self._is("FROM") else ""
            return Column(path, name.upper(), alias)
        _reader(self.org, object, name)
        alias = self._take() if self._kind() == "name" and not self._is("FROM") else ""
        return Column(name, alias=alias)

    def _clauses(self, query: Query) -> None:
        if self._skip("WHERE"):
            query.test = self._any(query.object)
        if self._skip("GROUP", "BY"):
            query.group = [self._take()]
            while self._skip(","):
                query.group.append(self._take())
        if self._skip("ORDER", "BY"):
            query.order = [self._ordering(query)]
            while self._skip(","):
                query.order.append(self._ordering(query))
        if self._skip("LIMIT"):
            query.limit = int(self._take())
        if self._skip("OFFSET"):
            query.offset = int(self._take())
        query.all_rows = self._skip("ALL", "ROWS")

    def _ordering(self, query: Query) -> tuple[str, bool, bool | None]:
        path = self._take()
        if not query.group:
            _reader(self.org, query.object, path)
        descending = self._skip("DESC")
        if not descending:
            self._skip("ASC")
        nulls: bool | None = None
        if self._skip("NULLS"):
            nulls = self._take().upper() == "FIRST"
        return path, descending, nulls

    # Conditions

    def _any(self, object: str) -> Test:
        tests = [self._all(object)]
        while self._skip("OR"):
            tests.append(self._all(object))
        return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)

    def _all(self, object: str) -> Test:
        tests = [self._one(object)]
        while self._skip("AND"):
            tests.append(self._one(object))
        return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)

    def _one(self, object: str) -> Test:
        if self._skip("NOT"):
            inner = self._one(object)
            return lambda record: not inner(record)
        if self._skip("("):
            inner = self._any(object)
            self._expect(")")
            return inner
        read, of = _reader(self.org, object, self._take())
        if self._skip("NOT", "IN"):
            wanted = self._list(of)
            return lambda record: _comparable(of, read(record)) not in wanted
        if self._skip("IN"):
            wanted = self._list(of)
            return lambda record: _comparable(of, read(record)) in wanted
        if self._skip("LIKE"):
            pattern = _like(str(self._literal(of, like=True)))
            return lambda record: bool(pattern.fullmatch(str(read(record) or "")))
        sign = self._take()
        if sign not in ("=", "!=", "<>", "<", "<=", ">", ">="):
            raise malformed(f"unexpected token: '{sign}'")
        return _compare(of, read, sign, self._literal(of))

    def _list(self, of: Field) -> frozenset[Any]:
        self._expect("(")
        if self._is("SELECT"):
            query = self._query(None)
            self._expect(")")
            read, end = _reader(self.org, query.object, query.columns[0].path)
            table = self.org.records[query.object].values()
            return frozenset(
                _comparable(end, read(one))
                for one in table
                if not one.gone and (query.test is None or query.test(one)) and read(one) is not None
            )
        values = []
        while not self._is(")"):
            values.append(_comparable(of, self._literal(of)))
            if not self._skip(","):
                break
        self._expect(")")
        if not values:
            raise malformed("unexpected token: ')'")
        return frozenset(values)

    def _literal(self, of: Field, like: bool = False) -> Any:
        kind, text = self._kind(), self._take()
        if kind == "text":
            if of.type in ("double", "int", "currency", "percent", "boolean", "date", "datetime"):
                raise RowError(
                    "INVALID_FIELD", f"value of filter criterion for field '{of.name}' must be of type {of.type}"
                )
            # in a pattern, \\% and \\_ are left for the pattern to read
            kept = "%_" if like else ""
            return re.sub(
                r"\\(.)", lambda found: found[0] if found[1] in kept else _ESCAPES.get(found[1], found[1]), text[1:-1]
            )
        if kind == "time":
            if of.type not in ("date", "datetime") or (of.type == "datetime") != ("T" in text):
                raise RowError(
                    "INVALID_FIELD", f"value of filter criterion for field '{of.name}' must be of type {of.type}"
                )
            return text
        if kind == "number":
            return float(text)
        word = text.upper()
        if word == "NULL":
            return None
        if word in ("TRUE", "FALSE"):
            return word == "TRUE"
        return _relative(self.org.clock.now(), word, of)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise malformed(f"unexpected token: '{text[at : at + 20].strip()}'")
        yield str(found.lastgroup), found[found.lastgroup or 0]
        at = found.end()


def _like(pattern: str) -> re.Pattern[str]:
    def part(found: re.Match[str]) -> str:
        return {"%": ".*", "_": "."}.get(found[0]) or re.escape(found[0].removeprefix("\\") or "\\")

    return re.compile(re.sub(r"\\?[%_]|\\|[^%_\\]+", part, pattern), re.IGNORECASE | re.DOTALL)


def _compare(of: Field, read: Callable[[Record], Any], sign: str, literal: Any) -> Test:
    if isinstance(literal, _Span):
        return _within(of, read, sign, literal)
    wanted = _comparable(of, literal)
    if sign == "=":
        return lambda record: _comparable(of, read(record)) == wanted
    if sign in ("!=", "<>"):
        return lambda record: _comparable(of, read(record)) != wanted
    if wanted is None:
        return lambda record: False
    if sign == "<":
        return lambda record: (have := _comparable(of, read(record))) is not None and have < wanted
    if sign == "<=":
        return lambda record: (have := _comparable(of, read(record))) is not None and have <= wanted
    if sign == ">":
        return lambda record: (have := _comparable(of, read(record))) is not None and have > wanted
    return lambda record: (have := _comparable(of, read(record))) is not None and have >= wanted


@dataclass(frozen=True, slots=True)
class _Span:
    """What ``TODAY`` means: a time in it equals it, ``end`` is after it."""

    start: Any
    end: Any


def _within(of: Field, read: Callable[[Record], Any], sign: str, span: _Span) -> Test:
    def test(record: Record) -> bool:
        have = _comparable(of, read(record))
        if have is None:
            return sign in ("!=", "<>")
        inside = bool(span.start <= have < span.end)
        match sign:
            case "=":
                return inside
            case "!=" | "<>":
                return not inside
            case "<":
                return bool(have < span.start)
            case "<=":
                return bool(have < span.end)
            case ">":
                return bool(have >= span.end)
            case _:
                return bool(have >= span.start)

    return test


def _relative(now: datetime, word: str, of: Field) -> _Span:
    """``TODAY``, ``YESTERDAY`` and ``LAST_N_DAYS:n`` (those days and today)."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    tomorrow = midnight + timedelta(days=1)
    if word == "TODAY":
        start, end = midnight, tomorrow
    elif word == "YESTERDAY":
        start, end = midnight - timedelta(days=1), midnight
    elif word.startswith("LAST_N_DAYS:"):
        start, end = midnight - timedelta(days=int(word.split(":")[1])), tomorrow
    else:
        raise malformed(f"unexpected token: '{word}'")
    if of.type == "datetime":
        return _Span(start, end)
    return _Span(start.strftime("%Y-%m-%d"), end.strftime("%Y-%m-%d"))
