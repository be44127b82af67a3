"""A file becomes pages (``pull``), and a page becomes items for the mapping file (``read``).

A page is a small file of its own: the header line again, then whole records. Its key is made of the file's hash and
the offset, so the same file gives the same documents however often it is imported and wherever that was interrupted.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import zlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from gateway.contracts import Context, Cursor, Document, Page, Quarantined, ReadItem, Source
from gateway.errors import NotFound, QuarantineDocument, Refused
from gateway.payloads import decode_json, media_type, not_understood
from gateway_files.records import MAX_RECORD, TOO_LONG, Record, csv_records, json_records

MAX_PAGE = 1024 * 1024
MAX_RECORDS = 1000
MAX_HEADER = MAX_PAGE - MAX_RECORD
CSV, TSV, JSONL = "text/csv", "text/tab-separated-values", "application/x-ndjson"
LINE_OFFSET = "x-line-offset"
"""Header of a document: what to add to a line number of the page for the line number in the file."""

UNREADABLE = "a quote is never closed, or a value is longer than 131072 bytes"
"""One text for both: which of them it is depends on where the page ends."""

_BOM = b"\xef\xbb\xbf"
_SUFFIXES = {".csv": CSV, ".txt": CSV, ".tsv": TSV, ".tab": TSV, ".jsonl": JSONL, ".ndjson": JSONL, ".json": JSONL}
_DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)


class FilesSource(Source):
    """CSV (with a header line) and JSON Lines, plain or gzipped."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        """``settings`` as ``SettingsSchema`` loads them."""
        self._delimiter: str | None = settings.get("delimiter")
        self._encoding: str = settings["encoding"]
        self._context = context

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """``stream`` is the path of a file. A file says nothing about times, so ``since`` changes nothing."""
        return self.slices(Path(stream), cursor)

    def slices(
        self, path: Path, cursor: Cursor | None = None, *, max_bytes: int = MAX_PAGE, max_records: int = MAX_RECORDS
    ) -> Iterator[Page]:
        """The pages of ``path`` after ``cursor``, in constant memory.

        A cursor of another file, or of this one before it changed, counts for nothing: all pages come. A file without
        records has no pages. Raises ``NotFound``, or ``Refused`` when the file cannot be understood or read to its end.
        """
        try:
            with path.open("rb") as raw:
                yield from _pages(_File(raw, path.name, self._delimiter), cursor, max_bytes, max_records)
        except FileNotFoundError:
            raise NotFound(f"{path}: no such file") from None
        except _DAMAGED:
            raise Refused(f"{path}: the gzip data is damaged or cut off; what came before was read") from None
        except OSError as exc:
            raise Refused(f"{path}: cannot be read: {exc.strerror or type(exc).__name__}") from None

    def read(self, document: Document) -> Iterable[ReadItem]:
        if self._context.mapping is None:
            raise QuarantineDocument(f"the system {self._context.system!r} has no mapping file")
        media = media_type(document.content_type)
        text = document.body.removeprefix(_BOM).decode("latin-1")
        offset = document.headers.get(LINE_OFFSET, "0")
        reading = _Reading(self._encoding, int(offset) if offset.isdecimal() else 0)
        if media == JSONL:
            items = reading.json(text)
        elif media in (CSV, TSV):
            items = reading.csv(text, self._delimiter or _delimiter(media))
        else:
            raise not_understood(document.content_type, "CSV and JSON Lines")
        return chain(reading.quarantined, _placed(self._context.mapping.read(items, document), items))


# -- a file into pages -------------------------------------------------------------------------------------------------


class _File:
    """One open file: what it is, its header, and its records from an offset on. Offsets are of the unzipped bytes."""

    def __init__(self, raw: io.BufferedReader, name: str, delimiter: str | None) -> None:
        self.raw = raw
        self.name = name
        self._state = self._now()
        self.digest = hashlib.file_digest(raw, "sha256").hexdigest()
        raw.seek(0)
        zipped = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        self._plain: Any = gzip.GzipFile(fileobj=raw) if zipped else raw
        start = self._plain.read(4096)
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise Refused(f"{name}: is in UTF-16; save it as UTF-8")
        self.media = _media(name, start)
        self._guessed = delimiter is None
        self._delimiter = delimiter or _delimiter(self.media)
        self.offset = len(_BOM) if start.startswith(_BOM) else 0
        self.line = 1
        self.header = ""
        if self.media == JSONL:
            if start[self.offset :].lstrip()[:1] == b"[":
                raise Refused(f"{name}: is one JSON list; write one object per line (JSON Lines) instead")
        else:
            self._read_header()

    def records(self, offset: int, line: int) -> Generator[Record]:
        """From ``offset`` on, which is the start of line number ``line``."""
        self._plain.seek(offset)
        lines = io.TextIOWrapper(self._plain, encoding="latin-1", newline="\n" if self.media == JSONL else "")
        try:
            yield from (
                json_records(lines.readline, line)
                if self.media == JSONL
                else csv_records(lines.readline, self._delimiter, line)
            )
        finally:
            lines.detach()  # else it closes the file when it is collected

    def unchanged(self) -> bool:
        return self._state == self._now()

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self.raw.fileno())
        return status.st_size, status.st_mtime_ns

    def _read_header(self) -> None:
        with contextlib.closing(self.records(self.offset, 1)) as records:
            for record in records:
                self.offset += record.size
                self.line += record.lines
                if record.row != []:
                    if record.row is None or len(record.text) > MAX_HEADER:
                        raise Refused(f"{self.name}: the header line cannot be read: {record.problem or 'too long'}")
                    self._check_columns(record.row)
                    self.header = record.text if record.text.endswith(("\n", "\r")) else record.text + "\n"
                    return

    def _check_columns(self, columns: Sequence[str]) -> None:
        wrong = _wrong_header(columns)
        others = [mark for mark in ";\t|," if len(columns) == 1 and mark in columns[0]]
        if self._guessed and others:
            wrong = f"there is only one column; is the delimiter {others[0]!r}?"
        if wrong:
            raise Refused(f"{self.name}:{self.line - 1}: {wrong}")


@dataclass(slots=True)
class _Cut:
    """The page in the making: where it starts, and what it holds so far."""

    offset: int
    line: int
    texts: list[str] = field(default_factory=list)
    size: int = 0
    """Bytes of the file that it stands for."""
    length: int = 0
    """Bytes of its own, without the header."""
    lines: int = 0
    records: int = 0


def _pages(file: _File, cursor: Cursor | None, max_bytes: int, max_records: int) -> Iterator[Page]:
    header_lines = file.header.count("\n") or file.header.count("\r")
    cut = _Cut(file.offset, file.line)
    if cursor and cursor.get("sha256") == file.digest and cursor["offset"] > file.offset:
        cut = _Cut(cursor["offset"], cursor["line"])

    def page(more: bool) -> Page:
        if not file.unchanged():
            raise Refused(f"{file.name}: changed while it was read; import it again")
        return Page(
            document=(file.header + "".join(cut.texts)).encode("latin-1"),
            cursor={"sha256": file.digest, "offset": cut.offset + cut.size, "line": cut.line + cut.lines},
            more=more,
            content_type=file.media,
            key=f"{file.digest}:{cut.offset}",
            records=cut.records,
            headers={LINE_OFFSET: str(cut.line - 1 - header_lines)},
        )

    try:
        for record in file.records(cut.offset, cut.line):
            text = record.text if record.size <= MAX_RECORD else TOO_LONG
            blank = record.row == []
            full = len(file.header) + cut.length + len(text) > max_bytes or (cut.records == max_records and not blank)
            if full and cut.texts:
                yield page(more=True)
                cut = _Cut(cut.offset + cut.size, cut.line + cut.lines)
            if blank and not cut.texts:
                cut.offset += record.size
                cut.line += record.lines
                continue
            cut.texts.append(text)  # blank ones too, for the line numbers of those after them
            cut.size += record.size
            cut.length += len(text)
            cut.lines += record.lines
            cut.records += not blank
    except _DAMAGED:
        if cut.records:
            yield page(more=True)
        raise
    if cut.records:
        yield page(more=False)


def _media(name: str, start: bytes) -> str:
    """What the file is: its name says it (also before .gz), else its first character."""
    path = Path(name)
    if path.suffix.lower() in (".gz", ".gzip"):
        path = path.with_suffix("")
    known = _SUFFIXES.get(path.suffix.lower())
    return known or (JSONL if start.removeprefix(_BOM).lstrip()[:1] == b"{" else CSV)


def _delimiter(media: str) -> str:
    return "\t" if media == TSV else ","


# -- a page into items -------------------------------------------------------------------------------------------------


class _Items(list[Any]):
    """What a page holds, with the line that each begins on. ``line``: of the one that is looked at now; 0: of none."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []
        self.line = 0

    def put(self, item: Any, line: int) -> None:
        self.append(item)
        self.lines.append(line)

    def __iter__(self) -> Iterator[Any]:
        for line, item in zip(self.lines, super().__iter__(), strict=True):
            self.line = line
            yield item
        self.line = 0


