"""One real record all the way, and nothing stored: fetched or from a file, read, joined, scored, advanced, planned.

It is the pipeline's own rehearsal over the store as it is: what a trial shows is what taking the record in would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError

from gateway.contracts import Document, Event, Lookup, Origin, Page, RecordChanged, Score, Source
from gateway.errors import AccessRefused, GatewayError, Refused
from gateway.inbound.readings import Reading
from gateway.leads.batch import Batch
from gateway.leads.lead import Lead
from gateway.leads.record import Ref
from gateway.outbound.planner import Planned
from gateway.outbound.wanted import wanted_writes
from gateway.scoring.rating import subject
from gateway.store import due, listing
from gateway.store.database import read
from gateway.store.times import new_id
from gateway.sync.planning import Unsent
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

ROUNDS = 3
"""How often what was only named is fetched in turn: a notification names a record, that one its company."""
MEDIA = {".json": "application/json", ".xml": "text/xml", ".form": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Value:
    """One field of a record: the system's value, what the mapping makes of it, and what the lead would have.

    ``to`` is empty for a field that only rules read, and for one that is ``ours``: the gateway itself writes it.
    ``problem`` says why it does not load, without the value.
    """

    field: str
    raw: Any
    to: str
    value: Any
    problem: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would become of one lead. ``new``: nobody knew it; ``score`` with its contributions; None = no model."""

    lead: Lead
    new: bool
    before: Mapping[str, Any]
    """Stage and total (hundredths) as they are stored; empty for a new lead."""
    merged: Sequence[tuple[str, str]]
    """Leads that would become one with it: (id, why)."""
    score: Score | None
    writes: Sequence[Planned]
    unsent: Sequence[Unsent]


