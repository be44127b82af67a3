"""plugins.yaml: plugins that an admin has switched off in one instance, since when, by whom and why.

Written by ``gateway plugins disable`` and ``enable``, or by hand; a gateway that runs takes it up like its other files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields
from ruamel.yaml import YAML

from gateway.settings.files import ConfigFile

SWITCHES = "plugins.yaml"
_HEAD = (
    "# Plugins that are not loaded here, although they are installed. `gateway plugins enable NAME` takes one out.\n"
)


def _a_time(value: Any) -> None:
    try:
        datetime.fromisoformat(value) if isinstance(value, str) else value.isoformat()
    except (ValueError, AttributeError):
        raise ValidationError("expected a time, such as 2026-11-22T12:00:00Z") from None


class _Entry(Schema):
    since = fields.Raw(validate=_a_time, allow_none=True)
    by = fields.String(load_default="")
    reason = fields.String(load_default="")
    offers = fields.List(fields.String(), load_default=list)


class SwitchesForm(Schema):
    disabled = fields.Dict(
        keys=fields.String(), values=fields.Nested(_Entry, allow_none=True), load_default=dict, allow_none=True
    )


@dataclass(frozen=True, slots=True)
class Switched:
    """One plugin that is off. ``since``: ISO time or ""; ``offers``: what it offered while it was loaded."""

    since: str = ""
    by: str = ""
    reason: str = ""
    offers: Sequence[str] = ()

    def __str__(self) -> str:
        who = f"by {self.by}" if self.by else "in plugins.yaml"
        return f"{who}: {self.reason}" if self.reason else who


def switched(file: ConfigFile) -> dict[str, Switched]:
    """Plugin → how it was switched off, of a file that ``SwitchesForm`` finds right."""
    data: Mapping[str, Any] = SwitchesForm().load(file.data)
    return {
        name: Switched(_time(one.get("since")), one["by"], one["reason"], tuple(one["offers"])) if one else Switched()
        for name, one in (data["disabled"] or {}).items()
    }


def write(root: Path, off: Mapping[str, Switched]) -> None:
    """Whole or not at all; without a plugin that is off the file goes."""
    path = root / SWITCHES
    if not off:
        path.unlink(missing_ok=True)
        return
    entries = {
        name: {
            key: value
            for key, value in (("since", one.since), ("by", one.by), ("reason", one.reason), ("offers", [*one.offers]))
            if value
        }
        for name, one in sorted(off.items())
    }
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10_000
    new = path.with_name(f".{SWITCHES}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(_HEAD)
        yaml.dump({"disabled": entries}, stream)
    os.replace(new, path)


def _time(since: Any) -> str:
    return since.isoformat() if isinstance(since, date) else str(since or "")
