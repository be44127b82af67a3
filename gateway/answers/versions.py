"""The versions that were live and the drafts that were proposed, made once for commands and pages.

A version is a bundle whose model differs from the one before; edits that change no model make no version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.answers.texts import iso
from gateway.committee import drafting, governing, proposing
from gateway.errors import NotFound
from gateway.governance.keys import OVERRIDE, Turn, missing
from gateway.governance.parts import CONTENT, MODEL, governed, is_mapping, is_model, of_model
from gateway.settings.folder import texts
from gateway.store import bundle, drafts
from gateway.store.database import read
from gateway.store.drafts import Draft

if TYPE_CHECKING:
    from gateway.runtime import Gateway

LIVE, DISK = "live", "disk"


@dataclass(frozen=True, slots=True)
class Version:
    """``until``: when the next went live, None = it is live. ``changes``: file → what it changed of the one before, in
    words. ``draft`` and ``turns``: who brought it; None = an edit of the files. Times are microseconds."""

    bundle: str
    since: int
    until: int | None
    hashes: Mapping[str, str]
    changes: Mapping[str, Sequence[str]]
    draft: Draft | None
    turns: Sequence[Turn]

    @property
    def overridden(self) -> bool:
        return any(one.what == OVERRIDE for one in self.turns)


def history(gateway: Gateway, limit: int | None = None) -> list[Version]:
    """The newest first."""
    with read(gateway.store.main) as connection:
        rows = _models(bundle.history(connection))
        brought = drafts.of_bundles(connection)
        turns = drafts.turns(connection, list(brought.values()))
    first = max(0, len(rows) - limit) if limit is not None else 0
    found = []
    for place in range(len(rows) - 1, first - 1, -1):
        row, before = rows[place], rows[place - 1] if place else None
        draft = brought.get(row.id)
        draft = draft if draft is not None and draft.ended_at == row.active_at else None
        changes = governing.changes(before.files, row.files) if before is not None else {}
        until = rows[place + 1].active_at if place + 1 < len(rows) else None
        told = turns[draft.id] if draft is not None else ()
        found.append(Version(row.id, row.active_at, until, row.hashes, changes, draft, told))
    return found


def scored_since(gateway: Gateway) -> int | None:
    """Since when leads are scored as they are now, in microseconds; None: no model is live."""
    since = None
    with read(gateway.store.main) as connection:
        rows = bundle.history(connection)
    for row in reversed(rows):
        if row.hashes.get("scoring") != rows[-1].hashes.get("scoring"):
            break
        since = row.active_at
    return since


def _models(rows: Sequence[Any]) -> list[Any]:
    """Those rows whose model is another than that of the row before."""
    found: list[Any] = []
    for row in rows:
        if not found or _hashes(row) != _hashes(found[-1]) or governing.changes(found[-1].files, row.files):
            found.append(row)
    return found


def _hashes(row: Any) -> tuple[str | None, str | None]:
    return row.hashes.get("scoring"), row.hashes.get("journey")


def files_called(gateway: Gateway, key: str) -> tuple[str, Mapping[str, str]]:
    """(what it is called, all its files) of a version.

    :param key: ``live``, ``disk``, the beginning of a bundle's id or of a scoring or journey hash, the id of a draft
        (its changes put into the live files), or a path or name of a draft's files. Raises ``NotFound``.
    """
    root = gateway.instance.root
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
        if key == LIVE:
            return LIVE, live
        if key == DISK:
            return DISK, texts(root)
        if len(key) >= governing.SHORT and key.isalnum():
            for row in reversed(bundle.history(connection)):
                if row.id.startswith(key) or any(one.startswith(key) for one in row.hashes.values()):
                    return row.id[: governing.SHORT], row.files
            if (draft := proposing.named(connection, key)) is not None:
                return called(draft), drafting.whole(connection, draft, live)[1]
    try:
        name, files = proposing.files_of(root, key)
    except NotFound as exc:
        raise NotFound(
            f"{exc}; a version is live, disk, or the beginning of an id of `gateway model history`"
        ) from None
    return name, governing.merged(live, files)


def compared(gateway: Gateway, before: str, after: str = "") -> tuple[tuple[str, Mapping[str, str]], ...]:
    """Two as ``files_called`` has them. Of one alone: a version beside the files on disk, a draft beside what is live,
    as whoever reads it wants to know what it would change."""
    one = files_called(gateway, before)
    if after:
        return one, files_called(gateway, after)
    with read(gateway.store.main) as connection:
        known = {LIVE, DISK, *(row.id[: governing.SHORT] for row in bundle.history(connection))}
    return (one, files_called(gateway, DISK)) if one[0] in known else (files_called(gateway, LIVE), one)


def model_files(files: Mapping[str, str]) -> Iterator[str]:
    """The names of the files that make a model."""
    used = governing.used_by(files)
    yield from (name for name in files if is_model(name) or is_mapping(name) or (name == CONTENT and name in used))


def editable(files: Mapping[str, str]) -> list[str]:
    """The files that a draft can be made of at the desk: the model's, content.yaml where a score weighs content, and
    mappings of which a part belongs to the model."""
    used = governing.used_by(files)
    mapped = (
        name for name in files if is_mapping(name) and governed(name, governing.data_of(files, name), used)["objects"]
    )
    return [*of_model({*MODEL, *files}), *(name for name in files if name == CONTENT and name in used), *sorted(mapped)]


def called(draft: Draft) -> str:
    return f"draft {draft.id[-8:]}"


def open_drafts(gateway: Gateway, states: Sequence[str] = drafts.OPEN) -> list[dict[str, Any]]:
    with read(gateway.store.main) as connection:
        found = drafts.found(connection, states)
    return [draft_json(gateway, one) for one in found]


def draft_json(gateway: Gateway, draft: Draft) -> dict[str, Any]:
    """A draft with who turned which key, and whose is missing."""
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
        turns = drafts.turns(connection, [draft])[draft.id]
        changes = governing.changes(*drafting.whole(connection, draft, live))
    return {
        "id": draft.id,
        "name": draft.name or ", ".join(draft.files) or "a draft",
        "state": draft.state,
        "proposed_by": draft.by,
        "proposed_at": iso(draft.at),
        "reason": draft.reason,
        "effective_at": iso(draft.effective_at),
        "ended_at": iso(draft.ended_at),
        "bundle": draft.bundle,
        "problem": draft.problem,
        "missing": list(missing(governing.approval_of(live), turns)) if draft.state == drafts.PROPOSED else [],
        "turns": [turn_json(one) for one in turns],
        "changes": changes,
    }


def turn_json(one: Turn) -> dict[str, Any]:
    return {"what": one.what, "by": one.by, "role": one.role, "reason": one.reason, "at": iso(one.at)}


def version_json(one: Version) -> dict[str, Any]:
    return {
        "bundle": one.bundle,
        "since": iso(one.since),
        "until": iso(one.until),
        "hashes": dict(one.hashes),
        "changes": {name: list(words) for name, words in one.changes.items()},
        "overridden": one.overridden,
        "draft": one.draft.id if one.draft is not None else None,
        "reason": one.draft.reason if one.draft is not None else "",
        "turns": [turn_json(turn) for turn in one.turns],
    }


def approval_words(gateway: Gateway) -> list[str]:
    """What every page says: how the model changes, what of the files is held back, what waits for keys, and that the
    live one came by an override."""
    if gateway.instance.approval == "off":
        words = ["approval: off: whoever edits the files changes the model"]
        return words + [
            f"draft {one['id'][-8:]}, agreed on for {one['effective_at']}, will not go live: {proposing.NO_APPROVAL}"
            for one in open_drafts(gateway)
            if one["state"] == drafts.AGREED
        ]
    words = [f"approval: {gateway.instance.approval}"]
    with read(gateway.store.main) as connection:
        words += governing.held_now(gateway.instance.root, connection).lines
        words += _overridden(connection)
    for one in open_drafts(gateway):
        waits = f"for the key of {' and '.join(one['missing'])}" if one["missing"] else f"until {one['effective_at']}"
        words.append(f"draft {one['id'][-8:]} by {one['proposed_by']} waits {waits}")
    return words


def _overridden(connection: Connection) -> Iterator[str]:
    """Under approval the live model is that of the draft that went live last."""
    for draft in drafts.found(connection, [drafts.LIVE])[:1]:
        for one in drafts.turns(connection, [draft])[draft.id]:
            if one.what == OVERRIDE:
                yield f"live {draft.bundle[: governing.SHORT]} by EMERGENCY OVERRIDE of {one.by}: {one.reason}"


def export(files: Mapping[str, str], folder: Path) -> list[str]:
    """Write a version's files into a folder. Raises ``FileExistsError`` for one that is there already."""
    names = list(model_files(files))
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(files[name])
    return names
