"""Promises 2, 10 and 11: what was written out is kept for its time and no longer, and nothing is sent twice for it."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
import structlog
from small_instance import SCORING, Small, days
from sqlalchemy import update

from gateway.answers.timeline import timeline
from gateway.contracts import Call, Receipt, Sink
from gateway.outbound import keeping
from gateway.outbound.delivery import Delivery
from gateway.outbound.keeping import Keeping
from gateway.store import emptied, listing, outbox
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.loading import Need, load
from gateway.times import to_micros

KEEP = timedelta(days=90)


class Crm(Sink):
    """Refuses the people it is told to, and takes the others."""

    def __init__(self):
        self.sent, self.refused = [], set()

    def calls(self, writes):
        return [Call(title="rows", writes=tuple(writes))]

    def deliver(self, call):
        self.sent += [one.key for one in call.writes]
        for one in call.writes:
            if one.fields.get("position") in self.refused:
                yield Receipt(key=one.key, result="rejected", code="no")
            else:
                yield Receipt(key=one.key, result="done", record=one.record or f"r{one.key}", held=dict(one.fields))


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "CHUNK", 2)
    small = Small(tmp_path, scoring=SCORING.replace(", half_life: 30d", ""))  # no score moves by itself
    small.crm = Crm()
    quiet = (lambda *_: contextlib.nullcontext(), structlog.get_logger())
    small.delivery = Delivery(small.store.main, "crm", small.crm, "crm", lambda: small.at, *quiet)
    yield small
    small.store.close()


def says(small, *ids, title="CEO canary", at=3):
    for id_ in ids:
        small.take("site", {"kind": "contact", "id": id_, "at": days(at), "title": title, "page": f"/{title}{id_}"})


def deliver(small):
    while small.delivery.run("w")[0]:
        pass


def sweep(small, walker=None):
    """One walk to its end, of a process that was born today unless another is given."""
    walker = walker or Keeping(small.store.main, KEEP, lambda: small.at)
    done = walker.sweep()
    while walker._after is not None:
        done += walker.sweep()
    return done


def values(small):
    """Of all writes, what may name somebody: (state, fields, stamps, before, refs)."""
    return small.rows(t.writes, "state", "fields", "stamps", "before", "refs")


def test_settled_writes_lose_their_values_and_nothing_else(small):
    """After their time; who was told of which fields, when, and with what answer can still be told."""
    says(small, "1", "2", "3")
    deliver(small)
    assert "canary" in repr(values(small))
    small.at += KEEP - timedelta(hours=1)
    assert sweep(small) == 0
    small.at += timedelta(hours=2)
    columns = [column.name for column in t.writes.c if column.name not in ("fields", "stamps", "before", "refs")]
    before = small.rows(t.writes, *columns)
    assert sweep(small) == 3
    assert small.rows(t.writes, *columns) == before
    assert "canary" not in repr(values(small))
    ((lead,), *_) = small.rows(t.leads, "id")
    with read(small.store.main) as connection:
        batch = load(connection, [], {}, [lead], to_micros(small.at), Need(scores=(), whole=[lead]))
        told = timeline(batch.leads[lead], listing.of_lead(connection, lead), small.model.zone)
    texts = [one.text for one in told if one.what == "write"]
    assert any("create of lead in crm planned" in text and "position" in text for text in texts), texts
    assert any("confirmed" in text for text in texts)


def test_nothing_is_sent_again_because_its_values_went(small):
    """Neither by the same news, nor by a plan of everything, nor by what comes a second time."""
    says(small, "1", "2")
    deliver(small)
    small.at += KEEP + timedelta(days=2)
    sent, rows = list(small.crm.sent), len(small.rows(t.writes))
    assert sweep(small) == 2
    says(small, "1", "2")
    small.pipeline.run((), [lead for (lead,) in small.rows(t.leads, "id")], cause="person")
    deliver(small)
    assert small.crm.sent == sent
    assert len(small.rows(t.writes)) == rows


def test_dead_letters_keep_theirs_until_they_are_settled(small):
    """However old; a retry sends what was to be sent. Once it is settled, its time begins."""
    small.crm.refused = {"CEO refused"}
    says(small, "1", title="CEO refused")
    says(small, "2", "3")
    deliver(small)
    small.at += 3 * KEEP
    assert sweep(small) == 2
    small.crm.refused = set()
    with write(small.store.main) as connection:
        assert outbox.retry(connection, to_micros(small.at), None, "crm") == 1
    deliver(small)
    assert small.rows(t.writes, "state") == [("confirmed",)] * 3
    assert "CEO refused" in repr(values(small))
    small.at += timedelta(days=1)
    assert sweep(small) == 0
    small.at += KEEP
    assert sweep(small) == 1
    assert "CEO refused" not in repr(values(small))


def test_a_walk_begins_where_the_one_before_found_all_settled(small):
    """Of a system that is written to for years only the last months are looked through every day."""
    says(small, "1", "2", "3")
    deliver(small)
    small.at += KEEP + timedelta(days=2)
    says(small, "4", at=0)
    ids = [id_ for (id_,) in small.rows(t.writes, "id")]
    assert sweep(small) == 3
    with read(small.store.main) as connection:
        assert emptied.since(connection) == ids[2]


def test_what_is_tried_again_meanwhile_keeps_its_values(small):
    """A walk reads first and empties then: what is settled no more in between is left alone."""
    says(small, "1")
    deliver(small)
    small.at += KEEP + timedelta(days=2)
    with read(small.store.main) as connection:
        rows = emptied.after(connection, "", 10)
    with write(small.store.main) as connection:
        connection.execute(update(t.writes).values(state="waiting"))
        emptied.empty(connection, rows)
    assert "canary" in repr(values(small))
