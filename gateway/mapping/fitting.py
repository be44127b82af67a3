"""A mapping file held against a system's live catalogue: what it names in vain, and what would be refused. Pure.

In: one object of a compiled mapping, its part of the file, the catalogue as ``Sink.describe`` gives it. Out: misfits,
each at the key of the file it is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from gateway.conditions import GROUPS, attributes_of
from gateway.contracts import Field
from gateway.mapping.compiled import ObjectMapping
from gateway.mapping.field import FieldMapping
from gateway.mapping.grammar import is_computed
from gateway.mapping.paths import is_expression
from gateway.settings.files import KeyPath, suggest

Catalogue = Mapping[str, Field]
RECEIVED = "received"
"""Of a record's time: when we heard of it. No field of any system."""
_NUMBERS = ("integer", "number", "money")
_READABLE = {
    "boolean": ("boolean", "string", "text"),
    "date": ("date", "datetime", "string", "text"),
    "datetime": ("date", "datetime", "string", "text"),
    **dict.fromkeys(_NUMBERS, (*_NUMBERS, "string", "text")),
}
"""Type in the catalogue → types of a mapping that can be read from it; of all others any can."""
WRITABLE = {
    "boolean": ("boolean",),
    "date": ("date",),
    "datetime": ("date", "datetime"),
    **dict.fromkeys(_NUMBERS, _NUMBERS),
}
"""Type in the catalogue → types of a mapping that can be sent to it; to all others any can."""
_LENGTHS = {
    "lead_id": 32, "handoff_id": 32, "score_reasons": 1000, "handoff_summary": 2000, "next_step": 255,
    "last_activities": 1500, "handoff_campaign": 255,
}  # fmt: skip
"""Characters of what the gateway works out itself."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """``key``: where in the object's part of the file. ``serious``: it would be refused, or can bring nothing ever."""

    key: KeyPath
    message: str
    serious: bool = True


@dataclass(frozen=True, slots=True)
class Known:
    """What else is known of lead fields: the only values they take, and the longest text they bring from elsewhere.

    ``words``: lead field → value → where it comes from.
    """

    words: Mapping[str, Mapping[Any, str]]
    lengths: Mapping[str, int]


def find(path: str, catalogue: Catalogue) -> Field | None:
    """The field that a mapping's path names; one of type ``relation`` where it lies beyond what the catalogue tells."""
    if path in catalogue:
        return catalogue[path]
    if is_expression(path):
        return Field(name=path, type="relation")
    first = catalogue.get(path.partition(".")[0])
    return first if first is not None and first.type == "relation" and "." in path else None


def misfits(
    one: ObjectMapping, data: Mapping[str, Any], catalogue: Catalogue, known: Known, made: str, prefix: str
) -> Iterator[Misfit]:
    """Everything wrong with one object. ``data``: its part of the file; ``made``: the command that makes fields whose
    names begin with ``prefix``."""
    mapped = {field.field: field for field in one.fields}
    for path in sorted((one.reader.reads - {RECEIVED}) | mapped.keys()):
        if find(path, catalogue) is None:
            hint = f"; {made} makes it" if prefix and path.startswith(prefix) else suggest(path, catalogue)
            key: KeyPath = ("fields", path) if path in mapped else _where(data, path)
            named = "" if path in mapped else f"{path}: "
            yield Misfit(key, f"{named}no such field there, or hidden from our user{hint}")
    for path, field in mapped.items():
        there = find(path, catalogue)
        if there is not None and there.type != "relation":
            for misfit in (*_read(field, there), *_written(field, there, known)):
                yield Misfit(("fields", path), *misfit)
    if one.outbound:
        yield from _short(one, catalogue, known)
    if one.outbound and one.create != "never":
        for name, there in catalogue.items():
            if there.required and name not in one.outbound:
                key = ("fields", name) if name in mapped else ("create",) if "create" in data else ()
                yield Misfit(key, f"{name} is required to create one, but is not written")
    yield from _conditions(data, (), catalogue)


def delivered(one: ObjectMapping, data: Mapping[str, Any], catalogue: Catalogue) -> tuple[set[str], set[str]]:
    """(lead fields, activities) that this object can bring in, of those that its mapping names."""
    fields = {field.to for path, field in one.inbound.items() if find(path, catalogue) is not None}
    activities = set()
    for rule in data.get("activities") or ():
        needed = {rule["counter"]} if rule.get("counter") else set()
        needed |= set(attributes_of(rule["when"])) if rule.get("when") else set()
        if all(find(path, catalogue) is not None for path in needed):
            activities.add(rule["activity"])
    return fields, activities


def words(one: ObjectMapping, catalogue: Catalogue) -> Iterator[tuple[str, Any, str]]:
    """(lead field, value, field over there) of picklists that are read: nothing else comes from there."""
    for path, field in one.inbound.items():
        there = find(path, catalogue)
        if there is None or there.type not in ("choice", "list") or not there.restricted:
            continue
        for option in there.options:
            try:
                value = field.load(option)
            except ValidationError:
                continue
            for word in value if isinstance(value, list) else [value]:
                yield field.to, word, path


def _read(field: FieldMapping, there: Field) -> Iterator[tuple[str, bool]]:
    if not field.inbound:
        return
    if there.type == "other" or field.type not in _READABLE.get(there.type, (field.type,)):
        yield f"is {_a(there.type)}, read as {field.type}: every value would be dropped", True
    if field.values and field.unmapped != "keep":
        unknown = [option for option in there.options if field.quarantines(option) or not _loads(field, option)]
        if unknown:
            yield f"values: has no line for {_listed(unknown)}", False


