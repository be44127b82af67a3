"""Field paths: how a mapping names a value inside an item.

A path is tried as an exact key of the item first (column names hold spaces and dots), then as dotted keys, then as a
JMESPath expression. Plain and dotted paths use compiled getters; only what needs JMESPath pays for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

Getter = Callable[[Mapping[str, Any]], Any]


class _Missing:
    """The item says nothing about a field: neither a value nor a blank."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()
_ALWAYS_EXPRESSION = re.compile(r"[\[\]{}|@`]")
_MAYBE_EXPRESSION = re.compile(r"[()'\"!&*<>=]")
_FUNCTIONS = frozenset(Functions.FUNCTION_TABLE)


class PathError(ValueError):
    """Not a path; the text says why, without quoting the path."""


def compile_path(text: str) -> Getter:
    """A function of the item that gives the value, or ``MISSING``.

    An expression that finds null counts as missing: JMESPath cannot tell the two apart. Raises ``PathError`` when the
    text can only be meant as JMESPath and is not; a column with such signs in its name is written ``'"name"'``.
    """
    if _ALWAYS_EXPRESSION.search(text):
        return _searching(text, compile_expression(text))
    if _MAYBE_EXPRESSION.search(text):
        try:
            return _searching(text, compile_expression(text))
        except PathError:
            pass  # "Revenue (EUR)" is a column name, not a function call
    if "." in text:
        return _walking(text, tuple(text.split(".")))
    return lambda item: item.get(text, MISSING)


def is_expression(text: str) -> bool:
    """True when more than keys with dots between them may be meant."""
    return bool(_ALWAYS_EXPRESSION.search(text) or _MAYBE_EXPRESSION.search(text))


def is_plain(text: str) -> bool:
    """True when only an exact key can be meant, so that ``item[text]`` is all there is to do."""
    return "." not in text and not is_expression(text)


def compile_expression(text: str) -> Callable[[Any], Any]:
    """A JMESPath expression as a function; null where its functions do not fit the data. Raises ``PathError``."""
    try:
        parsed = jmespath.compile(text)
    except (JMESPathError, RecursionError):
        raise PathError("not a JMESPath expression (a column name with such signs is written '\"name\"')") from None
    for name in _calls(parsed.parsed):
        if name not in _FUNCTIONS:
            raise PathError("calls a function that JMESPath does not have")

    def search(data: Any) -> Any:
        try:
            return parsed.search(data)
        except JMESPathError:  # a function that was given the wrong type: nothing was found
            return None

    return search


def _calls(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _calls(child)


def _searching(text: str, search: Callable[[Any], Any]) -> Getter:
    def get(item: Mapping[str, Any]) -> Any:
        if text in item:
            return item[text]
        found = search(item)
        return MISSING if found is None else found

    return get


def _walking(text: str, parts: tuple[str, ...]) -> Getter:
    def get(item: Mapping[str, Any]) -> Any:
        if text in item:
            return item[text]
        node: Any = item
        for part in parts:
            if not isinstance(node, Mapping) or part not in node:
                return MISSING
            node = node[part]
        return node

    return get
