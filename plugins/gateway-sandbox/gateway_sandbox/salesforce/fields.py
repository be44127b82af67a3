"""A field of an object, and what a value of each type may be.

In: values as JSON brings them. Out: values as the org keeps them, or a ``RowError`` in Salesforce's words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway_sandbox.clock import parse
from gateway_sandbox.salesforce import ids


class RowError(Exception):
    """One record is refused. ``more`` are further keys of the error (duplicate results)."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: list[str] | None = None,
        status: int = 400,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = fields or []
        self.status = status
        self.more = dict(more or {})


@dataclass(slots=True)
class Field:
    name: str
    type: str = "string"
    length: int = 0
    precision: int = 18
    scale: int = 0
    values: tuple[str, ...] = ()
    """Picklist values, active ones."""
    restricted: bool = False
    to: tuple[str, ...] = ()
    """Objects a reference may lead to."""
    required: bool = False
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    id_lookup: bool = False
    calculated: bool = False
    default: Any = None
    label: str = ""
    inactive: tuple[str, ...] = field(default=())

    @property
    def relationship(self) -> str | None:
        if not self.to:
            return None
        return self.name.removesuffix("__c") + "__r" if self.name.endswith("__c") else self.name.removesuffix("Id")

    @property
    def shown_label(self) -> str:
        return self.label or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name.removesuffix("__c").replace("_", " "))

    def as_json(self) -> dict[str, Any]:
        text = self.type in ("string", "textarea", "email", "phone", "url", "picklist", "multipicklist")
        return {
            "name": self.name,
            "label": self.shown_label,
            "type": self.type,
            "length": self.length if text else 18 if self.type in ("id", "reference") else 0,
            "byteLength": self.length * 3 if text else 18 if self.type in ("id", "reference") else 0,
            "digits": self.precision if self.type == "int" else 0,
            "precision": self.precision if self.type in ("double", "currency", "percent") else 0,
            "scale": self.scale,
            "nillable": not self.required and self.type != "boolean",
            "createable": self.createable,
            "updateable": self.updateable,
            "defaultedOnCreate": self.default is not None or self.type == "boolean" or self.name == "OwnerId",
            "defaultValue": self.default,
            "externalId": self.external_id,
            "unique": self.unique,
            "caseSensitive": False,
            "idLookup": self.id_lookup or self.external_id,
            "restrictedPicklist": self.restricted,
            "picklistValues": [
                {
                    "active": active,
                    "defaultValue": value == self.default,
                    "label": value,
                    "validFor": None,
                    "value": value,
                }
                for active, all_of in ((True, self.values), (False, self.inactive))
                for value in all_of
            ],
            "referenceTo": list(self.to),
            "relationshipName": self.relationship,
            "calculated": self.calculated,
            "autoNumber": False,
            "custom": self.name.endswith("__c"),
            "filterable": True,
            "sortable": True,
            "groupable": True,
        }

    def kept(self, value: Any) -> Any:
        """The value as the org keeps it; None clears. Raises ``RowError``."""
        if value is None or value == "":
            if self.type == "boolean":
                raise RowError("INVALID_TYPE_ON_FIELD_IN_RECORD", f"{self.shown_label}: value not of required type: ")
            return None
        return _KEEP.get(self.type, _text)(self, value)


def _wrong_type(of: Field, value: Any) -> RowError:
    return RowError(
        "INVALID_TYPE_ON_FIELD_IN_RECORD", f"{of.shown_label}: value not of required type: {value}", [of.name]
    )


def _text(of: Field, value: Any) -> str:
    if isinstance(value, (dict, list, bool)):
        raise _wrong_type(of, value)
    text = str(value)
    if len(text) > of.length:
        shown = text if len(text) < 100 else text[:100]
        raise RowError(
            "STRING_TOO_LONG", f"{of.shown_label}: data value too large: {shown} (max length={of.length})", [of.name]
        )
    return text


def _email(of: Field, value: Any) -> str:
    text = _text(of, value).strip()
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s.,;<>]+", text):
        raise RowError("INVALID_EMAIL_ADDRESS", f"{of.shown_label}: invalid email address: {text}", [of.name])
    return text.lower()


def _number(of: Field, value: Any) -> float | int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _wrong_type(of, value) from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise _wrong_type(of, value)
    if abs(number) >= 10 ** (of.precision - of.scale):
        raise RowError(
            "NUMBER_OUTSIDE_VALID_RANGE", f"{of.shown_label}: value outside of valid range on numeric field", [of.name]
        )
    number = round(number, of.scale)
    return int(number) if of.type == "int" else number


def _boolean(of: Field, value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    if str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    raise _wrong_type(of, value)


def _date(of: Field, value: Any) -> str:
    try:
        return parse(str(value)[:10]).strftime("%Y-%m-%d")
    except ValueError:
        raise _wrong_type(of, value) from None


def _datetime(of: Field, value: Any) -> str:
    try:
        return stamp(parse(str(value)))
    except ValueError:
        raise _wrong_type(of, value) from None


def _picklist(of: Field, value: Any) -> str:
    text = str(value)
    chosen = text.split(";") if of.type == "multipicklist" else [text]
    if of.restricted and (unknown := [one for one in chosen if one not in of.values]):
        raise RowError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{of.shown_label}: bad value for restricted picklist field: {unknown[0]}",
            [of.name],
        )
    return text


def _reference(of: Field, value: Any) -> str:
    try:
        return ids.whole(str(value))
    except ValueError:
        raise RowError("MALFORMED_ID", f"{of.shown_label}: id value of incorrect type: {value}", [of.name]) from None


_KEEP = {
    "email": _email,
    "double": _number,
    "int": _number,
    "currency": _number,
    "percent": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "picklist": _picklist,
    "multipicklist": _picklist,
    "reference": _reference,
    "id": _reference,
}


def stamp(at: datetime) -> str:
    """``2026-11-20T08:00:00.000+0000``: whole seconds, so many rows share one."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def field_of(line: str) -> Field:
    """``Company string(255) !`` as a field."""
    found = re.fullmatch(r"(\w+) (>)?([\w|]+)(\*)?(?:\(([^)]*)\))?(?: ([!rcx]+))?(?: =(.*))?", line)
    if found is None:
        raise ValueError(line)
    name, reference, type, restricted, size, flags, default = found.groups()
    flags = flags or ""
    of = Field(name, "reference" if reference else type, restricted=bool(restricted), default=default)
    if reference:
        of.to = tuple(type.split("|"))
    elif type in ("picklist", "multipicklist"):
        of.values, of.length = tuple(size.split("|")), 255
    elif type in ("double", "currency", "percent"):
        of.precision, of.scale = map(int, size.split(","))
    elif type == "int":
        of.precision = int(size)
    elif size:
        of.length = int(size)
    of.required = "!" in flags
    of.createable = "r" not in flags
    of.updateable = "r" not in flags and "c" not in flags
    of.external_id = of.unique = "x" in flags
    of.id_lookup = type == "id" or (name == "Email" and type == "email")
    return of
