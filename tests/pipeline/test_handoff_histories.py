"""What holds for handoffs after any history: news of both systems, time, merges, people who decide beside the rules."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from small_instance import CRM, JOURNEY, NOW, SITE, Small
from sqlalchemy import select, update

from gateway.errors import Refused
from gateway.journey.words import BUCKETS
from gateway.people import judging
from gateway.store import due
from gateway.store import tables as t
from gateway.times import to_micros

WORDS = ("qualified", "rejected", "recycled", "lost", "won")
SALES = CRM.replace(
    "      - {outcome: recycled, when: {state: Recycled}, reason: why}\n",
    "".join(f"      - {{outcome: {word}, when: {{state: {word}}}, wake: call_on}}\n" for word in WORDS),
)
VISITS = SITE.replace(
    "    outcomes:\n", "      - {activity: demo_request, when: {form: demo}, on: each}\n    outcomes:\n", 1
)
AGREED = JOURNEY + (
    "follow_up: {response: 4h, period: 5d}\n"
    "recycling: {rest: 3d, behaviour: reset, generations: 3, silent: 20d, stage: target}\n"
    "rejected: {other: 10d}\nfast_track: {activities: [demo_request], response: 5m}\ncapacity: {day: 2}\n"
)
who = st.sampled_from("abc")
steps = st.one_of(
    st.tuples(st.just("visit"), who),
    st.tuples(st.just("demo"), who),
    st.tuples(st.just("says"), who, st.sampled_from(("Working", *WORDS)), st.integers(-6, 0), st.sampled_from((0, 4))),
    st.tuples(st.just("later"), st.integers(1, 12)),
    st.tuples(st.just("merge"), who, who),
    st.tuples(st.just("open"), who),
    st.tuples(st.just("correct"), who, st.sampled_from(BUCKETS)),
    st.tuples(st.just("hold"), who, st.integers(1, 9)),
    st.tuples(st.just("points"), who, st.integers(-50, 50)),
    st.tuples(st.just("release")),
    st.tuples(st.just("excluded"), who, st.booleans()),
)


class World:
    """Three people, in both systems; what cannot be is refused and changes nothing."""

    def __init__(self, folder: Path) -> None:
        self.small = small = Small(folder, site=VISITS, crm=SALES, journey=AGREED)
        self.leads: dict[str, str] = {}
        self.gateway: Any = SimpleNamespace(
            store=small.store, pipeline=small.pipeline, model=small.model, now=lambda: small.at,
            observe=lambda done: None, find_lead=self.leads.__getitem__,
        )  # fmt: skip
        for name in "abc":
            self.site(name, email=f"{name}@one.example", title="CEO", number=name)
            small.take("crm", {"id": f"L{name}", "at": self.time(), "number": name})
        self.find()

    def time(self, days: int = 0) -> str:
        return f"{self.small.at + timedelta(days=days):%Y-%m-%dT%H:%M:%S}"

    def site(self, name: str, **news: Any) -> None:
        self.small.take("site", {"kind": "contact", "id": name, "at": self.time(), **news})

    def find(self) -> None:
        rows = self.rows(t.records)
        self.leads |= {row.record: row.entity for row in rows if row.system == "site" and row.kind == "person"}

    def rows(self, table: Any) -> list[Any]:
        with self.small.store.main.connect() as connection:
            return list(connection.execute(select(table)))

    def sweep(self) -> None:
        """What is due by itself; a follow-up that is over was read again."""
        now = to_micros(self.small.at)
        over = update(t.handoffs).where(t.handoffs.c.state == "open", t.handoffs.c.period_ends <= now)
        with self.small.store.main.begin() as connection:
            connection.execute(over.values(checking="known"))
        leads = {row.lead for row in self.rows(t.handoffs) if row.state == "open" and row.checking}
        while leads:
            self.small.pipeline.run((), leads, cause="time")
            with self.small.store.main.connect() as connection:
                leads = set(due.wakes(connection, now, 10) or due.scores(connection, ["lead"], now, 10))

    def do(self, what: str, *said: Any) -> None:
        self.small.at += timedelta(minutes=1)
        if what == "visit":
            self.site(said[0], page="pricing")
        elif what == "demo":
            self.site(said[0], form="demo")
        elif what == "says":
            name, state, days, wake = said
            call = {"call_on": self.time(wake)} if wake else {}
            self.small.take("crm", {"id": f"L{name}", "at": self.time(days), "number": name, "state": state, **call})
        elif what == "later":
            self.small.at += timedelta(days=said[0])
            self.sweep()
        elif what == "merge" and said[0] != said[1]:
            self.site(said[0], merged=[said[1]])
        elif what == "excluded":
            self.site(said[0], email=f"{said[0]}@{'rival' if said[1] else 'one'}.example")
        with contextlib.suppress(Refused):
            if what == "open":
                judging.hand_over(self.gateway, said[0], "met", "kim")
            elif what == "correct":
                judging.correct(self.gateway, said[0], said[1], "", "kim", admin=True)
            elif what == "hold":
                judging.hold(self.gateway, said[0], self.small.at + timedelta(days=said[1]), "talks", "kim")
            elif what == "points" and said[1]:
                judging.give_points(self.gateway, said[0], said[1], None, "fair", "kim")
            elif what == "release":
                judging.release(self.gateway, (), None, "kim")
        self.find()

    def check(self) -> None:
        theirs: dict[str, list[Any]] = defaultdict(list)
        for row in sorted(self.rows(t.handoffs), key=lambda row: (row.opened_at, row.id)):
            theirs[row.lead].append(row)
        endings = sorted(self.rows(t.endings), key=lambda row: row.decided_at)
        last = {row.handoff: row.bucket for row in endings if row.what != "return"}
        for lead, rows in theirs.items():
            assert sum(row.state in ("open", "held") for row in rows) <= 1, lead
            for row in rows:
                assert (row.bucket in BUCKETS) == (row.state == "closed"), row
                assert row.state != "closed" or last[row.id] == row.bucket
            told = [row.generation for row in rows if row.state in ("open", "closed")]
            assert all(later - earlier in (0, 1) for earlier, later in zip([1, *told], told, strict=False)), told
        gone = {row.id for row in self.rows(t.leads) if row.merged_into}
        assert not gone & {row.lead for row in self.rows(t.handoffs) if row.state == "open"}


@settings(max_examples=25)
@given(st.lists(steps, max_size=14))
def test_every_handoff_is_open_or_in_one_bucket_and_generations_never_skip(history: list[Any]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            for step in history:
                world.do(*step)
                world.check()
            world.small.at += timedelta(days=6)
            world.sweep()
            world.check()
            assert [
                row.state
                for row in world.rows(t.handoffs)
                if row.state == "open" and row.period_ends < to_micros(world.small.at)
            ] == []
        finally:
            world.small.store.close()


def test_a_busy_life_gives_the_buckets_one_expects(tmp_path: Path) -> None:
    """The machinery of the property above is no idle one."""
    world = World(tmp_path)
    for step in (
        ("visit", "a"), ("says", "a", "Working", 0, 0), ("says", "a", "recycled", 0, 0), ("later", 4), ("visit", "a"),
        ("demo", "b"), ("says", "b", "rejected", 0, 0), ("demo", "c"), ("later", 6), ("open", "b"),
        ("correct", "c", "sales_qualified"),
    ):  # fmt: skip
        world.do(*step)
        world.check()
    found = {(row.generation, row.state, row.bucket, row.cause) for row in world.rows(t.handoffs)}
    assert found == {
        (1, "closed", "recycled", "threshold"),
        (2, "closed", "recycled", "threshold"),
        (1, "closed", "sales_rejected", "fast track"),
        (1, "closed", "sales_qualified", "fast track"),
        (1, "open", None, "person"),
    }
    assert world.small.at > NOW
