"""One keyed file, CSV or JSON Lines, that is whole at any moment: a row that was acknowledged is there, and stays.

New rows are appended and synced. A changed row, or a new column, means a new file beside the old one and a rename. What
a crash tore off at the end was never acknowledged: before the next write it is moved to ``<file>.torn``, so that even a
misjudged hand edit is not lost. Each look goes through the file once, in constant memory.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

from gateway_files.records import NEVER_CLOSED, Record, csv_records, json_records

KEY = "key"
MAX_VALUE = 131_072
"""Bytes of one CSV value: more than this ``csv`` does not read back."""
Row = dict[str, Any]
_BOM = "\ufeff"


class Unusable(Exception):
    """``code``: why a value, or the whole file, cannot be used; ``field``: the value's, where it is one."""

    def __init__(self, code: str, message: str, field: str = "") -> None:
        self.code = code
        self.message = message
        self.field = field
        super().__init__(message)


class Table(ABC):
    """Use it inside ``with table.locked():``, ``read`` before ``write``. Rows are given without their key."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))  # a rename must replace the file, not a link to it

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the file among all processes. Creates the folder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path.parent / f".{self.path.name}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process: a crash leaves no lock behind
            yield

    def read(self, keys: Collection[str]) -> dict[str, Row]:
        """The rows of ``keys``, those that are there. Repairs the end of the file. Raises ``Unusable``, ``OSError``."""
        found: dict[str, Row] = {}
        offset = 0
        last = None
        with contextlib.closing(self.records()) as records:
            for last in records:
                if last.problem == NEVER_CLOSED:
                    break
                offset += last.size
                if (key := self.key(last)) in keys:
                    found[key] = self.row(last)
        if last is not None and last.problem == NEVER_CLOSED:
            self._cut_off(offset)
        elif last is not None and not last.text.endswith(("\n", "\r")):
            if self.is_whole(last):
                self._append(b"\n")
            else:
                found.pop(self.key(last), None)
                self._cut_off(offset - last.size)
        return found

    def write(self, changed: Mapping[str, Row], fresh: Mapping[str, Row]) -> None:
        """``changed`` rows in place of those with their keys, ``fresh`` ones at the end; on disk when it returns."""
        grown = self.make_room(chain(changed.values(), fresh.values()))
        new = (self.line(key, row) for key, row in fresh.items())
        if not changed and not grown:
            self._append(b"".join(new))
            return
        aside = self.path.parent / f".{self.path.name}.new"
        try:
            with aside.open("wb") as file, contextlib.closing(self.rewritten(changed)) as old:
                file.writelines(chain(old, new))
                file.flush()
                os.fsync(file.fileno())
                if self.path.exists():
                    os.fchmod(file.fileno(), self.path.stat().st_mode & 0o777)
            aside.replace(self.path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        self._sync_folder()

    # -- what CSV and JSON Lines do differently

    @abstractmethod
    def records(self) -> Generator[Record]:
        """All records of the file, a header included; none when there is no file."""

    @abstractmethod
    def key(self, record: Record) -> str:
        """Its key; "" when it has none."""

    @abstractmethod
    def row(self, record: Record) -> Row: ...

    @abstractmethod
    def is_whole(self, record: Record) -> bool:
        """Whether a last record without a line end reads as a whole one."""

    @abstractmethod
    def line(self, key: str, row: Row) -> bytes: ...

    @abstractmethod
    def make_room(self, rows: Iterable[Row]) -> bool:
        """Whether the file has to be written anew to hold the fields of ``rows``."""

    @abstractmethod
    def rewritten(self, changed: Mapping[str, Row]) -> Generator[bytes]:
        """The whole file with the changed rows."""

    @abstractmethod
    def written(self, field: str, value: Any) -> Any:
        """``value`` as the file will hold it. Raises ``Unusable``."""

    # -- the disk

    def _append(self, data: bytes) -> None:
        new = not self.path.exists()
        with self.path.open("ab", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[file.write(rest) or 0 :]
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):  # if this fails too, the next read repairs the end
                    file.truncate(size)
                raise
        if new:
            self._sync_folder()

    def _cut_off(self, offset: int) -> None:
        torn = self.path.with_name(f"{self.path.name}.torn")
        with self.path.open("r+b") as file:
            file.seek(offset)
            with torn.open("ab") as aside:
                aside.write(file.read() + b"\n")
                aside.flush()
                os.fsync(aside.fileno())
            file.truncate(offset)
            os.fsync(file.fileno())
        self._sync_folder()

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class JsonTable(Table):
    """One object per line, in UTF-8, ``key`` first. Lines that are no such object are left as they are."""

    def records(self) -> Generator[Record]:
        return _records(self.path, lambda file: json_records(file.readline), "\n")

    def key(self, record: Record) -> str:
        key = _object(record).get(KEY)
        return key if isinstance(key, str) else ""

    def row(self, record: Record) -> Row:
        row = _object(record)
        del row[KEY]
        return row

    def is_whole(self, record: Record) -> bool:
        return self.key(record) != ""

    def line(self, key: str, row: Row) -> bytes:
        return orjson.dumps({KEY: key, **row}) + b"\n"

    def make_room(self, rows: Iterable[Row]) -> bool:
        return False

    def rewritten(self, changed: Mapping[str, Row]) -> Generator[bytes]:
        for record in self.records():
            key = self.key(record)
            yield self.line(key, changed[key]) if key in changed else record.text.encode("latin-1")

    def written(self, field: str, value: Any) -> Any:
        try:
            return orjson.loads(orjson.dumps(value))
        except (TypeError, orjson.JSONDecodeError):
            raise Unusable("not_json", "a value that JSON cannot hold", field) from None


def _object(record: Record) -> dict[str, Any]:
    try:
        item = orjson.loads(record.text.encode("latin-1"))
    except orjson.JSONDecodeError:
        return {}
    return item if isinstance(item, dict) else {}


class CsvTable(Table):
    """A header line, ``key`` first. Values are text; "" is a value that is missing. Rows that are none are left alone.

    Inside, text is latin-1, one character per byte (see ``records``); names and values outside are the file's.
    """

    def __init__(self, path: Path, delimiter: str, encoding: str) -> None:
        super().__init__(path)
        self._delimiter = delimiter
        self._encoding = encoding
        self._columns: list[str] = []

    def records(self) -> Generator[Record]:
        self._columns = []
        for record in _records(self.path, lambda file: csv_records(file.readline, self._delimiter), ""):
            if not self._columns and record.row:
                self._columns = [self._outside(name) for name in record.row]
                self._columns[0] = self._columns[0].removeprefix(_BOM)
                if self._columns[0] != KEY:
                    raise Unusable(
                        "foreign_file", f"{self.path.name} is not the gateway's: its first column is not key"
                    )
            yield record

    def key(self, record: Record) -> str:
        return self._outside(record.row[0]) if record.row and len(record.row) == len(self._columns) else ""

    def row(self, record: Record) -> Row:
        values = [self._outside(value) for value in record.row or ()]
        return dict(zip(self._columns[1:], values[1:], strict=True))

    def is_whole(self, record: Record) -> bool:
        return len(self._columns) > 1 and self.key(record) != ""

    def line(self, key: str, row: Row) -> bytes:
        return self._csv(map(self._inside, (key, *(row.get(name, "") for name in self._columns[1:]))))

    def make_room(self, rows: Iterable[Row]) -> bool:
        before = len(self._columns)
        self._columns = list(dict.fromkeys(chain(self._columns or [KEY], *rows)))
        return len(self._columns) > before

    def rewritten(self, changed: Mapping[str, Row]) -> Generator[bytes]:
        columns = self._columns
        yield self._csv(map(self._inside, columns))
        header = True
        for record in self.records():
            if record.row and header:
                header = False
                before, self._columns = len(self._columns), columns
            elif record.row and len(record.row) == before:
                key = self._outside(record.row[0])
                if key in changed:
                    yield self.line(key, changed[key])
                elif len(columns) > before:
                    yield self._csv([*record.row, *[""] * (len(columns) - before)])
                else:
                    yield record.text.encode("latin-1")
            else:
                yield record.text.encode("latin-1")
        self._columns = columns

    def written(self, field: str, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        try:
            size = len(text.encode(self._encoding))
        except UnicodeEncodeError:
            raise Unusable("encoding", f"a character that {self._encoding} does not have", field) from None
        if size > MAX_VALUE:
            raise Unusable("too_long", f"longer than {MAX_VALUE} bytes", field)
        if "\0" in text:
            raise Unusable("nul", "a NUL character", field)
        return text

    def _csv(self, values: Iterable[str]) -> bytes:
        text = io.StringIO()
        # The default line end, CRLF, also makes the writer quote every value with a line end of any kind.
        csv.writer(text, delimiter=self._delimiter).writerow(values)
        return text.getvalue().encode("latin-1")

    def _inside(self, text: str) -> str:
        return text if text.isascii() else text.encode(self._encoding).decode("latin-1")

    def _outside(self, text: str) -> str:
        return text if text.isascii() else text.encode("latin-1").decode(self._encoding, "replace")


def _records(path: Path, read: Any, newline: str) -> Generator[Record]:
    try:
        file = path.open(encoding="latin-1", newline=newline)
    except FileNotFoundError:
        return
    with file:
        yield from read(file)
