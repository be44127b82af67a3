"""Times between stages and answers of owners, read for ``metrics.velocity``: a statement per step, sorted by the store.

A lead that was merged into another is not counted. The period is that of the first stage of each step, or of a
handoff's opening.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Subquery, and_, case, func, select

from gateway.journey.journey import Journey
from gateway.journey.words import CLOCK
from gateway.metrics.baseline import Crossing
from gateway.metrics.calendar import Calendar
from gateway.metrics.velocity import Owner, Step, Velocity
from gateway.store import tables as t

GIVEN = ("open", "closed")
"""States of handoffs that sales were given."""
IMPLIED = "implied"
"""Cause of a stage whose time is only concluded from a later one's."""


def velocity(
    connection: Connection,
    journey: Journey,
    now: int,
    since: int | None,
    until: int | None,
    name: Callable[[str, str], str],
    zone: ZoneInfo,
) -> Velocity:
    """Everything by now, of leads that reached a step's first stage from ``since`` until before ``until``.

    :param name: (system, id of an owner there) → who that is: one person may be known to several systems.
    :param zone: of the days that are counted.
    """
    stages, calendar = journey.shared_stages(), Calendar(zone)
    steps = [_step(connection, stages, *two, now, since, until, calendar) for two in pairwise(journey.tracked)]
    return Velocity(
        steps, _cycle(connection, journey, now, since, until, calendar), _owners(connection, now, since, until, name)
    )


def cycle(connection: Connection, journey: Journey, now: int, zone: ZoneInfo) -> Step:
    """From the first tracked stage to the last, of all leads; of a journey without two stages nobody went it."""
    return _cycle(connection, journey, now, None, None, Calendar(zone))


def _cycle(
    connection: Connection, journey: Journey, now: int, since: int | None, until: int | None, calendar: Calendar
) -> Step:
    if len(journey.tracked) < 2:
        only = journey.tracked[0] if journey.tracked else ""
        return Step(only, only, [])
    first, *_, last = journey.tracked
    return _step(connection, journey.shared_stages(), first, last, now, since, until, calendar)


def _step(
    connection: Connection,
    stages: dict[str, tuple[str, ...]],
    stage: str,
    to: str,
    now: int,
    since: int | None,
    until: int | None,
    calendar: Calendar,
) -> Step:
    one, other = _reached(stages[stage], "one"), _reached(stages[to], "other")
    joined = one.outerjoin(other, other.c.lead == one.c.lead)
    within = and_(*_within(one.c.at, since, until))
    sure = and_(one.c.sure == 1, other.c.sure == 1, other.c.at >= one.c.at)
    took = select(one.c.at, other.c.at).select_from(joined).where(within, sure)
    still = select(now - one.c.at).select_from(joined).where(within, other.c.lead.is_(None), one.c.at <= now)
    both = select(func.count()).select_from(joined).where(within, other.c.lead.is_not(None))
    arrived = [(begin, end) for begin, end in connection.execute(took)]
    waiting = list(connection.scalars(still.order_by(one.c.at.desc())))
    return Step(
        *(stage, to, sorted(end - begin for begin, end in arrived), waiting),
        unsure=int(connection.scalar(both) or 0) - len(arrived),
        days=sorted(calendar.day(end) - calendar.day(begin) for begin, end in arrived),
    )


def crossings(
    connection: Connection, journey: Journey, stage: str, to: str, since: int | None, until: int | None
) -> list[Crossing]:
    """Every lead that first reached ``stage`` in the time (shared stages, microseconds), and whether it went on."""
    stages = journey.shared_stages()
    one, other = _reached(stages[stage], "one"), _reached(stages[to], "other")
    rows = select(one.c.lead, one.c.at, other.c.at, one.c.sure, other.c.sure).select_from(
        one.outerjoin(other, other.c.lead == one.c.lead)
    )
    found = connection.execute(rows.where(*_within(one.c.at, since, until))).all()
    return [Crossing(lead, begin, end, bool(sure), bool(ended)) for lead, begin, end, sure, ended in found]


