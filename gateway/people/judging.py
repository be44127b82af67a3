"""What people decide of a lead here: handed over now, held, given points; another bucket; a held back handoff released.

Each is worked as one batch of its own, so it is scored, advanced, planned and recorded like everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from gateway.contracts import Mark
from gateway.errors import NotFound, Refused
from gateway.journey.advance import Asked
from gateway.journey.endings import Close
from gateway.journey.judgement import Judgement
from gateway.journey.words import BUCKETS, FORGOTTEN
from gateway.people.owning import same
from gateway.people.reporting import check_reason
from gateway.settings.files import suggest
from gateway.store import tables as t
from gateway.store.database import read
from gateway.store.times import new_id
from gateway.times import from_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

POINTS = 100
CHUNK = 200
_h = t.handoffs.c


@dataclass(frozen=True, slots=True)
class Released:
    """Ids of handoffs: given to sales, and given up with why: what was right when they were held back is no more."""

    opened: Sequence[str]
    withdrawn: Mapping[str, str]


def hand_over(gateway: Gateway, key: str, reason: str, by: str) -> dict[str, Any]:
    """Open a handoff whatever the score. Raises ``NotFound`` and ``Refused``; returns its row."""
    lead = gateway.find_lead(key)
    journey = gateway.model.journey
    if not journey.systems:
        raise Refused("no stage of journey.yaml hands over, so there is nobody to hand it to")
    _decide(gateway, {lead: Judgement(asked=Asked(reason, by))})
    with read(gateway.store.main) as connection:
        theirs = select(t.handoffs).where(_h.lead == lead, _h.state == "open")
        return dict(connection.execute(theirs).mappings().one())


def release(gateway: Gateway, keys: Sequence[str], best: int | None, by: str) -> Released:
    """Give sales what was held back: these, or the ``best`` so many. Raises ``NotFound`` and ``Refused``."""
    rows = held(gateway)
    if keys:
        asked = {gateway.find_lead(key) if key not in {row["id"] for row in rows} else key for key in keys}
        rows = [row for row in rows if asked & {row["id"], row["lead"]}]
        if len(rows) < len(asked):
            raise Refused(f"{len(asked) - len(rows)} of them have no handoff that is held back; nothing was released")
    withdrawn: dict[str, str] = {}
    chosen = rows if best is None else rows[:best]
    for start in range(0, len(chosen), CHUNK):
        of_lead = {row["lead"]: row["id"] for row in chosen[start : start + CHUNK]}
        judged = {lead: Judgement(asked=Asked("released", by)) for lead in of_lead}
        done = gateway.pipeline.run((), judged, "person", judgements=judged)
        gateway.observe(done)
        if done.withheld:
            gone = {lead: Judgement(withdrawn=why) for lead, why in done.withheld.items()}
            gateway.observe(gateway.pipeline.run((), gone, "person", judgements=gone))
            withdrawn |= {of_lead[lead]: why for lead, why in done.withheld.items()}
    return Released([row["id"] for row in chosen if row["id"] not in withdrawn], withdrawn)


def held(gateway: Gateway) -> list[dict[str, Any]]:
    """Handoffs that are held back, the best score first, each with its lead's attributes."""
    with read(gateway.store.main) as connection:
        rows = select(t.handoffs, t.leads.c.attributes).join(t.leads, t.leads.c.id == _h.lead)
        rows = rows.where(_h.state == "held").order_by(_h.score.desc(), _h.opened_at, _h.id)
        return [dict(row) for row in connection.execute(rows).mappings()]


