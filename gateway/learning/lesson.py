"""The whole of ``gateway model learn`` but reading and writing: cases in, a proposed model with its judgement out.

The newest 30 % of the cases are held out: what the older ones teach is judged on them, beside the live model and a
plain logistic regression. What is proposed in the end is learned from all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from gateway.contracts import Example, Scorer
from gateway.errors import Refused
from gateway.learning.case import JUDGED, Case
from gateway.learning.fitting import Fit, Floats, Marks
from gateway.learning.judging import Verdict, auc, better, verdict
from gateway.learning.leaks import LeftOut, leaks
from gateway.learning.points import SPLITS, Proposed, design, learned, propose
from gateway.learning.thresholds import same_share
from gateway.learning.traits import AXES, PERSONAL, Trait, Traits
from gateway.settings.files import suggest
from gateway.times import from_micros

HELD_OUT = 0.3
LEAST = 10
"""Won, and lost, without which nothing is learned."""
USEFUL = 30
"""Won from which on estimates are of use."""
Factory = Callable[[Mapping[str, Any]], Scorer]


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold of the live model, and the one that lets as many past leads in by the proposed one. ``persona`` is
    empty for all. The rest are of the leads that come in: their share of all, and the share won of them, before and
    after, on the held-out cases."""

    stage: str
    persona: str
    before: float
    after: int
    share: float
    won_before: float
    won_after: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """``proposed`` is None for another strategy than ``weighted``. ``older`` and ``newer``: cases learned from, and
    held out. ``splits``: weight of fit → AUC on the held-out cases; ``chosen``: the one that the older ones say."""

    strategy: str
    cases: int
    won: int
    older: int
    newer: int
    judged: Mapping[str, int]
    left_out: Sequence[LeftOut]
    data: Mapping[str, Any] = field(repr=False)
    verdicts: Sequence[Verdict]
    proposed: Proposed | None = None
    splits: Mapping[int, float] = field(default_factory=dict)
    chosen: int = 0
    doubts: Sequence[str] = ()
    crossings: Sequence[Crossing] = ()
    better: float | None = None
    """In which share of resamples of the held-out cases it has a greater AUC than the live model, if there is one."""

    @property
    def base(self) -> float:
        return self.won / self.cases

    def verdict(self, name: str) -> Verdict:
        return next(one for one in self.verdicts if one.name == name)


