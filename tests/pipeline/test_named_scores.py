"""Several scores over the same facts: each is as if it were alone, moves by itself, and may lead into a stage."""

from __future__ import annotations

from datetime import timedelta

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from small_instance import CRM, JOURNEY, NOW, SCORING, Small, days
from sqlalchemy import event

from gateway.store import due, rescoring
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.sweeps import rescoring as bulk
from gateway.sweeps.rescoring import Rescoring
from gateway.times import to_micros

EXPANSION = """
weights: {fit: 20, behaviour: 80}
maximum: {fit: 20, behaviour: 80}
fit:
  - {name: From Chile, when: {country: Chile}, points: 20}
behaviour:
  - {name: Opened an e-mail, activity: email_open, points: 20, cap: 80, half_life: 10d}
"""
OTHER = """
fit:
  - {name: Clerk, when: {title: Clerk}, points: 30}
behaviour:
  - {name: Looked at a page lately, activity: page_view, points: 25, window: 3d}
"""
BY_EXPANSION = JOURNEY.replace("entry: {score: 50}", "entry: {score: 50, of: expansion}")
COLUMNS = ("total", "fit", "behaviour", "band", "at", "changes_at")


def scored(small, name="lead"):
    """Total and the rest of one score, by the record of its lead."""
    with read(small.store.main) as connection:
        records = {row.entity: row.record for row in connection.execute(t.records.select())}
        rows = connection.execute(t.scores.select().where(t.scores.c.name == name)).all()
        return {records[row.lead]: tuple(getattr(row, one) for one in COLUMNS) for row in rows}


@st.composite
def days_of_news(draw):
    """What a few people do, in batches of a day each; between them time passes and scores move by themselves."""
    one = st.fixed_dictionaries(
        {"kind": st.just("contact"), "id": st.sampled_from("123"), "at": st.sampled_from([days(2), days(5), days(20)])},
        optional={
            "title": st.sampled_from(["CEO", "Clerk"]),
            "country": st.sampled_from(["Chile", "Peru", None]),
            "page": st.sampled_from(["/a", "/b"]),
            "opens": st.integers(0, 6),
        },
    )
    return draw(st.lists(st.tuples(st.lists(one, min_size=1, max_size=3), st.integers(0, 12)), min_size=1, max_size=5))


@draws(20)
@given(news=days_of_news())
def test_each_of_several_scores_is_as_if_it_were_alone(news, tmp_path_factory):
    """The same news at the same times: points, bands and when they move are those of an instance with that score."""
    models = {"lead": SCORING, "expansion": EXPANSION, "other": OTHER}
    folder = tmp_path_factory.mktemp("scores")
    for name in ("all", *models):
        (folder / name).mkdir()
    together = Small(folder / "all", scores={"expansion": EXPANSION, "other": OTHER}, active=())
    alone = {name: Small(folder / name, scoring=text, active=()) for name, text in models.items()}
    for items, later in news:
        for small in (together, *alone.values()):
            small.take("site", *items)
            small.at += timedelta(days=later)
            with read(small.store.main) as connection:
                moved = due.scores(connection, small.model.score_names, to_micros(small.at), 100)
            small.pipeline.run((), moved, cause="time")
    for name, small in alone.items():
        mine, theirs = scored(together, name), scored(small)
        assert {key: row[:4] + row[5:] for key, row in mine.items()} == {
            key: row[:4] + row[5:] for key, row in theirs.items()
        }
        small.store.close()
    together.store.close()


def test_a_threshold_on_a_named_score_moves_and_hands_over_by_it(tmp_path):
    """The main score stays below; the move, the handoff, its reasons and its package are of the named one."""
    small = Small(tmp_path, journey=BY_EXPANSION, scores={"expansion": EXPANSION})
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile", "opens": 1})
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "country": "Chile", "opens": 4})
    assert scored(small)["1"][0] == 1000
    assert scored(small, "expansion")["1"][0] == 8000
    moves = small.rows(t.transitions, "stage", "reason", "score", "threshold", "score_name")
    assert ("mql", "threshold", 8000, 5000, "expansion") in moves
    [(score, name, contributions)] = small.rows(t.handoffs, "score", "score_name", "contributions")
    assert (score, name) == (8000, "expansion")
    assert sum(points for _, points, *_ in contributions) == 8000
    assert {rule for rule, *_ in contributions} == {"From Chile", "Opened an e-mail"}
    small.store.close()


def test_a_named_score_that_decays_is_swept_and_lets_its_stage_go(tmp_path):
    """The earliest of all scores says when a lead is due; one that holds still is not written again."""
    falls = BY_EXPANSION.replace("steps: [{handoff: crm}]", "fall: back, margin: 0")
    small = Small(tmp_path, journey=falls, scores={"expansion": EXPANSION}, active=())
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile", "title": "CEO", "opens": 1})
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "country": "Chile", "title": "CEO", "opens": 4})
    before = scored(small)["1"]
    small.at = NOW + timedelta(days=19)
    with read(small.store.main) as connection:
        leads = due.scores(connection, small.model.score_names, to_micros(small.at), 10)
    small.pipeline.run((), leads, cause="time")
    assert scored(small)["1"] == before
    assert scored(small, "expansion")["1"][0] == 3500
    assert ("mql", "target", "fall", 3500, "expansion") in small.rows(
        t.transitions, "from_stage", "stage", "reason", "score", "score_name"
    )
    small.store.close()


