"""What stands beside a contact: its follow-up task and its places on lists, against the sandbox."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from gateway_hubspot import HubSpotSink, SettingsSchema

from gateway.contracts import Context, Write

sandbox = pytest.importorskip("gateway_sandbox", reason="the plugin gateway-sandbox is not installed")

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def served():
    from gateway_sandbox.hubspot.limits import Limits

    box = sandbox.HubSpotSandbox(clock=sandbox.Clock(NOW), limits=Limits(None, None, None))
    box.define_gateway()
    with sandbox.serve(box) as server:
        box.url = server.url
        yield box


@pytest.fixture
def portal(served):
    """A portal of its own for each test: nothing stands beside the contacts of the others."""
    yield served
    with served.lock:
        served.faults.clear()
        served.records["tasks"].clear()
        served.portal._unique["tasks", "gw_external_id"].clear()
        served.lists.all.clear()


@pytest.fixture(params=["v3", "2026-09"])
def sink(portal, request, tmp_path):
    (tmp_path / "token").write_text("pat-sandbox\n")
    block = {"token": f"file:{tmp_path}/token", "base_url": portal.url, "api": request.param}
    loaded = SettingsSchema().load({**block, "lists": ["Nurture", "No mail"], "task": {"due_days": 2}})
    return HubSpotSink(loaded, Context(system="hubspot", root=tmp_path, mapping=None, now=lambda: NOW))


def contact(portal, name):
    return portal.add("contacts", {"email": f"{name}-{len(portal.records['contacts'])}@example.org"}).id


def place(record, name, member, number=1):
    return Write(
        key=f"list:{number:032x}:{name}", object="list_membership", record=None, refs={"contact": record}, create=True,
        fields={"list": name, "member": member},
    )  # fmt: skip


def follow_up(record, number=1, **fields):
    told = {"handoff": f"{number:032x}", "subject": "Follow up: Kim", "description": "+40 Executive\n<why>", **fields}
    return Write(
        key=f"handoff:{number:032x}:task", object="follow_up_task", record=None, refs={"contact": record}, create=True,
        fields=told, priority=1,
    )  # fmt: skip


def deliver(sink, *writes):
    calls = sink.calls(writes)
    return {receipt.key: receipt for call in calls for receipt in sink.deliver(call)}, calls


def test_a_list_is_one_call_for_whoever_joins_and_leaves(sink, portal):
    """By name; who was put there by hand on another list stays there; the same twice changes nothing."""
    nurture, no_mail, other = (portal.lists.make(name) for name in ("Nurture", "No mail", "By hand"))
    kim, lou = contact(portal, "kim"), contact(portal, "lou")
    no_mail.members[kim] = other.members[kim] = NOW
    writes = [place(kim, "Nurture", True, 1), place(lou, "Nurture", True, 2), place(kim, "No mail", False, 3)]
    for _ in range(2):
        receipts, calls = deliver(sink, *writes)
        assert {one.result for one in receipts.values()} == {"done"}
    assert [call.title for call in calls] == ["list Nurture: 2 join", "list No mail: 1 leave"]
    assert [call.cost for call in calls] == [1, 1]
    assert [sorted(one.members) for one in (nurture, no_mail, other)] == [sorted([kim, lou]), [], [kim]]


def test_a_list_that_is_not_there_is_named(sink, portal):
    """One trouble of all that are to be on it; other calls go on."""
    portal.lists.make("No mail")
    receipts, _ = deliver(sink, place(contact(portal, "kim"), "Nurture", True), place("1", "No mail", False, 2))
    missing, other = receipts.values()
    assert (missing.result, missing.scope, missing.fields) == ("rejected", "mapping", ("list",))
    assert other.result == "done"


def test_who_is_not_there_joins_nothing(sink, portal):
    """HubSpot says which contacts it does not have."""
    portal.lists.make("Nurture")
    receipts, _ = deliver(sink, place("999999", "Nurture", True))
    assert [one.result for one in receipts.values()] == ["gone"]


def test_a_task_is_made_with_its_contact_its_hour_and_its_reasons(sink, portal):
    """In HubSpot's words; text of people is no markup."""
    kim = contact(portal, "kim")
    receipts, calls = deliver(sink, follow_up(kim, due_at="2026-11-21T14:00:00Z", owner="77"))
    assert [(call.title, call.cost) for call in calls] == [("create 1 tasks", 1)]
    ((key, receipt),) = receipts.items()
    (made,) = portal.records["tasks"].values()
    assert (receipt.result, receipt.record, dict(receipt.held)) == ("done", made.id, {})
    told = {name: made[name] for name in ("hs_task_subject", "hs_task_status", "hs_task_body", "hubspot_owner_id")}
    assert told == {
        "hs_task_subject": "Follow up: Kim",
        "hs_task_status": "NOT_STARTED",
        "hs_task_body": "+40 Executive<br>&lt;why&gt;",
        "hubspot_owner_id": "77",
    }
    assert made["hs_timestamp"].startswith("2026-11-21T14:00")
    assert list(portal.portal.linked("tasks", made.id, "contacts")) == [kim]
    assert sink.find("follow_up_task", [key]) == {key: [made.id]}


