"""Signatures of before HMAC: a plain hash of the secret and what is signed."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from gateway.contracts import Secret, Verification
from gateway.web.signatures import flaws, verify

RULE = Verification(
    scheme="digest",
    header="X-Signature",
    signed=("{method}", "{url}", "{body}"),
    secrets=(Secret("new", "${NEW}"), Secret("old", "${OLD}")),
)
SIGNED = b"POSThttps://gw.example.org/hooks/abody"


@pytest.mark.parametrize(
    ("content", "ok"),
    [
        (b"new" + SIGNED, True),
        (b"old" + SIGNED, True),  # while one secret takes the place of another
        (SIGNED + b"new", False),  # the secret comes first
        (b"other" + SIGNED, False),
        (SIGNED, False),
        (b"new" + SIGNED + b"!", False),
    ],
)
def test_the_secret_stands_before_what_is_signed(content, ok):
    """Either of two secrets counts, and nothing but it."""
    headers = {"x-signature": hashlib.sha256(content).hexdigest()}
    given = {"method": "POST", "url": "https://gw.example.org/hooks/a", "query": {}, "headers": headers}
    assert verify(RULE, **given, body=b"body", now=datetime(2026, 1, 1, tzinfo=UTC)).ok is ok


def test_such_a_rule_is_sound():
    """The check finds nothing to complain of."""
    assert not flaws(RULE)
