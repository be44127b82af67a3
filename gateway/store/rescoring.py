"""A changed model scores every lead again: what of that is left to do, and which scores people see meanwhile.

In: a new scoring hash, queued by ``bundle``. Out: parts for ``sweeps.rescoring`` to work, each gone with the commit
that did it; a part that is worked twice, or by a process that dies, changes nothing. What a lead's score was before is
kept in ``former_scores``; ``shown`` tells people that until the rescore is over, so the end of its one row is the
moment when all of them see the new scores.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, literal, or_, select, update
from sqlalchemy.sql.selectable import FromClause

from gateway.contracts import Activity, Mark
from gateway.store import bells, rollups
from gateway.store import tables as t
from gateway.store.among import among
from gateway.store.plain import rows_of
from gateway.store.put import Put
from gateway.store.times import new_id
from gateway.times import from_micros

RESCORE, WHOM, BY = "rescore", "all leads", "the changed model"
"""How it is told among long work: what, of whom, by whom."""
CHOICE = 8
"""From so many of the next parts one is taken: two workers seldom take the same."""
_FORMER = ("lead", "name", "total", "fit", "behaviour", "band", "scoring")
_r, _p, _f = t.rescores.c, t.rescore_parts.c, t.former_scores.c


class Range(NamedTuple):
    """The leads whose ids are above ``low``, up to ``high``."""

    low: str
    high: str
    leads: int

    def within(self, column: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a lead's id is among them."""
        return and_(column > self.low, column <= self.high)


class Among(Protocol):
    """Some leads that are loaded together."""

    def within(self, column: ColumnElement[Any]) -> ColumnElement[bool]: ...


