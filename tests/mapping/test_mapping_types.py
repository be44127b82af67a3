"""What each type reads, refuses and writes; and that what is written is read back."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from drawing import draws
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError

from gateway.mapping import FieldMapping, UnmappedError
from gateway.mapping.checks import definition
from gateway.mapping.field import Blanks

ZONE = ZoneInfo("Europe/Berlin")


def field(form: dict[str, Any], **transforms: Any) -> FieldMapping:
    return FieldMapping("raw", definition({"to": "lead", **form}), ZONE, Blanks([]), transforms)


@pytest.mark.parametrize(
    ("form", "raw", "value"),
    [
        ({"type": "string"}, "  two\n words ", "two words"),
        ({"type": "string"}, 5, "5"),
        ({"type": "string"}, 5.0, "5"),
        ({"type": "string"}, True, "true"),
        ({"type": "text"}, " a\r\nb ", "a\nb"),
        ({"type": "integer"}, "1,234", 1234),
        ({"type": "integer"}, "12.0", 12),
        ({"type": "integer"}, 12.0, 12),
        ({"type": "integer", "format": "1.234,5"}, "1.234", 1234),
        ({"type": "number"}, "1,234.5", 1234.5),
        ({"type": "number"}, "-.5", -0.5),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "number", "format": "1.234,5"}, "1.234,5", 1234.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, 0, False),
        ({"type": "boolean"}, "off", False),
        ({"type": "date"}, "2026-11-03T23:30:00Z", "2026-11-04"),
        ({"type": "date", "format": "%d.%m.%Y"}, "03.11.2026", "2026-11-03"),
        ({"type": "datetime"}, "2026-11-03 10:00", "2026-11-03T09:00:00Z"),
        ({"type": "datetime", "unit": "ms"}, 1_793_700_000_123, "2026-11-03T10:00:00.123000Z"),
        ({"type": "money", "currency": "EUR"}, "1,500", ["1500.00", "EUR"]),
        ({"type": "money", "currency": "EUR"}, 19.989999999999998, ["19.99", "EUR"]),
        ({"type": "money", "currency": "EUR"}, "-0.00", ["0.00", "EUR"]),
        ({"type": "money", "currency": "EUR"}, "1.23450", ["1.2345", "EUR"]),
        ({"type": "money", "currency": "code"}, ["1500", "usd"], ["1500.00", "USD"]),
        ({"type": "list"}, "b; a;;b", ["a", "b"]),
        ({"type": "list"}, ["b", 1, "a;c"], ["1", "a", "b", "c"]),
        ({"type": "list", "format": ","}, "a;b,c", ["a;b", "c"]),
        ({"type": "email"}, " Ann.O'Brien+X@Example.ORG ", "ann.o'brien+x@example.org"),
        ({"type": "email"}, "käte@müller.de", "käte@müller.de"),
        ({"type": "phone"}, "+49 (30) 901820", "+4930901820"),
        ({"type": "phone", "region": "DE"}, "030 901820", "+4930901820"),
        ({"type": "phone"}, "+1 212-555-0100 ext. 7", "+12125550100"),
        ({"type": "url"}, "WWW.Example.com/Path?q=1", "https://www.example.com/Path?q=1"),
        ({"type": "url"}, "example.com:8080/x", "https://example.com:8080/x"),
        ({"type": "url"}, "HTTP://Example.com", "http://example.com"),
        ({"transforms": ["strip", "upper"]}, " a ", "A"),
        ({"transforms": ["digits"]}, "a1b2", "12"),
        ({"values": {"Google Ads": "paid"}}, "google  ads", "paid"),
        ({"values": {1: "one"}}, "1", "one"),
        ({"values": {"true": "yes"}}, True, "yes"),
        ({"type": "list", "values": {"A": "alpha"}}, "a;B", ["B", "alpha"]),
        ({"type": "boolean", "values": {"Ja": True, "Nein": False}}, "nein", False),
    ],
)
def test_a_raw_value_becomes_canonical(form: dict[str, Any], raw: Any, value: Any) -> None:
    """Transforms, value map, type: the same JSON value, of the same type, every time."""
    loaded = field(form).load(raw)
    assert (loaded, type(loaded)) == (value, type(value))


@pytest.mark.parametrize(
    ("form", "raw"),
    [
        ({"type": "string"}, ["secret-value"]),
        ({"type": "string"}, {"secret-value": 1}),
        ({"type": "string"}, "secret\x00value"),
        ({"type": "string"}, "secret-value\ud800"),
        ({"type": "integer"}, "12.5"),
        ({"type": "integer"}, 2**63),
        ({"type": "integer"}, True),
        ({"type": "integer"}, "1,23"),  # no group of three: not misread as 123
        ({"type": "integer"}, "secret-value"),
        ({"type": "number"}, "12,5"),  # a decimal comma must be declared
        ({"type": "number"}, float("nan")),
        ({"type": "number"}, float("inf")),
        ({"type": "number"}, "1e400"),
        ({"type": "number"}, "NaN"),
        ({"type": "number"}, "١٢"),
        ({"type": "number"}, ""),
        ({"type": "number"}, "."),
        ({"type": "number"}, "9" * 5000),
        ({"type": "boolean"}, "secret-value"),
        ({"type": "boolean"}, 2),
        ({"type": "date"}, "secret-value"),
        ({"type": "datetime"}, 1_793_700_000),
        ({"type": "money", "currency": "code"}, "1500"),  # the currency's field was not there
        ({"type": "money", "currency": "code"}, ["1500", "secret-value"]),
        ({"type": "money", "currency": "EUR"}, "secret-value"),
        ({"type": "money", "currency": "EUR"}, 1e300),
        ({"type": "list"}, {"secret-value": 1}),
        ({"type": "list"}, ";;"),
        ({"type": "email"}, "secret-value"),
        ({"type": "email"}, "secret..value@example.org"),
        ({"type": "email"}, "Ann <secret-value@example.org>"),
        ({"type": "email"}, "secret-value@localhost"),
        ({"type": "email"}, "a@" + "b" * 300 + ".org"),
        ({"type": "email"}, 5),
        ({"type": "phone"}, "030 901820"),  # no country
        ({"type": "phone"}, "+49 1"),
        ({"type": "phone"}, "secret-value"),
        ({"type": "url"}, "javascript:secret-value"),
        ({"type": "url"}, "https://user:secret-value@example.org/"),
        ({"type": "url"}, "secret value"),
        ({"type": "url"}, "ftp://secret-value.org"),
        ({"type": "url"}, "https://[secret-value"),
        ({"values": {"a": "b"}, "values_default": "drop"}, "secret-value"),
        ({"transforms": ["digits"]}, "secret-value"),
    ],
)
def test_an_unfit_value_is_refused_and_never_shown(form: dict[str, Any], raw: Any) -> None:
    """The message names what was expected and the kind of what came."""
    with pytest.raises(ValidationError) as refused:
        field(form).load(raw)
    told = str(refused.value.messages)
    assert "secret" not in told
    assert told.strip("[]'")


def test_an_unmapped_value_is_told_apart() -> None:
    """Somebody may want to add it to the value map."""
    with pytest.raises(UnmappedError):
        field({"values": {"a": "b"}, "values_default": "quarantine"}).load("c")


def test_a_raising_transform_refuses_the_value_without_its_text() -> None:
    """A plugin's exception may quote the value; ours does not."""

    def broken(value: Any) -> Any:
        raise RuntimeError(f"cannot do {value}")

    with pytest.raises(ValidationError, match="transform broken refused text of 6 characters") as refused:
        field({"transforms": ["broken"]}, broken=broken).load("secret")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "value", "raw"),
    [
        ({"type": "string", "length": 5}, "abcd efgh", "abcd"),
        ({"type": "number"}, 65.0, 65),  # systems like 65 better than 65.0
        ({"type": "number"}, 65.25, 65.25),
        ({"type": "integer"}, 65.5, 66),
        ({"type": "number", "format": "1.234,5"}, 65.5, "65,5"),
        ({"type": "date", "format": "%d.%m.%Y"}, "2026-11-03", "03.11.2026"),
        ({"type": "date", "unit": "ms"}, "2026-11-03", 1_793_664_000_000),
        ({"type": "datetime", "format": "%d.%m.%Y %H:%M"}, "2026-11-03T09:00:00Z", "03.11.2026 10:00"),
        ({"type": "datetime"}, "2026-11-03T09:00:00Z", "2026-11-03T09:00:00Z"),
        ({"type": "money", "currency": "EUR"}, ["1500.00", "EUR"], "1500.00"),
        ({"type": "list"}, ["a", "b"], "a;b"),
        ({"values": {"Google Ads": "paid", "AdWords": "paid"}}, "paid", "Google Ads"),  # the first of the file
        ({"values": {"Google Ads": "paid"}}, "organic", "organic"),
        ({"type": "boolean", "values": {"Ja": True, "Nein": False}}, False, "Nein"),
        ({"type": "list", "values": {"A": "alpha"}}, ["alpha", "b"], "A;b"),
        ({"type": "string"}, None, None),  # clears
    ],
)
def test_a_canonical_value_is_written_as_the_system_likes_it(form: dict[str, Any], value: Any, raw: Any) -> None:
    """The value map backwards, then the type."""
    assert field(form).dump(value) == raw


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ({"type": "money", "currency": "EUR"}, ["1500.00", "USD"]),  # nobody converts on the way out
        ({"type": "integer"}, "many"),
        ({"type": "date"}, "someday"),
        ({"type": "boolean"}, "maybe"),
        ({"type": "number"}, float("nan")),
        ({"values": {"a": "b"}, "values_default": "drop"}, "c"),
        ({"values": {"a": "b", "b": "c"}}, "a"),  # would come back as b
        ({"values": {"a": "b"}}, ["a"]),
    ],
)
def test_what_would_not_come_back_is_not_written(form: dict[str, Any], value: Any) -> None:
    """Better no write than a wrong one."""
    with pytest.raises(ValidationError):
        field(form).dump(value)


