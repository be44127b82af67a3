"""Promises 2, 3 and 6: whatever is read or sent again, nothing comes of it a second time."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from gateway_sandbox import serve
from running_gateway import HubSpot, document, files
from sqlalchemy import select

from gateway.store import tables as t
from gateway.store.database import read
from gateway.testing.instance import Instance

OURS = {"jobs", "cursors", "documents", "duplicates", "tallies", "budgets", "breakers", "bundles", "audit"}
"""Tables about the work itself, and who asked for it."""


@pytest.fixture
def crm():
    return HubSpot()


@pytest.fixture
def it(tmp_path, crm, frozen):
    with serve(crm) as server:
        instance = Instance(tmp_path, files({"crm": (crm, server.url)}, 1), frozen)
        yield instance
        instance.close()


class Frozen:
    def __init__(self, at):
        self.at = at

    def __call__(self):
        return self.at


@pytest.fixture
def frozen(crm):
    return Frozen(crm.clock.now())


def known(it, crm):
    """Everything that is known of anybody, here and over there."""
    with read(it.open().store.main) as connection:
        rows = {
            name: sorted(map(repr, connection.execute(select(table)).all()))
            for name, table in t.main.tables.items()
            if name not in OURS
        }
    return rows, crm.holds(), len(crm.effects)


def test_replaying_everything_twice_changes_nothing(it, crm, frozen):
    """Documents that were read or quarantined, dead letters and their like: by state, by time, by system."""
    refused = {"row": {"code": "INVALID_EMAIL", "message": "no such address"}, "where": "p3@"}
    crm.faults.add(crm.write, times=None, action=refused)
    it.give("site", *(document(number, f"p{number % 6}") for number in range(24)), b"not a document")
    it.work()
    it.deliver("crm")
    assert [write["state"] for write in it.writes("crm")].count("dead") == 1
    before = known(it, crm)

    assert json.loads(it.run("deliveries", "retry", "--system", "crm", "--dry-run", "--json").stdout)["chosen"]
    assert known(it, crm) == before
    crm.faults.clear()
    frozen.at += timedelta(minutes=1)
    for retried in (1, 0):
        told = json.loads(it.run("deliveries", "retry", "--system", "crm", "--per-minute", "60", "--json").stdout)
        assert told["retried"] == retried
        it.deliver("crm")
    assert len(crm.holds()) == 6

    frozen.at += timedelta(hours=1)
    before = known(it, crm)
    assert len(before[0]["activities"]) == 24
    day = (frozen.at - timedelta(days=1)).isoformat()
    for which in 2 * (
        ["--state", "read"],
        ["--state", "quarantined"],
        ["--system", "site", "--state", "read", "--since", day],
    ):
        assert json.loads(it.run("inbox", "replay", *which, "--json").stdout)["documents"]
        it.work()
        it.sweep()
        it.deliver("crm")
    assert known(it, crm) == before
    assert json.loads(it.run("inbox", "replay", "--until", day, "--json").stdout)["documents"] == []
    assert json.loads(it.run("status", "--json").stdout)["ok"]
