"""Every mistake of a mapping file, at its line, all at once."""
# ruff: noqa: E501 - the table is read row by row: what is changed, and what is told

from __future__ import annotations

import copy
from typing import Any

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gateway.errors import ConfigError, Problem
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile

GOOD = """\
system: website
timezone: Europe/Berlin
items: "events[]"
objects:
  contact:
    kind: person
    only: {type: contact}
    id: contact.id
    time: updated_at
    created: {field: created_at, format: "%d.%m.%Y"}
    event_id: event_id
    blank: [Select]
    include: {email: {known: true}}
    exclude: [{reason: test address, when: {email: {ends_with: "@example.com"}}}]
    gone: {when: {deleted: true}}
    merged: {when: {merged: true}, losers: mergedIds}
    converted: {when: {converted: true}, to: company, id: convertedId}
    erased: {when: {erased: true}}
    links: [{to: company, id: company_id, role: works_at}]
    identify_by: [mql_id]
    create: stage mql
    once: key
    fields:
      email: email
      Total Time: {to: website_seconds, type: integer}
      Lead Source: {to: source, transforms: [strip, lower], values: {google ads: paid_search}}
      mql: mql_id
      seen: {to: last_seen, type: datetime}
      revenue: {to: revenue, type: money, currency: currency_code}
      lead_score: {to: score, sync: out}
    activities:
      - {activity: page_view, when: {type: page}, on: each, at: occurred_at, asset: page.url, channel: =web}
      - {activity: email_open, counter: opens, at: last_open}
    outcomes:
      - {outcome: won, when: {status: Won}, at: won_date, amount: amount, currency: EUR}
  company:
    kind: company
    id: id
    time: {field: ts, unit: ms}
"""
COUNTS = "counts: [{side: passed, object: contact, at: mql_at, where: {stage: [mql, sql]}}]\n"


def problems(text: str, name: str = "mappings/website.yaml") -> list[str]:
    try:
        compile_mapping(ConfigFile(name, text), "ma", {})
    except ConfigError as exc:
        return [str(problem) for problem in exc.problems]
    return []


def test_a_good_file_has_no_problem() -> None:
    """The base of the table below."""
    assert problems(GOOD) == []