def test_a_loaded_list_is_the_callers_own() -> None:
    """Values are remembered; changing one must not change the next."""
    mapped = field({"type": "list"})
    mapped.load("a;b").append("c")
    assert mapped.load("a;b") == ["a", "b"]


TEXT = st.text(max_size=40)
RAW = st.one_of(
    TEXT,
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.one_of(TEXT, st.integers()), max_size=4),
    st.dictionaries(TEXT, TEXT, max_size=2),
    st.datetimes().map(lambda at: at.isoformat()),
    st.dates().map(lambda day: day.isoformat()),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.from_regex(r"[a-zA-Zäßİ.+-]{1,10}@[a-zA-Zäß-]{1,10}\.(de|COM|org)", fullmatch=True),
    st.from_regex(r"\+[1-9][0-9 ()/-]{4,16}", fullmatch=True),
    st.from_regex(r"(https?://)?[a-zA-Z0-9İ-]{1,12}\.(de|COM)(:[0-9]{1,4})?(/[a-z?#&=]{0,9})?", fullmatch=True),
)


def test_several_texts_are_written_as_one() -> None:
    """The reasons of a score are a list, and most systems hold them in a text field, cut to its length."""
    assert field({"type": "text"}).dump(["Viewed pricing", "Target industry"]) == "Viewed pricing; Target industry"
    assert field({"type": "text", "length": 16}).dump(["Viewed pricing", "Target industry"]) == "Viewed pricing;"


