"""``gateway init`` makes an instance out of the starter files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.output import say
from gateway.errors import Refused

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Make a new instance in DIR, with commented files."""
    from importlib.resources import files

    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder}: is not empty; name a new folder")
    try:
        written = list(_copy(files("gateway_mappings") / "starter", folder))
    except OSError as exc:
        raise Refused(f"{folder}: cannot be written: {exc.strerror}") from None
    say(f"made {folder}:")
    for path in written:
        say(f"  {path.relative_to(folder)}")
    say()
    say("Next:")
    for step, why in _next_steps(folder):
        say(f"  {step:<44}{why}")


def _copy(source: Traversable, target: Path) -> Iterator[Path]:
    target.mkdir(parents=True, exist_ok=True)
    for entry in sorted(source.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _copy(entry, target / entry.name)
        elif entry.is_file() and not entry.name.endswith((".py", ".pyc")):
            (target / entry.name).write_bytes(entry.read_bytes())
            yield target / entry.name


def _next_steps(folder: Path) -> Iterator[tuple[str, str]]:
    from gateway.settings.files import ConfigFile

    yield f"cd {folder}", ""
    for name in _wanted_secrets(ConfigFile.read(folder / "gateway.yaml", folder).data):
        yield f"export {name}=…", "a secret that gateway.yaml names"
    yield "gateway check", "is everything right? every mistake is named with its line"
    yield "gateway import FILE --system crm --history", "what is there already, as history"
    yield "gateway run", "take webhooks, score, hand over"
    yield "gateway plan", "what would be written where; nothing is sent before `gateway activate`"


def _wanted_secrets(data: Any) -> list[str]:
    """Names of environment variables that the file refers to."""
    import re

    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, list):
        return list(dict.fromkeys(name for one in data for name in _wanted_secrets(one)))
    match = re.fullmatch(r"\$\{(\w+)\}", data) if isinstance(data, str) else None
    return [match[1]] if match else []
