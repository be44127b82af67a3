"""What every ``gateway metrics`` command says alike: its period, its shapes, and the leads behind its numbers."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from gateway.answers.sheet import csv_text

COMMANDS = ("funnel", "velocity", "campaigns", "attribution", "recycled")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_metric_states_its_period_and_has_every_shape(filled, command):
    """As text, JSON, CSV and a page; in the zone of the company."""
    opening = filled.run("metrics", command, "--period", "2026-Q1").stdout.splitlines()[0]
    assert "from 2026-01-01 until before 2026-04-01 (2026-Q1); days of Europe/Berlin" in opening
    stated = filled.json("metrics", command, "--period", "2026-Q1")["period"]
    assert (stated["since"], stated["until"]) == ("2025-12-31T23:00:00Z", "2026-03-31T22:00:00Z")
    assert list(csv.reader(io.StringIO(filled.run("metrics", command, "--csv").stdout)))
    page = filled.root / "page.html"
    assert "page.html" in filled.run("metrics", command, "--html", str(page)).stdout
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "at any time" in text
    told = re.sub(r"(?s)<script(?![^>]*\ssrc=)[^>]*>.*?</script>", "", text)  # plotly's own texts fetch nothing
    assert 'src="http' not in told


@pytest.mark.parametrize("command", COMMANDS)
def test_every_csv_is_one_table_that_states_its_period(filled, command):
    """In its last columns: sheets of two periods can be put below each other."""
    said = filled.run("metrics", command, "--period", "2026-Q1", "--csv").stdout
    head, *rows = csv.reader(io.StringIO(said))
    assert head[-3:] == ["counts", "since", "until_before"]
    assert all(len(row) == len(head) for row in rows)
    assert {tuple(row[-2:]) for row in rows} <= {("2026-01-01", "2026-04-01")}


def test_leads_behind_a_number_in_csv_say_which_number_of_when(filled):
    """A list that somebody finds a month later explains itself."""
    said = filled.run("metrics", "funnel", "--since", "2026-01-01 12:00", "--leads", "entered", "--csv").stdout
    row, *_ = csv.DictReader(io.StringIO(said))
    assert (row["number"], row["counts"], row["until_before"]) == ("entered", "leads that entered", "")
    assert row["since"] == "2026-01-01T12:00:00+01:00"
    assert row["who"]


@pytest.mark.parametrize("text", ["=1+1", "+49 30", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_text_is_no_formula_in_a_spreadsheet(text):
    """What a form brought in must not be worked out by who opens the sheet; numbers stay numbers."""
    [[cell, number]] = csv.reader(io.StringIO(csv_text([[text, -1.5]]), newline=""))
    assert (cell, number) == (f"'{text}".replace("\r", "\n"), "-1.5")


def test_a_return_within_a_text_begins_no_row():
    """What follows it would stand in the first column of a row of its own."""
    assert list(csv.reader(io.StringIO(csv_text([["a\r=1+1", "b\r\nc"]]), newline=""))) == [["a\n=1+1", "b\nc"]]


def test_a_lead_called_like_a_formula_is_none_in_csv(instance):
    """From the CRM's field to the sheet."""
    instance.bring([{"id": "1", "at": "2026-01-05T09:00:00", "email": "=cmd@one.example"}])
    [row] = csv.DictReader(io.StringIO(instance.run("metrics", "funnel", "--leads", "entered", "--csv").stdout))
    assert row["who"] == "'=cmd@one.example"
    [row] = csv.DictReader(io.StringIO(instance.run("metrics", "funnel", "--by", "email", "--csv").stdout))
    assert row["email"] == "'=cmd@one.example"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--period", "2026-Q5"], "'2026-Q5' is no period; write 2026 (a fiscal year), 2026-Q3"),
        (["--period", "2026", "--since", "2026-01-01"], "leave out --since and --until"),
        (["--since", "2026-02-01", "--until", "2026-02-01"], "--since must lie before --until"),
        (["--csv", "--json"], "ask for one"),
        (["--html", "x.html", "--leads", "won"], "ask for one"),
    ],
)
def test_options_that_contradict_are_refused(filled, options, says):
    """Exit code 2, and what to write."""
    assert says in filled.run("metrics", "velocity", *options, code=2).stderr


def test_a_fiscal_year_begins_where_the_instance_says(filled):
    """With a year from July, its second quarter of 2025 ends with December."""
    filled.edit("gateway.yaml", "currency: EUR", "currency: EUR, fiscal_year_start: 7")
    opening = filled.run("metrics", "funnel", "--period", "2025-Q2").stdout.splitlines()[0]
    assert "from 2025-10-01 until before 2026-01-01 (fiscal 2025-Q2)" in opening


def test_only_who_entered_lately_is_still_maturing(instance):
    """An old cohort of which some took three days is ripe; somebody of today is not."""
    old = [
        {"id": "1", "at": "2026-01-05T09:00:00", "email": "ann@one.example"},
        {"id": "1", "at": "2026-01-08T09:00:00", "status": "Won"},
    ]
    instance.bring(old)
    assert instance.json("metrics", "funnel")["maturing"] == []
    instance.bring([{"id": "2", "at": datetime.now(UTC).isoformat(timespec="seconds"), "email": "bob@two.example"}])
    assert instance.json("metrics", "funnel")["maturing"] == ["who entered in the last 3 days"]
