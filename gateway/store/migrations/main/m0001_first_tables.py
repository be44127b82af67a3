"""First tables."""

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "activities",
        sa.Column("lead", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("id", string(), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("asset", string(), nullable=False),
        sa.Column("channel", string(), nullable=False),
        sa.Column("campaign", string(), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "at", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("activities_record", "activities", ["system", "object", "record"], unique=False)
    op.create_table(
        "activity_kinds",
        sa.Column("lead", string(32), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "kind"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "associations",
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("to_object", string(), nullable=False),
        sa.Column("to_record", string(), nullable=False),
        sa.Column("role", string(), nullable=False),
        sa.Column("to_kind", string(), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", string(), nullable=False),
        sa.PrimaryKeyConstraint("system", "object", "record", "to_object", "to_record", "role"),
    )
    op.create_index("associations_to", "associations", ["system", "to_object", "to_record"], unique=False)
    op.create_table(
        "budgets",
        sa.Column("system", string(), nullable=False),
        sa.Column("window", string(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "window"),
    )
    op.create_table(
        "bundles",
        sa.Column("id", string(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("hashes", sa.JSON(), nullable=False),
        sa.Column("active_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", "active_at"),
    )
    op.create_table(
        "companies",
        sa.Column("id", string(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", string(32), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "cursors",
        sa.Column("system", string(), nullable=False),
        sa.Column("stream", string(), nullable=False),
        sa.Column("cursor", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "stream"),
    )
    op.create_table(
        "deal_leads",
        sa.Column("deal", string(32), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.PrimaryKeyConstraint("deal", "lead"),
    )
    op.create_index(op.f("ix_deal_leads_lead"), "deal_leads", ["lead"], unique=False)
    op.create_table(
        "deal_stages",
        sa.Column("deal", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("stage", string(), nullable=False),
        sa.Column("status", string(), nullable=False),
        sa.PrimaryKeyConstraint("deal", "at", "stage"),
    )
    op.create_table(
        "deals",
        sa.Column("id", string(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", string(32), nullable=True),
        sa.Column("company", string(32), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("stage", string(), server_default="", nullable=False),
        sa.Column("status", string(), server_default="open", nullable=False),
        sa.Column("status_at", sa.BigInteger(), nullable=True),
        sa.Column("amount", string(), nullable=True),
        sa.Column("currency", string(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_deals_company"), "deals", ["company"], unique=False)
    op.create_table(
        "documents_read",
        sa.Column("document", string(32), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("document"),
    )
    op.create_table(
        "events",
        sa.Column("key", string(), nullable=False),
        sa.Column("document", string(32), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("type", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("precision", string(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("mapping", string(), nullable=False),
        sa.Column("state", string(), nullable=False),
        sa.Column("reason", string(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index(
        "events_open",
        "events",
        ["system", "state"],
        unique=False,
        sqlite_where=sa.text("state <> 'applied'"),
        postgresql_where=sa.text("state <> 'applied'"),
    )
    op.create_index("events_record", "events", ["system", "object", "record", "at"], unique=False)
    op.create_index(
        "events_troubles",
        "events",
        ["system", "known_at", "key"],
        unique=False,
        sqlite_where=sa.text("reason <> ''"),
        postgresql_where=sa.text("reason <> ''"),
    )
    op.create_index(op.f("ix_events_document"), "events", ["document"], unique=False)
    op.create_table(
        "handoffs",
        sa.Column("id", string(32), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.Column("stage", string(), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("persona", string(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("contributions", sa.JSON(), nullable=False),
        sa.Column("scoring", string(), nullable=False),
        sa.Column("journey", string(), nullable=False),
        sa.Column("owner", string(), server_default="", nullable=False),
        sa.Column("response_due", sa.BigInteger(), nullable=True),
        sa.Column("period_ends", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", sa.BigInteger(), nullable=True),
        sa.Column("contacted_at", sa.BigInteger(), nullable=True),
        sa.Column("state", string(), nullable=False),
        sa.Column("bucket", string(), nullable=True),
        sa.Column("bucket_reason", string(), server_default="", nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", string(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("handoffs_due", "handoffs", ["state", "period_ends"], unique=False)
    op.create_index(
        "handoffs_open",
        "handoffs",
        ["lead"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(op.f("ix_handoffs_lead"), "handoffs", ["lead"], unique=False)
    op.create_table(
        "identities",
        sa.Column("namespace", string(), nullable=False),
        sa.Column("value", string(), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.PrimaryKeyConstraint("namespace", "value"),
    )
    op.create_index(op.f("ix_identities_lead"), "identities", ["lead"], unique=False)
    op.create_table(
        "leads",
        sa.Column("id", string(32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.Column("entered_at", sa.BigInteger(), nullable=False),
        sa.Column("merged_into", string(32), nullable=True),
        sa.Column("company", string(32), nullable=True),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("persona", string(), server_default="", nullable=False),
        sa.Column("stage", string(), server_default="", nullable=False),
        sa.Column("journey", string(), server_default="", nullable=False),
        sa.Column("excluded", string(), nullable=True),
        sa.Column("ignored", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("generation", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("above", sa.JSON(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_leads_company"), "leads", ["company"], unique=False)
    op.create_index("leads_excluded", "leads", ["excluded"], unique=False)
    op.create_table(
        "lookups",
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("asked", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("system", "object", "record"),
    )
    op.create_index("lookups_due", "lookups", ["system", "due_at"], unique=False)
    op.create_table(
        "marks",
        sa.Column("id", string(32), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("by", string(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_marks_lead"), "marks", ["lead"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("lead", string(32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("id", string(), nullable=False),
        sa.Column("outcome", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("amount", string(), nullable=True),
        sa.Column("currency", string(), nullable=True),
        sa.Column("by", string(), nullable=False),
        sa.Column("precision", string(), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("known_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "at", "id"),
    )
    op.create_index("outcomes_outcome", "outcomes", ["outcome", "lead"], unique=False)
    op.create_index("outcomes_record", "outcomes", ["system", "object", "record"], unique=False)
    op.create_table(
        "reached",
        sa.Column("lead", string(32), nullable=False),
        sa.Column("stage", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("cause", string(), nullable=False),
        sa.Column("ref", string(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "stage"),
    )
    op.create_index("reached_stage", "reached", ["stage", "at"], unique=False)
    op.create_table(
        "records",
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("record", string(), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("entity", string(32), nullable=False),
        sa.Column("snapshot", sa.JSON(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("last_key", string(), nullable=False),
        sa.Column("mapping", string(), nullable=False),
        sa.Column("main", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("enrolled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("gone", string(), nullable=True),
        sa.Column("assumed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("system", "object", "record"),
    )
    op.create_index(op.f("ix_records_entity"), "records", ["entity"], unique=False)
    op.create_table(
        "rescores",
        sa.Column("id", string(32), nullable=False),
        sa.Column("company", string(32), nullable=True),
        sa.Column("cause", string(), nullable=False),
        sa.Column("after", string(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "scores",
        sa.Column("lead", string(32), nullable=False),
        sa.Column("name", string(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("fit", sa.Integer(), nullable=False),
        sa.Column("behaviour", sa.Integer(), nullable=False),
        sa.Column("band", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("changes_at", sa.BigInteger(), nullable=True),
        sa.Column("scoring", string(), nullable=False),
        sa.PrimaryKeyConstraint("lead", "name"),
    )
    op.create_index(op.f("ix_scores_changes_at"), "scores", ["changes_at"], unique=False)
    op.create_table(
        "settings",
        sa.Column("name", string(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "steps",
        sa.Column("id", string(), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.Column("stage", string(), nullable=False),
        sa.Column("crossing", sa.Integer(), nullable=False),
        sa.Column("step", sa.JSON(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("state", string(), nullable=False),
        sa.Column("reason", string(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_steps_lead"), "steps", ["lead"], unique=False)
    op.create_table(
        "systems",
        sa.Column("name", string(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("existing", string(), server_default="", nullable=False),
        sa.Column("paused", string(), server_default="", nullable=False),
        sa.Column("paused_at", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tallies",
        sa.Column("system", string(), nullable=False),
        sa.Column("what", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "what", "reason"),
    )
    op.create_table(
        "tombstones",
        sa.Column("hash", string(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "transitions",
        sa.Column("id", string(32), nullable=False),
        sa.Column("lead", string(32), nullable=False),
        sa.Column("from_stage", string(), nullable=False),
        sa.Column("stage", string(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("cause", string(), nullable=False),
        sa.Column("reason", string(), nullable=False),
        sa.Column("ref", string(), nullable=False),
        sa.Column("score", sa.Integer(), nullable=True),
        sa.Column("threshold", sa.Integer(), nullable=True),
        sa.Column("scoring", string(), nullable=False),
        sa.Column("journey", string(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_transitions_lead"), "transitions", ["lead"], unique=False)
    op.create_table(
        "work_items",
        sa.Column("id", string(32), nullable=False),
        sa.Column("key", string(), nullable=False),
        sa.Column("kind", string(), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), server_default="", nullable=False),
        sa.Column("record", string(), server_default="", nullable=False),
        sa.Column("lead", string(32), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("count", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("resolved_at", sa.BigInteger(), nullable=True),
        sa.Column("resolution", string(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index(op.f("ix_work_items_lead"), "work_items", ["lead"], unique=False)
    op.create_table(
        "writes",
        sa.Column("id", string(32), nullable=False),
        sa.Column("system", string(), nullable=False),
        sa.Column("object", string(), nullable=False),
        sa.Column("key", string(), nullable=False),
        sa.Column("lead", string(32), nullable=True),
        sa.Column("record", string(), nullable=True),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("refs", sa.JSON(), nullable=False),
        sa.Column("create", sa.Boolean(), nullable=False),
        sa.Column("stamps", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("cause", string(), nullable=False),
        sa.Column("planned_at", sa.BigInteger(), nullable=False),
        sa.Column("state", string(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease", string(), server_default="", nullable=False),
        sa.Column("beat", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", string(), server_default="", nullable=False),
        sa.Column("message", string(), server_default="", nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_writes_lead"), "writes", ["lead"], unique=False)
    op.create_index("writes_due", "writes", ["system", "state", "priority", "due_at"], unique=False)
    op.create_index(
        "writes_waiting",
        "writes",
        ["system", "key"],
        unique=True,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
