"""Before the first write: which org this is, what it lacks, and a folder that gives it what is ours."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli

README = (Path(__file__).parents[1] / "README.md").read_text()
MAPPING = re.search(r"```yaml mappings/crm.yaml\n(.*?)```", README, re.DOTALL)[1]
GATEWAY = """
instance: {name: Example, zone: Europe/Berlin, currency: EUR}
systems:
  crm:
    plugin: salesforce
    role: crm
    settings:
      login_url: https://acme.my.salesforce.com
      consumer_key: key
      consumer_secret: file:secret
      task: {}
  files: {plugin: files, role: ma}
"""
FILES = """
system: files
timezone: UTC
objects: {lead: {kind: person, id: id, time: received, fields: {email: email}}}
"""
NS = "{http://soap.sforce.com/2006/04/metadata}"


def field(name, type="string", **more):
    return {"name": name, "type": type, "nillable": True, "createable": True, "updateable": True, "length": 255, **more}


def key(name="Gateway_Id__c"):
    return field(name, externalId=True, unique=True)


@pytest.fixture
def held():
    """An org as the README asks for, object → fields."""
    system = [field(name) for name in ("Id", "CreatedDate", "SystemModstamp", "OwnerId", "AccountId", "Status")]
    system[3]["relationshipName"] = "Owner"
    person = [field(name) for name in ("FirstName", "LastName", "Company", "Email", "Title", "Reject_Reason__c")]
    ours = [key(), field("Gateway_Score__c", "double"), field("Gateway_Handoff__c")]
    ours.append(field("Gateway_Reasons__c", "textarea", length=32_768))
    more = [field("IsConverted", "boolean"), field("Name"), field("Industry"), field("StageName")]
    more += [field("Amount", "currency"), field("IsWon", "boolean"), field("IsClosed", "boolean")]
    fields = [*system, *person, *ours, *more]
    return {
        name: {one["name"]: dict(one) for one in fields}
        for name in ("Lead", "Contact", "Account", "Opportunity", "Task")
    }


@pytest.fixture
def run(tmp_path, org, held):
    (tmp_path / "gateway.yaml").write_text(GATEWAY)
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings/crm.yaml").write_text(MAPPING)
    (tmp_path / "mappings/files.yaml").write_text(FILES)
    about = {"Id": org.id, "Name": "Acme", "IsSandbox": True, "OrganizationType": "Enterprise Edition"}
    org.rows = lambda soql: [about] if "FROM Organization" in soql else []

    def answer(asked):
        if asked.path == "limits/":
            return 200, {"DailyApiRequests": {"Max": 100000, "Remaining": 93000}}
        if (described := re.fullmatch(r"sobjects/(\w+)/describe", asked.path)) and described[1] in held:
            return 200, {"fields": list(held[described[1]].values())}
        return None

    org.answers = [answer]

    def run(*arguments, code=0):
        result = CliRunner().invoke(cli, ["-C", str(tmp_path), *arguments], catch_exceptions=False)
        assert code in (None, result.exit_code), result.output
        return result.output

    return run


def findings(output):
    found = json.loads(output)
    said = {}
    for one in [*found["problems"], *found["warnings"]]:
        said[one["key"]] = f"{said.get(one['key'], '')}\n{one['message']}".strip()
    return said


def test_an_org_that_has_everything_is_told_by_name_and_kind(run, org):
    """With its id and the calls left; what is told of people and what we add ourselves is no field."""
    told = json.loads(run("check", "--online", "--json"))
    assert told["problems"] == []
    (one,) = told["online"]
    assert one["account"] == {
        "id": org.id, "name": "Acme", "sandbox": True, "pin": {"org_id": org.id}, "missing": [], "connectors": {},
        "about": {"edition": "Enterprise Edition", "calls left today": "93,000 of 100,000"},
    }  # fmt: skip
    assert "Acme" in run("check", "--online")


@pytest.mark.parametrize(
    ("object_", "name", "change", "key", "says"),
    [
        ("Lead", "Title", None, "fields.Title", "no such field"),
        ("Lead", "Reject_Reason__c", None, "outcomes[2].reason", "no such field"),
        ("Lead", "Gateway_Score__c", None, "fields.Gateway_Score__c", "`gateway plugins setup crm` makes it"),
        ("Lead", "Company", {"updateable": False, "createable": False}, "fields.Company", "read-only"),
        ("Lead", "Gateway_Handoff__c", {"type": "double"}, "fields.Gateway_Handoff__c", "takes a number"),
        ("Lead", "Title", {"type": "date"}, "fields.Title", "takes a date, the mapping writes string"),
        ("Lead", "Gateway_Id__c", {"length": 20}, "fields.Gateway_Id__c", "holds 20 characters"),
        ("Lead", "Region__c", {"nillable": False}, "create", "Region__c is required to create one"),
        ("Lead", "Status", {"type": "picklist", "picklistValues": [{"value": "New", "active": True}]},
         "outcomes[0].when.Status", "has no option 'Working - Contacted'; there are 'New'"),
    ],
)  # fmt: skip
def test_what_would_be_refused_is_found_before_anything_is_sent(run, held, object_, name, change, key, says):
    """Each at its key, with its line."""
    if change is None:
        del held[object_][name]
    else:
        held[object_][name] = held[object_].get(name, field(name)) | change
    found = findings(run("check", "--online", "--json", code=None))
    assert says in found[f"objects.{object_}.{key}"]


@pytest.mark.parametrize(
    ("object_", "name", "change", "says"),
    [
        ("Contact", "Gateway_Id__c", {"unique": False}, "Contact.Gateway_Id__c is our key: make it External ID"),
        ("Task", "Gateway_Id__c", None, "Activity.Gateway_Id__c is missing; `gateway plugins setup crm` makes it"),
    ],
)
def test_our_keys_are_looked_at(run, held, object_, name, change, says):
    """Without them everything would be there twice."""
    if change is None:
        del held[object_][name]
    else:
        held[object_][name] |= change
    assert says in findings(run("check", "--online", "--json", code=2))["systems.crm"]


def test_another_connector_is_told_with_the_fields_both_would_write(run, held, tmp_path):
    """The fields it leaves on records give it away."""
    held["Lead"]["HubSpot_Inc__HubSpot_Intelligence__c"] = field("HubSpot_Inc__HubSpot_Intelligence__c")
    said = findings(run("check", "--online", "--json"))["systems.crm"]
    assert "HubSpot's own connector" in said
    assert "Contact.Email, Lead.Email: let one do it" in said


def test_an_owner_that_cannot_be_followed_is_found(run, held):
    """Fields of related records begin with the relation's name."""
    del held["Lead"]["OwnerId"]["relationshipName"]
    assert "no such field" in findings(run("check", "--online", "--json", code=2))["objects.Lead.fields.Owner.Email"]


