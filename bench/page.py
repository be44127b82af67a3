"""What the benchmarks last printed, kept in measured.json and shown in docs/performance.md.

Before: ``python bench --page``, which runs them; after: readers. A benchmark that is run again takes the place of what
it said before; the others stay as they were, each with its own date and machine.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
MEASURED = FOLDER / "measured.json"
PAGE = FOLDER.parent / "docs" / "performance.md"
HEAD = """# Performance

What the benchmarks of [bench/](../bench/README.md) printed when they were last run; `python bench --page` runs them and
writes this page. Each number stands beside a bare limit of the same run: the least that the same job can cost with the
same libraries on the same machine, by a program that does nothing else. So the ratios say more of another machine than
the numbers do. What they mean for a deployment is worked out in [scaling](scaling.md).
"""


def machine() -> str:
    """What a reader has to know to compare: processors, memory, versions, and how busy it was."""
    names = {"cpuinfo": "", "meminfo": ""}
    for name in names:
        try:
            names[name] = Path(f"/proc/{name}").read_text(encoding="utf-8")
        except OSError:  # not Linux
            continue
    lines = [line.partition(":")[2].strip() for line in names["cpuinfo"].splitlines() if line.startswith("model name")]
    memory = [int(line.split()[1]) >> 20 for line in names["meminfo"].splitlines() if line.startswith("MemTotal")]
    told = [f"{os.cpu_count()} × {lines[0] if lines else platform.machine()}"]
    told += [f"{gib + 1} GiB" for gib in memory]
    told += [platform.system(), f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    if hasattr(os, "getloadavg"):
        told.append(f"load average {os.getloadavg()[0]:.1f} at its begin")
    return ", ".join(told)


def about(name: str) -> str:
    """The first sentence of a benchmark's docstring."""
    file = FOLDER / f"{name.partition('-')[0]}.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or name
    return " ".join(text.partition("\n\n")[0].split())


def keep(name: str, printed: str, met: bool, where: str) -> None:
    """Note what a benchmark said. ``name`` may go on behind a hyphen with how it was run; ``met``: whether it reached
    its targets; ``where``: see ``machine``."""
    known = load()
    lines = [line.rstrip() for line in printed.strip().splitlines()]
    known[name] = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "where": where, "met": met, "printed": lines}
    MEASURED.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(render(known), encoding="utf-8")


def load() -> dict[str, Any]:
    return dict(json.loads(MEASURED.read_text(encoding="utf-8"))) if MEASURED.exists() else {}


def render(known: Mapping[str, Mapping[str, Any]]) -> str:
    """The page."""
    parts = [HEAD]
    for name, one in sorted(known.items()):
        targets = "targets reached" if one["met"] else "targets missed"
        parts.append(f"## {name}\n\n{about(name)}\n\n{one['at']}, {targets}. {one['where']}.\n")
        parts.append("```text\n" + "\n".join(one["printed"]) + "\n```\n")
    return "\n".join(parts)