@pytest.mark.parametrize("action", [{"drop": "after"}, {"status": 502, "after": True}, {"garbage": True}])
def test_a_task_without_an_answer_is_found_by_its_key(sink, portal, action):
    """And made once more it would be the same one."""
    write = follow_up(contact(portal, "kim"))
    portal.faults.add("POST .*/tasks/batch/create", 1, action)
    receipts, _ = deliver(sink, write)
    assert [one.result for one in receipts.values()] == ["unknown"]
    (made,) = portal.records["tasks"].values()
    assert sink.find("follow_up_task", [write.key]) == {write.key: [made.id]}
    again, _ = deliver(sink, write)
    assert {one.result for one in again.values()} <= {"done", "unknown"}
    assert len(portal.records["tasks"]) == 1


def test_a_task_that_is_not_needed_any_more_is_completed(sink, portal):
    """Two leads turned out to be one person."""
    from dataclasses import replace

    write = follow_up(contact(portal, "kim"))
    receipts, _ = deliver(sink, write)
    ((_, receipt),) = receipts.items()
    closing = replace(write, record=receipt.record, create=False, fields={"done": True})
    assert [one.result for one in deliver(sink, closing)[0].values()] == ["done"]
    assert portal.records["tasks"][receipt.record]["hs_task_status"] == "COMPLETED"


def test_what_stands_beside_a_contact_is_what_the_settings_say(sink, portal, tmp_path):
    """Without them the gateway plans none of it."""
    assert sink.carries == {"follow_up_task": ("*",), "list_membership": ("Nurture", "No mail")}
    bare = SettingsSchema().load({"token": f"file:{tmp_path}/token", "base_url": portal.url})
    assert HubSpotSink(bare, Context(system="h", root=tmp_path, mapping=None, now=lambda: NOW)).carries == {}


def person(number, **fields):
    values = {"email": f"new{number}@example.org", "lastname": "Doe", **fields}
    return Write(key=f"lead:{number:032x}:contact", object="contact", record=None, fields=values, create=True)


def test_who_another_connector_knows_is_not_made_again(sink, portal):
    """By the Salesforce ids it left, of 15 or 18 characters; who is found carries our key; several are for a person."""
    first = len(portal.records["contacts"])  # of this portal, which other tests use, too
    mark = f"{first:010d}"
    contact_id, lead_id = f"003Ka{mark}", f"00QKa{mark}MAK"
    kim = portal.add("contacts", {"email": "kim@elsewhere.example", "salesforcecontactid": contact_id})
    twins = [portal.add("contacts", {"firstname": n, "salesforceleadid": lead_id}) for n in "ab"]
    portal.clock.advance(timedelta(minutes=5))  # the search index comes after
    found = person(first + 1, salesforcecontactid=f"{contact_id}IAK")
    several = person(first + 2, salesforceleadid=lead_id)
    new = person(first + 3, salesforceleadid="00QKa000009ZzZzMAK")
    receipts, _ = deliver(sink, found, several, new)
    assert receipts[found.key].candidates == (kim.id,)
    assert sorted(receipts[several.key].candidates) == sorted(one.id for one in twins)
    made = portal.records["contacts"][receipts[new.key].record]
    assert (made["email"], made["salesforceleadid"]) == (f"new{first + 3}@example.org", None)
    assert (kim["gw_external_id"], [one["gw_external_id"] for one in twins]) == (found.key, [None, None])
    assert sink.find("contact", [found.key]) == {found.key: [kim.id]}


@pytest.mark.parametrize("trouble", [None, {"drop": "before"}, {"drop": "after"}, {"status": 503}])
def test_a_lifecycle_stage_stands_where_it_was_set_or_is_not_done(sink, portal, trouble):
    """HubSpot moves it forward only: a step back is cleared, set and read again, whatever is cut in between."""
    there = ("opportunity", "lead", "subscriber", "customer")
    ids = [portal.add("contacts", {"firstname": "Kim", "lifecyclestage": stage}).id for stage in there]
    writes = [
        Write(key=f"k{id_}", object="contact", record=id_, fields={"lifecyclestage": "lead", "gw_score": 7})
        for id_ in ids
    ]
    if trouble:
        portal.faults.add({"call": "POST .*/batch/update", "body": '"lifecyclestage":"lead"'}, 1, trouble, skip=1)
    for _ in range(3):
        receipts, calls = deliver(sink, *writes)
        writes = [made for made in writes if receipts[made.key].result != "done"]
        if not writes:
            break
    assert not writes
    assert {portal.records["contacts"][id_]["lifecyclestage"] for id_ in ids} == {"lead"}
    assert [call.cost for call in calls] == [1]
