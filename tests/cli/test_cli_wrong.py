"""Wrong words, missing rights, damaged stores: every message says what, where and what to do, without a traceback."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

WRONG = [
    ("plan zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("push zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("activate zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("systems pause zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("pull zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("inbox list --system zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("inbox list --troubles --system zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("inbox replay --system zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("inbox replay zz", 1, "document with this id that still has a body; `gateway inbox list` shows them"),
    ("deliveries list --system zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("deliveries retry zz", 1, "no dead write with these ids; `gateway deliveries list --state dead` shows them"),
    ("deliveries discard zz", 1, "`gateway deliveries list` shows them"),
    ("leads show zz", 1, "no lead has this id, e-mail address, record id or identity key; `gateway leads list`"),
    ("leads explain zz", 1, "no lead has this id, e-mail address, record id or identity key; `gateway leads list`"),
    ("leads list --stage zz", 1, "no stage 'zz' in journey.yaml; there are: target, mql, won"),
    ("leads list --persona oter", 1, "no persona 'oter' in journey.yaml; did you mean 'other'?"),
    ("leads values zz", 1, "no mapping brings in a lead field 'zz'; there are: company.industry, country, "),
    (
        "metrics funnel --by zz",
        1,
        "no mapping brings in a lead field 'zz'; there are: company.industry, country, ",
    ),
    ("worker web", 2, "no such kind of worker: 'web'; there are pipeline, deliver:SYSTEM and pull:SYSTEM"),
    ("worker pull:zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("worker deliver:zz", 1, "no system 'zz' in gateway.yaml; there are: leads, sales"),
    ("worker deliver:sales", 1, "sales: outbound is off, so nothing is delivered; `gateway activate sales`"),
]
EMPTY = [
    ("leads list", "no leads yet: an import or a webhook brings them"),
    ("leads list --band great", "no such leads"),
    ("inbox list", "no documents yet: a running gateway or an import brings them"),
    ("inbox list --state read", "no such documents"),
    ("deliveries list", "nothing was to be written yet"),
    ("deliveries list --state dead", "no such writes"),
]


@pytest.mark.parametrize(("command", "code", "says"), WRONG, ids=[one[0] for one in WRONG])
def test_a_wrong_word_is_answered_with_the_right_ones(instance: Any, command: str, code: int, says: str) -> None:
    """Or with the command that shows them."""
    assert says in instance.run(*command.split(), code=code).stderr


@pytest.mark.parametrize(("command", "says"), EMPTY, ids=[one[0] for one in EMPTY])
def test_an_empty_list_says_whether_there_is_nothing_yet_or_nothing_of_the_kind(
    instance: Any, command: str, says: str
) -> None:
    """A newcomer learns what brings something."""
    assert instance.run(*command.split()).stdout.strip() == says


def test_documents_of_a_system_that_left_the_files_are_still_listed(filled: Any) -> None:
    """What it sent is there; only a name that nobody knows is refused."""
    filled.edit("gateway.yaml", "  leads:", "  people:")
    filled.write(
        "mappings/people.yaml", (filled.root / "mappings/leads.yaml").read_text().replace(": leads", ": people")
    )
    (filled.root / "mappings/leads.yaml").unlink()
    assert filled.json("inbox", "list", "--system", "leads")["documents"]


def test_an_import_of_which_nothing_could_be_taken_in_fails(instance: Any) -> None:
    """A script must notice that it was another system's file; one good row is enough to go on."""
    path = instance.write("data/odd.csv", "a,b\n1,2\n3,4\n")
    said = instance.run("import", str(path), "--system", "leads", code=1)
    assert "2 quarantined" in said.stdout
    assert "nothing of it could be taken in: is leads its system" in said.stderr
    assert instance.run("import", str(path), "--system", "leads").stdout == "nothing new\n"
    binary = instance.root / "data/odd2.csv"
    binary.write_bytes(b"\x9f\x92\n" * 100)
    assert instance.json("import", str(binary), "--system", "leads", code=1)["documents"]["quarantined"] == 1


# -- the store ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(filled: Any) -> Path:
    folder: Path = filled.root / "var"
    return folder


STARTING = ["status", "run", "web", "worker", "worker pipeline"]


@pytest.mark.parametrize("command", STARTING)
def test_a_store_of_a_newer_gateway_is_refused_before_anything_starts(filled: Any, store: Path, command: str) -> None:
    """With the file, and what to install."""
    with sqlite3.connect(store / "gateway.db") as connection:
        connection.execute("UPDATE version_main SET version_num = 'main_9999'")
    connection.close()
    said = filled.run(*command.split(), code=2).stderr
    assert f"{store}/gateway.db: made by a newer gateway (main_9999 is unknown here)" in said
    assert len(said.splitlines()) <= 2


@pytest.mark.parametrize("name", ["gateway.db", "inbox.db"])
@pytest.mark.parametrize("command", [*STARTING, "db upgrade"])
def test_a_damaged_store_is_named(filled: Any, store: Path, command: str, name: str) -> None:
    """The file that is, and that a backup is the way out."""
    for path in store.glob(f"{name}-*"):
        path.unlink()
    (store / name).write_bytes(os.urandom(10_000))
    said = filled.run(*command.split(), code=2).stderr
    assert f"{store}/{name}: is not a readable SQLite database; restore a backup" in said


@pytest.mark.parametrize("command", [*STARTING, "db upgrade", "leads list"])
def test_a_folder_of_the_store_that_cannot_be_made_is_named_with_its_setting(filled: Any, command: str) -> None:
    """A disk that is not mounted, for example."""
    filled.write("file", "")
    filled.edit("gateway.yaml", "systems:\n", "store: file/var\nsystems:\n")
    said = filled.run(*command.split(), code=2).stderr
    assert f"{filled.root}/file/var: cannot make the store's folder: Not a directory; `store:` in gateway.yaml" in said


def test_nobody_is_handed_over_when_gateway_yaml_cannot_be_written(filled: Any) -> None:
    """Switching on is one thing: all of it or nothing."""
    (filled.root / ".gateway.yaml.new").mkdir()  # stands in for a folder without write permission, root included
    said = filled.run("activate", "sales", "--existing", "handover", code=1).stderr
    assert ".gateway.yaml.new: cannot be written: Is a directory; nothing is changed" in said
    assert filled.json("handoffs", "list") == {"handoffs": []}
    assert filled.json("systems", "list")["systems"][1]["outbound"] is False


def test_a_store_without_write_permission_is_named(filled: Any, store: Path) -> None:
    """Somebody else's files, in a service's folder."""
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    (store / "gateway.db").chmod(0o400)
    store.chmod(0o500)
    try:
        said = filled.run("status", code=2).stderr
    finally:
        store.chmod(0o700)
    assert f"{store}/gateway.db: cannot be written; check the owner and permissions" in said
