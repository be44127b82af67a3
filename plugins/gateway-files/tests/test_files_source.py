"""Files in: pages of a file, and the items of a page."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gateway_files import FilesSink, FilesSource, SettingsSchema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contracts import Context, Document, Page, Quarantined, RecordChanged
from gateway.errors import NotFound, QuarantineDocument, Refused
from gateway.host import Host
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile

NOW = datetime(2026, 11, 21, tzinfo=UTC)
# The same examples in every run, however slow the machine is.
in_a_folder = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Echo:
    """A mapping that gives back the items it is shown."""

    def read(self, payload: Any, document: Document) -> Any:
        return iter(payload)


def source(**given: Any) -> FilesSource:
    context = Context(system="leads", root=Path(), mapping=Echo(), now=lambda: NOW)
    return FilesSource(SettingsSchema().load(given), context)


def document(page: Page) -> Document:
    return Document(
        id="1",
        system="leads",
        received_at=NOW,
        body=page.document,
        content_type=page.content_type,
        headers=page.headers,
        origin="file",
    )


def items(pages: Any, reader: FilesSource | None = None) -> list[Any]:
    """What the pages hold, in the file's order of items; refused lines as their reasons, apart."""
    reader = reader or source()
    return [item for page in pages for item in reader.read(document(page))]


def apart(found: list[Any]) -> tuple[list[Any], list[str]]:
    good = [item for item in found if not isinstance(item, Quarantined)]
    return good, sorted(item.reason for item in found if isinstance(item, Quarantined))


@pytest.fixture
def put(tmp_path):
    def write(content: str | bytes, name: str = "leads.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


VALUE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.text(
    'ab ,;"\r\n\té', max_size=6
)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    text = io.StringIO()
    end = draw(st.sampled_from(["\r\n", "\n", "\r"]))
    # The writer quotes line ends of its own kind only; quote everything where the other kinds would be read as ends.
    writer = csv.writer(text, lineterminator=end, quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])))
    writer.writerow(["id", draw(st.sampled_from(["name", "a,b", 'the "name"', "two\nlines"])), "note"])
    for row in draw(st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=25)):
        writer.writerow(row)
        text.write(draw(st.sampled_from(["", "", "", end])))
    content = text.getvalue()
    content = content if draw(st.booleans()) else content.removesuffix(end)
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + content.encode()


@in_a_folder
@given(content=csv_files(), bytes_=st.integers(1, 300), records=st.integers(1, 8), zipped=st.booleans())
def test_pages_of_any_size_read_together_are_the_file(put, content, bytes_, records, zipped):
    """However a CSV file is cut, its slices hold what the csv module sees in the whole."""
    path = put(gzip.compress(content) if zipped else content)
    whole = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    pages = list(source().slices(path, max_bytes=bytes_, max_records=records))
    assert items(pages) == whole
    assert all(page.records <= records for page in pages)
    assert all(page.more for page in pages[:-1])
    assert sum(page.records for page in pages) == len(whole)


@in_a_folder
@given(
    text=st.text('ab,"\n\r\0é', max_size=80),
    bytes_=st.integers(1, 60),
    records=st.integers(1, 5),
    stop=st.integers(0, 20),
)
def test_any_text_reads_the_same_however_it_is_cut_and_wherever_it_was_interrupted(put, text, bytes_, records, stop):
    """Stray quotes, NULs, odd line ends: page size and restarts change no item, no refusal, no line number."""
    path = put(b"x,y\n" + text.encode("utf-8", "replace"))
    at_once = apart(items(source().slices(path)))
    pages = list(source().slices(path, max_bytes=bytes_, max_records=records))
    assert apart(items(pages)) == at_once
    done = pages[:stop]
    rest = list(source().slices(path, done[-1].cursor if done else None, max_bytes=bytes_, max_records=records))
    assert rest == pages[stop:]


