"""Whatever bytes come, by whatever door: refused or quarantined, never an error of ours, and in bounded memory.

The targets are those that ``tox -e fuzz`` searches with feedback; here are their seeds, all that was ever found, and
some new examples drawn by what the bytes are made of.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import resource
import sys
import tempfile
from pathlib import Path

import pytest
from drawing import draws
from gateway_files import FilesSource, SettingsSchema
from hostile_targets import MAPPING, NOW, TARGETS
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts import Context
from gateway.errors import ConfigError
from gateway.settings.files import ConfigFile
from gateway.testing.hostile import BODIES, VALUES

FOUND = Path(__file__).parent / "found"
MIB = 1024 * 1024
BOUND = 64 * MIB
"""Memory that any one input may take for a moment; a body has at most 1 MiB."""


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_keep_the_promise(name):
    """Every one of them, so that a search begins from what works."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("path", sorted(FOUND.glob("*/[!.]*")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_found_stays_mended(path):
    """Each of these once broke the promise; its name says how."""
    TARGETS[path.parent.name].run(path.read_bytes())


texts = st.one_of(st.text(max_size=30), st.sampled_from([one for one in VALUES if isinstance(one, str)]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
names = [
    *(
        "born",
        "event",
        "email",
        "name",
        "bio",
        "phone",
        "url",
        "size",
        "ratio",
        "budget",
        "budget_currency",
        "yes",
        "day",
    ),
    *(
        "moment",
        "tags",
        "number",
        "items",
        "lang",
        "strict",
        "page",
        "opens",
        "status",
        "amount",
        "why",
        "merged",
        "new",
    ),
    *("firm_id", "contact_id", "hidden", "forget", "deleted"),
]
items = st.fixed_dictionaries(
    {"id": st.one_of(st.sampled_from(["1", "2", 3]), values), "at": st.one_of(st.just("2026-05-01T00:00:00Z"), values)},
    optional=dict.fromkeys(names, values)
    | {"kind": st.sampled_from(["contact", "firm", "deal"]), "deep": st.dictionaries(st.just("inner"), values)},
)


@draws(40)
@given(st.lists(items, max_size=3))
def test_records_of_any_values_are_taken_or_quarantined(records):
    """NaN, lone surrogates, huge integers, NUL and lists where texts belong, in every field that a mapping reads."""
    TARGETS["body"].run(b"json application/json\n" + json.dumps(records).encode("utf-8", "surrogatepass"))


headers = st.lists(
    st.tuples(
        st.sampled_from(["X-Signature", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Stripe-Signature"]),
        st.text(st.characters(max_codepoint=255, exclude_characters="\n"), max_size=40),
    ),
    max_size=4,
)  # fmt: skip


@draws(100)
@given(st.sampled_from(["POST", "PUT", "get", "", "OPTIONS"]), st.text(max_size=20), headers, st.binary(max_size=100))
def test_any_call_is_answered_below_500(method, path, sent, body):
    """And what nobody proved is not stored."""
    lines = "\n".join([f"{method} {path.replace(chr(10), '')}", *(f"{name}: {value}" for name, value in sent)])
    TARGETS["call"].run(lines.encode("latin-1", "replace") + b"\n\n" + body)


rows = st.lists(st.lists(st.one_of(texts, st.sampled_from(['"', "a\nb", "\r"])), max_size=5), max_size=6)


@draws(60)
@given(
    st.sampled_from(["a.csv", "a.csv small", "a.tsv gz", "a.jsonl small", "a.txt latin"]), rows, st.binary(max_size=20)
)
def test_any_table_is_read_or_refused_and_goes_on_where_it_was(name, cells, rest):
    """Broken quotes, other numbers of columns, other line ends, bytes of no encoding."""
    lines = "\n".join(["id,at,email,size", *(",".join(row) for row in cells)])
    TARGETS["table"].run(name.encode() + b"\n" + lines.encode("utf-8", "surrogatepass") + rest)


@draws(40)
@given(st.data())
def test_a_mapping_file_with_any_line_changed_says_where_it_is_wrong(data):
    """The mistakes that people make: a line gone, twice, in another place, with another word in it."""
    lines = MAPPING.strip().split("\n")
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        odd = [": ", "- ", "{", "*x", "&x 1", "<<: {}", "'", "null", "1e400", "2026-13-45", "!!set {a}", "\t", "? [a]"]
        change = data.draw(st.sampled_from(["gone", "twice", "moved", "word", "cut"]))
        line = lines[at]
        if change == "word":
            start = data.draw(st.integers(0, len(line)))
            line = line[:start] + data.draw(st.sampled_from(odd)) + line[start:]
        pieces = {"gone": [], "twice": [line, line], "moved": ["  " + line], "cut": [line[: len(line) // 2]]}
        lines[at : at + 1] = pieces.get(change, [line])
    TARGETS["mapping"].run("\n".join(lines).encode())


LARGE = {
    "nested deep": b"json \n" + BODIES["nested deep"],
    "many keys": b"json \n" + BODIES["many keys"],
    "a long number": b"json \n[" + b"9" * MIB + b"]",
    "a key of 1 MiB": b"json \n" + BODIES["a key of 1 MiB"],
    "many small lists": b"json \n[" + b"[]," * (MIB // 3) + b"[]]",
    "many forms": b"form \n" + b"a&" * (MIB // 2),
    "deep forms": b"form \n" + b"a" + b"[a]" * (MIB // 3) + b"=1",
    "many elements": b"xml \n<a>" + b"<b/>" * (MIB // 4) + b"</a>",
    "entities in entities": b"xml \n"
    + b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b"]><a>&j;</a>",
    "a zipped bomb": b"auto application/json\n" + gzip.compress(b" " * (64 * MIB)),
    "a text of blanks": b"json \n" + b" " * MIB,
    "many empty records": b"json \n[" + b"{}," * (MIB // 3) + b"{}]",
}


@contextlib.contextmanager
def bounded(more):
    """Who asks for more than this beside what is in use fails: as a worker does with `worker_memory`."""
    used = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text())
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(used[1]) * 1024 + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc to bound its own memory")


@linux
@pytest.mark.parametrize("name", LARGE)
def test_a_body_as_large_as_may_be_takes_bounded_memory(name):
    """What one MiB can stand for: no sender may take the machine's memory with it."""
    TARGETS["body"].run(b"json \n{}")  # what is loaded once is not counted
    with bounded(BOUND):
        TARGETS["body"].run(LARGE[name])


@linux
def test_a_zipped_table_takes_bounded_memory():
    """A few kilobytes that unzip to a line of 80 MiB, and to many short ones that are no records."""
    source = FilesSource(SettingsSchema().load({}), Context(system="site", root=Path(), mapping=None, now=lambda: NOW))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bomb.csv.gz"
        for part in (b"x" * MIB, b"\n" * 5_000):
            with gzip.open(path, "wb", 1) as file:
                file.write(b"id,at\n")
                for _ in range(80):
                    file.write(part)
            with bounded(BOUND):
                assert all(len(page.document) <= MIB for page in source.slices(path))


def test_a_file_of_aliases_is_refused():
    """A few lines that stand for billions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(ConfigError, match="more than 100,000 values"):
        ConfigFile("x.yaml", "\n".join(lines))
