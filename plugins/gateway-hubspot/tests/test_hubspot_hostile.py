"""What nobody should send: whatever comes, it is read or refused, never a crash, and nothing personal is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_hubspot import HubSpotSource, answers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contracts import Document, Event, Lookup, Quarantined, Receipt, Skipped, Write
from gateway.errors import QuarantineDocument

quick = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
)
TYPES = [
    f"{object_}.{what}"
    for object_ in ("contact", "company", "deal", "object", "ticket")
    for what in (
        "creation", "propertyChange", "merge", "deletion", "privacyDeletion", "restore", "associationChange", "other",
    )
]  # fmt: skip
FIELDS = (
    "objectId", "objectTypeId", "occurredAt", "portalId", "eventId", "primaryObjectId", "mergedObjectIds",
    "newObjectId", "associationType", "fromObjectId", "toObjectId", "associationRemoved", "propertyName",
)  # fmt: skip
LIKELY = st.sampled_from([50110, "50110", 1795255200123, "0-1", "0-3", [50111], "CONTACT_TO_DEAL", True]) | ANYTHING
NOTIFICATION = st.builds(
    lambda type_, fields: {"subscriptionType": type_, **fields},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(FIELDS), LIKELY),
)


@pytest.fixture
def source(settings, context):
    return HubSpotSource(settings(), context)


@quick
@given(items=st.lists(NOTIFICATION | ANYTHING, max_size=5))
def test_any_list_is_read_twice_alike(source, items):
    """Each notification is an event, a lookup, left out or quarantined, and the same at the next reading."""
    try:
        body = json.dumps(items).encode()
    except UnicodeEncodeError:
        return
    document = Document(id="d", system="hubspot", received_at=source._context.now(), body=body)
    try:
        read = list(source.read(document))
    except QuarantineDocument:
        return
    assert read == list(source.read(document))
    assert all(isinstance(one, Event | Lookup | Quarantined | Skipped) for one in read)
    assert all(0 < len(one.key) <= 255 for one in read if isinstance(one, Event))
    assert all(one.record.isascii() and one.record.isdigit() for one in read if isinstance(one, Event | Lookup))


@quick
@given(status=st.sampled_from([207, 400, 404, 409, 414, 423, 429, 500]), error=st.dictionaries(
    st.sampled_from(["category", "message", "context", "errors", "errorType", "subCategory"]),
    ANYTHING | st.just('Property values were not valid: [{"name":"band","error":"INVALID_OPTION"}]'),
))  # fmt: skip
def test_any_refusal_is_a_receipt_without_values(status, error):
    """What HubSpot quotes of a value never gets into a message, a code or a field name."""
    made = Write(key="k", object="contact", record="1", fields={"band": "Kim.Secret@example.org"})
    receipt = answers.refused(made, status, {**error, "detail": "Kim.Secret@example.org"})
    assert isinstance(receipt, Receipt)
    assert "Secret" not in f"{receipt.message}{receipt.code}{receipt.fields}"
    assert receipt.code == receipt.code.upper() or receipt.code in ("", "row")


@pytest.mark.parametrize(
    "message",
    [
        "Property values were not valid: [{",
        "Property values were not valid: [{]",
        'Property values were not valid: [{"name": "Kim Secret", "error": "kim secret"}]',
        "Property values were not valid: [{}, 5, null]",
    ],
)
def test_half_a_detail_is_no_detail(message):
    """HubSpot puts JSON into text, and cuts texts."""
    receipt = answers.refused(
        Write(key="k", object="contact", record="1", fields={}),
        400,
        {"category": "VALIDATION_ERROR", "message": message},
    )
    assert (receipt.code, receipt.fields) == ("VALIDATION_ERROR", ())


def test_a_deep_notification_does_not_hurt(source):
    """Nested a thousand times."""
    body: Any = b'[{"subscriptionType":"contact.creation","objectId":' + b"[" * 1000 + b"]" * 1000 + b"}]"
    with pytest.raises(QuarantineDocument):
        list(source.read(Document(id="d", system="hubspot", received_at=source._context.now(), body=body)))
