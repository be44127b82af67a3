"""Drafted mapping files: whatever the catalogues hold, ``check`` accepts them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contracts import Field
from gateway.mapping import compile_mapping
from gateway.mapping.draft import Frame, draft
from gateway.mapping.pairs import Side
from gateway.settings.files import ConfigFile

TEMPLATE: dict[str, Any] = {
    "objects": {
        "person": {
            "kind": "person",
            "id": "id",
            "time": "at",
            "links": [{"to": "firm", "id": "firm_id"}],
            "exclude": [{"reason": "test", "when": {"mail": {"ends_with": "@x.example"}}}],
            "fields": {
                "mail": "email",
                "job": {"to": "title"},
                "level": {"to": "level"},
                "gw_score": {"to": "score", "type": "integer", "sync": "out"},
                "gw_id": {"to": "lead_id", "sync": "out"},
            },
            "activities": [{"activity": "visit", "counter": "visits", "at": "last_visit", "asset": "page"}],
            "outcomes": [{"outcome": "accepted", "when": {"state": "Working"}, "reason": "why"}],
        },
        "firm": {"kind": "company", "id": "id", "time": "at", "fields": {"name": "name"}},
    }
}
KINDS = ("person", "company", "deal")
FRAME = Frame(TEMPLATE, "gw_", "Europe/Berlin", "EUR")


def catalogue(*fields: Field) -> dict[str, Field]:
    about = [Field(name=name, writable=False) for name in ("id", "at")]
    return {one.name: one for one in [*about, *fields]}


def person(*fields: Field) -> dict[str, dict[str, Field]]:
    return {"person": catalogue(*fields), "firm": {}}


def compiled(text: str, name: str = "here") -> Any:
    return compile_mapping(ConfigFile(f"mappings/{name}.yaml", text), "crm", {})


def line(text: str, name: str) -> str:
    return next(one for one in text.splitlines() if one.strip().lstrip("# ").startswith(f"{name}:"))


def test_without_an_account_everything_the_plugin_knows_is_in_use():
    """Nobody was asked, so nothing is left out."""
    mapping = compiled(draft(Side("here"), FRAME))
    assert set(mapping.objects) == {"person", "firm"}
    assert set(mapping.objects["person"].inbound) == {"mail", "job", "level"}


def test_what_the_account_lacks_is_not_in_use():
    """Fields, objects, links to them, exclusions and rules that look at them; ours are made later."""
    text = draft(Side("here", person(Field(name="job"))), FRAME)
    one = compiled(text).objects["person"]
    assert set(one.inbound) == {"job"}
    assert set(one.outbound) == {"gw_score", "gw_id"}
    assert one.reader.links == ()
    assert "# firm: no such object there" in text
    assert "# mail: email  # no such field there" in text
    assert "`gateway plugins setup here` makes it" in line(text, "gw_score")
    assert "# - {activity: visit" in text


def test_a_rule_keeps_what_it_can_read():
    """Without its optional fields it still fires; with an option that is not there it never would."""
    state = Field(name="state", type="choice", label="State", options=("New", "Working"))
    text = draft(Side("here", person(state, Field(name="visits", type="integer"))), FRAME)
    assert "- {activity: visit, counter: visits}" in text
    assert "- {outcome: accepted, when: {state: Working}}" in text
    state = Field(name="state", type="choice", label="State", options=("New", "Busy"))
    text = draft(Side("here", person(state)), FRAME)
    assert "# - {outcome: accepted" in text
    assert "there are 'New', 'Busy'" in text


def test_how_often_a_field_is_filled_is_told():
    """Of the records that were looked at; blanks and false count as empty."""
    items = [{"job": "x"}, {"job": ""}, {"job": None}, {"job": "y"}]
    text = draft(Side("here", person(Field(name="job"), Field(name="age", label="Age")), {"person": items}), FRAME)
    assert "# 50 %" in line(text, "job")
    assert "# 0 %" in line(text, "age")


def test_two_open_fields_of_one_lead_field_go_both_ways():
    """Where one side cannot be written it goes one way; a plugin's own word on it stands."""
    theirs = compiled(
        "system: there\nobjects: {contact: {kind: person, id: id, time: received, "
        "fields: {position: title, sales_level: level}}}",
        "there",
    )
    there = {"contact": {"position": Field(name="position"), "sales_level": Field(name="sales_level", writable=False)}}
    other = Side("there", there, mapping=theirs)
    both = person(Field(name="job", length=80), Field(name="level"))
    text = draft(Side("here", both), FRAME, other)
    assert "job: {to: title, sync: newest, length: 80}" in line(text, "job")
    assert "there: contact.position" in line(text, "job")
    assert "level: {to: level, sync: out}" in line(text, "level")
    assert "job: title" in draft(Side("here", person(Field(name="job", writable=False))), FRAME, other)


