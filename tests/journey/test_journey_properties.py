"""What holds for every life a lead can have."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts import OUTCOMES
from gateway.journey import advance as module
from gateway.journey.endings import find_ending
from gateway.journey.facts import Decided, Facts, Happened, OpenHandoff, Outcome, Standing
from gateway.journey.journey import compile_journey
from gateway.settings.files import ConfigFile

DAY0 = datetime(2026, 3, 2, tzinfo=UTC)
KINDS = ("demo_request", "webinar", "page_view")


def make(text):
    return compile_journey(ConfigFile("journey.yaml", text))


JOURNEY = make("""
stages:
  - {name: target}
  - {name: engaged, shared: target, entry: {score: 30, activity: [webinar]}, steps: [{join: nurture}]}
  - {name: mql, entry: {score: 60, activity: [demo_request]}, steps: [{set: {field: s, value: 1}}, {handoff: crm}]}
  - {name: hot, shared: mql, entry: {score: 80, activity: [webinar]}, both: true, fall: back, steps: [{handoff: field}]}
  - {name: sal, entry: {outcome: [accepted]}, steps: [{leave: nurture}]}
  - {name: sql, entry: {outcome: [qualified]}}
  - {name: won, entry: {outcome: [won]}}
never_hand_over: [{reason: customer, when: {customer: true}}, {reason: open deal, open_deal: true}]
""")
FACTS_ONLY = make("""
stages:
  - {name: target}
  - {name: mql, entry: {activity: [demo_request, webinar]}, steps: [{handoff: crm}]}
  - {name: sal, entry: {outcome: [accepted, contacted]}}
  - {name: won, entry: {outcome: [won]}}
