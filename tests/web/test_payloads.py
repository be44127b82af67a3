"""Bytes into plain data: what is read, and what is refused with its place and without its value."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import QuarantineDocument
from gateway.payloads import decode_form, decode_json, decode_xml

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from([None, 2]), st.booleans(), st.sampled_from([(",", ":"), (" , ", " : "), (",", "\n:\t")]))
def test_what_json_can_say_is_read_as_it_was_written(data, indent, ascii_only, separators):
    """However the sender spaces and escapes it."""
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only, separators=separators)
    assert decode_json(text.encode()) == data


@given(JSON, TEXT, JSON, JSON, st.sampled_from([":", " :", "\r\n:", ": "]))
def test_the_same_key_twice_is_refused_wherever_it_hides(before, key, one, two, colon):
    """Two readers could believe two different values; strings that look like keys don't hide it."""
    name = json.dumps(key)
    inner = f'{{"n":1,{name}{colon}{json.dumps(one)},"m\\":":2,{name} {colon}{json.dumps(two)}}}'
    body = f'[{json.dumps(before)},{{"inner":{inner}}}]'
    with pytest.raises(QuarantineDocument, match=r"\$\[1\]\.inner.*the same key twice"):
        decode_json(body.encode())


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not readable as JSON: the body is empty"),
        (b" \r\n", "not readable as JSON: the body is empty"),
        (b"{", r"not readable as JSON: it ends too early \(line 1, column 2\)"),
        (b'{"a": 1,\n "b": NaN}', r"a value is expected \(line 2, column 7\)"),
        (b"a=1&b=2", r"a value is expected \(line 1, column 1\)"),
        (b"{'a': 1}", r"a key in double quotes is expected \(line 1, column 2\)"),
        (b'{"a" 1}', r"a colon is expected behind a key \(line 1, column 6\)"),
        (b'{"a": 1,}', r"a comma stands before a closing bracket \(line 1, column 8\)"),
        (b'{"a": 1} 2', r"something stands behind its end \(line 1, column 10\)"),
        (b'{"a": "\\x"}', r"an escape that JSON does not know \(line 1, column 8\)"),
        (b'{"a": -Infinity}', "a number that JSON does not know"),
        (b'{"a": 01}', "a number that JSON does not know"),
        (b'{"a": 1e400}', "a number too large to be kept"),
        (b'{"a": {"b": [0, 18446744073709551616]}}', r"\$\.a\.b\[1\]: an integer beyond 64 bit"),
        (b'{"a": -9223372036854775809}', r"\$\.a: an integer beyond 64 bit"),
        (b'{"a": 1' + b"0" * 300 + b"}", r"\$\.a: an integer beyond 64 bit"),
        (b'{"a": "\\ud800"}', "half a character in a text"),
        (b'{"a": "\xff"}', r"not valid UTF-8 \(byte 8\)"),
        (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"a": "x\\u0000y"}', r"\$\.a: a text contains a NUL"),
        (b'{"a": {"x\\u0000y": 1}}', r"\$\.a: a key contains a NUL"),
        (b'{"a": "\x00"}', "control character"),
        (b"[" * 33 + b"]" * 33, "nested deeper than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, r"nested deeper than 32 levels at \$\.a\.a"),
        (b"[" * 500_000, "nested deeper than 32 levels"),
        (b'{"a":' * 100_000, "nested deeper than 32 levels"),
        (json.dumps({f"k{index}": 1 for index in range(10_001)}).encode(), "more than 10000 keys"),
        (json.dumps([{"k": 1}] * 10_001).encode(), "more than 10000 keys"),
        ('{"a": 1}'.encode("utf-16"), "not readable as JSON"),
    ],
)
def test_json_that_is_refused(body, says):
    """Each with the kind of trouble and, where there is one, its place."""
    with pytest.raises(QuarantineDocument, match=says):
        decode_json(body)


@given(st.binary(max_size=40) | JSON.map(lambda data: json.dumps(data).encode()[:-1]))
def test_what_is_wrong_with_json_is_said_in_our_words(body):
    """The decoder's own would change with its version; and whatever it meets, the grammar is not blamed for it."""
    with contextlib.suppress(QuarantineDocument):
        decode_json(body)
        return
    with pytest.raises(QuarantineDocument) as refused:
        decode_json(body)
    assert "grammar" not in refused.value.reason


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),  # a byte order mark
        (b'{"a": "12345678901234567890123"}', {"a": "12345678901234567890123"}),  # digits in a text are a text
        (b'{"a": 1234567890123456789012.5}', {"a": 1234567890123456789012.5}),  # a float has no last digit to lose
        (b'{"a": "\\\\u0000 and \\":"}', {"a": '\\u0000 and ":'}),  # an escaped backslash, not an escaped NUL
        (b"[" * 32 + b"]" * 32, None),
        (b"7", 7),
    ],
)
def test_json_that_only_looks_odd_is_read(body, data):
    """Signs of trouble bring a second look, not a refusal."""
    assert decode_json(body) == (data if data is not None else json.loads(body))


