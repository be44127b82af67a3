"""YAML with line numbers, and what hostile YAML gets: problems."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, fields, validate
from ruamel.yaml import YAML

from gateway.errors import ConfigError
from gateway.settings.files import ConfigFile, content_hash


def told(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        ConfigFile("a.yaml", text)
    return [str(problem) for problem in refused.value.problems]


def test_data_is_plain_and_knows_its_lines() -> None:
    """ruamel's own types stay behind, also behind anchors."""
    file = ConfigFile("a.yaml", "a: &x true\nb:\n  - {c: 1.5}\n  - d: 2026-11-03\ne: *x\nf: off\n")
    assert file.data == {"a": True, "b": [{"c": 1.5}, {"d": date(2026, 11, 3)}], "e": True, "f": "off"}
    assert file.data["a"] is True
    assert type(file.data["b"][0]["c"]) is float
    assert [file.line(path) for path in [("b",), ("b", 0, "c"), ("b", 1, "d"), ("e", "deeper"), ("nowhere",)]] == [
        2,
        3,
        4,
        5,
        1,
    ]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "more than 100,000 values"),
        ("a: " + "[" * 50 + "]" * 50, "nested deeper than 24 levels"),
        ("a:\n  b: " + "[" * 2000, ":2: not readable as YAML: nested deeper than 24 levels"),
        ("a:" + "".join(f"\n{' ' * level}b:" for level in range(1, 700)), "not readable as YAML"),
        ("x: " + "y" * 1_000_001, "longer than 1,000,000 characters"),
        ("- a\n- b", "expected keys with values"),
        ("just text", "expected keys with values"),
        ("a: 1\na: secret", "a: stands here twice, first at line 1; keep one"),
        ("a: 'secret", "not readable as YAML"),
        ("a: 2026-13-45", "not readable as YAML"),
        ("b: '2026-02-30' # a text\na: {2026-02-30: 1}", ":2: not readable as YAML: there is no such day"),
        ("a: " + "9" * 5000, "not readable as YAML"),
        ("a: !!python/object:os.system secret", "a YAML tag"),
        ("a: !secret b", "a YAML tag"),
        ("? [a, b]\n: secret", "a key is one word or number"),
        ("a: 1\n---\nb: 2", "not readable as YAML"),
        ("a: \x00", "not readable as YAML"),
        ("\t- secret", "not readable as YAML"),
        ("a: *nowhere", "not readable as YAML"),
    ],
)
def test_hostile_yaml_is_one_problem_and_is_never_quoted(text: str, problem: str) -> None:
    """Bombs, depth, size, tags, duplicates: no traceback, no value in the text."""
    (line,) = told(text)
    assert line.startswith("a.yaml")
    assert problem in line
    assert "secret" not in line


def test_an_anchor_inside_itself_ends_in_nothing() -> None:
    """The loop is cut where it closes."""
    assert ConfigFile("a.yaml", "a: &a {b: *a, c: 1}").data == {"a": {"b": None, "c": 1}}


@given(st.text(alphabet="ab:-[]{}&*!?|>'\"#%@, \n\t0.~<", max_size=60))
def test_any_text_is_data_or_problems(text: str) -> None:
    """Noise made of YAML's own signs."""
    try:
        found = ConfigFile("a.yaml", text).data
    except ConfigError as exc:
        found = {str(problem): problem.file for problem in exc.problems}
        if set(found.values()) != {"a.yaml"}:
            raise
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b"a: \xff"), "cannot be read: it is not UTF-8 text"),
    ],
)
def test_an_unreadable_file_is_a_problem_of_the_file(tmp_path: Path, make: Any, problem: str) -> None:
    """Named relative to the instance."""
    make(tmp_path / "b.yaml")
    with pytest.raises(ConfigError) as refused:
        ConfigFile.read(tmp_path / "b.yaml", tmp_path)
    assert str(refused.value) == f"b.yaml: {problem}"


class Inner(Schema):
    name = fields.String(required=True)
    value = fields.Integer()
    fields_ = fields.Dict(
        keys=fields.String(validate=validate.Length(max=5)), values=fields.Integer(), data_key="fields"
    )


class Outer(Schema):
    things = fields.Dict(keys=fields.String(), values=fields.Nested(Inner))
    listed = fields.List(fields.Nested(Inner))
    many = fields.Nested(Inner, many=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("thngs: {}", "a.yaml:1: thngs: unknown key; did you mean 'things'?"),
        ("things:\n  a: {name: x, valu: 1}", "a.yaml:2: things.a.valu: unknown key; did you mean 'value'?"),
        ("things:\n  a: {name: x,\n    value: y}", "a.yaml:3: things.a.value: expected a whole number"),
        ("things:\n  value: {name: x,\n    value: y}", "a.yaml:3: things.value.value: expected a whole number"),
        ("things:\n  key:\n    nam: x", "a.yaml:3: things.key.nam: unknown key; did you mean 'name'?"),
        ("things:\n  a: 5", "a.yaml:2: things.a: expected keys with values"),
        ("listed:\n- {name: x}\n- {name: x,\n   value: y}", "a.yaml:4: listed[1].value: expected a whole number"),
        ("many:\n- {name: x}\n- {name: x,\n   vale: y}", "a.yaml:4: many[1].vale: unknown key; did you mean 'value'?"),
        ("listed:\n- {name: x, feelds: {}}", "a.yaml:2: listed[0].feelds: unknown key; did you mean 'fields'?"),
        (
            "listed:\n- name: x\n  fields:\n    abcdefg: 1",
            "a.yaml:4: listed[0].fields.abcdefg: longer than maximum length 5",
        ),
    ],
)
def test_marshmallows_messages_get_line_key_and_suggestion(text: str, problem: str) -> None:
    """Its own levels (value, key, _schema) are no keys of the file; keys of that name are."""
    file = ConfigFile("a.yaml", text)
    assert problem in [str(one) for one in file.check(Outer())]


def test_the_hash_is_of_the_content() -> None:
    """Layout, comments and quotes do not count; values and their order in lists do."""
    one = ConfigFile("a", "a: [1, x]  # comment\nb: {c: 2026-11-03}\n").data
    same = ConfigFile("b", "'a':\n- 1\n- 'x'\nb:\n  c: 2026-11-03\n").data
    other = ConfigFile("b", "a: [x, 1]\nb: {c: 2026-11-03}\n").data
    assert content_hash(one) == content_hash(same) != content_hash(other)


def test_yaml_of_this_very_test_is_fine_for_a_strict_parser() -> None:
    """The bomb is legal YAML: what refuses it is our limit, not the parser."""
    assert len(YAML(typ="safe").load(BOMB)) == 12


def test_every_key_that_stands_twice_is_told_at_once():
    """With both its lines; anchors and lists are looked into."""
    with pytest.raises(ConfigError) as caught:
        ConfigFile("x.yaml", "a: 1\nb: {c: 1, c: 2}\nl:\n  - {x: 1, x: 2}\na: 3\n")
    assert [str(problem) for problem in caught.value.problems] == [
        "x.yaml:2: b.c: stands here twice, first at line 2; keep one",
        "x.yaml:4: l[0].x: stands here twice, first at line 4; keep one",
        "x.yaml:5: a: stands here twice, first at line 1; keep one",
    ]


def test_keys_that_stand_twice_are_told_of_a_file_that_holds_itself():
    with pytest.raises(ConfigError) as caught:
        ConfigFile("x.yaml", "a: &a {b: *a}\nc: 1\nc: 2\n")
    assert "x.yaml:3: c: stands here twice" in str(caught.value)
