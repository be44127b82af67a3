"""The files of an instance that runs: made the active ones, compared with the active ones.

``python -m gateway.engine.files DIR STORE`` is the process that ``edits`` starts, since plugins may hang or fail; STORE
is the place as it is shown.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import structlog

from gateway import logs
from gateway.committee import governing
from gateway.errors import ConfigError
from gateway.settings.folder import store_place, texts
from gateway.store import bundle
from gateway.times import from_micros

log = structlog.get_logger(__name__)


def take_up(root: Path, store: str) -> dict[str, Any]:
    """Make the files the active ones: their ``bundle`` and the one ``before``, or the ``problems`` in the way."""
    from gateway.opening import open_gateway

    place = store_place(root)
    if str(place) != store:  # else some would work in one store, some in the other
        return {"problems": ["gateway.yaml: store: another place waits, with all other edits, for the next start"]}
    before = bundle.stored(place)
    try:
        gateway = open_gateway(root)
    except ConfigError as exc:
        return {"problems": [str(problem) for problem in exc.problems]}
    gateway.close()
    old = before.id if before is not None else None
    return {"problems": [], "bundle": gateway.bundle, "before": old, "held": gateway.held.lines}


def differences(root: Path, active: Any, status: Path) -> list[str]:
    """How the files on disk and the active ones differ, with the supervisor's reason why they still do."""
    disk = texts(root)
    held = governing.held_back(disk, active.files)
    found = governing.Held(active.id, held).lines
    return found if governing.working(disk, active.files, held) == active.files else found + _others(active, status)


def _others(active: Any, status: Path) -> list[str]:
    since = from_micros(active.active_at).isoformat(timespec="seconds")
    with contextlib.suppress(OSError, ValueError, KeyError):
        if found := json.loads(status.read_text(encoding="utf-8"))["files"]:
            return [f"the files are broken: those active since {since} stay in use", *found]
    return [f"the files are not those in use, active since {since}; `gateway check` says whether they are right"]


def main(root: Path, store: str) -> int:
    logs.configure(logs.WARNING)
    try:
        verdict = take_up(root, store)
    except Exception as exc:  # noqa: BLE001 - its text may hold values; the supervisor tries again
        log.error("files could not be checked", error=type(exc).__name__)
        return 1
    print(f"\n{json.dumps(verdict)}", flush=True)
    return 2 if verdict["problems"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
