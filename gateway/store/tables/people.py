"""Leads, companies and deals, and who is who."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, false, text

from gateway.store.tables.columns import ROOM, Id, Json, String, Time, main

leads = Table(
    "leads",
    main,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("entered_at", Time, nullable=False),  # business time of the earliest thing known
    Column("merged_into", Id),
    Column("company", Id, index=True),
    Column("attributes", Json, nullable=False),
    Column("persona", String, nullable=False, server_default=""),
    Column("stage", String, nullable=False, server_default=""),
    Column("journey", String, nullable=False, server_default=""),  # hash of the journey it was last advanced under
    Column("excluded", String),  # reason of journey.yaml; null = may be handed over
    Column("ignored", Boolean, nullable=False, server_default=false()),  # stood over the threshold at activation
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Column("above", Json, nullable=False),  # stages whose score threshold it stands over, with the crossing's number
    Column("erased_at", Time),
    Column("erased_by", String, nullable=False, server_default=""),  # the system or the person that asked for it
    Column("returned", Json),  # how it came back though its last handoff had ended well: {at, bucket, reason, wake}
    Column("wakes_at", Time),  # when its journey moves though nothing happened
    Column("path", String, nullable=False, server_default=""),  # stages in `reached`, sorted, a line each
    Column("sought", String, nullable=False, server_default=""),  # the name as people type it, to be found by
    Index("leads_excluded", "excluded"),
    Index("leads_wake", "wakes_at"),
    Index("leads_sought", "sought"),
    Index("leads_path", "path", "entered_at", "merged_into"),  # all that a funnel of everybody reads
    Index("leads_stage", "stage", "persona"),
    Index("leads_persona", "persona"),
    Index(
        "leads_merged",
        "merged_into",
        sqlite_where=text("merged_into IS NOT NULL"),
        postgresql_where=text("merged_into IS NOT NULL"),
    ),
    postgresql_with=ROOM,
)

companies = Table(
    "companies",
    main,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("merged_into", Id),
    Column("attributes", Json, nullable=False),
)

rollups = Table(  # what a company's leads come to together, from `at` on: a row whenever a number moved
    "rollups",
    main,
    Column("company", Id, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("numbers", Json, nullable=False),
)

rollups_due = Table(  # companies whose roll-ups are kept up; without roll-ups in the model there is none
    "rollups_due",
    main,
    Column("company", Id, primary_key=True),
    Column("at", Time),  # of its row in `rollups` that counts; null = not worked out yet
    Column("worked_at", Time, nullable=False, server_default=text("0")),  # when they were worked out last
    Column("due_at", Time, index=True),  # null = not before something happens
)

deals = Table(
    "deals",
    main,
    Column("id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("merged_into", Id),
    Column("company", Id, index=True),
    Column("attributes", Json, nullable=False),
    Column("stage", String, nullable=False, server_default=""),
    Column("status", String, nullable=False, server_default="open"),  # open | won | lost
    Column("status_at", Time),
    Column("amount", String),  # decimal text
    Column("currency", String),
)

deal_leads = Table(
    "deal_leads",
    main,
    Column("deal", Id, primary_key=True),
    Column("lead", Id, primary_key=True, index=True),
)

deal_stages = Table(
    "deal_stages",
    main,
    Column("deal", Id, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("stage", String, primary_key=True),
    Column("status", String, nullable=False),
)

identities = Table(
    "identities",
    main,
    Column("namespace", String, primary_key=True),  # email | key:<lead field>
    Column("value", String, primary_key=True),
    Column("lead", Id, nullable=False, index=True),
)

regroupings = Table(  # which records are one person or company was decided anew: merges and splits, append-only
    "regroupings",
    main,
    Column("id", Id, primary_key=True),
    Column("what", String, nullable=False),  # merge | split
    Column("lead", Id, nullable=False, index=True),  # who stays; of companies, the company
    Column("other", Id, nullable=False, index=True),  # who became its alias, or is a lead of its own again
    Column("at", Time, nullable=False),
    Column("why", String, nullable=False),
    Column("by", String, nullable=False, server_default=""),
    Column("detail", Json, nullable=False),  # of a merge, what the other brought: what a split gives back
)

apart = Table(  # pairs that a person split: no key makes them one again
    "apart",
    main,
    Column("one", Id, primary_key=True),  # the smaller id
    Column("other", Id, primary_key=True, index=True),
)