def _written(field: FieldMapping, there: Field, known: Known) -> Iterator[tuple[str, bool]]:
    if not field.outbound:
        return
    if not there.writable:
        yield "is read-only there, but the mapping writes it", True
        return
    if field.type not in WRITABLE.get(there.type, (field.type,)):
        yield f"takes {_a(there.type)}, the mapping writes {field.type}", True
    cut = field.typed.options.length
    if cut is not None and there.length is not None and cut > there.length:
        yield f"holds {there.length:,} characters, the mapping cuts at {cut:,}", True
    if there.type in ("choice", "list") and there.options:
        missing = [str(raw) for raw in field.writes if str(raw) not in there.options]
        if missing:
            yield f"has no option {_listed(missing)}, which the mapping may write", there.restricted
        lost: dict[str, list[str]] = {}
        for value, where in known.words.get(field.to, {}).items():
            if _raw(field, value) not in there.options and str(value) not in missing:
                lost.setdefault(where, []).append(str(value))
        for where, values in lost.items():
            yield f"has no option {_listed(values)}, which {where} brings", there.restricted


def _short(one: ObjectMapping, catalogue: Catalogue, known: Known) -> Iterator[Misfit]:
    """Fields that hold less than may come. Where only long texts of people would not fit, that is told once."""
    tight = []
    for path, field in one.outbound.items():
        there = catalogue.get(path)
        if there is None or there.length is None or there.options or field.typed.options.length is not None:
            continue
        if there.type not in ("string", "text"):
            continue
        needed = _LENGTHS.get(field.to) or max(
            [known.lengths.get(field.to, 0), *(len(str(word)) for word in known.words.get(field.to, ()))]
        )
        if needed <= there.length:
            continue
        if is_computed(field.to):
            cure = "" if field.to in ("lead_id", "handoff_id") else f"; say length: {there.length}"
            yield Misfit(("fields", path), f"holds {there.length:,} characters, {field.to} has up to {needed:,}{cure}")
        else:
            tight.append(f"{path} ({there.length:,})")
    if tight:
        yield Misfit(
            ("fields",),
            f"{', '.join(tight)}: may be too short for what comes; a longer value is refused: say length: N",
            False,
        )


def _conditions(node: Any, at: KeyPath, catalogue: Catalogue) -> Iterator[Misfit]:
    """Tests of a picklist's value that it does not have: such a rule never fires."""
    if isinstance(node, list):
        for index, one in enumerate(node):
            yield from _conditions(one, (*at, index), catalogue)
    elif isinstance(node, Mapping):
        for key, value in node.items():
            if key in ("when", "include") and isinstance(value, Mapping):
                yield from _tests(value, (*at, key), catalogue)
            elif key != "fields":
                yield from _conditions(value, (*at, key), catalogue)


def _tests(condition: Mapping[Any, Any], at: KeyPath, catalogue: Catalogue) -> Iterator[Misfit]:
    for name, test in condition.items():
        if name in GROUPS:
            for index, inner in enumerate(test if isinstance(test, list) else ()):
                if isinstance(inner, Mapping):
                    yield from _tests(inner, (*at, name, index), catalogue)
            continue
        there = catalogue.get(str(name))
        if there is None or there.type not in ("choice", "list") or not there.options:
            continue
        if isinstance(test, Mapping):
            test = [value for key in ("is", "in") for value in _several(test.get(key, []))]
        options = {option.strip().casefold() for option in there.options}
        unknown = [str(value) for value in _several(test) if str(value).strip().casefold() not in options]
        if unknown:
            hint = suggest(unknown[0], there.options) or f"; there are {_listed(list(there.options))}"
            yield Misfit((*at, name), f"{name} has no option {_listed(unknown)}{hint}", False)


def lacking(condition: Mapping[Any, Any], catalogue: Catalogue) -> str:
    """What picklists lack of what a condition asks for; empty when nothing."""
    return "; ".join(misfit.message for misfit in _tests(condition, (), catalogue))


def _where(data: Any, path: str, at: KeyPath = ()) -> KeyPath:
    """The first place, outside the fields, that names ``path``; the object itself when none does as a whole."""
    items: Collection[tuple[Any, Any]] = ()
    if isinstance(data, Mapping):
        items = data.items()
    elif isinstance(data, list):
        items = list(enumerate(data))
    for key, value in items:
        if key == path or value == path:
            return (*at, key)
        if key != "fields" and isinstance(value, Mapping | list) and (found := _where(value, path, (*at, key))):
            return found
    return ()


def _raw(field: FieldMapping, value: Any) -> str | None:
    try:
        raw = field.dump([value] if field.type == "list" else value)
    except ValidationError:
        return None
    return str(raw)


def _loads(field: FieldMapping, option: str) -> bool:
    try:
        field.load(option)
    except ValidationError:
        return False
    return True


def _several(test: Any) -> list[Any]:
    return test if isinstance(test, list) else [test]


def _listed(options: Collection[str], most: int = 8) -> str:
    shown = ", ".join(map(repr, list(options)[:most]))
    return f"{shown} and {len(options) - most} more" if len(options) > most else shown


def _a(kind: str) -> str:
    return {"other": "of a kind that no mapping reads", "boolean": "yes or no", "integer": "a whole number"}.get(
        kind, f"a {kind}"
    )
