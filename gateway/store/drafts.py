"""Drafts of the model that were proposed, and who turned a key for them. Rows in, rows out; what counts is decided in
``governance.keys``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gateway.governance.keys import Turn
from gateway.store import tables as t
from gateway.store.times import new_id

PROPOSED, AGREED, LIVE, REJECTED, WITHDRAWN, FAILED = "proposed", "agreed", "live", "rejected", "withdrawn", "failed"
OPEN = (PROPOSED, AGREED)
_d, _t = t.drafts.c, t.draft_turns.c


@dataclass(frozen=True, slots=True)
class Draft:
    """``files``: name → text, those that differ from ``base``, the id of the bundle it was made from. ``effective_at``:
    when it is to go live; None = with the last key. ``bundle``: what it became. ``problem``: why it did not go live.
    Times are microseconds of business time."""

    id: str
    name: str
    files: Mapping[str, str]
    base: str
    state: str
    user: str
    by: str
    reason: str
    at: int
    effective_at: int | None
    ended_at: int | None
    bundle: str
    problem: str


def propose(
    connection: Connection,
    name: str,
    files: Mapping[str, str],
    base: str,
    user: str,
    by: str,
    reason: str,
    at: int,
    effective_at: int | None,
) -> Draft:
    draft = Draft(
        new_id(), name, dict(files), base, PROPOSED, user, by, reason, at, effective_at, None, bundle="", problem=""
    )
    connection.execute(insert(t.drafts).values({name: getattr(draft, name) for name in Draft.__slots__}))
    return draft


def turn(connection: Connection, draft: Draft, turned: Turn) -> None:
    """Write down what somebody did about it."""
    row = {name: getattr(turned, name) for name in Turn.__slots__}
    connection.execute(insert(t.draft_turns).values(id=new_id(), draft=draft.id, **row))


def end(connection: Connection, draft: Draft, state: str, at: int, bundle: str = "", problem: str = "") -> bool:
    """Give it a state. False: it has another by now than when it was read."""
    ended_at = None if state == AGREED else at
    mine = update(t.drafts).where(_d.id == draft.id, _d.state == draft.state)
    values = {"state": state, "ended_at": ended_at, "bundle": bundle, "problem": problem}
    return bool(connection.execute(mine.values(values)).rowcount)


def found(connection: Connection, states: Sequence[str] = ()) -> list[Draft]:
    """The newest first; all, or those in one of ``states``."""
    chosen = select(t.drafts).order_by(_d.id.desc())
    chosen = chosen.where(_d.state.in_(states)) if states else chosen
    return [_draft(row) for row in connection.execute(chosen).mappings()]


def beginning(connection: Connection, key: str) -> list[Draft]:
    """The drafts whose id begins or ends so."""
    return [one for one in found(connection) if one.id.startswith(key) or one.id.endswith(key)]


def due(connection: Connection, now: int) -> list[Draft]:
    """Drafts with all their keys whose time has come, in its order."""
    chosen = select(t.drafts).where(_d.state == AGREED, _d.effective_at <= now).order_by(_d.effective_at, _d.id)
    return [_draft(row) for row in connection.execute(chosen).mappings()]


def of_bundles(connection: Connection) -> dict[str, Draft]:
    """Bundle → the draft that became it last."""
    return {one.bundle: one for one in reversed(found(connection, [LIVE]))}


def turns(connection: Connection, drafts: Sequence[Draft]) -> dict[str, list[Turn]]:
    """Draft → what was done about it, in order."""
    ids = [one.id for one in drafts]
    rows: dict[str, list[Turn]] = {id_: [] for id_ in ids}
    for row in connection.execute(select(t.draft_turns).where(_t.draft.in_(ids)).order_by(_t.id)).mappings():
        rows[row["draft"]].append(Turn(**{name: row[name] for name in Turn.__slots__}))
    return rows


def _draft(row: Mapping[Any, Any]) -> Draft:
    return Draft(**{name: row[name] for name in Draft.__slots__})
