"""Counts the funnel where the data lies: a constant number of statements, aggregated by the database.

In: the compiled journey, what to group by, and what was won. Out: ``metrics.funnel.FunnelCounts``. Each lead carries
the names of the stages it reached (``leads.path``), so a cohort's funnel is one look at each lead, however many
transitions there were. A lead that was merged into another is not counted; one whose person was forgotten still is,
without a value in any attribute's grouping.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from sqlite3 import sqlite_version_info
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Subquery,
    Text,
    and_,
    case,
    cast,
    distinct,
    func,
    literal,
    null,
    select,
)

from gateway.journey.journey import Journey
from gateway.metrics.funnel import FunnelCounts, Group
from gateway.metrics.period import MONTHS, begins, following, label, midnight
from gateway.store.among import among
from gateway.store.plain import rows_of
from gateway.store.tables import activities, companies, handoffs, leads, outcomes, reached, rollups, rollups_due
from gateway.store.touches import Won, shares
from gateway.times import from_micros, to_micros

WORDS = (*MONTHS, "persona", "stage", "campaign", "channel", "owner")
"""What leads are grouped by beside their attributes; an attribute of such a name is ``lead.<name>``."""
_SPAN = 28 * 86_400_000_000  # microseconds; not longer than any month
_FIRST, _LAST = to_micros(datetime(2, 1, 1, tzinfo=UTC)), to_micros(datetime(9998, 12, 1, tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads, and by what. ``since``, ``until``: microseconds, of entry in a cohort, else of each stage.

    ``by``: one of ``WORDS``, or the name of an attribute; those of the lead's company are ``company.<name>``.
    ``name``: (system, id of an owner there) → who that is.
    """

    by: str | None
    zone: ZoneInfo
    since: int | None = None
    until: int | None = None
    fiscal_year_start: int = 1
    name: Callable[[str, str], str] = lambda system, who: who

    @property
    def everybody(self) -> bool:
        return (self.by, self.since, self.until) == (None, None, None)

    def holds(self, at: int) -> bool:
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)

    def bounds(self, at: ColumnElement[int]) -> list[ColumnElement[bool]]:
        found = [at >= self.since] if self.since is not None else []
        return found + ([at < self.until] if self.until is not None else [])

    def within(self, at: ColumnElement[int]) -> list[ColumnElement[bool]]:
        return [leads.c.merged_into.is_(None), *self.bounds(at)]


def cohort(connection: Connection, journey: Journey, wanted: Wanted, sold: Won) -> FunnelCounts:
    """The leads that entered in the time, wherever they went since. ``sold``: everything ever won."""
    e = leads.c
    grouping = _grouping(connection, wanted, e.entered_at)
    counted = wanted.within(e.entered_at)
    found = _Groups(grouping)
    kind = [grouping.value.label("kind")] if wanted.by is not None else []
    rows = select(*kind, e.path).select_from(grouping.source).where(*counted)
    shared = cache(partial(_shared, journey))
    for (*value, path), count in _counted(connection, rows):
        group = found.of(*value)
        group.entered += count
        for stage in shared(path):
            group.stages[stage] += count
    if wanted.everybody:
        found.of().cents = sum(sale.cents for sale in sold.journeys if sale.leads)
    else:
        part = shares(sold)
        theirs = select(e.id, grouping.value).select_from(grouping.source).where(*counted, among(e.id, part))
        for lead, value in rows_of(connection, theirs):
            found.of(value).cents += part[lead]
    said = _outcomes(e.entered_at, wanted)
    every = wanted.since is None and wanted.until is None
    return found.counts(
        [sale.cents for sale in sold.journeys if not sale.leads and wanted.holds(sale.won_at or 0)],
        unpriced=sold.without_revenue(None if every else unpriced(connection, sold, counted)),
        excluded=_excluded(connection, counted),
        outcomes={row[0]: row[1] for row in connection.execute(said)},
        won_before_entry=sorted(
            lead for lead, entered, at in sold.wins if sold.last(lead, at) < entered and wanted.holds(entered)
        ),
        took=sorted(max(at - entered, 0) for lead, entered, at in sold.wins if sold.last(lead, at) >= entered),
    )


