"""Bytes of a document into plain data, strictly: what a source's ``read`` does before its mapping file takes over.

Whatever two readers could understand differently is refused, with ``QuarantineDocument`` naming the place and the kind
of trouble, never the value: duplicate keys, numbers that would lose digits, text that no database keeps, and nesting or
key counts that only an attack (or a misconfigured sender) produces. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl
from xml.parsers import expat

import orjson

from gateway.errors import QuarantineDocument

MAX_DEPTH = 32
MAX_KEYS = 10_000
FORM_DEPTH = 8
FORM_KEYS = 2_000
FORM_VALUE = 65_536
"""Bytes of one form value, as sent."""

_BOM = b"\xef\xbb\xbf"
_INTEGERS = range(-(2**63), 2**64)
_DIGITS = bytes(48 if chr(code).isdigit() and code < 128 else 32 for code in range(256))
_LONG_NUMBER = b"0" * 19
_SPACES = b" \t\r\n"
_MEDIA = re.compile(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,80}\Z")
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w .-]{0,63}\Z")

Path = tuple[str | int, ...]


def decode_json(body: bytes, *, depth: int = MAX_DEPTH, keys: int = MAX_KEYS) -> Any:
    """One JSON text in UTF-8 (a byte order mark is skipped) as plain data.

    ``depth``: levels of lists and objects; ``keys``: of all objects together. Integers must fit 64 bit. Raises
    ``QuarantineDocument`` for everything else that the module docstring names.
    """
    if body.startswith(_BOM):
        body = body[len(_BOM) :]
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        if exc.msg == "depth limit exceeded":
            raise QuarantineDocument(f"nested deeper than {depth} levels") from None
        raise QuarantineDocument(f"not readable as JSON: {_broken(body, exc)}") from None
    count = _measure(data, depth, keys)
    # The fast decoder keeps the last of two equal keys and turns long integers into floats. Rather than parse every
    # body a second time, look for the signs in the bytes. Without its spaces a text has at least one `":` for each key
    # that was sent (strings may add some); when there are more than keys arrived, or another sign shows, the slow and
    # exact reading decides.
    if (
        body.translate(None, _SPACES).count(b'":') != count
        or _LONG_NUMBER in body.translate(_DIGITS)
        or b"\\u0000" in body
    ):
        _refuse_ambiguous(body)
    return data


def decode_form(
    body: bytes, *, depth: int = FORM_DEPTH, keys: int = FORM_KEYS, value: int = FORM_VALUE
) -> dict[str, Any]:
    """A form body (``application/x-www-form-urlencoded``) with bracketed names as nested dicts and lists.

    ``a[b]=1`` is ``{"a": {"b": "1"}}``, ``a[]=1&a[]=2`` and ``a=1&a=2`` are lists; names counting from 0 without a gap
    (``a[0][id]=1&a[1][id]=2``) are a list too, other numbers stay names. ``a[][id]=1&a[][n]=2`` is one item until a
    name repeats. All values are text. Raises ``QuarantineDocument``.
    """
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=keys, separator="&"
        )
    except UnicodeDecodeError:
        raise QuarantineDocument("not readable as a form: not valid UTF-8") from None
    except ValueError:
        raise QuarantineDocument(f"more than {keys} form fields") from None
    root: dict[str, Any] = {}
    for number, (name, text) in enumerate(pairs, 1):
        parts = _brackets(name)
        place = f"form field {number} ({spoken(parts)})"
        if len(parts) > depth:
            raise QuarantineDocument(f"{place}: nested deeper than {depth} levels")
        if len(text.encode()) > value:
            raise QuarantineDocument(f"{place}: longer than {value} bytes")
        if "\x00" in text or "\x00" in name:
            raise QuarantineDocument(f"{place}: contains a NUL character")
        if not _put(root, parts, text):
            raise QuarantineDocument(f"{place}: sent both as a value and as a group of values")
    return {name: _lists(node) for name, node in root.items()}


def media_type(content_type: str) -> str:
    """``application/json`` of ``Application/JSON; charset=utf-8``; what is none is "", since it may be anything."""
    media = content_type.partition(";")[0].strip().lower()
    return media if _MEDIA.match(media) else ""


def not_understood(content_type: str, known: str) -> QuarantineDocument:
    """The error for a body whose type nobody here reads. ``known``: what is read, as ``JSON and forms``."""
    media = media_type(content_type)
    what = f"bodies of type {media!r}" if media else "bodies whose type is not stated as one, such as application/json,"
    return QuarantineDocument(f"{what} are not understood; {known} are")


def spoken(path: Sequence[str | int]) -> str:
    """``$.contacts[3].email``; a key that does not look like a field's name may be a value, so it is only counted."""
    text = "$"
    for part in path[:12]:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _PLAIN_KEY.match(part) else ".(a key)" if part else "[]"
    return text + ("…" if len(path) > 12 else "")


