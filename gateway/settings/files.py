"""One configuration file: its plain data, and the line each key stands on.

Everything that complains about a file does it through ``ConfigFile.problem`` (one key) or ``ConfigFile.check`` (a
whole marshmallow schema), so that each complaint reads ``file:line: key: what is wrong; did you mean …``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gateway.errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]


def suggest(word: object, known: Iterable[str]) -> str:
    """``"; did you mean 'job_title'?"``, or nothing when no known name is near."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def dotted(path: Sequence[str | int]) -> str:
    """``("stages", 0, "name")`` as people write it: ``stages[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


class ConfigFile:
    """A YAML file read once. ``data`` is plain dicts and lists; ``name`` is how messages call it."""

    def __init__(self, name: str, text: str) -> None:
        """Raises ``ConfigError`` when the text is no YAML mapping."""
        self.name = name
        self.text = text
        self._lines: dict[KeyPath, int] = {}
        yaml = YAML(typ="rt")
        try:
            tree = yaml.load(text)
        except MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            line = mark.line + 1 if mark else 0
            what = (exc.problem or exc.context or "").partition(" with value")[0]  # never quote a value
            raise ConfigError([Problem(name, line, "", f"not readable as YAML: {what}")]) from None
        except YAMLError as exc:
            raise ConfigError([Problem(name, 0, "", f"not readable as YAML: {type(exc).__name__}")]) from None
        if tree is None:
            tree = {}
        if not isinstance(tree, Mapping):
            raise ConfigError([Problem(name, 1, "", "expected keys with values (a YAML mapping)")])
        self.data: dict[str, Any] = self._plain(tree, ())

    @classmethod
    def read(cls, path: Path, root: Path | None = None) -> ConfigFile:
        """Read ``path``; messages name it relative to ``root``. Raises ``ConfigError`` when it is missing."""
        name = str(path.relative_to(root)) if root and path.is_relative_to(root) else str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ConfigError([Problem(name, 0, "", "no such file")]) from None
        except (OSError, UnicodeDecodeError) as exc:
            raise ConfigError([Problem(name, 0, "", f"cannot be read: {type(exc).__name__}")]) from None
        return cls(name, text)

    def line(self, path: Sequence[str | int]) -> int:
        """The line of the key at ``path``, or of its nearest parent that has one; 1 when nothing is nearer."""
        path = tuple(path)
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 1

    def problem(self, path: Sequence[str | int], message: str) -> Problem:
        return Problem(self.name, self.line(path), dotted(path), message)

    def check(self, schema: Schema, data: Any = None, at: Sequence[str | int] = ()) -> list[Problem]:
        """Every complaint of ``schema`` about ``data`` (default: the whole file), which stands at ``at``."""
        errors = schema.validate(self.data if data is None else data)
        return [self._spoken(schema, (*at, *path), path, message) for path, message in _flat(errors, ())]

    def _spoken(self, schema: Schema, path: KeyPath, below: KeyPath, message: str) -> Problem:
        if message == "Unknown field." and below:
            return self.problem(path, f"unknown key{suggest(below[-1], _known(schema, below[:-1]))}")
        return self.problem(path, message.rstrip(".")[:1].lower() + message.rstrip(".")[1:])

    def _plain(self, node: Any, path: KeyPath) -> Any:
        if isinstance(node, Mapping):
            for key in node:
                if isinstance(node, CommentedBase) and key in (node.lc.data or {}):
                    self._lines[(*path, key)] = node.lc.key(key)[0] + 1
            return {key: self._plain(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, list):
            for index in range(len(node)):
                if isinstance(node, CommentedBase) and index in (node.lc.data or {}):
                    self._lines[(*path, index)] = node.lc.item(index)[0] + 1
            return [self._plain(value, (*path, index)) for index, value in enumerate(node)]
        for plain in (bool, int, float, str):  # ruamel's scalars are subclasses that remember their style
            if isinstance(node, plain):
                return plain(node)
        return node


def _flat(errors: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """marshmallow's nested messages as (path, message); its ``_schema`` level is no key of the file."""
    if isinstance(errors, Mapping):
        for key, inner in errors.items():
            yield from _flat(inner, path if key in ("_schema", "value", "key") and path else (*path, key))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _flat(inner, path)
    else:
        yield path, str(errors)


def _known(schema: Schema, path: KeyPath) -> list[str]:
    """The keys that ``schema`` accepts at ``path``, for suggestions."""
    node: Any = schema
    for part in path:
        node = node.schema if isinstance(node, fields.Nested) else node
        if isinstance(node, Schema):
            node = node.fields.get(str(part))
        elif isinstance(node, fields.List):
            node = node.inner
        elif isinstance(node, fields.Dict):
            node = node.value_field
    node = node.schema if isinstance(node, fields.Nested) else node
    return list(node.fields) if isinstance(node, Schema) else []
