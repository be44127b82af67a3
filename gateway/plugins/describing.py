"""What a plugin's settings are, told from the one schema that also checks them: a table, and a section to begin with.

In: a marshmallow schema. Out: plain data and text. ``metadata`` of a field may say ``help`` (or ``description``: what
it is for), ``example`` (what a first section writes), ``default`` (as a file writes it, where it is loaded to something
else), ``choices`` (words it may be, where they are too many for a section) and ``ask`` (that it is needed: always, or
with another setting).
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marshmallow import Schema, fields, missing
from marshmallow.validate import OneOf
from ruamel.yaml import YAML

from gateway.durations import Duration, format_duration
from gateway.settings.secrets import SecretField

WIDTH = 34
"""Column at which comments of a section begin, where the line leaves room."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. ``path`` with dots; ``default`` is plain data, None without one; ``needed``: required, or asked for."""

    path: str
    type: str
    required: bool
    secret: bool
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    needed: bool = False


def settings_of(schema: type[Schema] | None) -> list[Setting]:
    """Every key of the schema, outer before inner; none without a schema."""
    return [setting for setting, _ in _walk(schema())] if schema is not None else []


def section(system: str, plugin: str, schema: type[Schema] | None, head: Mapping[str, str]) -> str:
    """A system's section of gateway.yaml, indented to stand under ``systems:``. Ends with a newline.

    What is needed is written with a placeholder, all else is a comment with its default.

    :param head: ``role`` and, where known, ``pull``.
    """
    lines = [f"  {system}:", _line(4, f"plugin: {plugin}", "")]
    lines.append(_line(4, f"role: {head['role']}", "ma, crm, notify (brings messages to people) or other"))
    lines.append(_line(4, "outbound: off", f"until `gateway activate {system}`"))
    if head.get("pull"):
        lines.append(_line(4, f"pull: {head['pull']}", "how often it is asked for news"))
    if schema is not None:
        made = schema()
        written = list(_section(made, system, 6, {}, True))
        any_needed = any(not line.lstrip().startswith("#") for line in written)
        lines.append("    settings:" if any_needed else _line(4, "settings: {}", "or, instead of {}, any of these"))
        lines += written
    return "\n".join(lines) + "\n"


def _walk(schema: Schema, before: str = "", seen: tuple[type[Schema], ...] = ()) -> Iterator[tuple[Setting, Any]]:
    for name, field in schema.fields.items():
        one = field.inner if isinstance(field, fields.List) else field
        path = f"{before}{field.data_key or name}"
        yield (
            Setting(
                path,
                kind_of(field),
                bool(field.required),
                isinstance(_leaf(field), SecretField) and not field.metadata.get("open"),
                plain_default(field),
                help_of(field),
                tuple(str(choice) for choice in _choices(one) or field.metadata.get("choices", ())),
                _needed(field, schema),
            ),
            field,
        )
        inner = _leaf(field)
        if isinstance(inner, fields.Nested) and type(inner.schema) not in seen:
            yield from _walk(inner.schema, f"{path}.", (*seen, type(inner.schema)))


def _section(schema: Schema, system: str, indent: int, example: Mapping[str, Any], live: bool) -> Iterator[str]:
    """``live``: what is needed is no comment. ``example``: values of the block that this one stands in."""
    for name, field in schema.fields.items():
        key = field.data_key or name
        given = example.get(key, field.metadata.get("example"))
        secret = isinstance(_leaf(field), SecretField)
        needed = live and (key in example or given is not None or _needed(field, schema))
        about = help_of(field)
        choices = [*map(str, _choices(field))]
        if any(one not in about for one in choices):
            about = "; ".join(filter(None, [about, f"one of {', '.join(map(legible, choices))}"]))
        if isinstance(field, fields.Nested):
            yield _line(indent, f"{key}:" if needed else f"# {key}:", about)
            inner = _section(field.schema, system, indent + 2, given or {}, needed)
            yield from inner if needed else (_commented(line, indent) for line in inner)
            continue
        if given is None and (given := plain_default(field)) is None and (needed or secret):
            given = _placeholder(system, key, field)
        if given is None:
            given = _hint(field)
            text = f"{key}: {given}"
        else:
            text = f"{key}: {_yaml(given)}"
        yield _line(indent, text if needed else f"# {text}", about)


