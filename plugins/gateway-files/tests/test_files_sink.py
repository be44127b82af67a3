"""Files out: writes become rows, once, whatever happens in between."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from gateway_files import FilesSink, SettingsSchema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contracts import Context, Receipt, Write

# The same examples in every run, however slow the machine is.
in_a_folder = settings(
    derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def sink(root: Path, **given: Any) -> FilesSink:
    context = Context(system="crm", root=root, mapping=None, now=lambda: datetime(2026, 11, 21, tzinfo=UTC))
    return FilesSink(SettingsSchema().load({"path": "crm", **given}), context)


def create(key: str, /, **fields: Any) -> Write:
    return Write(key=key, object="lead", record=None, fields=fields, create=True)


def update(record: str, /, **fields: Any) -> Write:
    return Write(key=f"update-{record}", object="lead", record=record, fields=fields)


def deliver(to: FilesSink, *writes: Write) -> list[Receipt]:
    return [receipt for call in to.calls(writes) for receipt in to.deliver(call)]


def rows(root: Path, name: str = "crm/lead.csv") -> list[dict[str, str]]:
    with (root / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def objects(root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / "crm/lead.jsonl").read_bytes().split(b"\n") if line]


def test_creates_are_appended_and_updates_change_their_row(tmp_path):
    """One row per record; its id is the key of the write that made it."""
    to = sink(tmp_path)
    receipts = deliver(to, create("k1", email="kim@example.org", score=87), create("k2", email="lou@example.org"))
    assert receipts == [
        Receipt(key="k1", result="done", record="k1", held={"email": "kim@example.org", "score": "87"}),
        Receipt(key="k2", result="done", record="k2", held={"email": "lou@example.org"}),
    ]
    assert deliver(to, update("k1", score=90)) == [
        Receipt(key="update-k1", result="done", record="k1", held={"score": "90"})
    ]
    assert rows(tmp_path) == [
        {"key": "k1", "email": "kim@example.org", "score": "90"},
        {"key": "k2", "email": "lou@example.org", "score": ""},
    ]


def test_the_key_is_the_first_column(tmp_path):
    """Whoever takes the file in finds it there."""
    deliver(sink(tmp_path), create("k1", email="kim@example.org"))
    assert (tmp_path / "crm/lead.csv").read_bytes() == b"key,email\r\nk1,kim@example.org\r\n"


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_the_same_write_twice_has_one_effect(tmp_path, format):
    """A retry after a lost receipt finds its row, and leaves even the bytes as they were."""
    to = sink(tmp_path, format=format)
    writes = [create("k1", email="kim@example.org", score=1), create("k2", email="lou@example.org", score=None)]
    first = deliver(to, *writes)
    before = (tmp_path / f"crm/lead.{format}").read_bytes()
    assert deliver(to, *writes) == first
    assert deliver(to, *writes, *writes) == first * 2
    assert (tmp_path / f"crm/lead.{format}").read_bytes() == before


def test_a_new_field_is_a_new_column(tmp_path):
    """Rows that were there before have it empty; none is lost."""
    to = sink(tmp_path, delimiter=";", encoding="cp1252")
    deliver(to, create("k1", name="Jürgen; €"))
    deliver(to, create("k2", name="Zoë", größe=3))
    text = (tmp_path / "crm/lead.csv").read_bytes().decode("cp1252")
    assert text == 'key;name;größe\r\nk1;"Jürgen; €";\r\nk2;Zoë;3\r\n'
    assert deliver(to, update("k1", name="Jürgen; €"))[0].result == "done"


def test_what_stands_beside_the_leads_has_files_of_its_own(tmp_path):
    """Where the settings ask for it; each write is a row under the gateway's key."""
    assert sink(tmp_path).carries == {}
    to = sink(tmp_path, beside=["list_membership"])
    assert to.carries == {"list_membership": ("*",)}
    fields = {"list": "Nurture", "member": True}
    write = Write(
        key="list:1:Nurture", object="list_membership", record=None, fields=fields, refs={"lead": "l1"}, create=True
    )
    assert deliver(to, write)[0].result == "done"
    text = (tmp_path / "crm/list_membership.csv").read_text()
    assert text == "key,list,member,lead\nlist:1:Nurture,Nurture,true,l1\n"


