"""One lead through its stages: each test is one thing that happens to it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.journey import advance as module
from gateway.journey.advance import Withheld, existing
from gateway.journey.crossing import Reached
from gateway.journey.endings import find_ending
from gateway.journey.facts import Decided, Ended, Facts, Happened, OpenHandoff, Outcome, Standing
from gateway.journey.journey import compile_journey
from gateway.journey.moving import Move
from gateway.settings.files import ConfigFile

DAY0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


def day(number, hours=0):
    return DAY0 + timedelta(days=number, hours=hours)


def make(text):
    return compile_journey(ConfigFile("journey.yaml", text))


JOURNEY = make("""
stages:
  - {name: target}
  - {name: engaged, shared: target, entry: {score: 30}, margin: 5, steps: [{join: nurture}]}
  - name: mql
    entry: {score: 60, activity: [demo_request]}
    margin: 5
    steps: [{set: {field: status, value: MQL}}, {handoff: crm}, {join: told}]
  - {name: sal, entry: {outcome: [accepted]}, steps: [{leave: nurture}]}
  - {name: won, entry: {outcome: [won]}}
never_hand_over:
  - {reason: customer, when: {customer: true}}
  - {reason: open deal, open_deal: true}
follow_up: {response: 4h, period: 5d}
""")


def facts(score=None, **more):
    return Facts({}, "", None if score is None else score * 100, DAY0, **more)


def outcome(word, at, known=None, **more):
    return Outcome(at, word, f"{word}@{at:%d}", known or at, **more)


def demo(*days):
    return {"demo_request": Happened(len(days), day(min(days)), day(max(days)))}


def advance(journey, standing, known, at, cause, quiet=False, asked=None):
    """Both halves: how it ended with sales, then where it stands."""
    ending = find_ending(journey, standing, known, at)
    return module.advance(journey, standing, known, ending, at, cause, quiet, asked)


class Life:
    """A lead between advances, as the store keeps it."""

    def __init__(self, journey=JOURNEY, **standing):
        self.journey, self.standing, self.opened = journey, Standing(**standing), 0

    def go(self, at, quiet=False, cause="news", asked=None, **known):
        self.ending = ending = find_ending(self.journey, self.standing, facts(**known), day(at))
        answer = module.advance(self.journey, self.standing, facts(**known), ending, day(at), cause, quiet, asked)
        before, handoff = self.standing, self.standing.handoff if ending.open else None
        if handoff:
            handoff = replace(handoff, accepted_at=ending.accepted_at, contacted_at=ending.contacted_at)
        if answer.opening:
            assert handoff is None, "two handoffs open at once"
            self.opened += 1
            opening = answer.opening
            handoff = OpenHandoff(f"h{self.opened}", opening.stage, opening.at, opening.generation)
        self.standing = Standing(
            stage=answer.stage,
            above=answer.above,
            decided=[
                *before.decided,
                *(Decided(m.stage, m.at, m.ref) for m in answer.moves if m.reason == "threshold"),
            ],
            handoff=handoff,
            generation=answer.generation,
            ended=ending.ended._replace(new=False),
            ignored=answer.ignored,
        )
        return answer

    def close(self, at, bucket):
        """Closed by a person, not by an outcome."""
        self.standing = replace(self.standing, handoff=None, ended=Ended(bucket, day(at), stage="mql"))


# -- stages ------------------------------------------------------------------------------------------------------------


def test_a_new_lead_enters_the_first_stage_when_it_became_known():
    answer = advance(JOURNEY, Standing(), facts(score=0), day(3), "news")
    assert answer.stage == "target"
    assert answer.moves == (Move("", "target", DAY0, "news", "entry", ""),)
    assert answer.reached == {"target": Reached(DAY0, "entry", "")}


def test_crossing_a_threshold_moves_the_lead_with_score_threshold_and_crossing():
    answer = Life().go(1, score=61)
    assert answer.stage == "mql"
    assert answer.moves[-1] == Move("engaged", "mql", day(1), "news", "threshold", "mql:1", 6100, 6000)
    assert answer.reached["mql"] == Reached(day(1), "threshold", "mql:1")
    assert answer.above == {"engaged": [1, True, None], "mql": [1, True, None]}


def test_the_threshold_is_the_persona_s_own():
    journey = make("""
