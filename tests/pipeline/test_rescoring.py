"""A changed model scores every lead again: people see the old scores until all are done, then the journey moves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from small_instance import SCORING, Small, days

from gateway.store import campaigns, jobs, listing, rescoring
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.times import utc_now
from gateway.store.touches import Won
from gateway.sweeps import rescoring as bulk
from gateway.sweeps.rescoring import Rescoring
from gateway.times import to_micros

HIGHER = SCORING.replace("points: 40}", "points: 60}").replace("points: 20}", "points: 10}")
"""Executives get 60 for fit instead of 40, those of software firms 10 instead of 20."""
PEOPLE = [
    {"kind": "firm", "id": "f", "at": days(20), "industry": "software"},
    {"kind": "contact", "id": "1", "at": days(9), "title": "CEO", "firm_id": "f"},
    {"kind": "contact", "id": "2", "at": days(9), "title": "Clerk", "page": "/a", "firm_id": "f"},
    {"kind": "contact", "id": "3", "at": days(9), "title": "CEO"},
    {"kind": "contact", "id": "4", "at": days(40), "title": "Clerk", "page": "/b"},
    {"kind": "contact", "id": "5", "at": days(9), "title": "Clerk", "country": "Chile"},
]


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk, "PART", 2)
    monkeypatch.setattr(rescoring, "CHOICE", 1)
    small = Small(tmp_path, active=())
    small.take("site", *PEOPLE)
    yield small
    small.store.close()


@pytest.fixture
def changed(small, tmp_path):
    """The same store with another model, whose rescore is queued."""
    other = Small(tmp_path, scoring=HIGHER, active=())
    other.model.hashes["scoring"] = "s2"
    begin(other, "s2")
    yield other
    other.store.close()


def begin(small, scoring):
    with write(small.store.main) as connection:
        rescoring.begin(connection, scoring, to_micros(small.at))


def work(small, steps=1000):
    """Do so many steps, or all there are; returns how many did something."""
    share = Rescoring(small.pipeline, lambda done: None)
    return next((done for done in range(steps) if not share.step()), steps)


def seen(small):
    """The totals that people see: in the list of leads, with the names of their records, and summed by campaign."""
    with read(small.store.main) as connection:
        rows, _ = listing.leads(connection, "lead", 100)
        names = {row.entity: row.record for row in connection.execute(t.records.select())}
        one, _ = campaigns.campaigns(connection, small.model.journey, "lead", Won(small.model.journey), None, None)
        looked = listing.standing(connection, [row["id"] for row in rows], "lead")
    assert {row["id"]: row["total"] for row in rows} == {lead: found["total"] for lead, found in looked.items()}
    assert sum(campaign.score for campaign in one) == sum(row["total"] for row in rows)
    return {names[row["id"]]: row["total"] for row in rows}


BEFORE = {"1": 6000, "2": 3000, "3": 4000, "4": 500, "5": 0}
AFTER = {"1": 6000, "2": 2000, "3": 6000, "4": 500, "5": 0}


def test_people_see_the_scores_of_before_until_the_last_is_done(small, changed):
    """However far it is, a list is of one model; the end is one moment."""
    assert seen(small) == BEFORE
    steps = 0
    while True:
        with read(small.store.main) as connection:
            far = rescoring.progress(connection)
        if far is None:
            break
        assert seen(small) == BEFORE
        assert far.leads in (None, 5)
        steps += work(changed, 1)
    assert seen(small) == AFTER
    assert steps == 5  # divided, three parts, the end


@pytest.mark.parametrize(
    ("first", "kept"), [(0.0, [("rescore", "all leads", "the changed model", "done", 5, 5)]), (60.0, [])]
)
def test_one_that_took_long_is_remembered_with_other_long_work(small, changed, monkeypatch, first, kept):
    """Else nobody could see afterwards that it has come to its end; one of a moment is none."""
    monkeypatch.setattr(bulk, "FIRST", first)
    work(changed)
    with read(small.store.main) as connection:
        rows = jobs.listing(connection, to_micros(utc_now()))
    assert [(one.what, one.subject, one.by, one.ended, one.done, one.total) for one in rows] == kept
    assert all(one.begun_at <= one.ended_at for one in rows)


def test_the_bulk_gives_what_a_batch_gives(small, changed):
    """One scorer serves both; company, persona, age of activities and marks count alike."""
    work(changed)
    columns = ("lead", "total", "fit", "behaviour", "band", "changes_at", "scoring")
    in_bulk = changed.rows(t.scores, *columns)
    with write(changed.store.main) as connection:
        connection.execute(t.scores.update().values(total=1, fit=1, behaviour=0, changes_at=None, scoring="s0"))
    changed.pipeline.run((), [row[0] for row in in_bulk])
    assert changed.rows(t.scores, *columns) == in_bulk


def test_a_crossing_names_the_model_and_waits_until_all_see_it(small, changed):
    """Who is over the threshold by the new model alone moves with that cause; nobody moves before the end."""
    work(changed, 4)
    moves = small.rows(t.transitions, "stage", "cause")
    assert moves.count(("mql", "news")) == 1
    work(changed)
    assert small.rows(t.transitions, "stage", "cause") == [("mql", "model"), *moves]
    assert small.rows(t.crossed) == []
    assert small.rows(t.former_scores) == []


def test_crossings_by_a_model_are_held_back_beyond_what_sales_can_take(tmp_path, monkeypatch):
    """The brake for floods of handoffs holds for them, too, and the best come first."""
    journey = (
        "capacity: {hour: 1}\nstages:\n  - {name: target, shared: target}\n"
        "  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: crm}]}\n"
        "  - {name: won, shared: won, entry: {outcome: [won]}}\n"
    )
    small = Small(tmp_path, journey=journey)
    small.take("site", *({"kind": "contact", "id": str(n), "at": days(9), "title": "CEO"} for n in range(4)))
    small.take("site", {"kind": "contact", "id": "2", "at": days(8), "email": "b@one.example", "page": "/a"})
    assert small.rows(t.handoffs, "state") == [("open",)]  # 40 and 10: by its own doing
    small.at += timedelta(days=1)
    other = Small(tmp_path, scoring=HIGHER, journey=journey)
    other.at, other.model.hashes["scoring"] = small.at, "s2"
    begin(other, "s2")
    monkeypatch.setattr(bulk, "CROSSERS", 2)
    work(other)
    assert sorted(small.rows(t.handoffs, "state")) == [("held",), ("held",), ("open",), ("open",)]
    assert small.rows(t.transitions, "stage", "cause").count(("mql", "model")) == 3
    small.store.close()
    other.store.close()


def test_news_meanwhile_scores_by_the_new_model_and_people_see_the_old(small, changed):
    """A part neither undoes what news has scored nor shows it early; a lead that is new shows the score it has."""
    work(changed, 1)
    changed.take("site", {"kind": "contact", "id": "3", "at": days(1), "page": "/c"})
    changed.take("site", {"kind": "contact", "id": "9", "at": days(1), "title": "CEO"})
    assert seen(small) == BEFORE | {"9": 6000}
    work(changed)
    assert seen(small) == AFTER | {"3": 7000, "9": 6000}


def test_two_workers_do_one_part_once(small, changed, monkeypatch):
    """Who is slower finds the part gone and writes nothing."""
    work(changed, 1)
    score = Rescoring._score

    def after_the_other(share, *args):
        monkeypatch.setattr(Rescoring, "_score", score)
        work(changed, 1)
        with write(changed.store.main) as connection:  # what news makes of a lead meanwhile
            connection.execute(t.scores.update().where(t.scores.c.scoring == "s2").values(total=7))
        return score(share, *args)

    monkeypatch.setattr(Rescoring, "_score", after_the_other)
    work(changed)
    assert list(seen(small).values()).count(7) == 2


def test_who_dies_in_the_middle_leaves_a_part_that_another_does(small, changed, monkeypatch):
    """Nothing of it is written; what was done stays done."""
    work(changed, 2)
    monkeypatch.setattr(Rescoring, "_score_some", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        work(changed)
    monkeypatch.undo()
    with read(small.store.main) as connection:
        far = rescoring.progress(connection)
    assert (far.leads, far.done) == (5, 2)
    work(changed)
    assert seen(small) == AFTER


def test_a_second_change_in_the_middle_shows_neither_half(small, changed, tmp_path):
    """People see what they saw before the first; the second model is the one they see next."""
    work(changed, 3)
    third = Small(tmp_path, scoring=SCORING.replace("points: 40}", "points: 10}"), active=())
    third.model.hashes["scoring"] = "s3"
    begin(third, "s3")
    assert work(changed) == 0  # its files are not the active ones any more
    work(third, 2)
    assert seen(small) == BEFORE
    work(third)
    assert seen(small) == {"1": 3000, "2": 3000, "3": 1000, "4": 500, "5": 0}
    third.store.close()


def test_a_batch_that_began_before_the_change_is_done_again(small, changed):
    """It scored by the old model after its lead's part was done: the end finds it."""
    work(changed, 4)
    small.take("site", {"kind": "contact", "id": "4", "at": days(1), "title": "CEO"})
    assert small.rows(t.rescore_parts) == []
    work(changed)
    assert seen(small) == AFTER | {"4": 6500}
    assert {row[0] for row in small.rows(t.scores, "scoring")} == {"s2"}


