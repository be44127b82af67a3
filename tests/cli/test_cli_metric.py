"""What every ``gateway metrics`` command says alike: its period, its shapes, and the leads behind its numbers."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

import pytest

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
    assert "from 2025-10-01 until before 2026-01-01 (2025-Q2)" in opening


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