""")

hours = st.integers(-200, 800).map(lambda number: DAY0 + timedelta(hours=number))
happenings = st.one_of(
    st.tuples(st.just("outcome"), st.sampled_from(OUTCOMES), hours),
    st.tuples(st.just("activity"), st.sampled_from(KINDS), hours),
)


def known(happened, entered_at, **more):
    """Facts from (what, word, at) triples; the same triple twice is one fact."""
    facts = sorted(set(happened))
    kinds = {}
    for what, word, at in facts:
        if what == "activity":
            times, first, last = kinds.get(word, Happened(0, at, at))
            kinds[word] = Happened(times + 1, min(first, at), max(last, at))
    outcomes = [Outcome(at, word, f"{word}@{at}", at) for what, word, at in facts if what == "outcome"]
    return Facts(
        {"customer": more.pop("customer", False)}, "", more.pop("score", None), entered_at, outcomes, kinds, **more
    )


def advance(journey, standing, facts, at, cause, quiet=False):
    ending = find_ending(journey, standing, facts, at)
    return module.advance(journey, standing, facts, ending, at, cause, quiet), ending


def after(standing, answer, ending, at):
    """The standing that the store would load for the next advance."""
    handoff = standing.handoff if ending.open else None
    if answer.opening:
        assert handoff is None, "a second handoff while one is open"
        handoff = OpenHandoff(f"opened {at}", answer.opening.stage, at, answer.opening.generation)
    moves = [Decided(move.stage, move.at, move.ref) for move in answer.moves if move.reason == "threshold"]
    return Standing(
        stage=answer.stage,
        above=answer.above,
        decided=[*standing.decided, *moves],
        handoff=handoff,
        generation=answer.generation,
        ended=ending.ended._replace(new=False),
        ignored=answer.ignored,
    )


turns = st.fixed_dictionaries(
    {
        "happened": st.lists(happenings, max_size=3),
        "score": st.one_of(st.none(), st.integers(0, 10_000)),
        "customer": st.booleans(),
        "open_deal": st.booleans(),
        "quiet": st.booleans(),
    }
)


def live(listed, journey=JOURNEY, standing=None):
    """Each turn adds facts and sets the rest; yields (turn, facts, standing before, answer, standing after)."""
    standing, happened = standing or Standing(), []
    for number, turn in enumerate(listed):
        turn = dict(turn)
        happened += turn.pop("happened")
        quiet = turn.pop("quiet")
        facts = known(happened, DAY0, **turn)
        at = DAY0 + timedelta(hours=10 * number)
        answer, ending = advance(journey, standing, facts, at, "news", quiet)
        later = after(standing, answer, ending, at)
        yield {**turn, "quiet": quiet, "ending": ending}, facts, standing, answer, later
        standing = later


@given(st.lists(turns, max_size=12))
def test_at_most_one_handoff_is_open_and_none_opens_for_the_excluded_or_from_history(listed):
    for turn, _, before, answer, _ in live(listed):  # `after` refuses a second open handoff
        if answer.opening:
            assert not (turn["quiet"])
            assert not (turn["customer"])
            assert not (turn["open_deal"])
            assert before.handoff is None or turn["ending"].close is not None
        if turn["ending"].close:
            assert turn["ending"].close.handoff == before.handoff.id
        if turn["quiet"]:
            assert all(step.withheld == "history" for step in answer.due)


@given(st.lists(turns, max_size=12))
def test_each_step_of_each_crossing_is_due_once_and_crossings_count_up(listed):
    seen = set()
    for _, _, before, answer, _ in live(listed):
        for step in answer.due:
            key = step.stage, step.crossing, step.position
            assert key not in seen
            seen.add(key)
            assert step.crossing == before.above.get(step.stage, [0])[0] + 1
        opened = [step for step in answer.due if "handoff" in step.step and step.withheld is None]
        assert [step.stage for step in opened] == ([answer.opening.stage] if answer.opening else [])


@given(st.lists(turns, max_size=12))
def test_the_moves_lead_from_stage_to_stage_and_the_stage_was_reached(listed):
    for _, _, before, answer, _ in live(listed):
        chain = [before.stage, *(move.stage for move in answer.moves)]
        assert [move.from_stage for move in answer.moves] == chain[:-1]
        assert chain[-1] == answer.stage
        assert answer.stage in answer.reached


@given(st.lists(turns, max_size=12))
def test_stages_are_reached_in_their_order(listed):
    for _, _, _, answer, _ in live(listed):
        names = [stage.name for stage in JOURNEY.stages]
        reached = list(answer.reached)
        assert reached == names[: len(reached)]
        assert all(answer.reached[a].at <= answer.reached[b].at for a, b in pairwise(reached))


@given(st.lists(turns, max_size=12))
def test_the_same_news_again_changes_nothing(listed):
    """An advance without news — a sweep, a repeated document — moves nothing and asks for nothing."""
    for turn, facts, _, answer, later in live(listed):
        again, _ = advance(JOURNEY, later, facts, DAY0 + timedelta(days=90), "time", turn["quiet"])
        assert (again.moves, again.due, again.opening) == ((), (), None)
        assert (again.stage, again.reached) == (answer.stage, answer.reached)
        assert (
            {name: held[:3] for name, held in again.above.items()}
            == {  # not how far it is barred: time tells that
                name: held[:3] for name, held in answer.above.items()
            }
        )


@given(st.lists(happenings, max_size=12), hours, st.data())
def test_reached_is_the_same_in_any_order_with_repeats_and_in_any_batches(happened, entered_at, data):
    whole, _ = advance(FACTS_ONLY, Standing(), known(happened, entered_at), DAY0, "news")
    shuffled = data.draw(st.permutations(happened + data.draw(st.lists(st.sampled_from(happened or [None])))))
    shuffled = [one for one in shuffled if one is not None]
    cuts = [*sorted(data.draw(st.sets(st.integers(0, len(shuffled))))), len(shuffled)]
    standing = Standing()
    for number, cut in enumerate(cuts):
        at = DAY0 + timedelta(hours=data.draw(st.integers(-500, 500)))
        answer, ending = advance(FACTS_ONLY, standing, known(shuffled[:cut], entered_at), at, "news", bool(number % 2))
        standing = after(standing, answer, ending, at)
    assert (answer.reached, answer.stage) == (whole.reached, whole.stage)


@given(st.lists(happenings, max_size=8), st.randoms(use_true_random=False), st.integers(0, 10_000))
def test_the_order_in_which_outcomes_are_listed_does_not_matter(happened, random, score):
    facts = known(happened, DAY0, score=score)
    outcomes = list(facts.outcomes)
    random.shuffle(outcomes)
    standing = Standing(stage="mql", above={"mql": [1, True, None]}, handoff=OpenHandoff("h", "mql", DAY0))
    assert advance(JOURNEY, standing, facts, DAY0, "news") == advance(
        JOURNEY, standing, replace(facts, outcomes=outcomes), DAY0, "news"
    )


@given(st.lists(st.integers(5500, 6499), max_size=30))
def test_a_score_within_the_margin_of_its_threshold_moves_a_lead_at_most_once(scores):
    """The margin is 5 points: nothing between 55 and 65 makes a lead go to and fro around 60."""
    journey = make("stages: [{name: target}, {name: mql, entry: {score: 60}, fall: back, steps: [{join: hot}]}]")
    listed = [{"happened": [], "score": score, "quiet": False} for score in scores]
    answers = [answer for _, _, _, answer, _ in live(listed, journey)]
    assert sum(len(answer.due) for answer in answers) == any(score >= 6000 for score in scores)
    assert sum(move.stage != "target" for answer in answers for move in answer.moves) <= 1
    assert not any(move.reason == "fall" for answer in answers for move in answer.moves)
