"""The compiled mapping: what sources, leads and sync hold in their hands.

``compile_mapping`` checks a file as a whole and builds a ``SystemMapping`` of ``ObjectMapping`` of ``FieldMapping``.
Each object carries its marshmallow schema: ``load`` takes raw values by system field to canonical ones by lead field,
``dump`` the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, fields, missing, pre_load

from gateway.contracts import Count, Document, Kind, Quarantined, ReadItem, RecordChanged, Skipped
from gateway.errors import ConfigError, QuarantineDocument
from gateway.mapping import checks
from gateway.mapping.field import Blanks, FieldMapping, Transform
from gateway.mapping.grammar import MappingForm
from gateway.mapping.paths import compile_expression
from gateway.mapping.reading import ObjectReader
from gateway.mapping.rules import Emitted, Rule, Rules, names
from gateway.mapping.times import Clock
from gateway.mapping.types import kind_of
from gateway.mapping.unmapped import Unmapped
from gateway.settings.files import ConfigFile, content_hash

MAX_ITEMS = 10_000


class MappedField(fields.Field[Any]):
    """A ``FieldMapping`` as marshmallow sees it."""

    def __init__(self, mapping: FieldMapping, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)
        self.mapping = mapping

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return self.mapping.load(value)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return self.mapping.dump(value)


class MappedSchema(Schema):
    """Load: raw by system field → canonical by lead field; blanks are left out. Dump: the other way."""

    class Meta:
        unknown = EXCLUDE

    is_blank = Blanks([])

    @pre_load
    def _without_blanks(self, data: Any, **kwargs: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {name: raw for name, raw in data.items() if not self.is_blank(raw)}

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        return obj.get(attr, missing)


class ObjectMapping:
    """One object of the system: its fields, what its records may do to leads, and what its observed values mean."""

    def __init__(
        self,
        system: str,
        name: str,
        data: Mapping[str, Any],
        raw: Mapping[str, Any],
        kinds: Mapping[str, Kind],
        role: str,
        zone: Any,
        transforms: Mapping[str, Transform],
    ) -> None:
        def clock(form: Mapping[str, Any]) -> Clock:
            return Clock(zone, form.get("format"), form.get("unit"))

        self.name = name
        self.kind: Kind = kinds[name]
        self.identify_by: tuple[str, ...] = tuple(data["identify_by"])
        self.create = checks.create_of(data.get("create") or ("handoff" if role == "crm" else "never"))
        self.update: bool = data["update"] == "linked"
        self.once: str = data["once"]
        definitions = {str(field): checks.definition(one) for field, one in (raw.get("fields") or {}).items()}
        stand_ins = [one["otherwise"] for one in definitions.values() if "otherwise" in one]
        blanks = Blanks([*data["blank"], *stand_ins])
        self.fields = tuple(FieldMapping(name, one, zone, blanks, transforms) for name, one in definitions.items())
        self.inbound = {field.field: field for field in self.fields if field.inbound}
        self.outbound = {field.field: field for field in self.fields if field.outbound}
        forms = [*data["activities"], *data["outcomes"]]
        named = names([*(raw.get("activities") or []), *(raw.get("outcomes") or [])])
        rules = [Rule(name, form, clock) for name, form in zip(named, forms, strict=True)]
        self._rules = Rules(rules)
        # A rule that fires for every event and reads no field still has to see every event: it observes the id.
        every = {data["id"]} if any(rule.each and not rule.reads for rule in rules) else set[str]()
        self.paid = any(rule.amount for rule in rules)
        self.observed: frozenset[str] = self._rules.reads | every
        self.unmapped = Unmapped(self.fields, data["outcomes"], data["no_outcome"], self.kind == "deal")
        self.activities = frozenset(rule.activity for rule in rules if rule.activity)
        times = [time for rule in rules for time in (rule.at, rule.wake) if time is not None]
        self.reader = ObjectReader(system, name, data, kinds, self.fields, self.observed, times, clock, blanks)
        self.schema: type[Schema] = _schema(name, self.fields, blanks)

    def listens(self, event: RecordChanged) -> bool:
        """Whether ``emit`` can find anything in an event of a record that is known already."""
        return self._rules.listen(event)

    def emit(self, before: Mapping[str, Any], event: RecordChanged) -> list[Emitted]:
        """The activities and outcomes that ``event`` means; ``before``: the record's merged raw values before it."""
        return self._rules.emit(before, event)

    def unreadable(self, values: Mapping[str, Any]) -> list[str]:
        """Fields of these raw values that an outcome takes its amount from, and cannot."""
        return self._rules.unreadable(values)


