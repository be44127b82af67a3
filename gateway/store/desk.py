"""Queries of the desk: a page of leads by what people look for, and the open handoffs by when they are due.

Rows come back as dictionaries named like their columns. Everything takes a limit; a page goes on after a row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, String, and_, case, cast, exists, func, or_, select, tuple_

from gateway.store import tables as t
from gateway.store.among import among

_l, _s, _h, _a, _i = t.leads.c, t.scores.c, t.handoffs.c, t.activities.c, t.identities.c
COUNTED = 10_000
"""Beyond this nobody counts how many rows there are."""
_ALIVE = and_(_l.merged_into.is_(None), _l.erased_at.is_(None))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads; an empty word asks for nothing. ``text``: part of a name, or the beginning of an address or key.

    ``bucket``: how the last handoff ended, or ``open``. ``owner``: ids of whom their handoff belongs to.
    """

    text: str = ""
    stage: str = ""
    persona: str = ""
    band: str = ""
    bucket: str = ""
    owner: Collection[str] | None = None
    campaign: str = ""


def leads(
    connection: Connection, score_name: str, wanted: Wanted, limit: int, after: tuple[int, str] | None = None
) -> list[dict[str, Any]]:
    """The highest score first: id, attributes, stage, persona, total, band, entered_at, handoff, owner, system.

    :param after: total (-1: none) and id of the last row of the page before.
    """
    total = func.coalesce(_s.total, -1)
    chosen = (
        select(
            *(_l.id, _l.attributes, _l.stage, _l.persona, _l.excluded, _l.entered_at, _l.generation),
            *(_s.total, _s.band, _h.id.label("handoff"), _h.owner, _h.system),
        )
        .select_from(_joined(score_name))
        .where(*_conditions(wanted, connection.dialect.name))
    )
    if after is not None:
        chosen = chosen.where(or_(total < after[0], and_(total == after[0], _l.id > after[1])))
    rows = connection.execute(chosen.order_by(total.desc(), _l.id).limit(limit))
    return [dict(row) for row in rows.mappings()]


def how_many(connection: Connection, score_name: str, wanted: Wanted) -> int:
    """How many leads; ``COUNTED`` + 1 stands for more than that."""
    some = select(_l.id).select_from(_joined(score_name)).where(*_conditions(wanted, connection.dialect.name))
    return connection.scalar(select(func.count()).select_from(some.limit(COUNTED + 1).subquery())) or 0


def _joined(score_name: str) -> Any:
    return t.leads.outerjoin(t.scores, and_(_s.lead == _l.id, _s.name == score_name)).outerjoin(
        t.handoffs, and_(_h.lead == _l.id, _h.state == "open")
    )


def _conditions(wanted: Wanted, dialect: str) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_ALIVE]
    found += [_l.stage == wanted.stage] if wanted.stage else []
    found += [_l.persona == wanted.persona] if wanted.persona else []
    found += [_s.band == wanted.band] if wanted.band else []
    if wanted.bucket == "open":
        found.append(_h.id.is_not(None))
    elif wanted.bucket:
        other = t.handoffs.alias()
        last = select(other.c.bucket).where(other.c.lead == _l.id, other.c.state != "absorbed")
        newest = last.order_by(other.c.opened_at.desc()).limit(1).scalar_subquery()
        theirs = select(other.c.lead).where(other.c.bucket == wanted.bucket)
        found += [_l.id.in_(theirs), newest == wanted.bucket]
    if wanted.owner is not None:
        found.append(among(_h.owner, wanted.owner))
    if wanted.campaign:
        found.append(_l.id.in_(select(_a.lead).where(_a.campaign == wanted.campaign)))
    if wanted.text:
        found.append(_named(wanted.text, dialect))
    return found