def _reached(stages: tuple[str, ...], name: str) -> Subquery:
    """Per lead the first time at any of these stages; ``sure`` 1 where it is known of itself."""
    r = t.reached.c
    rows = (
        select(r.lead, func.min(r.at).label("at"), func.max(case((r.cause == IMPLIED, 0), else_=1)).label("sure"))
        .join(t.leads, t.leads.c.id == r.lead)
        .where(r.stage.in_(stages), t.leads.c.merged_into.is_(None))
        .group_by(r.lead)
    )
    return rows.subquery(name)


def _within(at: ColumnElement[int], since: int | None, until: int | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [at.is_not(None)]
    found += [at >= since] if since is not None else []
    return found + ([at < until] if until is not None else [])


def owned(
    connection: Connection, owner: str, kept: str, now: int, since: int | None, until: int | None,
    name: Callable[[str, str], str],
) -> list[str]:  # fmt: skip
    """Leads of the handoffs that ``owner`` got in the time; ``kept``: of those alone that are ``answered``, answered
    ``in_time``, or ended ``by_a_person`` before the end of follow-up."""
    given = (one for one in _given(connection, now, since, until, name) if one.owner == owner)
    return sorted({one.lead for one in given if not kept or getattr(one, kept) not in (None, False)})


@dataclass(slots=True)
class _Tally:
    handoffs: int = 0
    answered: list[int] = field(default_factory=list)
    in_time: int = 0
    due: int = 0
    ended: int = 0
    over: int = 0


def _owners(
    connection: Connection, now: int, since: int | None, until: int | None, name: Callable[[str, str], str]
) -> list[Owner]:
    found: dict[str, _Tally] = defaultdict(_Tally)
    for given in _given(connection, now, since, until, name):
        one = found[given.owner]
        one.handoffs += 1
        if given.answered is not None:
            one.answered.append(given.answered)
        if given.in_time is not None:
            one.due += 1
            one.in_time += given.in_time
        if given.by_a_person is not None:
            one.over += 1
            one.ended += given.by_a_person
    return [
        Owner(who, one.handoffs, sorted(one.answered), one.in_time, one.due, one.ended, one.over)
        for who, one in sorted(found.items(), key=lambda item: (-item[1].handoffs, item[0]))
    ]


@dataclass(frozen=True, slots=True)
class _Given:
    """One handoff. ``answered``: microseconds to the first word of it. None: the clock still runs, or there is none."""

    owner: str
    lead: str
    answered: int | None
    in_time: bool | None
    by_a_person: bool | None


def _given(
    connection: Connection, now: int, since: int | None, until: int | None, name: Callable[[str, str], str]
) -> Iterator[_Given]:
    h = t.handoffs.c
    rows = select(
        *(h.lead, h.system, h.owner, h.opened_at, h.owner_at, h.response_due, h.period_ends),
        *(h.accepted_at, h.contacted_at, h.closed_at, h.closed_by, h.state),
    ).where(h.state.in_(GIVEN), *_within(h.opened_at, since, until))
    for row in connection.execute(rows):
        by_person = row.state == "closed" and row.closed_by != CLOCK
        words = [row.accepted_at, row.contacted_at, row.closed_at if by_person else None]
        answer = min((at for at in words if at is not None), default=None)
        due = row.response_due is not None and (answer is not None or row.response_due <= now)
        over = row.period_ends is not None and (row.state == "closed" or row.period_ends <= now)
        yield _Given(
            name(row.system, row.owner) if row.owner else "",
            row.lead,
            max(0, answer - (row.owner_at or row.opened_at)) if answer is not None else None,
            (answer is not None and answer <= row.response_due) if due else None,
            (by_person and row.closed_at <= row.period_ends) if over else None,
        )
