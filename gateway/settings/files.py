"""One configuration file: its plain data, and the line each key stands on.

Everything that complains about a file does it through ``ConfigFile.problem`` (one key) or ``ConfigFile.check`` (a
whole marshmallow schema), so that each complaint reads ``file:line: key: what is wrong; did you mean …``.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.scalarbool import ScalarBoolean
from ruamel.yaml.scanner import RoundTripScanner, ScannerError
from ruamel.yaml.tokens import ScalarToken

from gateway.errors import ConfigError, Problem

KeyPath = tuple[Any, ...]
"""Keys and list indexes; a key may be what YAML made of it, a number or a date."""
_KEYS = "expected keys with values"
_DAY = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)")
MAX_CHARACTERS = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 24


def suggest(word: object, known: Iterable[str]) -> str:
    """``"; did you mean 'job_title'?"``, or nothing when no known name is near."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def dotted(path: Sequence[Any]) -> str:
    """``("stages", 0, "name")`` as people write it: ``stages[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def content_hash(data: Any) -> str:
    """16 hex digits that stand for the content of plain data: the same however the file is laid out or commented."""
    return hashlib.sha256(json.dumps(_jsonable(data)).encode()).hexdigest()[:16]


def _jsonable(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _jsonable(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_jsonable(one) for one in node]
    return node if isinstance(node, str | int | float | None) else str(node)


class ConfigFile:
    """A YAML file read once. ``data`` is plain dicts and lists; ``name`` is how messages call it."""

    def __init__(self, name: str, text: str) -> None:
        """Raises ``ConfigError`` when the text is no YAML mapping."""
        self.name, self.text = name, text
        data, self._lines = _read(name, text)
        self.data: dict[str, Any] = deepcopy(data)  # its reader's own

    @classmethod
    def read(cls, path: Path, root: Path | None = None) -> ConfigFile:
        """Read ``path``; messages name it relative to ``root``. Raises ``ConfigError`` when it is missing."""
        name = str(path.relative_to(root)) if root and path.is_relative_to(root) else str(path)
        try:
            with path.open(encoding="utf-8") as stream:
                text = stream.read(MAX_CHARACTERS + 1)
        except FileNotFoundError:
            raise ConfigError([Problem(name, 0, "", "no such file")]) from None
        except UnicodeDecodeError:
            raise ConfigError([Problem(name, 0, "", "cannot be read: it is not UTF-8 text")]) from None
        except OSError as exc:
            raise ConfigError([Problem(name, 0, "", f"cannot be read: {exc.strerror or type(exc).__name__}")]) from None
        return cls(name, text)

    def line(self, path: Sequence[Any]) -> int:
        """The line of the key at ``path``, or of its nearest parent that has one; 1 when nothing is nearer."""
        return _line(self._lines, path)

    def has(self, path: Sequence[Any]) -> bool:
        """True when the file writes something at exactly this place."""
        return tuple(path) in self._lines

    def problem(self, path: Sequence[Any], message: str) -> Problem:
        return Problem(self.name, self.line(path), dotted(path), message)

    def check(self, schema: Schema, data: Any = None, at: Sequence[Any] = ()) -> list[Problem]:
        """Every complaint of ``schema`` about ``data`` (default: the whole file), which stands at ``at``."""
        errors = schema.validate(self.data if data is None else data)
        return [self.problem((*at, *path), message) for path, message in _flat(errors, schema, ())]


@lru_cache(maxsize=64)  # most of the work of opening an instance, and who follows edits opens the same texts again
def _read(name: str, text: str) -> tuple[dict[str, Any], Mapping[KeyPath, int]]:
    """The data of a YAML text, and the line of each place that it writes. Raises ``ConfigError``."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigError([Problem(name, 0, "", f"longer than {MAX_CHARACTERS:,} characters")])
    try:
        with warnings.catch_warnings(action="ignore"):  # an anchor used twice is the author's own business
            try:
                tree = _yaml().load(text)
            except DuplicateKeyError:
                twice = sorted(_doubled(name, _yaml().compose(text), (), set()))
                raise ConfigError(twice) from None
    except ConfigError:
        raise
    except MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 0
        what = (exc.problem or exc.context or "").partition(" with value")[0]  # never quote a value
        raise ConfigError([Problem(name, line, "", f"not readable as YAML: {what}")]) from None
    except Exception as exc:  # noqa: BLE001 - dates such as 2026-13-45 and deep nesting escape as they like
        if isinstance(exc, ValueError) and (found := list(_no_days(name, text))):
            raise ConfigError(found) from None
        raise ConfigError([Problem(name, 0, "", f"not readable as YAML: {type(exc).__name__}")]) from None
    if tree is None:
        tree = {}
    if not isinstance(tree, Mapping):
        raise ConfigError([Problem(name, 1, "", f"{_KEYS} (a YAML mapping)")])
    plain = _Plain(name)
    return plain.made(tree, ()), plain.lines


class _Scanner(RoundTripScanner):
    """For each word ruamel looks through all brackets that are open: thousands of them would take it minutes."""

    def fetch_flow_collection_start(self, *args: Any, **more: Any) -> None:
        if len(self.flow_context) > MAX_DEPTH:
            raise ScannerError(None, None, f"nested deeper than {MAX_DEPTH} levels", self.reader.get_mark())
        super().fetch_flow_collection_start(*args, **more)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.Scanner = _Scanner
    return yaml