personas: [{name: a, when: {x: 1}}, {name: b}]
stages: [{name: target}, {name: mql, entry: {score: {a: 40, b: 70}}}]
""")
    for persona, stage in (("a", "mql"), ("b", "target"), ("", "target")):
        answer = advance(journey, Standing(), replace(facts(score=50), persona=persona), day(0), "news")
        assert answer.stage == stage


def test_a_stage_reached_implies_those_before_it_at_the_same_time():
    """Nothing says when it became an MQL, so it did when sales accepted it; what it reached earlier stays."""
    answer = Life().go(9, outcomes=[outcome("won", day(5)), outcome("accepted", day(4))])
    assert answer.reached == {
        "target": Reached(DAY0, "entry", ""),
        "engaged": Reached(day(4), "implied", "sal"),
        "mql": Reached(day(4), "implied", "sal"),
        "sal": Reached(day(4), "outcome", "accepted@06"),
        "won": Reached(day(5), "outcome", "won@07"),
    }
    assert [(move.stage, move.at, move.reason) for move in answer.moves] == [
        ("target", DAY0, "entry"),
        ("sal", day(4), "outcome"),
        ("won", day(5), "outcome"),
    ]


def test_a_win_before_the_lead_was_known_implies_every_stage_at_that_time():
    answer = Life().go(9, outcomes=[outcome("won", day(-5))])
    assert {reached.at for reached in answer.reached.values()} == {day(-5)}
    assert answer.reached["target"] == Reached(day(-5), "implied", "won")


def test_a_late_earlier_fact_moves_the_time_a_stage_was_reached_and_no_stage():
    life = Life()
    life.go(5, outcomes=[outcome("accepted", day(4))])
    answer = life.go(6, outcomes=[outcome("accepted", day(2)), outcome("accepted", day(4))])
    assert answer.reached["sal"].at == day(2)
    assert answer.moves == ()


def test_an_earlier_move_by_threshold_stays_on_record():
    life = Life()
    life.go(1, score=61)
    answer = life.go(2, score=10, outcomes=[outcome("won", day(2))])
    assert answer.reached["mql"] == Reached(day(1), "threshold", "mql:1")
    assert answer.stage == "won"


def test_a_withdrawn_outcome_takes_the_lead_back():
    """The record that said `won` was corrected: the stage follows the facts, the earlier move stays on record."""
    life = Life()
    life.go(1, outcomes=[outcome("won", day(1))])
    answer = life.go(2)
    assert (answer.stage, answer.reached.keys()) == ("target", {"target"})
    assert [(move.from_stage, move.stage, move.reason) for move in answer.moves] == [("won", "target", "withdrawn")]


def test_a_lead_whose_fact_is_withdrawn_stays_where_its_score_holds_it():
    life = Life()
    life.go(1, kinds=demo(1))
    life.go(2, score=70, kinds=demo(1))
    answer = life.go(3, score=70)
    assert answer.stage == "mql"
    assert answer.moves == (Move("mql", "mql", day(3), "news", "threshold", "mql:1", 7000, 6000),)
    assert answer.reached["mql"].at == day(3)


def test_a_stage_that_left_the_file_starts_the_lead_anew():
    answer = advance(JOURNEY, Standing(stage="gone"), facts(score=35), day(3), "model")
    assert [(m.from_stage, m.stage, m.reason) for m in answer.moves] == [
        ("gone", "target", "journey"),
        ("target", "engaged", "threshold"),
    ]


def test_a_lead_without_a_score_keeps_what_its_score_held():
    life = Life()
    life.go(1, score=35)
    answer = life.go(2, score=None)
    assert (answer.stage, answer.moves) == ("engaged", ())


# -- falling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "stage"),
    [
        (29, "engaged"),  # below the threshold, within the margin
        (25, "engaged"),  # just within
        (24, "target"),  # fallen
    ],
)
def test_a_score_falls_back_only_past_the_margin(score, stage):
    life = Life()
    life.go(1, score=30)
    answer = life.go(2, cause="time", score=score)
    assert answer.stage == stage
    fell = (Move("engaged", "target", day(2), "time", "fall", "", score * 100, 3000),)
    assert answer.moves == (() if stage == "engaged" else fell)
    assert answer.reached.keys() == {"target", "engaged"}  # what was reached stays reached


def test_a_handed_over_lead_stays_when_its_score_falls():
    life = Life()
    life.go(1, score=60)
    assert life.go(2, score=0).stage == "mql"


def test_a_stage_reached_by_a_fact_never_falls_by_score():
    journey = make("""
