"""Queries of the desk: a page of leads by what people look for, and the open handoffs by when they are due.

Rows come back as dictionaries named like their columns. Everything takes a limit; a page goes on after a row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    case,
    cast,
    exists,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
)

from gateway.store import due as dues
from gateway.store import rescoring
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.listing import rows_of
from gateway.store.rows import sought

_l, _s, _h, _a, _i = t.leads.c, t.scores.c, t.handoffs.c, t.activities.c, t.identities.c
COUNTED = 10_000
"""Beyond this nobody counts how many rows there are."""
FOUND = 500
"""Most leads that a name finds."""
FEW = 2_000
"""So many leads are looked through one by one; of more, the best are met soon on the way down the scores."""
END = "\U0010ffff"
"""What no text goes beyond that begins alike."""
_ALIVE = and_(_l.merged_into.is_(None), _l.erased_at.is_(None))
_OPEN = _h.state == "open"
_NAMED = _a.campaign != literal_column("''")  # spelt out, or the index could not serve it


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which leads; an empty word asks for nothing. ``text``: the beginning of a name, address or key.

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
    """The highest score first, leads without one last: id, attributes, stage, persona, total, band, handoff, owner …

    :param after: total (-1: none) and id of the last row of the page before.
    """
    few = _few(connection, wanted)
    if few is not None or rescoring.under_way(connection) is not None:  # or scores that no index has in order
        s = rescoring.shown(t.leads, _l.id, score_name)
        total = func.coalesce(s.total, -1)
        chosen = _chosen(s.source, s.total, s.band, _conditions(wanted, s.band, few))
        if after is not None:
            chosen = chosen.where(or_(total < after[0], and_(total == after[0], _l.id < after[1])))
        return rows_of(connection, chosen.order_by(total.desc(), _l.id.desc()).limit(limit))
    conditions = _conditions(wanted, _s.band, None)
    rows: list[dict[str, Any]] = []
    if after is None or after[0] >= 0:
        scored = t.scores.join(t.leads, _l.id == _s.lead)
        chosen = _chosen(scored, _s.total, _s.band, [_s.name == score_name, *conditions])
        if after is not None:
            chosen = chosen.where(tuple_(_s.total, _s.lead) < tuple_(*after))
        rows = rows_of(connection, chosen.order_by(_s.total.desc(), _s.lead.desc()).limit(limit))
    if len(rows) < limit and not wanted.band:
        none = not_(exists().where(_s.lead == _l.id, _s.name == score_name))
        chosen = _chosen(t.leads, null(), null(), [none, *conditions])
        if after is not None and after[0] < 0:
            chosen = chosen.where(_l.id < after[1])
        rows += rows_of(connection, chosen.order_by(_l.id.desc()).limit(limit - len(rows)))
    return rows


def _chosen(source: Any, total: Any, band: Any, conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    columns = (
        *(_l.id, _l.attributes, _l.stage, _l.persona, _l.excluded, _l.entered_at, _l.generation),
        *(total.label("total"), band.label("band"), _h.id.label("handoff"), _h.owner, _h.system),
    )
    with_sales = source.outerjoin(t.handoffs, and_(_h.lead == _l.id, _h.state == "open"))
    return select(*columns).select_from(with_sales).where(*conditions)


def how_many(connection: Connection, score_name: str, wanted: Wanted) -> int:
    """How many leads; ``COUNTED`` + 1 stands for more than that. Of a rare kind among many it takes its time."""
    s, few = rescoring.shown(t.leads, _l.id, score_name), _few(connection, wanted)
    some = (
        select(_l.id)
        .select_from(s.source if wanted.band else t.leads)
        .where(*_conditions(wanted, s.band, few))
        .limit(COUNTED + 1)
    )
    return connection.scalar(select(func.count()).select_from(some.subquery())) or 0


def _few(connection: Connection, wanted: Wanted) -> set[str] | None:
    """The leads that one of these words leaves, by its index, where they are few."""
    if wanted.text:
        return _called(connection, wanted.text)
    narrowed: list[Select[Any]] = []
    if wanted.owner is not None:
        narrowed.append(select(_h.lead).where(_OPEN, among(_h.owner, wanted.owner)))
    if wanted.bucket:
        ended = _OPEN if wanted.bucket == "open" else _h.bucket == wanted.bucket
        narrowed.append(select(_h.lead).where(ended))
    if wanted.campaign:
        narrowed.append(select(_a.lead).where(_a.campaign == wanted.campaign, _NAMED))
    if wanted.stage or wanted.persona:
        asked = ((_l.stage, wanted.stage), (_l.persona, wanted.persona))
        narrowed.append(select(_l.id).where(*(column == word for column, word in asked if word)))
    for chosen in narrowed:
        found = connection.scalars(chosen.limit(FEW + 1)).all()
        if len(found) <= FEW:
            return set(found)
    return None


def _conditions(wanted: Wanted, band: Any, few: Collection[str] | None) -> list[ColumnElement[bool]]:
    """``few``: the only ones that come into question. All else is looked at in each lead: no index is walked for it."""
    found: list[ColumnElement[bool]] = [_ALIVE]
    found += [among(_l.id, few)] if few is not None else []
    found += [_l.stage.concat("") == wanted.stage] if wanted.stage else []
    found += [_l.persona.concat("") == wanted.persona] if wanted.persona else []
    found += [band == wanted.band] if wanted.band else []
    theirs = t.handoffs.alias()
    h = theirs.c
    if wanted.bucket and wanted.bucket != "open":
        last = select(h.bucket).where(h.lead == _l.id, h.state != "absorbed").order_by(h.opened_at.desc()).limit(1)
        found.append(last.scalar_subquery() == wanted.bucket)
    if wanted.bucket == "open" or wanted.owner is not None:
        whose = [among(h.owner, wanted.owner)] if wanted.owner is not None else []
        found.append(exists().where(h.lead == _l.id, h.state == "open", *whose))
    if wanted.campaign:
        found.append(exists().where(_a.lead == _l.id, _a.campaign == wanted.campaign, _NAMED))
    return found


def _called(connection: Connection, text: str) -> set[str]:
    """Leads whose last name, full name, address or key begins with ``text``; so many as anybody looks through."""
    begin = sought(text)
    first, _, last = begin.rpartition(" ")
    names = _l.sought >= begin, _l.sought < begin + END
    found = {begin, *connection.scalars(select(_l.id).where(*names).limit(FOUND))}
    if first:  # people say the first name first; the index has it last
        turned = _l.sought >= last, _l.sought < last + END, _l.sought.contains(f" {first}", autoescape=True)
        found |= set(connection.scalars(select(_l.id).where(*turned).limit(FOUND)))
    for space in dues.namespaces(connection):
        keys = select(_i.lead).where(_i.namespace == space, _i.value >= begin, _i.value < begin + END)
        found |= set(connection.scalars(keys.limit(FOUND)))
    return found


def due(
    connection: Connection, limit: int, owners: Collection[str] | None = None, after: tuple[int, str] | None = None
) -> list[dict[str, Any]]:
    """Open handoffs with their lead's attributes and ``due_at``, the first due first; those without a clock last.

    Due is the answer while nobody has answered, then the end of the follow-up.

    :param owners: ids of whom they belong to. :param after: ``due_at`` and id of the last one before.
    """
    when = func.coalesce(_due_at(), NEVER)
    chosen = select(_h.id, when).where(_OPEN)
    if owners is not None:
        chosen = chosen.where(among(_h.owner, owners))
    if after is not None:
        chosen = chosen.where(tuple_(when, _h.id) > tuple_(*after))
    found = {row[0]: row[1] for row in connection.execute(chosen.order_by(when, _h.id).limit(limit))}
    whole = select(t.handoffs, _l.attributes).join(t.leads, _l.id == _h.lead).where(among(_h.id, found))
    rows = {row["id"]: row for row in connection.execute(whole).mappings()}
    return [{**rows[id_], "due_at": None if at == NEVER else at} for id_, at in found.items() if id_ in rows]


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
    ).where(_OPEN)
    if owners is not None:
        chosen = chosen.where(among(_h.owner, owners))
    total, late, next_ = connection.execute(chosen).one()
    return {"open": int(total), "overdue": int(late), "soon": int(next_)}


def held_back(connection: Connection) -> int:
    """How many handoffs wait, being more than sales can take."""
    return connection.scalar(select(func.count()).where(_h.state == "held")) or 0


def anybody(connection: Connection) -> bool:
    return bool(connection.scalar(select(exists().where(_ALIVE))))


def moved(connection: Connection, stages: Sequence[str], since: int) -> dict[str, int]:
    """How many leads came to each of these stages for the first time since then, in their order."""
    r = t.reached.c
    merged = select(_l.id).where(_l.merged_into.is_not(None))
    chosen = select(r.stage, func.count()).where(among(r.stage, stages), r.at >= since, r.lead.not_in(merged))
    chosen = chosen.group_by(r.stage)
    counts = {row[0]: row[1] for row in connection.execute(chosen)}
    return {stage: counts.get(stage, 0) for stage in stages}


BIN = 500
"""Hundredths of a point in one bar of the distribution."""


def scores(connection: Connection, score_name: str) -> list[int]:
    """How many leads have each score, in bars of ``BIN`` hundredths from 0 to 10000; the last holds 100, too."""
    if rescoring.under_way(connection) is None:  # a walk of the index each: three times as fast as putting into groups
        here = _s.name == score_name
        bars = [
            (_s.total >= low, _s.total < low + BIN if low < 10_000 - BIN else true()) for low in range(0, 10_000, BIN)
        ]
        return [connection.scalar(select(func.count()).where(here, *ends)) or 0 for ends in bars]
    s = rescoring.shown(t.leads, _l.id, score_name)  # people see the scores of before
    bar = case((s.total >= 10_000, 10_000 // BIN - 1), else_=cast(s.total // BIN, Integer))
    counted = select(bar, func.count()).select_from(s.source).where(s.total.is_not(None)).group_by(bar)
    counts = {row[0]: row[1] for row in connection.execute(counted)}
    return [counts.get(place, 0) for place in range(10_000 // BIN)]
