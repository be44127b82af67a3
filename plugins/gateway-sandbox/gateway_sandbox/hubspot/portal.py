"""The portal: its objects, what happens when one is written, and who is told.

Writes come from the API (``by="API"``) or from a person (``by="CRM_UI"``); the lifecycle stage obeys only the latter.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway_sandbox.clock import Clock, iso
from gateway_sandbox.hubspot import catalogue, errors
from gateway_sandbox.hubspot.catalogue import DEFAULT_READ, FIRST_ID, MODIFIED, TYPE_IDS, Property, Wrong
from gateway_sandbox.records import Record, Records

# ``told(kind, record, values, by, details)`` after every change
Told = Callable[[str, Record, Mapping[str, Any], str, Mapping[str, Any]], None]

WON, LOST = "closedwon", "closedlost"


class Portal:
    """Records, properties, associations and pipelines of one account."""

    def __init__(self, clock: Clock, records: Records, id: int = 9900123) -> None:
        self.id = id
        self.clock = clock
        self.records = records
        self.properties = catalogue.standard()
        self.groups: dict[str, dict[str, dict[str, Any]]] = {
            object: {
                name: {"name": name, "label": name, "displayOrder": -1, "archived": False}
                for name in sorted({one.group for one in of_object.values()})
            }
            for object, of_object in self.properties.items()
        }
        self.links: dict[tuple[str, str], dict[str, dict[str, set[int]]]] = collections.defaultdict(dict)
        """(from object, to object) → from id → to id → association type ids."""
        self.pipelines = {"deals": [_deal_pipeline()], "leads": [_lead_pipeline()]}
        self.told: list[Told] = []
        self.index_lag = timedelta(0)
        self._next: dict[str, int] = {}
        self._unique: dict[tuple[str, str], dict[str, str]] = collections.defaultdict(dict)
        self._indexed: dict[str, dict[str, dict[str, Any]]] = collections.defaultdict(dict)
        self._unindexed: collections.deque[tuple[datetime, Record]] = collections.deque()

    # Reading

    def find(self, object: str, id: str, id_property: str | None = None, archived: bool = False) -> Record | None:
        """The record, the survivor if it was merged, or None."""
        if id_property and id_property != "hs_object_id":
            of = self.properties[object].get(id_property)
            if of is None or not (of.unique or id_property == "email"):
                raise errors.invalid(f"Property '{id_property}' is not a unique property of {object}")
            id = self._unique[object, id_property].get(_folded(id), "")
        record = self.records[object].get(id)
        while record is not None and record.merged_into is not None:
            record = self.records[object].get(record.merged_into)
        return record if record is not None and record.gone == archived else None

    def shown(self, record: Record, properties: list[str] | None = None, history: list[str] | None = None) -> Any:
        """A record as the API shows it: asked-for properties (unknown ones left out, empty ones null)."""
        names = [*(properties or DEFAULT_READ.get(record.object, ())), *(history or ())]
        known = self.properties[record.object]
        wanted = dict.fromkeys([*names, "hs_object_id", "createdate", MODIFIED[record.object]])
        shown: dict[str, Any] = {
            "id": record.id,
            "properties": {name: record.values.get(name) or None for name in wanted if name in known},
            "createdAt": iso(record.created_at),
            "updatedAt": iso(record.changed_at),
            "archived": record.gone,
        }
        if record.gone_at:
            shown["archivedAt"] = iso(record.gone_at)
        if history:
            shown["propertiesWithHistory"] = {
                name: [
                    {"value": version.value or "", "timestamp": iso(version.at), "sourceType": version.by}
                    for version in reversed(record.history.get(name, []))
                ]
                for name in history
                if name in known
            }
        return shown

    def searchable(self, object: str) -> Iterator[tuple[Record, dict[str, Any]]]:
        """Records as the search index knows them: ``index_lag`` behind, archived ones never."""
        now = self.clock.now()
        while self._unindexed and self._unindexed[0][0] <= now:
            _, record = self._unindexed.popleft()
            if record.id in self.records[record.object]:  # not erased meanwhile
                self._indexed[record.object][record.id] = dict(record.values)
        for id, values in self._indexed[object].items():
            record = self.records[object][id]
            if not record.gone:
                yield record, values

    # Checking

    def checked(self, object: str, given: Mapping[str, Any]) -> dict[str, str]:
        """The values as they are kept. Raises a refusal that names every property that is wrong."""
        kept, problems = {}, []
        for name, value in given.items():
            of = self.properties[object].get(name)
            try:
                if of is None or of.archived:
                    raise Wrong("PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')
                if of.read_only:
                    raise Wrong("READ_ONLY_VALUE", f'"{name}" is a read only property; its value cannot be set.')
                if name == "dealstage":
                    self._check_stage(value)
                if of.type == "enumeration" and not of.options:
                    kept[name] = str(value)
                else:
                    kept[name] = of.kept(value if value is not None else "")
            except Wrong as wrong:
                problems.append(
                    {
                        "isValid": False,
                        "message": wrong.message,
                        "error": wrong.error,
                        "name": name,
                        "localizedErrorMessage": wrong.message,
                        "portalId": self.id,
                    }
                )
        if problems:
            raise errors.invalid(errors.properties_message(problems))
        return kept

    def _check_stage(self, value: Any) -> None:
        known = [stage["id"] for pipeline in self.pipelines["deals"] for stage in pipeline["stages"]]
        if value and value not in known:
            raise Wrong("INVALID_OPTION", f"{value} was not one of the allowed options: [{', '.join(known)}]")

    def taken(self, object: str, values: Mapping[str, Any], by: str | None = None) -> None:
        """Refuse values that must be unique and belong to another record than ``by``."""
        for name, value in values.items():
            of = self.properties[object].get(name)
            if not value or of is None or not (of.unique or name == "email"):
                continue
            owner = self._unique[object, name].get(_folded(value))
            if owner in (None, by):
                continue
            if name == "email":
                raise errors.conflict("Contact", str(owner))
            problem = {
                "isValid": False,
                "message": f"{value} is already used by record {owner}",
                "error": "CONFLICTING_UNIQUE_VALUE",
                "name": name,
                "portalId": self.id,
            }
            raise errors.invalid(errors.properties_message([problem]))

    # Writing

    def create(
        self, object: str, values: Mapping[str, Any], by: str = "API", at: datetime | None = None, indexed: bool = False
    ) -> Record:
        """A new record of values that are already checked."""
        at = at or self.clock.now()
        number = self._next.get(object, FIRST_ID.get(object, 1001))
        self._next[object] = number + 1
        record = Record(object, str(number), at, at)
        self.records[object][record.id] = record
        record.put("hs_object_id", record.id, at, by)
        record.put("createdate", values.get("createdate") or iso(at), at, by)
        self._put(record, values, at, by, fresh=True)
        if indexed:
            self._indexed[object][record.id] = dict(record.values)
        self._tell("create", record, dict(values), by)
        return record

    def update(self, record: Record, values: Mapping[str, Any], by: str = "API", at: datetime | None = None) -> Record:
        """Write checked values. A write that changes nothing leaves the record's time alone."""
        self._put(record, values, at or self.clock.now(), by)
        return record

    def archive(self, record: Record, by: str = "API") -> None:
        record.gone, record.gone_at = True, self.clock.now()
        for (object, name), owners in self._unique.items():
            if object == record.object and owners.get(_folded(record[name] or "")) == record.id:
                del owners[_folded(record[name])]
        self._tell("archive", record, {}, by)

    def erase(self, record: Record) -> None:
        """Privacy deletion: nothing of the record stays."""
        if not record.gone:
            self.archive(record, by="PRIVACY")
        record.values.clear()
        record.history.clear()
        self._indexed[record.object].pop(record.id, None)
        del self.records[record.object][record.id]
        self._tell("erase", record, {}, "CRM_UI")

    def merge(self, winner: Record, loser: Record, by: str = "API") -> Record:
        """Both become a new record; the old ids keep leading to it."""
        at = self.clock.now()
        values = {name: value for of in (loser, winner) for name, value in of.values.items() if value}
        for name in ("hs_object_id", MODIFIED[winner.object], "hs_merged_object_ids"):
            values.pop(name, None)
        extra = [one for one in (loser["email"], *str(winner["hs_additional_emails"] or "").split(";")) if one]
        if winner.object == "contacts" and extra and winner["email"]:
            values["hs_additional_emails"] = ";".join(dict.fromkeys(extra))
        number = self._next[winner.object]
        self._next[winner.object] = number + 1
        record = Record(winner.object, str(number), min(winner.created_at, loser.created_at), at)
        self.records[record.object][record.id] = record
        record.put("hs_object_id", record.id, at, by)
        merged = [winner.id, loser.id, *filter(None, str(winner["hs_merged_object_ids"] or "").split(";"))]
        record.put("hs_merged_object_ids", ";".join(merged), at, by)
        for old in (winner, loser):
            old.merged_into, old.gone, old.gone_at = record.id, True, at
            for (object, _), of_from in self.links.items():
                if object == record.object:
                    for to, types in of_from.pop(old.id, {}).items():
                        of_from.setdefault(record.id, {}).setdefault(to, set()).update(types)
            for (_, to_object), of_from in self.links.items():
                if to_object == record.object:
                    for targets in of_from.values():
                        if old.id in targets:
                            targets.setdefault(record.id, set()).update(targets.pop(old.id))
        self._put(record, values, at, by, fresh=True)
        details = {
            "primaryObjectId": int(winner.id),
            "mergedObjectIds": [int(loser.id)],
            "newObjectId": int(record.id),
            "numberOfPropertiesMoved": len(values),
        }
        self._tell("merge", record, {}, by, details)
        return record

    def _put(self, record: Record, values: Mapping[str, Any], at: datetime, by: str, fresh: bool = False) -> None:
        """Write values and what follows from them. ``fresh``: the record is just being made, and told of as a whole."""
        changed: dict[str, Any] = {}
        for name, value in values.items():
            if name == "lifecyclestage" and by == "API" and self._backward(record, value):
                continue  # dropped without a word, as the real thing does
            was = record.values.get(name)
            if not record.put(name, value or None, at, by):
                continue
            changed[name] = value
            of = self.properties[record.object].get(name)
            if of is not None and (of.unique or name == "email"):
                owners = self._unique[record.object, name]
                if was and owners.get(_folded(was)) == record.id:
                    del owners[_folded(was)]
                if value:
                    owners[_folded(value)] = record.id
            if name == "hs_additional_emails":
                for one in filter(None, str(value or "").split(";")):
                    self._unique[record.object, "email"].setdefault(_folded(one), record.id)
            if name == "lifecyclestage" and value and record.object == "contacts":
                record.put(f"hs_lifecyclestage_{value}_date", iso(at), at, by)
            if name == "dealstage":
                changed |= self._staged(record, str(value), at)
        if record.object == "deals" and "amount" in changed:
            record.put("amount_in_home_currency", changed["amount"], at, by)
        if changed or MODIFIED[record.object] not in record.values:
            record.changed_at = at
            record.put(MODIFIED[record.object], iso(at), at, by)
            self._unindexed.append((at + self.index_lag, record))
            if not fresh:
                self._tell("update", record, changed, by)

    def _backward(self, record: Record, stage: Any) -> bool:
        order = self.properties[record.object]["lifecyclestage"].values()
        now = record["lifecyclestage"]
        return bool(now and stage and now in order and order.index(stage) < order.index(now))

    def _staged(self, record: Record, stage: str, at: datetime) -> dict[str, Any]:
        """A deal's closing flags follow its stage."""
        metadata: dict[str, str] = next(
            (
                one["metadata"]
                for pipeline in self.pipelines["deals"]
                for one in pipeline["stages"]
                if one["id"] == stage
            ),
            {},
        )
        follows = {
            "hs_is_closed": metadata.get("isClosed", "false"),
            "hs_is_closed_won": str(metadata.get("probability") == "1.0").lower(),
        }
        if follows["hs_is_closed"] == "true" and not record["closedate"]:
            follows["closedate"] = iso(at)
        return {name: value for name, value in follows.items() if record.put(name, value, at, "CALCULATED")}

    # Associations

    def link(self, object: str, id: str, to_object: str, to: str, types: set[int] | None = None) -> None:
        """Associate both ways; without types as HubSpot's default (the first company becomes the primary one)."""
        forth, back = default_types(object, to_object)
        given = self.links[object, to_object].setdefault(id, {})
        kinds = types if types is not None else {forth[0]}
        if types is None and len(forth) > 1 and not any(forth[1] in of for of in given.values()):
            kinds = {forth[0], forth[1]}
        if len(forth) > 1 and forth[1] in kinds:
            for of in given.values():
                of.discard(forth[1])
        given.setdefault(to, set()).update(kinds)
        mirror = {back[forth.index(kind)] if kind in forth else kind for kind in kinds}
        self.links[to_object, object].setdefault(to, {}).setdefault(id, set()).update(mirror)
        record = self.records[object][id]
        self._tell("associate", record, {}, "USER", {"to_object": to_object, "to": to, "removed": False})

    def unlink(self, object: str, id: str, to_object: str, to: str) -> bool:
        there = self.links[object, to_object].get(id, {}).pop(to, None) is not None
        self.links[to_object, object].get(to, {}).pop(id, None)
        if there:
            record = self.records[object][id]
            self._tell("associate", record, {}, "USER", {"to_object": to_object, "to": to, "removed": True})
        return there

    def linked(self, object: str, id: str, to_object: str) -> dict[str, set[int]]:
        return {
            to: types
            for to, types in self.links[object, to_object].get(id, {}).items()
            if to in self.records[to_object] and not self.records[to_object][to].gone
        }

    def _tell(
        self, kind: str, record: Record, values: Mapping[str, Any], by: str, details: Mapping[str, Any] | None = None
    ) -> None:
        for told in self.told:
            told(kind, record, values, by, details or {})

    def define(self, object: str, property: Property) -> None:
        """Add a property as an admin would."""
        property.created_at = property.updated_at = self.clock.now()
        self.properties[object][property.name] = property


