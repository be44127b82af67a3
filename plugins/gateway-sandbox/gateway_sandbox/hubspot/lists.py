"""``/crm/v3/lists``: lists and who is on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import iso
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.catalogue import OBJECTS
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.sandbox import Reply, Route, Sandbox

WRITABLE = ("MANUAL", "SNAPSHOT")
PAGE = 250


@dataclass(slots=True)
class MemberList:
    id: str
    name: str
    type_id: str
    processing: str
    created_at: datetime
    members: dict[str, datetime] = field(default_factory=dict)
    """Record id → when it joined."""
    deleted: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "listId": self.id,
            "listVersion": 1,
            "name": self.name,
            "objectTypeId": self.type_id,
            "processingType": self.processing,
            "processingStatus": "COMPLETE",
            "createdAt": iso(self.created_at),
            "updatedAt": iso(self.created_at),
            "size": len(self.members),
        }


class Lists:
    def __init__(self, portal: Portal, sandbox: Sandbox) -> None:
        self.portal = portal
        self.sandbox = sandbox
        self.all: dict[str, MemberList] = {}

    def routes(self) -> list[Route]:
        base = "/crm/v3/lists"
        return [
            ("POST", base, self.create),
            ("GET", base, self.several),
            ("POST", base + "/search", self.search),
            ("GET", base + "/{id}", self.show),
            ("DELETE", base + "/{id}", self.remove),
            ("PUT", base + "/{id}/restore", self.restore),
            ("GET", base + "/object-type-id/{type_id}/name/{name}", self.by_name),
            ("PUT", base + "/{id}/memberships/add", self.join),
            ("PUT", base + "/{id}/memberships/remove", self.leave),
            ("PUT", base + "/{id}/memberships/add-and-remove", self.join_and_leave),
            ("GET", base + "/{id}/memberships", self.members),
            ("GET", base + "/{id}/memberships/join-order", self.members_by_time),
            ("DELETE", base + "/{id}/memberships", self.leave_all),
            ("GET", base + "/records/{type_id}/{record}/memberships", self.lists_of),
        ]

    def make(self, name: str, type_id: str = "0-1", processing: str = "MANUAL") -> MemberList:
        """A new list. Refuses a name that is taken."""
        if any(one.name == name and not one.deleted for one in self.all.values()):
            raise errors.invalid(f"A list named '{name}' already exists", subCategory="ILS.DUPLICATE_LIST_NAMES")
        made = MemberList(str(len(self.all) + 1), name, type_id, processing, self.portal.clock.now())
        self.all[made.id] = made
        return made

    def named(self, name: str) -> MemberList | None:
        return next((one for one in self.all.values() if one.name == name and not one.deleted), None)

    def create(self, call: Call) -> Reply:
        given = call.json()
        if missing := [name for name in ("name", "objectTypeId", "processingType") if not given.get(name)]:
            raise errors.invalid(f"Some required fields were not set: [{', '.join(missing)}]")
        if given["processingType"] not in (*WRITABLE, "DYNAMIC"):
            raise errors.invalid(f"Unknown processingType: {given['processingType']}")
        return Reply(body={"list": self.make(given["name"], given["objectTypeId"], given["processingType"]).as_json()})

    def _found(self, id: str) -> MemberList:
        found = self.all.get(id)
        if found is None or found.deleted:
            raise errors.not_found(f"List does not exist with ID {id}.")
        return found

    def several(self, call: Call) -> Reply:
        wanted = call.args("listIds")
        return Reply(body={"lists": [self.all[id].as_json() for id in wanted if id in self.all]})

    def search(self, call: Call) -> Reply:
        given = call.json()
        word, offset, count = (given.get("query") or "").lower(), given.get("offset") or 0, given.get("count") or 20
        found = [one for one in self.all.values() if word in one.name.lower() and not one.deleted]
        shown = [
            {**one.as_json(), "additionalProperties": {"hs_list_size": str(len(one.members))}}
            for one in found[offset : offset + count]
        ]
        return Reply(
            body={
                "lists": shown,
                "offset": offset + len(shown),
                "hasMore": offset + len(shown) < len(found),
                "total": len(found),
            }
        )

    def show(self, call: Call, id: str) -> Reply:
        return Reply(body={"list": self._found(id).as_json()})

    def by_name(self, call: Call, type_id: str, name: str) -> Reply:
        found = self.named(name)
        if found is None or found.type_id != type_id:
            raise errors.not_found(f"List does not exist with name {name} and object type ID {type_id}.")
        return Reply(body={"list": found.as_json()})

    def remove(self, call: Call, id: str) -> Reply:
        self._found(id).deleted = True
        return Reply(204)

    def restore(self, call: Call, id: str) -> Reply:
        if id not in self.all:
            raise errors.not_found(f"List does not exist with ID {id}.")
        self.all[id].deleted = False
        return Reply(204)

    def join(self, call: Call, id: str) -> Reply:
        return self._change(id, call.json(), [])

    def leave(self, call: Call, id: str) -> Reply:
        return self._change(id, [], call.json())

    def join_and_leave(self, call: Call, id: str) -> Reply:
        given = call.json()
        return self._change(id, given.get("recordIdsToAdd") or [], given.get("recordIdsToRemove") or [])

    def leave_all(self, call: Call, id: str) -> Reply:
        self._change(id, [], list(self._found(id).members))
        return Reply(204)

    def _change(self, id: str, joining: Iterable[Any], leaving: Iterable[Any]) -> Reply:
        of = self._found(id)
        if of.processing not in WRITABLE:
            raise errors.invalid(f"List {id} is {of.processing}; only MANUAL and SNAPSHOT memberships can be written")
        if not isinstance(joining, list) or not isinstance(leaving, list):
            raise errors.invalid("Invalid input JSON: a list of record ids is expected")
        object = OBJECTS[of.type_id]
        added, removed, missing = [], [], []
        for given in joining:
            record = self.portal.find(object, str(given))
            if record is None:
                missing.append(str(given))
            elif record.id not in of.members:
                of.members[record.id] = self.portal.clock.now()
                added.append(str(given))
                self.sandbox.changed("join", "lists", of.id, {"record": record.id, "list": of.name})
        for given in leaving:
            if of.members.pop(str(given), None) is not None:
                removed.append(str(given))
                self.sandbox.changed("leave", "lists", of.id, {"record": str(given), "list": of.name})
            elif self.portal.find(object, str(given)) is None:
                missing.append(str(given))
        # "recordsIdsAdded": their spelling
        return Reply(body={"recordsIdsAdded": added, "recordIdsRemoved": removed, "recordIdsMissing": missing})

    def members(self, call: Call, id: str) -> Reply:
        of = self._found(id)
        return self._page(call, sorted(of.members.items(), key=lambda one: int(one[0])))

    def members_by_time(self, call: Call, id: str) -> Reply:
        return self._page(call, sorted(self._found(id).members.items(), key=lambda one: (one[1], int(one[0]))))

    def _page(self, call: Call, members: list[tuple[str, datetime]]) -> Reply:
        limit = int(call.arg("limit") or 100)
        if not 1 <= limit <= PAGE:
            raise errors.invalid(f"limit must be between 1 and {PAGE}, was {limit}")
        start = int(call.arg("after") or 0)
        body: dict[str, Any] = {
            "total": len(members),
            "results": [
                {"recordId": record, "membershipTimestamp": iso(at)} for record, at in members[start : start + limit]
            ],
        }
        if start + limit < len(members):
            body["paging"] = {"next": {"after": str(start + limit), "link": f"?after={start + limit}"}}
        return Reply(body=body)

    def lists_of(self, call: Call, type_id: str, record: str) -> Reply:
        found = [one for one in self.all.values() if one.type_id == type_id and record in one.members]
        return Reply(
            body={
                "total": len(found),
                "results": [
                    {
                        "listId": one.id,
                        "listVersion": 1,
                        "firstAddedTimestamp": iso(one.members[record]),
                        "lastAddedTimestamp": iso(one.members[record]),
                    }
                    for one in found
                ],
            }
        )
