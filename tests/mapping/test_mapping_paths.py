"""How a path finds its value."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.mapping.paths import MISSING, PathError, compile_path

ITEM = {
    "email": "a@b.de",
    "a.b": "exact",
    "a": {"b": "dotted", "c d": 1, "null": None},
    "Revenue (EUR)": 7,
    "Total Time Spent on Website": 674,
    "list": [{"id": 1}, {"id": 2}],
    "[x]": "bracketed",
    "up": None,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("email", "a@b.de"),
        ("a.b", "exact"),  # an exact key goes before keys with dots between
        ("a.c d", 1),  # blanks are allowed in dotted keys
        ("a.null", None),  # there, but blank
        ("a.nothing", MISSING),
        ("email.deeper", MISSING),  # a text has no keys
        ("up.deeper", MISSING),
        ("Revenue (EUR)", 7),  # a column name, not a function call
        ("Total Time Spent on Website", 674),
        ("list[1].id", 2),  # JMESPath
        ("list[].id", [1, 2]),
        ("list[5].id", MISSING),
        ("length(list)", 2),
        ("length(email2)", MISSING),  # a function that does not fit finds nothing
        ("[x]", "bracketed"),  # exact key first, even where the text is an expression
        ('"Revenue (EUR)"', 7),
    ],
)
def test_a_path_is_an_exact_key_then_dotted_keys_then_jmespath(path: str, value: Any) -> None:
    """The three readings of a path, in their order."""
    assert compile_path(path)(ITEM) == value


@pytest.mark.parametrize("path", ["a[", "list[?id = 2]", "{", "a | | b", "nofunction(x) | [0]", "a[" * 500])
def test_a_broken_expression_is_refused_when_it_is_compiled(path: str) -> None:
    """What can only be meant as JMESPath must be JMESPath; later it would silently find nothing."""
    with pytest.raises(PathError, match="JMESPath"):
        compile_path(path)