_ASSOCIATIONS = {
    ("contacts", "companies"): ([279, 1], [280, 2]),
    ("contacts", "deals"): ([4], [3]),
    ("deals", "companies"): ([341, 5], [342, 6]),
    ("leads", "contacts"): ([578], [579]),
    ("tasks", "contacts"): ([204], [203]),
}


def default_types(object: str, to_object: str) -> tuple[list[int], list[int]]:
    """Association type ids there and back: the plain one first, then the primary one if there is one."""
    if (object, to_object) in _ASSOCIATIONS:
        return _ASSOCIATIONS[object, to_object]
    if (to_object, object) in _ASSOCIATIONS:
        back, forth = _ASSOCIATIONS[to_object, object]
        return forth, back
    order = list(TYPE_IDS)
    base = 900 + 20 * order.index(object) + order.index(to_object)
    return [base], [900 + 20 * order.index(to_object) + order.index(object)]


def _folded(value: Any) -> str:
    return str(value).strip().lower()


def _stage(id: str, label: str, place: int, **metadata: str) -> dict[str, Any]:
    at = "2025-01-01T00:00:00.000Z"
    return {
        "id": id,
        "label": label,
        "displayOrder": place,
        "metadata": metadata,
        "createdAt": at,
        "updatedAt": at,
        "archived": False,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    }