def flow(connection: Connection, journey: Journey, wanted: Wanted, sold: Won) -> FunnelCounts:
    """What happened in the time: who entered, who first reached each stage, what was won, whenever they had entered.

    ``sold``: what was won in the time.
    """
    e = leads.c
    grouping = _grouping(connection, wanted, e.entered_at)
    found = _Groups(grouping)
    entered = wanted.within(e.entered_at)
    rows = select(grouping.value.label("kind")).select_from(grouping.source)
    for (value,), count in _counted(connection, rows.where(*entered)):
        found.of(value).entered += count
    for stage, names in journey.shared_stages().items():
        grouping, rows = _first(connection, wanted, names)
        for (value,), count in _counted(connection, rows.with_only_columns(rows.selected_columns.kind)):
            found.of(value, grouping).stages[stage] += count
    if wanted.by in MONTHS:  # a deal belongs to the month it was won in, which is each deal's own
        unit = _Unit(wanted.by, wanted)
        for sale in sold.journeys:
            if sale.won_at is not None and sale.leads:
                found.at(unit.name(sale.won_at)).cents += sale.cents
    else:
        part = shares(sold)
        grouping = _grouping(connection, wanted, e.entered_at)
        theirs = select(e.id, grouping.value).select_from(grouping.source).where(among(e.id, part))
        for lead, value in rows_of(connection, theirs):
            found.of(value).cents += part[lead]
    said = _outcomes(outcomes.c.at, wanted)
    return found.counts(
        [sale.cents for sale in sold.journeys if not sale.leads],
        unpriced=sold.without_revenue(),
        excluded=_excluded(connection, entered),
        outcomes={row[0]: row[1] for row in connection.execute(said)},
    )


def unpriced(connection: Connection, sold: Won, wanted: Sequence[ColumnElement[bool]]) -> set[str]:
    """The leads of a cohort that have deals without revenue."""
    theirs = {lead for one in sold.unpriced for lead in one.leads}
    return set(connection.scalars(select(leads.c.id).where(*wanted, among(leads.c.id, theirs)))) if theirs else set()


def _counted(connection: Connection, rows: Select[Any]) -> Iterable[tuple[tuple[Any, ...], int]]:
    """Each different row and how many there are. SQLite sorts what it groups, unless an index did: to count here
    takes less."""
    columns = list(rows.selected_columns)
    if connection.dialect.name == "sqlite" and columns[0].name == "kind":
        cursor: Any = connection.execute(rows).cursor
        return Counter[tuple[Any, ...]](cursor).items()
    grouped = rows.add_columns(func.count()).group_by(*(one.name for one in columns))
    return [(tuple(row[:-1]), row[-1]) for row in connection.execute(grouped)]


def _excluded(connection: Connection, counted: Sequence[ColumnElement[bool]]) -> dict[str, int]:
    reason = leads.c.excluded
    rows = select(reason, func.count()).where(*counted, reason.is_not(None)).group_by(reason)
    return {row[0]: row[1] for row in connection.execute(rows)}


def _outcomes(at: ColumnElement[int], wanted: Wanted) -> Select[Any]:
    o = outcomes.c
    counted = select(o.outcome, func.count(distinct(o.lead))).join(leads, leads.c.id == o.lead)
    return counted.where(*wanted.within(at)).group_by(o.outcome)


def entered_after(connection: Connection, wanted: Wanted, at: int) -> bool:
    """Whether any of the cohort became known at that time (microseconds) or later."""
    entered = leads.c.entered_at
    rows = select(entered).where(*wanted.within(entered), entered >= at).limit(1)
    return connection.execute(rows).first() is not None


def cohort_leads(connection: Connection, journey: Journey, wanted: Wanted, number: str, value: object) -> Iterator[str]:
    """Who is behind a number of ``cohort``: ``entered``, a shared stage, or ``excluded/REASON``; of the group with
    ``value`` (``ALL``: of any)."""
    e = leads.c
    grouping = _grouping(connection, wanted, e.entered_at)
    rows = select(e.id, grouping.value, e.path, e.excluded).select_from(grouping.source)
    shared = cache(partial(_shared, journey))
    for lead, text, path, reason in connection.execute(rows.where(*wanted.within(e.entered_at)).order_by(e.id)):
        if value is not ALL and grouping.name(text) != value:
            continue
        if number == "entered" or number in shared(path) or number == f"excluded/{reason}":
            yield lead


def flow_leads(connection: Connection, journey: Journey, wanted: Wanted, number: str, value: object) -> Iterator[str]:
    """The same of ``flow``."""
    e = leads.c
    rows: Select[Any]
    if number in (stages := journey.shared_stages()):
        grouping, rows = _first(connection, wanted, stages[number])
    else:
        grouping = _grouping(connection, wanted, e.entered_at)
        both: tuple[ColumnElement[Any], ...] = (e.id.label("lead"), grouping.value)
        rows = select(*both).select_from(grouping.source).where(*wanted.within(e.entered_at))
        if number != "entered":
            rows = rows.where(e.excluded == number.removeprefix("excluded/"))
    for lead, text in connection.execute(rows.order_by("lead")):
        if value is ALL or grouping.name(text) == value:
            yield lead


ALL = object()
"""Any value."""