def test_a_mapping_sends_a_named_score(tmp_path):
    """`score.NAME` is a field of the gateway's own like `score`."""
    crm = CRM.replace("      band: {", "      growth: {to: score.expansion, type: integer, sync: out}\n      band: {")
    small = Small(tmp_path, crm=crm, journey=BY_EXPANSION, scores={"expansion": EXPANSION})
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile", "opens": 1})
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "country": "Chile", "opens": 4})
    [fields] = [row[0] for row in small.rows(t.writes, "fields") if "growth" in row[0]]
    assert (fields["growth"], fields["score"]) == (80, 10)
    small.store.close()


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """People scored by two scores, and the same store with a changed second and a third one, not rescored yet."""
    monkeypatch.setattr(bulk, "PART", 2)
    monkeypatch.setattr(rescoring, "CHOICE", 1)
    low = EXPANSION.replace("points: 20, cap", "points: 5, cap")
    small = Small(tmp_path, journey=BY_EXPANSION, scores={"expansion": low, "old": OTHER}, active=())
    for at, opened in ((days(9), 0), (days(8), 1)):
        people = [
            {"kind": "contact", "id": str(n), "at": at, "country": "Chile", "opens": n * opened} for n in range(5)
        ]
        small.take("site", *people)
    small.store.close()
    other = Small(tmp_path, journey=BY_EXPANSION, scores={"expansion": EXPANSION, "new": OTHER}, active=())
    other.model.hashes["scoring"] = "s2"
    with write(other.store.main) as connection:
        rescoring.begin(connection, "s2", to_micros(other.at))
    yield other
    other.store.close()


def test_a_changed_named_score_is_rescored_in_bulk_with_the_others(changed):
    """What a batch gives, the bulk gives; a score that is new is there, one that went is gone."""
    share = Rescoring(changed.pipeline, lambda done: None)
    while share.step():
        pass
    in_bulk = changed.rows(t.scores, "lead", "name", *COLUMNS[:4], "changes_at", "scoring")
    assert {row[1] for row in in_bulk} == {"lead", "expansion", "new"}
    assert {row[-1] for row in in_bulk} == {"s2"}
    assert changed.rows(t.former_scores) == []
    with write(changed.store.main) as connection:
        connection.execute(t.scores.update().values(total=1, fit=1, behaviour=0, changes_at=None, scoring="s0"))
    changed.pipeline.run((), [row[0] for row in in_bulk])
    assert changed.rows(t.scores, "lead", "name", *COLUMNS[:4], "changes_at", "scoring") == in_bulk


def test_who_crosses_by_a_changed_named_score_moves_with_that_cause(changed):
    """And only once everybody sees the new scores."""
    share = Rescoring(changed.pipeline, lambda done: None)
    while share.step():
        pass
    moves = changed.rows(t.transitions, "stage", "cause", "score", "score_name")
    assert moves[:3] == [("mql", "model", points, "expansion") for points in (10000, 6000, 8000)]
    assert changed.rows(t.crossed) == []


def test_a_scorer_that_fails_leaves_the_other_scores_alone(tmp_path):
    """Its score stays what it was and is tried again; the main one moves on."""
    small = Small(tmp_path, scores={"expansion": EXPANSION}, active=())
    small.take("site", {"kind": "contact", "id": "1", "at": days(3), "country": "Chile"})
    before = scored(small, "expansion")["1"]

    def broken(*_):
        raise ValueError

    small.model.others["expansion"].scorer.score = broken
    small.take("site", {"kind": "contact", "id": "1", "at": days(2), "title": "CEO", "page": "/a"})
    assert scored(small)["1"][0] == 5000
    after = scored(small, "expansion")["1"]
    assert after[:4] == before[:4]
    assert after[5] == to_micros(small.at + timedelta(hours=1))
    assert [row[0] for row in small.rows(t.work_items, "kind")] == ["scoring failed"]
    small.store.close()


def test_more_scores_cost_no_more_statements(tmp_path):
    """Batches and a sweep ask the store as often for three scores as for one."""
    counts = []
    for place, scores in enumerate(({}, {"expansion": EXPANSION, "other": OTHER})):
        (tmp_path / str(place)).mkdir()
        small = Small(tmp_path / str(place), scores=scores, active=())
        sent: list[str] = []
        event.listen(small.store.main, "before_cursor_execute", lambda *args, sent=sent: sent.append(args[2]))
        small.take("site", *({"kind": "contact", "id": f"{n}", "at": days(2), "title": "CEO"} for n in range(3)))
        small.take("site", *({"kind": "contact", "id": f"{n}", "at": days(1), "page": "/a"} for n in range(3)))
        with read(small.store.main) as connection:
            leads = due.scores(connection, small.model.score_names, to_micros(small.at + timedelta(days=40)), 9)
        small.at += timedelta(days=40)
        small.pipeline.run((), leads, cause="time")
        counts.append(len(sent))
        small.store.close()
    assert counts[0] == counts[1]
