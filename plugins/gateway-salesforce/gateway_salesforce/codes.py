"""What an error of Salesforce means: one table from its code to what the gateway does next. Pure.

In: what Salesforce answered, for a request (``errorCode``) or a row of one (``statusCode``). The HTTP status decides
only where there is no code: 403 is both "forbidden" and "limit", and 400 can be "session expired".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Meaning = Literal[
    "session",    # the token ended: get another one and say it again
    "auth",       # the credentials are refused: a person must act
    "limit",      # a quota is used up: wait, it costs no try
    "transient",  # say it again
    "doubtful",   # like transient, but three times only: it may be meant for good
    "duplicate",  # it would double another record
    "converted",  # the lead became a contact
    "stale",      # the id no longer leads anywhere
    "row",        # these values will never be taken
    "mapping",    # every record of this mapping will be refused
]  # fmt: skip

_TABLE: dict[Meaning, str] = {
    "session": "INVALID_SESSION_ID InvalidSessionId",
    "auth": """invalid_grant invalid_client invalid_client_id unauthorized_client inactive_user inactive_org
        INVALID_LOGIN LOGIN_MUST_USE_SECURITY_TOKEN INVALID_OPERATION_WITH_EXPIRED_PASSWORD API_DISABLED_FOR_ORG
        API_CURRENTLY_DISABLED INVALID_AUTH_HEADER""",
    "limit": """REQUEST_LIMIT_EXCEEDED LIMIT_EXCEEDED EXCEEDED_ID_LIMIT TOO_MANY_APEX_REQUESTS ExceededQuota
        STORAGE_LIMIT_EXCEEDED LICENSE_LIMIT_EXCEEDED""",
    "transient": """UNABLE_TO_LOCK_ROW SERVER_UNAVAILABLE QUERY_TIMEOUT REQUEST_RUNNING_TOO_LONG
        INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE TERRITORY_REALIGN_IN_PROGRESS ALREADY_IN_PROCESS
        TXN_SECURITY_METERING_ERROR ALL_OR_NONE_OPERATION_ROLLED_BACK PROCESSING_HALTED ENTITY_IS_LOCKED""",
    "doubtful": "UNKNOWN_EXCEPTION",
    "duplicate": "DUPLICATES_DETECTED DUPLICATE_VALUE DUPLICATE_EXTERNAL_ID",
    "converted": "CANNOT_UPDATE_CONVERTED_LEAD",
    "stale": "ENTITY_IS_DELETED INVALID_CROSS_REFERENCE_KEY MALFORMED_ID",
    "row": """REQUIRED_FIELD_MISSING STRING_TOO_LONG INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST
        FIELD_CUSTOM_VALIDATION_EXCEPTION FIELD_FILTER_VALIDATION_EXCEPTION FIELD_INTEGRITY_EXCEPTION
        INVALID_EMAIL_ADDRESS NUMBER_OUTSIDE_VALID_RANGE INVALID_TYPE_ON_FIELD_IN_RECORD INVALID_STATUS
        TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY CANNOT_EXECUTE_FLOW_TRIGGER
        APEX_ERROR INVALID_QUERY_LOCATOR INVALID_REPLICATION_DATE""",
    "mapping": """INVALID_FIELD INVALID_FIELD_FOR_INSERT_UPDATE INVALID_TYPE NOT_FOUND INSUFFICIENT_ACCESS_OR_READONLY
        INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY INACTIVE_OWNER_OR_USER TRANSFER_REQUIRES_READ
        INVALID_ASSIGNMENT_RULE MALFORMED_QUERY JSON_PARSER_ERROR METHOD_NOT_ALLOWED UNSUPPORTED_API_VERSION GONE""",
}
_MEANING: dict[str, Meaning] = {code: meaning for meaning, codes in _TABLE.items() for code in codes.split()}
_AUTOMATION = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER", "APEX_ERROR"})
_OFTEN = frozenset({406, 408, 420, 429})
"""Client errors of the network on the way, which mean nothing about the request."""
_ADMINS = frozenset({"STORAGE_LIMIT_EXCEEDED", "LICENSE_LIMIT_EXCEEDED"})
SOON, LATER, SLOW = 30.0, 1800.0, 3600.0
"""Seconds: too many calls at once; the day's calls are used up; what only a person ends."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One error. ``message`` is theirs and may quote values; ``matches`` are (object, id) a duplicate rule names."""

    code: str
    message: str = field(default="", repr=False)
    fields: tuple[str, ...] = ()
    status: int = 0
    matches: tuple[tuple[str, str], ...] = ()

    @property
    def meaning(self) -> Meaning:
        if self.code in _AUTOMATION:  # an org's own automation hands on what it met itself
            if "UNABLE_TO_LOCK_ROW" in self.message:
                return "transient"
            if "INVALID_SESSION_ID" in self.message:
                return "doubtful"
        if known := _MEANING.get(self.code):
            return known
        if self.code:
            return "doubtful"
        if self.status == 401:
            return "session"
        if self.status == 300:
            return "duplicate"
        if self.status in (404, 405, 410, 415):
            return "mapping"
        return "row" if 400 <= self.status < 500 and self.status not in _OFTEN | {403} else "transient"

    @property
    def wait(self) -> float:
        """Seconds before it makes sense to ask again; 0.0 = as the gateway likes."""
        if self.code == "ENTITY_IS_LOCKED" or self.code in _ADMINS:
            return SLOW
        if self.meaning != "limit":
            return 0.0
        return SOON if "concurrent" in self.message.lower() else LATER

    @property
    def told(self) -> str:
        """Code and fields in words: never the message, which quotes what was sent."""
        return f"{self.code or f'HTTP {self.status}'}{f' ({chr(44).join(self.fields)})' if self.fields else ''}"


def fault_of(data: Mapping[str, Any], status: int = 0) -> Fault:
    """One entry of an error list, of a row's ``errors``, or the token endpoint's object."""
    code = data.get("errorCode") or data.get("statusCode") or data.get("exceptionCode") or data.get("error") or ""
    message = data.get("message") or data.get("exceptionMessage") or data.get("error_description") or ""
    fields = data.get("fields")
    names = tuple(str(name) for name in fields) if isinstance(fields, list) else ()
    return Fault(str(code), str(message), names, status, tuple(_matches(data)))


def faults_of(content: Any, status: int) -> Sequence[Fault]:
    """The errors of a whole answer, whatever its form: a list, one object, or no JSON at all. Never empty."""
    entries = content if isinstance(content, list) else [content]
    faults = [fault_of(entry, status) for entry in entries if isinstance(entry, Mapping)]
    return faults or [Fault("", status=status)]


def _matches(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The records a duplicate rule found. The key is really misspelt in most answers."""
    results = data.get("duplicateResut") or data.get("duplicateResult") or {}
    found = []
    for result in _mappings(results if isinstance(results, list) else [results]):
        for match in _mappings(result.get("matchResults")):
            for entry in _mappings(match.get("matchRecords")):
                record = entry.get("record")
                if isinstance(record, Mapping) and isinstance(record.get("Id"), str):
                    attributes = record.get("attributes")
                    kind = attributes.get("type") if isinstance(attributes, Mapping) else None
                    found.append((str(kind or match.get("entityType") or ""), record["Id"]))
    return list(dict.fromkeys(found))


def _mappings(entries: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []
