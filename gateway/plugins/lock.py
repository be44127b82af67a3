"""plugins.lock: the distributions that were approved for one instance, as they were then. Made to be committed.

Without the file every installed plugin is loaded. With it, what is not in it, or is not what it was, is not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from marshmallow import Schema, ValidationError, fields, validate
from packaging.utils import canonicalize_name

from gateway.errors import ConfigError, Problem
from gateway.plugins.contents import EDITABLE, added, fingerprint
from gateway.settings.files import ConfigFile

LOCK = "plugins.lock"
_ABOUT = "Plugins approved for this instance, written by `gateway plugins install`, `lock` and `uninstall`; commit it."


class _Archive(Schema):
    source = fields.String(load_default="")
    sha256 = fields.String(load_default="")


class _Need(Schema):
    version = fields.String(required=True)
    sha256 = fields.String(load_default="")


class _Approval(Schema):
    by = fields.String(required=True)
    at = fields.String(required=True)


class _Entry(Schema):
    version = fields.String(required=True)
    files = fields.String(required=True)
    archive = fields.Nested(_Archive)
    plugins = fields.Dict(keys=fields.String(), values=fields.List(fields.String()), load_default=dict)
    needs = fields.Dict(keys=fields.String(), values=fields.Nested(_Need), load_default=dict)
    approved = fields.Nested(_Approval, required=True)


class _Form(Schema):
    about = fields.String()
    format = fields.Integer(required=True, validate=validate.Equal(1, error="is of a newer gateway; upgrade this one"))
    distributions = fields.Dict(keys=fields.String(), values=fields.Nested(_Entry), required=True)


@dataclass(frozen=True, slots=True)
class Approved:
    """One distribution as it was approved. ``plugins``: entry point → what it offered; ``files``: see ``contents``.

    ``archive``: ``source`` and ``sha256`` of what it was installed from, where known; ``needs``: what came with it,
    each with ``version`` and, where known, ``sha256``.
    """

    version: str
    files: str
    plugins: Mapping[str, Sequence[str]]
    by: str
    at: str
    archive: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """The folder, file or repository to install it from once more; "" when that is not here, or was an index."""
        source = self.archive.get("source", "")
        path = unquote(source.removeprefix("file://")) if source.startswith("file:///") else source
        return source if (path.startswith("/") and Path(path).exists()) or "git+" in source else ""


@dataclass(frozen=True, slots=True)
class Lock:
    """The approved distributions by name."""

    distributions: Mapping[str, Approved]

    @classmethod
    def of(cls, text: str) -> Lock:
        """Raises ``ConfigError`` with every problem of the file."""
        try:
            data = _Form().load(json.loads(text))
        except ValidationError:  # only what is wrong is read slowly, for its line
            raise ConfigError(ConfigFile(LOCK, text).check(_Form())) from None
        except ValueError as exc:
            line = getattr(exc, "lineno", 0)
            raise ConfigError([Problem(LOCK, line, "", f"not readable as JSON{_hint(text)}")]) from None
        made = {
            canonicalize_name(name): Approved(
                version=one["version"],
                files=one["files"],
                plugins=one["plugins"],
                by=one["approved"]["by"],
                at=one["approved"]["at"],
                archive=one.get("archive", {}),
                needs=one["needs"],
            )
            for name, one in data["distributions"].items()
        }
        return cls({str(name): one for name, one in made.items()})

    @classmethod
    def read(cls, root: Path) -> Lock | None:
        """The lock of the instance in ``root``, None where it has none. Raises ``ConfigError``."""
        try:
            return cls.of((root / LOCK).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise ConfigError([Problem(LOCK, 0, "", "cannot be read: it is not UTF-8 text")]) from None

    def text(self) -> str:
        """The file's text: the same for the same content."""
        entries: dict[str, Any] = {}
        for name, one in sorted(self.distributions.items()):
            entries[name] = {
                "version": one.version,
                "files": one.files,
                **({"archive": dict(one.archive)} if one.archive else {}),
                "plugins": {plugin: list(offers) for plugin, offers in sorted(one.plugins.items())},
                **({"needs": {need: dict(one.needs[need]) for need in sorted(one.needs)}} if one.needs else {}),
                "approved": {"by": one.by, "at": one.at},
            }
        told = {"about": _ABOUT, "format": 1, "distributions": entries}
        return json.dumps(told, indent=2, ensure_ascii=False) + "\n"

    def write(self, root: Path) -> None:
        """Whole or not at all."""
        new = root / f".{LOCK}.new"
        new.write_text(self.text(), encoding="utf-8")
        os.replace(new, root / LOCK)

    def approved(self, distribution: Distribution) -> Approved | None:
        return self.distributions.get(canonicalize_name(distribution.metadata["Name"] or ""))

    def against(self, distribution: Distribution) -> str:
        """Why the distribution is not to be loaded; "" when it is what was approved."""
        name = distribution.metadata["Name"] or ""
        if (approved := self.approved(distribution)) is None:
            return f"not approved in {LOCK}; `gateway plugins lock {name}` approves it"
        if distribution.version != approved.version:
            return f"is {distribution.version}, and {LOCK} approved {approved.version}; `gateway plugins lock {name}`"
        if approved.files != (found := fingerprint(distribution)):
            if EDITABLE in (found, approved.files):
                what = "is now" if found == EDITABLE else "is no longer"
                return f"{what} a project worked on in place, and was approved otherwise; `gateway plugins lock {name}`"
            undo = f"`gateway plugins install --locked` puts those back, `gateway plugins lock {name}` approves these"
            if more := added(distribution):
                undo = f"{', '.join(more[:3])} was added; delete what is not its own, or `gateway plugins lock {name}`"
            return f"its files are not those approved in {LOCK}; {undo}"
        return ""


def _hint(text: str) -> str:
    return ": it has the marks of a merge that was not finished" if "\n<<<<<<<" in f"\n{text}" else ""