@in_a_folder
@given(
    lines=st.lists(
        st.sampled_from(['{"a": 1}', '{"a": "é\u2028x"}', "", " ", "{", "[1]", "7", '{"a": 1, "a": 2}', '{"a": NaN}']),
        max_size=20,
    ),
    end=st.sampled_from(["\n", "\r\n"]),
    bytes_=st.integers(1, 60),
    records=st.integers(1, 5),
    zipped=st.booleans(),
)
def test_json_lines_read_the_same_however_they_are_cut(put, lines, end, bytes_, records, zipped):
    """One object per line; what is none is refused by its line number, and the rest comes in."""
    lines = ['{"a": 1}', *lines]
    content = end.join(lines).encode()
    path = put(gzip.compress(content) if zipped else content, "leads.jsonl" + ".gz" * zipped)
    good, refused = apart(items(source().slices(path, max_bytes=bytes_, max_records=records)))
    assert good == [json.loads(line) for line in lines if line in ('{"a": 1}', '{"a": "é\u2028x"}')]
    bad = [
        number for number, line in enumerate(lines, 1) if line.strip() and line not in ('{"a": 1}', '{"a": "é\u2028x"}')
    ]
    assert sorted(int(reason.split(":")[0].removeprefix("line ")) for reason in refused) == bad


def test_a_file_gives_the_same_documents_each_time(put):
    """Keys come from the file's content and the place in it, so that a second import is no news."""
    path = put("id\n" + "".join(f"{number}\n" for number in range(2500)))
    first, again = list(source().pull(str(path), None, None)), list(source().pull(str(path), None, NOW))
    assert first == again
    assert [page.records for page in first] == [1000, 1000, 500]
    assert len({page.key for page in first}) == 3
    assert first[0].key == f"{first[0].cursor['sha256']}:3"
    assert all(page.document.startswith(b"id\n") for page in first)
    assert list(source().slices(path, first[-1].cursor)) == []


def test_a_cursor_of_another_file_starts_from_the_beginning(put):
    """The same name with other content is another file."""
    old = list(source().slices(put("id\n1\n2\n")))
    assert [page.document for page in source().slices(put("id\n1\n2\n3\n"), old[-1].cursor)] == [b"id\n1\n2\n3\n"]


@pytest.mark.parametrize(
    ("name", "content", "media"),
    [
        ("a.csv", "id\n1\n", "text/csv"),
        ("a.CSV.gz", "id\n1\n", "text/csv"),
        ("a.tsv", "id\tx\n1\t2\n", "text/tab-separated-values"),
        ("a.ndjson", '{"id": 1}\n', "application/x-ndjson"),
        ("a.json", '{"id": 1}\n', "application/x-ndjson"),
        ("export", ' {"id": 1}\n', "application/x-ndjson"),
        ("export", "id\n1\n", "text/csv"),
    ],
)
def test_what_a_file_is_shows_in_its_name_or_its_first_character(put, name, content, media):
    """Compressed or not: the bytes say whether, not the name."""
    for data in (content.encode(), gzip.compress(content.encode())):
        pages = list(source().slices(put(data, name)))
        assert [page.content_type for page in pages] == [media]
        assert len(items(pages)) == 1


