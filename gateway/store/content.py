"""Engagements by what they were with, and the people behind them: what ``metrics.content`` is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Subquery, distinct, func, select, union

from gateway.journey.journey import Journey
from gateway.metrics.content import KEYS, Reached, Touch
from gateway.store import tables as t


def engagements(connection: Connection, since: int | None, until: int | None) -> dict[Touch, int]:
    """How often each touch happened from ``since`` until before ``until`` (microseconds)."""
    parts = _parts(Touch._fields)
    rows = select(*parts, func.count()).where(*_within(since, until)).group_by(*parts)
    return {Touch(*row[:-1]): row[-1] for row in connection.execute(rows)}


def reached(
    connection: Connection, journey: Journey, by: str, since: int | None, until: int | None
) -> tuple[dict[tuple[str, ...], Reached], Reached]:
    """How many people, and how many of them ever won: by the parts of a row (``metrics.content.KEYS``), and in all."""
    a, won = t.activities.c, _won(journey)
    parts = _parts(KEYS[by])
    people = (
        select(*parts, func.count(distinct(a.lead)), func.count(distinct(won.c.lead)))
        .select_from(t.activities.outerjoin(won, won.c.lead == a.lead))
        .where(*_within(since, until))
        .group_by(*parts)
    )
    found = {tuple(row[:-2]): Reached(row[-2], row[-1]) for row in connection.execute(people)}
    c = t.leads.c
    whole = select(func.count(), func.count(won.c.lead)).select_from(t.leads.outerjoin(won, won.c.lead == c.id))
    return found, Reached(*connection.execute(whole.where(c.merged_into.is_(None))).one())


def people(connection: Connection, by: str, key: Sequence[str], since: int | None, until: int | None) -> Iterable[str]:
    """The leads behind one row."""
    row = _row(by, key)
    return connection.scalars(select(t.activities.c.lead).distinct().where(*row, *_within(since, until))).all()


def buyers(
    connection: Connection, journey: Journey, by: str, key: Sequence[str], since: int | None, until: int | None
) -> Iterable[str]:
    """Those of them who ever won; without a ``key`` all who did, as ``reached`` counts them."""
    won, c = _won(journey), t.leads.c
    of = [c.merged_into.is_(None)]
    if key:
        of = [c.id.in_(select(t.activities.c.lead).where(*_row(by, key), *_within(since, until)))]
    return connection.scalars(select(c.id).where(c.id.in_(select(won.c.lead)), *of).order_by(c.id)).all()


def without_stage(
    connection: Connection,
    serves: Callable[[Mapping[str, str]], str | None],
    by: str,
    key: Sequence[str],
    since: int | None,
    until: int | None,
) -> Iterable[str]:
    """The leads of the engagements that serve no stage: of one row, without a ``key`` of all."""
    parts = _parts(Touch._fields)
    rows = select(*parts, t.activities.c.lead).distinct().where(*_row(by, key), *_within(since, until))
    stage = cache(lambda touch: serves(touch._asdict()))
    return sorted({row[-1] for row in connection.execute(rows) if stage(Touch(*row[:-1])) is None})


def _won(journey: Journey) -> Subquery:
    """Leads of won deals, and those that were won without one."""
    r, d = t.reached.c, t.deals.c
    by_deal = select(t.deal_leads.c.lead).join(t.deals, d.id == t.deal_leads.c.deal)
    by_stage = select(r.lead).where(r.stage.in_(journey.shared_stages().get("won", ())))
    return union(by_deal.where(d.status == "won", d.merged_into.is_(None)), by_stage).subquery()


def _row(by: str, key: Sequence[str]) -> list[ColumnElement[bool]]:
    """Without a ``key``: of every row."""
    return [part == value for part, value in zip(_parts(KEYS[by]), key, strict=True)] if key else []


def _parts(names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [t.activities.c[name] for name in names]


def _within(since: int | None, until: int | None) -> list[ColumnElement[bool]]:
    at = t.activities.c.at
    return [*([at >= since] if since is not None else []), *([at < until] if until is not None else [])]
