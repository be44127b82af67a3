"""Which fields of two systems are of the same thing: by what their mapping files say, by name, by label. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError

from gateway.contracts import Field
from gateway.mapping.compiled import SystemMapping
from gateway.mapping.field import FieldMapping
from gateway.mapping.fitting import Catalogue, find
from gateway.mapping.grammar import is_computed

NO_FIELDS = ("other", "relation", "reference")
"""Types of a catalogue that say nothing of a person or company by themselves."""


@dataclass(frozen=True, slots=True)
class Side:
    """One system. ``catalogues``: object → fields, empty for one that is not there; none at all when nobody asked.

    ``samples``: object → flat items. ``mapping``: its mapping file, where it has one.
    """

    system: str
    catalogues: Mapping[str, Catalogue] | None = None
    samples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    mapping: SystemMapping | None = None


@dataclass(frozen=True, slots=True)
class Partner:
    """A field of the other side that is of the same lead field, or would be. ``mapped``: None = not in its file yet."""

    where: str
    there: Field
    mapped: FieldMapping | None


def partners(other: Side, kind: str) -> Iterator[Partner]:
    """The other side's fields of records of one kind, those of its mapping first."""
    catalogues = other.catalogues or {}
    unmapped: list[Partner] = []
    for name, one in (other.mapping.objects if other.mapping is not None else {}).items():
        catalogue = catalogues.get(name, {})
        if one.kind != kind:
            continue
        mapped = {mapped.field: mapped for mapped in one.fields if not is_computed(mapped.to)}
        for path, mapping in mapped.items():
            there = find(path, catalogue) or Field(name=path)
            yield Partner(f"{name}.{path}", there, mapping)
        unmapped += [
            Partner(f"{name}.{path}", there, None)
            for path, there in catalogue.items()
            if path not in mapped and there.label and there.type not in NO_FIELDS and there.writable
        ]
    yield from unmapped


def words(partner: Partner) -> Iterator[str]:
    """What a picklist of the other side brings, as lead values."""
    if partner.there.type not in ("choice", "list"):
        return
    for option in partner.there.options:
        try:
            value = partner.mapped.load(option) if partner.mapped is not None else option
        except ValidationError:
            continue
        for word in value if isinstance(value, list) else [value]:
            if isinstance(word, str):
                yield word


def alike(word: str, options: Collection[str]) -> str | None:
    if word in options:
        return word
    known = {normal(option): option for option in options}
    if normal(word) in known:
        return known[normal(word)]
    close = difflib.get_close_matches(normal(word), known, n=1, cutoff=0.8)
    return known[close[0]] if close else None


def normal(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"__c$", "", text.lower()))


def _kind_of(one: Field) -> str:
    numbers = dict.fromkeys(("integer", "number", "money"), "number")
    return {**numbers, "date": "time", "datetime": "time", "boolean": "boolean"}.get(one.type, "text")


def namesake(one: Field, others: Sequence[Partner]) -> Partner | None:
    """The field among ``others`` that has the same name or label and could hold the same."""
    names = {normal(one.name), normal(one.label)}
    for partner in others:
        theirs = {normal(partner.there.name), normal(partner.there.label)}
        if partner.mapped is not None:
            theirs.add(normal(partner.mapped.to))
        if names & theirs and _kind_of(one) == _kind_of(partner.there):
            return partner
    return None
