"""SOQL: which rows a text finds, in which order, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_sandbox import Clock, SalesforceSandbox
from gateway_sandbox.salesforce import RowError
from gateway_sandbox.salesforce.soql import run

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def org() -> Any:
    sandbox = SalesforceSandbox(clock=Clock(START))
    people = sandbox.org.people
    for number, (name, status, score, city) in enumerate(
        [
            ("Ames", "Open - Not Contacted", 10, "Bremen"),
            ("Berg", "Working - Contacted", 20, "Oslo"),
            ("Cole", "Working - Contacted", 30, None),
            ("O'Hara", "Open - Not Contacted", None, "bremen"),
        ]
    ):
        sandbox.add(
            "Lead",
            {
                "LastName": name,
                "Company": "C",
                "Status": status,
                "Gateway_Score__c": score,
                "City": city,
                "OwnerId": people[number % 2],
                "Email": f"{number}@example.org",
            },
            at=START - timedelta(days=number),
        )
    return sandbox.org


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("City = 'BREMEN'", ["Ames", "O'Hara"]),  # without case
        ("City != 'Bremen'", ["Berg", "Cole"]),  # a missing value is not Bremen, either
        ("City = null", ["Cole"]),
        ("City != null", ["Ames", "Berg", "O'Hara"]),
        ("LastName = 'O\\'Hara'", ["O'Hara"]),
        ("LastName LIKE '_er%'", ["Berg"]),
        ("LastName LIKE '%\\_%'", []),  # an underscore, not any letter
        ("Email LIKE '_@example.org'", ["Ames", "Berg", "Cole", "O'Hara"]),
        ("NOT LastName LIKE 'A%'", ["Berg", "Cole", "O'Hara"]),
        ("LastName IN ('ames', 'Cole')", ["Ames", "Cole"]),
        ("LastName NOT IN ('Ames', 'Cole')", ["Berg", "O'Hara"]),
        ("Gateway_Score__c >= 20", ["Berg", "Cole"]),
        ("Gateway_Score__c < 20", ["Ames"]),  # nothing is less than nothing
        ("City = 'Oslo' OR City = null", ["Berg", "Cole"]),
        ("(City = 'Oslo' OR City = null) AND Gateway_Score__c > 20", ["Cole"]),
        ("City = 'Oslo' OR City = null AND Gateway_Score__c > 20", ["Berg", "Cole"]),
        ("IsConverted = false AND IsDeleted = FALSE", ["Ames", "Berg", "Cole", "O'Hara"]),
        ("SystemModstamp >= 2026-11-19T09:00:00Z", ["Ames", "Berg"]),
        ("SystemModstamp > 2026-11-19T09:00:00+00:00", ["Ames"]),
        ("SystemModstamp >= 2026-11-19T10:00:00+01:00", ["Ames", "Berg"]),
        ("CreatedDate = TODAY", ["Ames"]),
        ("CreatedDate < TODAY", ["Berg", "Cole", "O'Hara"]),
        ("CreatedDate = YESTERDAY", ["Berg"]),
        ("CreatedDate >= LAST_N_DAYS:1", ["Ames", "Berg"]),
        ("Owner.Email = 'anna.berg@sandbox.example'", ["Ames", "Cole"]),
        ("OwnerId IN (SELECT Id FROM User WHERE FirstName = 'Tom')", ["Berg", "O'Hara"]),
    ],
)
def test_a_condition_finds_its_rows(org, where, names):
    """Every operator that integrations send."""
    found = run(org, f"SELECT LastName FROM Lead WHERE {where} ORDER BY LastName")
    assert [one["LastName"] for one in found] == names


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("ORDER BY Gateway_Score__c", ["O'Hara", "Ames", "Berg", "Cole"]),  # empty first
        ("ORDER BY Gateway_Score__c DESC", ["Cole", "Berg", "Ames", "O'Hara"]),
        ("ORDER BY Gateway_Score__c ASC NULLS LAST", ["Ames", "Berg", "Cole", "O'Hara"]),
        ("ORDER BY Status, LastName DESC", ["O'Hara", "Ames", "Cole", "Berg"]),
        ("ORDER BY LastName LIMIT 2", ["Ames", "Berg"]),
        ("ORDER BY LastName LIMIT 2 OFFSET 1", ["Berg", "Cole"]),
    ],
)
def test_rows_come_in_order(org, rest, names):
    """By several fields, with empty ones at their end."""
    assert [one["LastName"] for one in run(org, f"SELECT LastName FROM Lead {rest}")] == names


def test_counts_and_groups(org):
    """``COUNT()`` is a number, grouped counts are rows."""
    assert run(org, "SELECT COUNT() FROM Lead") == 4
    grouped = run(org, "SELECT Status, COUNT(Id) n, MAX(Gateway_Score__c) FROM Lead GROUP BY Status ORDER BY Status")
    assert [(one["Status"], one["n"], one["expr0"]) for one in grouped] == [
        ("Open - Not Contacted", 2, 10),
        ("Working - Contacted", 2, 30),
    ]


def test_parents_are_nested_and_spelled_as_the_org_spells_them(org):
    """``owner.name`` answers under ``Owner``, with its own type."""
    row = run(org, "SELECT id, owner.name, OwnerId FROM lead WHERE lastname = 'Ames'")[0]
    assert row["Owner"]["Name"] == "Anna Berg"
    assert row["Owner"]["attributes"]["type"] == "User"
    assert list(row) == ["attributes", "Id", "Owner", "OwnerId"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Nonsense FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Lead WHERE Nonsense = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Lead ORDER BY Nonsense", "INVALID_FIELD"),
        ("SELECT Nonsense.Name FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ("SELECT Id FROM Lead WHERE Id IN ()", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
        ("SELECT FROM Lead", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE Id = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead LIMIT 1 Nonsense", "MALFORMED_QUERY"),
        ("SELECT Id FROM Lead WHERE CreatedDate > '2026-11-20'", "INVALID_FIELD"),  # a time is not quoted
        ("SELECT Id FROM Lead WHERE CreatedDate > 2026-11-20", "INVALID_FIELD"),  # nor is it a date
        ("SELECT Id FROM Lead WHERE Gateway_Score__c = '1'", "INVALID_FIELD"),
    ],
)
def test_what_is_wrong_is_refused(org, text, code):
    """By code, never with all rows."""
    with pytest.raises(RowError) as caught:
        run(org, text)
    assert caught.value.code == code


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=40))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_a_quoted_text_finds_exactly_itself(text):
    """Whatever a value holds, quoted as the client quotes it, it finds its record and no other."""
    from simple_salesforce.format import format_soql

    sandbox = SalesforceSandbox(clock=Clock(START))
    sandbox.add("Lead", {"LastName": "other", "Company": "C", "Description": "other"})
    sandbox.add("Lead", {"LastName": "one", "Company": "C", "Description": text or None})
    wanted = format_soql("SELECT LastName FROM Lead WHERE Description = {}", text) if text else None
    if wanted is not None:
        found = [one["LastName"] for one in run(sandbox.org, wanted)]
        assert "one" in found
        assert ("other" in found) is (text.lower() == "other")
