"""The starter instance: loads without a warning, and does what its comments say."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from marshmallow import INCLUDE, Schema

from gateway.contracts import Document, RecordChanged, Skipped
from gateway.settings.instance import Instance
from gateway.settings.loading import load_instance

STARTER = Path(__file__).parents[2] / "mappings" / "starter"


class Anything(Schema):
    class Meta:
        unknown = INCLUDE


@pytest.fixture
def starter(room: Any, tmp_path: Path) -> Instance:
    """A copy, as ``gateway init`` makes one; the plugins' own checks of their settings are tested with them."""
    offer = type(room.plugins.sources["hook"])(Anything)
    room.plugins.sources.update(webhook=offer, files=offer)
    shutil.copytree(STARTER, tmp_path / "starter")
    return load_instance(tmp_path / "starter", room.plugins)


def read(instance: Instance, system: str, item: dict[str, Any]) -> list[Any]:
    mapping = instance.systems[system].mapping
    assert mapping is not None
    document = Document(id="1", system=system, received_at=datetime(2026, 11, 20, tzinfo=UTC), body=b"")
    return list(mapping.read(item, document))


def facts(instance: Instance, system: str, name: str, item: dict[str, Any]) -> list[str]:
    mapping = instance.systems[system].mapping
    assert mapping is not None
    changed = next(one for one in read(instance, system, item) if isinstance(one, RecordChanged))
    return [getattr(one, "activity", getattr(one, "outcome", "")) for one in mapping.objects[name].emit({}, changed)]


PAGE = {
    "event_id": "e-1", "type": "page", "occurred_at": "2026-11-03T09:00:00Z", "visitor_id": "v-1",
    "email": "Ann@Example.org", "title": "CEO", "country": "Germany", "employees": "1,200",
    "utm_source": "Google Ads", "page": {"url": "/pricing"}, "phone": "030 901820",
}  # fmt: skip
ROW = {
    "Id": "00Q1", "Modified": "2026-11-03 10:00", "Created": "2026-11-01", "Email": "ann@example.org",
    "FirstName": "Ann", "Status": "Won", "StatusDate": "2026-11-02", "Amount": "1500", "AccountId": "a1", "Score": "",
}  # fmt: skip


def test_the_starter_has_no_problem_and_no_warning_and_sends_nothing(starter: Instance) -> None:
    """What the model reads is mapped; outbound is off for both systems."""
    assert starter.warnings == ()
    assert [(one.name, one.role, one.outbound) for one in starter.systems.values()] == [
        ("website", "ma", False),
        ("crm", "crm", False),
    ]
    assert starter.systems["crm"].mapping is not None
    assert starter.systems["crm"].mapping.objects["Lead"].create == "handoff"


@pytest.mark.parametrize(
    ("item", "activities"),
    [
        ({}, ["page_view"]),
        ({"type": "form", "form": "newsletter"}, ["form_submitted"]),
        ({"type": "form", "form": "demo"}, ["form_submitted", "demo_request"]),
        ({"type": "download", "file": "guide.pdf"}, ["download"]),
        ({"type": "webinar"}, ["webinar_attended"]),
        ({"type": "email_open"}, ["email_open"]),
        ({"type": "email_click"}, ["email_click"]),
        ({"type": "unsubscribe"}, ["unsubscribed"]),
        ({"type": "profile"}, []),
    ],
)
def test_the_website_says_who_did_what(starter: Instance, item: dict[str, Any], activities: list[str]) -> None:
    """Each type of event is its activity."""
    assert facts(starter, "website", "contact", {**PAGE, **item}) == activities


def test_the_websites_fields_become_lead_fields(starter: Instance) -> None:
    """Normalised, mapped and typed."""
    (changed,) = read(starter, "website", PAGE)
    mapping = starter.systems["website"].mapping
    assert mapping is not None
    assert mapping.objects["contact"].schema().load(changed.values) == {
        "email": "ann@example.org", "title": "CEO", "country": "Germany", "employees": 1200, "source": "paid_search",
        "phone": "+4930901820",
    }  # fmt: skip
    (skipped,) = read(starter, "website", {**PAGE, "email": "x@example.com"})
    assert skipped == Skipped(object="contact", record="v-1", reason="test address")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Accepted", "accepted"), ("working", "accepted"), ("Contacted", "contacted"), ("Qualified", "qualified"),
        ("Rejected", "rejected"), ("Nurture", "recycled"), ("Won", "won"), ("Lost", "lost"), ("New", None),
    ],
)  # fmt: skip
def test_the_crms_status_is_an_outcome(starter: Instance, status: str, outcome: str | None) -> None:
    """Every outcome of the closed list has its status."""
    assert facts(starter, "crm", "Lead", {**ROW, "Status": status}) == ([outcome] if outcome else [])


def test_the_crm_is_sent_score_stage_and_names(starter: Instance) -> None:
    """Under its own column names."""
    mapping = starter.systems["crm"].mapping
    assert mapping is not None
    lead = {"email": "ann@example.org", "score": 65.4, "band": "good", "stage": "mql", "industry": "software"}
    assert mapping.objects["Lead"].schema().dump(lead) == {
        "Email": "ann@example.org", "Score": 65, "ScoreBand": "good", "Stage": "mql", "Industry": "software",
    }  # fmt: skip


def test_an_account_of_the_same_export_is_a_company(starter: Instance) -> None:
    """Rows are told apart by their column Object."""
    (company,) = read(
        starter, "crm", {"Object": "Account", "Id": "a1", "Modified": "2026-11-03", "Industry": "Software"}
    )
    assert (company.object, company.kind) == ("Account", "company")


@pytest.mark.parametrize(
    ("title", "persona"),
    [
        ("CEO", "executive"),
        ("Vice President Sales", "executive"),
        ("Assistant to the CEO", "other"),  # as the title table has it
        ("Finance Assistant", "finance"),
        (None, "other"),
    ],
)
def test_personas_of_the_starter_agree_with_its_levels(starter: Instance, title: str | None, persona: str) -> None:
    """An assistant is nobody's executive, neither in the score nor in the thresholds."""
    assert starter.journey.persona({"title": title} if title else {}) == persona
