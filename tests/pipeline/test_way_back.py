"""How leads come back to sales: rest, treatment, generations, dates, rejected, lost, silent; what is held back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from small_instance import CRM, JOURNEY, NOW, SCORING, SITE, Small
from sqlalchemy import select

from gateway.store import due
from gateway.store import tables as t
from gateway.times import from_micros, to_micros

DAY = timedelta(days=1)
SALES = CRM.replace(
    "      - {outcome: recycled, when: {state: Recycled}, reason: why}\n",
    "".join(
        f"      - {{outcome: {word}, when: {{state: {word}}}, reason: why, wake: call_on}}\n"
        for word in ("qualified", "rejected", "recycled", "lost", "won")
    ),
)
VISITS = SITE.replace(
    "      - {activity: email_open, counter: opens}\n",
    "      - {activity: email_open, counter: opens}\n"
    "      - {activity: demo_request, when: {form: demo}, on: each, asset: form}\n",
)
STEADY = SCORING.replace(", half_life: 30d", "")
AGREED = """
follow_up: {response: 4h, period: 500d}
reasons: {sales_rejected: [wrong person, no budget], recycled: [not now, no decision], sales_qualified: []}
"""


class World:
    """Ann scores 50 by title and one visit, and is handed over at once; each visit after that is 10 points."""

    def __init__(self, folder: Any, agreed: str = "", scoring: str = STEADY) -> None:
        self.small = Small(folder, site=VISITS, crm=SALES, journey=JOURNEY + AGREED + agreed, scoring=scoring)
        self.does(page="pricing", title="CEO", email="ann@one.example", number="7")
        self.small.take("crm", self.record())

    def record(self, **said: Any) -> dict[str, Any]:
        return {"id": "L1", "at": f"{self.small.at:%Y-%m-%dT%H:%M:%S}", "number": "7", **said}

    def does(self, **news: Any) -> None:
        self.small.take("site", {"kind": "contact", "id": "c1", "at": f"{self.small.at:%Y-%m-%dT%H:%M:%S}", **news})

    def sales(self, state: str, **more: Any) -> None:
        self.small.take("crm", self.record(state=state, **more))

    def later(self, days: float) -> None:
        """Time passes; what moves by itself does."""
        self.small.at += timedelta(days=days)
        while True:
            now = to_micros(self.small.at)
            with self.small.store.main.connect() as connection:
                leads = due.wakes(connection, now, 10) or due.scores(connection, ["lead"], now, 10)
            if not leads:
                return
            self.small.pipeline.run((), leads, cause="time")

    def rows(self, table: Any) -> list[Any]:
        with self.small.store.main.connect() as connection:
            return list(connection.execute(select(table)))

    def handoffs(self) -> list[tuple[int, str, str | None]]:
        rows = sorted(self.rows(t.handoffs), key=lambda row: row.opened_at)
        return [(row.generation, row.state, row.bucket) for row in rows]

    def cause(self) -> str:
        return str(max(self.rows(t.handoffs), key=lambda row: row.opened_at).cause)

    def lead(self) -> Any:
        [row] = self.rows(t.leads)
        return row

    def score(self) -> int:
        [row] = self.rows(t.scores)
        return row.total // 100


@pytest.fixture
def make(tmp_path: Any) -> Any:
    return lambda agreed="", **more: World(tmp_path, agreed, **more)


BACK = [(1, "closed", "recycled"), (2, "open", None)]
KEPT = BACK[:1]


def test_new_behaviour_brings_a_recycled_lead_back(make: Any) -> None:
    """Standing over the threshold does not: neither at once nor with a better title."""
    world = make()
    world.sales("recycled", why="not now")
    world.does(title="CEO and founder")
    world.later(100)
    assert world.handoffs() == KEPT
    world.does(page="pricing")
    assert (world.handoffs(), world.cause()) == (BACK, "threshold")


def test_a_recycled_lead_rests_and_comes_by_what_it_did_meanwhile(make: Any) -> None:
    """At the end of its rest, to the minute, and not before."""
    world = make("recycling: {rest: 30d}\n")
    world.sales("recycled", why="not now")
    world.later(10)
    world.does(page="pricing")
    world.later(20 - 1 / 1440)
    assert world.handoffs() == KEPT
    world.later(1 / 1440)
    assert world.handoffs() == BACK


@pytest.mark.parametrize(("treatment", "points"), [("keep", 50), ("halve", 45), ("reset", 40)])
def test_what_its_behaviour_is_worth_is_a_contribution(make: Any, treatment: str, points: int) -> None:
    world = make(f"recycling: {{behaviour: {treatment}}}\n")
    world.later(1)
    world.sales("recycled", why="not now")
    assert world.score() == points
    marks = [(row.kind, row.reason, row.by) for row in world.rows(t.marks)]
    assert marks == ([] if treatment == "keep" else [(treatment, "recycled: not now", "journey")])


def test_new_behaviour_counts_in_full_after_a_reset(make: Any) -> None:
    world = make("recycling: {behaviour: reset}\n")
    world.later(1)
    world.sales("recycled", why="not now")
    world.later(1)
    world.does(page="pricing")
    assert (world.score(), world.handoffs()) == (50, BACK)


def test_a_lead_is_handed_over_so_many_times(make: Any) -> None:
    world = make("recycling: {generations: 2}\n")
    for _ in range(3):
        world.sales("recycled", why="not now")
        world.later(1)
        world.sales("back with marketing")
        world.does(page="pricing")
        world.later(1)
    assert world.handoffs() == [(1, "closed", "recycled"), (2, "closed", "recycled")]


def test_a_date_of_sales_wakes_the_lead_whatever_it_does(make: Any) -> None:
    """Its score is far below the threshold then; before that day what it does changes nothing."""
    world = make("recycling: {rest: 90d, behaviour: reset, generations: 1}\n")
    world.sales("recycled", why="not now", call_on="2026-07-01T09:00:00")
    world.later(20)
    world.does(page="pricing")
    assert world.handoffs() == KEPT
    world.later(10)
    assert world.handoffs() == KEPT
    world.later(0.375)
    assert (world.handoffs(), world.cause(), world.small.at) == (BACK, "wake", NOW + 30.375 * DAY)


def test_a_rejected_lead_comes_back_by_asking_only(make: Any) -> None:
    """Where nothing else is agreed."""
    world = make("fast_track: {activities: [demo_request]}\n")
    world.sales("rejected", why="no budget")
    world.later(300)
    world.does(page="pricing")
    assert world.handoffs() == [(1, "closed", "sales_rejected")]
    world.does(form="demo")
    assert world.handoffs()[1:] == [(1, "open", None)]


@pytest.mark.parametrize(("reason", "again"), [("wrong person", []), ("no budget", [(1, "open", None)])])
def test_what_is_agreed_for_the_reason_decides_whether_a_rejected_lead_returns(
    make: Any, reason: str, again: Any
) -> None:
    world = make("fast_track: {activities: [demo_request]}\nrejected: {wrong person: never, other: fast track}\n")
    world.sales("rejected", why=reason)
    world.later(1)
    world.does(form="demo")
    assert world.handoffs()[1:] == again


def test_a_rejected_lead_comes_back_after_the_agreed_time(make: Any) -> None:
    """By what it did since, as soon as the time is over."""
    world = make("rejected: {no budget: 180d}\n")
    world.sales("rejected", why="no budget")
    world.later(100)
    world.does(page="pricing")
    world.later(79)
    assert len(world.handoffs()) == 1
    world.later(1)
    assert world.handoffs()[1:] == [(1, "open", None)]


def test_a_lost_deal_gives_a_qualified_lead_back(make: Any) -> None:
    """The handoff ended well and stays so; the lead is recycled, and comes back with the next generation."""
    world = make("recycling: {behaviour: reset}\n")
    world.sales("qualified")
    world.later(10)
    world.sales("lost", why="price")
    assert (world.handoffs(), world.lead().returned["reason"]) == ([(1, "closed", "sales_qualified")], "price")
    assert sorted(row.what for row in world.rows(t.endings)) == ["end", "return"]
    assert world.score() == 40
    world.later(1)
    world.does(page="pricing")
    assert world.handoffs()[1:] == [(2, "open", None)]


def test_a_qualified_lead_that_is_silent_is_recycled(make: Any) -> None:
    """Counted from the last thing heard of it or from sales; a customer is never silent."""
    world = make("recycling: {silent: 60d}\n")
    world.sales("qualified")
    world.later(30)
    world.does(page="pricing")
    world.later(59)
    assert world.lead().returned is None
    world.later(1)
    back = world.lead().returned
    assert (back["bucket"], back["reason"], from_micros(back["at"])) == ("recycled", "silent", NOW + 90 * DAY)
    world.later(1)
    world.does(page="pricing")
    assert world.handoffs()[1:] == [(2, "open", None)]


def test_what_sales_qualified_late_and_lost_comes_back_from_then_on(make: Any) -> None:
    """The clock had recycled it long before; its rest begins when sales gave it back."""
    world = make("recycling: {rest: 30d}\n")
    world.sales("recycled", why="not now")
    world.later(20)
    world.sales("qualified")
    world.later(20)
    world.sales("lost", why="price")
    assert from_micros(world.lead().returned["at"]) == NOW + 40 * DAY
    world.does(page="pricing")
    world.later(29)
    assert world.handoffs() == KEPT
    world.does(page="pricing")
    world.later(1)
    assert world.handoffs() == BACK


def test_a_customer_is_never_recycled_for_silence(make: Any) -> None:
    world = make("recycling: {silent: 60d}\n")
    world.sales("won")
    world.later(400)
    assert (world.lead().returned, world.lead().wakes_at) == (None, None)


def test_a_recycled_lead_goes_back_to_the_stage_agreed(make: Any) -> None:
    """It reached the later one all the same, and moves there again when it comes back."""
    world = make("recycling: {stage: target, rest: 10d, behaviour: reset}\n")
    world.sales("recycled", why="not now")
    assert world.lead().stage == "target"
    assert [(m.from_stage, m.stage, m.reason) for m in world.rows(t.transitions)][-1] == ("mql", "target", "recycled")
    assert {row.stage for row in world.rows(t.reached)} == {"target", "mql"}
    world.later(11)
    world.does(page="pricing")
    assert (world.lead().stage, world.handoffs()) == ("mql", BACK)


def test_fast_track_comes_through_rest_and_has_its_own_clock(make: Any) -> None:
    world = make(
        "recycling: {rest: 90d, generations: 1, behaviour: reset}\n"
        "fast_track: {activities: [demo_request], response: 5m, period: 2d}\n"
    )
    world.sales("recycled", why="not now")
    world.later(1)
    world.does(form="demo")
    last = max(world.rows(t.handoffs), key=lambda row: row.opened_at)
    assert (world.handoffs(), last.cause) == (BACK, "fast track")
    assert from_micros(last.response_due) - from_micros(last.opened_at) == timedelta(minutes=5)
    assert from_micros(last.period_ends) - from_micros(last.opened_at) == 2 * DAY


def test_fast_track_needs_no_score_and_heeds_exclusions(tmp_path: Any) -> None:
    small = Small(tmp_path, site=VISITS, crm=SALES, journey=JOURNEY + "fast_track: {activities: [demo_request]}\n")
    at = "2026-05-31T09:00:00"
    for number, firm in enumerate(("one", "rival")):
        small.take(
            "site", {"kind": "contact", "id": firm, "at": at, "email": f"x{number}@{firm}.example", "form": "demo"}
        )
    [(cause, state)] = small.rows(t.handoffs, "cause", "state")
    assert (cause, state) == ("fast track", "open")


def test_a_correction_of_the_clock_takes_the_treatment_back(make: Any) -> None:
    """Sales had qualified in time: nothing was recycled, so its behaviour is worth what it was."""
    world = make("recycling: {behaviour: reset}\nlists: {recycled: Nurture}\n")
    with world.small.store.main.begin() as connection:
        ends = to_micros(NOW + 5 * DAY)
        connection.execute(t.handoffs.update().values(period_ends=ends, checking="known"))
    world.small.at += 6 * DAY
    world.small.pipeline.run((), [world.lead().id], cause="time")
    assert (world.handoffs(), world.score()) == (KEPT, 40)
    world.small.take("crm", {"id": "L1", "at": "2026-06-03T00:00:00", "number": "7", "state": "qualified"})
    assert (world.handoffs(), world.score()) == ([(1, "closed", "sales_qualified")], 50)
    assert world.rows(t.marks) == []


CAPACITY = "capacity: {hour: 2}\n"


def people(small: Small, scores: dict[str, int]) -> None:
    """People of one batch; each page is 10 points on top of 40."""
    small.take("site", *(
        {"kind": "contact", "id": name, "at": f"2026-05-31T09:00:{n:02}", "email": f"{name}@one.example",
         "title": "CEO", "page": f"p{n}"}
        for name, pages in scores.items() for n in range(pages)
    ))  # fmt: skip


def test_more_than_sales_can_take_is_held_back_the_best_first(tmp_path: Any) -> None:
    small = Small(tmp_path, site=VISITS, crm=SALES, journey=JOURNEY + CAPACITY)
    people(small, {"a": 1, "b": 3, "c": 2, "d": 1})
    states = sorted(small.rows(t.handoffs, "score", "state"), reverse=True)
    assert states == [(7000, "open"), (6000, "open"), (5000, "held"), (5000, "held")]
    assert {row for row in small.rows(t.steps, "state", "reason") if row[0] == "withheld"} == {
        ("withheld", "beyond capacity")
    }


def test_what_is_held_back_is_not_handed_over_by_more_news(tmp_path: Any) -> None:
    small = Small(tmp_path, site=VISITS, crm=SALES, journey=JOURNEY + CAPACITY)
    people(small, {"a": 1, "b": 2, "c": 2})
    small.at += 2 * timedelta(hours=1)
    small.take("site", {"kind": "contact", "id": "a", "at": "2026-06-01T01:00:00", "page": "pricing"})
    assert sorted(small.rows(t.handoffs, "state")) == [("held",), ("open",), ("open",)]
    assert len(small.rows(t.writes)) == 2


def test_an_hour_later_sales_can_take_more(tmp_path: Any) -> None:
    small = Small(tmp_path, site=VISITS, crm=SALES, journey=JOURNEY + CAPACITY)
    people(small, {"a": 2, "b": 2})
    small.at += timedelta(hours=1)
    people(small, {"c": 1, "d": 1, "e": 1})
    assert sorted(small.rows(t.handoffs, "state")) == [("held",)] + [("open",)] * 4
