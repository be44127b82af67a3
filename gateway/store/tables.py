"""Every table, in two databases: ``inbox`` (documents as they came) and ``main`` (everything made of them).

Times are integers: microseconds since 1970 in UTC. Ids are UUIDv7 in 32 lower-case hex digits. JSON columns hold only
raw values, derived attributes and event bodies.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    false,
    text,
    true,
)

from gateway.store.types import string

# Not PostgreSQL's JSONB: it forgets the order of keys and how numbers were written, and we hand back what came.
Json = JSON()
String = string()
Id = string(32)
Time = BigInteger
DUE_SPAN = 4 * 3_600_000_000
"""Microseconds: scores that move by themselves within so long of each other stand together in their index."""

inbox = MetaData()
main = MetaData()

documents = Table(
    "documents",
    inbox,
    Column("id", Id, primary_key=True),
    Column("system", String, nullable=False),
    Column("received_at", Time, nullable=False),
    Column("key", String, nullable=False),  # sender's delivery id, else hash of the body
    Column("body_hash", string(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("content_type", String, nullable=False),
    Column("headers", Json, nullable=False),
    Column("origin", String, nullable=False),  # webhook | pull | file | lookup
    Column("stream", String, nullable=False, server_default=""),
    Column("history", Boolean, nullable=False, server_default=false()),
    Column("state", String, nullable=False),  # waiting | read | quarantined
    Column("reason", String, nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("deaths", Integer, nullable=False, server_default=text("0")),
    Column("flags", String, nullable=False, server_default=""),  # e.g. `same id, other body`
    Column("lease", String, nullable=False, server_default=""),
    Column("beat", Integer, nullable=False, server_default=text("0")),
    Index("documents_key", "system", "key", "received_at"),
    Index(
        "documents_waiting", "id", sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'")
    ),
    Index("documents_state", "state", "system"),
    Index(  # those that still have their bodies; who has none has a reason
        "documents_kept",
        "state",  # always the same: with it SQLite takes this index rather than the one above
        "received_at",
        sqlite_where=text("state = 'read' AND reason = ''"),
        postgresql_where=text("state = 'read' AND reason = ''"),
    ),
)

duplicates = Table(  # how many honest retries each system sent: they have no effect, but they are counted
    "duplicates",
    inbox,
    Column("system", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

ROOM = {"fillfactor": 75}  # percent of a page of PostgreSQL: a row that changes stays on it, and its indexes as well

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

records = Table(
    "records",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("entity", Id, nullable=False, index=True),  # lead, company or deal
    Column("snapshot", Json, nullable=False),  # system field -> [raw value or null (blank), at]; absent = unknown
    Column("first_at", Time, nullable=False),
    Column("created_at", Time),  # when it began over there, if the system says so
    Column("last_at", Time, nullable=False),  # the last event folded in, by (at, key)
    Column("last_key", String, nullable=False),
    Column("mapping", String, nullable=False),
    Column("main", Boolean, nullable=False, server_default=true()),  # primary of its object: written to
    Column("enrolled", Boolean, nullable=False, server_default=false()),
    Column("gone", String),  # reason, while it is deleted over there
    Column("assumed", Json, nullable=False),  # fields whose value we sent but have not seen back
    # fields put back by an undo and left alone since: field -> [sent, before, stamp of before, at, push]
    Column("holds", Json, nullable=False, server_default=text("'{}'")),
    Index("records_holds", "entity", sqlite_where=text("holds <> '{}'"), postgresql_where=text("holds::text <> '{}'")),
    Column("told", Json, nullable=False, server_default=text("'{}'")),  # field -> [raw value last sent, when it was]
    Column("contested", Json, nullable=False, server_default=text("'[]'")),  # fields that are not written any more
    postgresql_with=ROOM,
)

associations = Table(  # record-to-record links as a system reports them
    "associations",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("to_object", String, primary_key=True),
    Column("to_record", String, primary_key=True),
    Column("role", String, primary_key=True),
    Column("to_kind", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("present", Boolean, nullable=False),
    Column("at", Time, nullable=False),
    Column("event", String, nullable=False),
    Index("associations_to", "system", "to_object", "to_record"),
)

events = Table(
    "events",
    main,
    Column("key", String, primary_key=True),
    Column("document", Id, nullable=False, index=True),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("record", String, nullable=False),
    Column("type", String, nullable=False),
    Column("at", Time, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("precision", String, nullable=False),
    Column("body", Json, nullable=False),
    Column("mapping", String, nullable=False),
    Column("state", String, nullable=False),  # applied | waiting | dead
    Column("reason", String, nullable=False, server_default=""),
    Index("events_record", "system", "object", "record", "at"),
    Index(
        "events_open",
        "system",
        "state",
        sqlite_where=text("state <> 'applied'"),
        postgresql_where=text("state <> 'applied'"),
    ),
    Index(
        "events_troubles",
        "system",
        "known_at",
        "key",
        sqlite_where=text("reason <> ''"),
        postgresql_where=text("reason <> ''"),
    ),
)

tallies = Table(  # what became of everything read: counted in the transaction that did it
    "tallies",
    main,
    Column("system", String, primary_key=True),
    Column("what", String, primary_key=True),  # read | applied | skipped | dead | resurrected | planned | confirmed ...
    Column("reason", String, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

documents_read = Table(  # fencing: a document is worked exactly once, whoever held its lease
    "documents_read",
    main,
    Column("document", Id, primary_key=True),
    Column("read_at", Time, nullable=False),
)

activities = Table(
    "activities",
    main,
    Column("lead", Id, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("asset", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("record", String, nullable=False),
    Column("known_at", Time, nullable=False),
    Index("activities_record", "system", "object", "record"),
    Index(
        "activities_campaign",
        "campaign",
        "lead",
        sqlite_where=text("campaign <> ''"),
        postgresql_where=text("campaign <> ''"),
    ),
    sqlite_with_rowid=False,
)

activity_kinds = Table(
    "activity_kinds",
    main,
    Column("lead", Id, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("first_at", Time, nullable=False),
    Column("last_at", Time, nullable=False),
    sqlite_with_rowid=False,
)

outcomes = Table(
    "outcomes",
    main,
    Column("lead", Id, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("id", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("amount", String),
    Column("currency", String),
    Column("by", String, nullable=False),
    Column("precision", String, nullable=False),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("record", String, nullable=False),
    Column("known_at", Time, nullable=False),
    Column("wake", Time),  # when sales want the lead again
    Index("outcomes_record", "system", "object", "record"),
    Index("outcomes_outcome", "outcome", "lead"),
)

marks = Table(
    "marks",
    main,
    Column("id", Id, primary_key=True),
    Column("lead", Id, nullable=False, index=True),
    Column("at", Time, nullable=False),
    Column("kind", String, nullable=False),
    Column("points", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("until", Time),
    Column("by", String, nullable=False),
    Column("known_at", Time, nullable=False),
)

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
)

reached = Table(  # the first time a lead reached a stage; a pure function of its outcomes, activities and transitions
    "reached",
    main,
    Column("lead", Id, primary_key=True),
    Column("stage", String, primary_key=True),
    Column("at", Time, nullable=False),
    Column("cause", String, nullable=False),
    Column("ref", String, nullable=False),
    Index("reached_stage", "stage", "at", "lead"),
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

writes = Table(
    "writes",
    main,
    Column("id", Id, primary_key=True),
    Column("system", String, nullable=False),
    Column("object", String, nullable=False),
    Column("key", String, nullable=False),
    Column("lead", Id, index=True),
    Column("record", String),
    Column("fields", Json, nullable=False),
    Column("refs", Json, nullable=False),
    Column("create", Boolean, nullable=False),
    Column("anyway", Boolean, nullable=False, server_default=false()),  # a person knows who else is there
    Column(
        "stamps", Json, nullable=False
    ),  # when each value came to be, in microseconds: what we write keeps its origin
    Column("priority", Integer, nullable=False),
    Column("cause", String, nullable=False),
    Column("document", Id, nullable=False, server_default=""),  # the latest that it was planned because of
    Column("planned_at", Time, nullable=False),
    Column("state", String, nullable=False),  # waiting | leased | unknown | confirmed | superseded | dead
    Column("due_at", Time, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("lease", String, nullable=False, server_default=""),
    Column("beat", Integer, nullable=False, server_default=text("0")),
    Column("code", String, nullable=False, server_default=""),
    Column("message", String, nullable=False, server_default=""),
    Column("finished_at", Time),
    Column("push", String, nullable=False, server_default=""),  # the push (or minute of `gateway run`) that sent it
    # what the record held before: field -> [raw value or null (blank), stamp]; absent = unknown
    Column("before", Json, nullable=False, server_default=text("'{}'")),
    Index("writes_due", "system", "state", "priority", "due_at"),
    Index("writes_planned", "system", "state", "planned_at", "id"),  # the newest first
    Index(  # what a system has refused or not answered again and again
        "writes_failing",
        "system",
        sqlite_where=text("attempts >= 3 AND finished_at IS NULL"),
        postgresql_where=text("attempts >= 3 AND finished_at IS NULL"),
    ),
    Index("writes_push", "push", sqlite_where=text("push <> ''"), postgresql_where=text("push <> ''")),
    Index(
        "writes_waiting",
        "system",
        "key",
        unique=True,
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
)

notices = Table(  # what people are told: something that happened, or a state while it lasts
    "notices",
    main,
    Column("id", Id, primary_key=True),
    Column(
        "key", String, nullable=False, unique=True
    ),  # <kind>:<subject>; with the id behind it once a state has ended
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),  # a handoff, a step, a system ...
    Column("lead", Id, index=True),
    Column("words", String, nullable=False),  # what is wrong, of a state; no value of a person
    Column("began_at", Time, nullable=False),
    Column("ended_at", Time),  # null = it lasts
    Column("told_at", Time),  # null = its begin is yet to be told
    Column("end_told_at", Time),
    Index(
        "notices_open",
        "id",
        sqlite_where=text("ended_at IS NULL OR told_at IS NULL OR end_told_at IS NULL"),
        postgresql_where=text("ended_at IS NULL OR told_at IS NULL OR end_told_at IS NULL"),
    ),
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

lookups = Table(
    "lookups",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("record", String, primary_key=True),
    Column("fields", Json, nullable=False),
    Column("asked", Integer, nullable=False, server_default=text("1")),  # how often it was named while it waits
    Column("due_at", Time, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Index("lookups_due", "system", "due_at"),
)

work_items = Table(
    "work_items",
    main,
    Column("id", Id, primary_key=True),
    Column("key", String, nullable=False, unique=True),  # the same trouble is one item, however often it is met
    Column(
        "kind", String, nullable=False
    ),  # conflict | ambiguous match | unmapped value | dead letter | model file ...
    Column("system", String, nullable=False),
    Column("object", String, nullable=False, server_default=""),
    Column("record", String, nullable=False, server_default=""),
    Column("lead", Id, index=True),
    Column("detail", Json, nullable=False),
    Column("count", Integer, nullable=False, server_default=text("1")),
    Column("opened_at", Time, nullable=False),
    Column("resolved_at", Time),
    Column("resolution", String, nullable=False, server_default=""),
    Index(
        "work_items_open",
        *("opened_at", "id", "kind", "system", "key"),
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index(  # read before each delivery
        "work_items_drift",
        "system",
        sqlite_where=text("kind = 'drift' AND resolved_at IS NULL"),
        postgresql_where=text("kind = 'drift' AND resolved_at IS NULL"),
    ),
)

resolutions = Table(  # what people decided about work items: append-only
    "resolutions",
    main,
    Column("id", Id, primary_key=True),
    Column("item", Id, nullable=False, index=True),
    Column("lead", Id, index=True),
    Column("at", Time, nullable=False),
    Column("by", String, nullable=False),
    Column("resolution", String, nullable=False),
)

cursors = Table(
    "cursors",
    main,
    Column("system", String, primary_key=True),
    Column("stream", String, primary_key=True),
    Column("cursor", Json, nullable=False),
    Column("at", Time, nullable=False),
)

leases = Table(  # what one process of all machines does at a time; the token grows when it changes hands
    "leases",
    main,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False, server_default=""),
    Column("token", Integer, nullable=False, server_default=text("0")),
    Column("beat", Integer, nullable=False, server_default=text("0")),
)

systems = Table(
    "systems",
    main,
    Column("name", String, primary_key=True),
    Column("activated_at", Time),
    Column("existing", String, nullable=False, server_default=""),  # ignore | handover | fields
    Column("paused", String, nullable=False, server_default=""),  # reason; empty = not paused
    Column("paused_at", Time),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("retry_at", Time),
)

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

crossed = Table(  # leads that a changed model took across a threshold, or to a score to tell: the journey follows
    "crossed",
    main,
    Column("lead", Id, primary_key=True),
)

catalogues = Table(  # each object's fields as its system described them when all was right
    "catalogues",
    main,
    Column("system", String, primary_key=True),
    Column("object", String, primary_key=True),
    Column("fields", Json, nullable=False),  # none until it was described once
    Column("at", Time, nullable=False),  # of the last look
)

budgets = Table(
    "budgets",
    main,
    Column("system", String, primary_key=True),
    Column("window", String, primary_key=True),
    Column("used", BigInteger, nullable=False),
)

breakers = Table(  # parts of plugins that failed; open while they are not called. Times are the real clock's
    "breakers",
    main,
    Column("plugin", String, primary_key=True),
    Column("part", String, primary_key=True),  # read | pull | deliver | score | load | a hook
    Column("strikes", Json, nullable=False),  # [item, time, reason, call or "", times], until it opens
    Column("opened_at", Time),
    Column("retry_at", Time),
    Column("trips", Integer, nullable=False),
    Column("reason", String, nullable=False),
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

unblanked = Table(  # documents that named people who are forgotten: the inbox has yet to empty their bodies
    "unblanked",
    main,
    Column("document", Id, primary_key=True),
)

tombstones = Table(  # keyed hashes of forgotten people: they stay forgotten at the next pull
    "tombstones",
    main,
    Column("hash", string(64), primary_key=True),
    Column("at", Time, nullable=False),
)

users = Table(  # people who may use the desk and the API
    "users",
    main,
    Column("id", Id, primary_key=True),
    Column("email", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("password", String, nullable=False),  # argon2's text; empty = none yet
    Column("created_at", Time, nullable=False),
    Column("disabled_at", Time),
)

keys = Table(  # what they come in with, as hashes: session | browser | link | token
    "keys",
    main,
    Column("hash", string(64), primary_key=True),
    Column("id", Id, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("user", Id, nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("scopes", Json),  # null = all that the user's role may
    Column("created_at", Time, nullable=False),
    Column("seen_at", Time),
    Column("expires_at", Time),
)

login_failures = Table(
    "login_failures",
    main,
    Column("account", String, nullable=False, index=True),
    Column("address", String, nullable=False, index=True),
    Column("at", Time, nullable=False, index=True),
)

once = Table(  # answers to writes of the API that may be sent again
    "once",
    main,
    Column("key", string(64), primary_key=True),
    Column("asked", string(64), nullable=False),
    Column("answer", Json),
    Column("at", Time, nullable=False, index=True),
)

jobs = Table(  # long work under way, and what ended lately; times of the real clock
    "jobs",
    main,
    Column("id", Id, primary_key=True),
    Column("what", String, nullable=False),  # import | pull | replay | push | check …
    Column("subject", String, nullable=False, server_default=""),  # of which system or file
    Column("by", String, nullable=False),
    Column("machine", String, nullable=False, server_default=""),  # host:process
    Column("begun_at", Time, nullable=False),
    Column("beat_at", Time, nullable=False),
    Column("part", String, nullable=False, server_default=""),
    Column("done", BigInteger, nullable=False, server_default=text("0")),
    Column("total", BigInteger),
    Column("stop_by", String, nullable=False, server_default=""),  # who asked it to stop
    Column("ended_at", Time),
    Column("ended", String, nullable=False, server_default=""),  # done | stopped | failed
    Column("told", Text, nullable=False, server_default=""),
)

audit = Table(  # who changed what at the desk: append-only
    "audit",
    main,
    Column("id", Id, primary_key=True),
    Column("at", Time, nullable=False, index=True),
    Column("by", String, nullable=False),
    Column("token", String, nullable=False, server_default=""),
    Column("what", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("before", Json),
    Column("after", Json),
)

settings = Table(  # facts about this database itself, such as the key of the tombstones' hash
    "settings",
    main,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
