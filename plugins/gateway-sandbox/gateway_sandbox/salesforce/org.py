"""The org: its records, and how they are written.

Writes come from the API's user (``by`` = its id) or from a person; both obey the same ``rules``, but only a person
converts leads (``conversion``) and merges records here, as there is no REST call for it.
"""

from __future__ import annotations

import collections
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway_sandbox.clock import Clock
from gateway_sandbox.records import Record, Records
from gateway_sandbox.salesforce import catalogue, ids
from gateway_sandbox.salesforce.catalogue import CONVERTED_STATUS, LEAD_STATUS, STAGES
from gateway_sandbox.salesforce.fields import Field, RowError, stamp
from gateway_sandbox.salesforce.rules import DuplicateRule, refuse

Changed = Callable[[str, str, str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What the headers of a write say. ``assign``: None (header absent: TRUE), ``FALSE``, ``TRUE`` or a rule's id."""

    assign: str | None = None
    allow_save: bool = False


@dataclass(slots=True)
class Written:
    id: str
    created: bool


@dataclass(slots=True)
class _Undo:
    record: Record
    values: dict[str, Any] | None
    """None: it was created."""
    history: dict[str, int] = field(default_factory=dict)
    changed_at: datetime | None = None
    gone: bool = False


class Org:
    def __init__(
        self, clock: Clock, records: Records, seed: int = 0, gateway: bool = True, sandbox: bool = True
    ) -> None:
        self.clock = clock
        self.records = records
        self.objects = catalogue.standard(gateway)
        self.described_at = clock.now()
        self.duplicate_rules: list[DuplicateRule] = []
        self.assignment_owner: str | None = None
        """Who an active assignment rule gives leads to."""
        self.may_deploy = False
        """The API's user may change the org's metadata: an administrator's may, an integration user's not."""
        self.unassigned: dict[str, Field] = {}
        """Fields that were deployed, but whose permission set nobody has."""
        self.forbidden: set[tuple[str, str]] = set()
        """(object, ``createable`` | ``updateable``) that the API's user has no permission for."""
        self.locked: set[str] = set()
        """Ids under approval: ENTITY_IS_LOCKED."""
        self.validation: list[Callable[[Record], tuple[str, list[str]] | None]] = []
        """The admin's rules: of the record as it would be, None or (message, fields)."""
        self.changed: Changed = lambda *_: None
        self._next: dict[str, int] = collections.defaultdict(lambda: 1)
        self._index: dict[tuple[str, str], dict[str, dict[str, None]]] = collections.defaultdict(dict)
        self._undo: list[_Undo] | None = None
        self.id = ids.make("Organization", 40_000 + seed)
        self._chance = random.Random(seed)
        self.user = self._user("Integration", "Gateway", "gateway@sandbox.example")
        self.people = [
            self._user(first, last, f"{first}.{last}@sandbox.example".lower(), zone)
            for first, last, zone in (
                ("Anna", "Berg", "Europe/Berlin"),
                ("Tom", "Okoye", "Europe/London"),
                ("Mia", "Rossi", "Europe/Rome"),
            )
        ]
        self.queue = self.add("Group", {"Name": "Inbound leads", "DeveloperName": "Inbound_Leads", "Type": "Queue"}).id
        self._furnish(sandbox)

    def _furnish(self, sandbox: bool) -> None:
        """What is in an org before anybody wrote to it."""
        self.add("QueueSobject", {"QueueId": self.queue, "SobjectType": "Lead"})
        for place, status in enumerate(LEAD_STATUS):
            self.add(
                "LeadStatus",
                {
                    "ApiName": status,
                    "MasterLabel": status,
                    "SortOrder": place + 1,
                    "IsDefault": place == 0,
                    "IsConverted": status == CONVERTED_STATUS,
                },
            )
        for place, (stage, (probability, closed, won)) in enumerate(STAGES.items()):
            self.add(
                "OpportunityStage",
                {
                    "ApiName": stage,
                    "MasterLabel": stage,
                    "SortOrder": place + 1,
                    "IsActive": True,
                    "IsClosed": closed,
                    "IsWon": won,
                    "DefaultProbability": probability,
                },
            )
        organization = Record("Organization", self.id, self.clock.now(), self.clock.now())
        organization.values = {
            **self._born("Organization", self.id, self.clock.now(), self.user),
            "Name": "Sandbox Ltd",
            "IsSandbox": sandbox,
            "InstanceName": "SBX1",
            "OrganizationType": "Enterprise Edition",
            "TimeZoneSidKey": "Europe/Berlin",
        }
        self.records["Organization"][self.id] = organization

    def _user(self, first: str, last: str, email: str, zone: str = "Europe/Berlin") -> str:
        values = {"FirstName": first, "LastName": last, "Email": email, "Username": email, "IsActive": True}
        return self.add("User", values | {"TimeZoneSidKey": zone}).id

    # Reading

    def fields(self, object: str) -> dict[str, Field]:
        """The object's fields by their exact name. Raises ``RowError`` for an unknown object."""
        found = self.objects.get(object) or next(
            (fields for name, fields in self.objects.items() if name.lower() == object.lower()), None
        )
        if found is None:
            raise RowError("NOT_FOUND", "The requested resource does not exist", status=404)
        return found

    def named(self, object: str) -> str:
        """The object's name as it is spelled."""
        return next((name for name in self.objects if name.lower() == object.lower()), object)

    def field(self, object: str, name: str) -> Field | None:
        fields = self.fields(object)
        if name in fields:
            return fields[name]
        return next((of for of in fields.values() if of.name.lower() == name.lower()), None)

    def get(self, id: str | None, object: str | None = None) -> Record | None:
        """A record that is not deleted, by an id of 15 or 18 characters."""
        try:
            id = ids.whole(id or "")
        except ValueError:
            return None
        record = self.records[object or ids.object_of(id) or ""].get(id)
        return None if record is None or record.gone else record

    def matching(self, object: str, name: str, value: Any) -> list[Record]:
        """Records with this value of an indexed field (external ids, e-mail), without case."""
        found = self._index[object, name].get(str(value).lower(), {})
        return [self.records[object][id] for id in found if not self.records[object][id].gone]

    # Writing

    def create(self, object: str, values: Mapping[str, Any], by: str, options: Options = Options()) -> Written:
        """A new record, or a ``RowError``."""
        kept = self._kept(object, values, creating=True)
        for of in self.objects[object].values():
            if of.default is not None and kept.get(of.name) is None:
                kept[of.name] = of.default
        missing = [of.name for of in self.objects[object].values() if of.required and kept.get(of.name) is None]
        if missing:
            raise RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", missing)
        refuse(self, object, kept, None, options)
        if "OwnerId" in self.objects[object] and kept.get("OwnerId") is None:
            kept["OwnerId"] = by
        self._assign(object, kept, options)
        record = self._make(object, kept, by, self.clock.now())
        self.changed("create", object, record.id, kept)
        return Written(record.id, True)

    def update(self, object: str, id: str, values: Mapping[str, Any], by: str, options: Options = Options()) -> Written:
        """Change a record, or a ``RowError``."""
        try:
            id = ids.whole(id)
        except ValueError:
            raise RowError("MALFORMED_ID", f"{object} ID: id value of incorrect type: {id}", ["Id"]) from None
        record = self.records[object].get(id)
        if record is None:
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404)
        if record.gone:
            raise RowError("ENTITY_IS_DELETED", "entity is deleted", status=404)
        if record["IsConverted"]:
            raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        if id in self.locked:
            raise RowError(
                "ENTITY_IS_LOCKED",
                "This record is locked. If you need to edit it, contact your admin.",
            )
        kept = self._kept(object, values, creating=False)
        cleared = [name for name, value in kept.items() if value is None and self.objects[object][name].required]
        if cleared:
            raise RowError("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(cleared)}]", cleared)
        refuse(self, object, kept, record, options)
        self._assign(object, kept, options)
        self.write(record, kept, by)
        return Written(record.id, False)

    def upsert(
        self,
        object: str,
        key: str,
        value: str,
        values: Mapping[str, Any],
        by: str,
        options: Options = Options(),
        update_only: bool = False,
    ) -> Written:
        """Create or change by an external id. ``RowError`` 300 (``more["urls"]``) when several records have it."""
        of = self.field(object, key)
        if of is None or not (of.external_id or of.id_lookup):
            raise RowError(
                "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + key, status=404
            )
        if {"Id", of.name} & set(values):
            wrong = next(name for name in ("Id", of.name) if name in values)
            raise RowError("INVALID_FIELD", f"The {wrong} field should not be specified in the sobject data.", [wrong])
        found = [self.get(value, object)] if of.name == "Id" else self.matching(object, of.name, value)
        found = [one for one in found if one is not None]
        if len(found) > 1:
            raise RowError(
                "DUPLICATE_EXTERNAL_ID",
                "more than one record found for external id field",
                status=300,
                more={"ids": [one.id for one in found if one]},
            )
        if found and found[0] is not None:
            return self.update(object, found[0].id, values, by, options)
        if update_only:
            raise RowError("NOT_FOUND", "The requested resource does not exist", status=404)
        return self.create(object, {**values, of.name: value}, by, options)

    def delete(self, object: str, id: str) -> Written:
        record = self.get(id, object)
        if record is None:
            there = self.records[object].get(id)
            code = "ENTITY_IS_DELETED" if there is not None else "INVALID_CROSS_REFERENCE_KEY"
            raise RowError(code, "entity is deleted" if there else "invalid cross reference id", status=404)
        self._remember(record)
        self._gone(record)
        return Written(record.id, False)

    def _gone(self, record: Record, **values: Any) -> None:
        at = self.clock.now()
        record.gone, record.gone_at, record.changed_at = True, at, at
        record.values |= {"IsDeleted": True, "SystemModstamp": stamp(at), **values}
        self.changed("delete", record.object, record.id, values)

    # All or none

    def begin(self) -> None:
        self._undo = []

    def commit(self) -> None:
        self._undo = None

    def roll_back(self) -> None:
        """Put everything back that was written since ``begin``."""
        for undo in reversed(self._undo or []):
            record = undo.record
            self._unindex(record)
            if undo.values is None:
                del self.records[record.object][record.id]
                continue
            record.values, record.changed_at = undo.values, undo.changed_at or record.changed_at
            record.gone = undo.gone
            for name in list(record.history):
                del record.history[name][undo.history.get(name, 0) :]
            self._reindex(record)
        self._undo = None

    def _remember(self, record: Record) -> None:
        if self._undo is not None:
            lengths = {name: len(versions) for name, versions in record.history.items()}
            self._undo.append(_Undo(record, dict(record.values), lengths, record.changed_at, record.gone))

    # What people do

    def add(self, object: str, values: Mapping[str, Any], by: str | None = None, at: datetime | None = None) -> Record:
        """A record that is there already; read-only fields may be given, no rule is asked."""
        at = at or self.clock.now()
        kept = {name: value for name, value in values.items() if value is not None}
        fields = self.objects[object]
        if unknown := set(kept) - set(fields):
            raise KeyError(f"{object} has no field {', '.join(sorted(unknown))}")
        for of in fields.values():
            if of.default is not None:
                kept.setdefault(of.name, of.default)
        by = by or getattr(self, "user", None) or ids.make("User", 1)
        if "OwnerId" in fields:
            kept.setdefault("OwnerId", by)
        record = self._make(object, kept, by, at)
        self.changed("create", object, record.id, kept)
        return record

    def edit(self, id: str, values: Mapping[str, Any], by: str | None = None) -> Record:
        """A person changes a record: rules apply, assignment does not. Raises ``RowError``."""
        object = ids.object_of(id) or ""
        self.update(object, id, values, by or self.people[0], Options(assign="FALSE", allow_save=True))
        return self.records[object][ids.whole(id)]

    def merge(self, winner: str, loser: str, by: str | None = None) -> Record:
        """A person merges two records; the loser stays as a deleted row that names its master."""
        first, second = self.get(winner), self.get(loser)
        if first is None or second is None or first.object != second.object:
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        blanks = {name: value for name, value in second.values.items() if first[name] is None and value is not None}
        self._unindex(second)
        self._gone(second, MasterRecordId=first.id)
        second.merged_into = first.id
        self.write(first, blanks, by or self.people[0])
        return first

    # Inside

    def _born(self, object: str, id: str, at: datetime, by: str) -> dict[str, Any]:
        born: dict[str, Any] = {of.name: False for of in self.objects[object].values() if of.type == "boolean"}
        return born | {
            "Id": id,
            "CreatedDate": stamp(at),
            "CreatedById": by,
            "LastModifiedDate": stamp(at),
            "LastModifiedById": by,
            "SystemModstamp": stamp(at),
        }

    def _make(self, object: str, kept: Mapping[str, Any], by: str, at: datetime) -> Record:
        number = self._next[object]
        self._next[object] = number + 1
        # ids are not dense: other records of the org lie in between
        record = Record(object, ids.make(object, 100_000 + number * 37), at, at)
        record.values = self._born(object, record.id, at, by)
        self.records[object][record.id] = record
        if self._undo is not None:
            self._undo.append(_Undo(record, None))
        for name, value in kept.items():
            record.put(name, value, at, by)
        self.follow(record)
        self._reindex(record)
        if object == "Opportunity":
            self._staged(record, by)
        return record

    def write(self, record: Record, kept: Mapping[str, Any], by: str) -> None:
        self._remember(record)
        at = self.clock.now()
        was = dict(record.values)
        self._unindex(record)
        changed = {name: value for name, value in kept.items() if record.put(name, value, at, by)}
        self.follow(record)
        self._reindex(record)
        # every save moves the stamp, also one that changes nothing
        record.changed_at = at
        record.values |= {"LastModifiedDate": stamp(at), "LastModifiedById": by, "SystemModstamp": stamp(at)}
        self._trace(record, was, changed, by)
        self.changed("update", record.object, record.id, changed)

    def _trace(self, record: Record, was: Mapping[str, Any], changed: Mapping[str, Any], by: str) -> None:
        """Field history, as if the admin had switched it on."""
        table = {"Lead": ("LeadHistory", "LeadId"), "Opportunity": ("OpportunityFieldHistory", "OpportunityId")}
        if record.object not in table:
            return
        history, key = table[record.object]
        for name in changed:
            if name in ("Status", "OwnerId", "StageName", "Amount", "IsConverted") or name.startswith("Gateway_Bucket"):
                old, new = was.get(name), record[name]
                values = {key: record.id, "Field": name, "OldValue": old, "NewValue": new}
                if name == "IsConverted":  # a row of its own kind, without values
                    values = {key: record.id, "Field": "leadConverted"}
                self._make(
                    history, {one: value for one, value in values.items() if value is not None}, by, record.changed_at
                )
        if record.object == "Opportunity" and {"StageName", "Amount", "CloseDate"} & set(changed):
            self._staged(record, by)

    def _staged(self, record: Record, by: str) -> None:
        """Every opportunity's stages are kept, from its first on."""
        names = ("StageName", "Amount", "CloseDate", "Probability")
        held = {name: record[name] for name in names if record[name] is not None}
        self._make("OpportunityHistory", {"OpportunityId": record.id, **held}, by, record.changed_at)

    def follow(self, record: Record) -> None:
        """Fields that follow from others."""
        values = record.values
        if record.object in ("Lead", "Contact", "User"):
            values["Name"] = " ".join(filter(None, (values.get("FirstName"), values.get("LastName"))))
        elif record.object == "Opportunity":
            probability, closed, won = STAGES.get(str(values.get("StageName")), (0, False, False))
            values |= {"IsClosed": closed, "IsWon": won}
            values["Probability"] = probability
        elif record.object == "Task":
            closed = values.get("Status") == "Completed"
            if closed and not values.get("IsClosed"):
                values["CompletedDateTime"] = stamp(self.clock.now())
            values["IsClosed"] = closed
        elif record.object == "CampaignMember":
            values["LeadOrContactId"] = values.get("ContactId") or values.get("LeadId")
            status = self.member_status(values.get("CampaignId"), values.get("Status"))
            responded = bool(status and status["HasResponded"])
            if responded and not values.get("HasResponded"):
                values["FirstRespondedDate"] = self.clock.now().strftime("%Y-%m-%d")
            values["HasResponded"] = responded

    def member_status(self, campaign: Any, label: Any) -> Record | None:
        return next(
            (
                one
                for one in self.records.alive("CampaignMemberStatus")
                if one["CampaignId"] == campaign and one["Label"] == label
            ),
            None,
        )

    def _kept(self, object: str, given: Mapping[str, Any], creating: bool) -> dict[str, Any]:
        if object in catalogue.READ_ONLY:
            raise RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be written: {object}")
        kept: dict[str, Any] = {}
        refused = []
        for name, value in given.items():
            if name == "attributes":
                continue
            of = self.field(object, name)
            if of is None:
                related = name.endswith("__r") or isinstance(value, dict)
                if related:
                    continue
                raise RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {object}", [name])
            if not (of.createable if creating else of.updateable):
                refused.append(of.name)
                continue
            kept[of.name] = of.kept(value)
        if refused:
            raise RowError(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set.",
                refused,
            )
        return kept

    def _assign(self, object: str, kept: dict[str, Any], options: Options) -> None:
        """An active assignment rule takes every lead whose writer did not say FALSE."""
        if object == "Lead" and self.assignment_owner and (options.assign or "TRUE").upper() != "FALSE":
            kept["OwnerId"] = self.assignment_owner

    def _indexed(self, object: str) -> list[str]:
        return [of.name for of in self.objects[object].values() if of.external_id or (of.id_lookup and of.type != "id")]

    def _unindex(self, record: Record) -> None:
        for name in self._indexed(record.object):
            if record[name] is not None:
                self._index[record.object, name].get(str(record[name]).lower(), {}).pop(record.id, None)

    def _reindex(self, record: Record) -> None:
        for name in self._indexed(record.object):
            if record[name] is not None:
                self._index[record.object, name].setdefault(str(record[name]).lower(), {})[record.id] = None
