"""Memberships of campaigns: found by campaign and person, made where they are not, their status set where it differs.

A person is in a campaign once, so the same write twice finds what the first one made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.contracts import Write
from gateway_salesforce.codes import Fault
from gateway_salesforce.org import Org
from gateway_salesforce.rows import Row, Rows

MEMBER = "CampaignMember"
WHO = {"Lead": "LeadId", "Contact": "ContactId"}
"""Object of a person → the field of a membership that leads to them."""
UNKNOWN = Fault("NOT_FOUND", "no campaign has this name, or more than one has it", ("campaign",))


class Campaigns:
    def __init__(self, org: Org, rows: Rows) -> None:
        self._org = org
        self._rows = rows
        self._ids: dict[str, str] = {}
        """Name in small letters → id; "" of a name that leads to none, or to several."""

    def put(self, writes: Sequence[Write], priority: int) -> list[Row]:
        """Make or change these memberships. Raises what ``Org.call`` raises."""
        ids = self._campaigns({str(write.fields["campaign"]).casefold() for write in writes}, priority)
        wanted = {write.key: ids.get(str(write.fields["campaign"]).casefold(), "") for write in writes}
        there = self._members([write for write in writes if wanted[write.key]], set(wanted.values()) - {""}, priority)
        found: dict[str, Row] = {write.key: Row(fault=UNKNOWN) for write in writes if not wanted[write.key]}
        new: dict[str, dict[str, Any]] = {}
        changed: dict[str, dict[str, Any]] = {}
        for write in writes:
            if write.key in found:
                continue
            ((object_, person),) = write.refs.items()
            status = {"Status": write.fields["status"]} if write.fields.get("status") else {}
            member = there.get((wanted[write.key][:15], person[:15]))
            if member is None:
                new[write.key] = {"CampaignId": wanted[write.key], WHO.get(object_, "LeadId"): person, **status}
            elif status and member.get("Status") != write.fields["status"]:
                changed[write.key] = {"id": member["Id"], **status}
            else:
                found[write.key] = Row(member["Id"])
        if changed:
            rows = self._rows.update(MEMBER, list(changed.values()), priority)
            found |= dict(zip(changed, rows, strict=True))
        if new:
            rows = self._rows.insert(MEMBER, list(new.values()), priority)
            found |= dict(zip(new, rows, strict=True))
        return [found[write.key] for write in writes]

    def _campaigns(self, names: set[str], priority: int) -> dict[str, str]:
        missing = sorted(name for name in names if not self._ids.get(name))
        hits: dict[str, list[str]] = {}
        for row in self._org.query_in("SELECT Id, Name FROM Campaign", "Name", missing, priority=priority):
            hits.setdefault(str(row.get("Name")).casefold(), []).append(row["Id"])
        self._ids |= {name: ids[0] for name, ids in hits.items() if len(ids) == 1}
        return self._ids

    def _members(
        self, writes: Sequence[Write], campaigns: set[str], priority: int
    ) -> dict[tuple[str, str], Mapping[str, Any]]:
        """(campaign, person) → membership."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        listed = ",".join(f"'{id_}'" for id_ in sorted(campaigns))
        for object_, field in WHO.items():
            people = [write.refs[object_] for write in writes if object_ in write.refs]
            select = f"SELECT Id, CampaignId, {field}, Status FROM {MEMBER}"
            where = f" AND CampaignId IN ({listed})"
            for row in self._org.query_in(select, field, people, where=where, priority=priority):
                found[str(row.get("CampaignId"))[:15], str(row.get(field))[:15]] = row
        return found
