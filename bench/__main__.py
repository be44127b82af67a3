"""Runs the benchmarks one after another, never two at once: ``python bench [--page] [NAME …]``; without names all.

Each prints its own table, with a ratio against a bare limit that it measured in the same run. With ``--page`` what they
print is kept, and docs/performance.md says it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import page

FOLDER = Path(__file__).resolve().parent
OTHERWISE = {
    "accept-postgresql": ["--postgresql"],
    "events-postgresql": ["--postgresql", "--workers", "2"],
    "events-two": ["--workers", "2"],
}
"""Name of a benchmark in another setting, after its own → the words for that."""


def available() -> list[str]:
    """The files beside this one that can be run; the others are what they measure against."""
    return sorted(OTHERWISE) + sorted(
        path.stem
        for path in FOLDER.glob("*.py")
        if path.name != "__main__.py" and 'if __name__ == "__main__"' in path.read_text()
    )


def main(arguments: list[str]) -> int:
    known, names = available(), [one for one in arguments if one != "--page"]
    if unknown := [name for name in names if name not in known]:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or known:
        print(f"\n== {name} ==", flush=True)
        began, where = time.monotonic(), page.machine()
        file = FOLDER / f"{name.partition('-')[0]}.py"
        run = subprocess.Popen([sys.executable, file, *OTHERWISE.get(name, ())], stdout=subprocess.PIPE, text=True)
        printed = ""
        for line in run.stdout or ():
            print(line, end="", flush=True)
            printed += line
        if run.wait():
            failed.append(name)
        if "--page" in arguments and printed:
            page.keep(name, printed, not run.returncode, where)
        print(f"   ({time.monotonic() - began:.0f} s)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