def test_an_object_named_by_a_number_is_looked_up_too() -> None:
    """YAML makes a number of 2024, and of a slip such as 0."""
    bad = GOOD.replace("{to: company, id: company_id", "{to: 0, id: company_id")
    assert [one.partition("links[0].to: ")[2] for one in problems(bad)] == ["no such object in this file"]


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("system: website", "system: websit", ":1: system: must be 'website', like the file"),
        ("timezone: Europe/Berlin", "timezone: Europe/Berln", ":2: timezone: no such time zone; did you mean 'Europe/Berlin'?"),
        ("timezone: Europe/Berlin", "timezone: Europe", ":2: timezone: no such time zone"),
        ('"events[]"', '"events["', ":3: items: not a JMESPath expression"),
        ('"events[]"', "0", ":3: items: not a JMESPath expression"),
        ("objects:", "objcts:", ":1: objects: is missing"),
        ("objects:", "objcts:", ":4: objcts: unknown key; did you mean 'objects'?"),
        ("kind: person", "kind: persn", ":6: objects.contact.kind: not one of person, company, deal, user; did you mean 'person'?"),
        ("only: {type: contact}", "only: {type: {iss: contact}}", ":7: objects.contact.only.type.iss: unknown operator; did you mean 'is'?"),
        ("only: {type: contact}", 'only: {type: {matches: "["}}', ":7: objects.contact.only.type.matches: not a regular expression"),
        ("only: {type: contact}", 'only: {"type[": contact}', ":7: objects.contact.only: not a JMESPath expression"),
        ("id: contact.id", "idd: contact.id", ":8: objects.contact.idd: unknown key; did you mean 'id'?"),
        ("id: contact.id", 'id: "contact["', ":8: objects.contact.id: not a JMESPath expression"),
        ("time: updated_at", "time: {field: updated_at, unit: h}", ":9: objects.contact.time.unit: not one of s, ms"),
        ("time: updated_at", "time: {field: received, unit: s}", ":9: objects.contact.time: received has no format"),
        ("time: updated_at", "time: [updated_at]", ":9: objects.contact.time: "),
        ("%d.%m.%Y", "%d.%m.", ":10: objects.contact.created.format: the format lacks the year (%Y)"),
        ("blank: [Select]", "blank: [[Select]]", ":12: objects.contact.blank[0]: expected a text or number"),
        ("include: {email: {known: true}}", "include: {}", ":13: objects.contact.include: an empty condition"),
        ("reason: test address, ", "", ":14: objects.contact.exclude[0].reason: is missing"),
        ("to: company, id: convertedId", "to: compny, id: convertedId", ":17: objects.contact.converted.to: no such object in this file; did you mean 'company'?"),
        ("{to: company, id: company_id", "{to: compny, id: company_id", ":19: objects.contact.links[0].to: no such object in this file; did you mean 'company'?"),
        ("identify_by: [mql_id]", "identify_by: [mql_idd]", ":20: objects.contact.identify_by[0]: no field of this object is mapped to it; did you mean 'mql_id'?"),
        ("identify_by: [mql_id]", "identify_by: [score]", ":20: objects.contact.identify_by[0]: no field of this object is mapped to it"),
        ("create: stage mql", "create: alwys", ":21: objects.contact.create: not one of always, never, handoff, stage NAME; did you mean 'always'?"),
        ("create: stage mql", "create: stage", ":21: objects.contact.create: "),
        ("once: key", "once: kee", ":22: objects.contact.once: not one of key, lookup, at_least, at_most; did you mean 'key'?"),
        ("email: email", "email: E-Mail", ":24: objects.contact.fields.email.to: a lead field is written in small letters"),
        ("email: email", "email: {to: email, syn: in}", ":24: objects.contact.fields.email.syn: unknown key; did you mean 'sync'?"),
        ("email: email", "email: {to: email, sync: outt}", ":24: objects.contact.fields.email.sync: not one of in, out"),
        ("email: email", "email: {to: email, sync: prefer}", ":24: objects.contact.fields.email.prefer: sync: prefer and prefer: SYSTEM belong together"),
        ("email: email", "email: {to: email, unit: s}", ":24: objects.contact.fields.email.unit: only for type date or datetime"),
        ("email: email", "email: {to: email, format: x}", ":24: objects.contact.fields.email.format: only for dates"),
        ("email: email", "email: {to: score}", ":24: objects.contact.fields.email: score is worked out by the gateway"),
        ("type: integer", "type: integr", ":25: objects.contact.fields.Total Time.type: not one of string,"),
        ("type: integer", "type: integer, values: {a: 1.5}", ":25: objects.contact.fields.Total Time.values.a: the lead value does not fit type integer"),
        ("type: integer", "type: integer, transforms: [digits], values: {a1: 11, b1: 2}", ":25: objects.contact.fields.Total Time.values.a1: is never met"),
        ("[strip, lower]", "[strip, lowr]", ":26: objects.contact.fields.Lead Source.transforms[1]: no such transform; did you mean 'lower'?"),
        ("mql: mql_id", "mql: source", ":27: objects.contact.fields.mql: 'Lead Source' brings in source, too; let one be sync: only if blank"),
        (", currency: currency_code", "", ":29: objects.contact.fields.revenue.currency: money needs a currency"),
        ("currency: currency_code", "currency: currency_code, sync: out", ":29: objects.contact.fields.revenue.currency: an amount that is sent out needs a fixed currency"),
        ("activity: page_view", "activty: page_view", ":32: objects.contact.activities[0].activty: unknown key; did you mean 'activity'?"),
        ("on: each", "on: every", ":32: objects.contact.activities[0].on: not one of change, each"),
        ("at: occurred_at", "at: received", ":32: objects.contact.activities[0].at: leave it out"),
        ("counter: opens", "counter: opens, on: each", ":33: objects.contact.activities[1].on: a counter counts by itself"),
        ("activity: email_open", "name: x, activity: email_open", ""),
        ("outcome: won", "outcome: wonn", ":35: objects.contact.outcomes[0].outcome: not one of accepted, contacted, qualified, rejected, recycled, won, lost; did you mean 'won'?"),
        (", currency: EUR}", "}", ":35: objects.contact.outcomes[0]: an amount needs a currency"),
        ("kind: company", "kind: company\n    erased: {when: {x: 1}}", ":38: objects.company.erased: only persons are erased"),
        ("unit: ms", "unit: ms, format: '%Y-%m-%d'", ":39: objects.company.time: a time is written in a format or as a number"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_at_its_line(good: str, bad: str, told: str) -> None:
    """file:line: key: what is wrong; did you mean …"""
    assert good in GOOD
    found = problems(GOOD.replace(good, bad, 1))
    if told:
        assert [one for one in found if one.startswith(f"mappings/website.yaml{told}")], found
    else:
        assert found == []


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("", "", ""),
        ("side: passed", "side: past", "side: not one of passed, received"),
        ("object: contact", "object: contct", "object: no such object in this file; did you mean 'contact'?"),
        ("object: contact", "object: company", "object: is a company; leads are counted"),
        (", at: mql_at", "", "at: is missing"),
        ("[mql, sql]", "[mql, ~]", "where.stage: expected a raw value or a list of them, none of them blank"),
        ("[mql, sql]", "[]", "where.stage: expected a raw value"),
    ],
)
def test_each_mistake_of_a_count_is_told(good: str, bad: str, told: str) -> None:
    """What a system counts names one of its people objects, a time, and raw values."""
    found = problems(GOOD + COUNTS.replace(good, bad))
    assert [one.startswith(f"mappings/website.yaml:40: counts[0].{told}") for one in found] == [True] * bool(told)


