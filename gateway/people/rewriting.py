"""What a decision leaves behind: an edited mapping file, and leads planned by the files of now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from contextlib import closing
from typing import TYPE_CHECKING

from gateway.errors import ConfigError, Refused
from gateway.mapping import compile_mapping
from gateway.mapping.edits import Edited
from gateway.settings.files import ConfigFile

if TYPE_CHECKING:
    from gateway.runtime import Gateway


def again(gateway: Gateway, leads: Collection[str]) -> list[str]:
    """Plan leads again, by the files of now. Returns no words."""
    if leads:
        with closing(reopened(gateway)) as fresh:
            fresh.observe(fresh.pipeline.run((), leads, "person"))
    return []


def reopened(gateway: Gateway) -> Gateway:
    """The instance with the files as they are now, which become the active ones."""
    from gateway.runtime import open_gateway

    return open_gateway(gateway.instance.root, gateway.now, host=gateway.host)


def rewrite(gateway: Gateway, system: str, edit: Callable[[Edited], None]) -> str:
    """Edit a system's mapping file as a whole or not at all. Returns its name."""
    root, name = gateway.instance.root, f"mappings/{system}.yaml"
    path = root / name
    before = ConfigFile.read(path, root).text
    edited = Edited(before)
    edit(edited)
    text = edited.text
    try:
        compile_mapping(ConfigFile(name, text), gateway.instance.systems[system].role, gateway.host.transforms)
    except ConfigError as exc:
        raise Refused(f"{name} would not be right any more: {exc.problems[0]}; edit it yourself") from None
    if text != before:
        new = path.with_name(f".{path.name}.new")
        try:
            new.write_text(text, encoding="utf-8")
            shutil.copymode(path, new)
            os.replace(new, path)
        except OSError as exc:
            raise Refused(f"{path}: cannot be written: {exc.strerror}; nothing is changed") from None
    return name
