"""What of an instance is hashed: when a hash is another, what was made with it is made anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.journey.content import with_content
from gateway.scoring.titles import VERSION as TITLES
from gateway.settings.files import ConfigFile, content_hash
from gateway.settings.folder import GOALS
from gateway.settings.parts import Parts


def hashes_of(
    parts: Parts,
    scoring: ConfigFile | None,
    journey: ConfigFile,
    content: ConfigFile | None,
    rollups: Mapping[str, Any],
) -> dict[str, str]:
    """``mapping:<system>``, ``journey`` and, where there is such a thing, ``goals``, ``rollups`` and ``scoring``.

    :param rollups: those that something reads, as journey.yaml has them.
    """
    hashes = {f"mapping:{name}": mapping.hash for name, mapping in parts.mappings.items()}
    hashes["journey"] = content_hash(journey.data)
    if GOALS in parts.files:
        hashes["goals"] = content_hash(parts.files[GOALS].data)
    if rollups:
        hashes["rollups"] = content_hash(rollups)
    if scoring is not None:  # personas weigh rules, so they are part of the model; so is what roll-ups mean
        # One hash for all scores: they are of one model, and one pass over the leads gives them all.
        said = content.data if content is not None else None
        model = [with_content(scoring.data, said), journey.data.get("personas")]
        others = [{name: with_content(file.data, said) for name, file in parts.scores.items()}] if parts.scores else []
        own = [{"rollups": journey.data["rollups"]}] if journey.data.get("rollups") else []
        scored = [scoring, *parts.scores.values()]
        titles = [TITLES] if any("levels" in file.data for file in scored) else []  # a new package may read others
        hashes["scoring"] = content_hash([*model, *others, *own, *titles])
    return hashes
