"""Whatever happens in whatever order, whatever is answered: in the end the lists hold whom the gateway wants there."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts import LIST, TASK
from gateway.store.database import read
from gateway.store.loading import load
from gateway.sync.companions import wanted_lists
from gateway.times import to_micros

_spec = spec_from_file_location("companions_base", Path(__file__).with_name("test_companions.py"))
base = module_from_spec(_spec)
_spec.loader.exec_module(base)

NEWS = {
    "opens an e-mail": {"opens": 5},
    "opts out": {"optout": True},
    "is rejected": {"status": "Rejected"},
    "wins": {"status": "Won"},
    "is somebody's again": {"status": "Accepted"},
    "another title": {"title": "Chief of all"},
    "is merged": {"merged": ["1"]},
}
ANSWERS = ["lost", {"result": "retry"}, {"result": "unknown"}, {"result": "limit", "seconds": 5}]
STEPS = st.lists(st.sampled_from([*NEWS, "recycled", "deliver", *map(str, range(len(ANSWERS)))]), max_size=9)


def known(both):
    """(the lists the lead is wanted on, how many handoffs it had)"""
    small = both.small
    ids = [row[0] for row in small.rows(base.t.leads, "id", "merged_into") if row[1] is None]
    at = small.at
    with read(small.store.main) as connection:
        batch = load(connection, [], {}, ids, to_micros(at), small.pipeline.need(at))
    (lead,) = batch.leads.values()
    record = lead.known_record("site", "contact")
    return wanted_lists(lead, small.model.journey.lists), len(small.rows(base.t.handoffs, "id")), record.record


@settings(max_examples=15, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_lists_hold_whom_the_gateway_wants_there(steps):
    """And every handoff that lasted has one task."""
    with tempfile.TemporaryDirectory() as folder:
        both = base.Both(Path(folder))
        both.person(opens=0)
        both.deliver()
        number = "1"
        for step in steps:
            if step in NEWS:
                number = "2" if step == "is merged" else number
                both.news(id=number, **NEWS[step])
            elif step == "recycled":
                both.news("crm", id="r1", state="Recycled")
            elif step == "deliver":
                both.deliver()
            else:
                for system in both.systems.values():
                    system.answers.append(ANSWERS[int(step)])
        for _ in range(8):
            both.small.at += timedelta(hours=7)
            both.deliver()
        wanted, handoffs, contact = known(both)
        both.small.store.close()
        on = {held["list"] for held in both.held("site", LIST) if held["member"] and held["contact"] == contact}
        assert on == wanted & set(base.ALL[LIST])
        keys = [held["key"] for held in both.held("crm", TASK)]
        assert len(keys) == len(set(keys)) <= handoffs