def test_references_are_columns_too(tmp_path):
    """The ids of other records, filled in from links."""
    write = Write(key="k", object="lead", record=None, fields={"a": 1}, refs={"company_id": "c7"}, create=True)
    assert deliver(sink(tmp_path), write)[0].held == {"a": "1", "company_id": "c7"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (1.5, "1.5"),
        (["1500.00", "EUR"], '["1500.00","EUR"]'),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),  # data is data: nothing is put before it
        ('a "quoted", b\r\nc', 'a "quoted", b\r\nc'),
        ("\r", "\r"),
        (" x ", " x "),
        ("x" * 131_072, "x" * 131_072),
    ],
)
def test_values_as_text(tmp_path, value, text):
    """What is held is what stands in the file, and what stands there is read back the same."""
    assert deliver(sink(tmp_path), create("k1", a=value))[0].held == {"a": text}
    assert rows(tmp_path) == [{"key": "k1", "a": text}]
    assert deliver(sink(tmp_path), update("k1", b=1))[0].result == "done"
    assert rows(tmp_path) == [{"key": "k1", "a": text, "b": "1"}]


def test_json_lines_keep_their_types(tmp_path):
    """Numbers, lists and nothing stay what they are."""
    to = sink(tmp_path, format="jsonl")
    deliver(to, create("k1", a=1, b=[1, "x"], c=None), create("k2", a="é\u2028"))
    deliver(to, update("k1", c=True))
    assert objects(tmp_path) == [{"key": "k1", "a": 1, "b": [1, "x"], "c": True}, {"key": "k2", "a": "é\u2028"}]


@pytest.mark.parametrize(
    ("write", "code", "fields", "scope"),
    [
        (create("k1", name="a\0b"), "nul", ("name",), "row"),
        (create("k1", name="x" * 131_073), "too_long", ("name",), "row"),
        (create("k1", name="\ud800"), "encoding", ("name",), "row"),
        (create("k1", key="mine"), "reserved", ("key",), "mapping"),
        (Write(key="k1", object="lead", record=None, fields={"a": 1}), "not_found", (), "row"),
        (Write(key="k1", object="../lead", record=None, fields={"a": 1}, create=True), "object_name", (), "mapping"),
        (Write(key="k1", object=".lead", record=None, fields={"a": 1}, create=True), "object_name", (), "mapping"),
    ],
)
def test_what_cannot_be_written_is_rejected_with_its_field(tmp_path, write, code, fields, scope):
    """One bad write does not stop its neighbours, and the message does not repeat the value."""
    receipts = deliver(sink(tmp_path), write, create("k2", a=1))
    assert [receipt.result for receipt in receipts] == ["rejected", "done"]
    assert (receipts[0].code, receipts[0].fields, receipts[0].scope) == (code, fields, scope)
    assert "a\0b" not in receipts[0].message
    assert [row["key"] for row in rows(tmp_path)] == ["k2"]


def test_an_update_of_a_record_without_a_row_makes_one(tmp_path):
    """A record we know from an export has no row in our file yet: the row is how its owner hears of the change."""
    to = sink(tmp_path)
    deliver(to, create("k1", a=1))
    assert deliver(to, update("k9", a=2))[0].result == "done"
    assert rows(tmp_path) == [{"key": "k1", "a": "1"}, {"key": "k9", "a": "2"}]


def test_a_create_whose_row_is_there_already_corrects_it(tmp_path):
    """By state: a retry with newer values is an update of the row it made."""
    to = sink(tmp_path)
    deliver(to, create("k1", a=1, b=1))
    assert deliver(to, create("k1", a=2))[0].record == "k1"
    assert rows(tmp_path) == [{"key": "k1", "a": "2", "b": "1"}]


