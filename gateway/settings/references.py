"""What one file names and another holds: systems, scores, stages, roll-ups, and the types of lead fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from gateway.errors import Problem
from gateway.journey.rollups import names_of
from gateway.mapping.grammar import OF_COMPANY, rollup_named, score_named
from gateway.settings.files import ConfigFile, suggest
from gateway.settings.folder import JOURNEY, MAPPINGS, SCORES
from gateway.settings.parts import Parts, stage_names


def references(
    parts: Parts, main: ConfigFile | None, journey: ConfigFile | None, systems: Collection[str]
) -> Iterator[Problem]:
    """What is named and not there. ``systems``: those of gateway.yaml, by name."""
    if main is not None:
        yield from _systems(parts, main, systems)
    yield from _thresholds(parts, journey)
    yield from _types(parts)
    yield from _stages(parts, journey)
    yield from _sent_scores(parts)
    yield from _rollups(parts, journey)
    yield from _sent_rollups(parts, journey)


def _systems(parts: Parts, main: ConfigFile, systems: Collection[str]) -> Iterator[Problem]:
    """Systems named in other places than their own."""
    deals = main.data.get("deals")
    record = deals.get("system_of_record") if isinstance(deals, Mapping) else None
    if isinstance(record, str) and record not in systems:
        yield main.problem(("deals", "system_of_record"), f"no such system{suggest(record, systems)}")
    for path, file, mapped in parts.fields():
        if mapped.prefer is not None and mapped.prefer not in systems:
            key = "prefer" if file.has((*path, "prefer")) else "sync"
            yield file.problem((*path, key), f"no such system{suggest(mapped.prefer, systems)}")


def _thresholds(parts: Parts, journey: ConfigFile | None) -> Iterator[Problem]:
    """What a threshold of journey.yaml is measured by."""
    stages = journey.data.get("stages") if journey is not None else None
    for index, stage in enumerate(stages if isinstance(stages, list) else ()):
        entry = stage.get("entry") if isinstance(stage, Mapping) else None
        name = entry.get("of") if isinstance(entry, Mapping) else None
        if journey is not None and isinstance(name, str) and name not in parts.scores:
            main = "the main score is meant where `of` is left out; leave it out"
            message = main if name == parts.main else _no_score(parts, name)
            yield journey.problem(("stages", index, "entry", "of"), message)


def _sent_scores(parts: Parts) -> Iterator[Problem]:
    """The scores that mapping files send."""
    for path, file, mapped in parts.fields():
        if (name := score_named(mapped.to)) and name not in parts.scores:
            yield file.problem(path, f"{mapped.to}: {_no_score(parts, name)}")


def _no_score(parts: Parts, name: str) -> str:
    others = f"; there are: {', '.join(sorted(parts.scores))}" if parts.scores else f"; {SCORES}/{name}.yaml makes it"
    return f"no such score{suggest(name, parts.scores) or others}"


def _types(parts: Parts) -> Iterator[Problem]:
    """A lead field is of one type, whichever system brings it in."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for path, file, mapped in parts.fields():
        if not mapped.inbound:
            continue
        kind = parts.mapped(file, path).kind
        where, known = first.setdefault((kind, mapped.to), (f"{file.name}:{file.line(path)}", mapped.type))
        if known != mapped.type:
            message = f"{mapped.to} is of type {mapped.type} here and {known} at {where}"
            yield file.problem(path, message)


def _stages(parts: Parts, journey: ConfigFile | None) -> Iterator[Problem]:
    """``create: stage X`` names a stage of the journey."""
    known = stage_names(journey)
    for system, mapping in parts.mappings.items():
        for name, one in mapping.objects.items():
            stage = one.create.removeprefix("stage ")
            if stage != one.create and stage not in known:
                file = parts.files[f"{MAPPINGS}/{system}.yaml"]
                hint = suggest(stage, known) if journey else f"; there is no {JOURNEY}"
                yield file.problem(("objects", name, "create"), f"no such stage{hint}")


def _rollups(parts: Parts, journey: ConfigFile | None) -> Iterator[Problem]:
    """A roll-up and a field that a mapping brings in cannot have one name."""
    listed = journey.data.get("rollups") if journey is not None else None
    if journey is None or not isinstance(listed, Mapping):
        return
    brought = parts.attributes()
    for name in (name for name in listed if f"{OF_COMPANY}{name}" in brought):
        yield journey.problem(("rollups", name), "a mapping brings in a company field of this name")


def _sent_rollups(parts: Parts, journey: ConfigFile | None) -> Iterator[Problem]:
    """The roll-ups that mapping files send."""
    listed = journey.data.get("rollups") if journey is not None else None
    known = names_of({"rollups": listed if isinstance(listed, Mapping) else ()})
    for path, file, mapped in parts.fields():
        if (name := rollup_named(mapped.to)) and name not in known:
            hint = suggest(name, known) or f"; there are: {', '.join(sorted(known))}"
            yield file.problem(path, f"{mapped.to}: no such roll-up{hint}")
