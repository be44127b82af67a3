"""The company: one seed is one story, and what arrives in Salesforce is worked on by people."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import requests

from gateway_sandbox import Clock, HubSpotSandbox, SalesforceSandbox
from gateway_sandbox.__main__ import main
from gateway_sandbox.company import Company
from gateway_sandbox.company.diary import in_hours, working

START = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)  # a Monday


def company(seed: int = 3, speed: float = 0.0) -> Company:
    clock = Clock(START, speed)
    return Company(HubSpotSandbox(clock=clock), SalesforceSandbox(clock=clock), seed=seed)


def hand_over(of: Company, task: bool = True) -> int:
    """What a gateway would do, in short: whoever is not there yet becomes a lead with a task."""
    org, made = of.salesforce.org, 0
    for buyer in of.buyers.by_email.values():
        if not org.matching("Lead", "Email", buyer.email):
            values = {"LastName": buyer.name, "Company": buyer.company, "Email": buyer.email}
            lead = org.create("Lead", values, org.user).id
            if task:
                org.create("Task", {"WhoId": lead, "Subject": "Follow up"}, org.user)
            made += 1
    return made


def days(of: Company, number: int) -> None:
    for _ in range(number):
        of.run(timedelta(days=1))
        hand_over(of)


def test_one_seed_is_one_story():
    """The same records and the same lines; another seed tells another one."""
    first, second, other = company(3), company(3), company(4)
    for one in (first, second, other):
        days(one, 10)
    assert first.story == second.story
    assert first.hubspot.effects == second.hubspot.effects
    assert first.salesforce.effects == second.salesforce.effects
    assert first.story != other.story


def test_leads_end_in_every_way():
    """In two months some are rejected, recycled, qualified, won, lost, and some are forgotten."""
    of = company()
    days(of, 60)
    told = of.summary()
    assert told["buyers"] > 200
    assert all(told[end] > 0 for end in ("accepted", "rejected", "recycled", "forgotten", "qualified", "won", "lost"))
    leads = list(of.salesforce.records.alive("Lead"))
    assert sum(bool(lead["IsConverted"]) for lead in leads) == told["qualified"]
    won = [deal for deal in of.salesforce.records.alive("Opportunity") if deal["IsWon"]]
    assert len(won) == told["won"]
    assert all(deal["Amount"] > 0 for deal in won)


def test_a_lead_without_a_task_is_found_by_somebody():
    """Where the gateway makes no tasks, sales look at what is new."""
    of = company()
    for _ in range(20):
        of.run(timedelta(days=1))
        hand_over(of, task=False)
    told = of.summary()
    assert all(told[end] > 0 for end in ("accepted", "rejected"))


def test_without_a_gateway_sales_has_nothing_to_do():
    """Buyers are in HubSpot alone; nothing crosses by itself."""
    of = company()
    of.run(timedelta(days=14))
    assert of.summary()["buyers"] > 40
    assert not of.salesforce.records["Lead"]
    assert of.hubspot.activities.email_events
    counters = [one["hs_analytics_num_page_views"] for one in of.hubspot.records.alive("contacts")]
    assert sum(int(one) for one in counters if one) == len(of.hubspot.activities.events)


def test_a_recycled_buyer_comes_back():
    """Interest returns weeks later, and with it page views in HubSpot."""
    of = company()
    days(of, 70)
    back = [one for one in of.story if one.what == "is interested again"]
    assert back
    closed = {one.about: one.at for one in of.story if one.what == "closes: not now"}
    assert all(one.at - closed[one.about] >= timedelta(days=8) for one in back if closed[one.about] < one.at)


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_a_running_clock_is_followed():
    """At an hour a millisecond, a day has passed after a few looks."""
    of = company(speed=3_600_000)
    of.start(every=0.01)
    until(lambda: of.summary()["buyers"] > 10)
    of.close()


def test_both_sandboxes_need_one_clock():
    """Two clocks would be two companies."""
    with pytest.raises(ValueError, match="one clock"):
        Company(HubSpotSandbox(), SalesforceSandbox())


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (datetime(2026, 11, 2, 10, 0, tzinfo=UTC), datetime(2026, 11, 2, 10, 0, tzinfo=UTC)),
        (datetime(2026, 11, 2, 6, 30, tzinfo=UTC), datetime(2026, 11, 2, 8, 30, tzinfo=UTC)),
        (datetime(2026, 11, 2, 17, 0, tzinfo=UTC), datetime(2026, 11, 3, 8, 0, tzinfo=UTC)),
        (datetime(2026, 11, 6, 18, 0, tzinfo=UTC), datetime(2026, 11, 9, 8, 0, tzinfo=UTC)),  # Friday evening
        (datetime(2026, 11, 7, 12, 0, tzinfo=UTC), datetime(2026, 11, 9, 8, 0, tzinfo=UTC)),  # Saturday
    ],
)
def test_people_work_in_working_hours(at, opens):
    """Evenings and weekends wait for the next morning."""
    assert in_hours(at) == opens


def test_working_time_is_counted_across_the_weekend():
    """Ten hours from Friday noon are five on Friday and five on Monday."""
    assert working(datetime(2026, 11, 6, 12, 0, tzinfo=UTC), 10) == datetime(2026, 11, 9, 13, 0, tzinfo=UTC)


def test_the_command_line_serves_both_with_the_company_in_them(capsys, tmp_path):
    """Addresses and keys are said; the fault script is read; buyers arrive."""
    script = tmp_path / "faults.json"
    script.write_text('[{"match": "GET /crm", "action": {"status": 503}}]')
    stop = threading.Event()
    arguments = ["company", "--seed", "3", "--speed", "3600000", "--fields", "--faults", str(script)]
    thread = threading.Thread(target=main, args=(arguments, stop))
    thread.start()
    try:
        said = ""

        def both_are_on():
            nonlocal said
            said += capsys.readouterr().out
            return said.count("sandbox on") == 2

        until(both_are_on)
        hub, force = re.findall(r"sandbox on (http://127\.0\.0\.1:\d+)", said)
        headers = {"Authorization": "Bearer pat-sandbox"}
        statuses = [requests.get(f"{hub}/crm/v3/owners", headers=headers, timeout=30).status_code for _ in range(2)]
        until(lambda: requests.get(f"{hub}/_sandbox", timeout=30).json()["records"].get("contacts", 0) > 0)
        users = requests.get(f"{force}/_sandbox", timeout=30).json()["records"]["User"]
    finally:
        stop.set()
        thread.join()
    assert statuses == [503, 200]
    assert users == 4
