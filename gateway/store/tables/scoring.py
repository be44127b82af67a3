"""Scores as they stand, and what a changed model has yet to score."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, text

from gateway.store.tables.columns import Id, String, Time, main

DUE_SPAN = 4 * 3_600_000_000
"""Microseconds: scores that move by themselves within so long of each other stand together in their index."""

scores = Table(
    "scores",
    main,
    Column("lead", Id, primary_key=True),
    Column("name", String, primary_key=True),
    Column("total", Integer, nullable=False),  # hundredths of a point, 0..10000
    Column("fit", Integer, nullable=False),
    Column("behaviour", Integer, nullable=False),
    Column("band", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("changes_at", Time),
    Column("scoring", String, nullable=False),
    Index("scores_total", "total", "lead", "name", "band"),  # the best first
    # By the span, then by lead: scores of neighbours that are written together then share the index's pages.
    Index(
        "scores_due",
        text(f"(changes_at / {DUE_SPAN})"),
        "lead",
        "name",
        "changes_at",
        sqlite_where=text("changes_at IS NOT NULL"),
        postgresql_where=text("changes_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

former_scores = Table(  # what a changed model has replaced: people see it until the last lead has its new score
    "former_scores",
    main,
    Column("lead", Id, primary_key=True),
    Column("name", String, primary_key=True),
    Column("total", Integer, nullable=False),
    Column("fit", Integer, nullable=False),
    Column("behaviour", Integer, nullable=False),
    Column("band", String, nullable=False),
    Column("scoring", String, nullable=False),
    sqlite_with_rowid=False,
)

rescores = Table(  # leads to score again in later batches, walked in order of their id
    "rescores",
    main,
    Column("id", Id, primary_key=True),
    Column("company", Id),  # null = every lead
    Column("cause", String, nullable=False),
    Column("after", String, nullable=False, server_default=""),
    Column("created_at", Time, nullable=False),
    Column("scoring", String, nullable=False, server_default=""),  # the model it is for, where that changed: see below
    Column("leads", Integer),  # how many there are then; null = not divided into parts yet
    Column("stop_by", String, nullable=False, server_default=""),  # who asked it to rest; people see what they saw
)

rescore_parts = Table(  # leads that a changed model has yet to score: those with ids above `low`, up to `high`
    "rescore_parts",
    main,
    Column("rescore", Id, primary_key=True),
    Column("low", String, primary_key=True),
    Column("high", String, nullable=False),
    Column("leads", Integer, nullable=False),
    sqlite_with_rowid=False,
)

crossed = Table(  # leads that a changed model took across a threshold, or to a score to tell: the journey follows
    "crossed",
    main,
    Column("lead", Id, primary_key=True),
)