def _named(text: str, dialect: str) -> ColumnElement[bool]:
    """By the beginning of an identity (an index serves it), else by what stands in a value that names people."""
    lower = text.lower()
    keys = select(_i.lead).where(_i.value >= lower, _i.value < lower + "\U0010ffff")
    names = [
        func.lower(cast(_l.attributes[name].as_string(), String)).contains(lower, autoescape=True)
        for name in ("first_name", "last_name", "name", "email", "company_name")
    ]
    full = func.lower(
        func.coalesce(_l.attributes["first_name"].as_string(), "")
        + " "
        + func.coalesce(_l.attributes["last_name"].as_string(), "")
    )
    return or_(_l.id == lower, _l.id.in_(keys), *names, full.contains(lower, autoescape=True))


def due(
    connection: Connection, limit: int, owners: Collection[str] | None = None, after: tuple[int, str] | None = None
) -> list[dict[str, Any]]:
    """Open handoffs with their lead's attributes and ``due_at``, the first due first; those without a clock last.

    Due is the answer while nobody has answered, then the end of the follow-up.

    :param owners: ids of whom they belong to. :param after: ``due_at`` and id of the last one before.
    """
    when = func.coalesce(_due_at(), NEVER)
    chosen = (
        select(t.handoffs, _l.attributes, when.label("due_at"))
        .join(t.leads, _l.id == _h.lead)
        .where(_h.state == "open")
    )
    if owners is not None:
        chosen = chosen.where(among(_h.owner, owners))
    if after is not None:
        chosen = chosen.where(tuple_(when, _h.id) > tuple_(*after))
    rows = connection.execute(chosen.order_by(when, _h.id).limit(limit))
    return [{**row, "due_at": None if row["due_at"] == NEVER else row["due_at"]} for row in map(dict, rows.mappings())]


NEVER = 2**62


def _due_at() -> ColumnElement[Any]:
    answered = or_(_h.accepted_at.is_not(None), _h.contacted_at.is_not(None))
    return case((answered, _h.period_ends), else_=func.coalesce(_h.response_due, _h.period_ends))


def how_due(connection: Connection, now: int, soon: int, owners: Collection[str] | None = None) -> dict[str, int]:
    """How many open handoffs there are in all, overdue at ``now``, and due by ``soon``."""
    when = _due_at()
    chosen = select(
        func.count(),
        func.coalesce(func.sum(case((when < now, 1), else_=0)), 0),
        func.coalesce(func.sum(case((and_(when >= now, when < soon), 1), else_=0)), 0),
    ).where(_h.state == "open")
    if owners is not None:
        chosen = chosen.where(among(_h.owner, owners))
    total, late, next_ = connection.execute(chosen).one()
    return {"open": int(total), "overdue": int(late), "soon": int(next_)}


def campaigns(connection: Connection, limit: int) -> Sequence[str]:
    """Names of campaigns that leads took part in."""
    named = select(_a.campaign).where(_a.campaign != "").distinct().order_by(_a.campaign).limit(limit)
    return list(connection.scalars(named))


def anybody(connection: Connection) -> bool:
    return bool(connection.scalar(select(exists().where(_ALIVE))))


def moved(connection: Connection, stages: Sequence[str], since: int) -> dict[str, int]:
    """How many leads came to each of these stages for the first time since then, in their order."""
    r = t.reached.c
    chosen = select(r.stage, func.count()).where(among(r.stage, stages), r.at >= since).group_by(r.stage)
    counts = {row[0]: row[1] for row in connection.execute(chosen)}
    return {stage: counts.get(stage, 0) for stage in stages}


BIN = 500
"""Hundredths of a point in one bar of the distribution."""


def scores(connection: Connection, score_name: str) -> list[int]:
    """How many living leads have each score, in bars of ``BIN`` hundredths from 0 to 10000; the last holds 100, too."""
    bar = case((_s.total >= 10_000, 10_000 // BIN - 1), else_=cast(_s.total // BIN, Integer))
    living = t.scores.join(t.leads, and_(_l.id == _s.lead, _ALIVE))
    chosen = select(bar, func.count()).select_from(living).where(_s.name == score_name).group_by(bar)
    counts = {row[0]: row[1] for row in connection.execute(chosen)}
    return [counts.get(place, 0) for place in range(10_000 // BIN)]
