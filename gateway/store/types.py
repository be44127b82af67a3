"""The column types that both databases understand alike. The steps of the migrations use them: never change one."""

from __future__ import annotations

from sqlalchemy import String


def string(length: int | None = None) -> String:
    """Text in the order of its characters' numbers: as SQLite and Python sort.

    PostgreSQL would sort by the rules of some language, which skip punctuation, change with the operating system and
    serve no search by prefix.
    """
    return String(length).with_variant(String(length, collation="C"), "postgresql")
