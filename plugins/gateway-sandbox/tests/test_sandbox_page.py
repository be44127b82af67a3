"""The page of a sandbox, for people who want to see what stands there."""

from __future__ import annotations

import pytest
import requests

from gateway_sandbox import serve


def test_a_sandbox_shows_its_records_youngest_first(hubspot, salesforce):
    """Whatever was typed into them is text."""
    for number in range(3):
        hubspot.add("contacts", {"email": f"kim{number}@example.org", "firstname": "<b>Kim</b>", "gw_score": "70"})
        salesforce.add("Lead", {"LastName": f"Okafor {number}", "Company": "Norvik AS"})
    for sandbox, first, last in ((hubspot, "kim2@", "kim0@"), (salesforce, "Okafor 2", "Okafor 0")):
        with serve(sandbox) as server:
            page = requests.get(f"{server.url}/", timeout=5)
        assert page.headers["Content-Type"].startswith("text/html")
        assert 0 < page.text.index(first) < page.text.index(last)
        assert "<b>Kim" not in page.text
        assert sandbox.calls == []


def test_a_record_has_a_page_where_the_vendor_has_it(hubspot, salesforce):
    """Links of the gateway lead there, too; it costs no call."""
    kim = hubspot.add("contacts", {"email": "kim@example.org", "firstname": "<b>Kim</b>"})
    lead = salesforce.add("Lead", {"LastName": "Okafor", "Company": "Norvik AS"})
    for sandbox, path, held in (
        (hubspot, f"/contacts/9900123/record/0-1/{kim.id}", "&lt;b&gt;Kim"),
        (salesforce, f"/lightning/r/Lead/{lead.id}/view", "Norvik AS"),
    ):
        with serve(sandbox) as server:
            assert held in requests.get(f"{server.url}{path}", timeout=5).text
        assert sandbox.calls == []


@pytest.mark.parametrize("path", ["/lightning/r/Lead/00QNobody/view", "/lightning/r/Nothing/1/view"])
def test_a_record_that_is_not_there_has_no_page(salesforce, path):
    with serve(salesforce) as server:
        assert requests.get(f"{server.url}{path}", timeout=5).status_code in (401, 404)
    assert "Nothing" not in salesforce.records
