"""One item of a payload becomes events of one object: what comes in, what is left out and why, what changed.

In: an item (a mapping of the system's own fields) and its document. Out: ``ReadItem``. Nothing is dropped in silence:
what is no event is ``Skipped`` or ``Quarantined`` with a reason that names fields and kinds, never values.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from gateway.conditions import attributes_of, compile_condition
from gateway.contracts import (
    Document,
    Kind,
    PersonErased,
    Precision,
    Quarantined,
    ReadItem,
    RecordChanged,
    RecordConverted,
    RecordGone,
    RecordsLinked,
    RecordsMerged,
    Skipped,
)
from gateway.mapping.field import Blanks, FieldMapping
from gateway.mapping.paths import MISSING, Getter, compile_path, is_plain
from gateway.mapping.times import Clock
from gateway.mapping.types import kind_of
from gateway.mapping.unmapped import nameable

MAX_DEPTH = 32
MAX_VALUES = 10_000
MAX_IDS = 1_000
"""Other records that one record may name in one field."""
_LONGEST_ID = 255
_REMEMBERED = 256
_LARGEST = 2**63
_SEPARATORS = re.compile(r"[;,\s]+")
Item = Mapping[str, Any]


class UnreadableError(Exception):
    """This item goes to quarantine; the text says why. ``unmapped``: the (field, value) no value map knows."""

    def __init__(self, reason: str, unmapped: tuple[str, str] | None = None) -> None:
        self.unmapped = unmapped
        super().__init__(reason)


def check_item(item: Item) -> None:
    """Raises ``UnreadableError`` when an item is too deep, too large or holds numbers that no store keeps."""
    nested = False
    for value in item.values():
        kind = value.__class__
        if kind is str or value is None or kind is bool:
            continue
        if kind is dict or kind is list:
            nested = True
        else:
            _check_number(value)
    if not nested and len(item) <= MAX_VALUES:
        return
    stack: list[tuple[Any, int]] = [(item, 1)]
    seen = 0
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise UnreadableError(f"nested deeper than {MAX_DEPTH} levels")
        seen += len(node)
        if seen > MAX_VALUES:
            raise UnreadableError(f"more than {MAX_VALUES:,} values")
        for value in node.values() if isinstance(node, Mapping) else node:
            if isinstance(value, Mapping | list | tuple):
                stack.append((value, depth + 1))
            elif value.__class__ is not str and value is not None and value.__class__ is not bool:
                _check_number(value)


def _check_number(value: Any) -> None:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnreadableError("holds a number that is not finite")
    elif isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise UnreadableError("holds a number of more than 64 bits")
    elif not isinstance(value, str | list | tuple | Mapping):
        raise UnreadableError(f"holds {kind_of(value)}, which JSON does not have")


class View:
    """The raw fields that conditions look at, under the paths the mapping writes, without blanks."""

    def __init__(self, paths: frozenset[str], blanks: Blanks) -> None:
        self._getters = tuple((path, compile_path(path)) for path in sorted(paths))
        self._blank = blanks

    def __call__(self, item: Item) -> dict[str, Any]:
        seen = {}
        for path, get in self._getters:
            value = get(item)
            if value is not MISSING and not self._blank(value):
                seen[path] = value
        return seen


class ObjectReader:
    """Reads the items of one object. ``data`` is the object's part of a checked mapping file, with defaults."""

    def __init__(
        self,
        system: str,
        name: str,
        data: Mapping[str, Any],
        kinds: Mapping[str, Kind],
        fields: Sequence[FieldMapping],
        observed: frozenset[str],
        times: Sequence[tuple[str, Clock]],
        clock: Callable[[Mapping[str, Any]], Clock],
        blanks: Blanks,
    ) -> None:
        self.system, self.name, self.kind = system, name, kinds[name]
        self._prefix = f"{system}:{name}:"
        self._id = compile_path(data["id"])
        self._which = f"{data['id']}: the record's id"
        self._event_id = compile_path(data["event_id"]) if data.get("event_id") else None
        self._time = _timed(data.get("time"), clock)
        self._created = _timed(data.get("created"), clock)
        self._only = compile_condition(data["only_"]) if data.get("only_") else None
        self._include = compile_condition(data["include"]) if data.get("include") else None
        self._exclude = [(one["reason"], compile_condition(one["when"])) for one in data["exclude_"]]
        self._gone = _conditional(data.get("gone"))
        self._merged = _conditional(data.get("merged"))
        self._converted = _conditional(data.get("converted"))
        self._erased = _conditional(data.get("erased"))
        conditions = [data.get("only_"), data.get("include"), *(one["when"] for one in data["exclude_"])]
        conditions += [(data.get(key) or {}).get("when") for key in ("gone", "merged", "converted", "erased")]
        paths = frozenset().union(*(attributes_of(one) for one in conditions if one))
        self._view = View(paths, blanks) if paths else None
        self._links = [
            (link["to"], kinds[link["to"]], link["role"], compile_path(link["id"])) for link in data["links"]
        ]
        self._losers = compile_path(data["merged"]["losers"]) if self._merged else None
        self._new_id = compile_path(data["converted"]["id"]) if self._converted else None
        self._blank = blanks
        self._complete: bool = data["complete"]
        spoken = {field.field for field in fields if field.inbound} | observed | {link["id"] for link in data["links"]}
        carried = spoken | {field.field for field in fields}  # outbound fields tell what the system holds
        self._plain = tuple(sorted(path for path in carried if is_plain(path)))
        self._deep = tuple((path, compile_path(path)) for path in sorted(carried) if not is_plain(path))
        self._always = frozenset(spoken) if self._complete else frozenset[str]()
        self._spoken: dict[tuple[str, ...], frozenset[str]] = {}
        self._currencies = [
            (field.field, compile_path(field.currency or ""))
            for field in fields
            if field.type == "money" and field.inbound and field.typed.options.currency is None
        ]
        self._currency_of = {
            field.field: field.currency for field in fields if field.currency and not field.typed.options.currency
        }
        self._strict = [field for field in fields if field.strict]
        self._times = list(times)
        more = {data["id"], data.get("event_id"), *(data[key]["field"] for key in ("time", "created") if data.get(key))}
        more |= {data[key].get(path) for key, path in (("merged", "losers"), ("converted", "id")) if data.get(key)}
        self._bare = frozenset(path for path in paths | more if path)
        more |= set(self._currency_of.values())
        self.reads: frozenset[str] = frozenset(path for path in paths | carried | more if path)
        """Every field path that is looked at: what a source that asks for fields by name has to ask for."""
        self.links: tuple[tuple[str, str], ...] = tuple((link["to"], link["role"]) for link in data["links"])
        """(object, role) of the links that items of this object may carry."""

    def asked(self, fields: Collection[str]) -> tuple[str, ...]:
        """What has to be asked for to read just these fields of a record again; none = everything: of an object that
        is ``complete`` what an item leaves out is blank.
        """
        if self._complete:
            return ()
        currencies = self._currency_of.keys() & set(fields)
        return tuple(sorted({*fields, *self._bare, *(self._currency_of[name] for name in currencies)}))

    def read(self, item: Any, document: Document) -> Iterator[ReadItem] | None:
        """The events of one item; None when the item is not of this object."""
        try:
            view = self._view(item) if self._view is not None else {}
        except RecursionError:
            return iter([self._quarantined("", f"nested deeper than {MAX_DEPTH} levels")])
        if self._only is not None and not self._only(view):
            return None
        return self._read(item, view, document)

    def _read(self, item: Item, view: dict[str, Any], document: Document) -> Iterator[ReadItem]:
        record = ""
        try:
            record = _id(self._id(item), self._which)
            check_item(item)
            key, clean = self._key(item)
            at, precision = self._at(item, document)
            created = self._created_at(item)
            yield from self._events(item if clean else _without_nul(item), view, record, at, precision, key, created)
        except UnreadableError as exc:
            yield self._quarantined(record, str(exc), exc.unmapped)
        except RecursionError:
            yield self._quarantined(record, f"nested deeper than {MAX_DEPTH} levels")

    def _events(
        self,
        item: Item,
        view: dict[str, Any],
        record: str,
        at: datetime,
        precision: Precision,
        key: str,
        created: datetime | None,
    ) -> Iterator[ReadItem]:
        """News of a record's life comes before ``include`` and ``exclude``: what was let in once must be let go."""
        if self._erased is not None and self._erased[0](view):
            yield PersonErased(
                system=self.system, object=self.name, kind=self.kind, record=record, at=at, precision=precision, key=key
            )
            return
        if self._gone is not None and self._gone[0](view):
            reason = self._gone[1]["reason"]
            yield RecordGone(
                system=self.system, object=self.name, kind=self.kind, record=record, at=at, precision=precision,
                key=key, reason=reason,
            )  # fmt: skip
            return
        moves = self._moves(item, view, record, at, precision, key)
        why = self._left_out(view)
        if why is None:
            values, speaks_of = self._values(item)
            if self._strict or self._times:
                self._check_values(values)
            linked = self._linked(item, record, at, precision, key) if self._links else ()
            if speaks_of or not moves:
                yield RecordChanged(
                    system=self.system, object=self.name, kind=self.kind, record=record, at=at, precision=precision,
                    key=key, values=values, speaks_of=speaks_of, created=created,
                )  # fmt: skip
            yield from linked
        elif not moves:
            yield Skipped(object=self.name, record=record, reason=why)
        yield from moves

    def _left_out(self, view: dict[str, Any]) -> str | None:
        for reason, holds in self._exclude:
            if holds(view):
                return str(reason)
        if self._include is not None and not self._include(view):
            return "not included"
        return None

    def _values(self, item: Item) -> tuple[dict[str, Any], frozenset[str]]:
        blank = self._blank
        values: dict[str, Any] = {}
        spoken: list[str] = []
        texts, held = blank.texts, item.get
        for path in self._plain:
            raw = held(path, MISSING)
            if raw is not MISSING:
                spoken.append(path)
                # What ``blank`` says of texts, without a call for each value of each item.
                if (raw and raw not in texts and not raw.isspace()) if raw.__class__ is str else not blank(raw):
                    values[path] = raw
        for path, get in self._deep:
            raw = get(item)
            if raw is not MISSING:
                spoken.append(path)
                if not blank(raw):
                    values[path] = raw
        for path, get in self._currencies:
            if path in values and not isinstance(values[path], list | dict):
                currency = get(item)
                if currency is not MISSING and not blank(currency):
                    values[path] = [values[path], currency]
        # Nearly all items of one object speak of the same: they share the set.
        speaks_of = self._spoken.get(said := tuple(spoken))
        if speaks_of is None:
            if len(self._spoken) >= _REMEMBERED:
                self._spoken.clear()
            speaks_of = self._spoken[said] = self._always.union(said)
        return values, speaks_of

    def _moves(
        self, item: Item, view: dict[str, Any], record: str, at: datetime, precision: Precision, key: str
    ) -> list[ReadItem]:
        moves: list[ReadItem] = []
        if self._merged is not None and self._merged[0](view) and self._losers is not None:
            losers = [loser for loser in self._ids(self._losers(item), "an id of a merged record") if loser != record]
            if losers:
                moves.append(
                    RecordsMerged(
                        system=self.system, object=self.name, kind=self.kind, record=record, at=at,
                        precision=precision, key=f"{key}:merged", losers=tuple(losers),
                    )
                )  # fmt: skip
            elif self._merged[1].get("when"):
                raise UnreadableError("is merged, but names no other record")
        if self._converted is not None and self._converted[0](view) and self._new_id is not None:
            to, ids = self._converted[1]["to"], self._ids(self._new_id(item), "the id it was converted to")
            if ids:
                moves.append(
                    RecordConverted(
                        system=self.system, object=self.name, kind=self.kind, record=record, at=at,
                        precision=precision, key=f"{key}:converted", to_object=to, to_record=ids[0],
                    )
                )  # fmt: skip
            elif self._converted[1].get("when"):
                raise UnreadableError("is converted, but names no new record")
        return moves

    def _linked(self, item: Item, record: str, at: datetime, precision: Precision, key: str) -> list[RecordsLinked]:
        return [
            RecordsLinked(
                system=self.system, object=self.name, kind=self.kind, record=record, at=at, precision=precision,
                key=f"{key}:{to}:{role}:{other}", to_object=to, to_record=other, to_kind=kind, role=role,
            )
            for to, kind, role, get in self._links
            for other in self._ids(get(item), f"the id of a linked {to}")
        ]  # fmt: skip

    def _check_values(self, values: Mapping[str, Any]) -> None:
        for field in self._strict:
            if field.field in values and (why := field.quarantines(values[field.field])):
                raw = values[field.field]
                unmapped = (field.field, nameable(raw)) if field.unknown(raw) and isinstance(raw, str) else None
                raise UnreadableError(f"{field.field}: {why}", unmapped)
        for path, clock in self._times:
            if path in values:
                try:
                    clock.read(values[path])
                except ValueError as exc:
                    raise UnreadableError(f"{path}: {exc}: {kind_of(values[path])}") from None

    def _ids(self, raw: Any, what: str) -> list[str]:
        """One id, a list of ids, or ids in one text with ``;``, commas or blanks between them."""
        if raw is MISSING or self._blank(raw):
            return []
        entries = _SEPARATORS.split(raw.strip()) if isinstance(raw, str) else raw if isinstance(raw, list) else [raw]
        ids = list(dict.fromkeys(_id(entry, what) for entry in entries if not self._blank(entry)))
        if len(ids) > MAX_IDS:
            raise UnreadableError(f"{what}: there are {len(ids):,} of them; at most {MAX_IDS:,} are read")
        return ids

    def _at(self, item: Item, document: Document) -> tuple[datetime, Precision]:
        if self._time is None:
            return document.received_at, "unknown"
        path, get, clock = self._time
        raw = get(item)
        if raw is MISSING or self._blank(raw):
            raise UnreadableError(f"{path}: the time is missing")
        try:
            return clock.read(raw)
        except ValueError as exc:
            raise UnreadableError(f"{path}: {exc}: {kind_of(raw)}") from None

    def _created_at(self, item: Item) -> datetime | None:
        if self._created is None:
            return None
        path, get, clock = self._created
        raw = get(item)
        if raw is MISSING or self._blank(raw):
            return None
        try:
            return clock.read(raw)[0]
        except ValueError as exc:
            raise UnreadableError(f"{path}: {exc}: {kind_of(raw)}") from None

    def _key(self, item: Item) -> tuple[str, bool]:
        """The event's key, and False when texts of the item hold NUL characters."""
        try:
            body = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # lone surrogates, or keys that are no text
            raise UnreadableError("holds something that is not JSON") from None
        clean = b"\\u0000" not in body
        if self._event_id is not None:
            raw = self._event_id(item)
            if raw.__class__ is int or (raw.__class__ is str and 0 < len(raw.strip()) <= _LONGEST_ID):
                return f"{self._prefix}{str(raw).strip()}", clean
        return f"{self._prefix}{hashlib.sha256(body).hexdigest()[:32]}", clean

    def _quarantined(self, record: str, why: str, unmapped: tuple[str, str] | None = None) -> Quarantined:
        named = "with an address as its id" if "@" in record else record or "without id"  # a reason is read by many
        reason = f"{self.name} {named}: {why}"
        return Quarantined(object=self.name, record=record, reason=reason, unmapped=unmapped)


