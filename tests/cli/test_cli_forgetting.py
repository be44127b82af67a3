"""``gateway leads export`` and ``forget``: what a person may ask for."""

from __future__ import annotations

import json
import time
from contextlib import closing

import pytest
from sqlalchemy import select

from gateway.opening import open_gateway
from gateway.people.forgetting import forget
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import read
from gateway.store.times import utc_now


def _stored(instance):
    return b"".join(path.read_bytes() for path in sorted((instance.root / "var").glob("*.db*")))


def test_export_gives_every_row_of_theirs_and_the_documents(filled):
    """Times as text, and no word of anybody else."""
    found = json.loads(filled.run("leads", "export", "ann@one.example").stdout)
    assert found["tables"]["identities"][0]["value"] == "ann@one.example"
    assert found["tables"]["records"][0]["snapshot"]["first"][0] == "Ann"
    assert found["tables"]["events"][0]["at"] == "2026-01-05T09:00:00Z"
    assert [one["system"] for one in found["documents"]] == ["leads"]
    assert "bob" not in json.dumps(found)


def test_export_into_a_file_only_its_owner_may_read(filled, tmp_path):
    """It is all personal data."""
    said = filled.run("leads", "export", "ann@one.example", "--output", str(tmp_path / "ann.json")).stdout
    assert "ann@" not in said
    assert (tmp_path / "ann.json").stat().st_mode & 0o077 == 0
    assert json.loads((tmp_path / "ann.json").read_bytes())["lead"] in said


def test_forget_says_first_what_it_would_do(filled):
    """Without --go nothing changes; what stays elsewhere is named, by its id alone."""
    before = filled.json("leads", "show", "ann@one.example")
    said = filled.run("leads", "forget", "ann@one.example").stdout
    assert "would be forgotten" in said
    assert "leads:contact:1" in said
    assert "ann@" not in said
    assert "--go" in said
    assert filled.json("leads", "show", "ann@one.example") == before


@pytest.mark.sqlite
def test_a_forgotten_person_is_in_no_file_of_the_store(filled):
    """Not in a table, not in a page that was freed, not in the log of changes; others are."""
    assert b"ann@one.example" in _stored(filled)
    lead = filled.json("leads", "show", "ann@one.example")["lead"]
    done = filled.json("leads", "forget", "ann@one.example", "--go", "--by", "kim")
    assert (done["done"], done["lead"]) == (True, lead)
    left = _stored(filled)
    assert [word for word in (b"ann@one.example", b"Ames", b"Chief Financial") if word in left] == []
    assert b"bob@two.example" in left
    filled.run("leads", "show", "ann@one.example", code=1)
    assert "forgotten" in filled.run("leads", "show", lead).stdout
    assert "already" in filled.run("leads", "forget", lead, "--go", code=1).output


def test_they_stay_forgotten_when_their_record_comes_again(filled, people):
    """The next file brings it: it is counted as skipped, and its document keeps no body."""
    filled.run("leads", "forget", "ann@one.example", "--go")
    filled.bring([people[1] | {"at": "2026-03-01T09:00:00", "last": "Again"}], "again.csv")
    filled.run("leads", "show", "ann@one.example", code=1)
    left = _stored(filled)
    assert b"Again" not in left
    assert b"ann@one.example" not in left


@pytest.mark.sqlite
def test_what_was_interrupted_is_finished_later(filled):
    """The bodies of documents lie in the other file: whoever is killed in between leaves a note of them."""
    with closing(open_gateway(filled.root)) as gateway:
        gateway.bodies.forget = lambda: 0
        forget(gateway, gateway.find_lead("ann@one.example"), "kim", go=True)
    assert b"ann@one.example" in _stored(filled)
    with closing(open_gateway(filled.root)) as gateway:
        gateway.sweep_once()
    assert b"ann@one.example" not in _stored(filled)


def _again(filled, people):
    """The same people in another order: nothing in it is news. Returns both documents' sizes."""
    filled.bring(people[::-1], "again.csv")
    return _sizes(filled)


