"""Which fields known records were read without, by the mapping file before and the one now."""

from __future__ import annotations

import pytest

from gateway.mapping import compile_mapping
from gateway.mapping.changes import unread
from gateway.settings.files import ConfigFile

BEFORE = """
system: crm
timezone: UTC
objects:
  Lead:
    kind: person
    id: Id
    fields:
      Email: email
      Title: {to: title, transforms: [strip]}
      Score: {to: points, sync: out}
    outcomes: [{outcome: won, when: {Status: Won}}]
"""


def found(*edits, more=""):
    text = BEFORE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    files = (ConfigFile("mappings/crm.yaml", one) for one in (BEFORE, text + more))
    return unread(*(compile_mapping(file, "crm", {}) for file in files))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (("      Email: email", "      Email: email\n      City: city"), {"City": "new"}),
        (("Title: {to: title, transforms: [strip]}", "Title: {to: title}"), {"Title": "changed"}),
        (("      Title: {to: title", "      Title: {to: job"), {"Title": "changed"}),
        (("Status: Won", "Stage: Won"), {"Stage": "new"}),
        (("Status: Won", "Score: Won"), {}),
        (("sync: out", "sync: newest"), {"Score": "changed"}),
        (("Email: email", "Email: {to: email, sync: newest}"), {}),
        (("      Title: {to: title, transforms: [strip]}\n", ""), {}),
    ],
)
def test_fields_that_records_were_read_without(edit, expected):
    """New ones and those that mean something else now; which way they are synced says nothing of their values."""
    assert found(edit) == ({"Lead": expected} if expected else {})


def test_an_object_that_was_not_mapped_has_no_records():
    """All of it comes with its own first pull."""
    assert found(more="  Contact: {kind: person, id: Id, fields: {Email: email}}\n") == {}