class SystemMapping:
    """A system's whole mapping file, compiled; the ``ItemReader`` of its source."""

    def __init__(self, file: ConfigFile, role: str, transforms: Mapping[str, Transform]) -> None:
        data: dict[str, Any] = MappingForm().load(file.data)
        zone = checks.zone_of(data["timezone"]) if "timezone" in data else None
        raws = {str(name): raw for name, raw in file.data["objects"].items()}
        kinds: dict[str, Kind] = {name: one["kind"] for name, one in data["objects"].items()}
        self.system: str = data["system"]
        # What is only counted says nothing of what an event means.
        self.hash = content_hash({key: value for key, value in file.data.items() if key != "counts"})
        self.counts: dict[str, list[Count]] = {}
        """side → what this system counts on it"""
        for one in data["counts"]:
            where = {name: _values(given) for name, given in one["where"].items()}
            self.counts.setdefault(one["side"], []).append(Count(object=one["object"], at=one["at"], where=where))
        self.objects = {
            name: ObjectMapping(self.system, name, one, raws[name], kinds, role, zone, transforms)
            for name, one in data["objects"].items()
        }
        self._groups: dict[str, tuple[Callable[[Any], Any], list[ObjectReader]]] = {}
        for name, one in data["objects"].items():
            items = one.get("items") or data.get("items") or ""
            find = compile_expression(items) if items else _whole
            self._groups.setdefault(items, (find, []))[1].append(self.objects[name].reader)

    def read(self, payload: Any, document: Document) -> Iterator[ReadItem]:
        """Every event, skipped and quarantined item of one decoded payload.

        Raises ``QuarantineDocument`` for more items than any system sends at once: a MiB holds half a million brackets.
        """
        anything = False
        for find, readers in self._groups.values():
            items = find(payload)
            if items is None:
                continue
            anything = True
            if isinstance(items, list) and len(items) > MAX_ITEMS:
                raise QuarantineDocument(f"holds {len(items):,} items; at most {MAX_ITEMS:,} are read of one document")
            for item in items if isinstance(items, list) else (items,):
                yield from self._item(item, readers, document)
        if not anything:
            yield Skipped(object="", record="", reason="nothing in the payload where items are expected")

    def _item(self, item: Any, readers: list[ObjectReader], document: Document) -> Iterator[ReadItem]:
        if not isinstance(item, dict):
            yield Quarantined(object="", record="", reason=f"an item is {kind_of(item)}, not fields with values")
            return
        known = False
        for reader in readers:
            events = reader.read(item, document)
            if events is not None:
                known = True
                yield from events
        if not known:
            yield Skipped(object="", record="", reason="of no mapped object")


def compile_mapping(file: ConfigFile, role: str, transforms: Mapping[str, Transform]) -> SystemMapping:
    """Check and compile one mapping file. ``role``: the system's (``crm``, ``ma`` …), which sets some defaults;
    ``transforms``: what plugins offer beside the built-in ones. Raises ``ConfigError`` with all problems."""
    if problems := checks.check(file, transforms):
        raise ConfigError(sorted(set(problems)))
    return SystemMapping(file, role, transforms)


def _schema(name: str, mapped: tuple[FieldMapping, ...], blanks: Blanks) -> type[Schema]:
    members: dict[str, Any] = {
        f"field_{index}": MappedField(
            field,
            data_key=field.field,
            attribute=field.to,
            load_only=not field.outbound,
            dump_only=not field.inbound,
        )
        for index, field in enumerate(mapped)
    }
    return type(f"{name}Schema", (MappedSchema,), {**members, "is_blank": blanks})


def _values(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, list) else (given,)


def _whole(payload: Any) -> Any:
    return payload
