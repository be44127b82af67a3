"""The files of one instance that could be read, and what several checks ask of them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.mapping import SystemMapping
from gateway.mapping.compiled import ObjectMapping
from gateway.settings.files import ConfigFile, KeyPath
from gateway.settings.folder import MAPPINGS
from gateway.settings.instance import LEAD


@dataclass(slots=True)
class Parts:
    """What is read of an instance so far. ``files``: by name; ``mappings``: by system, those that compile."""

    files: dict[str, ConfigFile] = field(default_factory=dict)
    mappings: dict[str, SystemMapping] = field(default_factory=dict)
    scores: dict[str, ConfigFile] = field(default_factory=dict)
    """The scores beside the main one, by name."""
    main: str = LEAD
    """What the main score is called."""

    def fields(self) -> Iterator[tuple[KeyPath, ConfigFile, Any]]:
        """Every field of every mapping: where it stands, in which file, and what it became."""
        for system, mapping in self.mappings.items():
            for name, one in mapping.objects.items():
                for mapped in one.fields:
                    yield ("objects", name, "fields", mapped.field), self.files[f"{MAPPINGS}/{system}.yaml"], mapped

    def attributes(self) -> set[str]:
        """The lead fields that mappings bring in; a company's and a deal's with their kind before them."""
        objects = [one for mapping in self.mappings.values() for one in mapping.objects.values()]
        return {
            mapped.to if one.kind == "person" else f"{one.kind}.{mapped.to}"
            for one in objects
            for mapped in one.inbound.values()
        }

    def mapped(self, file: ConfigFile, path: KeyPath) -> ObjectMapping:
        """The object that a field of ``fields`` is of."""
        return self.mappings[Path(file.name).stem].objects[str(path[1])]


def stage_names(journey: ConfigFile | None) -> list[str]:
    """The stages of a journey.yaml that may be malformed; of none, the one that every lead enters."""
    return names(journey.data.get("stages") if journey is not None else [{"name": "target"}])


def names(listed: Any) -> list[str]:
    """The names in a list that may be malformed."""
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return [one["name"] for one in entries if isinstance(one.get("name"), str)]