ZONE_FORMS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "string", "transforms": ["title"]},
    {"type": "string", "transforms": ["strip", "lower"]},
    {"type": "string", "transforms": ["digits"]},
    {"type": "text"},
    {"type": "integer"},
    {"type": "integer", "format": "1.234,5"},
    {"type": "number"},
    {"type": "number", "format": "1.234,5"},
    {"type": "boolean"},
    {"type": "date"},
    {"type": "date", "format": "%d.%m.%Y"},
    {"type": "date", "unit": "ms"},
    {"type": "datetime"},
    {"type": "datetime", "format": "%d.%m.%Y %H:%M:%S"},
    {"type": "datetime", "unit": "s"},
    {"type": "datetime", "unit": "ms"},
    {"type": "money", "currency": "EUR"},
    {"type": "money", "currency": "EUR", "format": "1.234,5"},
    {"type": "money", "currency": "code"},
    {"type": "list"},
    {"type": "list", "format": ","},
    {"type": "list", "transforms": ["upper"]},
    {"type": "email"},
    {"type": "phone"},
    {"type": "phone", "region": "DE"},
    {"type": "url"},
]
FIELDS = [field(form) for form in ZONE_FORMS]


@pytest.mark.parametrize("mapped", FIELDS, ids=[json.dumps(form) for form in ZONE_FORMS])
@draws(60)
@given(raw=RAW)
@example(raw="i̇@müller.de")
@example(raw="ŉ ǆ ß")
@example(raw="AİA")
@example(raw="000000")
@example(raw="1970-01-01T00:00:00.0000001Z")
def test_what_is_written_is_read_back(mapped: FieldMapping, raw: Any) -> None:
    """``load(dump(v)) == v`` for every v that was loaded, and the canonical value is JSON."""
    try:
        value = mapped.load(raw)
    except ValidationError:
        return
    assert json.loads(json.dumps(value)) == value
    assert mapped.load(mapped.dump(value)) == value


@given(
    values=st.dictionaries(st.sampled_from("abcdABCD"), st.sampled_from("abcdxyXY"), min_size=1),
    default=st.sampled_from(["keep", "drop"]),
    raw=st.sampled_from("abcdxyABCDXY"),
    many=st.booleans(),
)
def test_a_value_map_never_turns_a_value_into_another(
    values: dict[str, str], default: str, raw: str, many: bool
) -> None:
    """Also where several raw values mean the same, and where lead values look like raw ones."""
    mapped = field({"type": "list" if many else "string", "values": values, "values_default": default})
    try:
        value = mapped.load(raw)
        written = mapped.dump(value)
    except ValidationError:
        return
    assert mapped.load(written) == value


@given(
    values=st.dictionaries(st.sampled_from("abcdABCD"), st.sampled_from("abcdxyXY"), min_size=1),
    value=st.sampled_from("abcdxyABCDXY"),
)
def test_what_can_be_written_with_a_value_map_comes_back(values: dict[str, str], value: str) -> None:
    """``dump`` refuses whatever the map would read back as something else, wherever the value came from."""
    mapped = field({"values": values})
    try:
        written = mapped.dump(value)
    except ValidationError:
        return
    assert mapped.load(written) == value


@given(value=TEXT, length=st.integers(1, 10))
def test_cutting_to_length_is_stable(value: str, length: int) -> None:
    """What was cut is not cut again, so a cut text is no difference to write."""
    mapped = field({"length": length})
    try:
        cut = mapped.load(mapped.dump(mapped.load(value)))
    except ValidationError:
        return
    assert len(cut) <= length
    assert mapped.load(mapped.dump(cut)) == cut
