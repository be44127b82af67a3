"""The mapping file that comes with the plugin works as it stands, and with its comments taken out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from gateway_hubspot import HubSpotSource, SettingsSchema

from gateway.contracts import Document, RecordChanged
from gateway.host import Host
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile
from gateway.settings.loading import load_instance

TEXT = files("gateway_hubspot").joinpath("mapping.yaml").read_text(encoding="utf-8")
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
HEAD, _, REST = TEXT.partition("  # With `activities: [form")
ALL = HEAD + re.sub(r"^  # (?!With)", "  ", f"  # With {REST}", flags=re.M)


def mapping(text):
    return compile_mapping(ConfigFile("mappings/hubspot.yaml", text), "ma", {})


def test_the_pages_example_is_a_whole_instance(tmp_path, monkeypatch):
    """The settings of README.md with the mapping of this plugin: nothing is wrong with them."""
    block = re.search(r"```yaml\n# gateway.yaml\n(.*?)```", README, re.S)[1]
    head = "instance: {name: Example, zone: Europe/Berlin, currency: EUR}\n"
    (tmp_path / "gateway.yaml").write_text(head + block)
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/hubspot.yaml").write_text(TEXT)
    monkeypatch.setenv("HUBSPOT_TOKEN", "pat-1")
    instance = load_instance(tmp_path, Host())
    assert instance.systems["hubspot"].pull == timedelta(minutes=10)
    assert instance.systems["hubspot"].settings["portal_id"] == 9900123


def test_the_page_names_every_setting():
    """With its default where it has one."""
    for name, field in SettingsSchema().fields.items():
        assert f"| `{name}` |" in README, name
        if isinstance(field.load_default, str):
            assert f"| `{name}` | `{field.load_default}` |" in README


@pytest.fixture
def given(settings, context):
    def given(text, page):
        compiled = mapping(text)
        source = HubSpotSource(settings(), replace(context, mapping=compiled))
        document = Document(id="d", system="hubspot", received_at=context.now(), body=json.dumps(page).encode())
        return compiled, [one for one in source.read(document) if isinstance(one, RecordChanged)]

    return given


def result(id_, **properties):
    at = "2026-11-20T10:00:00Z"
    return {"id": id_, "properties": properties, "createdAt": at, "updatedAt": at, "archived": False}


def test_it_asks_for_what_its_rules_read():
    """Counters with their times, currencies and conditions: else the rules would never fire."""
    from gateway_hubspot.records import shapes

    found = shapes(mapping(TEXT))
    assert {"hs_email_open", "hs_email_last_open_date", "recent_conversion_event_name"} <= set(
        found["contact"].properties
    )
    deal = set(found["deal"].properties)
    assert {"deal_currency_code", "hs_is_closed_won", "hs_salesforceopportunityid", "closed_lost_reason"} <= deal
    assert "deal_status" not in deal
    assert found["deal"].associated == ("contact", "company")
    assert len(json.dumps(found["contact"].properties)) < 2000  # fits a search


def test_a_growing_counter_is_an_activity_at_its_last_time(given):
    """Three opens more are three opens, when HubSpot saw the last one."""
    page = {"object": "contact", "results": [
        result("5", email="kim@example.org", hs_email_open="4", hs_email_last_open_date="2026-11-19T08:00:00Z"),
    ]}  # fmt: skip
    compiled, [event] = given(TEXT, page)
    made = compiled.objects["contact"].emit({"email": "kim@example.org", "hs_email_open": "1"}, event)
    assert [(one.activity, one.at.isoformat(), one.channel) for one in made] == [
        ("email_open", "2026-11-19T08:00:00+00:00", "email")
    ] * 3


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ({"hs_is_closed": "false", "hs_is_closed_won": "false", "dealstage": "1234"}, "open"),
        ({"hs_is_closed": "true", "hs_is_closed_won": "true", "dealstage": "1235"}, "won"),  # of another pipeline
        ({"hs_is_closed": "true", "hs_is_closed_won": "false", "dealstage": "1236"}, "lost"),
        (
            {"hs_is_closed": None, "hs_is_closed_won": None, "dealstage": "closedwon"},
            "won",
        ),  # of an account without flags
        ({"dealstage": "closedlost"}, "lost"),
    ],
)
def test_a_deal_says_how_it_stands(given, flags, status):
    """With its amount in the deal's own currency; a copy of a Salesforce opportunity is left out."""
    page = {"object": "deal", "results": [
        result("8", amount="1500", deal_currency_code="EUR", closedate="2026-11-18T00:00:00Z", **flags),
        result("9", amount="9", deal_currency_code="EUR", hs_salesforceopportunityid="006"),
    ]}  # fmt: skip
    compiled, [event] = given(TEXT, page)
    read = compiled.objects["deal"].schema().load(dict(event.values))
    assert (event.record, read["status"], read["amount"]) == ("8", status, ["1500.00", "EUR"])


def test_the_commented_objects_work_too(given):
    """A form submission and an e-mail click are activities of whoever has the address."""
    compiled = mapping(ALL)
    assert {"form_submission", "email_event"} <= set(compiled.objects)
    click = {"id": "e1", "created": 1795255200000, "type": "CLICK", "recipient": "kim@example.org", "url": "https://x.example",
             "emailCampaignId": 77}  # fmt: skip
    _, [event] = given(ALL, {"object": "email_events", "results": [click]})
    [made] = compiled.objects["email_event"].emit({}, event)
    assert (made.activity, made.campaign, made.asset) == ("email_click", "77", "https://x.example")
    submission = {"conversionId": "c1", "submittedAt": 1795255200000, "form": "Demo", "pageUrl": "https://example.org",
                  "values": [{"name": "email", "value": "kim@example.org"}]}  # fmt: skip
    _, [event] = given(ALL, {"object": "form_submissions", "results": [submission]})
    [made] = compiled.objects["form_submission"].emit({}, event)
    assert (event.record, made.activity, made.asset) == ("kim@example.org", "form_submitted", "Demo")
