"""How long a process was ready to run while the machine ran others: time that is not its own doing."""

from __future__ import annotations

from pathlib import Path


def kept_waiting(process: int | str = "self") -> float:
    """Seconds since the process began, of its first thread, which is where a command loads plugins.

    What it slept, or waited for a network or a disk, is not among them. 0 where the system does not tell (Linux does).
    """
    try:
        return int(Path(f"/proc/{process}/schedstat").read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
