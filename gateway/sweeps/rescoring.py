"""A changed model scores every lead again, in bulk: the same scorer over parts of the leads, part by part.

In: the rescore that ``store.bundle`` queued. Out: new scores; then, from one moment on, people see them instead of
those of before; then the journey answers for whoever crossed a threshold, by the ordinary way of a batch, with the
cause ``model``. What is under way when a process dies is simply not done yet: another does it. News goes on meanwhile
and scores its leads by the new model; a part leaves those alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from gateway.checked import refuse_score
from gateway.contracts import Scorer, Subject
from gateway.errors import StaleCommit
from gateway.jobs import FIRST
from gateway.journey.crossing import edges
from gateway.mapping.grammar import of_score
from gateway.pipeline import Done, Pipeline
from gateway.scoring.rating import known
from gateway.store import jobs
from gateway.store import rescoring as store
from gateway.store.commit import first_wins
from gateway.store.database import read, write
from gateway.store.times import made_at, utc_now
from gateway.times import to_micros

PART = 4000
"""Leads scored and written together: news waits that long for the write lock, about 50 ms."""
CALL = 200
"""Leads scored in one guarded call: the supervisor's deadline is for that many."""
CROSSERS = 500
"""Leads that the journey answers for in one batch."""
CLEARED = 20_000
"""Scores of before that are removed at once, when nobody sees them any more."""

Row = dict[str, Any]
Scoring = tuple[str, Scorer, str]
"""(name of a score, its scorer, whose that is)"""
NONE = (None, None, None, None)
"""Total, fit, behaviour and band of a score that there was not."""


