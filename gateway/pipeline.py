"""The one main path: events → join → score → advance → plan. Pure over one batch; the store loads and commits it.

``Pipeline.run`` is the whole way of one batch: load, compute without locks, commit; a commit that finds a row changed
since it was loaded is thrown away and computed again from fresh rows.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine

from gateway import work
from gateway.contracts import ActivityHappened, Event, RecordChanged
from gateway.errors import StaleCommit
from gateway.inbound.readings import Reading, gather, name_refused, part, record, told
from gateway.journey import judgement
from gateway.journey.assigning import Order, Roster
from gateway.journey.capacity import Handing, beyond
from gateway.journey.cause import Cause
from gateway.journey.judgement import Judgement, judge
from gateway.journey.package import pack
from gateway.journey.progress import end, frozen, hold_back, open_handoff, progress
from gateway.journey.recycling import FAST_TRACK
from gateway.leads.batch import Batch, Timed
from gateway.leads.joining import join
from gateway.leads.lanes import in_lanes
from gateway.leads.lead import Lead
from gateway.leads.people import identity_keys
from gateway.leads.record import Ref
from gateway.leads.values import settle_values
from gateway.model import GATEWAY, Guard, Model, unguarded
from gateway.outbound.wanted import wanted_writes, write_row
from gateway.people.following import follow
from gateway.scorers import Scorers
from gateway.scoring.rating import subject
from gateway.store.commit import commit
from gateway.store.database import read, write
from gateway.store.due import openings_lately
from gateway.store.loading import Need, load
from gateway.store.roster import Users, load_roster
from gateway.store.times import new_id
from gateway.store.turns import in_turn
from gateway.sync.companions import alone
from gateway.sync.planning import BULK, CONFLICT, CONTESTED, Unsent, key_of
from gateway.times import to_micros

TRIES = 8
"""How often a batch is computed again because somebody else was faster, before its documents go back."""
ALONE = 5
"""After so many of them nobody else commits meanwhile: then it comes through."""
TURNS = 30
"""So many batches are worked lane by lane once two have met: who shares leads mostly does so for a while, and each
batch that comes second is computed twice."""
LANES = 2
"""So many workers then work at the same time. A batch is as many commits, each of which costs as much as 100 events."""
HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Done:
    """What a committed batch did, for observers and progress bars."""

    events: int
    leads: int
    forgot: bool = False
    """Whether documents named people who are forgotten, and their bodies are to be emptied."""
    moves: Sequence[Mapping[str, Any]] = ()
    closed: Sequence[Mapping[str, Any]] = ()
    scored: Sequence[Mapping[str, Any]] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    """lead → why it is not handed over though it crossed, or a person wanted it"""
    joined: Collection[tuple[str, str]] = ()
    """Documents whose news is sent with that of another, each with that one"""

    def __add__(self, other: Done) -> Done:
        return Done(
            self.events + other.events,
            self.leads + other.leads,
            self.forgot or other.forgot,
            [*self.moves, *other.moves],
            [*self.closed, *other.closed],
            [*self.scored, *other.scored],
            {**self.withheld, **other.withheld},
            {*self.joined, *other.joined},
        )


@contextmanager
def unswept() -> Iterator[None]:
    """Python looks for no cycles meanwhile: a batch is much to look at, and is freed as a whole."""
    if not gc.isenabled():  # another thread's batch, which sees to it
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Pipeline:
    def __init__(
        self,
        engine: Engine,
        model: Model,
        now: Callable[[], datetime],
        log: Any,
        guard: Guard = unguarded,
        stopped: Callable[[str, str, str], bool] = lambda plugin, part, item: False,
    ) -> None:
        """``stopped``: (plugin, part, item) → whether it is quarantined, or not to be called about the item."""
        self.engine = engine
        self.model = model
        self.now = now
        self.log = log
        self.guard = guard
        self.stopped = stopped
        self.scorers = Scorers(guard, stopped, log)
        objects = model.joining.objects.items()
        self._turns = 0
        self.users: Users = {place: rules.inbound for place, rules in objects if rules.kind == "user"}

    @property
    def lanes(self) -> int:
        """How many commits a batch is now: each wants as much as one that is worked by nobody but us."""
        return LANES if self._turns else 1

    def run(
        self,
        readings: Sequence[Reading],
        touched: Collection[str] = (),
        cause: str = "news",
        same: Sequence[tuple[str, str]] = (),
        by: str = "",
        refold: Collection[Ref] = (),
        orders: Mapping[str, Order] | None = None,
        judgements: Mapping[str, Judgement] | None = None,
    ) -> Done:
        """Work one batch: the events of some documents, or leads that are due without any news.

        :param same: pairs of touched leads that are one person. :param by: who said so; empty = a system.
        :param refold: records whose stored events are folded anew, by the mapping of now.
        :param orders: touched lead → whose its open handoff becomes. :param judgements: touched lead → what a person
            decides of it.
        Raises ``StaleCommit`` after ``TRIES`` collisions. Nothing is written then, but of documents what is of lanes
        that were worked already: who reads them again finds those events known.
        """

        def rehearse(some: Sequence[Reading]) -> Batch:
            return self.rehearse(some, touched, cause, same, by, None, refold, orders, judgements)

        if not self._turns:
            try:
                return self._tried(partial(rehearse, readings))
            except StaleCommit:
                self._met()
        self._turns = max(0, self._turns - 1)
        if not readings or touched or same or refold:  # leads of any lane
            with ExitStack() as turns:
                for lane in range(LANES):
                    turns.enter_context(in_turn(self.engine, "batch", [lane]))
                return self._until_committed(partial(rehearse, readings))
        done, waiting = Done(0, 0), in_lanes(told(readings), LANES) or {0: set()}
        while waiting:
            with in_turn(self.engine, "batch", waiting) as lane:
                mine, readings = part(readings, waiting.pop(lane))
                done += self._until_committed(partial(rehearse, mine))
        return done

    def _until_committed(self, rehearse: Callable[[], Batch]) -> Done:
        attempt = 0
        while True:
            try:
                return self._tried(rehearse, alone=attempt >= ALONE)
            except StaleCommit:
                attempt += 1
                if attempt == TRIES:
                    raise
                self._met(attempt)

    def _met(self, attempt: int = 1) -> None:
        self._turns = TURNS
        time.sleep(random.uniform(0, 0.005 * 2**attempt))  # so that two workers do not meet again and again

    @unswept()
    def _tried(self, rehearse: Callable[[], Batch], alone: bool = False) -> Done:
        if alone:
            with write(self.engine) as connection:
                batch = rehearse()
                commit(connection, batch)
        else:
            batch = rehearse()
            # Beside an erasure nobody commits: what another batch says again of them would be tied to nobody.
            with write(self.engine, shared=not batch.erased) as connection:
                commit(connection, batch)
        return done_of(batch)

    def rehearse(
        self,
        readings: Sequence[Reading],
        touched: Collection[str] = (),
        cause: str = "news",
        same: Sequence[tuple[str, str]] = (),
        by: str = "",
        within: Connection | None = None,
        refold: Collection[Ref] = (),
        orders: Mapping[str, Order] | None = None,
        judgements: Mapping[str, Judgement] | None = None,
    ) -> Batch:
        """Everything that ``run`` does before it commits: what would be written is on the batch, nothing is.

        :param within: an open transaction whose view counts, instead of one of its own; of every lead all is read then,
            its links and what it did.
        """
        events, known_at, quiet = gather(readings)
        keys, named = identity_keys(events, self.model.joining)
        ids = [reading.document.id for reading in readings if not reading.more]
        telling = {(event.system, event.object, event.record) for _, event in events if self._tells(event)}
        counted, regroups = set[str](), bool(same) or within is not None
        whose = bool(orders) or (cause == "time" and bool(self.model.journey.owners.listed))
        while True:
            at = self.now()
            with read(self.engine) if within is None else nullcontext(within) as connection:
                need = replace(self.need(at), telling=telling, counted=counted, meeting=regroups, again=refold)
                batch = load(connection, events, keys, touched, to_micros(at), need, ids)
                if whose:
                    theirs = [lead.handoff["id"] for lead in batch.leads.values() if lead.handoff is not None]
                    batch.roster = self.roster(connection, at, theirs)
                if self.model.journey.capacity:
                    batch.lately = openings_lately(connection, to_micros(at))
            batch.named, batch.orders, batch.judgements = named, orders or {}, judgements or {}
            with self.guard(GATEWAY, "work a batch"):  # no statement is sent meanwhile
                self.compute(batch, readings, events, known_at, quiet, touched, cause, at, same, by, refold)
            if not batch.uncounted and not batch.whose:
                if cause == "time":
                    _put_together(batch)
                return batch
            counted |= batch.uncounted
            whose = whose or batch.whose

    def again(self, people: Sequence[Sequence[str]]) -> Done:
        """Plan leads again after what a system answered; those that are named together are one person."""
        leads = {lead for one in people for lead in one}
        return self.run((), leads, same=[(one[0], one[1]) for one in people if len(one) == 2])

    def compute(
        self,
        batch: Batch,
        readings: Sequence[Reading],
        events: Sequence[Timed],
        known_at: Mapping[str, int],
        quiet: set[str],
        touched: Collection[str],
        cause: str,
        at: datetime,
        same: Sequence[tuple[str, str]],
        by: str = "",
        refold: Collection[Ref] = (),
    ) -> None:
        """Everything between load and commit."""
        model = self.model
        batch.scoring = model.hashes.get("scoring", "")
        fresh = record(batch, readings, events, model.hashes)
        batch.touched |= set(touched) & batch.leads.keys()
        if not readings:
            batch.live |= batch.touched
        join(batch, fresh, known_at, quiet, model.joining, same, by, refold)
        name_refused(batch)
        leads = [batch.leads[id_] for id_ in sorted(batch.touched)]
        living = [lead for lead in leads if lead.merged_into is None and lead.erased_at is None]
        for lead in living:
            self.settle(batch, lead, cause, at)
        if batch.uncounted:
            return
        self.hand_over(batch, at)
        for lead in living:
            self.finish(batch, lead, at)
        if model.rollups:
            batch.stirred = stirred(batch, news=bool(readings or same or refold))
        work.unmapped(batch)

    def settle(self, batch: Batch, lead: Lead, cause: str, at: datetime) -> None:
        """How it ended with sales, its score, and where it stands now."""
        model, judged = self.model, batch.judgements.get(lead.id, judgement.NONE)
        history = lead.id not in batch.live
        before = (lead.persona, _totals(lead))
        lead.persona = model.journey.persona(lead.attributes)
        open_deal = any(deal.status == "open" for deal in batch.deals_of.get(lead.id, ()))
        judge(lead, model.journey, judged, batch.now)
        ending = end(lead, model.journey, open_deal, at)
        other = lead.unsure or lead.persona != before[0]  # a persona may have points of its own
        if not lead.counted and (other or lead.added_marks or lead.dropped_marks):
            batch.uncounted.add(lead.id)
            return
        if not lead.tallied and (lead.outcomes or ending.ended.bucket):  # what it did since counts
            batch.uncounted.add(lead.id)
            return
        other_model = lead.score is not None and lead.score.scoring != batch.scoring
        if other_model:
            batch.remodelled.add(lead.id)
            cause = "model" if cause == "time" else cause
        lead.beside = batch.company_of(lead)
        self.scorers.rate(batch, lead, self.model, at)
        why = Cause("import" if history else cause, at, batch.scoring, model.journey.hash)
        after = (lead.persona, _totals(lead))
        lead.moved = lead.moved or cause == "model" or before != after  # its score may stand there since a bulk rescore
        attributes = lead.attributes
        answer = progress(lead, model.journey, open_deal, ending, why, history, model.active, new_id, judged.asked)
        work.reasons(batch, lead, model.journey)
        if answer is None:
            return
        if answer.note is not None:
            work.deal_note(batch, lead, answer.note.system, answer.note.stage)
        if answer.withheld is not None:
            batch.withheld[lead.id] = answer.withheld.reason
        if answer.opening is not None:
            if not lead.counted:  # a handoff says what for
                batch.uncounted.add(lead.id)
                return
            batch.openings[lead.id] = (answer.opening, why, attributes)

    def hand_over(self, batch: Batch, at: datetime) -> None:
        """Open the handoffs that are due; more than sales can take are held back."""
        handing = [
            Handing(id_, opening.score, urgent=opening.cause == FAST_TRACK or opening.by != "")
            for id_, (opening, _, _) in batch.openings.items()
        ]
        late = beyond(self.model.journey.capacity, batch.lately, handing)
        for id_, (opening, why, _) in batch.openings.items():
            take = hold_back if id_ in late else open_handoff
            take(batch.leads[id_], opening, why, new_id)

    def finish(self, batch: Batch, lead: Lead, at: datetime) -> None:
        """Whose its handoff is, what sales are told of it, and what the systems have to be told."""
        _, _, attributes = batch.openings.get(lead.id, (None, None, lead.attributes))
        if not follow(batch, lead, self.model, attributes, at, self.log):
            return
        if lead.opened is not None:  # what was decided on, not what the steps of the same crossing set
            lead.attributes, after = attributes, lead.attributes
            freeze(batch, lead, self.model, at)
            lead.attributes = after
        if lead.changed_values:
            for ref, own in lead.records.items():
                batch.records.setdefault(ref, own)
            settle_values(batch, lead, self.model.joining)
            self.scorers.rate(batch, lead, self.model, at)
        if (again := batch.unscored.get(lead.id)) is not None:  # no score says when it is due
            lead.wakes_at, lead.changed = min(lead.wakes_at or again, again), True
        self._plan(batch, lead, lead.id not in batch.live)

    def _plan(self, batch: Batch, lead: Lead, history: bool) -> None:
        """What its systems must be told; where nothing is left to say to a record, what waits for it is withdrawn.

        History makes no records, unless the lead took over another that was to have one.
        """
        makes = not history or any(winner == lead.id for _, winner, _ in batch.merges)

        def unsent(one: Unsent) -> None:
            if one.reason == CONTESTED:
                work.contest(batch, lead, one)
            elif one.reason != CONFLICT:
                batch.note(one.system, "not sent", f"{one.object} {one.field}: {one.reason}")

        work.conflicts(batch, lead)
        if lead.handoff is not None and makes:
            work.homeless(batch, lead, lead.handoff)
        writes = [w for w in wanted_writes(lead, self.model, batch.now, unsent=unsent) if makes or not w.create]
        if writes:
            documents = set[str]().union(*(batch.told_by[ref] for ref in lead.records if ref in batch.told_by))
            document = max(documents, default="")
            batch.writes += [write_row(wanted, batch.now, document) for wanted in writes]
            batch.joined |= {(one, document) for one in documents - {document}}
        for system in self.model.active:
            for object_ in self.model.objects.get(system, ()):
                if any(ref[:2] == (system, object_.name) for ref in lead.records):
                    batch.moot[system, key_of(lead, object_)] = lead.id
        if self.model.carries and makes and not alone(lead, self.model.journey.lists):
            batch.beside.add(lead.id)

    def need(self, at: datetime) -> Need:
        """Which activities a score at ``at`` needs."""
        scorers = [scorer for _, scorer, _ in self.model.given() if scorer is not None]
        reaches = [scorer.horizon for scorer in scorers]
        horizon = max((one for one in reaches if one is not None), default=timedelta(0))
        cutoff = None if None in reaches else to_micros(at - horizon)
        lasts = bool(scorers) and all(scorer.lasting for scorer in scorers)
        lasting = self.model.hashes.get("scoring", "") if lasts else ""
        kinds = frozenset[str]().union(*(stage.activities | stage.fast for stage in self.model.journey.stages))
        rolled = bool(self.model.rollups)
        return Need(scores=self.model.score_names, cutoff=cutoff, lasting=lasting, kinds=kinds, rolled=rolled)

    def roster(self, connection: Connection, at: datetime, handoffs: Collection[str] = ()) -> Roster:
        """Who there is at ``at``; with ``handoffs``, also who had these."""
        owners, calendar = self.model.journey.owners, self.model.journey.follow_up.calendar
        return load_roster(connection, owners, calendar, self.users, to_micros(at), handoffs)

    def _tells(self, event: Event) -> bool:
        """Whether ``event`` may say what its person did."""
        if isinstance(event, RecordChanged):
            rules = self.model.joining.rules((event.system, event.object, event.record))
            return rules is not None and bool(rules.activities) and rules.listens(event)
        return isinstance(event, ActivityHappened)


def _totals(lead: Lead) -> tuple[int | None, Mapping[str, int]]:
    """The main score's, then those beside it."""
    return lead.score.total if lead.score else None, {name: one.total for name, one in lead.scores.items()}


