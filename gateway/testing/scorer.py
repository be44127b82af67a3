"""What every scorer keeps to. The gateway caches, sweeps and explains scores on the strength of it."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.contracts import Activity, Mark, Score, Scorer, Subject
from gateway.testing.contract import Contract, built_by
from gateway.testing.hostile import VALUES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
FULL = 10_000
BANDS = ("great", "good", "bad")


class ScorerContract(Contract):
    """Every check runs on ``subjects``: leads that your model tells apart. Name your own attributes and kinds there."""

    contract = "scorer"

    attributes: Mapping[str, Any] = {"title": "Chief Executive Officer", "industry": "software", "employees": 500}
    """Of a lead that your model likes."""
    kinds: Sequence[str] = ("page_view", "email_click", "download", "demo_request")
    """Kinds of activities that your model looks at."""

    def build(self) -> Scorer:
        """A scorer of yours, as its factory makes it."""
        raise NotImplementedError("say how your scorer is built: def build(self): return MyScorer(MODEL)")

    # -- what it is tried on ------------------------------------------------------------------------------------------

    def subjects(self) -> list[Subject]:
        """Nobody known, a lead liked that did nothing, and leads that did more and more."""
        found = [Subject({}), Subject(dict(self.attributes)), Subject({}, self._done(1))]
        found += [Subject(dict(self.attributes), self._done(spread)) for spread in (1, 5, 30)]
        return [*found, Subject(dict(self.attributes), self._done(5), persona="other")]

    def _done(self, spread: int) -> list[Activity]:
        return [
            Activity(NOW - number * spread * DAY, kind, "/pricing", "web", "spring", f"{kind}-{number}")
            for number in range(5)
            for kind in self.kinds
        ]

    def _moments(self) -> Iterator[tuple[Scorer, Subject, Score]]:
        scorer = self.build()
        for subject in self.subjects():
            yield scorer, subject, scorer.score(subject, NOW)

    def _is_among(self, offers: Mapping[str, Any]) -> None:
        built_by(type(self.build()), offers.values())

    # -- checks -------------------------------------------------------------------------------------------------------

    def test_it_tells_leads_apart(self) -> None:
        """Else every other check proves nothing."""
        assert len({score.total for _, _, score in self._moments()}) > 1, "all subjects have one score; name your own"

    def test_the_same_facts_have_the_same_score(self) -> None:
        """Asked twice, and asked of another one built the same way."""
        for scorer, subject, score in self._moments():
            assert scorer.score(subject, NOW) == score == self.build().score(subject, NOW)

    def test_the_order_of_activities_does_not_matter(self) -> None:
        shuffle = random.Random(1).sample
        for scorer, subject, score in self._moments():
            mixed = replace(subject, activities=shuffle(list(subject.activities), len(subject.activities)))
            assert scorer.score(mixed, NOW) == score

    def test_a_score_is_within_its_bounds(self) -> None:
        """Hundredths of 0 to 100, whole numbers, the axes add up to the total, one of three bands."""
        for _, _, score in self._moments():
            assert all(type(points) is int for points in (score.total, score.fit, score.behaviour)), score
            assert 0 <= score.total == score.fit + score.behaviour <= FULL, score
            assert score.band in BANDS, score

    def test_a_reason_for_every_point(self) -> None:
        """Contributions add up to the total, each names its rule, and asking for them changes nothing."""
        for scorer, subject, score in self._moments():
            told = scorer.score(subject, NOW, explain=True)
            assert replace(told, contributions=()) == replace(score, contributions=())
            assert sum(line.hundredths for line in told.contributions) == score.total, told.contributions
            assert all(line.rule and line.reason for line in told.contributions if line.hundredths)

    def test_it_says_when_it_moves_by_itself(self) -> None:
        """``changes_at`` lies ahead; until then nothing moves, and at that moment it does."""
        for scorer, subject, score in self._moments():
            for _ in range(20):  # as the sweep does, from one move to the next
                at = score.changes_at
                if at is None:
                    later = scorer.score(subject, NOW + 3650 * DAY)
                    assert later.total == score.total, "it moved, and had said it never would"
                    break
                assert at > NOW, score
                assert scorer.score(subject, at - MICROSECOND).total == score.total, "it moved before it said it would"
                later = scorer.score(subject, at)
                assert (later.total, later.fit, later.behaviour) != (score.total, score.fit, score.behaviour) or (
                    later.changes_at is None or later.changes_at > at
                ), "nothing moves when it says, and it says so for ever"
                score = later

    def test_what_has_not_happened_yet_does_not_count(self) -> None:
        for scorer, subject, _ in self._moments():
            before = scorer.score(subject, NOW - 400 * DAY)
            none = scorer.score(replace(subject, activities=()), NOW - 400 * DAY)
            assert before.total == none.total

    def test_what_lies_behind_the_horizon_does_not_count(self) -> None:
        """The gateway does not even load it."""
        scorer = self.build()
        if scorer.horizon is None:
            self.not_here("it looks at all of the past")
        old = [one._replace(at=NOW - scorer.horizon - DAY) for one in self._done(0)]
        for subject in self.subjects():
            more = replace(subject, activities=[*subject.activities, *old])
            assert scorer.score(more, NOW).total == scorer.score(subject, NOW).total

    def test_points_of_a_person_count_until_they_end(self) -> None:
        """A mark ``manual`` adds its points; the total stays within its bounds, and it moves when they end."""
        scorer = self.build()
        plain = scorer.score(Subject({}), NOW)
        mark = Mark(NOW - DAY, "manual", 30, "met at the fair", NOW + DAY, "kim")
        given = scorer.score(Subject({}, marks=[mark]), NOW, explain=True)
        assert given.total == min(plain.total + 3000, FULL)
        assert sum(line.hundredths for line in given.contributions) == given.total
        assert given.changes_at is not None
        assert given.changes_at <= NOW + DAY, "it does not say that the points end"
        assert scorer.score(Subject({}, marks=[mark]), NOW + DAY).total == plain.total

    def test_the_treatment_of_a_recycled_lead_counts(self) -> None:
        """After a ``reset`` nothing it did before is worth anything; ``keep`` and ``hold`` change no points."""
        scorer = self.build()
        for subject in self.subjects():
            score = scorer.score(subject, NOW)
            after = Mark(NOW + MICROSECOND, "reset")
            gone = scorer.score(replace(subject, marks=[after]), NOW + MICROSECOND)
            assert gone.total == scorer.score(replace(subject, activities=()), NOW + MICROSECOND).total
            for kind in ("keep", "hold"):
                marks = [Mark(NOW - DAY, kind)]
                assert scorer.score(replace(subject, marks=marks), NOW).total == score.total

    def test_what_it_is_given_stays_as_it_is(self) -> None:
        scorer = self.build()
        for subject in self.subjects():
            kept = copy.deepcopy((subject.attributes, list(subject.activities), list(subject.marks)))
            scorer.score(subject, NOW, explain=True)
            assert (subject.attributes, list(subject.activities), list(subject.marks)) == kept

    def test_no_value_makes_it_fail(self) -> None:
        """Mapping files bring what systems hold; a scorer that raises leaves its lead without a score."""
        scorer = self.build()
        for name in [*self.attributes, "unheard of"]:
            for value in VALUES:
                score = scorer.score(Subject({name: value}), NOW, explain=True)
                assert 0 <= score.total <= FULL

    def test_a_lasting_scorer_renews_as_it_scores(self) -> None:
        """Where only attributes changed, ``renew`` gives what ``score`` would; skipped unless it is ``lasting``."""
        scorer = self.build()
        if not scorer.lasting:
            self.not_here("it is not lasting")
        for subject in self.subjects():
            last = scorer.score(subject, NOW - MICROSECOND)
            if last.changes_at is not None and last.changes_at <= NOW:
                continue
            for attributes in ({}, dict(self.attributes)):
                changed = replace(subject, attributes=attributes)
                assert scorer.renew(last, replace(changed, activities=()), NOW) == scorer.score(changed, NOW)