def _pipeline(id: str, label: str, stages: list[dict[str, Any]]) -> dict[str, Any]:
    at = "2025-01-01T00:00:00.000Z"
    return {
        "id": id,
        "label": label,
        "displayOrder": 0,
        "stages": stages,
        "createdAt": at,
        "updatedAt": at,
        "archived": False,
    }


def _deal_pipeline() -> dict[str, Any]:
    named = {
        "appointmentscheduled": ("Appointment Scheduled", "0.2"),
        "qualifiedtobuy": ("Qualified To Buy", "0.4"),
        "presentationscheduled": ("Presentation Scheduled", "0.6"),
        "contractsent": ("Contract Sent", "0.9"),
        WON: ("Closed Won", "1.0"),
        LOST: ("Closed Lost", "0.0"),
    }
    return _pipeline(
        "default",
        "Sales Pipeline",
        [
            _stage(id, label, place, probability=probability, isClosed=str(id in (WON, LOST)).lower())
            for place, (id, (label, probability)) in enumerate(named.items())
        ],
    )


def _lead_pipeline() -> dict[str, Any]:
    labels = ("New", "Attempting", "Connected", "Qualified", "Disqualified")
    return _pipeline(
        "lead-pipeline-id",
        "Lead pipeline",
        [_stage(f"{label.lower()}-stage-id", label, place) for place, label in enumerate(labels)],
    )