def _placed(found: Iterable[ReadItem], items: _Items) -> Iterator[ReadItem]:
    """What the mapping makes of the items, as it comes; what it refuses is named by its line, too."""
    for one in found:
        if isinstance(one, Quarantined) and items.line:
            one = replace(one, reason=f"line {items.line}: {one.reason}")
        yield one


class _Reading:
    """Items of one page, and the lines of it that are none."""

    def __init__(self, encoding: str, offset: int) -> None:
        self._encoding = encoding
        self._offset = offset
        self.quarantined: list[Quarantined] = []

    def csv(self, text: str, delimiter: str) -> _Items:
        encoding = "" if text.isascii() else self._encoding
        records = csv_records(io.StringIO(text, newline="").readline, delimiter)
        columns: list[str] = []
        items = _Items()
        for record in records:
            if record.row == []:
                continue
            values = _values(record, encoding)
            if not columns:
                wrong = values if isinstance(values, str) else _wrong_header(values)
                if isinstance(values, str) or wrong:
                    raise QuarantineDocument(f"the header: {wrong}")
                columns = values
            elif isinstance(values, str):
                self._refuse(record, values)
            elif len(values) != len(columns):
                self._refuse(record, f"{len(values)} columns instead of {len(columns)}")
            else:
                item = dict(zip(columns, values, strict=True))
                item.pop("", None)  # a delimiter at the end of each line makes a column without a name
                items.put(item, record.line + self._offset)
        return items

    def json(self, text: str) -> _Items:
        items = _Items()
        for record in json_records(io.StringIO(text, newline="\n").readline):
            if record.row == []:
                continue
            if record.text == TOO_LONG:
                self._refuse(record, _with_nul(record))
                continue
            try:
                item = decode_json(record.text.encode("latin-1"))
            except QuarantineDocument as exc:
                self._refuse(record, exc.reason)
                continue
            if isinstance(item, dict):
                items.put(item, record.line + self._offset)
            else:
                self._refuse(record, "not a JSON object")
        return items

    def _refuse(self, record: Record, problem: str) -> None:
        line = f"line {record.line + self._offset}"
        self.quarantined.append(Quarantined(object="", record=line, reason=f"{line}: {problem}"))


def _values(record: Record, encoding: str) -> list[str] | str:
    """The row's values, decoded unless ``encoding`` is ""; or what is wrong with it."""
    if record.row is None:
        return UNREADABLE
    if "\0" in record.text:
        return _with_nul(record)
    if not encoding or record.text.isascii():
        return record.row
    try:  # all values at once; none of them holds the NUL that keeps them apart
        return "\0".join(record.row).encode("latin-1").decode(encoding).split("\0")
    except UnicodeDecodeError:
        return f"not valid {encoding}"


def _with_nul(record: Record) -> str:
    return "longer than a page of 1 MiB can hold" if record.text == TOO_LONG else "contains a NUL character"


def _wrong_header(columns: Sequence[str]) -> str:
    named = [column for column in columns if column]
    twice = sorted(column for column, times in Counter(named).items() if times > 1)
    return f"the column {twice[0]!r} is there twice" if twice else "" if named else "no column has a name"
