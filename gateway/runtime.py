"""An opened instance: its checked files, its plugins' sources and sinks, its store. Every process and command has one.

``opening`` makes it; what the pieces do that meet here is told in ``pipeline`` and ``delivery``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog

from gateway.checked import Garbage, flaw, refuse_unsound
from gateway.committee import drifting, governing, proposing
from gateway.contracts import Connection, Context, Document, Event, Lookup, Quarantined, Scorer, Sink, Skipped, Source
from gateway.errors import GatewayError, NotFound, Problem, QuarantineDocument, StaleCommit
from gateway.host import Host
from gateway.inbound.bodies import Bodies
from gateway.inbound.pulling import Pulling
from gateway.inbound.readings import Reading
from gateway.model import Guard, Named, model_of, unguarded
from gateway.notices.sweep import Notices
from gateway.outbound import guarding
from gateway.outbound.budget import SystemBudget
from gateway.outbound.delivery import Delivery
from gateway.outbound.guarding import Guarding, mapped
from gateway.outbound.keeping import Keeping
from gateway.pipeline import Done, Pipeline
from gateway.plugins.breakers import Breakers
from gateway.plugins.retrying import Retrying
from gateway.plugins.trace import trace
from gateway.plugins.watch import Watch, told
from gateway.settings import secrets
from gateway.settings.files import ConfigFile
from gateway.settings.instance import STRATEGY, Instance, System
from gateway.store import breakers, bundle, due
from gateway.store.database import open_store, read, store_trouble, write
from gateway.store.inbox import Inbox
from gateway.store.times import utc_now
from gateway.sweeps import clocks, rollups
from gateway.sweeps.rescoring import Rescoring
from gateway.times import to_micros
from gateway.web.offer import SourceOffer

BATCH_EVENTS = 6000
"""Events of one batch, roughly: documents are claimed whole."""
BATCH_DOCUMENTS = 200
BATCH_BYTES = 2 * 1024 * 1024
"""Of bodies: a commit writes each page once, so a long backlog costs the less the more is worked at a time."""
TICK = 10.0
"""Seconds between two looks for handoffs whose follow-up is over."""
DRIFTS = 3600.0
"""Seconds of the real clock between two looks whether the model still meets its leads, which is once a business day."""
SWEEP_LEADS = 500
"""Leads scored again in one batch of a sweep."""


class Gateway:
    """One instance at work. ``guard`` is entered around every plugin call; a worker's slot goes there."""

    def __init__(
        self, instance: Instance, host: Host, now: Callable[[], datetime] = utc_now, guard: Guard | None = None
    ) -> None:
        self.instance = instance
        self.host = host
        self.now = now
        self.log: Any = structlog.get_logger("gateway")
        self.store = open_store(instance.store)
        self.breakers = Breakers(self.store.main, self.log)
        self.guard: Guard = Watch(guard or unguarded, self.breakers)
        host.guard, host.stopped = self.guard, self.breakers.stopped
        self.inbox = Inbox(self.store.inbox)
        self.bodies = Bodies(self.store, self.inbox, instance.keep_bodies, now)
        self.keeping = Keeping(self.store.main, instance.keep_writes, now)
        self.problems: dict[str, str] = {}
        """system → why its source or sink could not be built"""
        self.sources: dict[str, Source] = {}
        self.sinks: dict[str, Sink] = {}
        self.budgets: dict[str, SystemBudget] = {}
        self.looks: dict[str, datetime] = {}
        """system → when to ask again whether its catalogue is to be looked at"""
        for system in instance.systems.values():
            self._build(system)
        self.unscored = instance.unscored
        """Why leads are not scored though scoring.yaml says how."""
        self._noted = False
        scorers = {name: self._scorer(file) for name, file in instance.scores.items()}
        main = self._scorer(instance.scoring) if instance.scoring is not None else (None, "")
        self.model = model_of(instance, host, self.sinks, *main, {name: Named(*one) for name, one in scorers.items()})
        self._ticked = self._drifted = float("-inf")
        self.notices = Notices(self)
        self.probes = False
        """Whether this process is the one that tries a plugin again which was kept out."""
        self._retrying = Retrying(instance.root)
        self._secrets = self._written()
        self.bundle = ""
        """Id of the files this gateway was opened with; empty before they are active."""
        self.broken: Sequence[Problem | str] = ()
        """What is wrong with the files on disk, where those in use were taken from the store instead."""
        self.held = governing.NOTHING
        """What the files on disk change of the model, and nobody has approved."""
        self.pipeline = Pipeline(self.store.main, self.model, now, self.log, self.guard, self.breakers.stopped)
        self.rescoring = Rescoring(self.pipeline, self.observe)
        self.pullings = {
            name: Pulling(self.store.main, self.inbox, name, self.plugin_of(name), source, now, self.guard, self.log)
            for name, source in self.sources.items()
        }
        self._deliveries = {
            name: Delivery(
                *(self.store.main, name, sink, self.plugin_of(name), now, self.guard, self.log),
                self._guarding(name, sink),
                self.breakers.stopped,
            )
            for name, sink in self.sinks.items()
        }

    def _guarding(self, system: str, sink: Sink) -> Guarding | None:
        if type(sink).held is Sink.held:
            return None
        fields = mapped(self.model.objects.get(system, ()))
        plugin = self.instance.systems[system].plugin
        return Guarding(system, sink, plugin, fields, self.inbox, self.now, self.guard, self.log)

    def close(self) -> None:
        self.store.close()

    def plugin_of(self, system: str) -> str:
        """The plugin behind a system, which offers its source and sink under the name that gateway.yaml says."""
        one = self.instance.systems.get(system)
        name = one.plugin if one is not None else ""
        offer = self.host.sources.get(name) or self.host.sinks.get(name)
        return offer.plugin if offer is not None else name

    def outdated(self) -> bool:
        """Other files have become active since, a secret's file was written anew, or a plugin that was kept out may be
        loaded: a long-lived worker makes room for one that works with them."""
        with read(self.store.main) as connection:
            active = bundle.active(connection)
        if active is not None and active.id != self.bundle:
            return True
        return any(self._secrets.get(name) != at for name, at in self._written().items()) or self._may_load()

    def _written(self) -> Mapping[str, tuple[int, int]]:
        return secrets.written(self.instance.root, self.instance.files.get("gateway.yaml", ""))

    def _may_load(self) -> bool:
        out = {plugin.name for plugin in self.host.plugins if plugin.state == "quarantined"}
        if not out:
            return False
        rows = {row.plugin: row for row in self.breakers.open() if row.part == breakers.LOAD}
        if not out <= rows.keys():
            return True
        if not self.probes:
            return False
        over = {name for name in out if rows[name].retry_at <= to_micros(utc_now())}
        built = {name for name in over if breakers.when_built(rows[name].reason)}
        self._retrying.begin(over - built)
        return bool(built)

    def loaded(self) -> None:
        """This process is up: what was kept out since it ended others while they loaded it has not ended this one."""
        here = {plugin.name for plugin in self.host.active()}
        for row in self.breakers.open():
            if (row.part == breakers.LOAD and row.plugin in here) or (
                row.part == breakers.UNSCORED and not self.unscored
            ):
                self.breakers.worked(row.plugin, row.part, "import", decides=True)
        self._settle()

    # -- in -----------------------------------------------------------------------------------------------------------

    @property
    def absent(self) -> list[str]:
        """Systems whose source is not to be had just now, or could not be built: what they sent waits."""
        return [
            name
            for name, system in self.instance.systems.items()
            if system.absent or (system.plugin in self.host.sources and name not in self.sources)
        ]

    def intake_sources(self) -> dict[str, SourceOffer | None]:
        """The systems that take webhooks, with how their calls prove themselves; None: nobody can say just now."""
        able: dict[str, SourceOffer | None] = {
            name: SourceOffer(source.verification, source.answer)
            for name, source in self.sources.items()
            if source.verification is not None
        }
        return able | dict.fromkeys(self.absent)

    def read(self, document: Document) -> Reading:
        """Ask the document's source what it says. Whatever goes wrong is the reading's ``failure``."""
        reading = Reading(document)
        if guarding.is_ours(document):
            try:
                reading.events += guarding.read(document)
            except QuarantineDocument as exc:
                reading.failure = exc.reason
            return reading
        source = self.sources.get(document.system)
        if source is None:
            reading.failure = self.problems.get(document.system, f"no source for system {document.system!r}")
            return reading
        plugin = self.plugin_of(document.system)
        try:
            with self.guard(plugin, f"read {document.id}"):
                for item in source.read(document):
                    if wrong := flaw(item, document.system):
                        raise Garbage(f"gave {wrong}")
                    if isinstance(item, Event):
                        reading.events.append(item)
                    elif isinstance(item, Skipped):
                        reading.skipped.append(item)
                    elif isinstance(item, Quarantined):
                        reading.quarantined.append(item)
                    elif isinstance(item, Lookup):
                        reading.lookups.append(item)
        except QuarantineDocument as exc:
            reading.failure = exc.reason
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a source may even leave; the document is kept
            reading.failure = f"plugin {plugin}: read {told(exc)}"
            self.log.error("read failed", document=document.id, plugin=plugin, error=type(exc).__name__)
        return reading

    def run_pipeline_once(self, worker: str) -> int:
        """Read and work the oldest waiting documents. Returns how many there were."""
        self._settle()
        lanes = self.pipeline.lanes
        documents = self.inbox.claim(worker, BATCH_DOCUMENTS * lanes, BATCH_BYTES * lanes, self._unread(), lanes)
        if not documents:
            return 0
        readings = [reading for document in documents if (reading := self._read(worker, document)) is not None]
        for reading in readings:
            if reading.failure:
                self.inbox.quarantine(reading.document.id, reading.failure)
                self.log.warning("quarantined", document=reading.document.id, system=reading.document.system)
        for batch in _batches([reading for reading in readings if not reading.failure], BATCH_EVENTS * lanes):
            self._work(worker, batch)
        self._note_unscored()
        self._settle()
        return len(documents)

    def _note_unscored(self) -> None:
        """There is no scorer, and leads were worked: they are to be scored when there is one again."""
        if self.unscored and not self._noted:
            with write(self.store.main) as connection:
                breakers.trip(connection, "scorer", breakers.UNSCORED, self.unscored, to_micros(utc_now()))
            self._noted = True

    def _unread(self) -> list[str]:
        """The systems whose documents wait: they have no source now that had one, or its ``read`` is quarantined."""
        stopped = [name for name in self.sources if self.breakers.stopped(self.plugin_of(name), "read")]
        return [*self.absent, *stopped]

    def _read(self, worker: str, document: Document) -> Reading | None:
        """None: its plugin was quarantined since the document was claimed, which waits again."""
        if self.breakers.stopped(self.plugin_of(document.system), "read"):
            self.inbox.release(worker, [document.id])
            return None
        return self.read(document)

    def _settle(self) -> None:
        """Write down what became of plugins. What failed by one that is quarantined now waits with the rest; leads
        that a scorer could not score are scored when it can again."""
        settled = self.breakers.settle()
        if documents := [item for call, item in settled.items if call == "read"]:
            self.inbox.requeue(documents)
        if any(part in ("score", breakers.UNSCORED) for _, part in settled.closed):
            with write(self.store.main) as connection:
                due.rescore_all(connection, "the scorer works again", to_micros(self.now()))

    def _work(self, worker: str, batch: Sequence[Reading]) -> None:
        ids = [reading.document.id for reading in batch]
        try:
            done = self.pipeline.run(batch)
        except StaleCommit:
            self.inbox.release(worker, ids)
            return
        except Exception as exc:
            if store_trouble(exc):  # not the documents': they wait
                self.inbox.release(worker, ids)
                raise
            # One item must not stop the others: find it by working them singly.
            if len(batch) > 1:
                for reading in batch:
                    self._work(worker, [reading])
                return
            self.log.exception("batch failed", document=ids[0])
            self.inbox.quarantine(ids[0], f"working it raised {type(exc).__name__}; see the log")
            return
        self.inbox.finish(ids)
        self.log.info("worked", documents=" ".join(ids), events=done.events, leads=done.leads)
        self.observe(done)

    def pull_once(self, system: str) -> int:
        """Fetch what was only named and pull what is due from one system. Returns how much came."""
        pulling, every = self.pullings.get(system), self.instance.systems[system].pull
        if pulling is None or self.breakers.stopped(self.plugin_of(system), "pull"):
            return 0
        try:
            return pulling.look_up() + (pulling.pull(every) if every is not None else 0)
        finally:
            self._settle()

    # -- by itself ----------------------------------------------------------------------------------------------------

    def sweep_once(self) -> int:
        """What is due by itself: the clocks, scores and journeys that move, and leads of companies and of a model that
        changed."""
        now = to_micros(self.now())
        if time.monotonic() - self._ticked >= TICK / max(1.0, self.instance.clock.speed):
            self._ticked = time.monotonic()
            if moved := clocks.tick(self):
                self._ticked = float("-inf")  # the next step of what was taken a step further
                return moved
        self._tell()
        self._look_for_drift()
        self.bodies.sweep()
        self.keeping.sweep()
        proposing.go_due(self)
        with read(self.store.main) as connection:
            leads = due.scores(connection, self.model.score_names, now, SWEEP_LEADS)
            leads = leads or due.wakes(connection, now, SWEEP_LEADS)
            queued = [] if leads else due.rescores(connection, SWEEP_LEADS)
        done = rollups.sweep(self.pipeline)
        done += self.rescoring.step()  # of a million leads some are always due by time: neither waits for the other
        if leads:
            self.observe(self.pipeline.run((), leads, cause="time"))
            return done + len(leads)
        if again := {lead for _, ids in queued for lead in ids}:
            everybody = any(rescore.company is None for rescore, _ in queued)
            self.observe(self.pipeline.run((), again, cause="model" if everybody else "news"))
        if queued:
            with write(self.store.main) as connection:
                for rescore, ids in queued:
                    due.advance_rescore(connection, rescore, ids, SWEEP_LEADS)
        return done + max(len(again), len(queued))

    def _tell(self) -> None:
        """Who cannot be told keeps nobody's score from moving."""
        try:
            self.notices.sweep()
        except Exception as exc:
            if store_trouble(exc):
                raise
            self.log.exception("nobody is told")

    def _look_for_drift(self) -> None:
        """A model that cannot be looked at keeps nobody's score from moving; nor does one whose days fly by."""
        if time.monotonic() - self._drifted < DRIFTS:
            return
        self._drifted = time.monotonic()
        try:
            drifting.watch(self)
        except Exception as exc:
            if store_trouble(exc):
                raise
            self.log.exception("the model's drift is not looked for")

    # -- out ----------------------------------------------------------------------------------------------------------

    def outbound_systems(self) -> list[str]:
        """Active systems with a sink that works."""
        return sorted(self.model.active & self._deliveries.keys())

    def deliver_once(self, system: str, worker: str, push: str = "") -> int:
        """Deliver what is due to one system. Returns how many writes were worked. ``push``: see ``Delivery.run``."""
        if system not in self._deliveries or system not in self.model.active:
            return 0
        with read(self.store.main) as connection:
            if due.paused(connection, system):
                return 0
        if self.breakers.stopped(self.plugin_of(system), "deliver"):
            return 0
        delivery = self._deliveries[system]
        try:
            worked, again = delivery.run(worker, push=push)
        finally:
            self._settle()
            failed, delivery.failed = delivery.failed, []
            self._observed("delivery_failed", "deliveries", failed)
        if again:
            self.observe(self.pipeline.again(again))
        return worked

    def bury_deliveries(self, system: str, worker: str) -> int:
        """``worker`` is known to be dead: what it had on its way is looked up next. Returns how many writes."""
        delivery = self._deliveries.get(system)
        return delivery.take_over("", worker) if delivery else 0

    def observe(self, done: Done) -> None:
        """Tell the observers of plugins what was committed, and the log what goes on under another document's name;
        empty the documents of those who are forgotten."""
        if done.joined:
            self.log.info("sent with", documents=" ".join(sorted(f"{one}>{later}" for one, later in done.joined)))
        if done.forgot:
            self.bodies.forget()
        told = (("lead_scored", "scores", done.scored), ("stage_changed", "moves", done.moves))
        for hook, name, rows in (*told, ("handoff_closed", "handoffs", done.closed)):
            self._observed(hook, name, rows)

    def _observed(self, hook: str, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        for problem in self.host.observe(hook, **{name: rows}) if rows else ():
            self.log.error("observer failed", problem=problem)

    # -- leads by any key -------------------------------------------------------------------------------------------

    def find_lead(self, key: str) -> str:
        """The lead behind an id, an e-mail address, ``system:object:record`` or a declared key. Raises ``NotFound``."""
        with read(self.store.main) as connection:
            found = due.lead_ids(connection, key, self.model.joining.objects)
        if len(found) == 1:
            return found[0]
        if found:
            raise NotFound(f"{len(found)} leads have this key; use the id: {', '.join(found[:10])}")
        raise NotFound("no lead has this id, e-mail address, record id or identity key; `gateway leads list` shows ids")

    def connection(self, system: str) -> Connection | None:
        """What the system's plugin offers for connecting an account; it may offer nothing, and raise anything."""
        one = self.instance.systems[system]
        offer = self.host.connections.get(one.plugin)
        made: Connection | None = offer.factory(one.settings, self._context(one)) if offer is not None else None
        if offer is not None:
            trace(made, offer.plugin)
        return made

    def _context(self, system: System) -> Context:
        mapping: Any = system.mapping
        budget = self.budgets[system.name] = SystemBudget(self.store.main, system.name)
        return Context(
            system=system.name, root=self.instance.root, mapping=mapping, now=self.now, budget=budget, log=self.log
        )

    def _scorer(self, file: ConfigFile) -> tuple[Scorer | None, str]:
        """The scorer of one score's file and whose it is."""
        offer = self.host.scorers.get(file.data.get("strategy", STRATEGY))
        if offer is None:
            return None, ""
        try:
            with self.guard(offer.plugin, "build scorer"):
                scorer = offer.factory(self.instance.built_from(file))
                refuse_unsound(scorer, Scorer)
            trace(scorer, offer.plugin)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a factory may raise anything; all but scores goes on
            spoken = str(exc) if isinstance(exc, GatewayError) else f"building its scorer {told(exc)}"
            whose = "" if file is self.instance.scoring else f"{file.name}: "
            self.unscored = f"{whose}plugin {offer.plugin}: {spoken}"
            self.log.error("no scorer", plugin=offer.plugin, error=type(exc).__name__)
            return None, offer.plugin
        return scorer, offer.plugin

    def _build(self, system: System) -> None:
        if system.absent:
            self.problems[system.name] = system.absent
            return
        context = self._context(system)
        kinds: tuple[tuple[Any, Any, Any], ...] = (
            (self.sources, self.host.sources, Source),
            (self.sinks, self.host.sinks, Sink),
        )
        for shelf, offers, what in kinds:
            offer = offers.get(system.plugin)
            if offer is None:
                continue
            try:
                with self.guard(offer.plugin, f"build {system.name}"):
                    made = offer.factory(system.settings, context)
                    refuse_unsound(made, what)
                trace(made, offer.plugin)
                shelf[system.name] = made
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - a factory may raise anything; the other systems go on
                spoken = str(exc) if isinstance(exc, GatewayError) else type(exc).__name__
                self.problems[system.name] = f"plugin {offer.plugin}: {spoken}"
                self.log.error("system not built", system=system.name, error=type(exc).__name__)


def _batches(readings: Sequence[Reading], events: int) -> Iterator[list[Reading]]:
    batch: list[Reading] = []
    size = 0
    for reading in readings:
        if batch and size + len(reading.events) > events:
            yield batch
            batch, size = [], 0
        batch.append(reading)
        size += len(reading.events)
    if batch:
        yield batch
