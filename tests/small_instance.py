"""A small instance without plugins: mappings, model and journey from text, events made by the mappings themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import select

from gateway.contracts import Document, Event, Quarantined, Skipped
from gateway.inbound.readings import Reading
from gateway.journey.journey import compile_journey
from gateway.leads.rules import Joining
from gateway.mapping import compile_mapping
from gateway.model import Model, Named
from gateway.pipeline import Pipeline
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile
from gateway.store import due
from gateway.store import tables as t
from gateway.store.database import MAIN_FILE, open_store, write
from gateway.store.times import new_id

NOW = datetime(2026, 6, 1, tzinfo=UTC)

SITE = """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    only: {kind: contact}
    id: id
    time: at
    identify_by: [customer_no]
    merged: {when: {merged: {known: true}}, losers: merged}
    gone: {when: {deleted: true}, reason: deleted}
    erased: {when: {forget: true}}
    fields:
      email: email
      title: {to: title, sync: newest}
      country: {to: country, sync: newest, blank: clear}
      employees: {to: employees, type: integer}
      number: customer_no
    links: [{to: firm, id: firm_id, role: works at}]
    activities:
      - {activity: page_view, when: {page: {known: true}}, on: each, asset: page}
      - {activity: email_open, counter: opens}
    outcomes:
      - {outcome: accepted, when: {status: Accepted}}
      - {outcome: rejected, when: {status: Rejected}}
      - {outcome: won, when: {status: Won}}
  firm:
    kind: company
    only: {kind: firm}
    id: id
    time: at
    merged: {when: {merged: {known: true}}, losers: merged}
    fields: {industry: industry}
  deal:
    kind: deal
    only: {kind: deal}
    id: id
    time: at
    links: [{to: contact, id: contact_id, role: buyer}]
    fields:
      status: {to: status, values: {Won: won, Lost: lost, Open: open}}
      amount: {to: amount, type: money, currency: EUR}
      closed: {to: closed_at, type: datetime}
      stage: deal_stage
"""
CRM = """
system: crm
timezone: UTC
objects:
  lead:
    kind: person
    id: id
    time: at
    identify_by: [customer_no]
    create: handoff
    fields:
      mail: email
      position: {to: title, sync: newest}
      land: {to: country, sync: newest, blank: clear}
      number: {to: customer_no}
      score: {to: score, type: integer, sync: out}
      band: {to: band, sync: out}
      bucket: {to: bucket, sync: out}
      ours: {to: lead_id, sync: out}
    outcomes:
      - {outcome: accepted, when: {state: Working}}
      - {outcome: recycled, when: {state: Recycled}, reason: why}
"""
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
bands: {great: 70, good: 40}
fit:
  - {name: Executive, when: {title: {matches: "chief|ceo"}}, points: 40}
  - {name: Software, when: {company.industry: software}, points: 20}
behaviour:
  - {name: Looked at a page, activity: page_view, points: 10, cap: 40, half_life: 30d}
  - {name: Opened an e-mail, activity: email_open, points: 5, cap: 10, window: 60d}
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: crm}]}
  - {name: sal, shared: sal, entry: {outcome: [accepted]}}
  - {name: won, shared: won, entry: {outcome: [won]}}
never_hand_over:
  - {reason: competitor, when: {email: {ends_with: "@rival.example"}}}
  - {reason: open deal, open_deal: true}
"""


@cache
def _without_rows() -> bytes:
    """A main database with nothing in it; made once, since hundreds of tests and examples begin with one."""
    with TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        t.main.create_all(store.main)
        store.close()
        return (Path(folder) / MAIN_FILE).read_bytes()


