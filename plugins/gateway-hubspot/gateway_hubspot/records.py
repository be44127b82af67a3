"""HubSpot's records as the mapping file sees them: what to ask for, and an answer as flat items. Pure.

A page that ``fetch`` or ``pull`` stores is ``{"object", "results", "associations", "missing"}``: HubSpot's records as
they came, per association ``{"company_ids": {record: [ids]}}``, and what was asked for in vain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from gateway.contracts import Document, Kind, RecordGone, RecordsMerged

T = TypeVar("T")
PLURALS = {"contact": "contacts", "company": "companies", "deal": "deals", "meeting": "meetings"}
SINGULARS = {plural: singular for singular, plural in PLURALS.items()}
TYPES = {"0-1": "contact", "0-2": "company", "0-3": "deal"}
KINDS: dict[str, Kind] = {"contact": "person", "company": "company", "deal": "deal"}
MERGED = "hs_merged_object_ids"
"""Property with the ids a record absorbed: how a merge shows to whoever has no webhooks."""
MODIFIED = {"contacts": "lastmodifieddate"}
"""The property that says when a record changed; all others call it ``hs_lastmodifieddate``."""
STATUS = "deal_status"
"""Of an item of a deal: open, won or lost, as HubSpot's closing flags say; stages are each pipeline's own."""
FLAGS = ("dealstage", "hs_is_closed", "hs_is_closed_won")
STAGE = "lifecyclestage"
STAGES = (
    *("subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer"),
    *("evangelist", "other"),
)
"""HubSpot's own lifecycle stages; accounts may have others."""
STAGE_DATE = re.compile(rf"hs_{STAGE}_(\w+)_date")
REDACTED = "REDACTED"
PRIMARY = frozenset({1, 5})
"""Types of association that name the primary company, of a contact and of a deal."""

_OWN = frozenset({"object", "id", "createdAt", "updatedAt", "archived", STATUS, *(f"{one}_ids" for one in PLURALS)})
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Shape:
    """One of HubSpot's objects as the mapping file has it. ``name`` is the mapping's word for it."""

    object: str
    name: str
    kind: Kind
    properties: tuple[str, ...]
    associated: tuple[str, ...]
    """The objects whose ids the mapping wants with each record."""
    roles: tuple[tuple[str, str], ...]
    """(the mapping's name of the other object, role) of its links."""
    needs: tuple[str, ...] | None = ()
    """The properties that every item must hold, so that the mapping takes it in at all; None = all of them."""

    @property
    def path(self) -> str:
        return plural(self.object)


def singular(name: str) -> str:
    """HubSpot's object behind any spelling: ``contacts``, ``contact`` and ``0-1`` are one."""
    return TYPES.get(name) or SINGULARS.get(name.lower()) or name.lower()


def plural(object_: str) -> str:
    return PLURALS.get(singular(object_), object_)


def shapes(mapping: Any) -> dict[str, Shape]:
    """HubSpot's object → what the mapping file wants of it."""
    found: dict[str, Shape] = {}
    for name, one in getattr(mapping, "objects", {}).items():
        object_ = singular(name)
        paths, needs = one.reader.reads, one.reader.asked(())
        found[object_] = Shape(
            object_,
            name,
            one.kind,
            tuple(sorted(properties(paths) | {MERGED})),
            tuple(other for other in PLURALS if f"{other}_ids" in paths and other != object_),
            tuple(one.reader.links),
            tuple(sorted(properties(needs))) if needs else None,
        )
    return found


def properties(paths: Iterable[str]) -> set[str]:
    """HubSpot's properties behind field paths of the mapping file."""
    names = {word for path in paths for word in _NAME.findall(path)}
    return (names | set(FLAGS) if STATUS in names else names) - _OWN


def modified(path: str) -> str:
    return MODIFIED.get(path, "hs_lastmodifieddate")


