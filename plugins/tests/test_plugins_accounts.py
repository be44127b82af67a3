"""Connecting real accounts, played on both sandboxes: added, drafted, checked, set up, without YAML written by hand."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from gateway_sandbox import HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.hubspot import TOKEN
from gateway_sandbox.hubspot.catalogue import Property, options
from gateway_sandbox.salesforce import CONSUMER_KEY, CONSUMER_SECRET

from gateway.cli.main import cli
from gateway.host import Host
from gateway.opening import open_gateway
from gateway.settings.loading import load_instance

GATEWAY = """# ours
instance: {name: Example, zone: Europe/Berlin, currency: EUR}

systems:   # in the order of their rank
  fair: {plugin: files, role: ma}

# the end
"""
FAIR = "system: fair\nobjects: {lead: {kind: person, id: id, time: received, fields: {email: email}}}\n"
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 30, behaviour: 30}
fit:
  - {name: Decision maker, when: {title: {contains: chief}}, points: 30}
behaviour:
  - {name: Met us, activity: meeting_held, points: 10}
  - {name: Click, activity: email_click, points: 10}
"""


class Accounts:
    """An instance and two accounts that are not in it yet."""

    def __init__(self, folder: Path, hubspot: HubSpotSandbox, salesforce: SalesforceSandbox) -> None:
        self.folder, self.hubspot, self.salesforce = folder, hubspot, salesforce
        self.urls: dict[str, str] = {}
        (folder / "mappings").mkdir(parents=True)
        for name, text in {"gateway.yaml": GATEWAY, "mappings/fair.yaml": FAIR, "scoring.yaml": SCORING}.items():
            (folder / name).write_text(text)

    def __call__(self, *arguments, code=0, typed=None):
        result = CliRunner().invoke(cli, ["-C", str(self.folder), *arguments], input=typed, catch_exceptions=False)
        assert code in (None, result.exit_code), result.output
        return result.output

    def add(self, plugin, *arguments, **more):
        given = {
            "hubspot": ["--set", "token=${HS}", "--set", f"base_url={self.urls['hubspot']}"],
            "salesforce": ["--set", f"login_url={self.urls['salesforce']}", "--set", "consumer_key=${SF_KEY}",
                           "--set", "consumer_secret=${SF_SECRET}", "--set", "task={}"],
        }  # fmt: skip
        return self("systems", "add", plugin, *given[plugin], *arguments, **more)

    def found(self, *, code=None):
        told = json.loads(self("check", "--online", "--json", code=code))
        return {one["key"]: one["message"] for one in [*told["problems"], *told["warnings"]]}

    def text(self, name):
        return (self.folder / name).read_text()


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    for name, value in {"HS": TOKEN, "SF_KEY": CONSUMER_KEY, "SF_SECRET": CONSUMER_SECRET}.items():
        monkeypatch.setenv(name, value)
    made = Accounts(tmp_path / "instance", HubSpotSandbox(seed=1), SalesforceSandbox(seed=1, gateway=False))
    with serve(made.hubspot) as one, serve(made.salesforce) as other:
        made.urls = {"hubspot": one.url, "salesforce": other.url}
        yield made


def test_both_are_connected_set_up_and_right_without_a_line_of_yaml(accounts):
    """Added, drafted with each other, set up: then nothing is left that the accounts would refuse."""
    accounts.add("hubspot")
    accounts.add("salesforce")
    accounts("mapping", "draft", "salesforce", "--with", "hubspot", "--write", "--force")
    accounts("mapping", "draft", "hubspot", "--with", "salesforce", "--write", "--force")
    accounts("plugins", "setup", "hubspot")
    accounts("plugins", "setup", "salesforce", "--metadata", str(accounts.folder / "deploy"))
    accounts.salesforce.deploy(accounts.folder / "deploy")
    accounts("check", "--online")


