"""A mapping file held against a catalogue: each misfit at its key, and nothing said of what fits."""

from __future__ import annotations

import pytest

from gateway.contracts import Field
from gateway.mapping import compile_mapping
from gateway.mapping.fitting import Known, delivered, misfits, words
from gateway.settings.files import ConfigFile

HEAD = "system: here\ntimezone: UTC\nobjects:\n  lead:\n    kind: person\n    id: id\n    time: received\n"
NOTHING = Known({}, {})


def judged(text, *fields, known=NOTHING):
    file = ConfigFile("mappings/here.yaml", HEAD + text)
    one = compile_mapping(file, "crm", {}).objects["lead"]
    catalogue = {field.name: field for field in (Field(name="id", writable=False), *fields)}
    found = misfits(one, file.data["objects"]["lead"], catalogue, known, "`make`", "gw_")
    return {".".join(map(str, misfit.key)): (misfit.message, misfit.serious) for misfit in found}


def mapped(definition):
    return f"    create: never\n    fields: {{f: {definition}}}\n"


@pytest.mark.parametrize(
    ("definition", "there", "says"),
    [
        ("{to: title, sync: newest}", Field(name="f"), None),
        ("{to: title, sync: out}", Field(name="f", writable=False), "read-only"),
        ("{to: title}", Field(name="f", writable=False), None),
        ("{to: n, type: integer, sync: newest}", Field(name="f", type="number"), None),
        ("{to: title, sync: out}", Field(name="f", type="number"), "takes a number, the mapping writes string"),
        ("{to: born, type: date, sync: out}", Field(name="f", type="datetime"), None),
        ("{to: born, type: datetime, sync: out}", Field(name="f", type="date"), "takes a date"),
        ("{to: born, type: date}", Field(name="f", type="boolean"), "read as date: every value would be dropped"),
        ("{to: born, type: date}", Field(name="f"), None),  # a text may hold one
        ("title", Field(name="f", type="other"), "no mapping reads"),
        ("{to: title, sync: out, length: 50}", Field(name="f", length=40), "holds 40 characters"),
        ("{to: title, sync: out, length: 40}", Field(name="f", length=40), None),
        ("{to: lead_id, sync: out}", Field(name="f", length=20), "lead_id has up to 32"),
        ("{to: lead_id, sync: out}", Field(name="f", length=36), None),
        ("{to: tier, sync: out, values: {Gold: g}}", Field(name="f", type="choice", options=("Tin",)), "'Gold'"),
        ("{to: tier, values: {Gold: g}, values_default: drop}", Field(name="f", type="choice", options=("Gold", "Tin")),
         "no line for 'Tin'"),
    ],
)  # fmt: skip
def test_a_field_fits_or_is_told(definition, there, says):
    """Direction, type, length, options."""
    found = judged(mapped(definition), there)
    assert (says is None) == (found == {}), found
    assert says is None or says in found["fields.f"][0]


def test_unknown_fields_are_told_where_they_are_named():
    """With the nearest name, or who makes them."""
    found = judged(
        "    fields: {emial: email, gw_score: {to: score, sync: out}}\n"
        "    activities: [{activity: visit, counter: vists}]\n",
        Field(name="email"),
    )
    assert found["fields.emial"][0].endswith("did you mean 'email'?")
    assert found["fields.gw_score"][0].endswith("`make` makes it")
    assert found["activities.0.counter"][0].startswith("vists: no such field")


def test_paths_beyond_a_relation_are_not_judged():
    """The catalogue tells of one object only; an expression may be anything."""
    text = "    create: never\n    fields: {Owner.Email: owner, Owner.Name: name, 'tags[0]': tag, Other.Name: other}\n"
    assert list(judged(text, Field(name="Owner", type="relation"))) == ["fields.Other.Name"]


def test_what_a_record_needs_must_be_written_where_records_are_created():
    """Not where they never are, and not where nothing is written at all."""
    needed = Field(name="Name", required=True)
    text = "    create: {}\n    fields: {{mail: {{to: email, sync: newest}}}}\n"
    assert "Name is required" in judged(text.format("handoff"), Field(name="mail"), needed)["create"][0]
    assert judged(text.format("never"), Field(name="mail"), needed) == {}
    assert judged("    fields: {mail: email}\n", Field(name="mail"), needed) == {}


def test_options_that_the_other_side_brings_are_looked_for():
    """Serious where the picklist takes no others."""
    known = Known({"tier": {"gold": "there", "tin": "there"}}, {})
    for restricted in (True, False):
        there = Field(name="f", type="choice", options=("gold",), restricted=restricted)
        found = judged(mapped("{to: tier, sync: newest}"), there, known=known)
        assert found == {"fields.f": ("has no option 'tin', which there brings", restricted)}


def test_a_condition_on_an_option_that_is_not_there_never_holds():
    """Case does not matter, as conditions do not mind it; what a list or a group holds is looked at, too."""
    state = Field(name="state", type="choice", options=("Open", "Done"))
    rules = "    outcomes:\n      - {outcome: %s, when: %s}\n"
    for when, wrong in (
        ("{state: open}", False), ("{state: Opened}", True), ("{state: [Open, Closed]}", True),
        ("{state: {is: Closed}}", True), ("{any: [{state: Closed}]}", True), ("{state: {not: Closed}}", False),
        ("{state: {contains: Op}}", False),
    ):  # fmt: skip
        found = judged(rules % ("won", when), state)
        assert bool(found) == wrong, when
        assert all(not serious for _, serious in found.values())


def test_texts_that_may_be_too_long_are_told_once_as_a_warning():
    """The other side's fields hold more; whoever says length is fine."""
    text = "    create: never\n    fields:\n      a: {to: one, sync: newest}\n      b: {to: two, sync: newest}\n"
    short = [Field(name=name, length=40) for name in "ab"]
    known = Known({}, {"one": 100, "two": 100})
    found = judged(text, *short, known=known)
    assert found == {
        "fields": ("a (40), b (40): may be too short for what comes; a longer value is refused: say length: N", False)
    }
    assert judged(text.replace("newest}", "newest, length: 40}"), *short, known=known) == {}


def test_what_is_delivered_is_what_has_its_fields():
    """A rule whose counter is not there brings nothing; a picklist brings its options, mapped."""
    file = ConfigFile(
        "mappings/here.yaml",
        HEAD + "    fields: {a: one, b: two, c: {to: tier, values: {Gold: g}}}\n"
        "    activities:\n      - {activity: visit, counter: visits}\n      - {activity: mail, when: {a: x}}\n",
    )
    one = compile_mapping(file, "crm", {}).objects["lead"]
    catalogue = {"a": Field(name="a"), "c": Field(name="c", type="choice", options=("Gold", "Tin"))}
    assert delivered(one, file.data["objects"]["lead"], catalogue) == ({"one", "tier"}, {"mail"})
    assert set(words(one, catalogue)) == {("tier", "g", "c"), ("tier", "Tin", "c")}
