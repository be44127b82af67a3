"""The whole circle: the company, with the gateway between its two systems."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

import pytest

pytest.importorskip("gateway_hubspot", reason="the plugin gateway-hubspot is not installed")
pytest.importorskip("gateway_salesforce", reason="the plugin gateway-salesforce is not installed")

from gateway_sandbox.__main__ import main
from gateway_sandbox.circle import Circle, circle


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """A fortnight of the company."""
    with circle(tmp_path_factory.mktemp("circle"), seed=3, buyers_per_day=3) as turning:
        for _ in range(14):
            turning.turn(timedelta(days=1))
        turning.work()
        yield turning


def test_the_good_ones_are_handed_over_once(turned: Circle):
    """One lead and one task for each; nobody whom the buyers' side does not know, and no student."""
    leads = list(turned.salesforce.records.alive("Lead"))
    assert len(leads) >= 5
    emails = [lead["Email"] for lead in leads]
    assert len(set(emails)) == len(emails)
    buyers = turned.company.buyers.by_email
    assert {buyers[email].persona for email in emails} <= {"finance", "operations", "marketing"}
    ours = [one for one in turned.salesforce.records.alive("Task") if one["Gateway_Id__c"]]
    assert len({one["Gateway_Id__c"] for one in ours}) == len(ours) >= len(leads)


def test_what_sales_says_stands_in_hubspot(turned: Circle):
    """Every lead that sales closed has its bucket there, and its reason."""
    closed = {
        one["Email"]: one["Reject_Reason__c"]
        for one in turned.salesforce.records.alive("Lead")
        if one["Status"] == "Closed - Not Converted"
    }
    assert closed
    for email, reason in closed.items():
        contact = turned.hubspot.portal.find("contacts", email, "email")
        assert contact is not None
        bucket = "recycled" if reason == "not now" else "sales_rejected"
        assert (contact["gw_bucket"], contact["gw_bucket_reason"]) == (bucket, reason)


def test_nothing_is_lost_on_the_way(turned: Circle):
    """Stages in HubSpot are as many as the company's summary says; no call was refused but for dead tokens."""
    told = turned.company.summary()
    stages = Counter(one["gw_stage"] for one in turned.hubspot.records.alive("contacts"))
    assert stages["sql"] + stages["won"] == told["qualified"]
    assert sum(stages.values()) == told["buyers"]
    refused = {call.status for call in (*turned.hubspot.calls, *turned.salesforce.calls)} - {200, 201, 204}
    assert refused <= {401}


def test_the_command_line_plays_it_and_ends(tmp_path, capsys):
    """What happens is told, and the folder is an instance; a folder with something in it is left alone."""
    arguments = ["circle", "--days", "1", "--dir", str(tmp_path / "played")]
    main(arguments)
    told = capsys.readouterr().out
    assert re.search(r"^buyers [1-9]\d* · accepted \d+ · ", told, re.MULTILINE)
    assert (tmp_path / "played/journey.yaml").exists()
    with pytest.raises(SystemExit, match="is not empty"):
        main(arguments)
