"""First meeting: is the person we are about to create there already, as a contact or as a lead?

Asked in batches, the surest sign first: our key on a contact, our key on a lead, ids that another connector left with
us, a contact's e-mail address, an unconverted lead's. One record: it is linked, and carries our key from then on.
Several: a person decides. None: it may be created.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.contracts import Receipt, Write
from gateway_salesforce.org import Org

PEOPLE = ("Contact", "Lead")
HINTS = {"Id": "", "ConvertedContactId": "Contact"}
"""Fields of a create that only say where to look: ids that came from another system. Never sent."""
CONTACT, LEAD = "003", "00Q"
"""What ids begin with."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that could be the person. ``key``: whose it is, by the external id it carries."""

    object: str
    record: str
    key: str = ""


class Meeting:
    """Looks up one batch of creates. ``keys``: write's key → the external id that its record would carry."""

    def __init__(self, org: Org, external_id: str, writes: Sequence[Write], keys: Mapping[str, str]) -> None:
        self._org = org
        self._field = external_id
        self._keys = keys
        self._open = list(writes)
        self._priority = min((write.priority for write in writes), default=5)
        self.found: dict[str, tuple[Hit, ...]] = {}
        """Write's key → the records it met."""

    def meet(self) -> dict[str, tuple[Hit, ...]]:
        self._by_key("Contact")
        became = self._by_key("Lead")
        self._by_id(became)
        self._by_email("Contact", "")
        self._by_email("Lead", " AND IsConverted = false")
        return self.found

    def _by_key(self, object_: str) -> dict[str, str]:
        """Returns the contacts that leads with our key became: write's key → contact."""
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._rows(object_, self._field, (self._keys[write.key] for write in self._open)):
            rows.setdefault(_fold(row.get(self._field)), []).append(row)
        became: dict[str, str] = {}
        found: dict[str, list[Hit]] = {}
        for write in self._open:
            mine = rows.get(_fold(self._keys[write.key]), [])
            converted = [row["ConvertedContactId"] for row in mine if row.get("ConvertedContactId")]
            if converted:
                became[write.key] = converted[0]
            elif mine:
                found[write.key] = [self._hit(object_, row) for row in mine]
        self._close(found)
        return became

    def _by_id(self, became: Mapping[str, str]) -> None:
        hints: dict[str, set[str]] = {}
        for write in self._open:
            ids = {str(write.fields[name]) for name in HINTS if write.fields.get(name)}
            hints[write.key] = {id_[:15] for id_ in ids | ({became[write.key]} if write.key in became else set())}
        for object_, begins in (("Contact", CONTACT), ("Lead", LEAD)):
            wanted = {id_ for ids in hints.values() for id_ in ids if id_.startswith(begins) and len(id_) == 15}
            rows = {row["Id"][:15]: row for row in self._rows(object_, "Id", sorted(wanted))}
            found: dict[str, list[Hit]] = {}
            for write in self._open:
                mine = [rows[id_] for id_ in sorted(hints[write.key]) if id_ in rows]
                if mine and not any(row.get("IsConverted") for row in mine):
                    found[write.key] = [self._hit(object_, row) for row in mine]
            self._close(found)

    def _by_email(self, object_: str, where: str) -> None:
        addresses = {write.key: _fold(write.fields.get("Email")) for write in self._open}
        rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in self._rows(object_, "Email", (one for one in addresses.values() if one), where):
            rows.setdefault(_fold(row.get("Email")), []).append(row)
        self._close(
            {
                key: [self._hit(object_, row) for row in rows[address]]
                for key, address in addresses.items()
                if address in rows
            }
        )

    def _rows(self, object_: str, by: str, values: Iterable[str], where: str = "") -> Iterable[Mapping[str, Any]]:
        more = ", IsConverted, ConvertedContactId" if object_ == "Lead" else ""
        select = f"SELECT Id, Email, {self._field}{more} FROM {object_}"
        return self._org.query_in(select, by, values, where=where, priority=self._priority)

    def _hit(self, object_: str, row: Mapping[str, Any]) -> Hit:
        return Hit(object_, row["Id"], str(row.get(self._field) or ""))

    def _close(self, found: Mapping[str, Sequence[Hit]]) -> None:
        self.found |= {key: tuple(hits) for key, hits in found.items() if hits}
        self._open = [write for write in self._open if write.key not in self.found]


def linked(write: Write, object_: str, record: str) -> Receipt:
    """The person is this record: of the write's own object, or of the other one."""
    if object_ == write.object:
        return Receipt(key=write.key, result="duplicate", candidates=(record,))
    return Receipt(key=write.key, result="moved", object=object_, record=record)


def _fold(value: Any) -> str:
    """External ids and addresses are found in any case of their letters."""
    return value.strip().casefold() if isinstance(value, str) else ""
