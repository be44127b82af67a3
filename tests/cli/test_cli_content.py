"""``gateway metrics content``: what people engage with, and which stage of the journey it serves."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import select

from gateway.opening import open_gateway
from gateway.store import tables as t
from gateway.store.database import read

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


def test_buyers_and_what_serves_no_stage_name_their_leads(visited, bob, people):
    """Every number that the table shows: of a row and in all, and none where nobody is counted."""
    visited.write("content.yaml", CONTENT)

    def behind(*words):
        asked = visited.json("metrics", "content", *words)
        return asked["count"], {one["lead"] for one in asked["leads"]}

    di, bob_ = (visited.json("leads", "show", who["email"])["lead"] for who in (people[4], bob))
    blog = "(none)//blog/one"
    assert behind("--leads", blog) == (2, {di, bob_})
    assert behind("--leads", f"won/{blog}") == behind("--leads", "won") == (1, {di})
    assert behind("--leads", "unassigned") == behind("--leads", "unassigned/(none)//about") == (1, {bob_})
    assert behind("--leads", "unassigned/(none)", "--by", "channel") == (1, {bob_})
    there = visited.json("metrics", "content", "--leads")["numbers"]
    assert [one for one in there if "/" in one and one[0] != "("] == [f"won/{blog}", "unassigned/(none)//about"]


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


WEIGHTS = "content_weights: {executive: {mql: 2}, default: {target: 0.5}}\n"


@pytest.fixture
def weighed(visited):
    """Content counts by persona and stage."""
    visited.write("content.yaml", CONTENT)
    visited.write("scoring.yaml", (visited.root / "scoring.yaml").read_text() + WEIGHTS)
    return visited


def sweep(instance):
    """Score again whom the new files move."""
    with closing(open_gateway(instance.root)) as gateway:
        while gateway.sweep_once():
            pass


def score_of(instance, key):
    told = instance.json("leads", "explain", key)
    (pages,) = [one for one in told["contributions"] if one["rule"] == "Viewed a page"]
    return pages["points"], pages["reason"], told["scoring"]


def test_activities_count_by_persona_and_the_stage_of_their_content(weighed):
    """Ann is an executive and read about prices, Bob is somebody else and read the blog; content that nobody names is
    worth its points. The numbers of content and the model say so, too."""
    assert score_of(weighed, "ann@one.example")[:2] == (40, "2 × page_view, last on 2026-02-02; at most 40.00 points; "
                                                            "× 2 because they serve mql")  # fmt: skip
    points, reason, _ = score_of(weighed, "bob@two.example")
    assert points == 15
    assert reason.endswith("1 × 0.5 because it serves target")
    rows = {row["asset"]: row["points"] for row in weighed.json("metrics", "content")["content"]}
    assert rows == {"/blog/one": 5, "/pricing": 10, "/about": 10}
    assert weighed.json("model", "show")["content_weights"] == {"executive": {"mql": 2}, "default": {"target": 0.5}}
    assert "executive: mql × 2" in weighed.run("model", "show").stdout


def test_content_is_part_of_a_model_that_weighs_it_and_of_no_other(visited):
    """Another content.yaml is another scoring hash, and everybody is scored again, only where content counts."""
    visited.write("content.yaml", CONTENT)
    plain = score_of(visited, "bob@two.example")
    visited.write("content.yaml", CONTENT.replace("pricing", "price"))
    assert score_of(visited, "bob@two.example") == plain
    visited.write("scoring.yaml", (visited.root / "scoring.yaml").read_text() + WEIGHTS)
    before = score_of(visited, "bob@two.example")
    visited.write("content.yaml", CONTENT.replace("/blog", "/blug"))
    sweep(visited)
    after = score_of(visited, "bob@two.example")
    assert (before[0], after[0]) == (15, 20)
    assert len({plain[2], before[2], after[2]}) == 3
    assert visited.json("leads", "show", "bob@two.example")["score"]["behaviour"] == 20


def test_a_past_score_is_explained_by_the_content_of_its_time(weighed):
    """What the files say now is another model."""
    sweep(weighed)
    at = weighed.json("model", "show")["active_since"]
    weighed.write("content.yaml", CONTENT.replace("/blog", "/blug"))
    sweep(weighed)
    then = weighed.json("leads", "explain", "bob@two.example", "--at", at)
    assert [one["points"] for one in then["contributions"] if one["rule"] == "Viewed a page"] == [15]


def test_other_title_tables_are_another_model(visited, monkeypatch):
    """A new package that reads titles otherwise scores everybody again, once, though no file changed."""
    before = score_of(visited, "bob@two.example")[2]
    monkeypatch.setattr("gateway.settings.hashes.TITLES", "those of a later package")
    sweep(visited)
    after = score_of(visited, "bob@two.example")[2]
    assert before != after
    versions = visited.json("model", "history")["versions"]
    sweep(visited)
    assert [one["hashes"]["scoring"] for one in versions[:2]] == [after, before]
    assert visited.json("model", "history")["versions"] == versions
    with closing(open_gateway(visited.root)) as gateway, read(gateway.store.main) as connection:
        assert set(connection.scalars(select(t.scores.c.scoring))) == {after}
    assert after[:4] in visited.run("model", "history").stdout


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("executive:", "executve:", "content_weights.executve: no such persona in journey.yaml; did you mean 'execut"),
        ("{mql: 2}", "{mqll: 2}", "content_weights.executive.mqll: no such stage in journey.yaml; did you mean 'mql'?"),
        ("{mql: 2}", "{mql: -2}", "content_weights.executive.mql: expected a factor from 0 to 1000, such as 1.5"),
        ("content_weights:", "content: []\ncontent_weights:", "content: unknown key"),
    ],
)  # fmt: skip
def test_each_mistake_in_the_weights_is_told_at_its_line(weighed, old, new, told):
    """A persona or stage that is not there, a factor that is none, and content in the wrong file."""
    weighed.edit("scoring.yaml", old, new)
    assert told in weighed.run("check", code=2).stderr


def test_weights_need_content(weighed):
    """Without a content.yaml nothing serves any stage; a stage without content is told, too."""
    weighed.edit("content.yaml", "stage: mql", "stage: won")
    assert "content_weights.executive.mql: content.yaml names no content that serves it" in weighed.run("check").output
    (weighed.root / "content.yaml").unlink()
    assert "content_weights: there is no content.yaml to say" in weighed.run("check", code=2).stderr
