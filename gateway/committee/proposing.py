"""What people do about the model under approval: propose a draft, turn a key for it or reject it; and it going live.

In: an opened gateway, an account, a draft's files. Out: a row in ``drafts`` with its turns, and, with the last key and
at its time, a new active bundle. Every refusal says who may do it, or what to do instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from gateway.accounts import audit
from gateway.accounts.rights import allowed
from gateway.accounts.users import User
from gateway.committee import governing
from gateway.errors import ConfigError, NotFound, Problem, Refused, StaleCommit
from gateway.governance import keys
from gateway.governance.keys import Turn
from gateway.governance.parts import CONTENT, GATEWAY, JOURNEY, SCORING, is_mapping, is_model
from gateway.inbound import rereading
from gateway.settings.files import ConfigFile
from gateway.settings.folder import misplaced, texts
from gateway.settings.instance import Instance
from gateway.store import bundle, drafts
from gateway.store.database import read, write
from gateway.store.drafts import Draft
from gateway.store.times import new_id, utc_now
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

FOLDER = "drafts"
"""Where drafts that are files are looked for in an instance: ``drafts/NAME.yaml``, or a folder ``drafts/NAME``."""
RIGHT = "decide"
NO_APPROVAL = "approval is off by now, so the files are the model: put the draft's text into them (`model export`)"
ENDS = {keys.REJECT: drafts.REJECTED, keys.WITHDRAW: drafts.WITHDRAWN}


# -- what a draft is made of -------------------------------------------------------------------------------------------


def files_of(root: Path, given: str = "", live: Collection[str] = ()) -> tuple[str, dict[str, str]]:
    """(name, file → text) of a draft: the instance's own files, a folder with some of them, or one file. A file that is
    empty is to be taken away.

    :param given: a path, or a name in ``drafts/``; empty = the files of the instance as they stand on disk. What a
        single file is, its name tells, else its content. :param live: files in use; those that are missing on disk are
        to be taken away, but for mappings, which come and go with their systems.
    Raises ``NotFound`` and ``ConfigError``.
    """
    if not given:
        found = dict.fromkeys((name for name in live if not is_mapping(name)), "") | texts(root)
        return "the files on disk", {name: text for name, text in found.items() if _governed(name)}
    places = [Path(given), root / given, root / FOLDER / given, root / FOLDER / f"{given}.yaml"]
    path = next((one for one in places if one.exists()), None)
    if path is None:
        looked = ", ".join(dict.fromkeys(str(one) for one in places))
        raise NotFound(f"no draft {given!r}: no such id (`gateway model history`), nor any of {looked}")
    if path.is_dir():
        if unread := misplaced(path, path):
            raise ConfigError(unread)
        found = {name: text for name, text in texts(path).items() if _governed(name)}
        if not found:
            raise NotFound(f"{path}: holds neither {SCORING} nor {JOURNEY}, nor mappings/SYSTEM.yaml")
        _readable(path, found)
        return path.name, found
    file = ConfigFile.read(path)
    name = f"{path.parent.name}/{path.name}" if path.parent.name in ("mappings", "scores") else path.name
    if not is_model(name) and not is_mapping(name):
        system = file.data.get("system")
        name = JOURNEY if "stages" in file.data else f"mappings/{system}.yaml" if system else SCORING
        name = CONTENT if [*file.data] == ["content"] else name
    return path.name, {name: file.text}


def _readable(folder: Path, files: Mapping[str, str]) -> None:
    """Raises ``ConfigError``: what is no YAML would else pass for a file that is to be taken away."""
    problems: list[str | Problem] = []
    for name, text in files.items():
        try:
            if text.strip():
                ConfigFile(str(folder / name), text)
        except ConfigError as exc:
            problems += exc.problems
    if problems:
        raise ConfigError(problems)


def _governed(name: str) -> bool:
    return is_model(name) or name in (CONTENT, GATEWAY) or is_mapping(name)


def named(connection: Connection, key: str) -> Draft | None:
    """The draft whose id begins or ends with ``key``. Raises ``NotFound`` for more than one."""
    found = drafts.beginning(connection, key) if len(key) >= governing.SHORT and key.isalnum() else []
    if len(found) > 1:
        raise NotFound(
            f"{len(found)} drafts are called {key!r}: {', '.join(one.id for one in found)}; use more of the id"
        )
    return found[0] if found else None


def draft_called(connection: Connection, key: str) -> Draft:
    """As ``named``. Raises ``NotFound`` when there is none."""
    if (found := named(connection, key)) is None:
        still = ", ".join(one.id[-8:] for one in drafts.found(connection, drafts.OPEN)) or "none"
        raise NotFound(f"no draft {key!r}; open are: {still} (`gateway model history`)")
    return found


# -- acts --------------------------------------------------------------------------------------------------------------


def propose(
    gateway: Gateway,
    user: User,
    name: str,
    files: Mapping[str, str],
    reason: str,
    effective_at: datetime | None = None,
    token: str = "",
    begun: Draft | None = None,
) -> tuple[Draft, dict[str, list[str]]]:
    """Put a draft before the others. Returns it with its changes in words.

    :param begun: the one that ``files`` are of, where somebody worked on it at the desk: it stays the same draft.
    Raises ``Refused`` when no approval is asked for, for a viewer, a date in the past, a draft that changes nothing, or
    what another draft proposes;
    ``ConfigError`` when it does not fit the rest of the live files.
    """
    now = gateway.now()
    may(user)
    with read(gateway.store.main) as connection:
        active = bundle.active(connection)
        live = governing.live_files(connection, gateway.instance)
        waiting = drafts.found(connection, drafts.OPEN)
    if governing.approval_of(live) == "off":
        raise Refused("approval is off: what the files say is live; `approval: two-key` in gateway.yaml asks for keys")
    _reason(reason)
    _in_time(effective_at, now)
    wanted = governing.merged(live, files)
    changes = governing.changes(live, wanted)
    if not changes:
        raise Refused(f"{name}: nothing in it differs from the live model")
    governing.fits(gateway.instance.root, gateway.host, wanted, gateway.instance)
    kept = {one: wanted.get(one, "") for one in changes}
    at, effective = to_micros(now), to_micros(effective_at) if effective_at is not None else None
    for same in waiting:
        if (same.files, same.effective_at) == (kept, effective):
            raise Refused(
                f"{same.by} has proposed the same: draft {same.id[-8:]}; approve, reject or withdraw that one"
            )
    with write(gateway.store.main) as connection:
        whose, words = (user.id, user.email), (reason, at, effective)
        draft = Draft(
            begun.id if begun is not None else new_id(),
            *(name or ", ".join(kept), kept, active.id if active is not None else "", drafts.PROPOSED, *whose, *words),
            changed_at=begun.changed_at if begun is not None else at,
        )
        if begun is not None:
            _still(drafts.rewrite(connection, begun, draft))
        else:
            drafts.add(connection, draft)
        real, told = to_micros(utc_now()), {"files": [*kept]}
        audit.note(connection, real, user.email, "model proposed", draft.id, None, told, token)
    return draft, changes


def decide(gateway: Gateway, user: User, draft: Draft, what: str, reason: str, token: str = "") -> Draft:
    """Turn a key: approve, reject, withdraw, or override. With the last key the draft goes live, or waits for its date.

    Raises ``Refused`` (the wrong role, the same person twice, a date that has passed, another model live by now) and
    ``ConfigError`` (it does not fit the live files any more). Returns the draft as it is then.
    """
    now = gateway.now()
    may(user)
    _reason(reason)
    if draft.state == drafts.BEGUN:
        raise Refused("this draft is still worked on: propose it first")
    if draft.state not in drafts.OPEN or (draft.state == drafts.AGREED and what == keys.APPROVE):
        raise Refused(f"this draft is {draft.state}; `gateway model propose` makes another")
    if what == keys.WITHDRAW and draft.user != user.id:
        raise Refused(f"only {draft.by} can withdraw it; others reject")
    at, real = to_micros(now), to_micros(utc_now())
    turned = Turn(what, user.id, user.email, user.role, reason, at)
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
        turns = drafts.turns(connection, [draft])[draft.id]
    approval = governing.approval_of(live)
    if approval == "off" and what not in ENDS:
        raise Refused("approval is off: what the files say is live; reject the draft, or put its text into the files")
    keys.refuse(what, user.id, user.role, approval, turns)
    if what in ENDS:
        with write(gateway.store.main) as connection:
            _still(drafts.end(connection, draft, ENDS[what], at))
            drafts.turn(connection, draft, turned)
            audit.note(connection, real, user.email, f"model {what}", draft.id, token=token)
        return _again(gateway, draft)
    if what == keys.APPROVE and draft.effective_at is not None and draft.effective_at < at:
        raise Refused("the date it was to go live has passed: propose it again, with a later one or without")
    instance, base = _current(gateway, draft)
    done = not keys.missing(approval, [*turns, turned])
    waits = done and what != keys.OVERRIDE and draft.effective_at is not None
    with write(gateway.store.main) as connection:
        drafts.turn(connection, draft, turned)
        audit.note(connection, real, user.email, f"model {what}", draft.id, token=token)
        if waits:
            _still(drafts.end(connection, draft, drafts.AGREED, at))
        elif done:
            _activate(gateway, connection, draft, instance, base, at)
    return _again(gateway, draft)


def comment(gateway: Gateway, user: User, draft: Draft, words: str) -> None:
    """Say something about a draft; it turns no key. Raises ``Refused`` once the draft has ended."""
    may(user)
    _reason(words)
    if draft.state not in (drafts.BEGUN, *drafts.OPEN):
        raise Refused(f"this draft is {draft.state}; `gateway model propose` makes another")
    said = Turn(keys.COMMENT, user.id, user.email, user.role, words.strip(), to_micros(gateway.now()))
    with write(gateway.store.main) as connection:
        drafts.turn(connection, draft, said)


def go_due(gateway: Gateway) -> bool:
    """Bring to life what has all its keys and whose time has come. True when something went live.

    Without approval the files are the model: a draft that they would undo at once ends, and says so.
    """
    now = to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        waiting = drafts.due(connection, now)
    went = False
    for draft in waiting:
        try:
            if gateway.instance.approval == "off":
                raise Refused(NO_APPROVAL)
            instance, base = _current(gateway, draft)
        except (ConfigError, Refused) as exc:
            problem = str(exc.problems[0]) if isinstance(exc, ConfigError) else str(exc)
            with write(gateway.store.main) as connection:
                drafts.end(connection, draft, drafts.FAILED, now, problem=problem)
            gateway.log.error("an approved model does not go live", draft=draft.id, problem=problem)
            continue
        with write(gateway.store.main) as connection:
            _activate(gateway, connection, draft, instance, base, now)
        went = True
    return went


def _activate(gateway: Gateway, connection: Connection, draft: Draft, instance: Instance, base: str, at: int) -> None:
    before = bundle.active(connection)
    if (before.id if before is not None else "") != base:
        raise StaleCommit("the live files changed at the same moment; try again")
    id_ = bundle.activate(connection, instance.files, instance.hashes, at)
    _still(drafts.end(connection, draft, drafts.LIVE, at, id_))
    if before is not None and any(is_mapping(name) for name in draft.files):
        from gateway.runtime import Gateway as Opened

        opened = Opened(instance, gateway.host, gateway.now)
        try:
            rereading.note(opened, connection, before.files, gateway.now())
        finally:
            opened.close()
    gateway.log.info("a model went live", draft=draft.id, bundle=id_)


def _current(gateway: Gateway, draft: Draft) -> tuple[Instance, str]:
    """The instance that the draft makes of the live files, and the id of their bundle. Raises ``Refused`` where those
    moved on since it was made, ``ConfigError`` where it does not fit them."""
    with read(gateway.store.main) as connection:
        active, base = bundle.active(connection), bundle.of(connection, draft.base)
    live = active.files if active is not None else governing.unapproved(gateway.instance.files)
    was = base.files if base is not None else live
    moved = [*governing.changes(was, live), *(name for name in draft.files if was.get(name) != live.get(name))]
    if moved:
        raise Refused(f"{', '.join(dict.fromkeys(moved))} of the live model changed since; propose the draft again")
    wanted = governing.merged(live, draft.files)
    instance = governing.fits(gateway.instance.root, gateway.host, wanted, gateway.instance)
    return instance, active.id if active is not None else ""


def _again(gateway: Gateway, draft: Draft) -> Draft:
    with read(gateway.store.main) as connection:
        return draft_called(connection, draft.id)


def may(user: User) -> None:
    if RIGHT not in allowed(user.role):
        raise Refused(f"a {user.role} decides about no model; people of {' and '.join(keys.HOLDERS)} do")


def _reason(reason: str) -> None:
    if not reason.strip():
        raise Refused("say why: --reason")


def _in_time(effective_at: datetime | None, now: datetime) -> None:
    if effective_at is not None and effective_at < now:
        raise Refused("it cannot go live in the past: name a later date, or none: live with the last key")


def _still(mine: bool) -> None:
    if not mine:
        raise StaleCommit("somebody else decided about it at the same moment; look at it again")


# -- the files on disk -------------------------------------------------------------------------------------------------


def discard(root: Path, live: Mapping[str, str], held: Sequence[str]) -> list[str]:
    """Write the live text over the files that differ; those that the live model lacks stay. Returns the names."""
    written = [name for name in held if name in live]
    for name in written:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(live[name], encoding="utf-8")
        new.replace(path)
    return written
