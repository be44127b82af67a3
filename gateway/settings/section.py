"""One system's section of gateway.yaml, put into the file's text: everything else stays as it is, comments included."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from gateway.errors import Refused
from gateway.settings.files import ConfigFile


def with_system(file: ConfigFile, name: str, entry: Mapping[str, Any], comments: Mapping[str, str]) -> str:
    """The file's text with a system added behind the others, so that it ranks last.

    :param comments: key of the entry or of its settings → what stands behind its line.
    Raises ``Refused`` when the systems are not written as a block, with what to write by hand.
    """
    systems = file.data.get("systems")
    lines = file.text.splitlines()
    if systems is None and "systems" not in file.data:
        at, indent = len(lines), "  "
        lines[at:] = ["", "systems:"]
        at += 2
    else:
        first = file.line(("systems",))
        lines[first - 1] = re.sub(r"(?<=^systems:)\s*\{\s*\}", "", lines[first - 1])
        names = [file.line(("systems", one)) for one in systems or {}]
        indent = re.match(r"\s*", lines[names[0] - 1])[0] if names else "  "  # type: ignore[index]
        at = _end(lines, first)
    section = [f"{indent}{line}" for line in _block(name, entry, comments)]
    text = "\n".join([*lines[:at], *(["", *section] if systems else section), *lines[at:]]) + "\n"
    wanted = {**file.data, "systems": {**(systems or {}), name: dict(entry)}}
    try:
        safe = ConfigFile(file.name, text).data == wanted
    except Exception:  # noqa: BLE001 - whatever is wrong with the new text, it is not used
        safe = False
    if not safe:
        written = "\n".join(section)
        raise Refused(f"{file.name}: write this under systems: yourself, then run the command again\n{written}")
    return text


def _end(lines: list[str], first: int) -> int:
    """Where the block that begins on line ``first`` (from 1) ends: behind its last line that is indented."""
    end = first
    for number, line in enumerate(lines[first:], first + 1):
        if line[:1].strip() and not line.startswith("#"):
            break
        if line.strip() and line[0] in " \t":
            end = number
    return end


def _block(name: str, entry: Mapping[str, Any], comments: Mapping[str, str]) -> list[str]:
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 10_000
    yaml.dump({name: dict(entry)}, stream)
    found = []
    for line in stream.getvalue().splitlines():
        key = line.strip().partition(":")[0]
        found.append(f"{line}  # {comments[key]}" if key in comments else line)
    return found