def learn(
    cases: Sequence[Case],
    live: Mapping[str, Any],
    factories: Mapping[str, Factory],
    strategy: str = "weighted",
    forced: Collection[str] = (),
    live_scorer: Scorer | None = None,
    apart: Collection[str] = (),
    sources: Mapping[str, str] = MappingProxyType({}),
    thresholds: Sequence[tuple[str, str, float]] = (),
    live_since: int | None = None,
) -> Lesson:
    """Learn from ``cases``, which are sorted, oldest first.

    :param live: the live scoring.yaml's content, {} without one. :param factories: strategy → how its scorer is built.
    :param forced: attributes to learn from whatever the leak guard says. :param apart: attributes to leave alone.
    :param sources: attribute → the fields it comes from, to name it by. :param thresholds: (stage, persona, points).
    :param live_since: when the live model began, in microseconds.
    Raises ``Refused`` when there is too little to learn from, with what to do.
    """
    older = _enough(cases)
    _known(cases, forced)
    found = [leak for leak in leaks(cases, forced, sources) if leak.attribute not in apart]
    out = {leak.attribute for leak in found if not leak.forced} | set(apart)
    live = live if live.get("strategy", "weighted") == "weighted" else {}
    won = np.array([case.won for case in cases])
    traits = Traits(cases, older, live, out)
    known = traits.all()
    if not known:
        raise Refused("\n".join(["nothing is left to learn from:", *(f"  {one.name}: {one.words}" for one in found)]))
    fitted = learned(known, older, won)
    factory = factories[strategy]
    if strategy == "weighted":
        taught = _by_points(cases, older, live, out, known, fitted, factory)
    else:
        taught = _by_strategy(strategy, cases, older, live, out, traits, known, factory)
    scored = {f"learned {'points' if strategy == 'weighted' else strategy}": totals(factory(taught.trial), cases)}
    if live_scorer is not None:
        scored["live model"] = totals(live_scorer, cases)
    scored["logistic regression"] = fitted.logit(design(known))
    crossings: list[Crossing] = []
    surely: float | None = None
    if live_scorer is not None:
        mine = next(iter(scored.values()))
        surely = better(mine[older:], scored["live model"][older:], won[older:])
        crossings = [_crossing(*one, scored["live model"], mine, cases, older) for one in thresholds]
    return Lesson(
        strategy, len(cases), int(won.sum()), older, len(cases) - older,
        {name: sum(case.judged == name for case in cases) for name in JUDGED}, [*found, *taught.useless], taught.data,
        [verdict(name, one[:older], won[:older], one[older:], won[older:]) for name, one in scored.items()],
        taught.proposed, taught.splits, taught.chosen, _doubts(cases, older, live_since), crossings, surely,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Taught:
    """Models, as a scoring.yaml has them: ``trial`` of the older cases, to be judged; ``data`` of all of them."""

    trial: Mapping[str, Any]
    data: Mapping[str, Any]
    useless: Sequence[LeftOut]
    proposed: Proposed | None = None
    splits: Mapping[int, float] = field(default_factory=dict)
    chosen: int = 0


def _by_points(
    cases: Sequence[Case],
    older: int,
    live: Mapping[str, Any],
    out: Collection[str],
    known: Sequence[Trait],
    fitted: Fit,
    factory: Factory,
) -> _Taught:
    """Rules with points. ``known`` and ``fitted``: of the older cases."""
    won = np.array([case.won for case in cases])
    trial = propose(known, fitted, older, won, live).data
    splits = _splits(factory, trial, cases[older:]) if {*AXES} <= trial.keys() else {}
    every = Traits(cases, len(cases), live, out)
    final = every.all()
    proposed = propose(final, learned(final, len(cases), won), len(cases), won, live)
    return _Taught(trial, proposed.data, every.useless, proposed, splits, trial["weights"]["fit"])


def _by_strategy(
    strategy: str,
    cases: Sequence[Case],
    older: int,
    live: Mapping[str, Any],
    out: Collection[str],
    traits: Traits,
    known: Sequence[Trait],
    factory: Factory,
) -> _Taught:
    """Whatever a plugin's strategy makes of them. ``traits`` and ``known``: of the older cases."""
    behaviour = [name for name in sorted({one.attribute for one in known}) if traits.axis(name) == "behaviour"]
    examples = [example(case, out) for case in cases]
    teacher = getattr(factory, "learn", None)
    if teacher is None or getattr(teacher, "__func__", None) is Scorer.learn.__func__:  # type: ignore[attr-defined]
        raise Refused(f"the strategy {strategy!r} does not learn; `gateway plugins list` shows what is installed")
    trial = teacher(examples[:older], behaviour)
    return _Taught(trial, {**teacher(examples, behaviour), "name": live.get("name", "lead")}, traits.useless)


def example(case: Case, out: Collection[str] = ()) -> Example:
    """The case as strategies learn from it: without the attributes and activities of ``out``, and without what people
    are called and reached by, which would else stand in their models."""
    subject = case.subject
    attributes = {name: value for name, value in subject.attributes.items() if name not in out and name not in PERSONAL}
    done = [one for one in subject.activities if one.kind not in out]
    return Example(type(subject)(attributes, done, (), subject.persona), case.at, case.won)


def totals(scorer: Scorer, cases: Sequence[Case]) -> Floats:
    """What each case scored when it was judged, in points."""
    return np.array([scorer.score(case.subject, case.at).total / 100 for case in cases])


def _crossing(
    stage: str, persona: str, points: float, live: Floats, mine: Floats, cases: Sequence[Case], older: int
) -> Crossing:
    theirs = np.array([persona in ("", case.subject.persona) for case in cases])
    won = np.array([case.won for case in cases])
    learned_on = theirs & (np.arange(len(cases)) < older)
    newer = theirs & ~(np.arange(len(cases)) < older)
    after = same_share(live[learned_on], mine[learned_on], points)

    def wins(taken: Marks) -> float:
        return float(won[newer & taken].mean()) if (newer & taken).any() else 0.0

    share = float((mine[newer] >= after).mean()) if newer.any() else 0.0
    return Crossing(stage, persona, points, after, share, wins(live >= points), wins(mine >= after))


def _known(cases: Sequence[Case], forced: Collection[str]) -> None:
    """Raises ``Refused`` for a name that would force nothing: who misspells one believes that it was learned from."""
    if not forced:
        return
    names = {name for case in cases for name in (*case.subject.attributes, *case.late, *case.undated)}
    names |= {name for case in cases for name in (*case.undated_kinds, *(one.kind for one in case.subject.activities))}
    if wrong := [name for name in forced if name not in names]:
        raise Refused(
            "\n".join(
                f"--force {name}: no past lead has such a value or activity{suggest(name, names)}" for name in wrong
            )
        )


def _enough(cases: Sequence[Case]) -> int:
    wins = sum(case.won for case in cases)
    losses = len(cases) - wins
    more = "; `gateway import FILE --system NAME --history` and `gateway pull SYSTEM --history` bring the past in"
    if not cases:
        raise Refused(f"there are no won and no lost leads yet{more}")
    if not wins or not losses:
        there, lacks = ("won", "lost") if wins else ("lost", "won")
        raise Refused(
            f"all {len(cases)} leads with an end were {there}: without {lacks} ones there is nothing to tell apart; "
            f"a mapping file's outcomes say which are {lacks}{more}"
        )
    if min(wins, losses) < LEAST:
        few = f"{wins} won and {losses} lost leads"
        raise Refused(f"there are only {few}: {LEAST} of each are the least, {USEFUL} won make it useful{more}")
    older = round(len(cases) * (1 - HELD_OUT))
    for part, words in ((cases[:older], "oldest 70 %"), (cases[older:], "newest 30 %")):
        if len({case.won for case in part}) < 2:
            end = "won" if part[0].won else "lost"
            raise Refused(
                f"of the {words} of {len(cases)} leads all were {end}, so nothing can be judged; order them by another "
                f"time (--order-by ATTRIBUTE), or see whether the ends came all at once{more}"
            )
    return older


def _doubts(cases: Sequence[Case], older: int, live_since: int | None) -> list[str]:
    wins = sum(case.won for case in cases)
    found = []
    if wins < USEFUL:
        found.append(f"only {wins} leads were won: the estimates are a hint, no more, until there are about {USEFUL}")
    ends = sum(case.judged == "end" for case in cases)
    if ends > len(cases) / 2:
        found.append(
            f"{ends:,} of {len(cases):,} leads had neither handoff nor a first word of sales, so they are looked at as "
            "they were when they ended; half-lives may be flattered by that"
        )
    base, late = (np.mean([case.won for case in part]) for part in (cases[:older], cases[older:]))
    if abs(base - late) > 0.15:
        found.append(f"{base:.0%} of the older leads were won, of the newest 30 % {late:.0%}: something else changed")
    if len(Counter(case.order for case in cases)) < len(cases) / 10:
        found.append("most leads have the same time, so 'newest' means little; --order-by ATTRIBUTE names a better one")
    if live_since is not None and (seen := sum(case.known_at < live_since for case in cases[older:])):
        found.append(
            f"the live model began {from_micros(live_since):%Y-%m-%d}, when the end of {seen:,} of the newest "
            f"{len(cases) - older:,} was known: it may be made of them, and then looks better than it is"
        )
    return found


def _splits(factory: Factory, data: Mapping[str, Any], newer: Sequence[Case]) -> dict[int, float]:
    """The AUC on ``newer`` by the weight of fit."""
    scorer = factory({**data, "weights": {"fit": 50, "behaviour": 50}})
    scores = [scorer.score(case.subject, case.at) for case in newer]
    fit, behaviour = (np.array([getattr(score, axis) for score in scores], dtype=float) for axis in AXES)
    won = np.array([case.won for case in newer])
    return {share: auc(share * fit + (100 - share) * behaviour, won) for share in SPLITS}
