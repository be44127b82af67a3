"""A query in SOQL: text in, what is asked for out.

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

from gateway_sandbox.records import Record
from gateway_sandbox.salesforce.catalogue import CHILDREN
from gateway_sandbox.salesforce.fields import Field, RowError
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.salesforce.paths import comparable, reader

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


class Parser:
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
                reader(self.org, object, path)
            alias = self._take() if self._kind() == "name" and not self._is("FROM") else ""
            return Column(path, name.upper(), alias)
        reader(self.org, object, name)
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
            reader(self.org, query.object, path)
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
        read, of = reader(self.org, object, self._take())
        if self._skip("NOT", "IN"):
            wanted = self._list(of)
            return lambda record: comparable(of, read(record)) not in wanted
        if self._skip("IN"):
            wanted = self._list(of)
            return lambda record: comparable(of, read(record)) in wanted
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
            read, end = reader(self.org, query.object, query.columns[0].path)
            table = self.org.records[query.object].values()
            return frozenset(
                comparable(end, read(one))
                for one in table
                if not one.gone and (query.test is None or query.test(one)) and read(one) is not None
            )
        values = []
        while not self._is(")"):
            values.append(comparable(of, self._literal(of)))
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
    wanted = comparable(of, literal)
    if sign == "=":
        return lambda record: comparable(of, read(record)) == wanted
    if sign in ("!=", "<>"):
        return lambda record: comparable(of, read(record)) != wanted
    if wanted is None:
        return lambda record: False
    if sign == "<":
        return lambda record: (have := comparable(of, read(record))) is not None and have < wanted
    if sign == "<=":
        return lambda record: (have := comparable(of, read(record))) is not None and have <= wanted
    if sign == ">":
        return lambda record: (have := comparable(of, read(record))) is not None and have > wanted
    return lambda record: (have := comparable(of, read(record))) is not None and have >= wanted


@dataclass(frozen=True, slots=True)
class _Span:
    """What ``TODAY`` means: a time in it equals it, ``end`` is after it."""

    start: Any
    end: Any


def _within(of: Field, read: Callable[[Record], Any], sign: str, span: _Span) -> Test:
    def test(record: Record) -> bool:
        have = comparable(of, read(record))
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
