"""Who changed what, when, from what to what: append-only.

``noting`` is around a change that is made elsewhere: its entry is kept in the transaction that makes it, so neither is
ever there without the other. ``note`` is for who has the transaction in hand.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, select, tuple_

from gateway.errors import ConfigError, NotFound, Refused
from gateway.store import tables as t
from gateway.store.database import ALONG, read, write
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


@dataclass(slots=True)
class Entry:
    """What is being changed. ``subject`` and ``after`` may be said once they are known; ``after`` may be asked of the
    store as the change leaves it. ``made``: set to False where it turned out that there was nothing to change."""

    at: int
    by: str
    what: str
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | Callable[[Connection], Mapping[str, Any]] | None = None
    token: str = ""
    made: bool = True
    id: str = field(default_factory=new_id)

    def row(self, connection: Connection) -> dict[str, Any]:
        after = self.after(connection) if callable(self.after) else self.after
        names = ("id", "at", "by", "what", "subject", "before", "token")
        return {name: getattr(self, name) for name in names} | {"after": after}

    def put(self, connection: Connection) -> None:
        self.drop(connection)
        connection.execute(insert(t.audit).values(**self.row(connection)))

    def drop(self, connection: Connection) -> None:
        connection.execute(delete(t.audit).where(_a.id == self.id))


@contextlib.contextmanager
def noting(engine: Engine, entry: Entry, first: bool = False) -> Iterator[Entry]:
    """Around a change: ``entry`` goes into the transaction that makes it; of several into the first, completed by
    the others. Where it was refused there is none.

    :param first: the change is not made in ``engine``'s database (a file, the inbox): it is noted before it begins, so
        that a crash may leave an entry of what was not done, but nothing done of which nobody knows who did it.
    """

    def along(connection: Connection) -> None:
        if connection.engine.url == engine.url:
            entry.put(connection)

    if first:
        with write(engine) as connection:
            entry.put(connection)
    outer, refused = ALONG.set(along), None
    try:
        yield entry
    except (Refused, NotFound, ConfigError) as exc:
        entry.made, refused = False, exc
    finally:
        ALONG.reset(outer)
    _settle(engine, entry)
    if refused is not None:
        raise refused


def _settle(engine: Engine, entry: Entry) -> None:
    """What was said of it after its transaction, and what had none in this database."""
    with read(engine) as connection:
        kept = connection.execute(select(t.audit).where(_a.id == entry.id)).mappings().first()
        same = kept is not None and dict(kept) == entry.row(connection) if entry.made else kept is None
    if not same:
        with write(engine) as connection:
            entry.put(connection) if entry.made else entry.drop(connection)


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
