"""What of the files belongs to the model, and whose keys it takes."""

from __future__ import annotations

import pytest

from gateway.errors import Refused
from gateway.governance.keys import APPROVE, OVERRIDE, REJECT, Turn, missing, refuse
from gateway.governance.parts import apart
from gateway.settings.files import ConfigFile

USED = {"title", "company.industry", "page_view"}
MAPPING = """
system: crm
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    blank: [none]
    fields:
      title: {to: title, values: {x: y}}
      phone: phone
      score: {to: score, sync: out}
    activities:
      - {activity: page_view, when: {page: {known: true}}}
      - {activity: call, when: {call: {known: true}}}
    outcomes: [{outcome: won, when: {status: Won}}]
  firm:
    kind: company
    id: id
    fields: {branch: industry, city: city}
  task: {kind: person, id: id, fields: {note: note}}
"""
JOURNEY = "stages: [{name: target}]\nowners: [{user: a@one.example}]\nnotify: {rep: {to: owner}}\n"
GATEWAY = "approval: two-key\nlisten: 127.0.0.1:80\nsystems: {crm: {plugin: files}}\n"


@pytest.mark.parametrize(
    ("name", "text", "old", "new", "belongs"),
    [
        ("scoring.yaml", "fit: []\nname: lead\n", "lead", "product", True),
        ("journey.yaml", JOURNEY, "target", "known", True),
        ("journey.yaml", JOURNEY, "a@one", "b@one", False),  # who gets handoffs
        ("journey.yaml", JOURNEY, "owner}", "[owner, x@one.example]}", False),  # who is told
        ("gateway.yaml", GATEWAY, "two-key", "off", True),
        ("gateway.yaml", GATEWAY, ":80", ":81", False),
        ("gateway.yaml", GATEWAY, "files}", "files, outbound: on}", False),
        ("mappings/crm.yaml", MAPPING, "title: {", "job: {", True),  # a scored attribute comes from elsewhere
        ("mappings/crm.yaml", MAPPING, "{x: y}", "{x: z}", True),
        ("mappings/crm.yaml", MAPPING, "branch: industry", "sector: industry", True),  # of the company
        ("mappings/crm.yaml", MAPPING, "[none]", "[none, '-']", True),  # of all its values
        ("mappings/crm.yaml", MAPPING, "timezone: UTC", "timezone: Europe/Berlin", True),
        ("mappings/crm.yaml", MAPPING, "{page: {", "{path: {", True),  # an activity that gives points
        ("mappings/crm.yaml", MAPPING, "status: Won", "status: Sold", True),  # an outcome
        ("mappings/crm.yaml", MAPPING, "{call: {", "{phoned: {", False),  # one that gives none
        ("mappings/crm.yaml", MAPPING, "phone: phone", "mobile: phone", False),
        ("mappings/crm.yaml", MAPPING, "score: {to", "points: {to", False),  # what we send
        ("mappings/crm.yaml", MAPPING, "city: city", "town: city", False),
        ("mappings/crm.yaml", MAPPING, "{note: note}", "{remark: note}", False),
        ("goals.yaml", "goals: []\n", "[]", "[1]", False),
    ],
)
def test_what_belongs_to_the_model(name: str, text: str, old: str, new: str, belongs: bool) -> None:
    """Whatever moves a score, a stage or an outcome does; what people, screens and other systems get does not."""
    assert old in text
    live, edited = ConfigFile(name, text).data, ConfigFile(name, text.replace(old, new)).data
    assert apart(name, edited, live, USED) is belongs


def test_content_belongs_to_a_model_that_weighs_it() -> None:
    """Where nothing is weighed by it, it only says what reports show."""
    live, edited = ({"content": [{"stage": one, "where": {"asset": "/x"}}]} for one in ("mql", "sql"))
    assert not apart("content.yaml", edited, live, USED)
    assert apart("content.yaml", edited, live, USED | {"content.yaml"})


def test_a_system_that_comes_or_goes_changes_no_model() -> None:
    """It is connected or parted; a change of one that stays is another thing."""
    data = ConfigFile("mappings/crm.yaml", MAPPING).data
    assert not apart("mappings/crm.yaml", data, {}, USED)
    assert not apart("mappings/crm.yaml", {}, data, USED)


def turn(what: str, role: str, user: str = "") -> Turn:
    return Turn(what, user or role, f"{role}@one.example", role, "because", 1)


@pytest.mark.parametrize(
    ("approval", "turns", "left"),
    [
        ("off", [], ()),
        ("one-key", [], ("marketing or sales",)),
        ("one-key", [turn(APPROVE, "sales")], ()),
        ("two-key", [], ("marketing", "sales")),
        ("two-key", [turn(APPROVE, "sales")], ("marketing",)),
        ("two-key", [turn(APPROVE, "sales"), turn(APPROVE, "marketing")], ()),
        ("two-key", [turn(OVERRIDE, "admin")], ()),
    ],
)
def test_whose_keys_are_missing(approval: str, turns: list[Turn], left: tuple[str, ...]) -> None:
    """An override takes none."""
    assert missing(approval, turns) == left  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "role", "user", "turns", "why"),
    [
        (APPROVE, "sales", "sam", [], ""),
        (APPROVE, "sales", "mo", [turn(APPROVE, "marketing", "mo")], "turned your key already"),  # of another role now
        (APPROVE, "marketing", "mi", [turn(APPROVE, "marketing", "mo")], "is missing is that of sales"),
        (APPROVE, "admin", "ada", [], "an admin has no key"),
        (APPROVE, "viewer", "vi", [], "decides about no model"),
        (REJECT, "viewer", "vi", [], "decides about no model"),
        (REJECT, "admin", "ada", [], ""),
        (OVERRIDE, "admin", "ada", [], ""),
        (OVERRIDE, "sales", "sam", [], "an admin's"),
    ],
)
def test_whose_turn_counts(what: str, role: str, user: str, turns: list[Turn], why: str) -> None:
    """The others are told who may."""
    if not why:
        refuse(what, user, role, "two-key", turns)
        return
    with pytest.raises(Refused, match=why):
        refuse(what, user, role, "two-key", turns)