def test_the_section_is_written_and_the_rest_stays(accounts):
    """Comments, order and layout; the account is pinned, and nothing is sent yet."""
    output = accounts.add("hubspot")
    assert "id 9900123, a sandbox" in output
    text = accounts.text("gateway.yaml")
    assert text.startswith(GATEWAY.split("\n\n# the end")[0])
    assert text.endswith("# the end\n")
    instance = load_instance(accounts.folder, Host())
    system = instance.systems["hubspot"]
    assert (system.role, system.outbound, system.settings["portal_id"]) == ("ma", False, 9900123)
    assert list(instance.systems) == ["fair", "hubspot"]


def test_a_system_that_nobody_asks_is_told(accounts):
    """HubSpot's webhooks only name a record: without `pull` it would never be fetched."""
    accounts.add("hubspot")
    path = accounts.folder / "gateway.yaml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "pull:" not in line))
    warnings = json.loads(accounts("check", "--json"))["warnings"]
    [warning] = [one for one in warnings if "fetched" in one["message"]]
    assert (warning["file"], warning["key"]) == ("gateway.yaml", "systems.hubspot")
    assert "write `pull: 10m`" in warning["message"]


def test_a_crm_to_which_nobody_is_handed_over_is_told(accounts):
    """Its records would be made at a handoff, and there is none."""
    accounts.add("salesforce")
    (accounts.folder / "journey.yaml").write_text("stages: [{name: target, shared: target}]\n")
    warnings = json.loads(accounts("check", "--json"))["warnings"]
    [warning] = [one for one in warnings if "handoff" in one["message"]]
    assert (warning["file"], warning["key"]) == ("mappings/salesforce.yaml", "objects.Lead")
    assert "write `handoff: salesforce` there" in warning["message"]


def test_an_account_of_another_name_is_refused_later(accounts, monkeypatch):
    """The pin: the credentials of another org do not pass."""
    accounts.add("salesforce", "--name", "crm")
    other = SalesforceSandbox(seed=2)
    with serve(other) as served:
        path = accounts.folder / "gateway.yaml"
        path.write_text(path.read_text().replace(accounts.urls["salesforce"], served.url))
        assert "belongs to another org" in accounts.found(code=2)["systems.crm"]


@pytest.mark.parametrize("plugin", ["hubspot", "salesforce"])
def test_nothing_is_written_when_the_account_does_not_answer(accounts, monkeypatch, plugin):
    """Wrong credentials: the secret is named by its reference, and both files are as before."""
    monkeypatch.setenv("HS", "pat-wrong")
    monkeypatch.setenv("SF_SECRET", "wrong")
    output = accounts.add(plugin, code=1)
    assert "refused ${" in output
    assert accounts.text("gateway.yaml") == GATEWAY
    assert [path.name for path in (accounts.folder / "mappings").iterdir()] == ["fair.yaml"]
    accounts.add(plugin, "--offline")
    assert (accounts.folder / f"mappings/{plugin}.yaml").exists()


def test_missing_settings_are_all_named(accounts):
    """With what to say; nobody is asked at a pipe."""
    output = accounts("systems", "add", "salesforce", "--set", "colour=red", code=2)
    for said in ("login_url: is missing", "give --set 'consumer_key=${NAME}'", "colour: unknown key"):
        assert said in output
    url = ("--set", "login_url=https://acme.my.salesforce.com", "--set", "consumer_key=3MVG9")
    output = accounts("systems", "add", "salesforce", *url, code=2)
    assert "give --set 'consumer_secret=${NAME}'" in output


def test_a_secret_itself_is_refused_without_being_repeated(accounts):
    """Only a reference may stand in a file."""
    output = accounts("systems", "add", "hubspot", "--set", "token=pat-secret-value", code=2)
    assert "never the secret itself" in output
    assert "pat-secret-value" not in output


