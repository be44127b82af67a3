"""A simulated quarter between both sandboxes: what the handoff promises holds for every lead at its end.

Buyers come, ask for demos and lose interest; one of the sales people is quick, one slow, one forgets; they go on
holiday; deals are lost; more leads are ready on some days than sales can take.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from gateway_sandbox.circle import Circle, circle
from sqlalchemy import select

from gateway.demo.contract import Contract
from gateway.store import tables as t
from gateway.times import from_micros, to_micros

pytestmark = pytest.mark.slow
DAYS = 91


class Quarter:
    """The circle at its end, and what the gateway's tables say then."""

    def __init__(self, turned: Circle) -> None:
        self.turned = turned
        self.now = to_micros(turned.company.clock.now())
        self.handoffs, self.leads, self.clock, self.endings, self.outcomes, self.records = map(
            self.rows, (t.handoffs, t.leads, t.clock_events, t.endings, t.outcomes, t.records)
        )
        self.of_lead: dict[str, list[Any]] = defaultdict(list)
        for row in sorted(self.handoffs, key=lambda row: row.opened_at):
            if row.state in ("open", "closed"):
                self.of_lead[row.lead].append(row)
        self.lead = {row.id: row for row in self.leads if row.merged_into is None}

    def rows(self, table: Any) -> list[Any]:
        with self.turned.gateway.store.main.connect() as connection:
            return list(connection.execute(select(table)))

    def there(self, system: str, *objects: str) -> dict[str, Any]:
        """lead → its record over there."""
        sandbox: Any = getattr(self.turned, system)
        names = {"contact": "contacts"}
        ours = {(row.object, row.record): row.entity for row in self.records if row.system == system}
        return {
            ours[object_, record.id]: record
            for object_ in objects
            for record in sandbox.records.alive(names.get(object_, object_))
            if (object_, record.id) in ours
        }


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: Any) -> Iterator[Quarter]:
    with circle(tmp_path_factory.mktemp("quarter"), seed=3, buyers_per_day=1.0) as turning:
        for _ in turning.days(DAYS):
            pass
        yield Quarter(turning)


def test_no_handoff_is_without_a_bucket(quarter: Quarter) -> None:
    """Those whose clock still runs are open; every other one ended in exactly one."""
    for row in quarter.handoffs:
        if row.state == "open":
            assert (row.bucket, row.period_ends > quarter.now) == (None, True), row.id
        if row.state == "closed":
            assert row.bucket in ("sales_qualified", "sales_rejected", "recycled"), row.id
    decided = Counter(row.handoff for row in quarter.endings if row.what == "end")
    assert decided == Counter(row.id for row in quarter.handoffs if row.state == "closed")


def test_a_lead_has_one_open_handoff_at_any_time(quarter: Quarter) -> None:
    for rows in quarter.of_lead.values():
        for one, other in pairwise(rows):
            assert one.state == "closed"
            assert one.closed_at <= other.opened_at


def test_generations_never_skip(quarter: Quarter) -> None:
    """One more after sales gave the lead back, the same after they had rejected it."""
    given_back = {row.handoff for row in quarter.endings if row.what == "return" and row.bucket == "recycled"}
    for rows in quarter.of_lead.values():
        assert rows[0].generation == 1
        for one, other in pairwise(rows):
            again = one.bucket == "recycled" or one.id in given_back
            assert other.generation - one.generation == again, other.id
        assert quarter.lead[rows[0].lead].generation == rows[-1].generation


def test_everything_that_can_happen_to_a_handoff_happened(quarter: Quarter) -> None:
    alarms = Counter(row.kind for row in quarter.clock)
    causes = Counter(row.cause for row in quarter.handoffs)
    ended = Counter((row.bucket, row.closed_by == "clock") for row in quarter.handoffs if row.state == "closed")
    returned = Counter(row.reason for row in quarter.endings if row.what == "return")
    assert min(alarms[kind] for kind in ("assigned", "warned", "escalated", "reassigned", "moved")) > 0, alarms
    assert min(causes["threshold"], causes["fast track"]) > 0, causes
    assert ended["recycled", True] > 0, ended
    assert min(ended[bucket, False] for bucket in ("sales_qualified", "sales_rejected", "recycled")) > 0, ended
    assert returned["lost"] > 0, returned
    assert max(row.generation for row in quarter.handoffs) > 1
    assert [row for row in quarter.handoffs if row.cause_by == "manager"], causes


