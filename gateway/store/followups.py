"""Handoffs whose time is over, step by step: what sales did is read again before a clock does anything.

``checking`` and ``hearing`` of a handoff: empty → ``asked`` (its records are to be fetched) → the id of a document that
all of them came before → ``known`` (all those are read).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from gateway.contracts import CAMPAIGN, LIST, Lookup
from gateway.journey import answering
from gateway.store import lookups
from gateway.store import tables as t
from gateway.store.among import among

ASKED, KNOWN = "asked", answering.KNOWN
_h, _r, _w, _l = t.handoffs.c, t.records.c, t.writes.c, t.lookups.c


class Clock(NamedTuple):
    """Two columns of a handoff: how far it is with reading again, and when its time is over."""

    step: ColumnElement[str]
    due: ColumnElement[int]


CLOCKS = Clock(_h.checking, _h.period_ends), Clock(_h.hearing, _h.alarm_at)

_OVER = select(_h.id, _h.lead, _h.system).join(
    t.leads, and_(t.leads.c.id == _h.lead, t.leads.c.merged_into.is_(None), t.leads.c.erased_at.is_(None))
)
_THERE = select(_r.object, _r.record, _r.entity).where(_r.gone.is_(None))


def over(connection: Connection, clock: Clock, now: int, limit: int) -> Sequence[Any]:
    """Open handoffs (id, lead, system) whose time is over and of which nobody was asked yet, the oldest first.

    Not those that the system was never told of: sales cannot have followed them up. Lists tell sales nothing.
    """
    untold = exists().where(
        _w.lead == _h.lead, _w.system == _h.system, _w.create, _w.state.in_(("waiting", "leased", "unknown", "dead")),
        _w.object.not_in((LIST, CAMPAIGN)),
    )  # fmt: skip
    due = _OVER.where(_h.state == "open", clock.step == "", clock.due <= now, ~untold)
    return connection.execute(due.order_by(clock.due).limit(limit)).all()


def ask(connection: Connection, clock: Clock, handoffs: Sequence[Any], now: int) -> None:
    """Have the records of these leads in the handoffs' systems fetched."""
    systems: dict[str, list[str]] = {}
    for handoff in handoffs:
        systems.setdefault(handoff.system, []).append(handoff.lead)
    for system, leads in systems.items():
        rows = connection.execute(_THERE.where(_r.system == system, _r.kind == "person", among(_r.entity, leads)))
        lookups.ask(connection, [Lookup(system=system, object=row.object, record=row.record) for row in rows], now)
    mark(connection, clock, [handoff.id for handoff in handoffs], ASKED)


def mark(connection: Connection, clock: Clock, handoffs: Collection[str], step: str) -> None:
    connection.execute(update(t.handoffs).where(among(_h.id, handoffs)).values({clock.step: step}))


def fetched(connection: Connection, clock: Clock, limit: int) -> list[str]:
    """Ids of asked handoffs none of whose records is still to be fetched."""
    missing = exists().where(
        _r.entity == _h.lead, _r.system == _h.system, _l.system == _r.system, _l.object == _r.object,
        _l.record == _r.record,
    )  # fmt: skip
    done = select(_h.id).where(_h.state == "open", clock.step == ASKED, ~missing)
    return list(connection.scalars(done.limit(limit)))


def read_up_to(connection: Connection, clock: Clock, document: str | None, limit: int) -> list[str]:
    """Ids of handoffs all of whose records came before ``document``, the oldest that waits (None: none does)."""
    done = select(_h.id).where(_h.state == "open", clock.step.between("0", document or "9"))
    return list(connection.scalars(done.limit(limit)))


def waiting(connection: Connection) -> dict[str, int]:
    """system → open handoffs of which a clock waits until that was read."""
    asked = or_(_h.checking == ASKED, _h.hearing == ASKED)
    rows = connection.execute(select(_h.system, func.count()).where(_h.state == "open", asked).group_by(_h.system))
    return {row[0]: row[1] for row in rows}


def known(connection: Connection, clock: Clock, limit: int) -> list[str]:
    """Leads of whose open handoff the clock may speak now."""
    return [row.lead for row in connection.execute(_OVER.where(_h.state == "open", clock.step == KNOWN).limit(limit))]