@pytest.mark.parametrize(
    "body", [b'{"kim@example.org": {"b": 1, "b": 2}}', b'{"Kim Example, 1 Road": {"b": "\\u0000"}}']
)
def test_a_key_that_may_be_a_value_is_not_shown(body):
    """The reason names places by field names; what does not look like one stays unnamed."""
    with pytest.raises(QuarantineDocument) as refused:
        decode_json(body)
    assert "Kim" not in refused.value.reason
    assert "kim" not in refused.value.reason
    assert "$.(a key).b" in refused.value.reason


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"", {}),
        (b"a=1&b=", {"a": "1", "b": ""}),
        (b"type=tag&contact%5Bemail%5D=kim%40example.org", {"type": "tag", "contact": {"email": "kim@example.org"}}),
        (b"contact[fields][1]=Acme&contact[fields][7]=x", {"contact": {"fields": {"1": "Acme", "7": "x"}}}),
        (b"l[0][id]=1&l[1][id]=2", {"l": [{"id": "1"}, {"id": "2"}]}),  # counts from 0
        (b"l[1][id]=2&l[0][id]=1", {"l": [{"id": "1"}, {"id": "2"}]}),  # in whatever order
        (b"l[]=1&l[]=2", {"l": ["1", "2"]}),
        (b"l[][id]=1&l[][n]=2&l[][id]=3", {"l": [{"id": "1", "n": "2"}, {"id": "3"}]}),
        (b"interest=a&interest=b", {"interest": ["a", "b"]}),  # check boxes
        (b"a[b=1&c]=2", {"a[b": "1", "c]": "2"}),  # brackets that do not close are a name
        ("name=J\u00fcrgen+M%C3%BCller".encode(), {"name": "Jürgen Müller"}),
        (b"data[merges][FNAME]=Kim", {"data": {"merges": {"FNAME": "Kim"}}}),
        (b"a[b][c][d][e][f][g][h]=1", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": "1"}}}}}}}}),
        (b"=x", {"": "x"}),
    ],
)
def test_forms_with_brackets(body, data):
    """PHP's and Rails' way of writing nested data into a form."""
    assert decode_form(body) == data


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"a=1&a[b]=2", r"form field 2 \(\$\.a\.b\): sent both as a value and as a group"),
        (b"a[b]=1&a=2", "form field 2"),
        (b"a[]=1&a[b]=2", "form field 2"),
        (b"a[b]=1&a[]=2", "form field 2"),
        (b"a=%ff", "not valid UTF-8"),
        (b"a=\xff", "not valid UTF-8"),
        (b"a=%00", "NUL"),
        (b"a%00=1", "NUL"),
        (b"a[b][c][d][e][f][g][h][i]=1", "nested deeper than 8 levels"),
        (b"a" + b"[]" * 300_000 + b"=1", "nested deeper than 8 levels"),
        (b"a=1&" * 2001, "more than 2000 form fields"),
        (b"a=" + b"x" * 65_537, r"form field 1 \(\$\.a\): longer than 65536 bytes"),
    ],
)
def test_forms_that_are_refused(body, says):
    """Contradictions, limits and text that no database keeps."""
    with pytest.raises(QuarantineDocument, match=says):
        decode_form(body)


def flat(node: object, name: str = "") -> list[tuple[str, str]]:
    if isinstance(node, Mapping):
        return [pair for key, child in node.items() for pair in flat(child, f"{name}[{key}]" if name else key)]
    return [(name, str(node))]


WORD = st.text("abcxyz_-", min_size=1, max_size=5)


@given(
    st.dictionaries(
        WORD,
        st.recursive(TEXT, lambda inner: st.dictionaries(WORD, inner, min_size=1, max_size=3), max_leaves=6),
        max_size=4,
    )
)
def test_a_nested_form_comes_back_as_it_went_out(data):
    """Writing nested data into brackets and reading it again changes nothing."""
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in flat(data))
    assert decode_form(body.encode()) == data


@given(st.binary(max_size=300))
def test_whatever_arrives_is_read_or_refused(body):
    """No other exception leaves the room."""
    for decode in (decode_json, decode_form, decode_xml):
        with contextlib.suppress(QuarantineDocument):
            decode(body)


@pytest.mark.parametrize(
    ("body", "data"),
    [
        ("<a/>", {"a": ""}),
        ("<a> Kim &amp; Jo </a>", {"a": "Kim & Jo"}),
        ("<a><b>1</b><c>2</c><b>3</b><b/></a>", {"a": {"b": ["1", "3", ""], "c": "2"}}),
        ('<a x="1">two</a>', {"a": {"@x": "1", "#text": "two"}}),
        ("<a>one<b>2</b>three</a>", {"a": {"b": "2", "#text": "onethree"}}),
        ('<n:a xmlns:n="u" n:x="1"><b xmlns="v">2</b></n:a>', {"a": {"@x": "1", "b": "2"}}),
        ('<a xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><b i:nil="true"/></a>', {"a": {"b": None}}),
        ("<a><![CDATA[<b>]]><!-- c --></a>", {"a": "<b>"}),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe4</a>', {"a": "ä"}),
    ],
)
def test_xml_is_read_as_nested_names(body, data):
    """Elements, attributes and texts; prefixes left out; the encoding that the document says."""
    assert decode_xml(body.encode("latin-1")) == data


BOMB = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;</a>'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "no element found"),
        ("<a><b></a>", r"mismatched tag \(line 1, column"),
        (BOMB, "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        ("<a>&b;</a>", "undefined entity"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "encoding"),
        ('<a xmlns:m="u" xmlns:n="v" m:x="1" n:x="2"/>', r"\$.a: two attributes of one name"),
        ("<a>" * 33 + "</a>" * 33, "nested deeper than 32 levels"),
        ("<a>" + "<b/>" * 10_000 + "</a>", "more elements and attributes"),
    ],
)
def test_xml_that_is_refused(body, says):
    """What is broken, what would fetch or expand something, and what only an attack is."""
    with pytest.raises(QuarantineDocument, match=says):
        decode_xml(body.encode())