def test_who_is_on_holiday_gets_nothing(quarter: Quarter) -> None:
    away = {seller.id: seller.away for seller in quarter.turned.company.sellers.all}
    given = [row for row in quarter.clock if row.kind in ("assigned", "reassigned", "moved") and row.owner in away]
    assert len(given) > 20
    for row in given:
        at = from_micros(row.at)
        assert not any(begin <= at < end for begin, end in away[row.owner]), (row.kind, row.reason)


def test_hubspot_knows_every_bucket(quarter: Quarter) -> None:
    """The property of each contact says how the last handoff ended, and why."""
    contacts = quarter.there("hubspot", "contact")
    for lead, row in quarter.lead.items():
        said = contacts[lead].values
        stands = _stands(quarter, lead)
        assert (said.get("gw_bucket") or None, said.get("gw_bucket_reason") or "") == stands, row.id


def test_lists_in_hubspot_hold_who_belongs_there(quarter: Quarter) -> None:
    contacts = quarter.there("hubspot", "contact")
    wanted: dict[str, set[str]] = {"Nurture": set(), "Suppressed": set()}
    for lead, rows in quarter.of_lead.items():
        bucket, _ = _stands(quarter, lead)
        later = [row for row in quarter.outcomes if row.lead == lead and row.at > _ended_at(quarter, lead)]
        said = [row.outcome for row in sorted(later, key=lambda row: row.at)]
        again = "won" in said or (said and said[-1] in ("accepted", "contacted", "qualified"))
        if rows[-1].state == "open" or again:
            continue
        if bucket == "sales_rejected":
            wanted["Suppressed"].add(contacts[lead].id)
        elif bucket == "recycled" and not quarter.turned.company.buyers.by_email[contacts[lead]["email"]].opted_out:
            wanted["Nurture"].add(contacts[lead].id)
    for name, members in wanted.items():
        assert set(quarter.turned.hubspot.lists.named(name).members) == members, name
        assert members, name


def test_salesforce_knows_every_bucket(quarter: Quarter) -> None:
    """Its field says how the last handoff ended, and the task of each that is over is closed."""
    people = {
        lead: record
        for lead, record in quarter.there("salesforce", "Lead", "Contact").items()
        if not record["IsConverted"]
    }
    tasks = {str(one["Gateway_Id__c"]): one for one in quarter.turned.salesforce.records.alive("Task")}
    for lead, rows in quarter.of_lead.items():
        record = people[lead]
        assert (record["Gateway_Bucket__c"], record["Gateway_Bucket_Reason__c"] or "") == _stands(quarter, lead), lead
        for row in rows:
            key = f"handoff:{row.id}:task"
            task = tasks.get(row.id) or tasks.get(key) or tasks[f"closed:{key}"]
            if row.state == "closed":
                assert task["IsClosed"], (row.id, row.closed_by)


def test_statuses_of_leads_say_what_their_buckets_say(quarter: Quarter) -> None:
    """Who is closed over there is rejected or recycled here, for the reason given there."""
    seen = 0
    for lead, record in quarter.there("salesforce", "Lead").items():
        rows = quarter.of_lead[lead]
        if record["Status"] == "Closed - Not Converted" and rows[-1].state == "closed" and len(rows) == 1:
            bucket = "recycled" if record["Reject_Reason__c"] == "not now" else "sales_rejected"
            if rows[0].closed_by != "clock":
                assert (rows[0].bucket, rows[0].bucket_reason) == (bucket, record["Reject_Reason__c"])
                seen += 1
    assert seen > 5


def test_the_demo_tells_it_and_finds_nothing_wrong(quarter: Quarter) -> None:
    """Its few lines are counted from the same tables, and what it checks holds."""
    contract = Contract(quarter.turned)
    assert not [fact for fact in contract.facts() if fact[1] != fact[2]]
    told = " ".join(contract.lines())
    expired = sum(row.closed_by == "clock" for row in quarter.handoffs)
    running = sum(row.state == "open" for row in quarter.handoffs)
    assert f"{expired} had no word from sales" in told
    assert f"but {running} whose clock still runs" in told


def _stands(quarter: Quarter, lead: str) -> tuple[str | None, str]:
    """How it stands with sales: the end of its last handoff that is over, or that it came back since."""
    rows = [row for row in quarter.of_lead.get(lead, ()) if row.state == "closed"]
    if not rows:
        return None, ""
    returned = [row for row in quarter.endings if row.handoff == rows[-1].id and row.what == "return"]
    if returned:
        last = max(returned, key=lambda row: row.decided_at)
        return last.bucket, last.reason
    return rows[-1].bucket, rows[-1].bucket_reason


def _ended_at(quarter: Quarter, lead: str) -> int:
    rows = [row for row in quarter.endings if row.handoff in {one.id for one in quarter.of_lead[lead]}]
    return int(max((row.at for row in rows), default=0))
