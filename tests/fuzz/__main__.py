"""The coverage-guided search for what breaks a promise: ``python tests/fuzz [TARGET …] [--seconds 60]``.

Each target has a process of its own. What it finds lies in ``tests/fuzz/found/TARGET`` and is a test from then on:
mend the gateway, give the file a name that says what it was, and commit it. The input that took the longest is kept,
too, outside of the tests: whether that is too long for its size is a person's to judge.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LONGEST = 10
"""Seconds for one input; the intake itself has a few milliseconds for one."""
SLOW = 0.05
"""Seconds of a processor that are worth telling of; watched by the fuzzer, all takes several times as long."""
MEMORY = 1024
"""MiB; the input has at most 64 KiB."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=60, help="of each target")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    sys.path.insert(0, str(FOLDER.parent))
    if given.one:
        return search(given.targets[0], given.seconds)
    from hostile_targets import TARGETS

    if unknown := [name for name in given.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}; there are: {', '.join(TARGETS)}")
    failed = []
    for name in given.targets or TARGETS:
        print(f"== {name} ==", flush=True)
        command = [sys.executable, str(FOLDER), "--one", name, "--seconds", str(given.seconds)]
        if subprocess.run(command, check=False, env={**os.environ, "PYTHONHASHSEED": "0"}).returncode:
            failed.append(name)
    print(f"found something: {', '.join(failed)}" if failed else "nothing found")
    return bool(failed)


def search(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(
        include=["gateway", "gateway_files", "gateway_webhook"], enable_loader_override=False
    ):
        from hostile_targets import TARGETS
    target = TARGETS[name]
    found = FOLDER / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        corpus, words = Path(temporary) / "corpus", Path(temporary) / "words"
        corpus.mkdir()
        for number, seed in enumerate((*target.seeds(), *(one.read_bytes() for one in found.iterdir()))):
            (corpus / f"{number:04}").write_bytes(seed)
        escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
        words.write_text("".join(f'"{word}"\n' for word in escaped))
        options = {"max_total_time": seconds, "timeout": LONGEST, "rss_limit_mb": MEMORY, "max_len": 65_536}
        options |= {"dict": words, "artifact_prefix": f"{found}/", "verbosity": 0, "print_final_stats": 1}
        kept = FOLDER / "slowest" / name
        watched = watching(target.run, kept)
        atheris.Setup([name, *(f"-{key}={value}" for key, value in options.items()), str(corpus)], watched)
        atheris.Fuzz()  # ends the process
    return 0


def watching(run: Callable[[bytes], None], kept: Path) -> Callable[[bytes], None]:
    """The same, and what has taken the most of a processor so far is in the file ``kept``."""
    kept.parent.mkdir(exist_ok=True)
    kept.unlink(missing_ok=True)
    longest = SLOW

    def timed(data: bytes) -> float:
        began = time.process_time()
        run(data)
        return time.process_time() - began

    def watched(data: bytes) -> None:
        nonlocal longest
        if (took := timed(data)) > longest and (took := min(took, timed(data))) > longest:  # it was not the garbage
            longest = took
            kept.write_bytes(data)
            print(f"slowest so far: {took:.2f} s of a processor for {len(data)} bytes: {kept}", flush=True)

    return watched


if __name__ == "__main__":
    sys.exit(main())
