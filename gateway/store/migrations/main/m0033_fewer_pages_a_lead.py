"""What a batch reads of each lead takes fewer pages: SQLite keeps scores and stages reached in the index of their keys
(identities, which come in no order, would touch more then); indexes tell who is beside a record, and what thresholds
decided, without the rows."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from gateway.store.types import string

revision = "main_0033"
down_revision = "main_0032"

MOVES = sa.text("changes_at IS NOT NULL")
THRESHOLD = sa.text("reason = 'threshold'")


def upgrade() -> None:
    op.drop_index("ix_records_entity", "records")
    op.create_index("records_entity", "records", ["entity", "system", "object", "record"])
    op.create_index(
        "transitions_threshold",
        "transitions",
        ["lead", "stage", "at", "ref"],
        sqlite_where=THRESHOLD,
        postgresql_where=THRESHOLD,
    )
    if op.get_bind().dialect.name != "sqlite":  # PostgreSQL keeps all rows apart from their keys
        return
    _within_key(
        "reached",
        [
            sa.Column("lead", string(32), nullable=False),
            sa.Column("stage", string(), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("cause", string(), nullable=False),
            sa.Column("ref", string(), nullable=False),
        ],
        ["lead", "stage"],
        {"reached_stage": ["stage", "at", "lead"]},
    )
    op.drop_index("scores_due", "scores")
    _within_key(
        "scores",
        [
            sa.Column("lead", string(32), nullable=False),
            sa.Column("name", string(), nullable=False),
            sa.Column("total", sa.Integer(), nullable=False),
            sa.Column("fit", sa.Integer(), nullable=False),
            sa.Column("behaviour", sa.Integer(), nullable=False),
            sa.Column("band", string(), nullable=False),
            sa.Column("at", sa.BigInteger(), nullable=False),
            sa.Column("changes_at", sa.BigInteger(), nullable=True),
            sa.Column("scoring", string(), nullable=False),
        ],
        ["lead", "name"],
        {"scores_total": ["total", "lead", "name", "band"]},
    )
    op.create_index(
        "scores_due",
        "scores",
        [sa.text("(changes_at / 14400000000)"), "lead", "name", "changes_at"],
        sqlite_where=MOVES,
        postgresql_where=MOVES,
    )


def _within_key(table: str, columns: list[sa.Column[Any]], key: list[str], indexes: dict[str, list[str]]) -> None:
    """Make ``table`` anew without rowid, row for row, in the order of its key."""
    names = ", ".join(column.name for column in columns)
    for index in indexes:
        op.drop_index(index, table)
    op.rename_table(table, f"former_{table}_rows")
    op.create_table(table, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=False)
    op.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM former_{table}_rows ORDER BY {', '.join(key)}")
    op.drop_table(f"former_{table}_rows")
    for index, its in indexes.items():
        op.create_index(index, table, its)