def test_at_a_terminal_everything_is_asked_and_the_secret_kept_apart(accounts):
    """In a file that only we can read."""
    accounts(
        "systems", "add", "hubspot", "--ask", "--set", f"base_url={accounts.urls['hubspot']}", typed=f"\n{TOKEN}\n"
    )
    kept = accounts.folder / "hubspot.token.secret"
    assert kept.read_text() == f"{TOKEN}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert TOKEN not in accounts.text("gateway.yaml")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["hubspo"], "did you mean 'hubspot'"),
        (["files", "--name", "fair"], "gateway.yaml:5: there is a system 'fair' already"),
        (["files", "--name", "My CRM"], "small letters"),
        (["files", "--set", "path"], "--set takes KEY=VALUE"),
        (["files", "--set", "path=x", "--set", "path.a=x"], "path has a value of its own"),
    ],
)
def test_what_cannot_be_added_is_told(accounts, arguments, says):
    """Before anything is asked or written."""
    assert says in accounts("systems", "add", *arguments, code=1)
    assert accounts.text("gateway.yaml") == GATEWAY


def test_a_wrong_interval_is_told_before_anything_is_written(accounts):
    """As in the file it would stand in."""
    assert "systems.more.pull" in accounts("systems", "add", "files", "--name", "more", "--pull", "soon", code=2)
    assert accounts.text("gateway.yaml") == GATEWAY


def test_missing_scopes_are_named_with_their_purpose(accounts):
    """Also those for writing, without anything being written."""
    accounts.hubspot.scopes = {
        f"crm.{what}.{path}.read" for what in ("objects", "schemas") for path in ("contacts", "companies", "deals")
    }
    output = accounts.add("hubspot")
    assert "missing: crm.objects.contacts.write (to write scores, stages and buckets)" in output
    assert "missing: crm.schemas.contacts.write (for `gateway plugins setup`)" in output
    assert accounts.hubspot.effects == []
    assert "lacks crm.objects.contacts.write" in accounts("check", "--online", code=2)


def test_a_draft_says_how_often_fields_are_filled_and_finds_partners(accounts):
    """Fields of the account's own with the same name on both sides, their picklists side by side."""
    accounts.hubspot.define(
        "contacts", Property("industry_segment", "Industry segment", "enumeration", "select",
                             options=options(("retail", "public_sector", "space")), own=False),
    )  # fmt: skip
    accounts.salesforce.define("Lead", "Industry_Segment__c picklist*(Retail|Public Sector)")
    for number in range(4):
        segment = {"industry_segment": "retail"} if number else {}
        accounts.hubspot.add("contacts", {"email": f"p{number}@firm.example", **segment})
    accounts.add("salesforce")
    accounts("mapping", "draft", "salesforce", "--write", "--force")
    accounts.add("hubspot")
    text = accounts("mapping", "draft", "hubspot", "--with", "salesforce")
    (line,) = [line for line in text.splitlines() if "industry_segment:" in line]
    assert "75 %" in line
    assert "salesforce: Lead.Industry_Segment__c" in line
    assert "values: {retail: Retail, public_sector: Public Sector}" in line
    accounts("mapping", "draft", "hubspot", "--with", "salesforce", "--write", "--force")
    text = accounts("mapping", "draft", "salesforce", "--with", "hubspot")
    (line,) = [line for line in text.splitlines() if "Industry_Segment__c:" in line]
    assert "no counterpart: space" in line
    assert "sync" not in line  # what has no counterpart would be refused


def test_a_draft_is_not_written_over_a_file(accounts):
    """Unless it is said."""
    accounts.add("hubspot")
    before = accounts.text("mappings/hubspot.yaml")
    assert "--force replaces it" in accounts("mapping", "draft", "hubspot", "--write", code=1)
    assert accounts.text("mappings/hubspot.yaml") == before


def test_rules_that_can_never_fire_are_named(accounts):
    """What no account delivers, with the reason; what one delivers is not named."""
    accounts.hubspot.scopes = None
    accounts.add("hubspot")
    found = accounts.found()
    assert "'Met us' can never fire" in found["behaviour[0].activity"]
    assert "name it under activities in the settings: [meetings]" in found["behaviour[0].activity"]
    assert "behaviour[1].activity" not in found
    path = accounts.folder / "gateway.yaml"
    path.write_text(path.read_text().replace("      portal_id", "      activities: [meetings]\n      portal_id"))
    assert "behaviour[0].activity" not in accounts.found()


