"""Job titles become levels: ``Sr. VP, Finance`` → ``vice_president``. Used by level rules and ``leads values title``.

The table (titles.yaml, and a model's own ``titles:``) holds phrases. A phrase matches whole words, the longest phrase
first, and takes its words away from shorter ones: 'vice president' leaves no 'president'. What a title says after
'assistant', 'assistant to' or 'office of' is about somebody else. Of several ranks in one part of a title the last
before a preposition counts, as in English ('Marketing Manager Intern' is an intern, 'CEO Assistant' an assistant); of
several parts ('Founder & Sales Manager') the highest.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

BUILT_IN: Mapping[str, Any] = YAML(typ="safe", pure=True).load(
    (files("gateway.scoring") / "titles.yaml").read_text(encoding="utf-8")
)
"""The table as the package ships it: read once, at import."""

LEVELS: tuple[str, ...] = tuple(BUILT_IN["order"])
COUNTS_AS: Mapping[str, str] = BUILT_IN["counts_as"]
VERSION = hashlib.sha256(json.dumps(BUILT_IN, sort_keys=True).encode()).hexdigest()[:16]
"""Changes with the table, since the same model then gives other scores."""

_ANY = "*"  # in a phrase: one to four words
_BREAK = "|"  # between the parts of a title
_INITIALS = re.compile(r"\b(?:\w\.){2,}(?:\w\b)?|\b\w\.\w\b(?!\.?\w)")
_BREAKS = re.compile(r"[,;/|()\[\]:•·\n\t]+|\s[-–—]+\s")
_JOINTS = re.compile(r"[^\w|]+")
_JOINED = ("and", "&")

Match = tuple[str, str]


def words_of(text: str) -> list[str]:
    """A title as plain words, with ``|`` between its parts; abbreviations written out."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    text = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)
    text = _BREAKS.sub(f" {_BREAK} ", text.replace("'s ", " ").replace("s' ", "s ").replace("&", " and "))
    words: list[str] = []
    for word in _JOINTS.sub(" ", text).replace("_", " ").split():
        words += BUILT_IN["abbreviations"].get(word, word).split()
    return words


class TitleTable:
    """Built-in phrases and a model's own. ``order``: the model's levels, highest first; default the built-in ones."""

    def __init__(self, own: Mapping[str, Sequence[str]] | None = None, order: Sequence[str] = LEVELS) -> None:
        """``own``: level → further phrases, which win over built-in ones of the same words."""
        self.order = tuple(order)
        phrases: dict[tuple[str, ...], str] = {}
        for table in (_named(LEVELS), BUILT_IN["levels"], _named(order), own or {}):
            for level, texts in table.items():
                for text in texts:
                    phrases[phrase_words(text)] = level
        self._rest = {phrase_words(text) for text in BUILT_IN["the_rest_is_somebody_else"]}
        for words in (*self._rest, *map(phrase_words, BUILT_IN["not_any_more"])):
            phrases.setdefault(words, "")
        phrases.pop((), None)
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for words in sorted(phrases, key=len, reverse=True):
            self._by_first.setdefault(words[0], []).append((words, phrases[words]))
        self._find = lru_cache(maxsize=8192)(self._look)

    def match(self, text: str) -> str | None:
        """The level of a title; None when no phrase is in it."""
        found = self._find(text)
        return found[0] if found else None

    def matched(self, text: str) -> Match | None:
        """(level, matched phrase): ``'Sr. VP, Finance'`` → ``('vice_president', 'senior vice president')``."""
        return self._find(text)

    def rank(self, text: Any) -> int:
        """Place of the title's level in ``order``, 0 = highest; -1 = none. Of a list of titles the highest counts."""
        if text.__class__ is str:
            found = self._find(text)
            return self._place(found[0]) if found else -1
        ranks = [self.rank(one) for one in text if isinstance(one, str)] if isinstance(text, list) else []
        return min((rank for rank in ranks if rank >= 0), default=-1)

    def _place(self, level: str) -> int:
        if level not in self.order:
            level = COUNTS_AS.get(level, "")
        return self.order.index(level) if level in self.order else -1

    def _look(self, text: str) -> Match | None:
        words = words_of(text[:400])
        hits = self._hits(words)
        best: Match | None = None
        for start, end in _parts(words):
            part = [hit for hit in hits if start <= hit[0] < end]
            rest = next((hit for hit in part if hit[3]), None)
            stop = next((hit for hit in part if hit[3] or not hit[2]), None)  # 'assistant …', 'former CEO'
            if stop:
                part = [hit for hit in part if hit[0] <= stop[0] and hit[2]]
            cut = next((at for at in range(start, end) if self._cuts(at, words, hits)), end)
            boss = rest is not None and rest[1] == end and not words[end - 1].endswith("s")
            head = part if boss else [hit for hit in part if hit[0] < cut]  # 'Vice President of Sales Assistant'
            if head:
                here = (head[-1][2], " ".join(words[head[-1][0] : head[-1][1]]))
                if best is None or self._height(here[0]) < self._height(best[0]):
                    best = here
            if rest:  # an assistant's boss may be named in later parts, too
                break
        return best

    def _cuts(self, at: int, words: Sequence[str], hits: Sequence[tuple[int, int, str, bool]]) -> bool:
        return words[at] in BUILT_IN["prepositions"] and not any(hit[0] <= at < hit[1] for hit in hits)

    def _height(self, level: str) -> int:
        rank = self._place(level)
        return rank if rank >= 0 else len(self.order) + (LEVELS.index(level) if level in LEVELS else 0)

    def _hits(self, words: Sequence[str]) -> list[tuple[int, int, str, bool]]:
        """(start, end, level, the rest is somebody else's), in order; longer phrases take their words first."""
        found: list[tuple[int, int, str, bool]] = []
        for start, first in enumerate(words):
            for phrase, level in self._by_first.get(first, ()):
                if end := _reach(words, start, phrase):
                    found.append((start, end, level, phrase in self._rest or phrase[-1:] in self._rest))
        found.sort(key=lambda hit: (hit[0] - hit[1], hit[0]))
        taken: set[int] = set()
        hits = []
        for hit in found:
            if taken.isdisjoint(range(hit[0], hit[1])):
                taken.update(range(hit[0], hit[1]))
                hits.append(hit)
        return sorted(hits)


def _named(levels: Sequence[str]) -> dict[str, list[str]]:
    """A level's own name is a title of it."""
    return {level: [level.replace("_", " ")] for level in levels}


def phrase_words(text: str) -> tuple[str, ...]:
    """A phrase of the table in the form titles are compared in; ``*`` stays."""
    return tuple(word for part in text.split(_ANY) for word in (_ANY, *words_of(part)))[1:] if text.strip() else ()


def _reach(words: Sequence[str], start: int, phrase: Sequence[str]) -> int:
    """Where the phrase that begins at ``start`` ends; 0 when it is not there. ``*`` never crosses a break."""
    at = start
    for index, word in enumerate(phrase):
        if word == _ANY:
            rest = phrase[index + 1 :]
            for skip in range(1, 5):
                if at + skip > len(words) or words[at + skip - 1] == _BREAK:
                    return 0
                if end := _reach(words, at + skip, rest):
                    return end
            return 0
        if at >= len(words) or words[at] != word:
            return 0
        at += 1
    return at


def _parts(words: Sequence[str]) -> list[tuple[int, int]]:
    """The parts of a title as (start, end): split at breaks and at 'and'."""
    edges = [index for index, word in enumerate(words) if word == _BREAK or word in _JOINED]
    return list(zip([0, *(edge + 1 for edge in edges)], [*edges, len(words)], strict=True))
