"""Metadata folders: what is deployed can be written once it is granted, and a wrong folder changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway_sandbox import Clock, SalesforceSandbox
from gateway_sandbox.salesforce import DeployFailed

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
SPACE = 'xmlns="http://soap.sforce.com/2006/04/metadata"'
TIER = "<fullName>Tier__c</fullName><label>Tier</label><type>Text</type><length>20</length>"
KEY = (
    "<fullName>Our_Id__c</fullName><label>Our id</label><type>Text</type><length>64</length>"
    "<externalId>true</externalId><unique>true</unique>"
)


def folder(root: Path, lead: str = TIER, activity: str = KEY, granted: tuple[str, ...] = ("Lead.Tier__c",)) -> Path:
    members = "".join(f"<members>{name}</members>" for name in ("Lead.Tier__c", "Activity.Our_Id__c"))
    files = {
        "package.xml": f"<Package {SPACE}><types>{members}<name>CustomField</name></types>"
        "<version>67.0</version></Package>",
        "objects/Lead.object": f"<CustomObject {SPACE}><fields>{lead}</fields></CustomObject>",
        "objects/Activity.object": f"<CustomObject {SPACE}><fields>{activity}</fields></CustomObject>",
        "permissionsets/Ours.permissionset": f"<PermissionSet {SPACE}>"
        + "".join(
            f"<fieldPermissions><editable>true</editable><field>{name}</field><readable>true</readable>"
            "</fieldPermissions>"
            for name in granted
        )
        + "<label>Ours</label></PermissionSet>",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + text)
    return root


def create(sandbox: SalesforceSandbox, object: str, **values: Any) -> str:
    return sandbox.org.create(object, values, sandbox.org.user).id


def test_granted_fields_can_be_written_at_once(tmp_path):
    """A lead's field, and one key on Activity that is Task's and Event's."""
    sandbox = SalesforceSandbox(clock=Clock(), gateway=False)
    shown = sandbox.deploy(folder(tmp_path, granted=("Lead.Tier__c", "Task.Our_Id__c")))
    assert shown == ["Task.Our_Id__c", "Event.Our_Id__c", "Lead.Tier__c"]
    lead = create(sandbox, "Lead", LastName="Lee", Company="Norvik", Tier__c="gold")
    assert sandbox.records["Lead"][lead]["Tier__c"] == "gold"
    user = sandbox.org.user
    made = [sandbox.org.upsert("Task", "Our_Id__c", "t-1", {"Subject": "Call"}, user).created for _ in range(2)]
    assert made == [True, False]


@pytest.mark.parametrize(("granted", "assigned"), [(("Task.Our_Id__c",), True), (("Lead.Tier__c",), False)])
def test_a_field_that_is_not_granted_stays_hidden(tmp_path, granted, assigned):
    """It is deployed, but the integration user does not see it."""
    sandbox = SalesforceSandbox(gateway=False)
    sandbox.deploy(folder(tmp_path, granted=granted), assigned)
    assert "Tier__c" not in sandbox.org.objects["Lead"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lead": TIER.replace("<label>Tier</label>", "")}, "a label is required"),
        ({"lead": TIER.replace("<length>20</length>", "")}, "Text needs length"),
        ({"lead": TIER.replace("Tier__c", "Tier")}, "a custom field's name"),
        ({"lead": TIER.replace("Tier__c", "Other__c")}, "Lead.Other__c is not in package.xml"),
        ({"lead": TIER.replace("Tier__c", "Other__c")}, "package.xml: Lead.Tier__c has no definition"),
        ({"lead": TIER.replace("Text", "Words")}, "unknown type 'Words'"),
        ({"activity": KEY.replace("Text", "Date")}, "Date can be no external id"),
        ({"granted": ("Lead.Nonsense__c",)}, "no field Lead.Nonsense__c"),
        ({"lead": "<"}, "Lead.object: not well-formed"),
    ],
)
def test_a_wrong_folder_is_refused_whole(tmp_path, change, problem):
    """Every problem is said, nothing is deployed."""
    sandbox = SalesforceSandbox(gateway=False)
    with pytest.raises(DeployFailed) as caught:
        sandbox.deploy(folder(tmp_path, **change))
    assert any(problem in one for one in caught.value.problems)
    assert "Our_Id__c" not in sandbox.org.objects["Task"]