def test_a_picklist_that_lacks_what_the_other_side_brings_is_told(accounts):
    """Before a lead dies of it."""
    accounts.hubspot.define(
        "contacts", Property("tier", "Tier", "enumeration", "select", options=options(("gold", "tin")), own=False)
    )
    accounts.salesforce.define("Lead", "Tier__c picklist*(gold|silver)")
    accounts.add("hubspot")
    accounts.add("salesforce")
    for name, line, more in (("hubspot", "      email: email", "      tier: tier"),
                             ("salesforce", "      Phone:", "      Tier__c: {to: tier, sync: newest}")):  # fmt: skip
        path = accounts.folder / f"mappings/{name}.yaml"
        path.write_text(path.read_text().replace(line, f"{more}\n{line}", 1))
    said = accounts.found(code=2)["objects.Lead.fields.Tier__c"]
    assert said == "has no option 'tin', which hubspot (contact.tier) brings"


def test_hubspots_own_connector_is_found_by_what_it_leaves(accounts):
    """Ids of Salesforce on contacts; the fields that both would write are named."""
    accounts.hubspot.add("contacts", {"email": "ann@firm.example", "salesforcecontactid": "003Ka000002XyZaIAK"})
    accounts.add("hubspot")
    accounts.add("salesforce")
    accounts("mapping", "draft", "hubspot", "--with", "salesforce", "--write", "--force")
    said = accounts.found()["systems.hubspot"]
    assert "HubSpot's own Salesforce connector is at work here, too (1 contacts carry its ids)" in said
    assert "contact.jobtitle" in said


def test_one_account_that_fails_keeps_nobody_from_the_others(accounts, monkeypatch):
    """Its failure is a problem at its line; the other's fields are looked at."""
    accounts.add("hubspot")
    accounts.add("salesforce")
    monkeypatch.setenv("HS", "pat-wrong")
    found = accounts.found(code=2)
    assert "refused ${HS}" in found["systems.hubspot"]
    assert any("`gateway plugins setup salesforce` makes it" in said for said in found.values())


def test_salesforce_gets_our_fields_from_whoever_may_change_the_org(accounts):
    """Only what is missing is defined; a person gives the permission set, and then nothing is left."""
    accounts.salesforce.define("Lead", "Gateway_Score__c double(3,0)")
    accounts.salesforce.org.may_deploy = True
    accounts.add("salesforce", "--name", "crm")
    steps = json.loads(accounts("plugins", "setup", "salesforce", "--json"))["steps"]
    states = {f"{one['object']}.{one['name']}": one["state"] for one in steps}
    assert (states["Lead.Gateway_Score__c"], states["Activity.Gateway_Id__c"]) == ("there", "made")
    assert any("assign the permission set Lead_Gateway" in one["message"] for one in steps)
    assert accounts.salesforce.org.objects["Lead"]["Gateway_Score__c"].precision == 3
    accounts.salesforce.assign()
    assert "crm has everything that the mapping writes" in accounts("plugins", "setup", "crm")
    accounts("check", "--online")


def test_an_integration_user_is_told_to_let_an_administrator_deploy(accounts):
    """It may not change the org, and should not."""
    accounts.add("salesforce")
    output = accounts("plugins", "setup", "salesforce", code=1)
    assert "run this with --metadata DIR for an administrator to deploy" in output
    assert accounts.salesforce.org.unassigned == {}


def test_missing_object_permissions_are_named(accounts):
    """By object, in Salesforce's words."""
    accounts.salesforce.forbid("Lead", "createable")
    accounts.salesforce.forbid("Contact")
    output = accounts.add("salesforce")
    assert "missing: Lead: Create" in output
    assert "missing: Contact: Read (the object is hidden from our user)" in output


