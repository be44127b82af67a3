"""One batch of the pipeline: everything that was loaded for it, and everything it wants written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.contracts import Event, Kind
from gateway.journey.advance import Opening
from gateway.journey.assigning import Order, Roster
from gateway.journey.cause import Cause
from gateway.journey.judgement import Judgement
from gateway.leads.company import Company
from gateway.leads.deal import Deal
from gateway.leads.identity import Key
from gateway.leads.lead import Lead, Standing
from gateway.leads.record import Record, Ref
from gateway.leads.stamps import OWN

Timed = tuple[int, Event]
"""(time in microseconds, event): sorts as folding wants it"""


@dataclass(slots=True)
class Batch:
    """Everything one batch knows, keyed as the pipeline looks it up, and everything it wants written."""

    now: int
    cutoff: int | None = None
    """Activities older than this (microseconds) were not loaded, except of leads that were loaded whole."""
    already: set[str] = field(default_factory=set)
    """Documents that were read before: a replay, or a crash fell between our commit and the inbox's."""
    known: dict[str, str] = field(default_factory=dict)
    """Keys among the batch's events that are stored already → the document that told first."""
    records: dict[Ref, Record] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)
    companies: dict[str, Company] = field(default_factory=dict)
    deals: dict[str, Deal] = field(default_factory=dict)
    named: Mapping[str, Sequence[Key]] = field(default_factory=dict)
    """Key of an event → the identity keys it carries"""
    asked: set[Key] = field(default_factory=set)
    """Identity keys the batch's news carries: those the directory was loaded for."""
    directory: dict[Key, str] = field(default_factory=dict)
    stored_keys: dict[Key, str] = field(default_factory=dict)
    linking: set[Ref] = field(default_factory=set)
    """Records whose links are all in ``associations``; empty when nobody is new, no link moves and nobody merges."""
    deals_of: dict[str, list[Deal]] = field(default_factory=dict)
    """lead → its deals, once the links are settled"""
    past: dict[Ref, list[Timed]] = field(default_factory=dict)
    """Stored events of records that a late event makes us fold again."""
    associations: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)

    documents: list[str] = field(default_factory=list)
    parts: set[str] = field(default_factory=set)
    """Documents that told something new, and are not read yet, or were before"""
    told_by: dict[Ref, set[str]] = field(default_factory=dict)
    """record → the batch's documents that told something new of it"""
    joined: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of documents: what the first one led to is sent with what the second one did, which the write names"""
    events: list[dict[str, Any]] = field(default_factory=list)
    tallies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    linked: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    """Leads to score, advance and plan again."""
    roster: Roster | None = None
    """Who gets handoffs, where that is asked."""
    orders: Mapping[str, Order] = field(default_factory=dict)
    """lead → whose its handoff becomes, as a person said"""
    judgements: Mapping[str, Judgement] = field(default_factory=dict)
    """lead → what a person decides of it"""
    lately: Mapping[str, int] = field(default_factory=dict)
    """span → handoffs opened in it until now, where sales can take so many only"""
    homes: dict[str, str | None] = field(default_factory=dict)
    """lead → its company as loaded, where companies have roll-ups"""
    stirred: set[str] = field(default_factory=set)
    """Companies to whose leads something happened that their roll-ups may show"""
    openings: dict[str, tuple[Opening, Cause, dict[str, Any]]] = field(default_factory=dict)
    """lead → the handoff to open, what every decision records, and the attributes it was decided on"""
    withheld: dict[str, str] = field(default_factory=dict)
    """lead → why it is not handed over though it crossed"""
    whose: bool = False
    """The roster turned out to be needed and is not here: the batch is loaded again."""
    live: set[str] = field(default_factory=set)
    """Touched leads with at least one piece of news that is no imported history."""
    uncounted: set[str] = field(default_factory=set)
    """Leads whose activities turned out to be needed and are not here: the batch is loaded again."""
    scored: dict[tuple[str, str], Standing] = field(default_factory=dict)
    """(lead, score) → a score that moved"""
    scoring: str = ""
    """The model that scores"""
    remodelled: set[str] = field(default_factory=set)
    """Leads whose stored score was another model's"""
    unscored: dict[str, int] = field(default_factory=dict)
    """Leads that have no score since their scoring failed → when it is tried again"""
    writes: list[dict[str, Any]] = field(default_factory=list)
    moot: dict[tuple[str, str], str] = field(default_factory=dict)
    """(system, key) of records for which nothing is left to write → lead: what waits for them is superseded"""
    beside: set[str] = field(default_factory=set)
    """Leads of which everything that is to stand beside their records is among ``writes``: more is not wanted"""
    work_items: list[dict[str, Any]] = field(default_factory=list)
    unmapped: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """(system, object, field, value) of values that a mapping has no word for"""
    conflicts: list[str] = field(default_factory=list)
    """Keys of the conflicts that the touched leads still have: the others are over"""
    lookups: list[dict[str, Any]] = field(default_factory=list)
    rescores: list[dict[str, Any]] = field(default_factory=list)
    merges: list[tuple[Kind, str, str]] = field(default_factory=list)
    regroupings: list[dict[str, Any]] = field(default_factory=list)
    """Which leads became one, why, and what a split must give back: a row for each of ``merges`` that is of people"""
    apart: set[frozenset[str]] = field(default_factory=set)
    """Pairs of leads that a person said are two: no key makes them one"""
    erased: dict[Ref, str] = field(default_factory=dict)
    """Records whose person asked to be forgotten, each with who passed it on."""
    forgotten: set[Ref] = field(default_factory=set)
    """Records of people forgotten before: their news is not taken in."""
    unwanted: set[str] = field(default_factory=set)
    """Documents that named people forgotten before: the inbox empties their bodies after the commit."""
    repeats: set[tuple[Ref, str]] = field(default_factory=set)
    """(record, document): it names the record, and no event of the record names it"""
    refused: list[tuple[Ref, str]] = field(default_factory=list)
    """Fields whose raw value did not load: dropped, and named on their events."""

    def note(self, system: str, what: str, reason: str = "", count: int = 1) -> None:
        if system != OWN[0]:  # what people said here came from nowhere
            self.tallies[system, what, reason] += count

    def shelf(self, kind: str) -> Any:
        """The leads, companies or deals, by id."""
        return {"person": self.leads, "company": self.companies, "deal": self.deals}[kind]

    def company_of(self, lead: Lead) -> Mapping[str, Any]:
        """What is known of its company; nothing where it has none."""
        return self.companies[lead.company].known if lead.company in self.companies else {}

    def living(self, kind: str, id_: str) -> str:
        """The id of what this lead, company or deal became by merges."""
        shelf = self.shelf(kind)
        entity = shelf.get(id_)
        while entity is not None and entity.merged_into:
            id_, entity = entity.merged_into, shelf.get(entity.merged_into)
        return id_

    def begin(self, record: Record, kind: str, id_: str) -> None:
        """A new lead, company or deal for a record nobody has seen before."""
        made: Lead | Company | Deal
        if kind == "person":
            made = self.leads[id_] = Lead(id_)
        elif kind == "company":
            made = self.companies[id_] = Company(id_)
        else:
            made = self.deals[id_] = Deal(id_)
        made.known_at, made.changed = self.now, True
        made.records[record.ref] = record
        record.entity, record.dirty = id_, True
