"""Who changed what, when, from what to what: append-only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, insert, select, tuple_

from gateway.store import tables as t
from gateway.store.times import new_id

_a = t.audit.c


def note(
    connection: Connection,
    at: int,
    by: str,
    what: str,
    subject: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    token: str = "",
) -> None:
    """Add an entry. ``at``: microseconds; ``subject``: the id or name of what was changed, never a value of a lead.

    :param token: the name of the token of ``by`` that a program showed; empty: no program.
    """
    entry = {"id": new_id(), "at": at, "by": by, "token": token, "what": what, "subject": subject}
    connection.execute(insert(t.audit).values(**entry, before=before, after=after))


def entries(
    connection: Connection,
    limit: int,
    *,
    by: str = "",
    what: str = "",
    subject: str = "",
    since: int | None = None,
    until: int | None = None,
    after: tuple[int, str] | None = None,
) -> list[dict[str, Any]]:
    """The newest first. ``what``: the beginning of it; ``since`` and ``until`` (not with it) in microseconds.

    :param after: ``at`` and ``id`` of the last one of the page before.
    """
    chosen = select(t.audit).order_by(_a.at.desc(), _a.id.desc()).limit(limit)
    chosen = chosen.where(_a.by == by) if by else chosen
    chosen = chosen.where(_a.what.startswith(what, autoescape=True)) if what else chosen
    chosen = chosen.where(_a.subject == subject) if subject else chosen
    chosen = chosen.where(_a.at >= since) if since is not None else chosen
    chosen = chosen.where(_a.at < until) if until is not None else chosen
    chosen = chosen.where(tuple_(_a.at, _a.id) < tuple_(*after)) if after is not None else chosen
    return [dict(row) for row in connection.execute(chosen).mappings()]
