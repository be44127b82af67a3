"""Drafts of the model, under way and proposed, and who turned a key for them. Rows in, rows out; what counts is decided
in ``governance.keys``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from gateway.governance.keys import Turn
from gateway.store import tables as t
from gateway.store.times import new_id

BEGUN = "begun"
"""Somebody still works on it: it waits for nobody's key."""
PROPOSED, AGREED, LIVE, REJECTED, WITHDRAWN, FAILED = "proposed", "agreed", "live", "rejected", "withdrawn", "failed"
OPEN = (PROPOSED, AGREED)
_d, _t = t.drafts.c, t.draft_turns.c


@dataclass(frozen=True, slots=True)
class Draft:
    """``files``: name → text, those that differ from ``base``, the id of the bundle it was made from; empty = it is to
    be taken away. ``effective_at``: when it is to go live; None = with the last key. ``bundle``: what it became.
    ``problem``: why it did not go live. ``changed_at``: when its files were last written. ``trial``: what was found
    when it was tried, as its maker put it together. Times are microseconds of business time."""

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
    ended_at: int | None = None
    bundle: str = ""
    problem: str = ""
    changed_at: int = 0
    trial: Mapping[str, Any] | None = None


def add(connection: Connection, draft: Draft) -> None:
    connection.execute(insert(t.drafts).values(_values(draft)))


def rewrite(connection: Connection, was: Draft, draft: Draft) -> bool:
    """Write all of ``draft`` over ``was`` but its trial. False: it is another by now than when it was read."""
    mine = update(t.drafts).where(_d.id == was.id, _d.state == was.state, _d.changed_at == was.changed_at)
    values = {name: value for name, value in _values(draft).items() if name != "trial"}
    return bool(connection.execute(mine.values(values)).rowcount)


def drop(connection: Connection, draft: Draft) -> bool:
    """Forget one that nobody proposed. False: it is another by now than when it was read."""
    mine = delete(t.drafts).where(_d.id == draft.id, _d.state == BEGUN, _d.changed_at == draft.changed_at)
    gone = bool(connection.execute(mine).rowcount)
    if gone:
        connection.execute(delete(t.draft_turns).where(_t.draft == draft.id))
    return gone


def tried(connection: Connection, id_: str, trial: Mapping[str, Any]) -> None:
    """Keep what was found when it was tried, instead of what was found before."""
    connection.execute(update(t.drafts).where(_d.id == id_).values(trial=dict(trial)))


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


def _values(draft: Draft) -> dict[str, Any]:
    return {name: getattr(draft, name) for name in Draft.__slots__} | {"files": dict(draft.files)}


def _draft(row: Mapping[Any, Any]) -> Draft:
    return Draft(**{name: row[name] for name in Draft.__slots__})
