"""One table from codes to what happens next."""

from __future__ import annotations

import pytest
from gateway_salesforce.codes import Fault, fault_of, faults_of
from hypothesis import given, settings
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["errorCode", "message", "fields", "duplicateResut", "matchResults", "record", "Id"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.parametrize(
    ("code", "message", "status", "meaning", "wait"),
    [
        ("INVALID_SESSION_ID", "Session expired or invalid", 401, "session", 0),
        ("InvalidSessionId", "Invalid session id", 400, "session", 0),  # Bulk 1.0 says it with 400
        ("", "", 401, "session", 0),  # an HTML page, an object, an empty list
        ("invalid_grant", "", 400, "auth", 0),
        ("API_DISABLED_FOR_ORG", "", 403, "auth", 0),
        ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403, "limit", 1800),
        ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", 403, "limit", 30),
        ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", 0, "limit", 3600),  # until an admin makes room
        ("UNABLE_TO_LOCK_ROW", "", 0, "transient", 0),
        ("ENTITY_IS_LOCKED", "", 0, "transient", 3600),  # an approval process takes its time
        ("SERVER_UNAVAILABLE", "", 503, "transient", 0),
        ("", "", 503, "transient", 0),
        ("", "", 429, "transient", 0),
        ("", "", 406, "transient", 0),
        ("", "", 403, "transient", 0),  # a proxy's page: Salesforce itself names a code
        ("UNKNOWN_EXCEPTION", "", 500, "doubtful", 0),
        ("A_CODE_OF_NEXT_YEAR", "", 400, "doubtful", 0),
        ("DUPLICATES_DETECTED", "", 400, "duplicate", 0),
        ("DUPLICATE_VALUE", "", 0, "duplicate", 0),
        ("", "", 300, "duplicate", 0),
        ("CANNOT_UPDATE_CONVERTED_LEAD", "", 0, "converted", 0),
        ("ENTITY_IS_DELETED", "", 0, "stale", 0),
        ("MALFORMED_ID", "", 0, "stale", 0),
        ("STRING_TOO_LONG", "", 0, "row", 0),
        ("REQUIRED_FIELD_MISSING", "", 0, "row", 0),
        ("INVALID_FIELD", "", 400, "mapping", 0),
        ("NOT_FOUND", "", 404, "mapping", 0),  # of an upsert: the field, not the record
        ("", "", 404, "mapping", 0),
        ("", "", 400, "row", 0),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Trig: execution of AfterInsert", 0, "row", 0),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "Trig: UNABLE_TO_LOCK_ROW, unable", 0, "transient", 0),
        ("APEX_ERROR", "callout: INVALID_SESSION_ID", 0, "doubtful", 0),
    ],
)
def test_each_code_means_one_thing(code, message, status, meaning, wait):
    """The code decides; the status only where there is no code; the message only where it embeds another code."""
    fault = Fault(code, message, status=status)
    assert (fault.meaning, fault.wait) == (meaning, wait)


@pytest.mark.parametrize("spelling", ["duplicateResut", "duplicateResult"])
def test_a_duplicate_rule_names_its_matches_in_both_spellings(spelling):
    """The key is misspelt in most answers, and right in some."""
    record = {"attributes": {"type": "Contact"}, "Id": "003Ka000002XyZaIAK"}
    matches = [{"entityType": "Contact", "matchRecords": [{"matchConfidence": 100.0, "record": record}]}]
    fault = fault_of({"errorCode": "DUPLICATES_DETECTED", "message": "Use one?", spelling: {"matchResults": matches}})
    assert fault.matches == (("Contact", "003Ka000002XyZaIAK"),)


@settings(derandomize=True, deadline=None)
@given(JSON, st.integers(300, 599))
def test_whatever_the_answer_is_it_means_something(content, status):
    """No form of an error can raise: a proxy may answer anything."""
    faults = faults_of(content, status)
    assert faults
    assert all(fault.meaning and fault.wait >= 0 and fault.told for fault in faults)


def test_what_is_told_holds_no_values():
    """Salesforce quotes what it was sent; logs get the code and the fields' names."""
    fault = Fault("STRING_TOO_LONG", "Last Name: data value too large: Okafor (max length=80)", ("LastName",))
    assert fault.told == "STRING_TOO_LONG (LastName)"
    assert "Okafor" not in repr(fault)
