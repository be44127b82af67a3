"""``/crm/v3/properties/{object}``: what a record may hold, and groups of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.catalogue import PAIRS, Property
from gateway_sandbox.hubspot.objects import batch, plural
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.sandbox import Refusal, Reply, Route

MAX_UNIQUE = 10


class Properties:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def routes(self) -> list[Route]:
        base = "/crm/v3/properties/{object}"
        return [
            ("GET", base, self.page),
            ("POST", base, self.create),
            ("GET", base + "/{name}", self.show),
            ("PATCH", base + "/{name}", self.update),
            ("DELETE", base + "/{name}", self.archive),
            ("POST", base + "/batch/read", self.batch_read),
            ("POST", base + "/batch/create", self.batch_create),
            ("POST", base + "/batch/archive", self.batch_archive),
            ("GET", base + "/groups", self.groups),
            ("POST", base + "/groups", self.create_group),
            ("GET", base + "/groups/{name}", self.show_group),
            ("PATCH", base + "/groups/{name}", self.update_group),
            ("DELETE", base + "/groups/{name}", self.archive_group),
        ]

    def page(self, call: Call, object: str) -> Reply:
        archived = call.arg("archived", "") in ("true", "True")
        all_of = self.portal.properties[plural(object)].values()
        return Reply(body={"results": [one.as_json() for one in all_of if one.archived == archived]})

    def _found(self, object: str, name: str) -> Property:
        of = self.portal.properties[plural(object)].get(name)
        if of is None or of.archived:
            raise errors.not_found(f"Property {name} does not exist")
        return of

    def show(self, call: Call, object: str, name: str) -> Reply:
        return Reply(body=self._found(object, name).as_json())

    def create(self, call: Call, object: str) -> Reply:
        return Reply(201, self._created(plural(object), call.json()).as_json())

    def _created(self, object: str, given: Mapping[str, Any]) -> Property:
        if missing := [name for name in ("name", "label", "type", "fieldType", "groupName") if not given.get(name)]:
            raise errors.invalid(f"Some required fields were not set: [{', '.join(missing)}]")
        name, type = given["name"], given["type"]
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise errors.invalid("A property's name is lower case letters, digits and underscores, a letter first")
        if type not in PAIRS or given["fieldType"] not in PAIRS[type]:
            raise errors.invalid(f"fieldType {given['fieldType']} does not go with type {type}")
        if given["groupName"] not in self.portal.groups[object]:
            raise errors.invalid(f"Property group {given['groupName']} does not exist")
        there = self.portal.properties[object].get(name)
        if there is not None and not there.archived:
            raise errors.refuse(
                409,
                f"A property named '{name}' already exists.",
                "OBJECT_ALREADY_EXISTS",
                subCategory="Properties.PROPERTY_WITH_NAME_EXISTS",
            )
        if there is not None:  # archived: posting its name brings it back
            there.archived = False
            return there
        unique = bool(given.get("hasUniqueValue"))
        if unique and sum(one.unique for one in self.portal.properties[object].values()) >= MAX_UNIQUE:
            raise errors.invalid(f"An object has at most {MAX_UNIQUE} unique properties")
        if type == "enumeration" and not given.get("options"):
            raise errors.invalid("An enumeration needs options")
        of = Property(
            name=name,
            label=given["label"],
            type=type,
            field_type=given["fieldType"],
            group=given["groupName"],
            options=_options(given.get("options") or []),
            unique=unique,
            own=False,
            description=given.get("description") or "",
            hidden=bool(given.get("hidden")),
            order=given.get("displayOrder", -1),
        )
        self.portal.define(object, of)
        return of

    def update(self, call: Call, object: str, name: str) -> Reply:
        of = self._found(object, name)
        given = call.json()
        if of.own and set(given) - {"label", "options", "groupName", "displayOrder", "hidden"}:
            raise errors.invalid(f"Property {name} is defined by HubSpot")
        of.label = given.get("label", of.label)
        of.description = given.get("description", of.description)
        of.group = given.get("groupName", of.group)
        of.hidden = given.get("hidden", of.hidden)
        of.order = given.get("displayOrder", of.order)
        if "options" in given:  # the whole list is replaced, whatever records hold
            of.options = _options(given["options"])
        of.updated_at = self.portal.clock.now()
        return Reply(body=of.as_json())

    def archive(self, call: Call, object: str, name: str) -> Reply:
        of = self.portal.properties[plural(object)].get(name)
        if of is None:
            raise errors.not_found(f"Property {name} does not exist")
        if of.own:
            raise errors.invalid(f"Property {name} is defined by HubSpot and cannot be deleted")
        of.archived = True
        return Reply(204)

    def batch_read(self, call: Call, object: str) -> Reply:
        given = call.json()
        if "archived" not in given:
            raise errors.invalid("Some required fields were not set: [archived]")
        all_of = self.portal.properties[plural(object)]
        names = [one["name"] for one in given["inputs"]]
        found = [all_of[name].as_json() for name in names if name in all_of]
        failed = [
            errors.row(f"Property {name} does not exist", "OBJECT_NOT_FOUND") for name in names if name not in all_of
        ]
        return batch(self.portal, 200, found, failed)

    def batch_create(self, call: Call, object: str) -> Reply:
        made, failed = [], []
        for one in call.json()["inputs"]:
            try:
                made.append(self._created(plural(object), one).as_json())
            except Refusal as refusal:
                told = refusal.reply.body
                failed.append(errors.row(told["message"], told["category"], name=[str(one.get("name"))]))
        return batch(self.portal, 201, made, failed)

    def batch_archive(self, call: Call, object: str) -> Reply:
        for one in call.json()["inputs"]:
            if one["name"] in self.portal.properties[plural(object)]:
                self.archive(call, object, one["name"])
        return Reply(204)

    def groups(self, call: Call, object: str) -> Reply:
        return Reply(body={"results": list(self.portal.groups[plural(object)].values())})

    def create_group(self, call: Call, object: str) -> Reply:
        given, groups = call.json(), self.portal.groups[plural(object)]
        if given["name"] in groups:
            raise errors.refuse(409, f"A group named '{given['name']}' already exists.", "OBJECT_ALREADY_EXISTS")
        groups[given["name"]] = {
            "name": given["name"],
            "label": given["label"],
            "displayOrder": given.get("displayOrder", -1),
            "archived": False,
        }
        return Reply(201, groups[given["name"]])

    def show_group(self, call: Call, object: str, name: str) -> Reply:
        group = self.portal.groups[plural(object)].get(name)
        if group is None:
            raise errors.not_found(f"Property group {name} does not exist")
        return Reply(body=group)

    def update_group(self, call: Call, object: str, name: str) -> Reply:
        group = self.show_group(call, object, name).body
        group |= {key: value for key, value in call.json().items() if key in ("label", "displayOrder")}
        return Reply(body=group)

    def archive_group(self, call: Call, object: str, name: str) -> Reply:
        if any(one.group == name and not one.archived for one in self.portal.properties[plural(object)].values()):
            raise errors.invalid(f"Property group {name} still has properties")
        self.portal.groups[plural(object)].pop(name, None)
        return Reply(204)


def _options(given: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "label": str(one["label"]),
            "value": str(one["value"]),
            "displayOrder": one.get("displayOrder", place),
            "hidden": bool(one.get("hidden", False)),
        }
        for place, one in enumerate(given)
    ]
