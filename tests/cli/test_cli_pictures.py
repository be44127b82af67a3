"""``--html``: every metric drawn in a page that needs no network, and what other people's words can do to it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from plotly import graph_objects

from gateway.metrics.reconcile import Counted, compare, report
from gateway.metrics.report import Table
from gateway.pictures import figure
from gateway.pictures.metrics import figures
from gateway.pictures.page import page

HOSTILE = "</script><script>alert(1)</script> <a href='https://evil.example'>x</a>"


GOALS = """\
baseline: {from: 2026-01-01, until: 2026-01-07}
goals: [{name: Winners, from: target, to: won, reach: 60 %, team: Sales, by: 2026-12-31}]
"""


@pytest.fixture
def busy(instance, ann, bob, people):
    """People with touches, a handoff that came back, and deals."""
    pages = [
        {**who, "at": f"2026-02-0{day}T09:00:00", "page": where}
        for who, day, where in ((ann, 1, "/pricing"), (ann, 2, "/blog"), (bob, 3, HOSTILE.replace(",", "")))
    ]
    instance.write("goals.yaml", GOALS)
    instance.bring([*people, *pages, {**bob, "at": "2026-03-01T09:00:00", "status": "Won", "amount": "500"}])
    return instance


@pytest.mark.parametrize(
    ("metric", "options", "titles"),
    [
        ("funnel", (), ["Leads at each stage"]),
        ("funnel", ("--by", "month"), ["Leads at each stage", "Leads at each stage over time", "Revenue over time"]),
        ("funnel", ("--by", "country", "--count", "period"), ["Leads at each stage", "Leads that reached won"]),
        ("funnel", ("--by", "country"), ["Leads at each stage", "Share of those who entered that reached won"]),
        ("baseline", ("--since", "2026-01-01"), ["How many go on to the next stage, with the range of chance"]),
        ("goals", (), ["Goals: where each stands"]),
        ("velocity", (), ["How long each step takes"]),
        ("campaigns", (), ["What campaigns brought"]),
        ("content", (), ["Engagements, by the stage they serve", "Who engaged: share of buyers and of others"]),
        ("attribution", ("--by", "asset"), ["Share of revenue in EUR that each model credits to each asset"]),
        ("recycled", (), ["Revenue by generation"]),
    ],
)
def test_each_metric_is_drawn(busy, metric, options, titles):
    """Titled, its axes named; plotly takes every property; nothing is fetched and no name becomes markup."""
    target = busy.root / "page.html"
    busy.run("metrics", metric, *options, "--html", str(target))
    text = target.read_text(encoding="utf-8")
    drawn = [json.loads(one) for one in re.findall(r"\{const one = (.*), how = \{", text)]
    assert [one["layout"]["title"]["text"] for one in drawn][: len(titles)] == titles
    for one in drawn:
        graph_objects.Figure(one)  # raises for a property that there is not
        axes = [one["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis")]
        assert any(axes), axes
    assert text.count("<script>") == 1 + len(drawn)
    assert "<script>alert" not in text
    assert "<a href" not in text.partition("<figure>")[2]
    assert 'src="' not in text.partition("</script>")[2]


def test_both_counts_are_drawn():
    """What both sides have, and each reason, to the side that it is on."""
    at = datetime(2026, 6, 1, tzinfo=UTC)
    one, two, three = (Counted("crm", "lead", str(number), at, lead) for number, lead in enumerate("abc"))
    reasons = {("passed", one): ("filtered", "a student"), ("received", three): ("late", "since May")}
    counts = {"passed": [("ma", "contact", 2)], "received": [("crm", "lead", 2)]}
    whole, why = figures("reconcile", report(counts, compare([one, two], [two, three]), reasons))
    assert [trace["x"] for trace in whole["data"]] == [[1, 1], [1, 1]]
    assert [(trace["name"], trace["x"]) for trace in why["data"]] == [
        ("passed only", [1, None]),
        ("received only", [None, 1]),
    ]
    for drawn in (whole, why):
        graph_objects.Figure(drawn)


def test_a_page_without_figures_has_no_script():
    """There is nothing to draw where nothing was counted."""
    assert figures("funnel", {"entered": 0}) == []
    assert "<script" not in page("Nothing", ["nobody yet", Table(("a",), [])])


def test_figures_stand_between_what_is_said_and_the_tables():
    """A figure with its height; the words of a table are not set like its numbers."""
    drawn = figure.bars("Leads", ["a"], {"leads": [1]}, "leads")
    text = page("One", ["in 2026", Table(("why", "kind", "leads"), [("x", "y", "1")], words=2), "end"], [drawn])
    places = [
        text.index(part) for part in ("<p>in 2026</p>", "<figure>", "<td class=word>y</td><td>1</td>", "<p>end</p>")
    ]
    assert places == sorted(places)
    assert f"height:{drawn['layout']['height']}px" in text


def test_long_names_that_are_cut_alike_stay_apart():
    """Plotly would lay their bars upon each other."""
    names = [
        "https://www.example.com/a/very/long/address/that/goes/on/and/on/one",
        "https://www.example.com/a/very/long/address/that/goes/on/and/on/two",
    ]
    (trace,) = figure.bars("Pages", names, {"views": [1, 2]}, "views")["data"]
    assert len(set(trace["y"])) == 2
    assert all(len(name) < 70 for name in trace["y"])


def test_a_long_name_is_cut_in_the_middle():
    """Names of campaigns mostly differ at their ends."""
    first, second = (figure.label(f"{'Summer campaign ' * 5}{year}") for year in (2025, 2026))
    assert len(first) == figure.LONGEST
    assert (first[-4:], second[-4:]) == ("2025", "2026")


def test_revenue_over_time_has_the_newest_months():
    """And says how many there are, and which are still maturing."""
    stages = [{"stage": "won", "count": 1, "conversion": None}]
    names = [f"{2020 + n // 12}-{n % 12 + 1:02}" for n in range(40)]
    groups = [{"value": name, "entered": 2, "revenue": 5.0, "stages": stages} for name in names]
    groups[-1]["maturing"] = True
    told = {"basis": "cohort", "entered": 80, "currency": "EUR", "stages": stages, "groups": groups}
    *_, drawn = figures("funnel", told)
    assert drawn["data"][0]["x"] == names[-36:]
    assert drawn["data"][0]["marker"]["symbol"][-2:] == ["circle", "circle-open"]
    assert "(the newest 36 of 40) (hollow: still maturing)" in drawn["layout"]["title"]["text"]


def test_only_so_many_bars_are_drawn():
    """The title says so; the table has all."""
    drawn = figure.bars("Pages", list(range(50)), {"views": [1] * 50}, "views")
    assert drawn["layout"]["title"]["text"] == "Pages (the first 20 of 50)"
    assert len(drawn["data"][0]["y"]) == len(drawn["data"][0]["x"]) == 20