def decode_xml(body: bytes, *, depth: int = MAX_DEPTH, keys: int = MAX_KEYS) -> dict[str, Any]:
    """One XML document as nested dicts and lists, ``{"Order": {"@id": "7", "Line": ["a", "b"]}}``.

    An element is its text, or a dict of what is in it: attributes under ``@name``, elements under their name (a list
    where one stands more than once), text beside them under ``#text``. Prefixes of namespaces are left out, white space
    around texts, too; ``xsi:nil`` is None. All values are text. ``depth``: levels of elements; ``keys``: of elements
    and attributes. A document type is refused, so there are no entities to expand. Raises ``QuarantineDocument``.
    """
    reading = _Elements(depth, keys)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.doctype
    try:
        parser.Parse(body, True)
    except expat.ExpatError as exc:
        why = expat.errors.messages.get(exc.code, "it does not follow the grammar")
        raise QuarantineDocument(f"not readable as XML: {why} (line {exc.lineno}, column {exc.offset + 1})") from None
    except (LookupError, ValueError, UnicodeError):  # an encoding that is not known, or not what it says
        raise QuarantineDocument("not readable as XML: its encoding is not known") from None
    return reading.root


# -- JSON --------------------------------------------------------------------------------------------------------------


_BROKEN = {
    "after document": "something stands behind its end",
    "unexpected end": "it ends too early",
    "string key": "a key in double quotes is expected",
    "after key": "a colon is expected behind a key",
    "trailing comma": "a comma stands before a closing bracket",
    "escape": "an escape that JSON does not know",
    "control character": "a control character in a text",
    "surrogate in string": "half a character in a text",
    "infinity": "a number too large to be kept",
    "number": "a number that JSON does not know",
    "digit": "a number that JSON does not know",
    "expected": "a value is expected",
}
"""Words of the decoder → ours, the first that is found: its own say too little to senders, and change."""


def _broken(body: bytes, exc: orjson.JSONDecodeError) -> str:
    """The kind of trouble and its place; nothing of the text."""
    if not body.strip():
        return "the body is empty"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as where:
        return f"not valid UTF-8 (byte {where.start + 1})"
    kind = next((ours for theirs, ours in _BROKEN.items() if theirs in exc.msg), "it does not follow the grammar")
    return f"{kind} (line {exc.lineno}, column {exc.colno})"


def _measure(data: Any, depth: int, keys: int) -> int:
    """The number of keys in all objects; refuses what is nested too deep or has too many keys."""
    count = 0
    level = [data] if type(data) is dict or type(data) is list else []
    for _ in range(depth):
        below: list[Any] = []
        for node in level:
            if type(node) is dict:
                count += len(node)
                below += [child for child in node.values() if type(child) is dict or type(child) is list]
            else:
                below += [child for child in node if type(child) is dict or type(child) is list]
        if not below:
            break
        level = below
    else:
        if level:
            raise QuarantineDocument(f"nested deeper than {depth} levels at {spoken(_deepest(data, depth))}")
    if count > keys:
        raise QuarantineDocument(f"more than {keys} keys")
    return count


def _deepest(data: Any, depth: int) -> Path:
    """The path of the first node that lies ``depth`` levels down."""
    level: list[tuple[Path, Any]] = [((), data)]
    for _ in range(depth):
        level = [(child, inner) for path, node in level for child, inner in _children(path, node)]
    return level[0][0]


def _children(path: Path, node: Any) -> Iterator[tuple[Path, Any]]:
    pairs: Any = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return (((*path, key), child) for key, child in pairs if isinstance(child, dict | list))


class _Pairs(list[tuple[str, Any]]):
    """An object as it was written: keys in order, repeated ones included."""