def test_a_file_of_somebody_else_is_left_alone(tmp_path):
    """The folder may be shared; a file without our key is not ours to change."""
    path = tmp_path / "crm/lead.csv"
    path.parent.mkdir()
    path.write_text("id,name\n1,Kim\n")
    receipt = deliver(sink(tmp_path), create("k1", a=1))[0]
    assert (receipt.result, receipt.code, receipt.scope) == ("rejected", "foreign_file", "mapping")
    assert path.read_text() == "id,name\n1,Kim\n"


def test_a_file_that_a_spreadsheet_saved_is_still_ours(tmp_path):
    """With a byte order mark, other line ends, no line end at the end, and a row that is none."""
    path = tmp_path / "crm/lead.csv"
    path.parent.mkdir()
    path.write_bytes(b"\xef\xbb\xbfkey,a\nk1,1\nnote to self\nk2,2")
    assert [receipt.result for receipt in deliver(sink(tmp_path), update("k2", a=3), create("k3", a=4))] == ["done"] * 2
    assert path.read_bytes() == b"key,a\r\nk1,1\nnote to self\nk2,3\r\nk3,4\r\n"


def test_find_tells_which_keys_are_there(tmp_path):
    """Asked before anything is sent again."""
    to = sink(tmp_path)
    assert to.find("lead", ["k1"]) == {}
    deliver(to, create("k1", a=1), create("k2", a=1))
    assert to.find("lead", ["k2", "k3"]) == {"k2": ["k2"]}
    assert to.find("../lead", ["k2"]) == {}


def test_calls_are_batches_of_one_object_and_say_what_they_do(tmp_path):
    """``plan`` prints the titles; nothing is touched yet."""
    deals = [Write(key=f"d{index}", object="deal", record="x", fields={}) for index in range(2)]
    leads = [create(f"k{index}") for index in range(1001)]
    calls = sink(tmp_path).calls([leads[0], *deals, *leads[1:], update("k1")])
    assert [call.title for call in calls] == [
        "crm/lead.csv: 1000 creates",
        "crm/lead.csv: 1 create, 1 update",
        "crm/deal.csv: 2 updates",
    ]
    assert sum(len(call.writes) for call in calls) == 1004
    assert not (tmp_path / "crm").exists()
    assert sink(tmp_path).describe("lead") == {}


def test_without_a_path_each_system_has_its_own_folder(tmp_path):
    """Two sinks of one instance don't write into each other's files."""
    to = FilesSink(SettingsSchema().load({}), Context(system="sales", root=tmp_path, mapping=None, now=datetime.now))
    deliver(to, create("k1", a=1))
    assert rows(tmp_path, "out/sales/lead.csv") == [{"key": "k1", "a": "1"}]


# -- crashes, full disks, other processes ------------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.text('a,"\r\n', max_size=8)


@in_a_folder
@given(
    before=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4),
    torn=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4),
    format=st.sampled_from(["csv", "jsonl"]),
    data=st.data(),
)
def test_whatever_a_crash_left_of_an_append_the_retry_makes_it_whole(tmp_path_factory, before, torn, format, data):
    """Cut the file anywhere behind what was acknowledged: no acknowledged row is lost, no row doubled."""
    root = tmp_path_factory.mktemp("crash")
    path = root / f"crm/lead.{format}"
    to = sink(root, format=format)
    first = [create(f"a{index}", x=x, y=y) for index, (x, y) in enumerate(before)]
    second = [create(f"b{index}", x=x, y=y) for index, (x, y) in enumerate(torn)]
    deliver(to, *first)
    acknowledged = path.stat().st_size
    deliver(to, *second)
    whole = path.read_bytes()
    os.truncate(path, data.draw(st.integers(acknowledged, len(whole)), label="cut at"))
    assert [receipt.result for receipt in deliver(to, *second)] == ["done"] * len(second)
    found = rows(root) if format == "csv" else objects(root)
    assert found == [{"key": write.key, **write.fields} for write in first + second]