def flat(object_: str, result: Mapping[str, Any], associations: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One record as one item: its properties under their own names, its associations as lists of ids.

    A property that is hidden from this app leaves the item: nothing is said about it.
    """
    properties = result.get("properties")
    item = {
        name: value
        for name, value in (properties.items() if isinstance(properties, Mapping) else ())
        if value != REDACTED
    }
    item |= {name: result[name] for name in ("id", "createdAt", "updatedAt", "archived") if name in result}
    item["object"] = object_
    if object_ == "deal" and not set(FLAGS).isdisjoint(item):
        item[STATUS] = _status(item)
    for name, ids in associations.items():
        item[name] = ids.get(str(result.get("id")), [])
    return item


def former(object_: str, result: Mapping[str, Any], needs: Iterable[str] | None) -> list[dict[str, Any]]:
    """What a record was and since when, oldest first: an item for each moment at which one of its properties changed.

    HubSpot keeps some twenty versions of a property; of a lifecycle stage it keeps the date in a property beside it.

    :param needs: what every item must hold, as it was then, so that the mapping takes it in at all; None = everything.
    """
    histories, now = result.get("propertiesWithHistory"), result.get("properties")
    if not isinstance(histories, Mapping) or not isinstance(now, Mapping):
        return []
    moments: dict[str, dict[str, Any]] = {}
    for name, versions in histories.items():
        for version in _versions(versions):
            if version.get("value") != REDACTED:
                moments.setdefault(version["timestamp"], {})[name] = version.get("value") or None
    stages = [version.get("value") for version in _versions(histories.get(STAGE))]
    for name, value in now.items():
        if (found := STAGE_DATE.fullmatch(name)) and found[1] not in stages and (at := moment(value)):
            when = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            moments.setdefault(when, {}).setdefault(STAGE, found[1])
    names = [name for name in (now if needs is None else needs) if now.get(name) != REDACTED]
    about = {name: result[name] for name in ("id", "createdAt") if name in result} | {"object": object_}
    items: list[dict[str, Any]] = []
    # Of a complete record what has versions was blank before the first; a condition looks at what is known at all.
    state: dict[str, Any] = {name: None for name, told in histories.items() if told and needs is None}
    for when, changed in sorted(moments.items()):
        state |= changed
        held = {name: state[name] if name in state else now.get(name) for name in names}
        times = {"updatedAt": when, modified(plural(object_)): when}
        items.append({**held, **changed, **about, **times})
        if object_ == "deal" and (needs is None or not changed.keys().isdisjoint(FLAGS)):
            items[-1][STATUS] = _status(state)
    return items


def _versions(given: Any) -> list[Mapping[str, Any]]:
    """Those that have a time."""
    dated = given if isinstance(given, list) else ()
    return [one for one in dated if isinstance(one, Mapping) and one.get("timestamp") and type(one["timestamp"]) is str]


def _status(item: Mapping[str, Any]) -> str:
    stage, closed, won = (str(item.get(name) or "").lower() for name in FLAGS)
    if won == "true" or (not won and stage == "closedwon"):
        return "won"
    return "lost" if closed == "true" or (not closed and stage == "closedlost") else "open"


def moves(
    system: str, shape: Shape, results: Sequence[Mapping[str, Any]], missing: Iterable[str], document: Document
) -> Iterator[RecordsMerged | RecordGone]:
    """What records of a page say about others: those they absorbed, and those that are no more."""
    absorbed: set[str] = set()
    for result in results:
        winner, losers = str(result.get("id")), merged_ids(result)
        losers = [loser for loser in losers if loser != winner]
        if not losers or not result.get("id"):
            continue
        absorbed.update(losers)
        yield RecordsMerged(
            system=system, object=shape.name, kind=shape.kind, record=winner,
            at=moment(result.get("updatedAt")) or document.received_at,
            key=f"{system}:{shape.name}:{winner}:merged:{','.join(losers)}"[:250], losers=tuple(losers),
        )  # fmt: skip
    for record in missing:
        if record not in absorbed:
            yield RecordGone(
                system=system, object=shape.name, kind=shape.kind, record=record, at=document.received_at,
                precision="unknown", key=f"{system}:{shape.name}:{record}:missing:{document.id}", reason="deleted",
            )  # fmt: skip


def deletions(system: str, shape: Shape, gone: Iterable[Mapping[str, Any]]) -> Iterator[RecordGone]:
    """The records of HubSpot's recycle bin."""
    for one in gone:
        if isinstance(one, Mapping) and one.get("id") and (at := moment(one.get("archivedAt"))) is not None:
            yield RecordGone(
                system=system, object=shape.name, kind=shape.kind, record=str(one.get("id")), at=at, reason="deleted",
                key=f"{system}:{shape.name}:{one.get('id')}:deleted:{one['archivedAt']}"[:250],
            )  # fmt: skip


def merged_ids(result: Mapping[str, Any]) -> list[str]:
    properties = result.get("properties")
    text = properties.get(MERGED) if isinstance(properties, Mapping) else None
    return sorted({part for part in re.split(r"[;,\s]+", text) if part.isdigit()}) if isinstance(text, str) else []


def linked(result: Any) -> list[str]:
    """The ids one association answer names; of several companies the primary one alone."""
    ids: list[str] = []
    primary: list[str] = []
    for other in result.get("to") or ():
        id_ = str(other.get("toObjectId"))
        types = other.get("associationTypes") or ()
        ids.append(id_)
        if any(one.get("category") == "HUBSPOT_DEFINED" and one.get("typeId") in PRIMARY for one in types):
            primary.append(id_)
    return primary or sorted(set(ids), key=lambda id_: (len(id_), id_))


def cut(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def moment(value: Any) -> datetime | None:
    """A time as HubSpot writes it: ISO 8601, or milliseconds since 1970."""
    try:
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, int | float) or (isinstance(value, str) and value.isdigit()):
            return datetime.fromtimestamp(int(value) / 1000, UTC)
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def millis(at: datetime) -> int:
    """A time as HubSpot counts it: milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