def test_a_lead_field_keeps_the_type_that_other_files_give_it():
    """One lead field is of one type everywhere."""
    frame = Frame(TEMPLATE, "gw_", "UTC", "EUR", {("person", "title"): "text"})
    assert compiled(draft(Side("here"), frame)).objects["person"].inbound["job"].type == "text"


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,12}(__c)?", fullmatch=True) | st.sampled_from(
    [
        "Score",
        "score",
        "Lead Source",
        "1st",
        "e-mail",
        "no",
        "null",
        "x: y",
        "a#b",
        "Straße",
        "__c",
        "job",
        "mail",
        "title",
    ]
)
TYPES = ("string", "text", "integer", "number", "boolean", "date", "datetime", "money", "list", "email", "phone", "url",
         "choice", "reference", "relation", "other")  # fmt: skip
fields = st.builds(
    Field,
    name=names,
    type=st.sampled_from(TYPES),
    label=names,
    length=st.none() | st.integers(1, 40_000),
    writable=st.booleans(),
    required=st.booleans(),
    options=st.lists(st.sampled_from(["A", "a", "b", "True", "1", "x, y", "{z}"]), max_size=4, unique=True).map(tuple),
    restricted=st.booleans(),
)
catalogues = st.lists(fields, max_size=12).map(lambda found: catalogue(*found))


@given(catalogues, catalogues, st.booleans(), st.sampled_from(KINDS))
@settings(max_examples=40, deadline=None)
def test_every_draft_is_accepted(ours, theirs, sampled, kind):
    """Also with all that stands there as comments put to use, one system after the other."""
    template = {"objects": {**TEMPLATE["objects"], "person": {**TEMPLATE["objects"]["person"], "kind": kind}}}
    frame = Frame(template, "gw_", "Europe/Berlin", "EUR")
    sample = {"person": [dict.fromkeys(theirs, "x")]} if sampled else {}
    first = draft(Side("there", {"person": theirs, "firm": theirs}, sample), frame)
    other = Side("there", {"person": theirs, "firm": theirs}, mapping=compiled(first, "there"))
    types = {
        (one.kind, field.to): field.type for one in other.mapping.objects.values() for field in one.inbound.values()
    }
    text = draft(Side("here", {"person": ours, "firm": {}}), Frame(template, "gw_", "UTC", "EUR", types), other)
    compiled(text)
    head, _, rest = text.partition("      # Not in use; take the # away from a line that you want:\n")
    used = [one.replace("      # ", "      ", 1) if one.startswith("      # ") and "- {" not in one else one
            for one in rest.splitlines()]  # fmt: skip
    compiled(head.replace("    fields: {}", "    fields:", 1) + "\n".join(used) + "\n")


@pytest.mark.parametrize("option", ["public_sector", "Public Sector", "public sector ", "PUBLIC-SECTOR"])
def test_picklists_meet_by_what_they_mean(option):
    """Case, blanks and signs do not matter; what is written is the system's own option."""
    theirs = compiled(
        "system: there\nobjects: {contact: {kind: person, id: id, time: received, fields: {l: level}}}", "there"
    )
    there = {"contact": {"l": Field(name="l", type="choice", options=(option,))}}
    ours = person(Field(name="level", type="choice", options=("PublicSector",)))
    mapping = compiled(draft(Side("here", ours), FRAME, Side("there", there, mapping=theirs)))
    field = mapping.objects["person"].outbound["level"]
    assert field.dump(field.load("PublicSector")) == "PublicSector"
    assert field.dump(" ".join(option.split())) == "PublicSector"
