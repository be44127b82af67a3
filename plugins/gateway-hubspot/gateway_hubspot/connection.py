"""Connecting a HubSpot account: whose it is, what its token may do, what it tells, what it lacks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from gateway.contracts import Account, Connection, Context, Signal, Step
from gateway.errors import AccessRefused, Refused
from gateway_hubspot.activities import STREAMS
from gateway_hubspot.client import Client, Failure, MissingScopes
from gateway_hubspot.owners import OWNER
from gateway_hubspot.properties import OURS, provide, provide_list
from gateway_hubspot.records import MODIFIED, Shape, cut, flat, plural, shapes, singular

LISTED, READ = 100, 100
"""Records of one page, and of one batch that is read."""
COMMENTED = "  # With `activities: [form"
"""From here on the objects of mapping.yaml are comments: who uses them turns on their streams, too."""
CONNECTOR = ("salesforcecontactid", "salesforceleadid")
"""Properties that HubSpot's own Salesforce connector fills on contacts."""
_PROBES: dict[str, tuple[str, list[tuple[str, Any]], str]] = {
    "form_submissions": ("/marketing/v3/forms", [("limit", 1)], "results"),
    "email_events": ("/email/public/v1/events", [("startTimestamp", 1), ("eventType", "OPEN"), ("limit", 1)], "events"),
    "page_views": ("/events/v3/events", [("eventType", "e_visited_page"), ("limit", 1)], "results"),
    "meetings": ("/crm/v3/objects/meetings", [("limit", 1)], "results"),
}
"""Stream of activities → a call that tells whether the account and the token's scopes give it."""
TASKS = Shape("tasks", "task", "task", (), (), ())
"""Where follow-up tasks are made, they carry our key, too."""
_MADE = {"page_views": ("page_view",), "meetings": ("meeting_booked", "meeting_held")}


class HubSpotConnection(Connection):
    role, pull, prefix, streams = "ma", "10m", OURS, (*STREAMS.values(), OWNER)

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._settings = settings
        self._mapping: Any = context.mapping
        self._client = Client(settings, context)

    @classmethod
    def mapping(cls) -> str:
        text = files("gateway_hubspot").joinpath("mapping.yaml").read_text(encoding="utf-8")
        head, mark, rest = text.partition(COMMENTED)
        return head + re.sub(r"^  # (?!With)", "  ", mark + rest, flags=re.M)

    def account(self) -> Account:
        details = self._client.account()
        kind = str(details.get("accountType") or "").lower().replace("_", " ")
        about = {"kind": kind, "zone": details.get("timeZone"), "currency": details.get("companyCurrency")}
        portal, host = details.get("portalId"), details.get("uiDomain")
        if not isinstance(portal, int):
            raise Refused("HubSpot does not say which account this is: is base_url the address of its API?")
        return Account(
            id=str(portal),
            name=f"{host}/contacts/{portal}" if host else "",
            sandbox=kind != "standard" if kind else None,
            pin={"portal_id": portal},
            missing=tuple(self._missing()),
            connectors=self._connectors(),
            about={name: str(value) for name, value in about.items() if value},
        )

    def signals(self) -> Sequence[Signal]:
        return [self._signal(name) for name in _PROBES]

    def sample(self, object: str, fields: Sequence[str], records: int) -> Iterable[Mapping[str, Any]]:
        path = plural(object)
        try:
            for ids in self._ids(path, records):
                request = {"inputs": [{"id": one} for one in ids], "properties": list(fields)}
                reply = self._client.page(self._client.batch.read, path, request, archived=False)
                yield from (flat(singular(object), result, {}) for result in reply.results)
        except MissingScopes:
            return

    def setup(self, dry_run: bool = True, folder: Path | None = None) -> Iterator[Step]:
        if folder is not None:
            raise Refused("HubSpot takes no folder: properties are made by its API, without --metadata")
        key = self._settings["external_id"]
        for shape in self._shapes():
            if fields := self._mapping.objects[shape.name].outbound:
                yield from provide(self._client, shape, fields, key, dry_run)
        if self._settings.get("task") is not None:
            yield from provide(self._client, TASKS, {}, key, dry_run)
        for name in self._settings["lists"]:
            yield provide_list(self._client, name, dry_run)

    def _shapes(self) -> list[Shape]:
        return [shape for object_, shape in shapes(self._mapping).items() if object_ not in self.streams]

    def _ids(self, path: str, records: int) -> Iterator[Sequence[str]]:
        """Of the records changed last: a search gives at most two hundred at a time, and so does it here."""
        modified = MODIFIED.get(path, "hs_lastmodifieddate")
        request: dict[str, Any] = {
            "filterGroups": [], "sorts": [{"propertyName": modified, "direction": "DESCENDING"}], "properties": [],
        }  # fmt: skip
        left = records
        while left > 0:
            reply = self._client.search(path, {**request, "limit": min(left, 2 * READ)})
            found = [str(one.get("id")) for one in reply.results]
            yield from cut(found, READ)
            left -= len(found)
            if not found or not reply.after:
                return
            request["after"] = reply.after

    # -- what the token may do ----------------------------------------------------------------------------------------

    def _missing(self) -> Iterator[str]:
        """Scopes that the token lacks. To change nothing is allowed to whoever may change something."""
        client, nothing = self._client, {"inputs": list[Any]()}
        asked: list[tuple[str, str, Callable[[], Any]]] = []
        for path in self._settings["objects"]:
            asked += [
                (f"crm.objects.{path}.read", f"to read {path}",
                 partial(client.page, client.basic.get_page, path, limit=1)),
                (f"crm.schemas.{path}.read", f"to check the mapping of {path}",
                 partial(client.page, client.properties.get_all, path, archived=False)),
            ]  # fmt: skip
        asked += [
            ("crm.objects.contacts.write", "to write scores, stages and buckets",
             partial(client.change, client.batch.update, "contacts", nothing)),
            ("crm.schemas.contacts.write", "for `gateway plugins setup`",
             partial(client.change, client.property_batch.create, "contacts", nothing)),
        ]  # fmt: skip
        for name in self._settings["lists"][:1]:
            asked.append(("crm.lists.read", "to fill lists", partial(provide_list, client, name, dry_run=True)))
        for scope, purpose, ask in asked:
            try:
                ask()
            except MissingScopes as exc:
                yield f"{', '.join(exc.scopes) or scope} ({purpose})"
            except Failure:
                pass  # it may be asked; what it said of nothing is no matter

    def _connectors(self) -> dict[str, str]:
        """HubSpot's own Salesforce connector leaves Salesforce's ids on the contacts that it keeps in step."""
        groups = [{"filters": [{"propertyName": name, "operator": "HAS_PROPERTY"}]} for name in CONNECTOR]
        try:
            reply = self._client.search("contacts", {"filterGroups": groups, "properties": list(CONNECTOR), "limit": 1})
        except (MissingScopes, Failure):  # no such property: it was never connected
            return {}
        count = reply.data.get("total") or 0
        return {"HubSpot's own Salesforce connector": f"{count:,} contacts carry its ids"} if count else {}

    def _signal(self, name: str) -> Signal:
        state: Literal["delivered", "off", "refused"] = "delivered"
        message = ""
        path, query, key = _PROBES[name]
        try:
            self._client.get(path, query, key)
            if name not in self._settings["activities"]:
                state, message = "off", f"name it under activities in the settings: [{name}]"
        except (AccessRefused, Failure) as exc:
            state, message = "refused", str(exc)
        return Signal(
            name=name, state=state, object=STREAMS.get(name, ""), activities=_MADE.get(name, ()), message=message
        )