stages: [{name: target}, {name: mql, entry: {score: 60, outcome: [qualified]}, fall: back, margin: 0}]
""")
    life = Life(journey)
    life.go(1, score=60)
    life.go(2, score=60, outcomes=[outcome("qualified", day(2))])
    assert life.go(3, score=0, outcomes=[outcome("qualified", day(2))]).stage == "mql"


def test_coming_back_over_the_threshold_is_a_new_crossing():
    life = Life()
    for at, score, crossing in ((1, 30, 1), (2, 26, None), (3, 31, None), (4, 24, None), (5, 29, None), (6, 30, 2)):
        due = life.go(at, score=score).due
        assert [step.crossing for step in due] == ([crossing] if crossing else []), (at, score)


# -- both --------------------------------------------------------------------------------------------------------------

BOTH = make(
    "stages: [{name: target}, {name: mql, entry: {score: 60, activity: [demo_request]}, both: true, fall: back}]"
)


@pytest.mark.parametrize(
    ("known", "stage"),
    [
        ({"score": 90}, "target"),
        ({"kinds": demo(1)}, "target"),
        ({"score": 59, "kinds": demo(1)}, "target"),
        ({"score": 60, "kinds": demo(1)}, "mql"),
    ],
)
def test_both_needs_the_threshold_and_the_fact(known, stage):
    answer = Life(BOTH).go(2, **known)
    assert answer.stage == stage
    assert ("mql" in answer.reached) is (stage == "mql")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"score": 60}, {"score": 60, "kinds": demo(1)}),
        ({"kinds": demo(1)}, {"score": 60, "kinds": demo(1)}),
    ],
)
def test_both_is_reached_when_the_second_of_the_two_comes(first, then):
    life = Life(BOTH)
    life.go(1, **first)
    answer = life.go(2, **then)
    assert answer.moves == (Move("target", "mql", day(2), "news", "threshold", "mql:1", 6000, 6000),)
    assert life.go(3, score=10, kinds=demo(1)).stage == "target"
    assert life.go(4, score=60, kinds=demo(1)).moves[0].ref == "mql:2"


# -- steps and handoffs ------------------------------------------------------------------------------------------------


def test_a_crossing_opens_a_handoff_with_its_clock_and_does_each_step_once():
    life = Life()
    answer = life.go(1, score=72)
    opening = answer.opening
    assert (opening.stage, opening.system, opening.score, opening.generation) == ("mql", "crm", 7200, 1)
    assert (opening.at, opening.response_due, opening.period_ends) == (day(1), day(1, 4), day(6))
    assert [(step.stage, step.crossing, step.position, step.withheld) for step in answer.due] == [
        ("engaged", 1, 0, None),
        ("mql", 1, 0, None),
        ("mql", 1, 1, None),
        ("mql", 1, 2, None),
    ]
    again = life.go(2, score=72, kinds=demo(2))
    assert (again.due, again.opening, again.withheld) == ((), None, None)


def test_the_stage_of_the_higher_threshold_gets_the_handoff():
    journey = make("""
stages:
  - {name: target}
  - {name: mql, entry: {score: 40}, steps: [{handoff: inside}]}
  - {name: hot, shared: mql, entry: {score: 80}, steps: [{handoff: field}]}
  - {name: won, entry: {outcome: [won]}}
""")
    answer = Life(journey).go(1, score=85)
    assert answer.opening.system == "field"
    assert [(step.stage, step.withheld) for step in answer.due] == [("mql", "already open"), ("hot", None)]


@pytest.mark.parametrize(
    ("attributes", "open_deal", "excluded", "note"),
    [({"customer": True}, False, "customer", False), ({}, True, "open deal", True)],
)
def test_an_excluded_lead_is_scored_and_staged_but_not_handed_over(attributes, open_deal, excluded, note):
    """Only the handoff is withheld; an open deal's owner gets a note instead."""
    known = Facts(attributes, "", 7000, DAY0, open_deal=open_deal)
    answer = advance(JOURNEY, Standing(), known, day(1), "news")
    assert (answer.stage, answer.excluded, answer.opening) == ("mql", excluded, None)
    assert answer.withheld == Withheld("mql", "crm", f"never handed over: {excluded}")
    assert (answer.note is not None) is note
    withheld = {(step.stage, step.position): step.withheld for step in answer.due}
    assert withheld.pop(("mql", 1)) == f"never handed over: {excluded}"
    assert set(withheld.values()) == {None}


def test_history_records_moves_and_crossings_and_opens_nothing():
    life = Life()
    answer = life.go(1, quiet=True, cause="import", score=70, open_deal=True)
    assert (answer.stage, answer.opening, answer.note) == ("mql", None, None)
    assert answer.withheld == Withheld("mql", "crm", "history")
    assert {step.withheld for step in answer.due} == {"history"}
    live = life.go(2, score=71)
    assert (live.due, live.opening) == ((), None)


