"""First meeting: is the contact we are about to create there already?

Asked in batches, the surest sign first: the Salesforce ids that HubSpot's own connector left on contacts, then the
e-mail address, be it a further one. One contact: it is linked and carries our key from then on, so that the key leads
to it as well. Several: a person decides. None: it may be created, by upsert on our key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.contracts import Receipt, Write
from gateway.errors import AccessRefused, TryLater
from gateway_hubspot.client import Client, Failure, NoAnswer
from gateway_hubspot.records import cut

HINTS = ("salesforcecontactid", "salesforceleadid")
"""Properties of a write that only say where to look. Never sent: the connector keeps them."""
_SAME = 15
"""Characters of a Salesforce id that count; the last three only repeat which letters are capitals."""
_IDS = 50
"""Ids of one search, each in both its lengths: HubSpot takes 3,000 characters."""


@dataclass(slots=True)
class Meeting:
    """``key``: the property with our key. ``stop`` hears what every other write gets as well: no budget, no access."""

    client: Client
    key: str
    priority: int
    stop: Callable[[TryLater | AccessRefused], None]
    calls: int = 0
    _found: dict[str, dict[str, str]] = field(default_factory=dict)
    """Write's key → contact → the key that it carries"""

    def meet(self, writes: Sequence[Write]) -> dict[str, Receipt]:
        """Receipts of those who are there, and of those of whom nobody can say it now."""
        try:
            for hint in HINTS:
                self._by_hint(hint, [made for made in writes if made.key not in self._found])
            self._by_address([made for made in writes if made.key not in self._found])
            return self._linked(writes)
        except (TryLater, AccessRefused) as exc:
            self.stop(exc)
            return {}

    def _by_hint(self, hint: str, writes: Sequence[Write]) -> None:
        wanted = {str(made.fields[hint])[:_SAME]: made for made in writes if made.fields.get(hint)}
        for some in cut(list(wanted.values()), _IDS):
            ids = [
                str(made.fields[hint]).lower() for made in some
            ]  # IN takes small letters; the answer tells them apart
            values = sorted({*ids, *(id_[:_SAME] for id_ in ids)})
            request = {
                "filterGroups": [{"filters": [{"propertyName": hint, "operator": "IN", "values": values}]}],
                "properties": [hint, self.key],
                "limit": 200,
            }
            self.calls += 1
            try:
                reply = self.client.search("contacts", request, self.priority)
            except (Failure, NoAnswer):
                return  # the connector was never there; or the address tells
            for result in reply.results:
                properties = result.get("properties") or {}
                self._note(wanted.get(str(properties.get(hint))[:_SAME]), result)

    def _by_address(self, writes: Sequence[Write]) -> None:
        addresses = {address: made for made in writes if (address := address_of(made))}
        if not addresses:
            return
        request = {
            "idProperty": "email",
            "inputs": [{"id": address} for address in addresses],
            "properties": ["email", self.key],
        }
        self.calls += 1
        try:
            reply = self.client.page(
                self.client.batch.read, "contacts", request, archived=False, priority=self.priority
            )
        except (Failure, NoAnswer):
            return  # a create of one who is there is refused with a name, too
        for result in reply.results:
            properties = result.get("properties") or {}
            self._note(addresses.get(str(properties.get("email")).strip().casefold()), result)

    def _note(self, made: Write | None, result: Mapping[str, Any]) -> None:
        carried = str((result.get("properties") or {}).get(self.key) or "")
        if made is not None and carried != made.key:
            self._found.setdefault(made.key, {})[str(result.get("id"))] = carried

    def _linked(self, writes: Sequence[Write]) -> dict[str, Receipt]:
        known = {
            key: Receipt(key=key, result="duplicate", candidates=tuple(sorted(ids)), code="is there already")
            for key, ids in self._found.items()
        }
        stamps = {
            key: {"id": id_, "properties": {self.key: key}}
            for key, ids in self._found.items()
            for id_, carried in ids.items()
            if len(ids) == 1 and not carried
        }
        if not stamps:
            return known
        self.calls += 1
        try:
            self.client.change(
                self.client.batch.update, "contacts", {"inputs": list(stamps.values())}, priority=self.priority
            )
        except NoAnswer:
            code = "no answer"
        except Failure as exc:
            if not exc.passing:
                return known  # linked all the same where HubSpot does not take the key
            code = str(exc.status)
        else:
            return known
        # Until they carry it, they are looked up again.
        return known | {key: Receipt(key=key, result="retry", code=code) for key in stamps}


def address_of(made: Write) -> str:
    email = made.fields.get("email")
    return email.strip().casefold() if isinstance(email, str) else ""
