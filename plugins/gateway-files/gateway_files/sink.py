"""Writes become rows: one file per object, one row per record, found again by its key.

The key of a row is the key of the write that created it, and the record's id from then on. Delivering is by state, not
by appending: the same write twice leaves one row.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gateway.contracts import Call, Context, Receipt, Sink, Write
from gateway_files.table import KEY, CsvTable, JsonTable, Row, Table, Unusable

MAX_WRITES = 1000
RETRY_AFTER = 60.0
"""Seconds until a full or failing disk is tried again."""

_OBJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\Z")
_PERMANENT = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.ELOOP,
}


class FilesSink(Sink):
    """``<path>/<object>.csv`` or ``.jsonl``."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        """``settings`` as ``SettingsSchema`` loads them."""
        self._shown = settings.get("path") or f"out/{context.system}"
        self._folder = context.root / self._shown
        self._format = settings["format"]
        self._delimiter = settings.get("delimiter") or ","
        self._encoding = settings["encoding"]
        self.carries = dict.fromkeys(settings.get("beside", ()), ("*",))

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        by_object: dict[str, list[Write]] = {}
        for write in writes:
            by_object.setdefault(write.object, []).append(write)
        return [
            Call(title=self._title(name, tuple(batch)), writes=tuple(batch))
            for name, of_object in by_object.items()
            for start in range(0, len(of_object), MAX_WRITES)
            if (batch := of_object[start : start + MAX_WRITES])
        ]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        table = self._table(call.writes[0].object)
        if table is None:
            return [
                Receipt(
                    key=write.key,
                    result="rejected",
                    code="object_name",
                    scope="mapping",
                    message="the object's name cannot be a file's name: letters, digits, _ - and . only",
                )
                for write in call.writes
            ]
        try:
            with table.locked():
                return _put(table, call.writes)
        except Unusable as exc:
            return [
                Receipt(key=write.key, result="rejected", code=exc.code, scope="mapping", message=exc.message)
                for write in call.writes
            ]
        except OSError as exc:
            return [_of_error(write.key, exc) for write in call.writes]

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        table = self._table(object)
        if table is None:
            return {}
        with table.locked():
            return {key: [key] for key in table.read(frozenset(keys))}

    def _table(self, object: str) -> Table | None:
        if not _OBJECT.match(object):
            return None
        path = Path(self._folder) / f"{object}.{self._format}"
        return JsonTable(path) if self._format == "jsonl" else CsvTable(path, self._delimiter, self._encoding)

    def _title(self, object: str, writes: tuple[Write, ...]) -> str:
        creates = sum(write.record is None for write in writes)
        counts = [
            f"{count} {word}{'s' if count != 1 else ''}"
            for count, word in ((creates, "create"), (len(writes) - creates, "update"))
            if count
        ]
        return f"{self._shown}/{object}.{self._format}: {', '.join(counts)}"


def _put(table: Table, writes: Sequence[Write]) -> list[Receipt]:
    """Apply ``writes`` to the table in their order, with one change of the file."""
    before = table.read({write.record or write.key for write in writes})
    after: dict[str, Row] = {}
    receipts = []
    for write in writes:
        key = write.record or write.key
        row = after.get(key, before.get(key))
        # A record of theirs that our file has no row of yet (it came from an export) gets one: this is how they hear.
        if row is None and write.record is None and not write.create:
            receipts.append(
                Receipt(
                    key=write.key, result="rejected", code="not_found", message="no such row, and none may be created"
                )
            )
            continue
        try:
            held = {name: _written(table, name, value) for name, value in (*write.fields.items(), *write.refs.items())}
            table.written(KEY, key)
        except Unusable as exc:
            scope: Literal["row", "mapping"] = "mapping" if exc.code == "reserved" else "row"
            receipts.append(
                Receipt(
                    key=write.key,
                    result="rejected",
                    code=exc.code,
                    fields=(exc.field,),
                    scope=scope,
                    message=exc.message,
                )
            )
            continue
        after[key] = {**(row or {}), **held}
        receipts.append(Receipt(key=write.key, result="done", record=key, held=held))
    changed = {key: row for key, row in after.items() if key in before and row != before[key]}
    fresh = {key: row for key, row in after.items() if key not in before}
    if changed or fresh:
        table.write(changed, fresh)
    return receipts


def _written(table: Table, name: str, value: Any) -> Any:
    if name == KEY:
        raise Unusable("reserved", "the column `key` is the gateway's own; map the field to another name", name)
    table.written(name, name)
    return table.written(name, value)


def _of_error(key: str, exc: OSError) -> Receipt:
    message = exc.strerror or type(exc).__name__
    if exc.errno in _PERMANENT:
        code = errno.errorcode.get(exc.errno or 0, "OSError")
        return Receipt(key=key, result="rejected", code=code, scope="mapping", message=message)
    return Receipt(key=key, result="retry", seconds=RETRY_AFTER, message=message)
