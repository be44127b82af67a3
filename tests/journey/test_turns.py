"""Turns are fair: over any window, among those who were there all along, by their weights."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from gateway.journey.turns import TURN, Turns

NAMES = "abcde"
WEIGHTS = st.fixed_dictionaries({name: st.sampled_from([0.5, 1, 1.5, 2, 3, 7]) for name in NAMES})
PRESENCES = st.lists(st.frozensets(st.sampled_from(NAMES), min_size=1), min_size=1, max_size=120)


def deal(weights: dict[str, float], presences: list[frozenset[str]]) -> list[str]:
    turns = Turns("t")
    return [turns.deal({name: weights[name] for name in there}) for there in presences]


@given(WEIGHTS, PRESENCES, st.integers(0, 120), st.integers(0, 120))
def test_over_any_window_those_who_were_there_got_their_share(
    weights: dict[str, float], presences: list[frozenset[str]], one: int, other: int
) -> None:
    """Turns per weight of two people differ by no more than one turn of each, wherever the window begins and ends."""
    start, end = sorted((one, other))
    dealt = deal(weights, presences)[start:end]
    there = frozenset(NAMES).intersection(*presences[start:end])
    for first, second in combinations(sorted(there), 2):
        apart = dealt.count(first) / weights[first] - dealt.count(second) / weights[second]
        assert abs(apart) <= 1 / weights[first] + 1 / weights[second] + len(dealt) / TURN


@given(WEIGHTS, PRESENCES)
def test_a_turn_goes_to_somebody_who_is_there(weights: dict[str, float], presences: list[frozenset[str]]) -> None:
    assert all(name in there for name, there in zip(deal(weights, presences), presences, strict=True))


@given(st.integers(1, 200))
def test_who_comes_back_does_not_get_what_they_missed(missed: int) -> None:
    """However long they were away, they take their turns from now on: no flood on the first morning."""
    turns = Turns("t")
    for _ in range(missed):
        turns.deal({"a": 1, "b": 1})
    for _ in range(missed):
        turns.deal({"b": 1})
    first = [turns.deal({"a": 1, "b": 1}) for _ in range(10)]
    assert abs(first.count("a") - first.count("b")) <= 2


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_who_may_not_have_one_loses_nothing(barred: list[str]) -> None:
    """A lead that must go to others costs nobody their share: with enough turns that are free, all are even again."""
    weights = {"a": 1.0, "b": 1.0, "c": 1.0}
    turns = Turns("t")
    got = [turns.deal(weights, weights.keys() - {name}) for name in barred]
    got += [turns.deal(weights) for _ in range(3 * len(barred) + 3)]
    counts = [got.count(name) for name in weights]
    assert max(counts) - min(counts) <= 1


def test_a_weight_of_two_gets_twice_as_many() -> None:
    dealt = deal({"a": 2, "b": 1}, [frozenset("ab")] * 9)
    assert dealt == ["a", "b", "a", "a", "b", "a", "a", "b", "a"]


def test_the_order_begins_with_whose_turn_it_is() -> None:
    turns = Turns("t")
    turns.deal({"a": 1, "b": 1, "c": 1})
    assert turns.order("abc") == ["b", "c", "a"]
