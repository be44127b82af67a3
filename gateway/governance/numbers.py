"""The numbers of a model's files as fields of a form, and the files with other numbers. Pure: text in, text out.

Points, limits, half-lives, weights, thresholds, orders of levels, days of overlays: what a committee changes. Comments
and layout of the YAML stay. What has no field, such as a condition or a new rule, is changed in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gateway.governance.parts import of_model
from gateway.governance.words import FIRST
from gateway.mapping.edits import dumped, like
from gateway.settings.files import ConfigFile

BELOW = ("weights", "maximum", "bands", "groups", "points", "score", "capacity", "content_weights")
"""Under these every number is one of the model's."""
NAMED = frozenset(
    (
        *("points", "cap", "window", "half_life", "default", "factor", "margin", "score", "period", "response"),
        *("from", "until", "start", "end", "at_least", "at_most"),
    )
)
"""Of a rule, an overlay or a stage."""
LISTS = ("order",)
"""Written with commas."""
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """``key``: the field's name in a form. ``of``: the rule, stage or block it belongs to; ``label``: which of its."""

    file: str
    path: Path
    of: str
    label: str
    value: str

    @property
    def key(self) -> str:
        return json.dumps([self.file, *self.path], ensure_ascii=False)


def numbers(files: Mapping[str, str]) -> list[Number]:
    """Of the scores' files and ``journey.yaml`` among ``files`` (name → text), in the order of the text."""
    return [one for name in of_model(files) for one in _walked(name, (), ConfigFile(name, files[name]).data, "")]


def changed(files: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The files in which a number is another one: name → text.

    :param given: ``Number.key`` → what a form has there; keys that are no number of the files are left out. A text
        that is no number stays what it is: the check of the file says what is wrong with it.
    """
    found: dict[str, str] = {}
    for name in of_model(files):
        mine = [one for one in numbers(files) if one.file == name and one.key in given]
        mine = [one for one in mine if given[one.key].strip() != one.value]
        if not mine:
            continue
        yaml = like(files[name])
        tree = yaml.load(files[name])
        for one in mine:
            node = tree
            for step in one.path[:-1]:
                node = node[step]
            before, text = node[one.path[-1]], given[one.key].strip()
            if isinstance(before, list):
                before[:] = [part.strip() for part in text.split(",") if part.strip()]
            else:
                node[one.path[-1]] = typed(text)
        found[name] = dumped(yaml, tree)
    return found


def typed(text: str) -> Any:
    """As YAML would read it where it stands."""
    for read in (int, float, date.fromisoformat):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _walked(file: str, path: Path, node: Any, of: str) -> Iterator[Number]:
    if isinstance(node, Mapping):
        own = node.get("name", node.get("reason"))
        here = str(own) if isinstance(own, str) and path else of
        for key, value in node.items():
            yield from _walked(file, (*path, key), value, here)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        if path and path[-1] in LISTS and all(isinstance(one, str) for one in node):
            yield Number(file, path, of or _block(path), _label(path), ", ".join(node))
            return
        for index, one in enumerate(node):
            yield from _walked(file, (*path, index), one, of)
    elif _is_ours(path) and isinstance(node, str | int | float | date) and not isinstance(node, bool):
        yield Number(file, path, of or _block(path), _label(path), str(node))


def _is_ours(path: Path) -> bool:
    return path[-1] in NAMED or any(step in BELOW for step in path[:-1])


def _block(path: Path) -> str:
    return str(path[0]).replace("_", " ")


def _label(path: Path) -> str:
    """What is behind the name of what it belongs to: ``points 1-49``, ``cap``, ``score finance``."""
    steps = [step for step in path if not isinstance(step, int)]
    told = steps[1:] if steps[0] in FIRST or len(steps) > 1 else steps
    return " ".join(str(step).replace("_", " ") for step in told if step not in ("entry",))
