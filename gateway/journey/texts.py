"""Texts with ``{words}`` in them, as journey.yaml writes them, and how they are filled. Pure.

A line that holds a word of which nothing is known is left out; one that holds a word of several values is there once
for each of them. ``{{`` and ``}}`` stand for braces. There is nothing else: no code runs in a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from string import Formatter
from typing import Any

from marshmallow import ValidationError, fields

LONGEST = 300
"""Characters of one value."""
_WORD = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")


class Text(fields.String):
    """The marshmallow field of such a text: refuses what is no word."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            parts = list(Formatter().parse(text))
        except ValueError:
            raise ValidationError("a brace stands alone; a word is written {who}, a brace itself {{ or }}") from None
        for _, word, form, conversion in parts:
            written = f"{word}{'!' if conversion else ''}{conversion or ''}{':' if form else ''}{form}"
            if word is not None and not _WORD.fullmatch(written):
                raise ValidationError(f"{{{written}}} is no word; one is written {{who}} or {{company.industry}}")
        return text


def words_of(text: str) -> list[str]:
    return [word for _, word, _, _ in Formatter().parse(text) if word is not None]


def fill(text: str, values: Mapping[str, Sequence[str]]) -> str:
    """``text`` with its words' values; ``values``: word → what is known of it, each one line."""
    return "\n".join(line for template in text.strip().split("\n") for line in _lines(template, values))


def _lines(template: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    words = list(dict.fromkeys(words_of(template)))
    for combination in product(*(values.get(word, ()) for word in words)):
        held = dict(zip(words, combination, strict=True))
        parts = Formatter().parse(template)
        yield "".join(literal + (held[word] if word is not None else "") for literal, word, _, _ in parts)


def one_line(value: Any) -> str:
    """A value in one line that is not endless: what strangers sent makes no lines of its own."""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if isinstance(value, bool):
        text = "yes" if value else "no"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