@dataclass(slots=True)
class Trial:
    """``values``: of each changed record what the mapping reads. ``known``: keys of events that are stored already."""

    readings: list[Reading] = field(default_factory=list)
    values: dict[Ref, list[Value]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[tuple[str, str, int]] = field(default_factory=list)
    """(system, what was not taken in and why, how often)"""
    rescored: int = 0
    """Leads of companies that changed: they are scored again in batches of their own."""

    @property
    def events(self) -> list[Event]:
        return [event for reading in self.readings for event in reading.events]


def of_record(gateway: Gateway, ref: Ref) -> Trial:
    """Fetch one record live and try it. Spends the calls it makes; raises what the source raises, as our errors."""
    system, object_, record = ref
    source = _source(gateway, system)
    if type(source).fetch is Source.fetch:
        plugin = gateway.plugin_of(system)
        raise Refused(f"{system}: its plugin {plugin} cannot fetch a record; give what it would send with --file")
    return _tried(gateway, list(_fetched(gateway, system, [Lookup(system=system, object=object_, record=record)])))


def of_file(gateway: Gateway, system: str, path: Path) -> Trial:
    """Try a file as the system would send it: a webhook's body, or the first page of a file to import."""
    source = _source(gateway, system)
    if type(source).streams is Source.streams and type(source).pull is not Source.pull:
        pages = _asked(gateway, system, "pull", lambda: islice(source.pull(str(path.resolve()), None, None), 1))
        return _tried(gateway, [_document(gateway, system, page, "file") for page in pages])
    kind = MEDIA.get(path.suffix.lower())
    if kind is None:
        raise Refused(f"{path.name}: {system} sends {' or '.join(MEDIA)}; call the file so, by what is in it")
    page = Page(document=path.read_bytes(), content_type=kind)
    return _tried(gateway, [_document(gateway, system, page, "webhook")])


# -- in ----------------------------------------------------------------------------------------------------------------


def _source(gateway: Gateway, system: str) -> Source:
    with read(gateway.store.main) as connection:
        paused = due.paused(connection, system)
    if system not in gateway.sources:
        why = gateway.problems.get(system) or f"its plugin {gateway.instance.systems[system].plugin} has no source"
        raise Refused(f"{system}: {why}")
    if paused:
        raise Refused(f"{system} is paused: {paused}; `gateway systems resume {system}`")
    return gateway.sources[system]


def _fetched(gateway: Gateway, system: str, lookups: Sequence[Lookup]) -> Iterator[Document]:
    source = gateway.sources[system]
    for page in _asked(gateway, system, "fetch", lambda: source.fetch(lookups)):
        if page.document:
            yield _document(gateway, system, page, "lookup")


def _asked(gateway: Gateway, system: str, call: str, ask: Any) -> list[Page]:
    plugin = gateway.plugin_of(system)
    try:
        with gateway.guard(plugin, call):
            return list(ask())
    except AccessRefused as exc:
        raise AccessRefused(f"{system}: {exc.reason}") from None
    except GatewayError:
        raise
    except (Exception, SystemExit) as exc:
        raise GatewayError(f"plugin {plugin}: {call} raised {type(exc).__name__}") from exc


def _document(gateway: Gateway, system: str, page: Page, origin: Origin) -> Document:
    return Document(
        id=new_id(),
        system=system,
        received_at=gateway.now(),
        body=page.document,
        content_type=page.content_type,
        headers=page.headers,
        origin=origin,
    )


# -- all the way -------------------------------------------------------------------------------------------------------


def _tried(gateway: Gateway, documents: Sequence[Document]) -> Trial:
    trial = Trial()
    asked: set[Ref] = set()
    for _ in range(ROUNDS):
        readings = [gateway.read(document) for document in documents]
        trial.readings += readings
        named = {(one.system, one.object, one.record): one for reading in readings for one in reading.lookups}
        fresh = [one for ref, one in named.items() if ref not in asked]
        asked |= named.keys()
        if not fresh or type(gateway.sources[fresh[0].system]).fetch is Source.fetch:
            break
        documents = list(_fetched(gateway, fresh[0].system, fresh))
    worked = [reading for reading in trial.readings if not reading.failure]
    refs = {(event.system, event.object, event.record): event.kind for event in trial.events}
    with read(gateway.store.main) as connection:
        people = [ref for ref, kind in refs.items() if kind == "person"]
        theirs = {row.entity for ref in people for row in listing.record(connection, ref)} - {""}
        batch = gateway.pipeline.rehearse(worked, theirs, within=connection)
    trial.known = set(batch.known)
    trial.notes = [
        (system, f"{what}: {reason}" if reason else what, count)
        for (system, what, reason), count in sorted(batch.tallies.items())
        if what in ("skipped", "field dropped", "dead") and count > 0
    ]
    for event in trial.events:
        if isinstance(event, RecordChanged):
            trial.values[event.system, event.object, event.record] = list(_values(gateway, event))
    with read(gateway.store.main) as connection:
        stored = listing.standing(connection, [lead.id for lead in batch.leads.values()], gateway.model.score_name)
        trial.rescored = listing.leads_of(connection, [row["company"] for row in batch.rescores])
    for id_ in sorted(batch.touched | theirs):
        lead = batch.leads.get(id_)
        if lead is not None and lead.merged_into is None:
            trial.outcomes.append(_outcome(gateway, batch, lead, stored.get(id_, {})))
    return trial


def _values(gateway: Gateway, event: RecordChanged) -> Iterator[Value]:
    rules = gateway.model.joining.inbound(event.system, event.object)
    mapped = gateway.model.joining.objects.get((event.system, event.object))
    written = mapped.outbound if mapped is not None else {}
    for name in sorted(event.speaks_of):
        raw, rule = event.values.get(name), rules.get(name)
        value, problem = None, ""
        if rule is not None and raw is not None:
            try:
                value = rule.load(raw)
            except ValidationError as exc:
                problem = str(exc.messages[0])
        yield Value(name, raw, rule.to if rule is not None else "", value, problem, rule is None and name in written)


def _outcome(gateway: Gateway, batch: Batch, lead: Lead, before: Mapping[str, Any]) -> Outcome:
    model = gateway.model
    score = None
    if model.scorer is not None and lead.erased_at is None:
        with gateway.guard(model.scorer_plugin, "score a trial"):
            score = model.scorer.score(subject(lead, lead.beside), gateway.now(), explain=True)
    unsent: list[Unsent] = []
    systems = [name for name in gateway.instance.systems if model.objects.get(name)]
    writes = []
    for wanted in wanted_writes(lead, model, to_micros(gateway.now()), systems, unsent.append):
        record = lead.known_record(wanted.system, wanted.object)
        known = {name: record.snapshot[name][0] for name in wanted.fields if record and name in record.snapshot}
        writes.append(Planned(wanted, known))
    merged = [(row["other"], row["why"]) for row in batch.regroupings if row["lead"] == lead.id]
    return Outcome(lead, lead.version == 0, before, merged, score, writes, unsent)
