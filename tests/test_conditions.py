"""Conditions: what each test means, how it is said, and what is reported about a wrong one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.conditions import OPERATORS, _test, attributes_of, check_condition, compile_condition, in_words
from gateway.settings.files import ConfigFile

LEAD = {
    "country": "Germany ",
    "employees": 50,
    "budget": "120.5",
    "tags": ["Red", "blue"],
    "customer": True,
    "born": "2026-01-15",
    "seen": "2026-01-15T10:00:00.500000Z",
    "value": ["1500.00", "EUR"],
    "empty": "",
    "company.industry": "Software",
}


@pytest.mark.parametrize(
    ("yaml", "holds"),
    [
        ("country: germany", True),  # case and outer blanks do not matter
        ("country: [France, GERMANY]", True),
        ("country: France", False),
        ("country: {not: Germany}", False),
        ("country: {not_in: [France, Italy]}", True),
        ("company.industry: software", True),
        ("employees: 50", True),
        ("employees: '50'", True),  # text that spells the number is equal to it
        ("employees: {at_least: 50, below: 51}", True),
        ("employees: {above: 50}", False),
        ("employees: {at_most: 49.9}", False),
        ("employees: {between: [50, 50]}", True),  # both ends included
        ("budget: {above: 120}", True),  # numeric text against a number test is a number
        ("budget: 120.50", True),
        ("country: {above: 5}", False),  # cannot be compared: false, no exception
        ("customer: {above: 0}", False),  # a truth value is no number
        ("customer: true", True),
        ("customer: 1", False),
        ("tags: red", True),  # a list passes when any element does
        ("tags: {not: green}", True),
        ("tags: {not_in: [green, Blue]}", False),  # ... and for not/not_in when none equals
        ("tags: {contains: lu}", True),
        ("value: {at_least: 1500}", True),  # money is compared by its amount
        ("value: {below: 1500}", False),
        ("value: EUR", True),
        ("born: 2026-01-15", True),
        ("born: {above: 2026-01-14, at_most: 2026-01-15}", True),
        ("seen: {at_most: 2026-01-15}", True),  # against a day, a time is its day
        ("seen: 2026-01-15", True),
        ("seen: {above: 2026-01-15T10:00:00}", True),  # a fraction comes after its full second
        ("seen: {above: 2026-01-15T12:00:00+02:00}", True),  # other zones are brought to UTC
        ("born: {below: 2026-01-15T00:00:01}", True),  # a day against a time is its midnight
        ("country: {starts_with: ger}", True),
        ("country: {ends_with: [many, land]}", True),
        ("country: {contains: xyz}", False),
        ("country: {matches: '^g.*y'}", True),
        ("employees: {matches: '^5'}", True),
        ("country: {known: true}", True),
        ("nowhere: {known: false}", True),
        ("empty: {known: true}", False),
        ("nowhere: x", False),
        ("nowhere: {at_most: 5}", False),
        ("nowhere: {contains: x}", False),
        ("nowhere: {matches: '.*'}", False),
        ("nowhere: {not: x}", True),
        ("nowhere: {not_in: [x, y]}", True),
        ("{country: Germany, employees: 1}", False),  # several attributes: all must hold
        ("{any: [{country: France}, {employees: 50}]}", True),
        ("{all: [{country: Germany}, {employees: 1}]}", False),
        ("{none: [{country: France}, {employees: 1}]}", True),
        ("{none: [{country: Germany}]}", False),
        ("{country: Germany, any: [{employees: 1}, {all: [{employees: 50}, {customer: true}]}]}", True),
    ],
)
def test_a_test_means_what_the_table_says(yaml, holds):
    """Each operator on present, missing, listed and incomparable values; every row also passes the check."""
    file = ConfigFile("c.yaml", yaml)
    assert check_condition(file, (), file.data, None) == []
    assert compile_condition(file.data)(LEAD) is holds


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 60) | st.floats(allow_nan=False) | st.text(max_size=4)
    | st.sampled_from(["50", " 1.5", "2026-01-15", "2026-01-15T10:00:00Z", "Germany"]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
scalars = (
    st.integers(-3, 60) | st.booleans() | st.sampled_from(["50", "1.5", "2026-01-15", "2026-01-15T10:00:00Z", "ger"])
)


@given(st.sampled_from([name for name in OPERATORS if name not in ("known", "between", "matches")]), scalars, values)
def test_generated_code_agrees_with_the_closure_it_stands_for(operator, wanted, value):
    """The inline fast way and the full test give one answer for any value, and neither raises."""
    assert bool(compile_condition({"x": {operator: wanted}})({"x": value})) == _test(operator, wanted)(value)


def test_only_get_is_asked_of_the_attributes():
    """Callers may hand in any object with ``get``, such as one that resolves field paths."""

    class Paths:
        def get(self, name):
            return {"properties.email": "a@example.com"}.get(name)

    assert compile_condition({"properties.email": {"ends_with": "@example.com"}})(Paths())


def test_no_text_of_the_file_reaches_the_generated_source():
    """Names and values that look like code stay names and values."""
    name = "x') or __import__('os').abort() #"
    assert compile_condition({name: {"is": name, "contains": name}})({name: name})


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("{country: [DE, AT], employees: {at_least: 50}}", "country is DE or AT and employees at least 50"),
        ("{country: {not_in: [France, Italy]}}", "country is not France nor Italy"),
        ("{any: [{a: 1}, {b: {known: false}}]}", "(a is 1 or b is not known)"),
        ("{none: [{a: true}], c: {between: [1, 5]}}", "c between 1 and 5 and not (a is yes)"),
        ("{born: {below: 2026-01-15}}", "born below 2026-01-15"),
    ],
)  # fmt: skip
def test_a_condition_reads_as_a_sentence(yaml, words):
    """Marketers read conditions in reasons and plans."""
    assert in_words(ConfigFile("c.yaml", yaml).data) == words


def test_all_attributes_of_nested_conditions_are_listed():
    """The scorer loads exactly what the rules read."""
    assert attributes_of({"a": 1, "any": [{"b": 2}, {"none": [{"c": 3}]}]}) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("contry: x", "c.yaml:2: when.contry: no such attribute; did you mean 'country'?"),
        ("country: {contain: x}", "c.yaml:2: when.country.contain: unknown operator; did you mean 'contains'?"),
        (
            "country: {zzz: x}",
            "c.yaml:2: when.country.zzz: unknown operator; it is one of is, in, not, not_in, at_least, above, at_most, "
            "below, between, contains, starts_with, ends_with, matches, known",
        ),
        ("country: {}", "c.yaml:2: when.country: no test; name an operator, such as is or at_least"),
        ("country: []", "c.yaml:2: when.country: an empty list matches nothing"),
        ("country:", "c.yaml:2: when.country: an empty value; write {known: false} to ask for a missing one"),
        ("country: {known: 5}", "c.yaml:2: when.country.known: expected true or false"),
        ("country: {between: [1]}", "c.yaml:2: when.country.between: expected two values, [from, to]"),
        ("country: {between: [5, 1]}", "c.yaml:2: when.country.between: the first value is above the second"),
        ("country: {between: [5, x]}", "c.yaml:2: when.country.between: the two values cannot be compared"),
        ("country: {at_least: [1]}", "c.yaml:2: when.country.at_least: expected a text, number, date or true/false"),
        ("any: {country: x}", "c.yaml:2: when.any: expected a list of conditions"),
        ("any: [{contry: x}]", "c.yaml:2: when.any[0].contry: no such attribute; did you mean 'country'?"),
        ("7: x", "c.yaml:2: when[7]: expected an attribute name as text"),
    ],
)
def test_a_wrong_condition_is_reported_where_it_stands(yaml, expected):
    """File, line, key, what is wrong and a suggestion."""
    file = ConfigFile("c.yaml", f"when:\n  {yaml}\n")
    assert [str(one) for one in check_condition(file, ("when",), file.data["when"], {"country", "employees"})] == [
        expected
    ]


def test_a_broken_pattern_is_a_problem_not_an_exception():
    """A regular expression that does not compile is found by the check."""
    file = ConfigFile("c.yaml", "country: {matches: '('}")
    (problem,) = check_condition(file, (), file.data, None)
    assert re.search(r"c\.yaml:1: country\.matches: not a regular expression", str(problem))


def test_every_problem_comes_at_once():
    """One run of check shows all there is to mend."""
    file = ConfigFile("c.yaml", "a: {contain: 1}\nb: []\nany: [{c: {matches: '['}}]\n")
    assert [problem.line for problem in check_condition(file, (), file.data, None)] == [1, 2, 3]


@pytest.mark.parametrize("data", [None, [], "x", 5, {}])
def test_what_is_no_condition_is_refused(data):
    """An empty condition is most often a slip of the pen, so it is named."""
    file = ConfigFile("c.yaml", "when: 1")
    assert len(check_condition(file, ("when",), data, None)) == 1
