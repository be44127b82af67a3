"""Counts the funnel where the data lies: a constant number of statements, aggregated by the database.

In: the compiled journey, and what to group by. Out: ``metrics.funnel.FunnelCounts``. A lead that was merged into
another is not counted; one whose person was forgotten still is, without a value in any attribute's grouping.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
    column,
    distinct,
    func,
    literal,
    select,
    values,
)

from gateway.journey.journey import Journey
from gateway.metrics.funnel import FunnelCounts, Group
from gateway.store.among import among
from gateway.store.tables import companies, leads, outcomes, reached
from gateway.store.touches import Won, won
from gateway.times import from_micros, to_micros

_SPAN = 28 * 86_400_000_000  # microseconds; not longer than any month
_FIRST, _LAST = to_micros(datetime(2, 1, 1, tzinfo=UTC)), to_micros(datetime(9998, 12, 1, tzinfo=UTC))


def funnel(
    connection: Connection,
    journey: Journey,
    by: str | None,
    zone: ZoneInfo,
    currency: str = "",
    since: int | None = None,
    until: int | None = None,
) -> FunnelCounts:
    """Count the funnel of the leads that entered from ``since`` until before ``until``, and by ``by`` where given.

    :param by: ``month`` (of entry, in ``zone``), ``persona``, ``stage`` (the present one), or the name of an attribute;
        those of the lead's company are ``company.<name>``.
    :param currency: of the revenue; a deal's is shared equally among its leads.
    """
    counted = and_(
        leads.c.merged_into.is_(None),
        *([leads.c.entered_at >= since] if since is not None else []),
        *([leads.c.entered_at < until] if until is not None else []),
    )
    stages = journey.shared_stages()
    shared = case({name: shared for shared, names in stages.items() for name in names}, value=reached.c.stage)
    known = [name for names in stages.values() for name in names]
    sold = won(connection, journey, currency, None, None)
    revenue = _revenue(connection, sold, counted)
    grouping = _grouping(connection, by, zone, counted) if by else None
    groups = _groups(connection, grouping, shared, known, counted, revenue) if grouping is not None else ()
    per_stage = (
        select(shared, func.count(distinct(reached.c.lead)))
        .join(leads, leads.c.id == reached.c.lead)
        .where(counted, reached.c.stage.in_(known))
        .group_by(shared)
    )
    return FunnelCounts(
        entered=connection.scalar(select(func.count()).select_from(leads).where(counted)) or 0,
        stages=_counts(connection, per_stage),
        excluded=_counts(
            connection,
            select(leads.c.excluded, func.count())
            .where(counted, leads.c.excluded.is_not(None))
            .group_by(leads.c.excluded),
        ),
        outcomes=_counts(
            connection,
            select(outcomes.c.outcome, func.count(distinct(outcomes.c.lead)))
            .join(leads, leads.c.id == outcomes.c.lead)
            .where(counted)
            .group_by(outcomes.c.outcome),
        ),
        won_before_entry=list(
            connection.scalars(
                select(leads.c.id)
                .distinct()
                .join(reached, reached.c.lead == leads.c.id)
                .where(counted, reached.c.stage.in_(stages.get("won", ())), reached.c.at < leads.c.entered_at)
                .order_by(leads.c.id)
            )
        ),
        groups=groups,
        revenue=sum(revenue.values()),
        foreign=sold.foreign,
        nobodys=_nobodys(sold),
    )


def _revenue(connection: Connection, sold: Won, counted: ColumnElement[bool]) -> dict[str, float]:
    """Lead → its part of what was won, of those that are counted."""
    people = Counter(id(sale) for sales in sold.of_lead.values() for sale in sales)
    theirs = select(leads.c.id).where(counted, among(leads.c.id, sold.of_lead))
    return {
        lead: sum(sale.value / people[id(sale)] for sale in sold.of_lead[lead]) for lead in connection.scalars(theirs)
    }


def _nobodys(sold: Won) -> tuple[int, float]:
    named = {id(sale) for sales in sold.of_lead.values() for sale in sales}
    found = [sale.value for sale in sold.journeys if id(sale) not in named]
    return len(found), sum(found)


def _counts(connection: Connection, statement: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(statement)}


# -- groups ------------------------------------------------------------------------------------------------------------


class _Grouping(NamedTuple):
    """``value`` of a lead as text, read from ``source``; ``json``: the text is JSON."""

    value: ColumnElement[Any]
    source: FromClause
    json: bool = False


def _groups(
    connection: Connection,
    grouping: _Grouping,
    shared: ColumnElement[Any],
    known: list[str],
    counted: ColumnElement[bool],
    revenue: Mapping[str, float],
) -> list[Group]:
    value, source = grouping.value, grouping.source
    came = select(value, func.count()).select_from(source).where(counted).group_by(value)
    entered: dict[str | None, int] = {row[0]: row[1] for row in connection.execute(came)}
    stages: dict[str | None, Counter[str]] = {text: Counter() for text in entered}
    statement = (
        select(value, shared, func.count(distinct(reached.c.lead)))
        .select_from(source.join(reached, reached.c.lead == leads.c.id))
        .where(counted, reached.c.stage.in_(known))
        .group_by(value, shared)
    )
    for text, stage, count in connection.execute(statement):
        stages[text][stage] = count
    earned: dict[str | None, float] = defaultdict(float)
    buyers = select(leads.c.id, value).select_from(source).where(among(leads.c.id, revenue))
    for lead, text in connection.execute(buyers):
        earned[text] += revenue[lead]
    return [
        Group(json.loads(text) if grouping.json and text is not None else text, count, stages[text], earned[text])
        for text, count in entered.items()
    ]


def _grouping(connection: Connection, by: str, zone: ZoneInfo, counted: ColumnElement[bool]) -> _Grouping:
    if by == "month":
        return _by_month(connection, zone, counted)
    if by in ("persona", "stage"):
        return _Grouping(func.nullif(leads.c[by], ""), leads)
    if by.startswith("company."):
        joined = leads.outerjoin(companies, companies.c.id == leads.c.company)
        return _Grouping(_json(connection, companies.c.attributes, by.removeprefix("company.")), joined, json=True)
    return _Grouping(_json(connection, leads.c.attributes, by), leads, json=True)


def _json(connection: Connection, attributes: ColumnElement[Any], name: str) -> ColumnElement[str | None]:
    """As ``json_text``; null without a value."""
    return func.nullif(func.nullif(json_text(connection, attributes, name), "null"), '""')


def json_text(connection: Connection, attributes: ColumnElement[Any], name: str) -> ColumnElement[str | None]:
    """The JSON text of one value, which keeps its type and can be grouped by; ``null`` or null when it is not there."""
    if connection.dialect.name == "postgresql":
        return cast(attributes.op("->")(literal(name, String)), Text)
    path = literal('$."{}"'.format(name.replace('"', r"\"")), String)
    quoted = func.json_quote(func.json_extract(attributes, path))
    # A truth value comes out of SQLite as 0 or 1; only its type tells.
    return case({"true": "true", "false": "false"}, value=func.json_type(attributes, path), else_=quoted)


def _by_month(connection: Connection, zone: ZoneInfo, counted: ColumnElement[bool]) -> _Grouping:
    """Neither database knows the instance's zone, so it is given the edges of the months that can have leads."""
    spans = connection.scalars(select(leads.c.entered_at // _SPAN).distinct().where(counted))
    months = sorted({month for span in spans for month in _months(span, zone)})
    if not months:
        return _Grouping(literal(None, String), leads)
    edges = (
        values(column("month", String), column("begins", BigInteger), column("ends", BigInteger))
        .data([(f"{year:04}-{month:02}", *_edges(year, month, zone)) for year, month in months])
        .cte("months")
    )
    within = (leads.c.entered_at >= edges.c.begins) & (leads.c.entered_at < edges.c.ends)
    return _Grouping(edges.c.month, leads.outerjoin(edges, within))


def _months(span: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """Every month that a lead of this span can be in; before 1970 a quotient is rounded towards 1970."""
    first, last = (_moment((span + side) * _SPAN).astimezone(zone) for side in (-1, 1))
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield month // 12, month % 12 + 1


def _moment(micros: int) -> datetime:
    """A time with room for a zone's offset and a month's end on both sides."""
    return from_micros(min(max(micros, _FIRST), _LAST))


def _edges(year: int, month: int, zone: ZoneInfo) -> tuple[int, int]:
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=zone)
    return to_micros(datetime(year, month, 1, tzinfo=zone)), to_micros(following)
