"""The page of a sandbox, for people who want to see what stands there."""

from __future__ import annotations

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
