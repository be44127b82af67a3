"""What changed in a system's catalogue under our mapping, and which writes have to wait for it. Pure.

In: the fields of one object as they were when all was right, and as they are now. Out: a drift per field: gone, too
short, newly required … A drift also begins with a receipt, when a system refuses what every record would be refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.contracts import Field, Write

Catalogue = Mapping[str, Field]
WAITS = "; what would be refused waits"


@dataclass(frozen=True, slots=True)
class Drift:
    """``field`` "": the object as a whole. ``words``: what it is and what to do.

    ``what``: gone, read-only, type, shortened, options, required or refused. ``holds``: writes wait for it, of
    ``shortened`` those with longer texts than ``length``, of ``options`` those with one of ``values``.
    """

    object: str
    field: str
    what: str
    words: str
    holds: bool = True
    length: int = 0
    values: tuple[str, ...] = ()

    def stops(self, write: Write) -> bool:
        if not self.holds or write.object != self.object:
            return False
        if self.what == "required":
            return write.record is None and write.fields.get(self.field) in (None, "")
        if not self.field:
            return True
        if self.field not in write.fields:
            return False
        value = write.fields[self.field]
        if self.what == "shortened":
            return isinstance(value, str) and len(value) > self.length
        return self.what != "options" or not {*_parts(value)}.isdisjoint(self.values)


def compare(object_: Any, before: Catalogue, now: Catalogue) -> list[Drift]:
    """:param object_: the object's mapping. What the catalogue never had is no drift: ``check --online`` finds it."""
    name = object_.name
    if before and not now:
        return [Drift(name, "", "gone", f"{name} is not there any more, or not for us{WAITS}")]
    found = [
        drift
        for field in sorted({*object_.inbound, *object_.outbound, *object_.observed} & before.keys())
        if (drift := _drift(object_, field, before[field], now.get(field))) is not None
    ]
    return [*found, *_required(object_, before, now)]


def baseline(before: Catalogue, now: Catalogue, drifts: list[Drift]) -> dict[str, Field]:
    """What the next look is compared with: ``now``, but for drifted fields as they were when they were right."""
    if any(not drift.field for drift in drifts):
        return dict(before)
    drifted = {drift.field for drift in drifts}
    kept = {name: field for name, field in now.items() if name not in drifted}
    return kept | {name: before[name] for name in drifted & before.keys()}


def _drift(object_: Any, field: str, was: Field, now: Field | None) -> Drift | None:
    where, out = f"{object_.name} {field}", field in object_.outbound

    def drift(what: str, words: str, holds: bool = out, **more: Any) -> Drift:
        return Drift(object_.name, field, what, f"{where} {words}{WAITS if holds else ''}", holds, **more)

    if now is None:
        return drift("gone", "is not there any more, or not shown to us")
    if out and was.writable and not now.writable:
        return drift("read-only", "may not be written any more")
    if was.type != now.type:
        return drift("type", f"was {was.type} and is {now.type} now")
    if out and was.length and now.length and now.length < was.length:
        return drift("shortened", f"takes {now.length} characters, not {was.length} any more", length=now.length)
    if lost := tuple(value for value in was.options if value not in now.options):
        words = f"does not know {', '.join(map(repr, lost[:5]))} any more"
        return drift("options", words, holds=out and now.restricted, values=lost)
    rule = object_.inbound.get(field)
    fresh = [value for value in now.options if value not in was.options]
    if rule is not None and rule.values and (unknown := [value for value in fresh if value not in rule.values]):
        words = f"has the new value {', '.join(map(repr, unknown[:5]))}, which the mapping's `values` do not know"
        return drift("options", words, holds=False)
    return None


def _required(object_: Any, before: Catalogue, now: Catalogue) -> Iterator[Drift]:
    if object_.create == "never":
        return
    for name, field in sorted(now.items()):
        newly = field.required and not (name in before and before[name].required)
        if newly and field.writable and name not in object_.outbound:
            words = f"{object_.name} {name} is required now, and the mapping sends none{WAITS}"
            yield Drift(object_.name, name, "required", words)


def _parts(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple):
        yield from map(str, value)
    elif value is not None:
        yield str(value)
        yield from str(value).split(";")
