"""Ready files for a well-known sender of webhooks: what ``gateway systems add webhook --vendor NAME`` begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Vendor:
    """``entry``: its section of gateway.yaml; ``told``: what an admin should know of it; ``text``: its mapping file."""

    entry: dict[str, Any]
    told: str
    text: str

    def mapping(self, system: str) -> str:
        """The mapping file for a system of this name; what is told of the sender stands at its head."""
        told = re.sub(r"/hooks/[\w-]+", f"/hooks/{system}", self.told)
        return f"{told}\n{re.sub(r'(?m)^system: .*$', f'system: {system}', self.text, count=1)}"


def vendor(name: str, plugin: str) -> Vendor:
    """Raises ``NotFound`` when there are no files for ``name``, or none that work with ``plugin``."""
    from importlib.resources import files

    from gateway.errors import NotFound
    from gateway.settings.files import ConfigFile, suggest

    folder = files("gateway_mappings") / "vendors"
    known = sorted(one.name for one in folder.iterdir() if one.is_dir())
    if name not in known:
        raise NotFound(f"no ready files for {name!r}{suggest(name, known) or '; there are: ' + ', '.join(known)}")
    text = (folder / name / "gateway.yaml").read_text(encoding="utf-8")
    entry = ConfigFile("gateway.yaml", text).data["systems"][name]
    if entry["plugin"] != plugin:
        raise NotFound(f"the ready files for {name} are those of plugin {entry['plugin']}, not {plugin}")
    told = re.match(r"(?:#.*\n)*", text)[0]  # type: ignore[index]
    told = "".join(line for line in told.splitlines(keepends=True) if "gateway systems add" not in line)
    mapping = (folder / name / "mappings" / f"{name}.yaml").read_text(encoding="utf-8")
    return Vendor({key: entry[key] for key in ("plugin", "role", "settings")}, told + "#", mapping)
