"""The model as marketing and sales agreed on it, their reviews, and what campaigns cost."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text, text

from gateway.store.tables.columns import Id, Json, String, Time, main

bundles = Table(  # the text of all files of a checked instance, and since when workers use it
    "bundles",
    main,
    Column("id", String, primary_key=True),
    Column("files", Json, nullable=False),
    Column("hashes", Json, nullable=False),
    Column("active_at", Time, primary_key=True),
)

drafts = Table(  # changes of the model that somebody proposed, and what became of them
    "drafts",
    main,
    Column("id", Id, primary_key=True),
    Column("name", String, nullable=False),
    Column("files", Json, nullable=False),  # name -> text, of those that differ
    Column("base", String, nullable=False),  # the bundle that was live
    Column("state", String, nullable=False, index=True),  # begun | proposed | agreed | live | rejected …
    Column("user", Id, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("effective_at", Time),  # null = with the last key
    Column("ended_at", Time),
    Column("bundle", String, nullable=False, server_default=""),  # what it became
    Column("problem", String, nullable=False, server_default=""),  # why it did not go live
    Column("changed_at", Time, nullable=False, server_default=text("0")),  # when its files were last written
    Column("trial", Json),  # what a replay of it found: people by their ids alone
)

draft_turns = Table(  # whose keys were turned for a draft: append-only
    "draft_turns",
    main,
    Column("id", Id, primary_key=True),
    Column("draft", Id, nullable=False, index=True),
    Column("what", String, nullable=False),  # approve | reject | override | withdraw
    Column("user", Id, nullable=False),
    Column("by", String, nullable=False),
    Column("role", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", Time, nullable=False),
)

reviews = Table(  # a period's numbers as both teams looked at them, once
    "reviews",
    main,
    Column("id", Id, primary_key=True),
    Column("period", String, nullable=False, unique=True),  # 2026-Q3
    Column("since", Time, nullable=False),
    Column("until", Time, nullable=False),
    Column("built_at", Time, nullable=False),
    Column("by", String, nullable=False),
    Column("held_at", Time),  # the first decision; from then on its numbers stay
    Column("pack", Json, nullable=False),  # its sections; people by their ids alone
)

decisions = Table(  # what a review decided, as a task of somebody: append-only, but for its end
    "decisions",
    main,
    Column("id", Id, primary_key=True),
    Column("review", Id, nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("owner", String, nullable=False),
    Column("due", String, nullable=False),  # a day of the instance's zone
    Column("at", Time, nullable=False),
    Column("by", String, nullable=False),
    Column("done_at", Time),
    Column("done_by", String, nullable=False, server_default=""),
)

costs = Table(  # what campaigns cost, as imported; days are the instance's, `ends` is the day after the last
    "costs",
    main,
    Column("campaign", String, primary_key=True),
    Column("begins", String, primary_key=True),
    Column("ends", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("amount", String, nullable=False),  # decimal text
)
