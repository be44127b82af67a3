"""Every table, in two databases: ``inbox`` (documents as they came) and ``main`` (everything made of them).

Each room's tables have a module of their own; who reads or writes some says ``tables.leads``, wherever they stand.
"""

from __future__ import annotations

from gateway.store.tables.accounts import audit, keys, login_failures, once, users
from gateway.store.tables.arrivals import documents, duplicates, inbox
from gateway.store.tables.attention import notices, resolutions, work_items
from gateway.store.tables.columns import main
from gateway.store.tables.committee import bundles, costs, decisions, draft_turns, drafts, reviews
from gateway.store.tables.facts import (
    activities,
    activity_kinds,
    associations,
    documents_read,
    events,
    marks,
    outcomes,
    parts_read,
    records,
    tallies,
)
from gateway.store.tables.forgetting import repeats, tombstones, unblanked
from gateway.store.tables.journey import absences, clock_events, endings, handoffs, reached, steps, transitions, turns
from gateway.store.tables.outbound import budgets, catalogues, cursors, lookups, systems, writes
from gateway.store.tables.people import (
    apart,
    companies,
    deal_leads,
    deal_stages,
    deals,
    identities,
    leads,
    regroupings,
    rollups,
    rollups_due,
)
from gateway.store.tables.running import breakers, jobs, leases, settings
from gateway.store.tables.scoring import DUE_SPAN, crossed, former_scores, rescore_parts, rescores, scores
