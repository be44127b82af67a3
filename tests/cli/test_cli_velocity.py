"""``gateway metrics velocity`` on stored leads and handoffs."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import delete, insert

from gateway.store import tables as t
from gateway.store.database import open_store, write

DAY = 86_400_000_000
JAN = 1_767_225_600_000_000
"""2026-01-01 in microseconds"""


@pytest.fixture
def stored(filled):
    """Times of our own for Ann (target, mql and won), Bob (target), Cy (mql, target only concluded)."""
    leads = {row["email"]: row for row in map(_named, filled.json("leads", "list")["leads"])}
    ann, bob, cy = (leads[email]["lead"] for email in ("ann@one.example", "bob@two.example", "cy@rival.example"))
    rows = [
        *(_at(ann, "target", 0), _at(ann, "mql", 4), _at(ann, "won", 10)),
        _at(bob, "target", 0),
        *(_at(cy, "target", 9, "implied"), _at(cy, "mql", 9)),
    ]
    _change(filled, delete(t.reached), *(insert(t.reached).values(row) for row in rows))
    return filled, {"ann": ann, "bob": bob, "cy": cy}


def _named(row):
    return row | {"email": next(one for one in (row["attributes"].get("email"), "") if one is not None)}


def _at(lead, stage, day, cause="threshold"):
    return {"lead": lead, "stage": stage, "at": JAN + day * DAY, "cause": cause, "ref": ""}


def _change(instance, *statements):
    store = open_store(instance.root / "var")
    with write(store.main) as connection:
        for statement in statements:
            connection.execute(statement)
    store.close()


def test_steps_count_who_arrived_and_who_is_on_the_way(stored):
    """A stage whose time was only concluded from a later one says nothing of how long it took."""
    instance, _ = stored
    steps = {(one["stage"], one["to"]): one for one in instance.json("metrics", "velocity")["steps"]}
    first = steps["target", "mql"]
    assert (first["leads"], first["median_days"], first["waiting"], first["unsure"]) == (1, 4, 1, 1)
    second = steps["mql", "won"]
    assert (second["leads"], second["median_days"], second["waiting"]) == (1, 6, 1)
    assert second["median_calendar_days"] == 6
    assert instance.json("metrics", "velocity")["cycle"]["median_days"] == 10


def test_the_leads_behind_a_step_are_those_it_counts(stored):
    """Who took it, who stands before it, and whose time is only concluded."""
    instance, leads = stored
    for number, names in (
        *(("target/mql", ["ann"]), ("target/waiting", ["bob"]), ("target/unsure", ["cy"])),
        ("cycle/won", ["ann"]),
    ):
        found = instance.json("metrics", "velocity", "--leads", number)["leads"]
        assert [one["lead"] for one in found] == [leads[name] for name in names], number


def test_a_period_is_that_of_the_steps_first_stage(stored):
    """Ann became an MQL on the fifth, Cy on the tenth of January."""
    instance, _ = stored
    data = instance.json("metrics", "velocity", "--since", "2026-01-08")
    steps = {one["stage"]: one for one in data["steps"]}
    assert (steps["mql"]["leads"], steps["mql"]["waiting"]) == (0, 1)


def test_answers_of_owners_are_held_against_their_clocks(stored):
    """In time, late, and one whose clock still runs, which counts in neither share."""
    instance, leads = stored
    rows = [
        _handoff(1, leads["ann"], accepted_at=JAN + DAY, state="closed", closed_at=JAN + 2 * DAY, closed_by="kim"),
        _handoff(
            2, leads["bob"], contacted_at=JAN + 3 * DAY, state="closed", closed_at=JAN + 9 * DAY, closed_by="clock"
        ),
        _handoff(3, leads["cy"], response_due=9 * 10**15, period_ends=9 * 10**15),
    ]
    _change(instance, *(insert(t.handoffs).values(row) for row in rows))
    (kim,) = instance.json("metrics", "velocity")["owners"]
    assert (kim["owner"], kim["handoffs"], kim["answered"], kim["median_days"]) == ("kim", 3, 2, 2)
    assert (kim["in_time"], kim["in_time_of"]) == (0.5, 2)
    assert (kim["ended_by_a_person"], kim["ended_of"]) == (0.5, 2)
    said = instance.run("metrics", "velocity").stdout
    assert "50 % of 2" in said
    assert "target → mql" in said
    for kept, names in (("", "ann bob cy"), ("/answered", "ann bob"), ("/in_time", "ann"), ("/by_a_person", "ann")):
        found = instance.json("metrics", "velocity", "--leads", f"owner/kim{kept}")["leads"]
        assert {one["lead"] for one in found} == {leads[name] for name in names.split()}, kept


def _handoff(number, lead, **more):
    row = {"id": f"{number:032}", "lead": lead, "stage": "mql", "system": "sales", "persona": "", "generation": 1}
    row |= {"opened_at": JAN, "decided_at": JAN, "score": 1, "contributions": [], "scoring": "", "journey": ""}
    row |= {"owner": "kim", "response_due": JAN + 2 * DAY, "period_ends": JAN + 5 * DAY, "state": "open"}
    return row | more


def test_csv_has_a_row_for_each_step(stored):
    """And for the cycle and each owner, in one table: a spreadsheet reads one head."""
    instance, _ = stored
    rows = list(csv.DictReader(io.StringIO(instance.run("metrics", "velocity", "--csv").stdout)))
    assert [(row["kind"], row["stage"]) for row in rows][:2] == [("step", "target"), ("step", "mql")]
    assert [row["to"] for row in rows if row["kind"] == "cycle"] == ["won"]
    assert all(None not in row for row in rows)


def test_steps_too_few_leads_took_are_named(stored):
    """Else the longest of the others would be taken for the bottleneck, and nobody would ask."""
    instance, _ = stored
    said = instance.run("metrics", "velocity").stdout
    assert "where it takes longest cannot be said yet" in said
    assert "left out of that, for fewer than 5 leads took them: target → mql (1 took it, 1 on the way)" in said
    few = instance.json("metrics", "velocity")["too_few"]
    assert few[0] == {"stage": "target", "to": "mql", "leads": 1, "waiting": 1}


def test_nothing_yet_is_no_error(instance):
    """A new instance has no times."""
    instance.bring([])
    assert instance.json("metrics", "velocity")["bottleneck"] is None


@pytest.mark.parametrize("stages", ["", "stages:\n  - {name: target, shared: target}\n"])
def test_a_journey_without_two_stages_has_no_steps(instance, stages):
    """Nor a cycle, nor a month that could mature; it is no error to ask."""
    instance.write("journey.yaml", stages)
    instance.bring([{"id": "1", "at": "2026-01-05T09:00:00", "email": "ann@one.example"}])
    data = instance.json("metrics", "velocity")
    assert (data["steps"], data["bottleneck"], data["cycle"]["leads"]) == ([], None, 0)
    instance.run("metrics", "velocity")
    instance.run("metrics", "velocity", "--csv")
    (month,) = instance.json("metrics", "funnel", "--by", "month")["groups"]
    assert month["maturing"]


def test_recycled_revenue_is_told_by_generation_and_reason(stored):
    """`gateway metrics recycled`: Ann was recycled, came back and bought without a deal of her own."""
    instance, leads = stored
    rows = [
        _handoff(1, leads["ann"], state="closed", closed_at=JAN + DAY, bucket="recycled", bucket_reason="not now"),
        _handoff(2, leads["ann"], opened_at=JAN + 5 * DAY, generation=2),
    ]
    _change(instance, *(insert(t.handoffs).values(row) for row in rows))
    data = instance.json("metrics", "recycled")
    assert [(one["generation"], one["deals"]) for one in data["generations"]] == [(2, 1)]
    assert data["from_recycling"]["median_days"] == 9
    assert [(one["reason"], one["returned"]) for one in data["reasons"]] == [("not now", 1)]
    assert "generation 2" in instance.run("metrics", "recycled").stdout
    rows = list(csv.DictReader(io.StringIO(instance.run("metrics", "recycled", "--csv").stdout)))
    assert [(row["kind"], row["generation"] or row["reason"]) for row in rows] == [
        ("generation", "2"),
        ("reason", "not now"),
    ]