@pytest.mark.parametrize("content", ["", "id,name\n", "\n\n", "id,name", "\ufeff"])
def test_a_file_without_records_has_no_pages(put, content):
    """Nothing to import is not an error."""
    assert list(source().slices(put(content))) == []


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        ("id;name\n1;Kim\n", "a.csv", "delimiter ';'"),
        ("id,name,id\n1,Kim,2\n", "a.csv", "the column 'id' is there twice"),
        (",,\n1,2,3\n", "a.csv", "no column has a name"),
        ("\n\nid,id\n", "a.csv", r"a\.csv:3: "),
        ("id\n1\n".encode("utf-16"), "a.csv", "UTF-16"),
        ('"id\n1\n', "a.csv", "a quote is never closed"),
        ("x" * 70_000 + "\n1\n", "a.csv", "header line cannot be read: too long"),
        ('[{"id": 1}]', "a.json", "one JSON list"),
        (gzip.compress(b"id\n1\n", mtime=0)[:-9], "a.csv.gz", "damaged or cut off"),
        (b"\x1f\x8bno gzip at all", "a.csv.gz", "damaged or cut off"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_with_a_hint(put, content, name, says):
    """Before a thousand rows come in wrong."""
    with pytest.raises(Refused, match=says):
        list(source().slices(put(content, name)))


def test_a_missing_file_is_named(tmp_path):
    """The path that was looked for is part of the message."""
    with pytest.raises(NotFound, match=r"gone\.csv: no such file"):
        list(source().slices(tmp_path / "gone.csv"))
    with pytest.raises(Refused, match="Is a directory"):
        list(source().slices(tmp_path))


def test_what_came_before_the_damage_is_read(put):
    """A gzip file that was cut off in transfer gives the records before the cut, then says so."""
    lines = "".join(f"{number},{os.urandom(8).hex()}\n" for number in range(3000))
    data = gzip.compress(b"id,x\n" + lines.encode())
    pages = source().slices(put(data[: len(data) // 2]))
    found = []
    with pytest.raises(Refused, match="damaged or cut off"):
        found += [page for page in pages for _ in [found.append(page)]]
    good, refused = apart(items(found))
    assert 1000 < len(good) < 2000
    assert refused == []
    assert all(page.more for page in found)


def test_a_file_that_changes_while_it_is_read_is_refused(put):
    """A cursor into a file that is no longer the one that was hashed would point anywhere."""
    path = put("id\n" + "1\n" * 1500)
    pages = source().slices(path)
    next(pages)
    with path.open("a") as file:
        file.write("2\n")
    with pytest.raises(Refused, match="changed while it was read"):
        next(pages)


def test_a_stray_quote_costs_its_line_and_not_the_file(put):
    """Both where the quote runs to the end of the file, and where a value would have to be longer than any may be."""
    rows = "".join(f"{number},x\n" for number in range(4, 40_000))
    path = put('id,name\n1,Kim\n2,"12 inch\n3,Lou\n' + rows)
    good, refused = apart(items(source().slices(path)))
    assert len(good) == 39_998
    assert refused == ["line 3: a quote is never closed, or a value is longer than 131072 bytes"]
    good, refused = apart(items(source().slices(put('id,name\n1,Kim\n2,"12 inch\n3,Lou\n'))))
    assert [item["id"] for item in good] == ["1", "3"]
    assert refused == ["line 3: a quote is never closed, or a value is longer than 131072 bytes"]


@pytest.mark.parametrize(("name", "filler"), [("a.csv", b"2,"), ("a.jsonl", b'{"id": "2')])
def test_a_record_that_fits_no_page_is_refused_by_its_line(put, name, filler):
    """Two megabytes on one line: counted and named, and what stands around it comes in."""
    head, one, three = (b"id,x\n", b"1,a\n", b"3,c\n") if name == "a.csv" else (b"", b'{"id":"1"}\n', b'{"id":"3"}\n')
    path = put(head + one + filler + b"x" * 2_000_000 + b"\n" + three, name)
    pages = list(source().slices(path))
    good, refused = apart(items(pages))
    assert [item["id"] for item in good] == ["1", "3"]
    number = 3 if name == "a.csv" else 2
    assert refused == [f"line {number}: longer than a page of 1 MiB can hold"]
    assert pages[-1].cursor["offset"] == path.stat().st_size
    assert max(len(page.document) for page in pages) <= 1024 * 1024


def test_pages_keep_to_a_mebibyte(put):
    """Large records fill a page by bytes before they fill it by number."""
    pages = list(source().slices(put("id,x\n" + f"1,{'y' * 100_000}\n" * 30)))
    assert max(len(page.document) for page in pages) <= 1024 * 1024
    assert sum(page.records for page in pages) == 30


def test_memory_does_not_grow_with_the_file(tmp_path):
    """Forty megabytes pass through a few."""
    path = tmp_path / "large.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"id,name\n")
        for _ in range(40):
            file.write((b"1234567890," + b"x" * 1013 + b"\n") * 1024)
    tracemalloc.start()
    count = sum(page.records for page in source().slices(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_960
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"2,Lou\n", "2 columns instead of 3"),
        (b"2,Lou,x,y\n", "4 columns instead of 3"),
        (b"2,L\xfcdenscheid,x\n", "not valid utf-8"),
        (b"2,L\0u,x\n", "contains a NUL character"),
    ],
)
def test_a_bad_row_is_refused_by_its_line_and_kind(put, line, reason):
    """The line of the file, not of the page; the rest of the page comes in; the value is not repeated."""
    path = put(b"id,name,\n" + b"1,Kim,\n" * 1500 + line + "3,Zoë,\n".encode() * 1500)
    good, refused = apart(items(source().slices(path)))
    assert len(good) == 3000
    assert good[-1] == {"id": "3", "name": "Zoë"}  # the column without a name is none
    assert refused == [f"line 1502: {reason}"]


def test_line_numbers_without_a_line_offset_are_of_the_page():
    """A document that came another way has no file around it."""
    page = Page(document=b"id,x\n1,2\n3\n", content_type="text/csv; charset=utf-8")
    assert apart(items([page]))[1] == ["line 3: 1 columns instead of 2"]


@pytest.mark.parametrize(
    ("page", "says"),
    [
        (Page(document=b"id,id\n1,2\n", content_type="text/csv"), "the column 'id' is there twice"),
        (Page(document=b"id,\xff\n1,2\n", content_type="text/csv"), "the header: not valid utf-8"),
        (Page(document=b"id,\0\n1,2\n", content_type="text/csv"), "the header: contains a NUL"),
        (Page(document=b"id\n1\n", content_type="application/pdf"), "'application/pdf' are not understood"),
    ],
)
def test_a_page_without_a_usable_header_is_quarantined(page, says):
    """Never is the next row taken for the header."""
    with pytest.raises(QuarantineDocument, match=says):
        items([page])


def test_other_encodings_and_delimiters_are_settings(put):
    """An export of a German spreadsheet: semicolons, cp1252."""
    path = put("id;name\n1;Jürgen €\n".encode("cp1252"))
    reader = source(delimiter=";", encoding="cp1252")
    assert items(reader.slices(path), reader) == [{"id": "1", "name": "Jürgen €"}]


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"encoding": "utf-16"}, "one byte per character"),
        ({"encoding": "shift_jis"}, "one byte per character"),
        ({"encoding": "klingon"}, "no known encoding"),
        ({"delimiter": '"'}, "must be a comma"),
        ({"format": "xlsx"}, "csv or jsonl"),
        ({"folder": "x"}, "Unknown field"),
    ],
)
def test_settings_are_checked(given_, says):
    """Encodings in which a delimiter may be half a character would cut records."""
    assert says in str(SettingsSchema().validate(given_))