def test_an_object_that_is_hidden_is_told_once(run, held):
    """Not field by field."""
    del held["Account"]
    found = findings(run("check", "--online", "--json", code=2))
    assert [message for key, message in found.items() if key.startswith("objects.Account")] == [
        "no such object there, or hidden from our user"
    ]


def test_the_folder_holds_our_fields_and_who_may_write_them(run, org, tmp_path):
    """Keys are unique external ids; nobody is called."""
    output = run("plugins", "setup", "crm", "--metadata", str(tmp_path / "deploy"))
    assert "sf project deploy start --metadata-dir" in output
    lead = ElementTree.parse(tmp_path / "deploy/objects/Lead.object").getroot()
    fields = {one.findtext(f"{NS}fullName"): one for one in lead.iter(f"{NS}fields")}
    assert set(fields) == {"Gateway_Id__c", "Gateway_Score__c", "Gateway_Handoff__c", "Gateway_Reasons__c"}
    key = fields["Gateway_Id__c"]
    assert (key.findtext(f"{NS}externalId"), key.findtext(f"{NS}unique")) == ("true", "true")
    assert fields["Gateway_Reasons__c"].findtext(f"{NS}type") == "LongTextArea"
    activity = ElementTree.parse(tmp_path / "deploy/objects/Activity.object").getroot()
    assert [one.text for one in activity.iter(f"{NS}fullName")] == ["Gateway_Id__c"]
    package = ElementTree.parse(tmp_path / "deploy/package.xml").getroot()
    members = [one.text for one in package.iter(f"{NS}members")]
    assert {"Lead.Gateway_Id__c", "Contact.Gateway_Score__c", "Activity.Gateway_Id__c", "Lead_Gateway"} <= set(members)
    allowed = ElementTree.parse(tmp_path / "deploy/permissionsets/Lead_Gateway.permissionset").getroot()
    assert "Task.Gateway_Id__c" in [one.text for one in allowed.iter(f"{NS}field")]
    assert not org.asked
    assert "is not empty" in run("plugins", "setup", "crm", "--metadata", str(tmp_path / "deploy"), code=1)


def test_what_is_there_and_what_is_missing_is_told(run, held):
    """Object by object; nothing is changed."""
    del held["Lead"]["Gateway_Score__c"]
    steps = json.loads(run("plugins", "setup", "crm", "--dry-run", "--json"))["steps"]
    states = {f"{one['object']}.{one['name']}": one["state"] for one in steps}
    assert states["Lead.Gateway_Score__c"] == "missing"
    assert states["Contact.Gateway_Score__c"] == "there"
