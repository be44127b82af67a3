"""Job titles become levels: ``Sr. VP, Finance`` → ``vice_president``. Used by level rules and ``leads values title``.

The tables (languages/*.yaml, and a model's own ``titles:``) hold phrases. A phrase matches whole words, the longest
phrase first, and takes its words away from shorter ones: 'vice president' leaves no 'president'. What a title says
after 'assistant', 'assistant to' or 'office of' is about somebody else. Of several ranks in one part of a title the
last before a preposition counts, as in English ('Marketing Manager Intern' is an intern, 'CEO Assistant' an assistant),
unless it is an adjective ('direttore tecnico'); of several parts ('Founder & Sales Manager') the highest.

A lead has no language: the tables of all languages are one, unless the model names some. Where two languages mean
different ranks by the same words, levels.yaml says which counts. Where a language glues words, their ends count, too
('Vertriebsleiterin').
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ruamel.yaml import YAML

_FOLDER = files("gateway.scoring") / "languages"
_SHARED, *_OTHERS = (
    YAML(typ="safe", pure=True).load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    for name in ("levels", "en", "de", "fr", "es", "pt", "it", "nl")
)
BUILT_IN: Mapping[str, Mapping[str, Any]] = dict(zip(("en", "de", "fr", "es", "pt", "it", "nl"), _OTHERS, strict=True))
"""Language → its table as the package ships it: read once, at import. A level's titles are the lines of one text, which
YAML reads in a third of the time that a list takes."""

LEVELS: tuple[str, ...] = tuple(_SHARED["order"])
COUNTS_AS: Mapping[str, str] = _SHARED["counts_as"]
AGREED: Mapping[str, str] = _SHARED["agreed"]
"""Words that are of different levels in different languages → the level that counts."""
LANGUAGES = "languages"
"""Under ``titles:`` of a model no level, but the languages whose tables it reads."""
VERSION = hashlib.sha256(json.dumps([_SHARED, BUILT_IN], sort_keys=True).encode()).hexdigest()[:16]
"""Changes with the tables, since the same model then gives other scores."""

_ANY = "*"  # in a phrase: one to four words
_BREAK = "|"  # between the parts of a title
_INITIALS = re.compile(r"\b(?:\w\.){2,}(?:\w\b)?|\b\w\.\w\b(?!\.?\w)")
_BREAKS = re.compile(r"[,;/|()\[\]:•·\n\t]+|\s[-–—]+\s")
_JOINTS = re.compile(r"[^\w|]+")
_GENDERS = re.compile(
    r"(?<=\w\w\w)[·.*:_/(](?:in|innen|e|es|rice|trice|ne|euse|a|o|as|os|ra|esa)\)?(?!\w)", re.IGNORECASE
)
"""'Leiter(in)', 'Leiter:in', 'Directeur·rice', 'Diretor/a': one title in two forms."""
_EITHER = re.compile(r"(\w+)\((\w+)\)")
_ACCENTS = dict.fromkeys(range(768, 880))
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})

Match = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Language:
    """The tables of some languages as one; words without accents. ``levels``: words → level. ``ends``: of words."""

    levels: dict[tuple[str, ...], str]
    ends: Mapping[str, str]
    abbreviations: Mapping[str, str]
    prepositions: frozenset[str]
    joints: frozenset[str]
    rest: frozenset[tuple[str, ...]]
    gone: frozenset[tuple[str, ...]]
    adjectives: frozenset[str]


@lru_cache(maxsize=32)
def language(names: tuple[str, ...] = tuple(BUILT_IN)) -> Language:
    """The tables of these languages; of words that differ the first language's level counts, unless it is agreed."""
    tables = [BUILT_IN[name] for name in names]
    short = {
        word: plain(full) for table in reversed(tables) for word, full in (table.get("abbreviations") or {}).items()
    }

    def phrases(key: str) -> frozenset[tuple[str, ...]]:
        return frozenset(words for table in tables for text in table[key] for words in forms(text, short))

    levels: dict[tuple[str, ...], str] = {}
    ends: dict[str, str] = {}
    for table in tables:
        for level, texts in table["levels"].items():
            for words in (words for text in texts.splitlines() for words in forms(text, short)):
                levels.setdefault(words, AGREED.get(" ".join(words), level))
        for level, texts in (table.get("suffixes") or {}).items():
            ends |= {words[0]: level for text in texts for words in forms(text, {})}
    return Language(
        levels, ends, short,
        frozenset(plain(word) for table in tables for word in table["prepositions"]),
        frozenset(word for table in tables for word in table["joints"]),
        phrases("the_rest_is_somebody_else"), phrases("not_any_more"),
        frozenset(plain(word) for table in tables for word in table.get("adjectives") or ()),
    )  # fmt: skip


def forms(text: str, abbreviations: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """What a phrase of the tables stands for: 'leiter(in)' for two, and 'ä' for 'ae', too."""
    for one in dict.fromkeys((_EITHER.sub(r"\1", text), _EITHER.sub(r"\1\2", text))):
        yield phrase_words(one, abbreviations)
        if (spelt := one.translate(_UMLAUTS)) != one:
            yield phrase_words(spelt, abbreviations)


def plain(text: str) -> str:
    """Text without case and accents."""
    text = text.casefold()
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text).translate(_ACCENTS)
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def words_of(text: str, abbreviations: Mapping[str, str]) -> list[str]:
    """A title as plain words, with ``|`` between its parts; abbreviations written out."""
    text = _GENDERS.sub("", plain(text))
    text = _INITIALS.sub(lambda match: match[0].replace(".", ""), text)
    text = _BREAKS.sub(f" {_BREAK} ", text.replace("'s ", " ").replace("s' ", "s ").replace("&", " and "))
    words: list[str] = []
    for word in _JOINTS.sub(" ", text).replace("_", " ").split():
        words += abbreviations.get(word, word).split()
    return words


