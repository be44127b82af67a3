"""A draft of the model tried on what is stored, beside the live one; nothing is written, sent or decided.

In: an opened gateway, all files of the draft, since when. Out: a ``Simulated``. Part by part, as a rescore reads them;
a large store is shared among as many processes as the machine has cores.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.checked import refuse_unsound
from gateway.committee import governing
from gateway.contracts import Scorer, Subject
from gateway.errors import GatewayError, Refused
from gateway.governance.parts import SCORING, is_score
from gateway.journey.owners import Owners
from gateway.journey.rollups import Colleague, Rollup
from gateway.mapping.grammar import OF_COMPANY
from gateway.model import score_called
from gateway.scoring.rating import known
from gateway.settings.instance import STRATEGY, Instance
from gateway.simulation.replay import Rules, Way, rules_of
from gateway.simulation.rollups import Course, Step
from gateway.simulation.tally import Past, Tally
from gateway.store import rescoring, simulating
from gateway.store.database import read
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

MANY = 50_000
"""Leads from which on further processes are worth their start."""
PART = 4000
Tell = Callable[[int, int], None]
"""(leads done, of how many)"""


@dataclass(frozen=True, slots=True)
class Simulated:
    """``left_out``: what of the draft could not be replayed. ``capacity``: span → handoffs that sales can take;
    ``people``: how many owners take turns, 0 = nobody is listed."""

    since: datetime
    until: datetime
    stage: tuple[str, str]
    changes: Mapping[str, Sequence[str]]
    left_out: Sequence[str]
    tally: Tally
    capacity: Mapping[str, int]
    people: int


@dataclass(frozen=True, slots=True)
class _Work:
    """What each process needs, so that a part of the leads is all it is told."""

    gateway: Gateway
    sides: Sequence[Side]
    since: int
    until: int
    rolled: bool


@dataclass(frozen=True, slots=True)
class Side:
    """``rollups``: those that its scorer reads, by the scores of ``base``, the main one."""

    rules: Rules
    rollups: Mapping[str, Rollup]
    base: Scorer | None

    @property
    def window(self) -> timedelta:
        return max((one.window for one in self.rollups.values()), default=timedelta(0))

    @property
    def reach(self) -> timedelta | None:
        """How far back it looks; None = to the begin."""
        horizons = [self.rules.scorer.horizon]
        if self.base is not None and any(one.best for one in self.rollups.values()):
            horizons.append(self.base.horizon)
        return None if None in horizons else max(one for one in horizons if one is not None) + self.window

    def courses(self, part: rescoring.Part, about: simulating.Known) -> dict[str, list[Step]]:
        """Each company's roll-ups over the time."""
        assert _work is not None
        found: dict[str, Course] = {}
        for id_, attributes, _, company, *_ in part.leads if self.rollups else ():
            if company is None:
                continue
            persona, activities = self.rules.journey.persona(attributes), part.activities.get(id_, ())
            facts = known(attributes, part.companies.get(company, {}))
            subject = Subject(facts, activities, part.marks.get(id_, ()), persona)
            course = found.get(company) or found.setdefault(company, Course(self.rollups, _work.since, _work.until))
            base = partial(self.base.score, subject) if self.base is not None else _unscored
            try:
                course.add(Colleague(id_, persona, attributes, activities, base), about.entered[id_])
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - a scorer may raise anything
                raise _failed(self.rules, exc) from None
        return {company: course.steps() for company, course in found.items()}

    def way(self, attributes: Mapping[str, Any], facts: Subject, entered: int, steps: Sequence[Step]) -> Way:
        assert _work is not None
        try:
            return self.rules.way(attributes, facts, entered, _work.since, _work.until, steps)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a scorer may raise anything
            raise _failed(self.rules, exc) from None


def _unscored(at: datetime) -> None:
    return None


_work: _Work | None = None


