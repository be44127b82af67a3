"""What happens when news comes late or contradicts: outcomes are facts, decisions are added and never rewritten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from small_instance import CRM, JOURNEY, NOW, Small
from sqlalchemy import select

from gateway.answers.timeline import timeline
from gateway.store import listing
from gateway.store import tables as t
from gateway.store.loading import Need, load
from gateway.times import to_micros

AGREED = JOURNEY + "follow_up: {response: 4h, period: 5d}\nlists: {recycled: Nurture, sales_rejected: Left alone}\n"
SAYS = CRM.replace(
    "when: {state: Recycled}, reason: why}",
    """when: {state: Recycled}, reason: why}
      - {outcome: rejected, when: {state: Rejected}, reason: why}
      - {outcome: qualified, when: {state: Qualified}}
      - {outcome: lost, when: {state: Lost}}
      - {outcome: won, when: {state: Won}}""",
)
ANN = {"kind": "contact", "id": "c1", "at": "2026-05-30T08:00:00", "email": "ann@one.example"}
ANN |= {"title": "CEO", "number": "7"}
PAGE = {"kind": "contact", "id": "c1", "at": "2026-05-31T08:00:00", "page": "pricing"}
DAY = timedelta(days=1)
HANDED_OVER = "handoff handed over to crm, score 60.00: Executive +40, Looked at a page +20"


class World:
    """Ann is lead L1 of the CRM and with sales since ``NOW``."""

    def __init__(self, folder: Any) -> None:
        self.small = Small(folder, crm=SAYS, journey=AGREED)

    def handed_over(self) -> None:
        self.small.take("site", ANN, PAGE, PAGE | {"at": "2026-05-31T09:00:00"})

    def hear(self, state: str, at: timedelta, after: timedelta, **more: Any) -> None:
        """The CRM says at ``NOW + after`` that sales said so at ``NOW + at``."""
        self.small.at = NOW + after
        self.small.take("crm", {"id": "L1", "number": "7", "state": state, "at": (NOW + at).isoformat(), **more})

    def clock(self, after: timedelta) -> None:
        """The follow-up is over and everything of the CRM is read."""
        self.small.at = NOW + after
        with self.small.store.main.begin() as connection:
            connection.execute(t.handoffs.update().where(t.handoffs.c.state == "open").values(checking="known"))
        self.small.pipeline.run((), [row[0] for row in self.small.rows(t.leads, "id")], cause="time")

    def requalified(self, after: timedelta) -> None:
        """Its score fell and rose again by something new."""
        self.small.at = NOW + after
        self.small.pipeline.run((), [row[0] for row in self.small.rows(t.leads, "id")], cause="time")
        self.small.take("site", PAGE | {"at": self.small.at.isoformat()})

    def handoffs(self) -> list[tuple[Any, ...]]:
        """(generation, state, bucket), the oldest first."""
        chosen = select(t.handoffs).order_by(t.handoffs.c.opened_at)
        with self.small.store.main.connect() as connection:
            return [(row.generation, row.state, row.bucket) for row in connection.execute(chosen)]

    def endings(self) -> list[str]:
        """Each decision on how a handoff ended, in their order."""
        chosen = select(t.endings).order_by(t.endings.c.decided_at)
        with self.small.store.main.connect() as connection:
            return [row.bucket for row in connection.execute(chosen)]

    def stage(self) -> str:
        return str(self.small.rows(t.leads, "stage")[0][0])

    def told(self) -> list[str]:
        """The lead's timeline without stages and writes: ``what text``."""
        [(lead,)] = self.small.rows(t.leads, "id")
        with self.small.store.main.connect() as connection:
            batch = load(connection, [], {}, [lead], to_micros(self.small.at), Need(scores=["lead"], whole=[lead]))
            entries = timeline(batch.leads[lead], listing.of_lead(connection, lead), ZoneInfo("UTC"))
        return [f"{one.what} {one.text}" for one in entries if one.what in ("outcome", "handoff")]


@pytest.fixture
def world(tmp_path: Any) -> Any:
    world = World(tmp_path)
    yield world
    world.small.store.close()


# -- an outcome before the handoff -------------------------------------------------------------------------------------


def test_an_outcome_from_before_the_handoff_does_not_end_it(world: World) -> None:
    """Sales had rejected her in May; she was handed over in June: that is news of May, heard late."""
    world.handed_over()
    world.hear("Rejected", at=-10 * DAY, after=DAY, why="no budget")
    assert world.handoffs() == [(1, "open", None)]
    assert world.told() == ["outcome rejected (no budget): before it was handed over", HANDED_OVER]


def test_who_was_accepted_before_any_handoff_stands_where_sales_put_her(world: World) -> None:
    """Sales found her first: the outcome is a fact without a handoff."""
    world.hear("Working", at=-10 * DAY, after=-9 * DAY)
    assert (world.stage(), world.handoffs()) == ("sal", [])


def test_an_acceptance_from_before_the_handoff_stops_no_clock(world: World) -> None:
    world.handed_over()
    world.hear("Working", at=-DAY, after=DAY)
    assert world.small.rows(t.handoffs, "accepted_at") == [(None,)]


# -- two outcomes ------------------------------------------------------------------------------------------------------