def outcome_leads(connection: Connection, wanted: Wanted, outcome: str, by_entry: bool) -> Sequence[str]:
    """Who ever had it, of those who entered in the time; else those who had it in the time."""
    o, e = outcomes.c, leads.c
    rows = select(o.lead).distinct().join(leads, e.id == o.lead).where(o.outcome == outcome)
    return connection.scalars(rows.where(*wanted.within(e.entered_at if by_entry else o.at)).order_by(o.lead)).all()


def _shared(journey: Journey, path: str) -> set[str]:
    """The shared stages among those of a lead's path; stages of an older journey are none."""
    names = path.split("\n")
    return {stage for stage, ours in journey.shared_stages().items() if any(one in names for one in ours)}


def _first(connection: Connection, wanted: Wanted, names: Sequence[str]) -> tuple[_Grouping, Select[Any]]:
    """(lead, value) of those whose first time at any of these stages lies in the time."""
    r = reached.c
    there = select(r.lead, r.at).where(r.stage.in_(names))
    first = there.subquery("first")
    if len(names) > 1:
        first = there.with_only_columns(r.lead, func.min(r.at).label("at")).group_by(r.lead).subquery("first")
    lead, at = first.c.lead, first.c.at
    merged = leads.c.merged_into
    source: FromClause
    if wanted.by is None or wanted.by in MONTHS:
        # Nothing is asked of the leads: to look at the few that were merged takes less than to look each one up.
        grouping = _Grouping(None, func.nullif(at, at), first)
        if wanted.by is not None:
            grouping = _by_unit(connection, wanted, wanted.by, at, there.with_only_columns(r.at))
        source, alive = first, lead.not_in(select(leads.c.id).where(merged.is_not(None)))
    else:
        grouping = _grouping(connection, wanted, at)
        source, alive = grouping.source.join(first, lead == leads.c.id), merged.is_(None)
    rows = select(lead, grouping.value.label("kind")).select_from(source)
    return grouping, rows.where(alive, *wanted.bounds(at))


class _Groups:
    """Counts by the name of a value: several values may have one, such as an owner whom two systems know."""

    def __init__(self, grouping: _Grouping) -> None:
        self.grouping = grouping
        self.by_name: dict[str, Group] = {}
        self.known: dict[int, dict[Any, Group]] = {}

    def of(self, value: Any = None, grouping: _Grouping | None = None) -> Group:
        grouping = grouping or self.grouping
        known = self.known.setdefault(id(grouping), {})
        if (group := known.get(value)) is None:
            group = known[value] = self.at(grouping.name(value))
        return group

    def at(self, name: Any) -> Group:
        key = json.dumps(name)
        if key not in self.by_name:
            self.by_name[key] = Group(name)
        return self.by_name[key]

    def counts(self, nobodys: Sequence[int], **more: Any) -> FunnelCounts:
        """``nobodys``: cents of each deal without a lead."""
        groups = list(self.by_name.values())
        stages: Counter[str] = Counter()
        for group in groups:
            stages.update(group.stages)
        return FunnelCounts(
            entered=sum(group.entered for group in groups),
            stages=stages,
            groups=groups if self.grouping.by is not None else (),
            cents=sum(group.cents for group in groups),
            nobodys=(len(nobodys), sum(nobodys)),
            **more,
        )


# -- what leads are grouped by -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grouping:
    """``value`` of a lead, read from ``source``; ``name``: what such a value is called."""

    by: str | None
    value: ColumnElement[Any]
    source: FromClause
    name: Callable[[Any], Any] = lambda value: value


def _grouping(connection: Connection, wanted: Wanted, at: ColumnElement[int]) -> _Grouping:
    by, e = wanted.by, leads.c
    if by is None:
        return _Grouping(None, e.merged_into, leads)  # which is null of all that are counted
    if by in MONTHS:
        return _by_unit(connection, wanted, by, at, select(at))
    if by in ("persona", "stage"):
        return _Grouping(by, func.nullif(e[by], ""), leads)
    if by in ("campaign", "channel"):
        touched = _touched(by)
        return _Grouping(by, touched.c.name, leads.outerjoin(touched, touched.c.lead == e.id))
    if by == "owner":
        held = _held()
        value = held.c.system + "\n" + held.c.owner
        return _Grouping(by, value, leads.outerjoin(held, held.c.lead == e.id), _owner(wanted.name))
    if by.startswith("company."):
        joined, value = of_company(connection, by.removeprefix("company."))
        return _Grouping(by, _filled(value), joined, _read)
    return _Grouping(by, _filled(json_text(connection, e.attributes, by.removeprefix("lead."))), leads, _read)


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _owner(name: Callable[[str, str], str]) -> Callable[[str | None], str | None]:
    return lambda both: None if both is None else name(*both.split("\n", 1))