def simulate(
    gateway: Gateway,
    files: Mapping[str, str],
    since: datetime,
    tell: Tell = lambda *_: None,
    processes: int = 0,
    score: str = "",
) -> Simulated:
    """Replay what happened after ``since`` on the live model and on that of ``files``. ``processes`` 0 = by the work.
    ``score``: by which, empty = the main one.

    Raises ``ConfigError`` for files that are wrong or do not fit, ``Refused`` where one model scores nobody, or has no
    stage that the score enters.
    """
    global _work
    until = gateway.now()
    if since >= until:
        raise Refused("there is nothing to replay: name an earlier time")
    with read(gateway.store.main) as connection:
        before = governing.live_files(connection, gateway.instance)
    wanted = governing.fits(gateway.instance.root, gateway.host, files, gateway.instance)
    name = score_called(score, (gateway.model.score_name, *sorted({*gateway.model.others, *wanted.scores})))
    score = "" if name == gateway.model.score_name else name
    live = _rules("the live model", gateway.model.scorer_of(score), gateway.instance, score)
    draft = _rules("the draft", _scorer(gateway, wanted, score), wanted, score)
    sides = (
        _side(live, gateway.instance, gateway.model.scorer),
        _side(draft, wanted, _scorer(gateway, wanted, "") if score else draft.scorer),
    )
    rolled = any(side.rollups for side in sides)
    _work = _Work(gateway, sides, to_micros(since), to_micros(until), rolled)
    with read(gateway.store.main) as connection:
        parts: Sequence[Any] = (simulating.by_company if rolled else rescoring.ranges)(connection, PART)
    total = sum(part.leads for part in parts)
    tally, done = Tally(), 0
    tell(done, total)
    workers = processes or (min(os.cpu_count() or 1, 8) if total > MANY else 1)
    for part, one in zip(parts, _worked(parts, workers), strict=True):
        tally.add(one)
        done += part.leads
        tell(done, total)
    changes = governing.changes(before, files)
    tried = f"scores/{score}.yaml" if score else SCORING
    left_out = [  # a score that the draft takes away cannot be tried
        name
        for name in changes
        if name.startswith("mappings/") or (is_score(name) and name != tried and name in wanted.files)
    ]
    capacity, people = wanted.journey.capacity, _people(wanted.journey.owners)
    return Simulated(since, until, (live.stage.name, draft.stage.name), changes, left_out, tally, capacity, people)


def _side(rules: Rules, instance: Instance, base: Scorer | None) -> Side:
    reads = getattr(rules.scorer, "attributes", None)
    read = {name: one for name, one in instance.rollups.items() if reads is None or f"{OF_COMPANY}{name}" in reads}
    return Side(rules, read, base)


def _people(owners: Owners) -> int:
    return sum(not one.queue and one.weight > 0 for one in owners.listed)


def _worked(parts: Sequence[Any], workers: int) -> Iterator[Tally]:
    if workers == 1:
        yield from map(_part, parts)
        return
    # Forked, so that scorers need not be sent: what a plugin builds may be anything.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_apart) as pool:
        yield from pool.map(_part, parts)


def _apart() -> None:
    """A process of its own has connections of its own; Ctrl-C is for who began it, who has it end with its part."""
    assert _work is not None
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _work.gateway.store.main.dispose(close=False)


def _part(part: rescoring.Among) -> Tally:
    assert _work is not None
    gateway, since = _work.gateway, _work.since
    reaches = [side.reach for side in _work.sides]
    reach = None if None in reaches else max(one for one in reaches if one is not None)
    cutoff = None if reach is None else since - reach // timedelta(microseconds=1)
    with read(gateway.store.main) as connection:
        loaded = rescoring.load_part(connection, part, [gateway.model.score_name], "", cutoff)
        about = simulating.known_of(connection, part)
        if _work.rolled:  # not as they stand now
            ids = {row[3] for row in loaded.leads if row[3]}
            loaded.companies = rescoring.companies(connection, ids, rolled=False)
    courses = [side.courses(loaded, about) for side in _work.sides]
    tally, zone = Tally(), gateway.instance.zone
    for id_, attributes, _, company, *_ in loaded.leads:
        if id_ in about.excluded:
            continue
        theirs = loaded.companies.get(company)
        facts = known(attributes, theirs) if theirs else attributes
        subject = Subject(facts, loaded.activities.get(id_, ()), loaded.marks.get(id_, ()), "")
        won_at = about.won.get(id_)
        now_won = won_at if won_at is not None and won_at >= since else None
        past = Past(id_ in about.handed, id_ in about.accepted, won_at is not None, now_won)
        live, draft = (
            side.way(attributes, subject, about.entered[id_], steps.get(company, ()))
            for side, steps in zip(_work.sides, courses, strict=True)
        )
        tally.take(id_, live, draft, past, zone)
    return tally


def _failed(rules: Rules, exc: BaseException) -> GatewayError:
    """Whose scorer fails, and nothing of what it says: that may hold a value."""
    assert _work is not None
    side = "the live model" if rules is _work.sides[0].rules else "the draft"
    return GatewayError(f"{side}: its scorer raised {type(exc).__name__}")


def _rules(what: str, scorer: Scorer | None, instance: Instance, score: str) -> Rules:
    file = f"scores/{score}.yaml" if score else SCORING
    if scorer is None:
        raise Refused(f"{what} scores nobody: there is no {file}, or its strategy is not to be had")
    found = rules_of(scorer, instance.journey, score)
    if found is None:
        entry = f"{{score: …, of: {score}}}" if score else "{score: …}"
        raise Refused(f"{what} has no stage that {score or 'a score'} enters; journey.yaml: stages: entry: {entry}")
    return found


def _scorer(gateway: Gateway, wanted: Instance, score: str) -> Scorer | None:
    file = wanted.scores.get(score) if score else wanted.scoring
    offer = gateway.host.scorers.get(file.data.get("strategy", STRATEGY)) if file is not None else None
    if file is None or offer is None:
        return None
    scorer: Scorer = offer.factory(wanted.built_from(file))
    refuse_unsound(scorer, Scorer)
    return scorer
