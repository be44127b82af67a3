"""Lines into records: where one ends, and what is wrong with it. Cutting a file and reading a slice both go by this.

Text here is latin-1, one character per byte, whatever the file's encoding: offsets are bytes, and nothing is lost.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

MAX_RECORD = 960 * 1024
"""Bytes of one record; with a header of at most 64 KiB it fits a page of 1 MiB."""
MAX_HELD = 16 * 1024 * 1024
"""Bytes of one record, over however many lines, that are looked at before it is given up."""
TOO_LONG = "\0longer than a page\n"
"""What stands in a page for a record that would not fit in."""
NEVER_CLOSED = "a quote is never closed"
VALUE_TOO_LONG = "a value is longer than 131072 bytes, or its quote is never closed"

Readline = Callable[[int], str]


class Record(NamedTuple):
    """``line``: number of the first of its ``lines``, from 1; ``size``: bytes in the file; ``row``: the columns, empty
    for a blank line, None where there are none (JSON) or where ``problem`` says why."""

    line: int
    lines: int
    text: str
    size: int
    row: list[str] | None
    problem: str = ""


class _TooLong(str):
    """A line of ``size`` bytes of which only the marker is kept."""

    __slots__ = ("size",)
    size: int

    def __new__(cls, size: int) -> _TooLong:
        line = super().__new__(cls, TOO_LONG)
        line.size = size
        return line


class _Endless(Exception):
    pass


class _Feed(Iterator[str]):
    """Lines for ``csv.reader``, remembering those of the record at hand so that they can be given back.

    After the last line comes an empty one: a record that takes it was not finished.
    """

    def __init__(self, readline: Readline) -> None:
        self._readline = readline
        self._back: deque[str] = deque()
        self._held = 0
        self.taken: list[str] = []
        self.ended = False

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else _line(self._readline)
        if not line:
            if self.ended:
                raise StopIteration
            self.ended = True
            return "\n"
        self._held = self._held + len(line) if self.taken else 0
        self.taken.append(line)
        if self._held > MAX_HELD:
            raise _Endless
        return line

    def give_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.taken = []
        self.ended = False


def csv_records(readline: Readline, delimiter: str, line: int = 1) -> Iterator[Record]:
    """The records as ``csv.reader`` sees them (a blank line is an empty row); ``line`` is the number of the first line.

    Where a quote never closes, the line it opens on is a record with a problem, and reading goes on with the next line:
    a stray quote costs one line, not the rest of the file.
    """
    feed = _Feed(readline)
    while True:
        reader = csv.reader(feed, delimiter=delimiter)
        problem = NEVER_CLOSED
        try:
            for row in reader:
                taken = feed.taken
                if feed.ended:
                    if not taken:
                        return
                    break
                if len(taken) == 1 and type(taken[0]) is str:
                    yield Record(line, 1, taken[0], len(taken[0]), row)
                else:
                    yield Record(line, len(taken), "".join(taken), sum(map(_size, taken)), row)
                line += len(taken)
                taken.clear()
        except csv.Error:  # the reader's only other complaint, a line end inside a line, cannot come up here
            problem = VALUE_TOO_LONG
        except _Endless:
            problem = TOO_LONG
        first, *rest = feed.taken
        yield Record(line, 1, TOO_LONG if problem is TOO_LONG else first, _size(first), None, problem)
        line += 1
        feed.give_back(rest)


def json_records(readline: Readline, line: int = 1) -> Iterator[Record]:
    """One record per line; blank lines are empty rows, all others have none yet."""
    while text := _line(readline):
        yield Record(line, 1, text, _size(text), None if text.strip() else [])
        line += 1


def _size(line: str) -> int:
    return line.size if isinstance(line, _TooLong) else len(line)


def _line(readline: Readline) -> str:
    line = readline(MAX_RECORD + 1)
    if len(line) <= MAX_RECORD:
        return line
    size = len(line)
    while line and line[-1] not in "\r\n":  # a line without end must not fill the memory
        line = readline(MAX_RECORD)
        size += len(line)
    return _TooLong(size)