@dataclass(slots=True)
class Part:
    """What scoring a range needs. ``leads``: (id, attributes, persona, company, the score before: total, fit,
    behaviour, band, all None without one); who has a score of the new model already is left out. ``before``: name of
    another score → lead → the same four. The rest by lead, and by the id that a lead's row has for its company."""

    leads: Sequence[Sequence[Any]]
    before: Mapping[str, Mapping[str, Sequence[Any]]]
    companies: Mapping[str, Mapping[str, Any]]
    activities: Mapping[str, list[Activity]]
    marks: Mapping[str, list[Mark]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rescore by a changed model is. ``leads`` is None before it has begun; ``stop_by``: who made it rest."""

    id: str
    scoring: str
    since: int
    leads: int | None
    done: int
    stop_by: str


# -- what people see meanwhile -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """Scores as people see them: join ``source``, select the columns. Of a lead whose score by the model of before is
    kept, that; of one that had none, the only one it has."""

    source: FromClause
    total: ColumnElement[int | None] = field(repr=False)
    fit: ColumnElement[int | None] = field(repr=False)
    behaviour: ColumnElement[int | None] = field(repr=False)
    band: ColumnElement[str | None] = field(repr=False)


def shown(left: FromClause, lead: ColumnElement[Any], name: str) -> Shown:
    """``left`` with the scores called ``name`` of its column ``lead`` beside it."""
    s = t.scores.c
    kept = and_(_f.lead == lead, _f.name == name, exists().where(_r.scoring != "").correlate(None))
    source = left.outerjoin(t.scores, and_(s.lead == lead, s.name == name)).outerjoin(t.former_scores, kept)
    each = (func.coalesce(_f[column], s[column]).label(column) for column in ("total", "fit", "behaviour", "band"))
    return Shown(source, *each)


def keep_former(connection: Connection, whose: ColumnElement[bool], scoring: str) -> None:
    """Keep the scores that are about to be replaced by those of ``scoring``, while that goes on. A score that was
    itself not shown yet is not kept: the one before it is."""
    s = t.scores.c
    going_on = exists().where(_r.scoring != "").correlate(None)
    before = select(*(s[column] for column in _FORMER)).where(whose, s.scoring != scoring, going_on)
    Put(connection).insert_from(t.former_scores, _FORMER, before)


# -- the work ----------------------------------------------------------------------------------------------------------


def begin(connection: Connection, scoring: str, now: int) -> None:
    """Every lead is to be scored by ``scoring``. A rescore that is under way ends here: its model is not used any
    more; people go on seeing what they saw."""
    if under_way(connection) is None:
        connection.execute(delete(t.former_scores))
    connection.execute(delete(t.rescore_parts))
    connection.execute(delete(t.rescores).where(_r.scoring != ""))
    row = {"id": new_id(), "cause": "scoring changed", "created_at": now, "scoring": scoring}
    Put(connection).insert(t.rescores, [row])


def under_way(connection: Connection) -> Any | None:
    """The row of the rescore by a changed model, or None."""
    return connection.execute(select(t.rescores).where(_r.scoring != "").limit(1)).first()


def progress(connection: Connection) -> Progress | None:
    """None = there is no rescore by a changed model, or it is complete."""
    row = under_way(connection)
    if row is None:
        return None
    left = connection.scalar(select(func.coalesce(func.sum(_p.leads), 0)).where(_p.rescore == row.id))
    done = 0 if row.leads is None else row.leads - int(left or 0)
    return Progress(row.id, row.scoring, row.created_at, row.leads, done, row.stop_by)


def rest(connection: Connection, id_: str, by: str) -> bool:
    """Let it rest between two parts, or with an empty ``by`` go on. False: it is over, or does so already."""
    mine = update(t.rescores).where(_r.id == id_, _r.scoring != "", _r.stop_by == "" if by else _r.stop_by != "")
    changed = connection.execute(mine.values(stop_by=by)).rowcount == 1
    if changed and not by:
        bells.ring(connection, bells.PIPELINE)
    return changed


def ranges(connection: Connection, size: int, only: ColumnElement[bool] | None = None) -> list[Range]:
    """All leads, or ``only`` some, in ranges of ``size``; who comes later is scored by the new model anyway."""
    c, chosen = t.leads.c, () if only is None else (only,)
    numbered = select(c.id, func.row_number().over(order_by=c.id).label("place")).where(*chosen).subquery()
    ends = list(
        connection.scalars(select(numbered.c.id).where(numbered.c.place % size == 0).order_by(numbered.c.place))
    )
    total, last = connection.execute(select(func.count(), func.max(c.id)).where(*chosen)).one()
    if total % size:
        ends.append(last)
    rest = [size] * (total // size) + [total % size]
    return [Range(low, high, leads) for low, high, leads in zip(["", *ends], ends, rest, strict=False)]


def divide(connection: Connection, rescore: str, found: Sequence[Range]) -> bool:
    """Put the parts down. False: somebody else has."""
    total = sum(part.leads for part in found)
    first = update(t.rescores).where(_r.id == rescore, _r.leads.is_(None)).values(leads=total)
    if not connection.execute(first).rowcount:
        return False
    Put(connection).insert(t.rescore_parts, [{"rescore": rescore, **part._asdict()} for part in found])
    return True


def next_part(connection: Connection, rescore: str) -> Range | None:
    """One of the next parts that are left; None = all are done."""
    chosen = select(_p.low, _p.high, _p.leads).where(_p.rescore == rescore).order_by(_p.low).limit(CHOICE)
    rows = connection.execute(chosen).all()
    return Range(*random.choice(rows)) if rows else None


def load_part(connection: Connection, part: Among, names: Sequence[str], scoring: str, cutoff: int | None) -> Part:
    """A constant number of statements; each reads its table along the ids. ``names``: the scores, the main one first;
    ``cutoff``: see ``loading.Need``."""
    c, s, a, m = t.leads.c, t.scores.c, t.activities.c, t.marks.c
    within = part.within
    scored = t.leads.outerjoin(t.scores, and_(s.lead == c.id, s.name == names[0]))
    columns = (c.id, c.attributes, c.persona, c.company, s.total, s.fit, s.behaviour, s.band)
    living = and_(c.merged_into.is_(None), c.erased_at.is_(None), or_(s.scoring.is_(None), s.scoring != scoring))
    leads = rows_of(connection, select(*columns).select_from(scored).where(within(c.id), living))
    before: dict[str, dict[str, Sequence[Any]]] = {name: {} for name in names[1:]}
    if before:
        others = select(s.name, s.lead, s.total, s.fit, s.behaviour, s.band).where(within(s.lead), s.name.in_(before))
        for name, lead, *score in rows_of(connection, others):
            before[name][lead] = score
    marks: dict[str, list[Mark]] = defaultdict(list)
    for row in connection.execute(select(t.marks).where(within(m.lead))):
        until = from_micros(row.until) if row.until else None
        marks[row.lead].append(Mark(from_micros(row.at), row.kind, row.points, row.reason, until, row.by, row.id))
    activities: dict[str, list[Activity]] = defaultdict(list)
    did = select(a.lead, a.at, a.kind, a.asset, a.channel, a.campaign, a.id).where(within(a.lead))
    did = did if cutoff is None else did.where(a.at >= cutoff)
    new = tuple.__new__  # millions of them, and a named tuple's own constructor takes twice as long
    for lead, at, kind, asset, channel, campaign, id_ in rows_of(connection, did.order_by(a.lead, a.at, a.id)):
        activities[lead].append(new(Activity, (from_micros(at), kind, asset, channel, campaign, id_)))
    return Part(leads, before, companies(connection, {row[3] for row in leads if row[3]}), activities, marks)


def companies(connection: Connection, ids: Collection[str], rolled: bool = True) -> dict[str, Mapping[str, Any]]:
    """Each company's attributes; of one that was taken over, those of whoever did. ``rolled``: with its roll-ups."""
    c = t.companies.c
    found: dict[str, Any] = {}
    missing = set(ids)
    while missing:
        rows = connection.execute(select(c.id, c.merged_into, c.attributes).where(among(c.id, missing))).all()
        found |= {row.id: row for row in rows}
        missing = {row.merged_into for row in rows if row.merged_into} - found.keys()

    numbers = rollups.of(connection, found) if rolled else {}

    def living(id_: str) -> Any:
        while found[id_].merged_into in found:
            id_ = found[id_].merged_into
        return {**found[id_].attributes, **numbers[id_]} if id_ in numbers else found[id_].attributes

    return {id_: living(id_) for id_ in ids if id_ in found}


def finish_part(
    connection: Connection,
    rescore: Any,
    part: Range,
    names: Collection[str],
    rows: Sequence[Mapping[str, Any]],
    crossers: Collection[str],
) -> bool:
    """Write the new scores of a part, drop those that the model has no more, and take it off the list. False: that was
    done already, and nothing is written.

    Whoever has a score of the new model by now keeps it: it was made of later facts.
    """
    mine = and_(_p.rescore == rescore.id, _p.low == part.low)
    if not connection.execute(delete(t.rescore_parts).where(mine)).rowcount:
        return False
    s = t.scores.c
    theirs = and_(s.lead > part.low, s.lead <= part.high)
    connection.execute(delete(t.scores).where(theirs, s.name.not_in(names)))
    keep_former(connection, theirs, rescore.scoring)
    put = Put(connection)
    put.upsert(t.scores, rows, other="scoring")
    put.insert(t.crossed, [{"lead": lead} for lead in sorted(crossers)], ignore=True)
    return True


def late(connection: Connection, names: Collection[str], rescore: Any) -> list[str]:
    """Leads that a batch which had begun before scored by the old model since."""
    s = t.scores.c
    old = select(s.lead).where(s.name.in_(names), s.scoring != rescore.scoring, s.at >= rescore.created_at)
    return list(connection.scalars(old.distinct().order_by(s.lead)))


def finish(connection: Connection, rescore: str) -> bool:
    """All leads have their new scores: from now on people see them. False: somebody else said so."""
    return bool(connection.execute(delete(t.rescores).where(_r.id == rescore)).rowcount)


def clear_former(connection: Connection, limit: int) -> int:
    """Remove some of the scores that nobody sees any more. Returns how many."""
    some = select(_f.lead).order_by(_f.lead).limit(1).offset(limit - 1)
    end = connection.scalar(some)
    gone = delete(t.former_scores) if end is None else delete(t.former_scores).where(_f.lead <= end)
    over = ~exists().where(_r.scoring != "").correlate(None)
    return int(connection.execute(gone.where(over)).rowcount)


def has_former(connection: Connection) -> bool:
    return connection.scalar(select(literal(1)).select_from(t.former_scores).limit(1)) is not None


# -- who crossed -------------------------------------------------------------------------------------------------------


def crossed(connection: Connection, name: str, limit: int) -> list[str]:
    """Leads that the journey has yet to answer, the best first: of sales, too, who can take so many only."""
    s = t.scores.c
    found = t.crossed.outerjoin(t.scores, and_(s.lead == t.crossed.c.lead, s.name == name))
    best = select(t.crossed.c.lead).select_from(found).order_by(s.total.desc().nulls_last(), t.crossed.c.lead)
    return list(connection.scalars(best.limit(limit)))


def answered(connection: Connection, leads: Collection[str]) -> None:
    connection.execute(delete(t.crossed).where(among(t.crossed.c.lead, leads)))