def correct(
    gateway: Gateway, key: str, bucket: str, reason: str, by: str, admin: bool, wake: datetime | None = None
) -> dict[str, Any]:
    """Give a closed handoff another bucket. ``key``: its id, or its lead's (then the last one). Returns its row.

    Whoever ended it may, for a while; after that, and for others, an admin. Raises ``NotFound`` and ``Refused``.
    """
    if bucket not in BUCKETS:
        raise Refused(f"no such bucket{suggest(bucket, BUCKETS) or '; it is one of ' + ', '.join(BUCKETS)}")
    with read(gateway.store.main) as connection:
        row = connection.execute(select(t.handoffs).where(_h.id == key)).mappings().first()
        if row is None:
            theirs = select(t.handoffs).where(_h.lead == gateway.find_lead(key), _h.state.in_(("open", "closed")))
            row = connection.execute(theirs.order_by(_h.opened_at.desc())).mappings().first()
    if row is None:
        raise Refused("the lead was never handed over, so there is no bucket to correct")
    if row["state"] != "closed":
        raise Refused(f"handoff {row['id']} is still {row['state']}; end it with qualify, reject or recycle")
    check_reason(gateway.model.journey, bucket, reason)
    if (bucket, reason) == (row["bucket"], row["bucket_reason"]):
        raise Refused(f"it ended as {bucket} already" + (f" ({reason})" if reason else ""))
    if not admin:
        _check_theirs(gateway, dict(row), by)
    at = from_micros(row["closed_at"])
    close = Close(row["id"], at, bucket, reason, by, "", wake)
    _decide(gateway, {row["lead"]: Judgement(correction=(dict(row), close))})
    with read(gateway.store.main) as connection:
        return dict(connection.execute(select(t.handoffs).where(_h.id == row["id"])).mappings().one())


def _check_theirs(gateway: Gateway, row: Mapping[str, Any], by: str) -> None:
    """Raises ``Refused`` unless ``by`` ended the handoff, here or in the CRM, and may still say it otherwise."""
    now = gateway.now()
    with read(gateway.store.main) as connection:
        theirs = same(gateway.pipeline.roster(connection, now), by, row["closed_by"])
    over = now > from_micros(row["closed_at"]) + gateway.model.journey.follow_up.correct_within
    if over or not theirs:
        whose = "its time for that is over" if theirs else f"{row['closed_by']} ended it, not {by}"
        raise Refused(f"{whose}; an admin may correct it, with --admin")


def hold(gateway: Gateway, key: str, until: datetime | None, reason: str, by: str) -> str:
    """Keep a lead from being handed over; returns its id. Raises ``NotFound`` and ``Refused``."""
    now = gateway.now()
    if until is not None and until <= now:
        raise Refused("that is over already; name a time to come")
    return _mark(gateway, key, Mark(now, "hold", reason=reason, until=until, by=by, id=new_id()))


def let_go(gateway: Gateway, key: str) -> str:
    """End the holding of a lead. Raises ``NotFound`` and ``Refused``."""
    lead, m = gateway.find_lead(key), t.marks.c
    with read(gateway.store.main) as connection:
        theirs = select(m.id).where(m.lead == lead, m.kind == "hold").order_by(m.at.desc())
        last = connection.scalar(theirs)
    if last is None:
        raise Refused(f"lead {lead} is not held")
    _decide(gateway, {lead: Judgement(unmark=last)})
    return lead


def give_points(gateway: Gateway, key: str, points: int, until: datetime | None, reason: str, by: str) -> str:
    """Points of the 0–100 scale beside what the rules give; returns the lead's id. Raises as ``hold`` does."""
    now = gateway.now()
    if not points or abs(points) > POINTS:
        raise Refused(f"points are from -{POINTS} to {POINTS}, and not 0")
    if until is not None and until <= now:
        raise Refused("that is over already; name a time to come")
    return _mark(gateway, key, Mark(now, "manual", points, reason, until, by, new_id()))


def _mark(gateway: Gateway, key: str, mark: Mark) -> str:
    lead = gateway.find_lead(key)
    _decide(gateway, {lead: Judgement(marks=(mark,))})
    return lead


def _decide(gateway: Gateway, judged: Mapping[str, Judgement]) -> None:
    """Raises ``Refused`` with why where a handoff was asked for and is not opened; nothing is lost by that.

    Raises ``NotFound`` of who is forgotten: of them nothing is decided any more.
    """
    people = t.leads.c
    with read(gateway.store.main) as connection:
        if connection.scalar(select(people.id).where(people.id.in_(list(judged)), people.erased_at.is_not(None))):
            raise NotFound(FORGOTTEN)
    done = gateway.pipeline.run((), judged, "person", judgements=judged)
    gateway.observe(done)
    asked = [lead for lead, one in judged.items() if one.asked is not None and lead in done.withheld]
    if asked:
        raise Refused(done.withheld[asked[0]])
