"""What is decided for good is written into the mapping file; everything else in it stays as it was."""

from __future__ import annotations

import difflib

import pytest

from gateway.mapping.edits import Edited

TEXT = """\
# our CRM
system: crm
timezone: UTC

objects:
  Lead: # people
    kind: person
    id: Id
    time: Modified
    fields:
      Email: email # the key
      Title: {to: title, sync: newest} # both may edit it
      Source: {to: source, values: {google ads: paid}, values_default: drop}
      Rating: rating
    outcomes:
      - {outcome: accepted, when: {Status: Working}}
      - {outcome: rejected, when: {Status: [Junk]}, reason: Why, at: Modified}
      - {outcome: rejected, when: {Dead: true}, reason: "=dead"}
"""


def changed(edited):
    lines = difflib.unified_diff(TEXT.splitlines(), edited.text.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and line[1] not in "+-"]


def test_without_an_edit_the_text_stays():
    """Comments, blanks and quotes included."""
    assert Edited(TEXT).text == TEXT


def edits():
    yield (
        "prefer",
        lambda e: e.prefer("title", "crm"),
        [
            "-      Title: {to: title, sync: newest} # both may edit it",
            "+      Title: {to: title, sync: prefer, prefer: crm} # both may edit it",
        ],
    )
    yield (
        "value",
        lambda e: e.map_value("Lead", "Source", "Bing Ads", "paid"),
        [
            "-      Source: {to: source, values: {google ads: paid}, values_default: drop}",
            "+      Source: {to: source, values: {google ads: paid, Bing Ads: paid}, values_default: drop}",
        ],
    )
    yield (
        "first value",
        lambda e: e.map_value("Lead", "Rating", "1", "hot"),
        [
            "-      Rating: rating",
            "+      Rating: {to: rating, values: {'1': hot}}",
        ],
    )
    yield (
        "status",
        lambda e: e.map_status("Lead", "Status", "In Progress", "accepted"),
        [
            "-      - {outcome: accepted, when: {Status: Working}}",
            "+      - {outcome: accepted, when: {Status: [Working, In Progress]}}",
        ],
    )
    yield (
        "new outcome",
        lambda e: e.map_status("Lead", "Status", "Later", "recycled"),
        [
            "+      - {outcome: recycled, when: {Status: Later}}",
        ],
    )
    yield (
        "no outcome",
        lambda e: e.map_status("Lead", "Status", "New", ""),
        [
            "+    no_outcome: {Status: [New]}",
        ],
    )


@pytest.mark.parametrize(("edit", "lines"), [one[1:] for one in edits()], ids=[one[0] for one in edits()])
def test_an_edit_changes_its_own_line(edit, lines):
    """One line, and nothing but what was said."""
    edited = Edited(TEXT)
    edit(edited)
    assert changed(edited) == lines


def test_a_rule_keeps_its_name():
    """Two rules tell rejections: which of them it was must not change with the edit."""
    edited = Edited(TEXT)
    assert edited.map_reason("Lead", {"rejected"}, "No money", "no budget") == 1
    (_, line) = changed(edited)
    assert line.startswith("+      - {name: rejected~")
    assert line.endswith("reason: Why, at: Modified, reasons: {No money: no budget}}")