def test_of_two_outcomes_the_first_ends_the_handoff(world: World) -> None:
    """The second is a fact; nothing is left that it could end."""
    world.handed_over()
    world.hear("Rejected", at=DAY, after=DAY)
    world.hear("Recycled", at=2 * DAY, after=2 * DAY)
    assert (world.handoffs(), world.endings()) == ([(1, "closed", "sales_rejected")], ["sales_rejected"])
    assert world.told() == [
        HANDED_OVER,
        "outcome rejected",
        "handoff ended as sales_rejected",
        "outcome recycled: the handoff had ended as sales_rejected",
    ]


def test_two_outcomes_heard_together_are_taken_in_the_order_in_which_sales_acted(world: World) -> None:
    world.handed_over()
    world.small.at = NOW + 3 * DAY
    says = {"id": "L1", "number": "7"}
    late = says | {"state": "Rejected", "at": (NOW + 2 * DAY).isoformat()}
    early = says | {"state": "Recycled", "at": (NOW + DAY).isoformat()}
    world.small.take("crm", late, early)
    assert world.handoffs() == [(1, "closed", "recycled")]


def test_an_earlier_outcome_heard_later_changes_no_decision_of_sales(world: World) -> None:
    """What ended the handoff was said by sales, too: it stands, and the other is a fact."""
    world.handed_over()
    world.hear("Rejected", at=2 * DAY, after=2 * DAY)
    world.hear("Recycled", at=DAY, after=3 * DAY)
    assert (world.handoffs(), world.endings()) == ([(1, "closed", "sales_rejected")], ["sales_rejected"])
    assert sorted(world.small.rows(t.outcomes, "outcome")) == [("recycled",), ("rejected",)]


# -- the clock and what sales had done in time -------------------------------------------------------------------------


def test_what_sales_had_said_in_time_corrects_the_clock(world: World) -> None:
    """Both decisions stay, each dated when it was made; the last one counts."""
    world.handed_over()
    world.clock(after=6 * DAY)
    world.hear("Qualified", at=4 * DAY, after=7 * DAY)
    assert world.handoffs() == [(1, "closed", "sales_qualified")]
    assert world.endings() == ["recycled", "sales_qualified"]
    assert [line for line in world.told() if line.startswith("handoff")][1:] == [
        "handoff ended as recycled (no word from sales)",
        "handoff corrected: ended as sales_qualified",
    ]


def test_what_sales_said_after_the_end_corrects_nothing(world: World) -> None:
    world.handed_over()
    world.clock(after=6 * DAY)
    world.hear("Qualified", at=6 * DAY, after=7 * DAY)
    assert (world.handoffs(), world.endings()) == ([(1, "closed", "recycled")], ["recycled"])


# -- a won deal for a rejected lead ------------------------------------------------------------------------------------


def test_a_rejected_lead_that_is_won_stays_rejected_and_is_won(world: World) -> None:
    """How the handoff ended was decided; that she bought is a fact, and where she stands. Nobody gets her again."""
    world.handed_over()
    world.hear("Rejected", at=DAY, after=DAY)
    world.hear("Won", at=9 * DAY, after=9 * DAY)
    world.small.take("site", PAGE | {"at": (NOW + 9 * DAY).isoformat()})
    assert (world.handoffs(), world.stage()) == ([(1, "closed", "sales_rejected")], "won")
    assert world.told()[-1] == "outcome won: the handoff had ended as sales_rejected"


def test_a_qualified_lead_whose_deal_is_lost_goes_back_and_its_handoff_stays_qualified(world: World) -> None:
    """That sales had qualified it is what the numbers count; that it came back is a decision of its own."""
    world.handed_over()
    world.hear("Qualified", at=DAY, after=DAY)
    world.hear("Lost", at=30 * DAY, after=30 * DAY)
    assert world.handoffs() == [(1, "closed", "sales_qualified")]
    assert world.told()[-2:] == ["outcome lost", "handoff came back to marketing: now recycled (lost)"]
    world.requalified(after=200 * DAY)
    assert world.handoffs() == [(1, "closed", "sales_qualified"), (2, "open", None)]


# -- an outcome for an older generation --------------------------------------------------------------------------------


def test_an_outcome_for_an_older_generation_does_not_end_the_newer(world: World) -> None:
    """She is handed over the second time when sales' word of the first time comes: the first stays as it ended."""
    world.handed_over()
    world.hear("Recycled", at=DAY, after=DAY)
    world.requalified(after=200 * DAY)
    assert world.handoffs() == [(1, "closed", "recycled"), (2, "open", None)]
    world.hear("Rejected", at=2 * DAY, after=201 * DAY)
    assert world.handoffs() == [(1, "closed", "recycled"), (2, "open", None)]


def test_news_in_time_for_an_older_generation_corrects_that_one_alone(world: World) -> None:
    """The clock had ended the first; the second goes on, and ends for itself."""
    world.handed_over()
    world.clock(after=6 * DAY)
    world.requalified(after=200 * DAY)
    world.hear("Rejected", at=2 * DAY, after=201 * DAY)
    assert world.handoffs() == [(1, "closed", "sales_rejected"), (2, "open", None)]
    world.hear("Qualified", at=202 * DAY, after=202 * DAY)
    assert world.handoffs() == [(1, "closed", "sales_rejected"), (2, "closed", "sales_qualified")]
    assert world.endings() == ["recycled", "sales_rejected", "sales_qualified"]
