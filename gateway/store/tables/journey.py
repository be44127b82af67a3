"""The way of a lead: stages, handoffs, clocks, and whose turn it is."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, text

from gateway.store.tables.columns import Id, Json, String, Time, main

reached = Table(  # the first time a lead reached a stage; a pure function of its outcomes, activities and transitions
    "reached",
    main,
    Column("lead", Id, primary_key=True),
    Column("stage", String, primary_key=True),
    Column("at", Time, nullable=False),
    Column("cause", String, nullable=False),
    Column("ref", String, nullable=False),
    Index("reached_stage", "stage", "at", "lead"),
    sqlite_with_rowid=False,
)

transitions = Table(  # decisions: append-only, the last one counts
    "transitions",
    main,
    Column("id", Id, primary_key=True),
    Column("lead", Id, nullable=False, index=True),
    Column("from_stage", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("decided_at", Time, nullable=False),
    Column("cause", String, nullable=False),  # news | time | model | import | merge | person | implied
    Column("reason", String, nullable=False),  # threshold | outcome | activity | fall ...
    Column("ref", String, nullable=False),
    Column("score", Integer),
    Column("threshold", Integer),
    Column("score_name", String, nullable=False, server_default=""),  # whose points; empty = the main score's
    Column("scoring", String, nullable=False),
    Column("journey", String, nullable=False),
    Index(  # all that a batch reads of each lead: most were never taken across a threshold
        "transitions_threshold",
        "lead",
        "stage",
        "at",
        "ref",
        sqlite_where=text("reason = 'threshold'"),
        postgresql_where=text("reason = 'threshold'"),
    ),
)

steps = Table(  # what a threshold's crossing asked for, once per crossing
    "steps",
    main,
    Column("id", String, primary_key=True),  # <lead>:<stage>:<crossing>:<position>
    Column("lead", Id, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("crossing", Integer, nullable=False),
    Column("step", Json, nullable=False),
    Column("at", Time, nullable=False),
    Column("state", String, nullable=False),  # done | withheld | waiting (somebody is yet to be told)
    Column("reason", String, nullable=False, server_default=""),
    Index("steps_waiting", "id", sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'")),
)

handoffs = Table(
    "handoffs",
    main,
    Column("id", Id, primary_key=True),
    Column("lead", Id, nullable=False, index=True),
    Column("stage", String, nullable=False),
    Column("system", String, nullable=False),
    Column("persona", String, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("opened_at", Time, nullable=False),
    Column("decided_at", Time, nullable=False),
    Column("score", Integer, nullable=False),
    Column("score_name", String, nullable=False, server_default=""),  # whose points; empty = the main score's
    Column("contributions", Json, nullable=False),
    Column("package", Json, nullable=False, server_default=text("'{}'")),  # what sales are told, as of its opening
    Column("scoring", String, nullable=False),
    Column("journey", String, nullable=False),
    Column("owner", String, nullable=False, server_default=""),
    Column("response_due", Time),
    Column("period_ends", Time),
    Column("accepted_at", Time),
    Column("contacted_at", Time),
    Column("state", String, nullable=False),  # held (beyond capacity) | open | closed | absorbed | withdrawn
    # threshold | outcome | activity | fast track | wake | person; why and by whom are a person's
    Column("cause", String, nullable=False, server_default=""),
    Column("cause_reason", String, nullable=False, server_default=""),
    Column("cause_by", String, nullable=False, server_default=""),
    Column("wake_at", Time),  # when sales want the lead again that they gave back
    Column("bucket", String),
    Column("bucket_reason", String, nullable=False, server_default=""),
    Column("closed_at", Time),
    Column("closed_by", String, nullable=False, server_default=""),
    # once the follow-up is over: asked | id of a document that all we asked for came before | known
    Column("checking", String, nullable=False, server_default=""),
    Column("owner_why", String, nullable=False, server_default=""),  # account owner | turn | fallback: ...
    Column("owner_at", Time),  # when the owner got it: the first-response clock begins
    Column("their_owner", String, nullable=False, server_default=""),  # the record's owner over there, as last heard
    Column("response_time", Time),  # microseconds that an owner has to answer; null = no such clock
    Column("alarm", String, nullable=False, server_default=""),  # what is due next: warned | escalated | reassigned
    Column("alarm_at", Time),
    Column("hearing", String, nullable=False, server_default=""),  # once it is due: as `checking`
    Index(
        "handoffs_open",
        "lead",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index("handoffs_due", "state", "checking", "period_ends"),
    Index("handoffs_opened", "opened_at"),
    Index("handoffs_alarm", "state", "hearing", "alarm_at"),
    Index(  # whose they are and when they are due, without their packages
        "handoffs_owner",
        *("state", "owner", "system", "accepted_at", "contacted_at", "response_due", "period_ends", "id"),
    ),
    Index("handoffs_bucket", "bucket", "lead"),
)

endings = Table(  # how a handoff ended, each time that was decided: append-only, the last end or correction counts
    "endings",
    main,
    Column("handoff", Id, primary_key=True),
    Column("decided_at", Time, primary_key=True),
    Column("what", String, primary_key=True),  # end | correction | return: the lead came back, the end stays
    Column("bucket", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("by", String, nullable=False),
    Index("endings_decided", "decided_at"),
)

clock_events = Table(  # what the first-response clock did, and whose a handoff became: append-only
    "clock_events",
    main,
    Column("id", Id, primary_key=True),
    Column("handoff", Id, nullable=False, index=True),
    Column("lead", Id, nullable=False, index=True),
    Column("kind", String, nullable=False),  # assigned | warned | escalated | reassigned (by the clock) | moved
    Column("at", Time, nullable=False),
    Column("owner", String, nullable=False),  # whose it is from then on
    Column("before", String, nullable=False),  # whose it was; empty = nobody's
    Column("reason", String, nullable=False),
    Column("by", String, nullable=False, server_default=""),  # a person or a system; empty = the gateway itself
    Index("clock_events_at", "at", "id"),
)

turns = Table(  # whose turn it is among those who share leads: see journey/turns.py
    "turns",
    main,
    Column("id", String, primary_key=True),  # their names
    Column("version", Integer, nullable=False),
    Column("turns", Json, nullable=False),  # owner -> virtual time at which their last turn ends; "" -> now
)

absences = Table(
    "absences",
    main,
    Column("id", Id, primary_key=True),
    Column("owner", String, nullable=False, index=True),  # name in journey.yaml
    Column("begins", Time, nullable=False),
    Column("ends", Time),  # null = until they are back
    Column("reason", String, nullable=False),
    Column("by", String, nullable=False),
    Column("at", Time, nullable=False),
)