class _Plain:
    """Plain data of what ruamel read; ``lines`` of its places come along."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[KeyPath, int] = {}
        self._size = 0

    def made(self, node: Any, path: KeyPath) -> Any:
        self._size += 1
        if self._size > MAX_VALUES:  # aliases of aliases: a few lines can stand for billions of values
            raise self._refusal(path[:3], f"more than {MAX_VALUES:,} values")
        if len(path) > MAX_DEPTH:
            raise self._refusal(path[:3], f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, Mapping):
            for key in node:
                if not isinstance(key, str | int | float | date | None):
                    raise self._refusal(path, "a key is one word or number, not a list or mapping")
                if isinstance(node, CommentedBase) and key in (node.lc.data or {}):
                    self.lines[(*path, key)] = node.lc.key(key)[0] + 1
            return {_scalar(key): self.made(value, (*path, key)) for key, value in node.items()}
        if isinstance(node, list):
            for index in range(len(node)):
                if isinstance(node, CommentedBase) and index in (node.lc.data or {}):
                    self.lines[(*path, index)] = node.lc.item(index)[0] + 1
            return [self.made(value, (*path, index)) for index, value in enumerate(node)]
        plain = _scalar(node)
        if not isinstance(plain, str | int | float | date | None):
            raise self._refusal(path, "a YAML tag (!…) is not understood here")
        return plain

    def _refusal(self, path: KeyPath, message: str) -> ConfigError:
        return ConfigError([Problem(self.name, _line(self.lines, path), dotted(path), message)])


def _line(lines: Mapping[KeyPath, int], path: Sequence[Any]) -> int:
    path = tuple(path)
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


def _doubled(name: str, node: Any, path: KeyPath, seen: set[int]) -> Iterator[Problem]:
    """Each key that stands twice at one place: what a file means then nobody knows. ``seen``: what aliases repeat."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                here = dotted((*path, key.value))
                yield Problem(name, line, here, f"stands here twice, first at line {lines[key.value]}; keep one")
            lines.setdefault(str(key.value), line)
            yield from _doubled(name, value, (*path, str(key.value)), seen)
    elif isinstance(node, SequenceNode):
        for index, value in enumerate(node.value):
            yield from _doubled(name, value, (*path, index), seen)


def _no_days(name: str, text: str) -> Iterator[Problem]:
    """Each date that is in no calendar."""
    for token in _yaml().scan(text):
        if isinstance(token, ScalarToken) and token.plain and (found := _DAY.match(token.value)):
            try:
                date(*map(int, found.groups()))
            except ValueError:
                yield Problem(name, token.start_mark.line + 1, "", "not readable as YAML: there is no such day")


def _scalar(node: Any) -> Any:
    """ruamel's scalars are subclasses that remember their style; a plain one is left."""
    if isinstance(node, ScalarBoolean):
        return bool(node)
    if isinstance(node, datetime):
        return datetime.combine(node.date(), node.timetz())
    for plain in (bool, int, float, str):
        if isinstance(node, plain):
            return plain(node)
    return node


def _flat(errors: Any, node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """marshmallow's nested messages as (path, message). ``node``: the schema or field they are about, where known.

    A schema's ``_schema`` and a ``Dict`` field's ``key`` and ``value`` are levels of marshmallow, not of the file.
    """
    node = node.schema if isinstance(node, fields.Nested) else node
    if isinstance(errors, Mapping):
        for key, inner in errors.items():
            if isinstance(node, fields.Dict) and isinstance(inner, Mapping):
                for part, below in inner.items():
                    yield from _flat(below, node.value_field if part == "value" else node.key_field, (*path, key))
            elif key == "_schema":
                yield from _flat(inner, None, path)
            elif isinstance(node, Schema) and key not in (known := _fields(node)) and inner == ["Unknown field."]:
                yield (*path, key), f"unknown key{suggest(key, known)}"
            else:
                yield from _flat(inner, _below(node, key), (*path, key))
    elif isinstance(errors, list):
        for inner in errors:
            yield from _flat(inner, None, path)
    else:
        text = str(errors).rstrip(".")
        yield path, _PLAINLY.get(text, text[:1].lower() + text[1:])


_PLAINLY = {
    "Missing data for required field": "is missing",
    "Field may not be null": "has no value",
    "Invalid input type": _KEYS,
    "Not a valid mapping type": _KEYS,
    "Not a valid list": "expected a list",
    "Not a valid string": "expected text",
    "Not a valid integer": "expected a whole number",
    "Not a valid number": "expected a number",
    "Not a valid boolean": "expected true or false",
}
"""What marshmallow says of itself, in the words that the rest of the messages use."""


def _below(node: Any, key: Any) -> Any:
    if isinstance(node, Schema):
        known: dict[Any, Any] = _fields(node)
        return node if isinstance(key, int) and key not in known else known.get(key)  # many=True: a level of indexes
    return node.inner if isinstance(node, fields.List) else None


def _fields(schema: Schema) -> dict[str, Any]:
    """The schema's fields by the names the file uses."""
    return {field.data_key or name: field for name, field in schema.fields.items()}