def _sizes(filled):
    return [one["size"] for one in filled.json("inbox", "list")["documents"]]


def test_a_file_that_only_says_again_what_was_known_is_named_and_emptied(filled, people):
    """It was read before they asked, and no event says that it names them."""
    assert all(_again(filled, people))
    assert filled.json("inbox", "list")["documents"][0]["state"] == "read"
    found = json.loads(filled.run("leads", "export", "ann@one.example").stdout)
    assert {one["id"] for one in found["documents"]} == {one["id"] for one in filled.json("inbox", "list")["documents"]}
    assert len(found["documents"]) == 2
    assert "bob" not in json.dumps(found)
    filled.run("leads", "forget", "ann@one.example", "--go")
    assert _sizes(filled) == [0, 0]


def _repeats(gateway):
    with read(gateway.store.main) as connection:
        return connection.execute(select(t.repeats)).all()


def test_whom_a_document_named_is_kept_as_long_as_its_body(filled, people):
    """One that waits to be read again keeps both."""
    _again(filled, people)
    filled.edit("gateway.yaml", "systems:", "keep_bodies: 1s\nsystems:")
    time.sleep(1.1)
    with closing(open_gateway(filled.root)) as gateway:
        before = _repeats(gateway)
        assert {row.document for row in before} == {filled.json("inbox", "list")["documents"][0]["id"]}
        old = gateway.inbox.kept_long_enough

        def meanwhile(*arguments):
            found = old(*arguments)
            gateway.inbox.requeue(found, states=["read"])
            return found

        gateway.inbox.kept_long_enough = meanwhile
        gateway.sweep_once()
        assert all(_sizes(filled))
        assert _repeats(gateway) == before
        gateway.run_pipeline_once("worker")
    with closing(open_gateway(filled.root)) as gateway:
        gateway.sweep_once()
        gateway.sweep_once()
        assert _sizes(filled) == [0, 0]
        assert _repeats(gateway) == []


def test_bodies_are_kept_as_long_as_agreed(filled):
    """Then they are emptied; the document stays counted, and is not read again as if it were nothing."""
    (before,) = filled.json("inbox", "list")["documents"]
    assert before["size"] > 0
    filled.edit("gateway.yaml", "systems:", "keep_bodies: 1s\nsystems:")
    time.sleep(1.1)
    with closing(open_gateway(filled.root)) as gateway:
        gateway.sweep_once()
        gateway.sweep_once()
    (after,) = filled.json("inbox", "list")["documents"]
    assert (after["size"], after["state"], after["reason"]) == (0, "read", "kept for its time")
    for command in (("list",), ("show", before["id"])):
        assert "its body is emptied: keep_bodies is over" in filled.run("inbox", *command).stdout
    assert "still has a body" in filled.run("inbox", "replay", before["id"], code=1).output
    assert filled.json("leads", "show", "ann@one.example")["attributes"]


def test_documents_that_nobody_could_read_are_named(filled):
    """They hold what was sent of the person, and are emptied once they can be read."""
    bodies = [b"\x00 no file: Ann@One.example", b"\x00 no file: bob@two.example"]
    with closing(open_gateway(filled.root)) as gateway:
        for body in bodies:
            gateway.inbox.append([Arrival(system="leads", body=body, received_at=utc_now(), content_type="text/csv")])
        gateway.run_pipeline_once("worker")
        [theirs, other] = [one.id for one in gateway.inbox.documents(gateway.inbox.requeue(dry_run=True))]
    told = filled.json("leads", "forget", "ann@one.example", "--go")
    assert (told["unread"], other not in told["unread"]) == ([theirs], True)
    assert filled.json("leads", "forget", "bob@two.example")["unread"] == [other]
    said = filled.run("leads", "forget", "bob@two.example").stdout
    assert other in said
    assert "bob@" not in said
    filled.run("inbox", "discard", other, "--reason", "somebody is to be forgotten")
    assert filled.json("leads", "forget", "bob@two.example")["unread"] == []