class TitleTable:
    """Built-in phrases and a model's own. ``order``: the model's levels, highest first; default the built-in ones."""

    def __init__(self, own: Mapping[str, Sequence[str]] | None = None, order: Sequence[str] = LEVELS) -> None:
        """``own``: level → further phrases, which win over built-in ones of the same words; ``LANGUAGES``: those whose
        tables are read, default all."""
        self.order = tuple(order)
        own = dict(own or {})
        self._language = language(tuple(own.pop(LANGUAGES, BUILT_IN)))
        self._abbreviations, self._rest = self._language.abbreviations, self._language.rest
        self._sizes = sorted({len(end) for end in self._language.ends}, reverse=True)
        phrases = (
            self._phrases(_named(LEVELS)) | self._language.levels | self._phrases(_named(order)) | self._phrases(own)
        )
        for words in (*self._rest, *self._language.gone):
            phrases.setdefault(words, "")
        phrases.pop((), None)
        self._by_first: dict[str, list[tuple[tuple[str, ...], str]]] = {}
        for words in sorted(phrases, key=len, reverse=True):
            self._by_first.setdefault(words[0], []).append((words, phrases[words]))
        self._find = lru_cache(maxsize=8192)(self._look)

    def _phrases(self, table: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], str]:
        return {phrase_words(text, self._abbreviations): level for level, texts in table.items() for text in texts}

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
        words = words_of(text[:400], self._abbreviations)
        hits = self._hits(words)
        best: Match | None = None
        for start, end in self._parts(words, hits):
            part = [hit for hit in hits if start <= hit[0] < end]
            rest = next((hit for hit in part if hit[3]), None)
            stop = next((hit for hit in part if hit[3] or not hit[2]), None)  # 'assistant …', 'former CEO'
            if stop:
                part = [hit for hit in part if hit[0] <= stop[0] and hit[2]]
            cut = next((at for at in range(start, end) if self._cuts(at, words, hits)), end)
            boss = rest is not None and rest[1] == end and not words[end - 1].endswith("s")
            head = part if boss else [hit for hit in part if hit[0] < cut]  # 'Vice President of Sales Assistant'
            if head:
                last = next((hit for hit in reversed(head) if not self._describes(words, hit)), head[-1])
                here = (last[2], " ".join(words[last[0] : last[1]]))
                if best is None or self._height(here[0]) < self._height(best[0]):
                    best = here
            if rest:  # an assistant's boss may be named in later parts, too
                break
        return best

    def _cuts(self, at: int, words: Sequence[str], hits: Sequence[tuple[int, int, str, bool]]) -> bool:
        return words[at] in self._language.prepositions and not any(hit[0] <= at < hit[1] for hit in hits)

    def _describes(self, words: Sequence[str], hit: tuple[int, int, str, bool]) -> bool:
        return hit[1] == hit[0] + 1 and words[hit[0]] in self._language.adjectives

    def _height(self, level: str) -> int:
        rank = self._place(level)
        return rank if rank >= 0 else len(self.order) + (LEVELS.index(level) if level in LEVELS else 0)

    def _hits(self, words: Sequence[str]) -> list[tuple[int, int, str, bool]]:
        """(start, end, level, the rest is somebody else's), in order; longer phrases take their words first."""
        found: list[tuple[int, int, str, bool]] = []
        for start, first in enumerate(words):
            before = len(found)
            for phrase, level in self._by_first.get(first, ()):
                if end := _reach(words, start, phrase):
                    found.append((start, end, level, phrase in self._rest or phrase[-1:] in self._rest))
            if len(found) == before and (ending := self._ending(first)):
                found.append((start, start + 1, self._language.ends[ending], (ending,) in self._rest))
        found.sort(key=lambda hit: (hit[0] - hit[1], hit[0]))
        taken: set[int] = set()
        hits = []
        for hit in found:
            if taken.isdisjoint(range(hit[0], hit[1])):
                taken.update(range(hit[0], hit[1]))
                hits.append(hit)
        return sorted(hits)

    def _ending(self, word: str) -> str:
        """The longest end of a glued word that has a level; '' where it is none. Two letters stand before it."""
        ends = self._language.ends
        return next((word[-size:] for size in self._sizes if len(word) > size + 1 and word[-size:] in ends), "")

    def _parts(self, words: Sequence[str], hits: Sequence[tuple[int, int, str, bool]]) -> list[tuple[int, int]]:
        """The parts of a title as (start, end): split at breaks and at 'and', but for one inside a phrase."""
        inside = {at for hit in hits for at in range(hit[0], hit[1])}
        joints = self._language.joints
        edges = [at for at, word in enumerate(words) if word == _BREAK or (word in joints and at not in inside)]
        return list(zip([0, *(edge + 1 for edge in edges)], [*edges, len(words)], strict=True))


def _named(levels: Sequence[str]) -> dict[str, list[str]]:
    """A level's own name is a title of it."""
    return {level: [level.replace("_", " ")] for level in levels}


def phrase_words(text: str, abbreviations: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """A phrase of the table in the form titles are compared in; ``*`` stays. ``abbreviations``: default all."""
    short = language().abbreviations if abbreviations is None else abbreviations
    return (
        tuple(word for part in text.split(_ANY) for word in (_ANY, *words_of(part, short)))[1:] if text.strip() else ()
    )


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
