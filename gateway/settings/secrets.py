"""Secrets in settings: a file names where one is kept, never the secret itself.

A plugin's settings schema declares ``SecretField()``; loading gives a ``contracts.Secret``. References are
``${NAME}`` (environment) and ``file:PATH`` (relative to the instance's folder). Messages name the reference only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from marshmallow import ValidationError, fields

from gateway.contracts import Secret

REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LONGEST = 65_536
_root: ContextVar[Path] = ContextVar("instance", default=Path())
_FILE = re.compile(r"""\bfile:([^\s"'\],}]+)""")
LITERAL = "write ${NAME} or file:PATH, never the secret itself"


@contextmanager
def secrets_of(root: Path) -> Iterator[None]:
    """While this lasts, ``file:`` references start at ``root`` (else at the working directory)."""
    token = _root.set(root)
    try:
        yield
    finally:
        _root.reset(token)


class SecretField(fields.Field[Secret]):
    """A reference in, a ``Secret`` out. Refuses literals without repeating them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Secret:
        if isinstance(value, Secret):
            return value
        if not isinstance(value, str):
            raise ValidationError(LITERAL)
        if match := REFERENCE.fullmatch(value):
            return Secret(_environment(match[1]), value)
        if value.startswith("file:") and value != "file:":
            return Secret(_file(value), value)
        raise ValidationError(LITERAL)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return value.reference if isinstance(value, Secret) else None


def written(root: Path, text: str) -> dict[str, tuple[int, int]]:
    """Path of each file that a reference in ``text`` names → when it was written, and its length. Those that are not
    there, or empty, are left out: who exchanges a secret has not ended."""
    found = {}
    for name in set(_FILE.findall(text)):
        with suppress(OSError, ValueError):
            if (status := (root / name).stat()).st_size:
                found[name] = status.st_mtime_ns, status.st_size
    return found


def _environment(name: str) -> str:
    if not (found := os.environ.get(name, "")):
        raise ValidationError(f"the environment variable {name} is {'empty' if name in os.environ else 'not set'}")
    return found


def _file(reference: str) -> str:
    try:
        with (_root.get() / reference.removeprefix("file:")).open(encoding="utf-8") as stream:
            text = stream.read(_LONGEST + 1)
    except (OSError, ValueError) as exc:  # UnicodeDecodeError is a ValueError and would quote the bytes
        why = "no such file" if isinstance(exc, FileNotFoundError) else f"cannot be read: {type(exc).__name__}"
        raise ValidationError(f"{reference}: {why}") from None
    text = text.rstrip("\r\n")
    if not text or len(text) > _LONGEST:
        raise ValidationError(f"{reference}: {'longer than a secret can be' if text else 'the file is empty'}")
    return text