class Rescoring:
    """One worker's share of it; any number of workers may do theirs."""

    def __init__(self, pipeline: Pipeline, observe: Callable[[Done], None]) -> None:
        self.pipeline = pipeline
        self.observe = observe
        self.names = pipeline.model.score_names
        self.scoring = pipeline.model.hashes.get("scoring", "")
        objects = [one for system in pipeline.model.active for one in pipeline.model.objects.get(system, ())]
        self.told = any(of_score(rule.to) for one in objects for rule in one.outbound.values())
        """Whether a system is to hear of scores: each that moved is planned then."""
        self.edges = cache(partial(edges, pipeline.model.journey))

    def step(self) -> int:
        """The next piece of the work. Returns how many leads it was about; 0 = there is none, or none for us."""
        engine, part, crossers, stale = self.pipeline.engine, None, list[str](), False
        with read(engine) as connection:
            rescore = store.under_way(connection)
            if rescore is None:
                crossers = store.crossed(connection, self.names[0], CROSSERS)
                stale = not crossers and store.has_former(connection)
            elif rescore.leads is not None and not rescore.stop_by:
                part = store.next_part(connection, rescore.id)
        if rescore is None:
            return self._answer(crossers) if crossers else self._clear() if stale else 0
        scorers = [(name, scorer, plugin) for name, scorer, plugin in self.pipeline.model.given() if scorer is not None]
        if len(scorers) < len(self.names) or rescore.stop_by or rescore.scoring != self.scoring:
            return 0  # it rests; or whoever has the files that are active now, and their plugin, does it
        if rescore.leads is None:
            return self._divide(rescore)
        return self._part(rescore, part, scorers) if part is not None else self._finish(rescore)

    def _divide(self, rescore: Any) -> int:
        with read(self.pipeline.engine) as connection:
            found = store.ranges(connection, PART)
        with write(self.pipeline.engine) as connection:
            mine = store.divide(connection, rescore.id, found)
        if mine:
            leads = sum(part.leads for part in found)
            self.pipeline.log.info("scoring changed: all leads are scored again", leads=leads, scoring=self.scoring)
        return 1

    def _part(self, rescore: Any, part: store.Range, scorers: Sequence[Scoring]) -> int:
        pipeline, at = self.pipeline, self.pipeline.now()
        need = pipeline.need(at)
        with read(pipeline.engine) as connection:
            loaded = store.load_part(connection, part, self.names, self.scoring, need.cutoff)
        rows, crossers = list[Row](), set[str]()
        if not all(self._score(loaded, scoring, at, rows, crossers) for scoring in scorers):
            return 0
        try:
            with write(pipeline.engine, shared=True) as connection, first_wins():
                mine = store.finish_part(connection, rescore, part, self.names, rows, crossers)
        except StaleCommit:
            return part.leads
        if mine:
            told = [
                {"lead": row["lead"], "score": row["name"], "total": row["total"], "band": row["band"]} for row in rows
            ]
            self.observe(Done(0, len(loaded.leads), scored=told))
        return part.leads

    def _score(self, part: store.Part, scoring: Scoring, at: datetime, rows: list[Row], crossers: set[str]) -> bool:
        """Adds the new rows of one score, and which leads the journey has to answer for: those that the scorer fails on
        are among them, since a batch knows what to do about each. False: the scorer is not to be called now."""
        pipeline, plugin = self.pipeline, scoring[2]
        leads = iter(part.leads)
        while some := list(islice(leads, CALL)):
            about = f"{len(some)} leads from {some[0][0]}"
            if pipeline.stopped(plugin, "score", ""):
                return False
            if pipeline.stopped(plugin, "score", about):
                crossers |= {lead[0] for lead in some}
                continue
            with pipeline.guard(plugin, f"score {about}"):
                self._score_some(some, part, scoring, at, rows, crossers)
        return True

    def _score_some(
        self, leads: Sequence[Any], part: store.Part, by: Scoring, at: datetime, rows: list[Row], crossers: set[str]
    ) -> None:
        persona_of, scoring, now = self.pipeline.model.journey.persona, self.scoring, to_micros(at)
        name, scorer, _ = by
        others = part.before.get(name)  # None: the main score, which stands with the lead
        for id_, attributes, stored_persona, company, *before in leads:
            persona = persona_of(attributes)
            theirs = part.companies.get(company)
            given = Subject(
                known(attributes, theirs) if theirs else attributes,
                part.activities.get(id_, ()),
                part.marks.get(id_, ()),
                persona,
            )
            try:
                score = scorer.score(given, at)
                refuse_score(score, at)
            except (Exception, SystemExit):  # noqa: BLE001 - a scorer may raise anything; the batch finds out and tells
                crossers.add(id_)
                continue
            changes_at = score.changes_at
            rows.append(
                {
                    "lead": id_,
                    "name": name,
                    "total": score.total,
                    "fit": score.fit,
                    "behaviour": score.behaviour,
                    "band": score.band,
                    "at": now,
                    "changes_at": None if changes_at is None else to_micros(changes_at),
                    "scoring": scoring,
                }
            )
            before = before if others is None else others.get(id_, NONE)
            after = [score.total, score.fit, score.behaviour, score.band]
            if persona != stored_persona or (
                after != before and (self.told or self._crosses(persona, name, before[0], score.total))
            ):
                crossers.add(id_)

    def _crosses(self, persona: str, name: str, before: int | None, after: int) -> bool:
        found = self.edges(persona, name if name in self.pipeline.model.others else "")
        return bisect_right(found, after) != bisect_right(found, -1 if before is None else before)

    def _finish(self, rescore: Any) -> int:
        """Every part is done. Whom a batch that had begun before the change scored since, by the old model, is scored
        once more; then people see the new scores."""
        with read(self.pipeline.engine) as connection:
            late = store.late(connection, self.names, rescore)
        for start in range(0, len(late), CROSSERS):
            self.observe(self.pipeline.run((), late[start : start + CROSSERS], cause="model"))
        with write(self.pipeline.engine) as connection:
            mine = store.finish(connection, rescore.id)
            if mine:
                _remember(connection, rescore)
        if mine:
            self.pipeline.log.info("all leads are scored by the new model", leads=rescore.leads, scoring=self.scoring)
        return 1

    def _answer(self, leads: Sequence[str]) -> int:
        self.observe(self.pipeline.run((), leads, cause="model"))
        with write(self.pipeline.engine) as connection:
            store.answered(connection, leads)
        return len(leads)

    def _clear(self) -> int:
        with write(self.pipeline.engine) as connection:
            return store.clear_former(connection, CLEARED)


def _remember(connection: Connection, rescore: Any) -> None:
    """Among the long work that ended, where it was long. Its times are real ones, the rescore's own the business's."""
    begun, now = made_at(rescore.id), to_micros(utc_now())
    if now - begun < FIRST * 1_000_000:
        return
    what = {"what": store.RESCORE, "subject": store.WHOM, "by": store.BY}
    jobs.begin(connection, {"id": rescore.id, **what}, begun)
    jobs.end(connection, rescore.id, now, "done", part="leads", done=rescore.leads, total=rescore.leads)
