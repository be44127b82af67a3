"""Runs the benchmarks one after another, never two at once: ``python bench [NAME …]``; without names all of them.

Each prints its own table, with a ratio against a bare limit that it measured in the same run.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def available() -> list[str]:
    """The files beside this one that can be run; the others are what they measure against."""
    return sorted(
        path.stem for path in FOLDER.glob("*.py") if path.name != "__main__.py" and "__main__" in path.read_text()
    )


def main(names: list[str]) -> int:
    known = available()
    if unknown := [name for name in names if name not in known]:
        print(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    failed = []
    for name in names or known:
        print(f"\n== {name} ==", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, str(FOLDER / f"{name}.py")], check=False).returncode:
            failed.append(name)
        print(f"   ({time.monotonic() - began:.0f} s)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