def test_an_outcome_without_a_handoff_is_a_fact_and_opens_nothing():
    answer = Life().go(1, outcomes=[outcome("rejected", day(1))])
    assert (answer.opening, answer.withheld, answer.due) == (None, None, ())
    assert answer.stage == "target"


def test_a_lead_that_sales_already_took_further_is_not_handed_over():
    life = Life()
    life.go(1, outcomes=[outcome("accepted", day(1))])
    answer = life.go(2, score=70, outcomes=[outcome("accepted", day(1))])
    assert answer.withheld == Withheld("mql", "crm", "with sales")
    assert life.opened == 0


# -- what sales says about an open handoff -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "bucket"),
    [
        ("qualified", "sales_qualified"),
        ("won", "sales_qualified"),
        ("rejected", "sales_rejected"),
        ("recycled", "recycled"),
        ("lost", "recycled"),
    ],
)
def test_an_outcome_with_a_bucket_closes_the_open_handoff(word, bucket):
    life = Life()
    life.go(1, score=70)
    life.go(3, score=70, outcomes=[outcome(word, day(2), reason="because", by="ann")])
    close = life.ending.close
    assert (close.handoff, close.bucket, close.at) == ("h1", bucket, day(2))
    assert (close.reason, close.by, close.outcome) == ("because", "ann", f"{word}@04")


def test_accepted_and_contacted_are_noted_and_leave_the_handoff_open():
    life = Life()
    life.go(1, score=70)
    said = [outcome("contacted", day(3)), outcome("accepted", day(2)), outcome("accepted", day(4))]
    life.go(5, score=70, outcomes=said)
    assert (life.ending.accepted_at, life.ending.contacted_at, life.ending.close) == (day(2), day(3), None)


def test_the_first_of_several_outcomes_closes_and_later_ones_do_not_reopen():
    life = Life()
    life.go(1, score=70)
    said = [outcome("won", day(4)), outcome("rejected", day(3))]
    life.go(5, score=70, outcomes=said)
    assert life.ending.close.outcome == "rejected@05"
    answer = life.go(6, score=70, outcomes=said)
    assert (life.ending.close, answer.opening, answer.stage) == (None, None, "won")


def test_an_outcome_dated_before_the_handoff_says_nothing_about_it():
    life = Life()
    life.go(5, score=70)
    life.go(6, score=70, outcomes=[outcome("rejected", day(4), known=day(6))])
    assert life.ending.close is None


@pytest.mark.parametrize(
    ("precision", "known", "closes"),
    [
        ("day", day(5, 3), True),  # "on the 7th", heard of after the opening
        ("day", day(5, -3), False),  # known already when the handoff was opened
        ("instant", day(5, 3), False),  # at midnight sharp
    ],
)
def test_a_day_without_a_time_counts_when_it_was_heard_of_after_the_opening(precision, known, closes):
    life = Life()
    life.go(5, score=70)
    said = replace(outcome("rejected", day(5, -9), known), precision=precision)
    life.go(6, score=70, outcomes=[said])
    assert (life.ending.close is not None) is closes


# -- again -------------------------------------------------------------------------------------------------------------


def visits(*days):
    return {"kinds": {"page_view": Happened(len(days), day(min(days)), day(max(days)))}}


def test_a_recycled_lead_comes_back_by_new_behaviour_with_the_next_generation():
    """Its score stands over the threshold all the time: what it does, not that it stands there, brings it back."""
    life = Life()
    back = {"outcomes": [outcome("recycled", day(2))]}
    life.go(1, score=70, **visits(1))
    life.go(3, score=70, **back, **visits(1))
    assert life.ending.close.bucket == "recycled"
    assert life.go(4, score=95, **back, **visits(1)).opening is None  # a better title, say
    opening = life.go(5, score=95, **back, **visits(1, 5)).opening
    assert (opening.generation, life.standing.generation) == (2, 2)
    assert life.go(6, score=95, **back, **visits(1, 6)).opening is None


def test_where_nothing_tells_what_leads_do_the_score_must_fall_and_come_back():
    life = Life()
    back = {"outcomes": [outcome("recycled", day(2))]}
    life.go(1, score=70)
    life.go(3, score=70, **back)
    assert life.go(4, score=95, **back).opening is None
    assert life.go(5, score=40, **back).stage == "mql"
    assert life.go(6, score=61, **back).opening.generation == 2


