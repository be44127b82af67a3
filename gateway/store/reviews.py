"""Reviews of a period, with the numbers that were looked at, and what they decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from gateway.errors import NotFound, Refused
from gateway.store import tables as t
from gateway.store.times import new_id

_r, _d = t.reviews.c, t.decisions.c


@dataclass(frozen=True, slots=True)
class Review:
    """Times are microseconds. ``held_at``: of its first decision; ``pack``: its sections, as in ``answers.review``."""

    id: str
    period: str
    since: int
    until: int
    built_at: int
    by: str
    held_at: int | None
    pack: list[dict[str, Any]] = field(repr=False, default_factory=list)


@dataclass(frozen=True, slots=True)
class Decision:
    """``due``: a day. ``period``: of the review that decided it."""

    id: str
    period: str
    text: str
    owner: str
    due: str
    at: int
    by: str
    done_at: int | None
    done_by: str


def keep(connection: Connection, review: Review) -> Review:
    """The numbers of a period, in place of those before. Raises ``Refused`` once something was decided by those."""
    before = connection.execute(select(_r.id, _r.held_at).where(_r.period == review.period)).first()
    values = {"built_at": review.built_at, "by": review.by, "pack": review.pack}
    if before is None:
        whole = {"id": review.id, "period": review.period, "since": review.since, "until": review.until}
        connection.execute(insert(t.reviews).values(whole | values))
    elif before.held_at is None:
        connection.execute(update(t.reviews).where(_r.id == before.id).values(values))
    else:
        raise Refused(f"{review.period} has been reviewed: what was decided, was decided by its numbers of then")
    return find(connection, review.period)


def find(connection: Connection, period: str) -> Review:
    """Raises ``NotFound`` where no pack of the period was kept."""
    row = connection.execute(select(t.reviews).where(_r.period == period)).first()
    if row is None:
        raise NotFound(f"no review of {period}; `gateway review --period {period}` makes its pack")
    return Review(**row._mapping)


def listed(connection: Connection) -> list[Review]:
    """All, the newest period first, without their packs."""
    columns = [column for column in t.reviews.c if column.name != "pack"]
    return [Review(**row._mapping) for row in connection.execute(select(*columns).order_by(_r.since.desc()))]


def held(connection: Connection) -> int | None:
    """When the last review was held."""
    last: int | None = connection.scalar(select(func.max(_r.held_at)))
    return last


def decide(connection: Connection, review: Review, words: str, owner: str, due: str, now: int, by: str) -> str:
    """Record a decision; the first makes the review one that was held. Returns its id."""
    row = {"id": new_id(), "review": review.id, "text": words, "owner": owner, "due": due, "at": now, "by": by}
    connection.execute(insert(t.decisions).values(row))
    connection.execute(update(t.reviews).where(_r.id == review.id, _r.held_at.is_(None)).values(held_at=now))
    return row["id"]  # type: ignore[return-value]


def decisions(connection: Connection, period: str | None = None, open_only: bool = False) -> Sequence[Decision]:
    """In the order in which they fall due."""
    columns = (_d.id, _r.period, _d.text, _d.owner, _d.due, _d.at, _d.by, _d.done_at, _d.done_by)
    rows = select(*columns).join(t.reviews, _r.id == _d.review).order_by(_d.due, _d.id)
    rows = rows.where(_r.period == period) if period is not None else rows
    rows = rows.where(_d.done_at.is_(None)) if open_only else rows
    return [Decision(*row) for row in connection.execute(rows)]


def done(connection: Connection, id_: str, now: int, by: str) -> Decision:
    """A task is finished. Raises ``NotFound`` or, when it was before, ``Refused``."""
    found = [one for one in decisions(connection) if one.id.startswith(id_)]
    if len(found) != 1:
        raise NotFound(f"no task {id_!r}; `gateway review tasks` lists them" if not found else f"{id_} begins several")
    if found[0].done_at is not None:
        raise Refused(f"{found[0].done_by} finished it before")
    connection.execute(update(t.decisions).where(_d.id == found[0].id).values(done_at=now, done_by=by))
    return found[0]
