"""What changed in a catalogue under a mapping, and which writes it stops."""

from __future__ import annotations

import pytest

from gateway.contracts import Field, Write
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile
from gateway.sync.drift import baseline, compare

MAPPING = """
system: crm
timezone: UTC
objects:
  Lead:
    kind: person
    id: Id
    create: handoff
    fields:
      Email: {to: email, sync: newest}
      Status: {to: status, values: {Open: open, Won: won}}
      Band: {to: band, sync: out}
      City: {to: city, sync: out}
"""
LEAD = compile_mapping(ConfigFile("mappings/crm.yaml", MAPPING), "crm", {}).objects["Lead"]
BEFORE = {
    one.name: one
    for one in (
        Field(name="Email", type="email", length=80),
        Field(name="Status", type="choice", options=("Open", "Won")),
        Field(name="Band", type="choice", options=("good", "bad")),
        Field(name="City", length=40),
        Field(name="Other"),
    )
}


def without(name):
    return {key: field for key, field in BEFORE.items() if key != name}


def now(**fields):
    return BEFORE | {name: Field(**{"name": name, **more}) for name, more in fields.items()}


def write(record="1", **fields):
    return Write(key="k", object="Lead", record=record, fields=fields)


@pytest.mark.parametrize(
    ("catalogue", "what", "stopped", "free"),
    [
        (without("City"), "gone", write(City="Oslo"), write(Band="good")),
        (now(City={"length": 40, "writable": False}), "read-only", write(City="Oslo"), write(Email="a@b.example")),
        (now(City={"length": 5}), "shortened", write(City="Bergen"), write(City="Oslo")),
        (now(City={"type": "integer"}), "type", write(City="Oslo"), write(Band="good")),
        (now(Band={"type": "choice", "options": ("good",)}), "options", write(Band="bad"), write(Band="good")),
        (now(Region={"required": True}), "required", write(record=None, City="Oslo"), write(City="Oslo")),
        ({}, "gone", write(City="Oslo"), None),
    ],
)
def test_a_drift_stops_what_would_be_refused_and_nothing_else(catalogue, what, stopped, free):
    """One drift; the writes of other objects and fields go on."""
    [drift] = compare(LEAD, BEFORE, catalogue)
    assert (drift.what, drift.stops(stopped)) == (what, True)
    assert free is None or not drift.stops(free)
    assert not drift.stops(Write(key="k", object="Contact", record=None, fields={"City": "Bergen", "Band": "bad"}))


@pytest.mark.parametrize(
    "catalogue",
    [
        BEFORE,
        without("Other"),
        now(City={"length": 80}),
        now(Band={"type": "choice", "options": ("bad", "good", "great")}),
        now(Other={"type": "integer"}, Extra={}),
        now(Region={"required": True, "writable": False}),
    ],
)
def test_what_the_mapping_does_not_touch_and_what_got_wider_is_no_drift(catalogue):
    """Unmapped fields, longer ones, new values of a picklist that we write."""
    assert compare(LEAD, BEFORE, catalogue) == []


def test_a_new_value_that_the_value_map_does_not_know_is_told_and_stops_nothing():
    """Somebody has to say what it means."""
    [drift] = compare(LEAD, BEFORE, now(Status={"type": "choice", "options": ("Open", "Won", "Nurture")}))
    assert "'Nurture'" in drift.words
    assert not drift.stops(write(Status="Nurture"))


def test_an_inbound_field_that_went_is_told_and_stops_nothing():
    """No write touches it."""
    [drift] = compare(LEAD, BEFORE, without("Status"))
    assert not drift.holds


def test_the_next_look_still_compares_with_what_was_right():
    """A drifted field stays as it was, the others are as they are: the alarm lasts until it is right again."""
    shorter = now(City={"length": 5}, Other={"type": "integer"})
    held = baseline(BEFORE, shorter, compare(LEAD, BEFORE, shorter))
    assert (held["City"].length, held["Other"].type) == (40, "integer")
    assert compare(LEAD, held, now(Other={"type": "integer"})) == []
    gone = baseline(BEFORE, {}, compare(LEAD, BEFORE, {}))
    assert gone == BEFORE
