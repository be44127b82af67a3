"""Plan, push and activate: the whole subtraction of wanted minus known, over every lead, printed or sent.

The pipeline plans whatever a batch touches; this walks all leads in order of their id, in chunks, so that a changed
mapping or a newly activated system is caught up with. Memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from gateway.contracts import COMPANIONS, Write
from gateway.errors import NotFound, Refused
from gateway.journey.advance import Asked, Withheld, existing
from gateway.journey.judgement import Judgement
from gateway.journey.progress import facts_of, standing_of
from gateway.leads.batch import Batch
from gateway.leads.lead import Lead
from gateway.leads.stamps import attributes
from gateway.outbound.wanted import wanted_writes, write_row
from gateway.pipeline import Pipeline
from gateway.store import outbox, pushes, silence
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.breakers import by_plugin
from gateway.store.commit import commit, commit_writes
from gateway.store.database import read, write
from gateway.store.loading import load
from gateway.sync.planning import CONTESTED, Unsent, Wanted
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

CHUNK = 500
EXISTING = ("ignore", "handover")


@dataclass(frozen=True, slots=True)
class Planned:
    """One write to be made, and what the system is known to hold in its fields now."""

    wanted: Wanted
    known: Mapping[str, Any]

    @property
    def write(self) -> Write:
        """As the sink will be given it."""
        wanted = self.wanted
        return Write(
            key=wanted.key,
            object=wanted.object,
            record=wanted.record,
            fields=wanted.fields,
            refs=wanted.refs,
            create=wanted.create,
            priority=wanted.priority,
        )


@dataclass(frozen=True, slots=True)
class PushReport:
    """``push``: its name, for an undo; ``planned`` new writes by it; ``worked`` receipts; what is left per state."""

    push: str

    planned: int
    worked: int
    states: Mapping[str, int]


@dataclass(slots=True)
class Activation:
    """What switching a system on would do: leads over a threshold that hands over to it, by what becomes of them."""

    over: int = 0
    owned: int = 0
    excluded: int = 0
    would_hand_over: int = 0
    held_back: int = 0
    """Of these: more than sales can take."""


def planned(
    gateway: Gateway,
    systems: Collection[str],
    lead: str | None = None,
    unsent: Callable[[Unsent], None] | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> Iterator[Planned]:
    """Wanted minus known for these systems, whether they are active or not; nothing is written.

    :param unsent: is told of each value that a system cannot be sent. :param enough: asked before each chunk of leads.
    """
    for batch in walk(gateway, [lead] if lead else None):
        if enough():
            return
        for one in batch.leads.values():
            for wanted in wanted_writes(one, gateway.model, batch.now, systems, unsent):
                if wanted.object in COMPANIONS:
                    record = one.records.get((wanted.system, wanted.object, wanted.key))
                else:
                    record = one.known_record(wanted.system, wanted.object)
                known = {name: record.snapshot[name][0] for name in wanted.fields if record and name in record.snapshot}
                yield Planned(wanted, known)


def enqueue(gateway: Gateway, systems: Collection[str], progress: Callable[[int], None] = lambda done: None) -> int:
    """Put what is planned into the outbox, unless the same write waits there already. Returns how many are new.

    :param progress: called between batches; it may raise, to stop.
    """
    count = 0
    contested, moved = set[str](), set[str]()

    def unsent(lead: str, what: Unsent) -> None:
        if what.reason == CONTESTED:
            contested.add(lead)

    for batch in walk(gateway, None):
        progress(0)
        rows = [
            write_row(wanted, batch.now)
            for one in batch.leads.values()
            for wanted in wanted_writes(one, gateway.model, batch.now, systems, partial(unsent, one.id))
        ]
        if rows:
            with write(gateway.store.main) as connection:
                leads = {row["lead"] for row in rows}
                stay = among(t.leads.c.id, leads), t.leads.c.merged_into.is_(None), t.leads.c.erased_at.is_(None)
                versions = dict(connection.execute(select(t.leads.c.id, t.leads.c.version).where(*stay)).all())
                moved |= {id_ for id_, version in versions.items() if version != batch.leads[id_].version}
                waiting = outbox.waiting(connection, leads)
                fresh = [
                    row
                    for row in rows
                    if row["lead"] in versions.keys() - moved
                    and waiting.get((row["system"], row["key"])) != row["fields"]
                ]
                commit_writes(connection, fresh, batch.now)
            count += len(fresh)
    if again := contested | moved:  # a person is asked; or news, a merge or an erasure was faster than we are
        gateway.observe(gateway.pipeline.run((), again))
    return count


def push(gateway: Gateway, system: str, worker: str, progress: Callable[[int], None] = lambda done: None) -> PushReport:
    """Plan everything for one active system and deliver until nothing is due. Raises ``Refused`` when it is off.

    :param progress: told how many more writes are answered; it may raise, to stop.
    """
    if system not in gateway.instance.systems:
        raise NotFound(f"no system {system!r} in gateway.yaml")
    if system not in gateway.model.active:
        raise Refused(
            f"{system}: outbound is off; look at `gateway plan {system}`, then run `gateway activate {system}`"
        )
    if system not in gateway.outbound_systems():
        raise Refused(f"{system}: {gateway.problems.get(system, 'its plugin has no sink')}")
    plugin = gateway.plugin_of(system)
    if gateway.breakers.stopped(plugin, "deliver"):
        why = by_plugin(gateway.breakers.open())[plugin].reason
        raise Refused(f"{system}: plugin {plugin} is quarantined: {why}; `gateway plugins enable {plugin}` tries now")
    new = enqueue(gateway, [system], progress)
    with write(gateway.store.main, lock=None) as connection:
        silence.ask_now(connection, system, to_micros(gateway.now()))  # whoever says push does not want to wait
    with read(gateway.store.main) as connection:
        worked, name = 0, pushes.new_name(connection, outbox.push_name(system, to_micros(gateway.now()), seconds=True))
    while done := gateway.deliver_once(system, worker, name):
        worked += done
        progress(done)
    with read(gateway.store.main) as connection:
        return PushReport(name, new, worked, outbox.counts(connection).get(system, {}))


def activation(gateway: Gateway, system: str) -> Activation:
    """What `activate` would find; nothing is changed."""
    report = Activation()
    for batch in walk(gateway, None):
        for one in batch.leads.values():
            _judge(gateway, batch, one, system, report)
    return report


def activate(gateway: Gateway, system: str, existing_leads: str) -> Activation:
    """Settle what becomes of the leads that stand over a threshold already: ignored, or handed over now.

    The switch itself, ``outbound: on`` in gateway.yaml, is the caller's. Restartable: a lead handed over or ignored
    by an earlier run is left as it is.
    """
    if existing_leads not in EXISTING:
        raise Refused(f"--existing takes {' or '.join(EXISTING)}")
    report = Activation()
    handing: list[tuple[int, str, str]] = []
    for batch in walk(gateway, None):
        for one in batch.leads.values():
            opening = _judge(gateway, batch, one, system, report)
            if opening is None:
                continue
            if existing_leads == "ignore":
                one.ignored = one.changed = True
            else:
                handing.append((-opening.score, one.id, opening.stage))
        if existing_leads == "ignore":
            with write(gateway.store.main) as connection:
                commit(connection, batch)
    model = replace(gateway.model, active=gateway.model.active | {system})
    pipeline = Pipeline(gateway.store.main, model, gateway.now, gateway.log, gateway.guard)
    handing.sort()  # the best first: more than sales can take are held back
    for start in range(0, len(handing), CHUNK):
        judged = {
            lead: Judgement(asked=Asked("", "", "activation", stage))
            for _, lead, stage in handing[start : start + CHUNK]
        }
        gateway.observe(pipeline.run((), judged.keys(), "person", judgements=judged))
        with read(gateway.store.main) as connection:
            h = t.handoffs.c
            waiting = select(func.count()).where(among(h.lead, judged.keys()), h.state == "held")
            report.held_back += connection.scalar(waiting) or 0
    return report


def _judge(gateway: Gateway, batch: Batch, lead: Lead, system: str, report: Activation) -> Any:
    open_deal = any(lead.id in deal.leads and deal.status == "open" for deal in batch.deals.values())
    found = existing(gateway.model.journey, standing_of(lead), facts_of(lead, open_deal), gateway.now(), system)
    if found is None:
        return None
    report.over += 1
    if isinstance(found, Withheld):
        if open_deal or found.reason in ("already open", "with sales", "handed over before"):
            report.owned += 1
        else:
            report.excluded += 1
        return None
    report.would_hand_over += 1
    return found


def walk(gateway: Gateway, only: Collection[str] | None) -> Iterator[Batch]:
    """Every living lead, loaded as a batch would load it, in chunks ordered by id."""
    after = ""
    while True:
        with read(gateway.store.main) as connection:
            if only is not None:
                ids = list(only)
            else:
                c = t.leads.c
                chunk = select(c.id).where(c.merged_into.is_(None), c.erased_at.is_(None), c.id > after)
                ids = list(connection.scalars(chunk.order_by(c.id).limit(CHUNK)))
            if not ids:
                return
            at = gateway.now()
            batch = load(connection, [], {}, ids, to_micros(at), gateway.pipeline.need(at))
        joining = gateway.model.joining
        for lead in batch.leads.values():
            known = [record for record in lead.records.values() if record.known]
            lead.origin = attributes(known, joining.inbound, joining.rank, lead.undecided)[1]
            lead.beside = batch.company_of(lead)
        yield batch
        if only is not None:
            return
        after = ids[-1]