def test_who_the_scorer_fails_on_keeps_the_others_from_nothing(small, changed, monkeypatch):
    """The lead has its work item, the others their scores."""
    score, poison = changed.model.scorer.score, "Clerk"

    def failing(given, *args, **kwargs):
        if given.attributes["title"] == poison and not given.activities:
            raise ValueError("no clerks")
        return score(given, *args, **kwargs)

    changed.take("site", {"kind": "contact", "id": "6", "at": days(1), "title": poison})
    with write(changed.store.main) as connection:
        connection.execute(t.scores.update().values(scoring="s1"))
    monkeypatch.setattr(changed.model.scorer, "score", failing)
    work(changed)
    assert seen(small) == AFTER | {"6": 0}
    assert small.rows(t.work_items, "kind") == [("scoring failed",)] * 2  # 5 and 6


def test_a_score_that_a_system_hears_of_is_told(small, tmp_path):
    """Where the CRM has a field for it, the journey answers for each score that moved, whatever it crosses."""
    other = Small(tmp_path, scoring=HIGHER)
    other.model.hashes["scoring"] = "s2"
    begin(other, "s2")
    work(other, 4)
    moved = {row[0] for row in other.rows(t.crossed)}
    names = {row[0]: row[1] for row in other.rows(t.records, "entity", "record")}
    assert {names[lead] for lead in moved} == {"2", "3"}
    other.store.close()