def _refuse_ambiguous(body: bytes) -> None:
    """Read again, slowly, with all keys and all digits; raise at the first place that is ambiguous."""
    stack: list[tuple[Path, Any]] = [((), json.loads(body, object_pairs_hook=_Pairs))]
    while stack:
        path, node = stack.pop()
        if isinstance(node, _Pairs):
            seen: set[str] = set()
            for key, child in node:
                if key in seen:
                    raise QuarantineDocument(f"{spoken((*path, key))}: the same key twice in one object")
                if "\x00" in key:
                    raise QuarantineDocument(f"{spoken(path)}: a key contains a NUL character")
                seen.add(key)
                stack.append(((*path, key), child))
        elif isinstance(node, list):
            stack += [((*path, index), child) for index, child in enumerate(node)]
        elif isinstance(node, str) and "\x00" in node:
            raise QuarantineDocument(f"{spoken(path)}: a text contains a NUL character")
        elif type(node) is int and node not in _INTEGERS:
            raise QuarantineDocument(f"{spoken(path)}: an integer beyond 64 bit")


# -- forms -------------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)\Z")


class _Items(list[Any]):
    """What ``[]`` collected: a list in the making, as opposed to a dict that numbers may turn into one."""


def _brackets(name: str) -> list[str]:
    """``a[b][]`` as ``["a", "b", ""]``; a name whose brackets do not close is taken as it stands."""
    match = _NAME.match(name)
    return [match[1], *match[2][1:-1].split("][")] if match else [name]


def _put(root: dict[str, Any], parts: list[str], text: str) -> bool:
    """Set ``text`` at ``parts``; False where a value and a group of values meet."""
    node: Any = root
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(node, _Items):
            if part != "":
                return False
            if after is None:
                node.append(text)
                return True
            if not node or not isinstance(node[-1], dict) or after in node[-1]:
                node.append({} if after else _Items())
            node = node[-1]
        elif isinstance(node, dict):
            if part == "" and node is not root:
                return False
            if after is None:
                if isinstance(node.get(part), dict):
                    return False
                node[part] = text if part not in node else _repeated(node[part], text)
                return True
            node = node.setdefault(part, {} if after else _Items())
        else:
            return False
    return False


def _repeated(before: Any, text: str) -> _Items:
    if isinstance(before, _Items):
        before.append(text)
        return before
    return _Items([before, text])


def _lists(node: Any) -> Any:
    """Dicts whose names count from 0 without a gap become lists."""
    if isinstance(node, _Items):
        return [_lists(child) for child in node]
    if not isinstance(node, dict):
        return node
    if node and node.keys() == {str(index) for index in range(len(node))}:
        return [_lists(node[str(index)]) for index in range(len(node))]
    return {name: _lists(child) for name, child in node.items()}


# -- XML ---------------------------------------------------------------------------------------------------------------

_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"


class _Elements:
    """The parser's handlers: the open elements, outermost first, each with what it holds so far and its texts."""

    def __init__(self, depth: int, keys: int) -> None:
        self.root: dict[str, Any] = {}
        self._open: list[tuple[str, dict[str, Any], list[str]]] = []
        self._nil: list[bool] = []
        self._depth, self._keys = depth, keys

    def doctype(self, *declared: Any) -> None:
        raise QuarantineDocument("holds a document type, which is not read")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._keys -= 1 + len(attributes)
        if self._keys < 0:
            raise QuarantineDocument("more elements and attributes than are read")
        self._open.append((_local(name), {}, []))
        if len(self._open) > self._depth:
            raise QuarantineDocument(f"nested deeper than {self._depth} levels at {self._place()}")
        self._nil.append(attributes.pop(_NIL, "") in ("true", "1"))
        held = self._open[-1][1]
        for key, value in attributes.items():
            if held.setdefault(f"@{_local(key)}", value) is not value:
                raise QuarantineDocument(f"{self._place()}: two attributes of one name")

    def text(self, data: str) -> None:
        self._open[-1][2].append(data)

    def end(self, _: str) -> None:
        name, held, texts = self._open.pop()
        text = "".join(texts).strip()
        value: Any = None if self._nil.pop() else text
        if held:
            value = held if not text else {**held, "#text": text}
        around = self._open[-1][1] if self._open else self.root
        if name not in around:
            around[name] = value
        elif isinstance(around[name], list):
            around[name].append(value)
        else:
            around[name] = [around[name], value]

    def _place(self) -> str:
        return spoken([name for name, _, _ in self._open])


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
