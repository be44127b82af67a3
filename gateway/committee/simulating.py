"""A draft of the model tried on what is stored, beside the live one; nothing is written, sent or decided.

In: an opened gateway, all files of the draft, since when. Out: a ``Simulated``. Part by part, as a rescore reads them;
a large store is shared among as many processes as the machine has cores.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.checked import refuse_unsound
from gateway.committee import governing
from gateway.contracts import Scorer, Subject
from gateway.errors import GatewayError, Refused
from gateway.governance.parts import SCORING, is_score
from gateway.journey.owners import Owners
from gateway.model import score_called
from gateway.scoring.rating import known
from gateway.settings.instance import STRATEGY, Instance
from gateway.simulation.replay import Rules, Way, rules_of
from gateway.simulation.tally import ROLLUPS, Past, Tally
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
    live: Rules
    draft: Rules
    since: int
    until: int


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
        parts = rescoring.ranges(connection, PART)
    wanted = governing.fits(gateway.instance.root, gateway.host, files, gateway.instance)
    name = score_called(score, (gateway.model.score_name, *sorted({*gateway.model.others, *wanted.scores})))
    score = "" if name == gateway.model.score_name else name
    live = _rules("the live model", gateway.model.scorer_of(score), gateway.instance, score)
    draft = _rules("the draft", _scorer(gateway, wanted, score), wanted, score)
    _work = _Work(gateway, live, draft, to_micros(since), to_micros(until))
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
    left_out += [ROLLUPS] * bool(gateway.instance.rollups or wanted.rollups)
    capacity, people = wanted.journey.capacity, _people(wanted.journey.owners)
    return Simulated(since, until, (live.stage.name, draft.stage.name), changes, left_out, tally, capacity, people)


def _people(owners: Owners) -> int:
    return sum(not one.queue and one.weight > 0 for one in owners.listed)


def _worked(parts: Sequence[rescoring.Range], workers: int) -> Iterator[Tally]:
    if workers == 1:
        yield from map(_part, parts)
        return
    # Forked, so that scorers need not be sent: what a plugin builds may be anything.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_apart) as pool:
        yield from pool.map(_part, parts)


def _apart() -> None:
    """A process of its own has connections of its own."""
    assert _work is not None
    _work.gateway.store.main.dispose(close=False)


def _part(part: rescoring.Range) -> Tally:
    assert _work is not None
    gateway, since = _work.gateway, _work.since
    horizons = [rules.scorer.horizon for rules in (_work.live, _work.draft)]
    reach = None if None in horizons else max(one for one in horizons if one is not None)
    cutoff = None if reach is None else since - reach // timedelta(microseconds=1)
    with read(gateway.store.main) as connection:
        loaded = rescoring.load_part(connection, part, [gateway.model.score_name], "", cutoff)
        about = simulating.known_of(connection, part)
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
        live, draft = (_way(rules, attributes, subject, about.entered[id_]) for rules in (_work.live, _work.draft))
        tally.take(id_, live, draft, past, zone)
    return tally


def _way(rules: Rules, attributes: Mapping[str, Any], facts: Subject, entered: int) -> Way:
    assert _work is not None
    try:
        return rules.way(attributes, facts, entered, _work.since, _work.until)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a scorer may raise anything
        side = "the live model" if rules is _work.live else "the draft"
        raise GatewayError(f"{side}: its scorer raised {type(exc).__name__}") from None


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