def test_without_a_mapping_nothing_is_read():
    """The document is kept and named, not lost."""
    reader = FilesSource(SettingsSchema().load({}), Context(system="leads", root=Path(), mapping=None, now=lambda: NOW))
    with pytest.raises(QuarantineDocument, match="'leads' has no mapping file"):
        reader.read(document(Page(document=b"id\n1\n", content_type="text/csv")))


MAPPING = """
system: leads
timezone: Europe/Berlin
objects:
  lead:
    kind: person
    id: Prospect ID
    time: updated
    fields: {E-Mail: email}
"""


def test_a_mapping_file_alone_makes_events_of_rows(put):
    """The whole way of a file, with a mapping as an admin writes it."""
    mapping = compile_mapping(ConfigFile("mappings/leads.yaml", MAPPING), "ma", {})
    context = Context(system="leads", root=Path(), mapping=mapping, now=lambda: NOW)
    reader = FilesSource(SettingsSchema().load({}), context)
    path = put("Prospect ID,E-Mail,updated\n7,kim@example.org,2026-11-21 20:10:00\n8\n9,lou@example.org,soon\n")
    refused, event, unread = items(reader.slices(path), reader)
    assert refused.reason == "line 3: 1 columns instead of 3"
    assert unread.reason.startswith("line 4: lead 9: updated: ")
    assert isinstance(event, RecordChanged)
    assert (event.record, event.at) == ("7", datetime(2026, 11, 21, 19, 10, tzinfo=UTC))
    assert event.values == {"E-Mail": "kim@example.org"}


def test_the_host_finds_the_plugin():
    """Installed means offered: source and sink under one name."""
    host = Host()
    assert host.sources["files"].factory is FilesSource
    assert host.sinks["files"].factory is FilesSink