def test_another_account_pauses_the_system_with_the_reason(accounts, monkeypatch):
    """At the next pull, without spending tries; nothing of the other account comes in."""
    accounts.add("hubspot")
    other = HubSpotSandbox(seed=2, portal_id=555)
    other.add("contacts", {"email": "stranger@firm.example"})
    with serve(other) as served:
        path = accounts.folder / "gateway.yaml"
        path.write_text(path.read_text().replace(accounts.urls["hubspot"], served.url))
        with contextlib.closing(open_gateway(accounts.folder)) as gateway:  # as `gateway run` does
            gateway.pull_once("hubspot")
        (one,) = [
            one for one in json.loads(accounts("systems", "list", "--json"))["systems"] if one["system"] == "hubspot"
        ]
        assert "is of the HubSpot account 555, not of 9900123" in one["paused"]
        assert json.loads(accounts("leads", "list", "--json"))["total"] == 0


def test_what_comes_one_by_one_is_not_counted_again(accounts):
    """With its stream on, a draft reads it there and leaves the counter out; a file that has both is wrong."""
    accounts.add("hubspot", "--set", "activities=[form_submissions]")
    text = accounts.text("mappings/hubspot.yaml")
    assert "  form_submission:\n" in text
    assert "  # email_event: email_events: name it under activities" in text
    assert "# - {activity: form_submitted, counter: num_conversion_events" in text
    path = accounts.folder / "mappings/hubspot.yaml"
    path.write_text(text.replace("      # - {activity: form_submitted", "      - {activity: form_submitted"))
    found = accounts.found(code=2)
    assert [said for said in found.values() if "each form_submitted comes with form_submissions already" in said]


def test_a_stream_that_nothing_is_made_of_is_told(accounts):
    """It costs calls for nothing."""
    accounts.add("hubspot")
    path = accounts.folder / "gateway.yaml"
    path.write_text(path.read_text().replace("      portal_id", "      activities: [email_events]\n      portal_id"))
    said = accounts.found()["systems.hubspot.settings"]
    assert "email_events come, but the mapping has no object email_event" in said


def test_the_doctor_tries_the_credentials_and_the_mapping_of_a_plugins_systems(accounts, monkeypatch):
    """In a process of its own; the token is never shown, and what is refused is told with its reference."""
    accounts.add("hubspot")
    accounts("mapping", "draft", "hubspot", "--write", "--force")
    accounts("plugins", "setup", "hubspot")
    monkeypatch.setenv("GATEWAY_PLUGINS", "hubspot,files")

    def doctor(code):
        told = accounts("plugins", "check", "hubspot", "--json", code=code)
        assert TOKEN not in told
        findings = json.loads(told)["plugins"][0]["findings"]
        return {one["about"]: (one["state"], one["told"]) for one in findings if one["system"] == "hubspot"}

    found = doctor(0)
    assert found["secrets"] == ("ok", "${HS}: there")
    assert found["credentials"][0] == "ok"
    assert "id 9900123" in found["credentials"][1]
    assert found["mapping"] == ("ok", "fits the account's fields")
    monkeypatch.setenv("HS", "pat-another")
    found = doctor(1)
    assert found["credentials"][0] == "wrong"
    assert "${HS}" in found["credentials"][1]
    assert found["mapping"] == ("not tried", "the account could not be asked")


def test_what_is_counted_must_be_there_and_have_a_time(accounts):
    """Told beforehand, at its line; the same where it is right says nothing."""
    accounts.add("salesforce")
    path = accounts.folder / "mappings/salesforce.yaml"
    text = path.read_text()
    path.write_text(
        f"{text}\ncounts: [{{side: received, object: Lead, at: CreatedDate, where: {{LeadSource: Web}}}}]\n"
    )
    assert not [key for key in accounts.found() if key.startswith("counts")]
    path.write_text(f"{text}\ncounts: [{{side: received, object: Lead, at: Company, where: {{LeadSrc: Web}}}}]\n")
    told = {key: said for key, said in accounts.found().items() if key.startswith("counts")}
    assert told["counts[0].at"] == "Company is of type string there, not a time"
    assert told["counts[0].where.LeadSrc"].startswith("LeadSrc: no such field there, or hidden from our user")