class Small:
    """A pipeline over its own databases; ``take`` works payloads as one batch."""

    def __init__(
        self,
        folder: Path,
        *,
        site: str = SITE,
        crm: str = CRM,
        journey: str = JOURNEY,
        scoring: str = SCORING,
        scores: Mapping[str, str] = MappingProxyType({}),
        active: Sequence[str] = ("crm",),
        merge_on_email: bool = False,
    ) -> None:
        self.at = NOW
        self.store = open_store(folder)
        if self.store.main.dialect.name == "sqlite" and not (folder / MAIN_FILE).exists():
            (folder / MAIN_FILE).write_bytes(_without_rows())
        self.mappings = {
            "site": compile_mapping(ConfigFile("mappings/site.yaml", site), "ma", {}),
            "crm": compile_mapping(ConfigFile("mappings/crm.yaml", crm), "crm", {}),
        }
        objects = {(s, o.name): o for s, m in self.mappings.items() for o in m.objects.values()}
        hashes = {"scoring": "s1", **{f"mapping:{s}": m.hash for s, m in self.mappings.items()}}
        self.model = Model(
            Joining(
                objects,
                {s: m.hash for s, m in self.mappings.items()},
                {"site": 0, "crm": 1},
                merge_on_email,
                None,
                new_id,
            ),
            {s: [o for o in m.objects.values() if o.outbound] for s, m in self.mappings.items()},
            WeightedScorer(ConfigFile("scoring.yaml", scoring).data),
            "lead",
            compile_journey(ConfigFile("journey.yaml", journey)),
            hashes,
            frozenset(active),
            5,
            others={
                name: Named(WeightedScorer(ConfigFile(f"scores/{name}.yaml", text).data))
                for name, text in scores.items()
            },
        )
        self.pipeline = Pipeline(self.store.main, self.model, lambda: self.at, structlog.get_logger())

    def read(self, system: str, items: Iterable[Mapping[str, Any]], history: bool = False) -> Reading:
        document = Document(id=new_id(), system=system, received_at=self.at, body=b"", history=history)
        reading = Reading(document)
        for item in self.mappings[system].read(list(items), document):
            if isinstance(item, Event):
                reading.events.append(item)
            elif isinstance(item, Skipped):
                reading.skipped.append(item)
            elif isinstance(item, Quarantined):
                reading.quarantined.append(item)
        return reading

    def take(self, system: str, *items: Mapping[str, Any], history: bool = False) -> None:
        self.pipeline.run([self.read(system, items, history)])

    def sweep(self) -> None:
        """Work the queued rescores to their end."""
        while True:
            with self.store.main.connect() as connection:
                queued = due.rescores(connection, 2)
            if not queued:
                return
            self.pipeline.run((), {lead for _, ids in queued for lead in ids})
            with write(self.store.main) as connection:
                for rescore, ids in queued:
                    due.advance_rescore(connection, rescore, ids, 2)

    def rows(self, table: Any, *columns: str) -> list[Any]:
        chosen = [table.c[name] for name in columns] or [table]
        with self.store.main.connect() as connection:
            return sorted((tuple(row) for row in connection.execute(select(*chosen))), key=repr)

    def leads(self) -> list[dict[str, Any]]:
        """Attributes of the living leads."""
        with self.store.main.connect() as connection:
            rows = connection.execute(select(t.leads).where(t.leads.c.merged_into.is_(None)))
            return sorted((row.attributes for row in rows), key=lambda a: sorted(map(str, a.items())))

    def facts(self) -> Any:
        """Everything that must not depend on the order of arrival, without our own ids."""
        with self.store.main.connect() as connection:
            names = {
                row.entity: f"{row.system}:{row.object}:{row.record}"
                for row in sorted(connection.execute(select(t.records)).all(), reverse=True)
            }

            def told(table: Any, *columns: str) -> list[Any]:
                rows = connection.execute(select(table.c.lead, *(table.c[c] for c in columns)))
                return sorted((names.get(row[0], "?"), *row[1:]) for row in rows)

            return {
                "attributes": sorted(
                    (
                        names.get(row.id, "?"),
                        sorted(map(str, row.attributes.items())),
                        row.entered_at,
                        names.get(row.company),
                    )
                    for row in connection.execute(select(t.leads).where(t.leads.c.merged_into.is_(None)))
                ),
                "snapshots": sorted(
                    (row.system, row.object, row.record, sorted(map(str, row.snapshot.items())), row.gone, row.last_at)
                    for row in connection.execute(select(t.records))
                ),
                "identities": told(t.identities, "namespace", "value"),
                "companies": sorted(
                    (names.get(row.id, "?"), sorted(map(str, row.attributes.items())))
                    for row in connection.execute(select(t.companies).where(t.companies.c.merged_into.is_(None)))
                ),
                "deals": sorted(
                    (names.get(row.id, "?"), sorted(map(str, row.attributes.items())), names.get(row.company), *row[6:])
                    for row in connection.execute(select(t.deals).where(t.deals.c.merged_into.is_(None)))
                ),
                "deal leads": sorted(
                    (names.get(row.deal, "?"), names.get(row.lead, "?"))
                    for row in connection.execute(select(t.deal_leads))
                ),
                "deal stages": sorted(
                    (names.get(row.deal, "?"), *row[1:]) for row in connection.execute(select(t.deal_stages))
                ),
                "activities": told(t.activities, "at", "kind", "asset"),
                "kinds": told(t.activity_kinds, "kind", "count", "first_at", "last_at"),
                "outcomes": told(t.outcomes, "at", "outcome", "amount"),
                "scores": told(t.scores, "total", "fit", "behaviour", "band"),
                "reached": [row for row in told(t.reached, "stage", "at", "cause") if row[1] in ("sal", "won")],
            }


def days(number: float) -> str:
    """A time that many days before now, as the senders write it."""
    return (NOW - timedelta(days=number)).isoformat()
