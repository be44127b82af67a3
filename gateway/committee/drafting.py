"""Drafts of the model under way: any of its files, kept while people work on them, until one proposes or drops them.

In: an opened gateway, an account, what the files of a draft are to say. Out: a row in ``drafts`` that waits for
nobody's key, and what it comes to beside the live model. Before ``proposing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.accounts import audit
from gateway.accounts.users import User
from gateway.committee import governing
from gateway.committee.proposing import draft_called, may
from gateway.errors import ConfigError, Problem, Refused, StaleCommit
from gateway.store import bundle, drafts
from gateway.store.database import read, write
from gateway.store.drafts import Draft
from gateway.store.times import new_id, utc_now
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

MEANWHILE = "somebody else changed this draft meanwhile; look at it again"


@dataclass(frozen=True, slots=True)
class Looked:
    """A draft beside the live model. ``changes``: file → in words; ``free``: its files that change nothing of the
    model; ``problems``: why it cannot go live as it is; ``doubts``: what is suspicious about it."""

    changes: Mapping[str, Sequence[str]]
    free: Sequence[str]
    problems: Sequence[Problem | str]
    doubts: Sequence[Problem]


def keep(
    gateway: Gateway,
    user: User,
    was: Draft | None,
    name: str,
    files: Mapping[str, str],
    reason: str = "",
    effective_at: datetime | None = None,
    base: str | None = None,
) -> Draft:
    """Keep what a draft says so far: whether it fits is told by ``look``.

    :param was: the draft as it was read; None: a new one. :param files: all its files; what is as live is left out.
    :param base: id of the live bundle that its maker saw; None = of the one that is live now.
    Raises ``Refused`` where no approval is asked for, for a viewer, or once it is proposed; ``StaleCommit`` where
    somebody else changed it since it was read.
    """
    may(user)
    if was is not None and was.state != drafts.BEGUN:
        raise Refused(f"this draft is {was.state}: it cannot be changed any more; make another")
    at = to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
        active = bundle.active(connection)
    if governing.approval_of(live) == "off":
        raise Refused("approval is off: what the files say is live; `approval: two-key` in gateway.yaml asks for keys")
    other = {one: text for one, text in files.items() if text != live.get(one, "")}
    seen = base if base is not None else active.id if active is not None else ""
    effective = to_micros(effective_at) if effective_at is not None else None
    id_, changed_at = (was.id, max(at, was.changed_at + 1)) if was is not None else (new_id(), at)
    whose = (was.user, was.by) if was is not None else (user.id, user.email)
    since = was.at if was is not None else at
    draft = Draft(id_, name, other, seen, drafts.BEGUN, *whose, reason, since, effective, changed_at=changed_at)
    if was is not None and other == was.files:
        draft = replace(draft, changed_at=was.changed_at)  # the same text: what it was tried with holds
    with write(gateway.store.main) as connection:
        if was is None:
            drafts.add(connection, draft)
        elif not drafts.rewrite(connection, was, draft):
            raise StaleCommit(MEANWHILE)
        if was is None or other != was.files:
            real, what = to_micros(utc_now()), "model draft begun" if was is None else "model draft changed"
            audit.note(connection, real, user.email, what, draft.id, None, {"files": [*other]})
    return draft


def drop(gateway: Gateway, user: User, draft: Draft) -> None:
    """Forget a draft that nobody proposed, with what was said about it. Raises ``Refused`` and ``StaleCommit``."""
    may(user)
    if draft.state != drafts.BEGUN:
        raise Refused(f"this draft is {draft.state}: it stays on record")
    with write(gateway.store.main) as connection:
        if not drafts.drop(connection, draft):
            raise StaleCommit(MEANWHILE)
        audit.note(connection, to_micros(utc_now()), user.email, "model draft dropped", draft.id)


def whole(connection: Connection, draft: Draft, live: Mapping[str, str]) -> tuple[Mapping[str, str], dict[str, str]]:
    """(all files of the model that the draft is held against, all files with its own among them): while it is worked
    on that is the live model, then the one that was live when it was proposed."""
    base = bundle.of(connection, draft.base) if draft.state != drafts.BEGUN else None
    before = base.files if base is not None else live
    return before, governing.merged(before, draft.files)


def look(gateway: Gateway, draft: Draft) -> Looked:
    """What it comes to now; nothing is kept."""
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
    wanted = governing.merged(live, draft.files)
    changes = governing.changes(live, wanted)
    problems: Sequence[Problem | str] = ()
    doubts: Sequence[Problem] = ()
    try:
        found = governing.fits(gateway.instance.root, gateway.host, wanted, gateway.instance)
        doubts = governing.doubts(found, gateway.instance)
    except ConfigError as exc:
        problems = exc.problems
    free = [name for name in draft.files if name not in changes]
    return Looked(changes, free, problems, doubts)


def moved(gateway: Gateway, draft: Draft) -> list[str]:
    """Its files of which the live text is another by now than the one they were made from."""
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
        base = bundle.of(connection, draft.base)
    was = base.files if base is not None else live
    return [name for name in draft.files if was.get(name) != live.get(name)]


def called(gateway: Gateway, key: str) -> Draft:
    """The draft whose id begins or ends with ``key``. Raises ``NotFound``."""
    with read(gateway.store.main) as connection:
        return draft_called(connection, key)


def tried(gateway: Gateway, draft: Draft, told: Mapping[str, Any], score: str, job: str) -> None:
    """Keep what a replay of it found.

    :param told: as JSON, people by their ids alone. :param score: by which; empty = the main one. :param job: the id of
        the work that found it.
    """
    with write(gateway.store.main, lock=None) as connection:
        active = bundle.active(connection)
        trial = {
            "at": to_micros(gateway.now()),
            "changed_at": draft.changed_at,
            "live": active.id if active is not None else "",
            "score": score,
            "job": job,
            "told": dict(told),
        }
        drafts.tried(connection, draft.id, trial)


def outdated(gateway: Gateway, draft: Draft) -> Sequence[str]:
    """Why its trial says no more what it would do, in words; empty: it still does."""
    if draft.trial is None:
        return ()
    words = ["of an older text: the draft was changed since"] if draft.trial["changed_at"] != draft.changed_at else []
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
        base = bundle.of(connection, draft.trial["live"])
    if base is not None and governing.changes(base.files, live):
        words.append("beside a model that is not the live one any more")
    return words