@pytest.mark.parametrize("line", [9, 28, 32, 33, 35])
def test_every_time_that_could_lack_a_zone_asks_for_the_timezone(line: int) -> None:
    """The record's time, a field of type datetime, and the times of rules; a format with %z or a unit does not."""
    found = problems(GOOD.replace("timezone: Europe/Berlin", "# no zone"))
    assert any(f":{line}: " in one and "timezone:" in one for one in found), found
    assert not any(":39:" in one for one in found)
    zoned = GOOD.replace("timezone: Europe/Berlin", "# no zone").replace("%d.%m.%Y", "%d.%m.%Y %z")
    assert not any(":10:" in one for one in problems(zoned))


def test_all_problems_come_at_once_and_in_the_order_of_lines() -> None:
    """Five mistakes, five lines."""
    bad = (
        GOOD.replace("kind: person", "kind: persn")
        .replace("once: key", "once: kee")
        .replace("mql: mql_id", "mql: source")
    )
    bad = bad.replace("outcome: won", "outcome: wonn").replace(
        "{to: company, id: company_id", "{to: compny, id: company_id"
    )
    lines = [int(one.split(":")[1]) for one in problems(bad)]
    assert lines == sorted(lines)
    assert {6, 19, 22, 27, 35} <= set(lines)


def test_the_same_rule_twice_is_refused() -> None:
    """Two rules of one name would give two facts one key."""
    rule = "      - {activity: email_open, counter: opens, at: last_open}\n"
    assert any("the same rule" in one for one in problems(GOOD.replace(rule, rule + rule)))
    named = rule.replace("{", "{name: a, ")
    other = "      - {name: a, activity: page_view, when: {x: 1}}\n"
    assert any("of the same name" in one for one in problems(GOOD.replace(rule, named + other)))


def test_one_lead_field_has_one_type_within_a_kind() -> None:
    """Two persons' objects of one system may not disagree; a company's field is another field."""
    person = "  other:\n    kind: person\n    id: id\n    fields: {email: {to: email, type: string}}\n"
    assert any("email is of type string here and email at" in one for one in problems(GOOD + person))
    assert problems(GOOD + person.replace("kind: person", "kind: company")) == []


def test_transforms_of_plugins_are_known() -> None:
    """What a plugin registered may be named, and is suggested."""
    text = GOOD.replace("[strip, lower]", "[slug]")
    assert compile_mapping(ConfigFile("mappings/website.yaml", text), "ma", {"slug": str.lower})
    with pytest.raises(ConfigError, match="did you mean 'slug'"):
        compile_mapping(ConfigFile("mappings/website.yaml", GOOD.replace("lower]", "slg]")), "ma", {"slug": str.lower})


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["person", "in", "received", "=x", "a[", "%Y", "EUR", "stage x", "email", "lower", "won", "each"]),
)  # fmt: skip
KEYS = st.one_of(
    st.sampled_from(
        [
            "system",
            "timezone",
            "items",
            "objects",
            "kind",
            "only",
            "id",
            "time",
            "created",
            "event_id",
            "complete",
            "blank",
            "include",
            "exclude",
            "gone",
            "merged",
            "converted",
            "erased",
            "links",
            "identify_by",
            "create",
            "update",
            "once",
            "fields",
            "activities",
            "outcomes",
            "to",
            "type",
            "transforms",
            "values",
            "sync",
            "prefer",
            "currency",
            "format",
            "unit",
            "when",
            "reason",
            "losers",
            "activity",
            "outcome",
            "counter",
            "amount",
            "any",
            "all",
            "none",
        ]
    ),
    st.text(max_size=5),
    st.integers(0, 3),
    st.none(),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


def file_of(data: Any) -> ConfigFile:
    """A file whose data is ``data``, as if YAML had said so."""
    file = ConfigFile("mappings/website.yaml", "system: website")
    file.data = data
    return file


def told(data: Any) -> list[Any]:
    try:
        compile_mapping(file_of(data), "crm", {})
    except ConfigError as exc:
        return exc.problems
    return []


@given(st.dictionaries(KEYS, NESTED, max_size=4))
def test_any_data_is_answered_with_problems_never_a_traceback(data: Any) -> None:
    """Wrong types at every level."""
    assert all(isinstance(problem, Problem) for problem in told(data))


BASE = YAML(typ="safe").load(GOOD)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and index of nested data."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, inner in entries for place in ((*path, key), *places(inner, (*path, key)))]


@draws(300)
@given(place=st.sampled_from(places(BASE)), value=NESTED)
def test_one_wrong_value_anywhere_in_a_good_file_is_told(place: tuple[Any, ...], value: Any) -> None:
    """Replaces one value of a good file by anything: it compiles, or there are problems with the file's name."""
    data = copy.deepcopy(BASE)
    node = data
    for part in place[:-1]:
        node = node[part]
    node[place[-1]] = value
    assert all(isinstance(problem, Problem) and problem.file == "mappings/website.yaml" for problem in told(data))