def _commented(line: str, indent: int) -> str:
    """A line of a block that is a comment as a whole: one ``#`` in the block's column."""
    inner = line.lstrip()
    depth = len(line) - len(inner)
    return f"{' ' * indent}# {' ' * (depth - indent)}{inner.removeprefix('# ')}"


def _line(indent: int, text: str, about: str) -> str:
    line = " " * indent + text
    return f"{line.ljust(WIDTH)}  # {about}" if about else line


def _placeholder(system: str, key: str, field: Any) -> Any:
    name = re.sub(r"\W", "_", f"{system}_{key}").upper()
    if isinstance(_leaf(field), SecretField):
        one = f"${{{name}}}"
        return [one] if isinstance(field, fields.List) else {"ID": one} if isinstance(field, fields.Dict) else one
    if isinstance(field, fields.Integer | fields.Float):
        return 1
    return "CHANGE-ME"


def _hint(field: Any) -> str:
    """What stands for a value that has no default."""
    if isinstance(field, fields.List):
        return "[]"
    if isinstance(field, fields.Dict):
        return "{}"
    return "…"


def _yaml(value: Any) -> str:
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.width = 10_000
    whole = isinstance(value, dict | list)
    yaml.dump(value if whole else [value], stream)
    text = stream.getvalue().strip() if whole else stream.getvalue().strip()[1:-1]
    return re.sub(r"'(\$\{\w+\})'", r'"\1"', text)  # as all our pages write references


def legible(word: str) -> str:
    """A choice as people can read it: a comma, a tabulator and the like in quotes."""
    return word if word.isprintable() and any(map(str.isalnum, word)) else repr(word)


def kind_of(field: Any) -> str:
    """What the key takes, in a word or two."""
    if isinstance(field, fields.List):
        inner = kind_of(field.inner)
        return f"list of {inner}s" if not inner.endswith("s") else f"list of {inner}"
    if isinstance(field, fields.Dict):
        return "names with values" if field.value_field is not None else "keys"
    words = (
        (fields.Nested, "keys"),
        (SecretField, "secret"),
        (fields.Boolean, "true or false"),
        (fields.Integer, "whole number"),
        (fields.Float, "number"),
        (Duration, "duration"),
        (fields.String, "text"),
    )
    if isinstance(field, SecretField) and field.metadata.get("open"):
        return "text"
    found = next((word for kind, word in words if isinstance(field, kind)), "value")
    return "duration" if found == "value" and "duration" in type(field).__name__.lower() else found


def plain_default(field: Any) -> Any:
    """The default as gateway.yaml would write it; None without one."""
    if "default" in field.metadata:
        return field.metadata["default"]
    if isinstance(field, fields.Nested) or field.load_default is missing:
        return None
    default = field.load_default() if callable(field.load_default) else field.load_default
    if isinstance(default, timedelta):
        return format_duration(default)
    try:
        return json.loads(json.dumps(default))
    except (TypeError, ValueError):
        return str(default)


def help_of(field: Any) -> str:
    """What the field is for, as its schema says."""
    return " ".join(str(field.metadata.get("help") or field.metadata.get("description") or "").split())


def _choices(field: Any) -> tuple[Any, ...]:
    found = [one for one in field.validators if isinstance(one, OneOf)]
    return tuple(found[0].choices) if found else ()


def _leaf(field: Any) -> Any:
    """The field of a list's items, or of a mapping's values; else the field itself."""
    if isinstance(field, fields.List):
        return _leaf(field.inner)
    return _leaf(field.value_field) if isinstance(field, fields.Dict) and field.value_field is not None else field


def _needed(field: Any, schema: Schema) -> bool:
    """Required, or asked for with the other settings as they are by default."""
    ask = field.metadata.get("ask", False)
    if isinstance(ask, Mapping):
        return all(key in schema.fields and schema.fields[key].load_default == value for key, value in ask.items())
    return bool(field.required or ask)