def _put_together(batch: Batch) -> None:
    """What time alone has changed goes out at the full hour: one call then carries what came due one by one. How a
    handoff ended goes at once."""
    ended = {lead.id for lead in batch.leads.values() if lead.endings}
    for row in batch.writes:
        if row["priority"] == BULK and not row["create"] and row["lead"] not in ended:
            row["due_at"] = -(-batch.now // HOUR) * HOUR


def stirred(batch: Batch, news: bool) -> set[str]:
    """Companies to whose leads something happened: not that they were scored again, or moved on by themselves."""
    found = set()
    for lead in batch.leads.values():
        before = batch.homes.get(lead.id)
        if lead.company != before or lead.added_marks or lead.dropped_marks or lead.changed_values:
            found |= {before, lead.company}
        elif news and lead.changed:
            found.add(lead.company)
    return {company for company in found if company is not None}


def freeze(batch: Batch, lead: Lead, model: Model, at: datetime) -> None:
    """Keep why a lead was handed over, and what sales are told of it, with the handoff that was just opened."""
    if lead.opened is None:
        return
    known = subject(lead, lead.beside)
    scorer, rated = model.scorer_of(lead.opened["score_name"]), lead.score
    if lead.opened["score_name"]:
        rated = lead.scores.get(lead.opened["score_name"])
    if scorer is not None:
        with suppress(Exception):  # a scorer that fails is known by now, and a person may hand over unscored
            explained = scorer.score(subject(lead, lead.beside), at, explain=True)
            lead.opened["contributions"] = frozen(explained.contributions)
    calendar = model.journey.follow_up.calendar
    if batch.roster is not None:  # by the clock of who has to answer
        calendar = batch.roster.calendar_of(lead.opened["system"], lead.opened["owner"])
    zone = calendar.zone if calendar is not None else model.zone
    band = rated.band if rated else ""
    stage = model.journey.stage(lead.opened["stage"])
    lead.opened["package"] = pack(
        *(model.journey.package, lead.opened, band, known.attributes, known.activities, zone),
        stage.fast if stage is not None else (),
    )


def done_of(batch: Batch) -> Done:
    leads = [lead for lead in batch.leads.values() if lead.merged_into is None]
    return Done(
        len(batch.events),
        len(batch.touched),
        bool(batch.erased or batch.unwanted),
        [move for lead in leads for move in lead.moves],
        [handoff for lead in leads for handoff in lead.closed],
        [
            {"lead": lead, "total": score.total, "band": score.band, "score": name}
            for (lead, name), score in batch.scored.items()
        ],
        batch.withheld,
        batch.joined,
    )
