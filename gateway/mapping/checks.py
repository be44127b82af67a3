"""What must fit together in a mapping file, beyond the form of each part; every problem with its line.

Each check looks at one thing and only where the form is right, so one mistake is not told twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from marshmallow import ValidationError

from gateway.conditions import GROUPS, check_condition
from gateway.errors import Problem
from gateway.mapping.field import BUILT_IN, Blanks, FieldMapping, Transform
from gateway.mapping.grammar import (
    KINDS,
    FieldForm,
    MappingForm,
    default_type,
    is_code,
    is_computed,
    split_sync,
)
from gateway.mapping.paths import PathError, compile_expression, compile_path
from gateway.mapping.rules import names
from gateway.mapping.times import names_zone
from gateway.mapping.types import text_of
from gateway.settings.files import ConfigFile, KeyPath, dotted, suggest

CREATE = ("always", "never", "handoff")


def zone_of(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a relative name, or a folder of zones such as Europe
        return None


def definition(data: Mapping[str, Any]) -> dict[str, Any]:
    """A field of the file with everything that follows from it: type by name, ``prefer SYSTEM`` split."""
    loaded = dict(FieldForm().load({"to": data} if not isinstance(data, Mapping) else data))
    loaded["type"] = loaded.get("type") or default_type(loaded["to"])
    loaded["sync"], loaded["prefer"] = split_sync(loaded["sync"], loaded.get("prefer"))
    return loaded


def create_of(text: str) -> str:
    """``create`` in its short form: ``from stage mql`` and ``at handoff`` are ways to say it, too."""
    text = " ".join(text.split())
    return text.removeprefix("from ") if text.startswith("from stage ") else text.removeprefix("at ")


def check(file: ConfigFile, transforms: Mapping[str, Transform]) -> list[Problem]:
    """Every problem of the mapping file ``file``. ``transforms``: what plugins offer."""
    return _Check(file, transforms).problems


_NOT_OF_USERS = ("merged", "converted", "erased", "links", "identify_by", "activities", "outcomes", "create")


class _Check:
    def __init__(self, file: ConfigFile, transforms: Mapping[str, Transform]) -> None:
        self.file, self.transforms = file, transforms
        self.problems = file.check(MappingForm())
        self._wrong = [problem.key for problem in self.problems]
        self.zone: ZoneInfo | None = None
        self._file()
        objects = file.data.get("objects")
        self.objects: Mapping[Any, Any] = objects if isinstance(objects, Mapping) else {}
        self._types: dict[tuple[str, str], tuple[str, str]] = {}
        for name, data in self.objects.items():
            if isinstance(data, Mapping):
                self._object(("objects", name), data)
        for index, one in _entries(file.data.get("counts")):
            self._count(("counts", index), one)

    def add(self, path: KeyPath, message: str) -> None:
        self.problems.append(self.file.problem(path, message))

    def fine(self, path: KeyPath) -> bool:
        """True when the form of the thing at ``path`` has no complaint at it or below it."""
        key = dotted(path)
        return not any(one == key or one.startswith((f"{key}.", f"{key}[")) for one in self._wrong)

    def _file(self) -> None:
        data, stem = self.file.data, PurePosixPath(self.file.name.replace("\\", "/")).stem
        if self.fine(("system",)) and "system" in data and str(data["system"]) != stem:
            self.add(("system",), f"must be {stem!r}, like the file")
        if "timezone" in data and self.fine(("timezone",)):
            self.zone = zone_of(data["timezone"])
            if self.zone is None:
                self.add(("timezone",), f"no such time zone{suggest(data['timezone'], available_timezones())}")
        self._expression(("items",), data.get("items"))

    def _object(self, at: KeyPath, data: Mapping[Any, Any]) -> None:
        self._expression((*at, "items"), data.get("items"))
        for key in ("id", "event_id"):
            self._path((*at, key), data.get(key))
        for key in ("time", "created"):
            self._time((*at, key), data.get(key))
        for key in ("only", "include"):
            self._condition((*at, key), data)
        for index, one in _entries(data.get("exclude")):
            self._condition((*at, "exclude", index, "when"), one)
        for key in ("gone", "merged", "converted", "erased"):
            if isinstance(data.get(key), Mapping):
                self._condition((*at, key, "when"), data[key])
        self._life(at, data)
        for index, link in _entries(data.get("links")):
            self._path((*at, "links", index, "id"), link.get("id"))
            self._known((*at, "links", index, "to"), link.get("to"), self.objects, "object")
            to = link.get("to")
            other = self.objects.get(to) if isinstance(to, str) else None
            if isinstance(other, Mapping) and other.get("kind") == "user":
                self.add((*at, "links", index, "to"), "is a user; records are linked to people, companies and deals")
        for index, marker in enumerate(data["blank"] if isinstance(data.get("blank"), list) else []):
            if marker is not None and not isinstance(marker, str | int | float):
                self.add((*at, "blank", index), "expected a text or number")
        mapped = self._fields(at, data)
        for index, field in enumerate(data["identify_by"] if isinstance(data.get("identify_by"), list) else []):
            if isinstance(field, str) and field not in mapped:
                self.add(
                    (*at, "identify_by", index), f"no field of this object is mapped to it{suggest(field, mapped)}"
                )
        create = data.get("create")
        if isinstance(create, str):
            word = create_of(create)
            if word not in CREATE and not (word.startswith("stage ") and word != "stage "):
                self.add((*at, "create"), f"not one of {', '.join(CREATE)}, stage NAME{suggest(word, CREATE)}")
        self._rules(at, data)

    def _count(self, at: KeyPath, data: Mapping[Any, Any]) -> None:
        self._known((*at, "object"), data.get("object"), self.objects, "object")
        object_ = data.get("object")
        one = self.objects.get(object_) if isinstance(object_, str) else None
        if isinstance(one, Mapping) and one.get("kind") in KINDS and one["kind"] != "person":
            self.add((*at, "object"), f"is a {one['kind']}; leads are counted, so let it be an object of people")
        where = data.get("where")
        for name, values in where.items() if isinstance(where, Mapping) else ():
            given = values if isinstance(values, list) else [values]
            if not given or not all(isinstance(value, str | int | float) and value != "" for value in given):
                self.add((*at, "where", name), "expected a raw value or a list of them, none of them blank")

    def _life(self, at: KeyPath, data: Mapping[Any, Any]) -> None:
        if isinstance(merged := data.get("merged"), Mapping):
            self._path((*at, "merged", "losers"), merged.get("losers"))
        if isinstance(converted := data.get("converted"), Mapping):
            self._path((*at, "converted", "id"), converted.get("id"))
            self._known((*at, "converted", "to"), converted.get("to"), self.objects, "object")
        if data.get("erased") is not None and data.get("kind") in ("company", "deal"):
            self.add((*at, "erased"), "only persons are erased")
        for key in _NOT_OF_USERS if data.get("kind") == "user" else ():
            if data.get(key):
                self.add((*at, key), "a user of the system has none of these; users are only read")

    def _fields(self, at: KeyPath, data: Mapping[Any, Any]) -> set[str]:
        """Checks the fields block; returns the lead fields that this object brings in."""
        block = data.get("fields")
        first: dict[str, str] = {}
        mapped: set[str] = set()
        for field, raw in block.items() if isinstance(block, Mapping) else ():
            here = (*at, "fields", field)
            self._path(here, field)
            if not self.fine(here) or raw is None:
                continue
            form = definition(raw)
            to, inbound = form["to"], form["sync"] != "out"
            if inbound:
                mapped.add(to)
                if is_computed(to):
                    self.add(here, f"{to} is worked out by the gateway; it can only be sent (sync: out)")
                elif form["sync"] != "only if blank" and first.setdefault(to, str(field)) != str(field):
                    self.add(here, f"{first[to]!r} brings in {to}, too; let one be sync: only if blank")
                self._one_type(here, data.get("kind"), to, form["type"])
            if data.get("kind") == "user" and form["sync"] != "in":
                self.add((*here, "sync"), "users are only read; leave it out")
            needs_zone = form["type"] == "datetime" and (inbound or form.get("format"))
            if needs_zone and self.zone is None and not names_zone(form.get("format"), form.get("unit")):
                self._no_zone(here)
            if form.get("currency") and not is_code(form["currency"]):
                self._path((*here, "currency"), form["currency"])
            unknown = [name for name in form["transforms"] if name not in BUILT_IN and name not in self.transforms]
            for name in unknown:
                self.add(
                    (*here, "transforms", form["transforms"].index(name)),
                    f"no such transform{suggest(name, [*BUILT_IN, *self.transforms])}",
                )
            if form.get("values") and not unknown:
                self._values(here, str(field), form)
        return mapped

    def _one_type(self, here: KeyPath, kind: Any, to: str, type_: str) -> None:
        where, known = self._types.setdefault((str(kind), to), (dotted(here), type_))
        if known != type_:
            self.add(here, f"{to} is of type {type_} here and {known} at {where}")

    def _values(self, here: KeyPath, field: str, form: Mapping[str, Any]) -> None:
        """Each entry of a value map must be a value of the type, and must be met when its own key comes in."""
        blanks = Blanks([])
        sound = {}
        for raw, target in form["values"].items():
            several = target if isinstance(target, list) and target else [target]
            if isinstance(target, list) and form["sync"] != "out":
                self.add((*here, "values", raw), "several lead values for one raw value: only with sync: out")
                continue
            if not isinstance(raw, str | int | float) or any(isinstance(one, list | dict | None) for one in several):
                self.add((*here, "values", raw), "expected one raw value and one lead value")
                continue
            try:
                FieldMapping(field, {**form, "values": {raw: target}}, self.zone, blanks, self.transforms)
                sound[raw] = target
            except (ValidationError, TypeError):
                self.add((*here, "values", raw), f"the lead value does not fit type {form['type']}")
        mapping = FieldMapping(field, {**form, "values": sound}, self.zone, blanks, self.transforms)
        for raw in sound:
            try:
                read = mapping.load(raw)
            except ValidationError:
                read = None
            wanted = mapping.values[text_of(raw)]
            if read != ([wanted] if form["type"] == "list" else wanted):
                self.add((*here, "values", raw), "is never met: the transforms make another value of it")

    def _rules(self, at: KeyPath, data: Mapping[Any, Any]) -> None:
        if self.fine((*at, "no_outcome")):
            for field in data.get("no_outcome") or {}:
                self._path((*at, "no_outcome", field), field)
        rules = {
            (*at, block, index): rule
            for block in ("activities", "outcomes")
            for index, rule in _entries(data.get(block))
            if self.fine((*at, block, index))
        }
        seen: set[str] = set()
        for (here, rule), name in zip(rules.items(), names(list(rules.values())), strict=True):
            if name in seen:
                self.add(here, "the same rule, or one of the same name, stands above already")
            seen.add(name)
            self._condition((*here, "when"), rule)
            for key in ("at", "wake"):
                self._time((*here, key), rule.get(key))
            if rule.get("at") == "received":
                self.add((*here, "at"), "leave it out: the record's own time is taken")
            for key in ("id", "counter", "asset", "channel", "campaign", "reason", "by", "amount", "currency"):
                if not str(rule.get(key, "=")).startswith("="):
                    self._path((*here, key), rule[key])
            if rule.get("amount") and not rule.get("currency"):
                self.add(here, "an amount needs a currency: a code such as EUR, or the field path of one")
            if rule.get("counter") and "on" in rule:
                self.add((*here, "on"), "a counter counts by itself; leave on: out")

    def _time(self, here: KeyPath, data: Any) -> None:
        if data is None or not self.fine(here):
            return
        form = data if isinstance(data, Mapping) else {"field": data}
        if form["field"] == "received":
            if len(form) > 1:
                self.add(here, "received has no format and no unit")
            return
        self._path(here, form["field"])
        if form.get("format") and form.get("unit"):
            self.add(here, "a time is written in a format or as a number, not both")
        if self.zone is None and not names_zone(form.get("format"), form.get("unit")):
            self._no_zone(here)

    def _no_zone(self, here: KeyPath) -> None:
        if "timezone" not in self.file.data:
            self.add(here, "a time may come without a zone; say the system's timezone: at the top of the file")

    def _condition(self, path: KeyPath, holder: Mapping[Any, Any]) -> None:
        if (data := holder.get(path[-1])) is None:
            return
        self.problems += check_condition(self.file, path, data, None)
        for name in _attributes(data):
            self._path(path, name)

    def _path(self, here: KeyPath, text: Any) -> None:
        self._compiles(here, text, compile_path)

    def _expression(self, here: KeyPath, text: Any) -> None:
        self._compiles(here, text, compile_expression)

    def _compiles(self, here: KeyPath, text: Any, compiled: Callable[[str], Any]) -> None:
        if isinstance(text, str | int | float) and not isinstance(text, bool):
            try:
                compiled(str(text))  # YAML may have made a number of it
            except PathError as exc:
                self.add(here, str(exc))

    def _known(self, here: KeyPath, name: Any, known: Collection[Any], what: str) -> None:
        names = set(map(str, known))
        if isinstance(name, str | int | float) and not isinstance(name, bool) and str(name) not in names:
            self.add(here, f"no such {what} in this file{suggest(name, names)}")


def _entries(block: Any) -> Iterator[tuple[int, Mapping[Any, Any]]]:
    for index, entry in enumerate(block if isinstance(block, list) else []):
        if isinstance(entry, Mapping):
            yield index, entry


def _attributes(data: Any) -> Iterator[Any]:
    """The field paths of a condition that may be malformed."""
    for name, test in data.items() if isinstance(data, Mapping) else ():
        if name in GROUPS:
            for one in test if isinstance(test, list) else ():
                yield from _attributes(one)
        else:
            yield name
