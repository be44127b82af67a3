"""``gateway metrics content``: what people engage with, and which stage of the journey it serves."""

from __future__ import annotations

import pytest

CONTENT = """\
content:
  - {stage: target, where: {asset: {contains: /blog}}}
  - {stage: mql, where: {asset: {contains: pricing}}}
"""


@pytest.fixture
def visited(instance, ann, bob, people):
    """Ann reads twice about prices, Bob and Di (who buys) once in the blog, Bob once somewhere else."""
    pages = [
        (ann, "/pricing", "2026-02-01"), (ann, "/pricing", "2026-02-02"), (bob, "/blog/one", "2026-02-03"),
        (people[4], "/blog/one", "2026-02-04"), (bob, "/about", "2026-03-01"),
    ]  # fmt: skip
    instance.bring([*people, *({**who, "at": f"{day}T09:00:00", "page": page} for who, page, day in pages)])
    return instance


def test_each_asset_with_its_stage_people_and_points(visited):
    """Counted by hand; one page view earns 10 of 40 raw points, 10 of the 100."""
    visited.write("content.yaml", CONTENT)
    told = visited.json("metrics", "content")
    assert (told["engagements"], told["leads"], told["won"], told["unassigned"]) == (5, 4, 1, 1)
    rows = {row["asset"]: row for row in told["content"]}
    assert list(rows) == ["/blog/one", "/pricing", "/about"]
    blog, pricing = rows["/blog/one"], rows["/pricing"]
    assert (blog["stages"], blog["engagements"], blog["people"], blog["won_share"]) == (["target"], 2, 2, 1)
    assert blog["not_won_share"] == pytest.approx(1 / 3)
    assert (pricing["stages"], pricing["engagements"], pricing["people"], pricing["won"]) == (["mql"], 2, 1, 0)
    assert pricing["points"] == 10
    assert "1 serve no stage yet" in visited.run("metrics", "content").stdout


def test_what_serves_no_stage_is_listed(visited):
    """Without a content.yaml that is everything; with one, what it does not name."""
    assert len(visited.json("metrics", "content", "--unassigned")["content"]) == 3
    visited.write("content.yaml", CONTENT)
    (row,) = visited.json("metrics", "content", "--unassigned")["content"]
    assert (row["asset"], row["unassigned"], row["stages"]) == ("/about", 1, [])


def test_a_period_counts_engagements_in_it(visited):
    """And the people behind a row can be listed."""
    told = visited.json("metrics", "content", "--period", "2026-02", "--by", "channel")
    (row,) = told["content"]
    assert (row["channel"], row["engagements"], row["people"]) == (None, 4, 3)
    leads = visited.json("metrics", "content", "--leads", "(none)//about")
    assert leads["count"] == 1


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("stage: mql", "stage: mqll", "3: content[1].stage: no such stage in journey.yaml; did you mean 'mql'?"),
        ("asset: {contains: pr", "aset: {is: pr", "3: content[1].where.aset: no such attribute; did you mean 'asset'?"),
        (", where: {asset: {contains: pricing}}", "", "3: content[1].where: is missing"),
        ("where: {asset: {contains: pricing}}", "where: {}", "3: content[1].where: an empty condition"),
        ("content:", "contents:", "1: contents: unknown key; did you mean 'content'?"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_at_its_line(instance, good, bad, told):
    """Like those of every other file."""
    instance.write("content.yaml", CONTENT.replace(good, bad))
    assert f"content.yaml:{told}" in instance.run("check", code=2).stderr