def test_a_rejected_lead_that_asks_again_keeps_its_generation():
    """Its score alone does not bring it back."""
    life = Life()
    back = {"outcomes": [outcome("rejected", day(2))]}
    life.go(1, score=70, **visits(1))
    life.go(3, score=20, **back, **visits(1))
    assert life.go(4, score=70, **back, **visits(1, 4)).opening is None
    assert life.go(5, score=70, kinds=demo(5), **back).opening.generation == 1


def test_a_new_request_after_the_handoff_ended_is_a_crossing_and_an_old_one_is_not():
    life = Life()
    back = {"outcomes": [outcome("recycled", day(3))]}
    assert life.go(1, score=10, kinds=demo(1)).opening
    life.go(4, score=10, kinds=demo(1), **back)
    assert life.ending.close
    assert life.go(5, score=10, kinds=demo(1, 2), **back).opening is None  # a late report of day 2
    assert life.go(6, score=10, kinds=demo(1, 6), **back).opening.generation == 2


def test_a_request_that_came_with_the_end_of_the_handoff_is_not_lost():
    """One batch carries the rejection of day 3 and a demo request of day 4."""
    life = Life()
    life.go(1, score=10, kinds=demo(1))
    answer = life.go(5, score=10, kinds=demo(1, 4), outcomes=[outcome("rejected", day(3))])
    assert (life.ending.close.bucket, answer.opening.stage) == ("sales_rejected", "mql")


def test_a_lead_closed_by_a_person_may_cross_again():
    life = Life()
    said = {"outcomes": [outcome("accepted", day(2))]}
    life.go(1, score=70)
    life.go(2, score=70, **said)
    life.close(3, "recycled")
    life.go(4, score=10, **said)
    assert life.go(5, score=70, **said).opening.generation == 2


@pytest.mark.parametrize("word", ["qualified", "won"])
def test_a_lead_that_sales_keeps_is_not_handed_over_again(word):
    life = Life()
    kept = {"outcomes": [outcome(word, day(2))]}
    life.go(1, score=70)
    life.go(3, score=20, **kept)
    answer = life.go(4, score=70, **kept)
    assert answer.withheld == Withheld("mql", "crm", "with sales")
    lost = {"outcomes": [*kept["outcomes"], outcome("lost", day(5))]}
    life.go(6, score=20, **lost)
    assert life.go(7, score=70, **lost).opening


def test_a_demo_request_hands_over_a_lead_whose_first_crossing_was_withheld():
    """Nobody has the lead, so either way into the stage counts."""
    life = Life()
    life.go(1, quiet=True, score=70)
    assert life.go(2, score=70, kinds=demo(2)).opening


def test_the_steps_of_a_later_stage_are_done_when_the_handoff_ends_in_it():
    journey = make("""
stages:
  - {name: target}
  - {name: mql, entry: {score: 60}, steps: [{handoff: crm}]}
  - {name: sql, entry: {outcome: [qualified]}, steps: [{campaign: {name: closing}}]}
""")
    life = Life(journey)
    life.go(1, score=70)
    answer = life.go(3, score=70, outcomes=[outcome("qualified", day(2))])
    assert [step.step for step in answer.due] == [{"campaign": {"name": "closing"}}]
    assert life.go(4, score=70, outcomes=[outcome("qualified", day(2))]).due == ()


# -- activation --------------------------------------------------------------------------------------------------------


def test_an_ignored_lead_is_handed_over_only_at_a_new_crossing():
    life = Life()
    life.go(1, quiet=True, score=70)
    life.standing = replace(life.standing, ignored=True)
    assert existing(JOURNEY, life.standing, facts(70), day(2), "crm") == Withheld("mql", "crm", "ignored")
    assert life.go(2, score=72).opening is None
    assert life.go(3, score=50).ignored is True
    answer = life.go(4, score=60)
    assert (answer.opening is not None, answer.ignored) == (True, False)


@pytest.mark.parametrize(
    ("score", "standing", "known", "says"),
    [
        (70, {}, {}, "opens"),
        (50, {}, {}, None),  # stands over no threshold of this system
        (70, {"handoff": OpenHandoff("h", "mql", day(0))}, {}, "already open"),
        (70, {"ended": Ended("recycled", day(0))}, {}, "handed over before"),
        (70, {}, {"open_deal": True}, "never handed over: open deal"),
    ],
)
def test_existing_says_what_handing_over_at_activation_would_do(score, standing, known, says):
    life = Life()
    life.go(1, quiet=True, score=score)
    answer = existing(JOURNEY, replace(life.standing, **standing), facts(score, **known), day(2), "crm")
    assert (answer.reason if isinstance(answer, Withheld) else answer and "opens") == says
    assert existing(JOURNEY, life.standing, facts(score), day(2), "other") is None
