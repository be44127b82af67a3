"""The rules beyond types that may refuse a write: the org's own, its admin's, and those against duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway_sandbox.records import Record
from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.fields import Field, RowError

if TYPE_CHECKING:
    from gateway_sandbox.salesforce.org import Options, Org


@dataclass(slots=True)
class DuplicateRule:
    """Fires when a new or changed ``object`` shares its e-mail with a record of ``against``.

    ``block``: no header saves past it.
    """

    object: str = "Lead"
    against: tuple[str, ...] = ("Lead", "Contact")
    block: bool = False
    name: str = "Standard_Lead_Duplicate_Rule"
    on_update: bool = True
    spelling: str = "duplicateResut"
    """The key is really spelled like that; some answers say ``duplicateResult``."""


def refuse(org: Org, object: str, kept: Mapping[str, Any], record: Record | None, options: Options) -> None:
    """Every rule beyond types: references, unique values, campaigns, duplicates, the admin's own."""
    for name, value in kept.items():
        of = org.objects[object][name]
        if value is None:
            continue
        if of.to:
            _check_reference(org, object, of, value)
        if of.unique:
            other = [one for one in org.matching(object, name, value) if one is not record]
            if other:
                raise RowError(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {name} duplicates value on record with id: {other[0].id}",
                )
    who, what = _would(kept, record, "WhoId"), _would(kept, record, "WhatId")
    if object == "Task" and what and str(who).startswith("00Q"):
        raise RowError("FIELD_INTEGRITY_EXCEPTION", "Related To ID: can only be null when Name is a lead", ["WhatId"])
    if object == "CampaignMember":
        _check_member(org, kept, record)
    _check_duplicates(org, object, kept, record, options)
    would = Record(object, record.id if record else "", org.clock.now(), org.clock.now())
    would.values = {**(record.values if record else {}), **kept}
    for rule in org.validation:
        wrong = rule(would)
        if wrong:
            raise RowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", wrong[0], wrong[1])


def _would(kept: Mapping[str, Any], record: Record | None, name: str) -> Any:
    return kept[name] if name in kept else record[name] if record else None


def _check_reference(org: Org, object: str, of: Field, value: str) -> None:
    kind = ids.object_of(value)
    if kind not in of.to:
        if of.name == "OwnerId" and kind == "Group":
            raise RowError("INVALID_CROSS_REFERENCE_KEY", "Owner ID: a queue cannot own this object", ["OwnerId"])
        raise RowError("FIELD_INTEGRITY_EXCEPTION", f"{of.shown_label}: id value of incorrect type: {value}", [of.name])
    target = org.records[kind].get(value)
    if target is None:
        raise RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", [of.name])
    if target.gone:
        raise RowError("ENTITY_IS_DELETED", "entity is deleted", [of.name])
    if kind == "User" and of.name == "OwnerId" and not target["IsActive"]:
        raise RowError("INACTIVE_OWNER_OR_USER", "operation performed with inactive user [" + value + "]", [of.name])
    if target["IsConverted"] and object in ("Task", "CampaignMember"):
        raise RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead", [of.name])
    if kind == "Group" and of.name == "OwnerId":
        holds = any(
            one["QueueId"] == value and one["SobjectType"] == object for one in org.records.alive("QueueSobject")
        )
        if not holds:
            raise RowError(
                "FIELD_INTEGRITY_EXCEPTION", f"Queue not associated with this SObject type: {object}", ["OwnerId"]
            )


def _check_member(org: Org, kept: Mapping[str, Any], record: Record | None) -> None:
    if record is None:
        people = [kept.get("LeadId"), kept.get("ContactId")]
        if sum(one is not None for one in people) != 1:
            raise RowError("FIELD_INTEGRITY_EXCEPTION", "A member is a lead or a contact", ["LeadId", "ContactId"])
        person = people[0] or people[1]
        for one in org.records.alive("CampaignMember"):
            if one["CampaignId"] == kept["CampaignId"] and one["LeadOrContactId"] == person:
                raise RowError("DUPLICATE_VALUE", "Already a campaign member.")
    status = kept.get("Status")
    campaign = _would(kept, record, "CampaignId")
    if status is not None and org.member_status(campaign, status) is None:
        raise RowError("INVALID_STATUS", f"bad value for campaign member status: {status}", ["Status"])


def _check_duplicates(org: Org, object: str, kept: Mapping[str, Any], record: Record | None, options: Options) -> None:
    email = kept.get("Email")
    if not email or (record is not None and str(record["Email"]).lower() == str(email).lower()):
        return
    for rule in org.duplicate_rules:
        if rule.object != object or (record is not None and not rule.on_update):
            continue
        matches = {
            against: [
                one for one in org.matching(against, "Email", email) if one is not record and not one["IsConverted"]
            ]
            for against in rule.against
        }
        if not any(matches.values()) or (options.allow_save and not rule.block):
            continue
        raise RowError(
            "DUPLICATES_DETECTED", "Use one of these records?", more={rule.spelling: _duplicates(rule, matches)}
        )


def _duplicates(rule: DuplicateRule, matches: Mapping[str, Iterable[Record]]) -> dict[str, Any]:
    return {
        "allowSave": not rule.block,
        "duplicateRule": rule.name,
        "duplicateRuleEntityType": rule.object,
        "errorMessage": "Use one of these records?",
        "matchResults": [
            {
                "entityType": against,
                "errors": [],
                "matchEngine": "ExactMatchEngine",
                "matchRecords": [
                    {
                        "additionalInformation": [],
                        "fieldDiffs": [],
                        "matchConfidence": 100.0,
                        "record": {
                            "attributes": {"type": against, "url": f"/services/data/v67.0/sobjects/{against}/{one.id}"},
                            "Id": one.id,
                        },
                    }
                    for one in found
                ],
                "rule": f"Standard_{against}_Match_Rule",
                "size": len(list(found)),
                "success": True,
            }
            for against, found in matches.items()
            if found
        ],
    }