def _id(raw: Any, what: str) -> str:
    if raw.__class__ is str:
        record: str = raw.strip()
    elif raw.__class__ is int:
        record = str(raw)
    elif raw is MISSING or raw is None:
        raise UnreadableError(f"{what} is missing")
    else:
        raise UnreadableError(f"{what} is {kind_of(raw)}")
    if not record:
        raise UnreadableError(f"{what} is missing")
    if len(record) > _LONGEST_ID or "\x00" in record:
        raise UnreadableError(f"{what} is {kind_of(record)}, which is no id")
    return record


def _without_nul(value: Any) -> Any:
    """PostgreSQL keeps no NUL characters in JSON; no system means anything by them."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(inner) for key, inner in value.items()}
    return [_without_nul(inner) for inner in value] if isinstance(value, list) else value


def _timed(
    data: Mapping[str, Any] | None, clock: Callable[[Mapping[str, Any]], Clock]
) -> tuple[str, Getter, Clock] | None:
    if data is None or data["field"] == "received":
        return None
    return data["field"], compile_path(data["field"]), clock(data)


def _conditional(
    data: Mapping[str, Any] | None,
) -> tuple[Callable[[Mapping[str, Any]], bool], Mapping[str, Any]] | None:
    if data is None:
        return None
    return (compile_condition(data["when"]) if data.get("when") else lambda view: True), data
