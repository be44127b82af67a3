"""What a decision leaves behind: an edited mapping file, and leads planned by the files of now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.committee import governing, proposing
from gateway.errors import ConfigError, Refused
from gateway.mapping import compile_mapping
from gateway.mapping.edits import Edited
from gateway.settings.files import ConfigFile
from gateway.store.database import read

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
    from gateway.opening import open_gateway

    return open_gateway(gateway.instance.root, gateway.now, host=gateway.host)


def rewrite(gateway: Gateway, edits: Mapping[str, Callable[[Edited], None]]) -> list[str]:
    """Edit the mapping files of systems, all or none. Returns their names.

    Raises ``Refused`` where one would not be right any more; and under approval, where an edit alters the model: it is
    a draft then.
    """
    root = gateway.instance.root
    found = dict[str, str]()
    for system, edit in edits.items():
        name = f"mappings/{system}.yaml"
        before = ConfigFile.read(root / name, root).text
        edited = Edited(before)
        edit(edited)
        try:
            role = gateway.instance.systems[system].role
            compile_mapping(ConfigFile(name, edited.text), role, gateway.host.transforms)
        except ConfigError as exc:
            raise Refused(f"{name} would not be right any more: {exc.problems[0]}; edit it yourself") from None
        if edited.text != before:
            found[name] = edited.text
    _refuse_held(gateway, found)
    for name, text in found.items():
        _replace(root / name, text)
    return [f"mappings/{system}.yaml" for system in edits]


def _refuse_held(gateway: Gateway, files: Mapping[str, str]) -> None:
    """Where the model changes by keys, and by these files, they become a draft."""
    with read(gateway.store.main) as connection:
        live = governing.live_files(connection, gateway.instance)
    held = governing.held_back({**live, **files}, live)
    if not held:
        return
    changed = "".join(files[name] for name in sorted(files))
    name = "-".join((*(Path(file).stem for file in held), sha256(changed.encode()).hexdigest()[:6]))
    folder = gateway.instance.root / proposing.FOLDER / name
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        _replace(folder / file, text, gateway.instance.root / file)
    words = "; ".join(f"{file}: {', '.join(lines)}" for file, lines in held.items())
    raise Refused(
        f"it changes the model, which takes keys ({words}): it is the draft {name} now; "
        f"`gateway model propose {name}`, and say it again once that is live"
    )


def _replace(path: Path, text: str, like: Path | None = None) -> None:
    """As a whole or not at all, with the rights of the file that was there, or of ``like``."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        shutil.copymode(like or path, new)
        os.replace(new, path)
    except OSError as exc:
        raise Refused(f"{path}: cannot be written: {exc.strerror}; nothing is changed") from None
