"""Lines of a file that were refused: which, why, and as they came, so that they can be mended and brought again.

In: an instance and a file that was taken in. The reasons are those of the inbox; the lines are read from the file.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.store import listing
from gateway.store.database import read
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

ZIPPED = (".gz", ".gzip")
LONGEST = 100
"""So many lines a value in quotes may go over; else the quote is taken for the mistake."""


def lines_of(gateway: Gateway, system: str, stream: str, since: datetime | None = None) -> dict[int, str]:
    """Number of a line → why it was refused, in the order of the file. ``stream``: the file's path.

    :param since: only what came from then on; None = whenever it came.
    """
    with read(gateway.store.main) as connection:
        rows = listing.refused_lines(connection, system, to_micros(since) if since is not None else None)
    theirs = gateway.inbox.of_stream(system, stream, {row["document"] for row in rows})
    found: dict[int, str] = {}
    for row in rows:
        number, _, why = row["reason"].removeprefix("line ").partition(": ")
        if row["document"] in theirs and number.isdecimal():
            found[int(number)] = why
    return dict(sorted(found.items()))


def keep(file: Path, numbers: Mapping[int, str], to: Path, job: str) -> Path:
    """``copy`` into ``to``, or where that is a folder into a file in it that is called as the job. Returns where."""
    to = to / f"{job}{file.with_suffix('').suffix if file.suffix in ZIPPED else file.suffix}" if to.is_dir() else to
    copy(file, numbers, to)
    return to


def copy(file: Path, numbers: Mapping[int, str], to: Path) -> None:
    """Write these lines of ``file``, below its header where it has one, into ``to``, which nobody else may read."""
    opener = gzip.open if file.suffix in ZIPPED else open
    with opener(file, "rb") as given, os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        for number, line in _records(given, numbers):
            if number in numbers or (number == 1 and not line.lstrip(b"\xef\xbb\xbf \t").startswith(b"{")):
                out.write(line if line.endswith(b"\n") else line + b"\n")


def _records(given: Iterable[bytes], numbers: Mapping[int, str]) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, all its lines): a value in quotes may go over several."""
    number, begun, lines = 0, 0, list[bytes]()
    for line in given:
        number += 1
        begun = begun or number
        lines.append(line)
        if sum(one.count(b'"') for one in lines) % 2 and len(lines) < LONGEST and "quote" not in numbers.get(begun, ""):
            continue
        yield begun, b"".join(lines)
        begun, lines = 0, []
    if lines:
        yield begun, b"".join(lines)
