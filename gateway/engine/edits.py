"""Edits of the files while the gateway runs: noticed here, checked and taken up by a process of their own.

In: an instance's folder. Out: a verdict on each edit, for the supervisor. Runs no plugin code: ``files`` does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

FOLDERS = ("mappings", "scores")
LOCK = "plugins.lock"
"""As ``plugins.lock`` calls it, whose module the supervisor has no need of."""
LOOK = 1.0
"""Seconds between two looks at the files; an edit is judged when two looks in a row found the same."""
LONGEST = 60.0
"""Seconds that checking may take: it loads plugins, and they may hang."""
AGAIN = 30.0
"""Seconds until the next try after a check that came to no verdict."""

Stamp = tuple[tuple[str, int, int], ...]


def command_of(root: Path, store: str) -> Sequence[str]:
    """The command line that judges the files of ``root``. ``store``: where what runs has its own, as it is shown."""
    return sys.executable, "-m", "gateway.engine.files", str(root), store


class Edits:
    """Notices edits from now on. ``problems`` are those of the files as they were judged last; none = they are in use.

    ``news``: since the verdict before, other files have become the active ones. ``held``: what of the edit waits for
    approval.
    """

    def __init__(self, root: Path, command: Sequence[str]) -> None:
        """``command``: what checks the files of ``root`` and takes them up; see ``command_of``."""
        self.problems: list[str] = []
        self.news = False
        self.held: list[str] = []
        self._root = root
        self._command = command
        self._judged = self._seen = self._stamp()
        self._bundle: str | None = None
        self._look_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._told: IO[bytes] | None = None
        self._until = 0.0

    def look(self, now: float) -> bool:
        """One look, cheap enough for every tick; True when there is a new verdict. ``now``: monotonic seconds."""
        if self._process is not None:
            return self._finished(self._process, now)
        if now < self._look_at:
            return False
        self._look_at = now + LOOK
        before, self._seen = self._seen, self._stamp()
        if self._seen != self._judged and self._seen == before:
            self._judged = self._seen
            self._told = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=self._told, start_new_session=True
            )
            self._until = now + LONGEST
        return False

    def close(self) -> None:
        """End a check that is under way."""
        if self._process is not None and self._told is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._told.close()
            self._process = None

    def _finished(self, process: subprocess.Popen[bytes], now: float) -> bool:
        code = process.poll()
        if code is None and now < self._until:
            return False
        said: dict[str, Any] = {}
        if self._told is not None and code in (0, 2):
            self._told.seek(0)
            with contextlib.suppress(ValueError, IndexError):  # plugins may have spoken, too; the last word is ours
                said = json.loads(self._told.read().splitlines()[-1])
        why = f"exit code {code}" if code is not None else f"no end within {LONGEST:g} s: a plugin hangs"
        self.problems = said.get("problems", [f"the files could not be checked: {why}"])
        self.held = said.get("held", [])
        before = self._bundle or said.get("before")
        self._bundle = said.get("bundle", self._bundle)
        self.news = "bundle" in said and self._bundle != before
        self.close()
        if not said:  # the store may have been busy: look again, edited or not
            self._judged, self._look_at = (), now + AGAIN
        return True

    def _stamp(self) -> Stamp:
        found = []
        for folder in (self._root, *(self._root / name for name in FOLDERS)):
            with contextlib.suppress(OSError), os.scandir(folder) as entries:  # what goes now is gone at the next look
                for entry in entries:
                    if entry.name.endswith((".yaml", ".yml")) or entry.name == LOCK:
                        status = entry.stat()
                        found.append((entry.path, status.st_mtime_ns, status.st_size))
        return tuple(sorted(found))