def _touched(what: str) -> Subquery:
    """Each lead with the campaign or the channel of its first touch that names one."""
    a = activities.c
    place = func.row_number().over(partition_by=a.lead, order_by=(a.at, a.id)).label("place")
    touches = select(a.lead, a[what].label("name"), place).where(a[what] != "").subquery()
    return select(touches.c.lead, touches.c.name).where(touches.c.place == 1).subquery("touched")


def _held() -> Subquery:
    """Each lead with whom its last handoff that has an owner is with."""
    h = handoffs.c
    place = func.row_number().over(partition_by=h.lead, order_by=(h.opened_at.desc(), h.id.desc())).label("place")
    rows = select(h.lead, h.system, h.owner, place).where(h.owner != "", h.state.in_(("open", "closed"))).subquery()
    return select(rows.c.lead, rows.c.system, rows.c.owner).where(rows.c.place == 1).subquery("held")


def _filled(value: ColumnElement[str | None]) -> ColumnElement[str | None]:
    """A ``json_text``; null without a value."""
    return func.nullif(func.nullif(value, "null"), '""')


def of_company(connection: Connection, name: str) -> tuple[FromClause, ColumnElement[str | None]]:
    """Leads with their company, and the ``json_text`` of its attribute or roll-up of this name."""
    d, r = rollups_due.c, rollups.c
    source = (
        leads.outerjoin(companies, companies.c.id == leads.c.company)
        .outerjoin(rollups_due, d.company == leads.c.company)
        .outerjoin(rollups, and_(r.company == d.company, r.at == d.at))
    )
    rolled, own = (json_text(connection, one, name) for one in (r.numbers, companies.c.attributes))
    return source, func.coalesce(func.nullif(rolled, "null"), own)


def json_text(connection: Connection, attributes: ColumnElement[Any], name: str) -> ColumnElement[str | None]:
    """The JSON text of one value, which keeps its type and can be grouped by; ``null`` or null when it is not there."""
    if connection.dialect.name == "postgresql":
        return cast(attributes.op("->")(literal(name, String)), Text)
    path = literal('$."{}"'.format(name.replace('"', r"\"")), String)
    if sqlite_version_info >= (3, 38):
        text: ColumnElement[Any] = attributes.op("->", return_type=Text())(path)
        return text
    quoted = func.json_quote(func.json_extract(attributes, path))
    # A truth value comes out of SQLite as 0 or 1; only its type tells.
    return case({"true": "true", "false": "false"}, value=func.json_type(attributes, path), else_=quoted)


class _Unit:
    """Months, fiscal quarters or fiscal years of the instance's zone."""

    def __init__(self, unit: str, wanted: Wanted) -> None:
        self.unit, self.zone, self.start = unit, wanted.zone, wanted.fiscal_year_start

    def name(self, at: int) -> str:
        return label(self.unit, begins(self.unit, _moment(at).astimezone(self.zone).date(), self.start), self.start)

    def edges(self, spans: Iterable[int]) -> list[tuple[int, int, str]]:
        """(first moment, the one after its last, name) of every unit that a span may touch, in order; a quotient
        before 1970 is rounded towards it."""
        found: dict[str, tuple[int, int, str]] = {}
        for span in spans:
            day, last = (_moment((span + side) * _SPAN).astimezone(self.zone).date() for side in (-1, 1))
            day = begins(self.unit, day, self.start)
            while day <= last:
                name, after = label(self.unit, day, self.start), following(self.unit, day)
                found[name] = (to_micros(midnight(day, self.zone)), to_micros(midnight(after, self.zone)), name)
                day = after
        return sorted(found.values())


def _by_unit(connection: Connection, wanted: Wanted, by: str, at: ColumnElement[int], times: Select[Any]) -> _Grouping:
    """Neither database knows the instance's zone, so it is given the edges of the units that can have leads, to be
    searched by halves. ``times``: all that ``at`` may be."""
    (time,) = times.selected_columns
    spans = connection.scalars(times.with_only_columns(time // _SPAN).distinct().where(*wanted.bounds(time)))
    edges = _Unit(by, wanted).edges(spans)
    names = [name for *_, name in edges]

    def halved(low: int, high: int) -> ColumnElement[Any]:
        if high - low == 1:
            begin, end, _ = edges[low]
            return case((and_(at >= begin, at < end), literal(low)), else_=null())
        middle = (low + high) // 2
        return case((at < edges[middle][0], halved(low, middle)), else_=halved(middle, high))

    value = halved(0, len(edges)) if edges else func.nullif(at, at)  # PostgreSQL groups by no constant
    return _Grouping(by, value, leads, lambda place: None if place is None else names[place])


def _moment(micros: int) -> datetime:
    """A time with room for a zone's offset and a year's end on both sides."""
    return from_micros(min(max(micros, _FIRST), _LAST))