def test_torn_bytes_are_kept_aside(tmp_path):
    """What is cut off is not thrown away: it might be a hand edit."""
    to = sink(tmp_path)
    deliver(to, create("k1", a=1, b=2))
    with (tmp_path / "crm/lead.csv").open("a") as file:
        file.write('k2,"half a')
    deliver(to, create("k3", a=1, b=2))
    assert [row["key"] for row in rows(tmp_path)] == ["k1", "k3"]
    assert (tmp_path / "crm/lead.csv.torn").read_text() == 'k2,"half a\n'


@pytest.mark.parametrize("step", ["append", "rewrite"])
def test_a_full_disk_is_tried_again_and_leaves_the_file_as_it_was(tmp_path, monkeypatch, step):
    """No half row, no half file; and once there is room, the same write works."""
    to = sink(tmp_path)
    deliver(to, create("k1", a=1))
    before = (tmp_path / "crm/lead.csv").read_bytes()
    write = create("k2", a=2) if step == "append" else update("k1", a=2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        receipt = deliver(to, write)[0]
    assert (receipt.result, receipt.seconds) == ("retry", 60.0)
    assert (tmp_path / "crm/lead.csv").read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "crm").iterdir()) == [".lead.csv.lock", "lead.csv"]
    assert deliver(to, write)[0].result == "done"


def test_a_path_that_can_never_be_written_is_rejected(tmp_path):
    """A file where the folder should be: trying again helps nobody."""
    (tmp_path / "crm").write_text("a file")
    receipt = deliver(sink(tmp_path), create("k1", a=1))[0]
    assert (receipt.result, receipt.scope) == ("rejected", "mapping")
    assert receipt.code in ("EEXIST", "ENOTDIR")


def test_permissions_of_the_file_survive_a_rewrite(tmp_path):
    """Whoever may read the file today may read it tomorrow."""
    to = sink(tmp_path)
    deliver(to, create("k1", a=1))
    (tmp_path / "crm/lead.csv").chmod(0o640)
    deliver(to, update("k1", a=2))
    assert (tmp_path / "crm/lead.csv").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path):
    """A rename replaces the file that the link points to."""
    (tmp_path / "crm").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "crm/lead.csv").symlink_to(tmp_path / "shared/leads.csv")
    to = sink(tmp_path)
    deliver(to, create("k1", a=1))
    deliver(to, update("k1", a=2))
    assert (tmp_path / "crm/lead.csv").is_symlink()
    assert rows(tmp_path, "shared/leads.csv") == [{"key": "k1", "a": "2"}]


MANY = """
import sys
from datetime import datetime
from pathlib import Path
from gateway.contracts import Context, Write
from gateway_files import FilesSink, SettingsSchema

root, name = Path(sys.argv[1]), sys.argv[2]
context = Context(system="crm", root=root, mapping=None, now=datetime.now)
sink = FilesSink(SettingsSchema().load({"path": "crm"}), context)
for index in range(30):
    for record, value in ((None, index), (f"{name}{index}", index + 1)):
        write = Write(key=f"{name}{index}", object="lead", record=record, fields={"a": value}, create=True)
        for call in sink.calls([write]):
            assert [receipt.result for receipt in sink.deliver(call)] == ["done"]
"""


@pytest.mark.processes
def test_two_processes_do_not_write_into_each_others_lines(tmp_path):
    """Appends and rewrites of both: every row is there once, with its last value."""
    both = [subprocess.Popen([sys.executable, "-c", MANY, str(tmp_path), name]) for name in ("a", "b")]
    assert [process.wait(300) for process in both] == [0, 0]
    found = {row["key"]: row["a"] for row in rows(tmp_path)}
    assert found == {f"{name}{index}": str(index + 1) for name in "ab" for index in range(30)}
    assert len(rows(tmp_path)) == 60
