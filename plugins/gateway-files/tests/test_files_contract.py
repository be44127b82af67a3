"""What the gateway asks of every source and sink, asked of those for files: the disk is the other side."""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from gateway_files import FilesSink, FilesSource, SettingsSchema
from gateway_files.table import MAX_VALUE, CsvTable, Table

from gateway.contracts import COMPANIONS, Context, Document, Sink, Source
from gateway.testing import FakeSystem, SinkContract, SourceContract

ON_DISK = "it reads and writes this machine's disk: there is no line, no limit and no login"
MAPPING = """
system: leads
timezone: UTC
objects:
  visitor: {kind: person, id: id, time: at, fields: {email: email, name: last_name}}
"""
ROWS = 1_200


class TestSource(SourceContract):
    schema, mapping, role = SettingsSchema, MAPPING, "ma"
    skips = {  # noqa: RUF012
        "test_who_calls_is_verified": "nobody calls it: files are brought in by a person or a job",
        **dict.fromkeys(
            (
                "test_too_many_calls_cost_no_try",
                "test_it_waits_as_long_as_the_system_says",
                "test_refused_credentials_are_told",
                "test_a_busy_system_loses_nothing",
                "test_a_cut_line_loses_nothing",
                "test_an_answer_that_is_none_loses_nothing",
                "test_a_call_that_hangs_ends_by_itself",
                "test_no_request_without_budget",
            ),
            ON_DISK,
        ),
    }

    def build(self, context: Context) -> Source:
        return FilesSource(SettingsSchema().load({}), context)

    def streams(self, source: Source) -> Sequence[str]:
        """Files are pulled by their path."""
        for name, line in (("some.csv", "{0},2026-05-01T10:00:00Z,p{0}@example.org,Ü\n"), ("some.jsonl", None)):
            path = self.root / name
            if not path.exists() and line:
                path.write_text("id,at,email,name\n" + "".join(line.format(n) for n in range(ROWS)), encoding="utf-8")
            elif not path.exists():
                row = {"at": "2026-05-01T10:00:00Z", "email": "kim@example.org"}
                path.write_text("".join(json.dumps({"id": str(n), **row}) + "\n" for n in range(ROWS)))
        return [str(self.root / "some.csv"), str(self.root / "some.jsonl")]

    def documents(self) -> Sequence[Document]:
        rows = "id,at,email,name\n1,2026-05-01T10:00:00Z,a@example.org,Zoë\n2,2026-05-02T10:00:00Z,,Ö\n"
        lines = '{"id": "1", "at": "2026-05-01T10:00:00Z", "name": "Zoë"}\n{"id": "2", "at": "2026-05-02T10:00:00Z"}\n'
        return [
            self.document(rows, "text/csv"),
            self.document(rows.replace(",", "\t"), "text/tab-separated-values"),
            self.document(lines, "application/x-ndjson"),
        ]


class Folder(FakeSystem):
    """The sink's folder. What goes wrong on a disk: it is full before a table is written, or the answer is lost."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path, self._write = path, Table.write
        self._planned: list[str] = []
        monkeypatch.setattr(Table, "write", self._written())

    @property
    def calls(self) -> int:
        return 0

    def fail(self, fault: Any, *, seconds: float = 0, after: int = 0) -> None:
        self._planned.append(fault)

    def calm(self) -> None:
        self._planned.clear()

    def records(self, object: str) -> Mapping[str, Mapping[str, Any]]:
        path = self._path / f"{object}.csv"
        if not path.exists():
            return {}
        with path.open(encoding="utf-8", newline="") as file:
            return {row.pop("key"): row for row in csv.DictReader(file)}

    def _written(self) -> Callable[..., Any]:
        def write(table: CsvTable, *rows: Any) -> None:
            fault = self._planned.pop(0) if self._planned else ""
            if fault not in ("busy", "cut before"):
                self._write(table, *rows)
            if fault:
                raise OSError(errno.ENOSPC, "No space left on device")

        return write


class TestSink(SinkContract):
    object, text, longest = "lead", "name", MAX_VALUE // 2
    schema = SettingsSchema
    skips = dict.fromkeys(
        (
            "test_no_request_without_budget",
            "test_too_many_calls_cost_no_try",
            "test_it_waits_as_long_as_the_system_says",
            "test_refused_credentials_pause_the_system",
            "test_an_answer_that_is_none_doubles_nothing",
            "test_a_call_that_hangs_ends_by_itself",
        ),
        ON_DISK,
    )

    @pytest.fixture(autouse=True)
    def _disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def build(self, context: Context) -> Sink:
        return FilesSink(SettingsSchema().load({"path": "out", "beside": list(COMPANIONS)}), context)

    def system(self) -> FakeSystem:
        return Folder(self.root / "out", self.monkeypatch)

    def refused(self) -> Mapping[str, Any]:
        return {"name": "x" * (MAX_VALUE + 1)}
