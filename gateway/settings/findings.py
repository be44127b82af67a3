"""What the connected accounts mean for an instance's files: each problem at its line, like those ``check`` finds alone.

In: a look at each account. Out: ``problems`` (would be refused, or can bring nothing ever) and ``warnings``. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.contracts import Account, Signal, Step
from gateway.errors import Problem
from gateway.governance.parts import is_score
from gateway.mapping import COMPUTED, fitting, is_computed
from gateway.mapping.fitting import Catalogue
from gateway.settings.doubts import uses
from gateway.settings.files import ConfigFile, KeyPath, suggest
from gateway.settings.folder import GATEWAY, MAPPINGS
from gateway.settings.instance import Instance

BANDS = ("great", "good", "bad")
AXES = ("fit", "behaviour")
BUCKETS = ("sales_qualified", "sales_rejected", "recycled")


@dataclass(slots=True)
class Look:
    """One account. ``failure``: why it could not be asked; ``catalogues`` by the mapping's objects."""

    system: str
    failure: str = ""
    account: Account | None = None
    catalogues: dict[str, Catalogue] = field(default_factory=dict)
    signals: Sequence[Signal] = ()
    steps: Sequence[Step] = ()
    prefix: str = ""

    @property
    def streams(self) -> set[str]:
        """Objects whose items come from a stream of activities: they have no catalogue."""
        return {signal.object for signal in self.signals if signal.object}


class Findings:
    """What the looks mean for the instance's files: ``problems`` would fail, ``warnings`` are only suspicious."""

    def __init__(self, instance: Instance, found: Sequence[Look]) -> None:
        self.instance = instance
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self._files = {name: ConfigFile(name, text) for name, text in instance.files.items()}
        self._looks = {look.system: look for look in found}
        self._known = {name: self._known_beside(name) for name in self._looks}
        for look in found:
            self._account(look)
            if not look.failure and instance.systems[look.system].mapping is not None:
                self._mapping(look)
                self._streams(look)
                self._set_up(look)
        self._silent()

    def _main(self, system: str, message: str, *keys: str, serious: bool = True) -> None:
        problem = self._files[GATEWAY].problem(("systems", system, *keys), message)
        (self.problems if serious else self.warnings).append(problem)

    def _account(self, look: Look) -> None:
        if look.failure or look.account is None:
            self._main(look.system, look.failure)
            return
        for missing in look.account.missing:
            self._main(look.system, f"lacks {missing}", "settings")
        settings = self.instance.systems[look.system].settings
        for name, value in look.account.pin.items():
            if settings.get(name) is None:
                said = f"nothing keeps another account's credentials from being used; pin it with {name}: {value}"
                self._main(look.system, said, "settings", serious=False)
        for whose, sign in look.account.connectors.items():
            both = sorted(self._both(look.system))
            named = f"; it and we would both write {', '.join(both)}: let one do it" if both else ""
            self._main(look.system, f"{whose} is at work here, too ({sign}){named}", serious=False)

    def _both(self, system: str) -> Iterator[str]:
        """What we write of people that another system brings in: what a connector between the two writes, too."""
        for one in self._objects(system):
            for field_ in one.outbound.values() if one.kind == "person" else ():
                if not is_computed(field_.to) and any(
                    field_.to in {other.to for other in theirs.inbound.values()}
                    for name in self.instance.systems
                    if name != system
                    for theirs in self._objects(name)
                    if theirs.kind == one.kind
                ):
                    yield f"{one.name}.{field_.field}"

    def _objects(self, system: str) -> list[Any]:
        mapping = self.instance.systems[system].mapping
        return list(mapping.objects.values()) if mapping is not None else []

    def _mapping(self, look: Look) -> None:
        file = self._files[f"{MAPPINGS}/{look.system}.yaml"]
        command = f"`gateway plugins setup {look.system}`"
        for one in self._objects(look.system):
            if one.name in look.streams:
                continue
            if not (catalogue := look.catalogues.get(one.name)):
                others = [name for name, held in look.catalogues.items() if held]
                message = f"no such object there, or hidden from our user{suggest(one.name, others)}"
                self.problems.append(file.problem(("objects", one.name), message))
                continue
            data, known = file.data["objects"][one.name], self._known[look.system]
            for misfit in fitting.misfits(one, data, catalogue, known, command, look.prefix):
                problem = file.problem(("objects", one.name, *misfit.key), misfit.message)
                (self.problems if misfit.serious else self.warnings).append(problem)
        for index, count in enumerate(file.data.get("counts") or ()):
            self._count(file, ("counts", index), count, look.catalogues.get(count["object"]) or {})

    def _count(self, file: ConfigFile, at: KeyPath, count: Mapping[str, Any], catalogue: Catalogue) -> None:
        """What is counted must be there, and have a time to count by."""
        for key in (("at",), *(("where", name) for name in count.get("where") or ())) if catalogue else ():
            name = count["at"] if key == ("at",) else key[1]
            there = fitting.find(str(name), catalogue)
            if there is None:
                said = f"{name}: no such field there, or hidden from our user{suggest(name, catalogue)}"
                self.problems.append(file.problem((*at, *key), said))
            elif key == ("at",) and there.type not in ("date", "datetime", "relation"):
                self.problems.append(file.problem((*at, *key), f"{name} is of type {there.type} there, not a time"))

    def _streams(self, look: Look) -> None:
        """A signal that comes one by one must not be counted again, and one that is pulled must be read."""
        file = self._files[f"{MAPPINGS}/{look.system}.yaml"]
        objects = {one.name: one for one in self._objects(look.system)}
        finer: dict[str, str] = {}
        for signal in look.signals:
            if signal.state != "delivered":
                continue
            if signal.object and signal.object not in objects:
                said = f"{signal.name} come, but the mapping has no object {signal.object}: nothing is made of them"
                self._main(look.system, f"{said}; `gateway mapping draft` has it", "settings", serious=False)
            told = objects[signal.object].activities if signal.object in objects else signal.activities
            finer |= dict.fromkeys(told, signal.name)
        for name in objects:
            for index, rule in enumerate(file.data["objects"][name].get("activities") or ()):
                if rule.get("counter") and rule["activity"] in finer:
                    said = (
                        f"each {rule['activity']} comes with {finer[rule['activity']]} already; take this counter out"
                    )
                    self.problems.append(file.problem(("objects", name, "activities", index), said))

    def _set_up(self, look: Look) -> None:
        """What the plugin's set-up would make beside the fields that the mapping names, such as our key."""
        mapped = {(one.name, path) for one in self._objects(look.system) for path in one.outbound}
        for step in look.steps:
            if (step.object, step.name) in mapped and step.state == "missing":
                continue  # told at its line already
            if step.state in ("missing", "by hand"):
                said = step.message or f"is missing; `gateway plugins setup {look.system}` makes it"
                self._main(look.system, f"{step.object}.{step.name} {said}")

    def _known_beside(self, system: str) -> fitting.Known:
        """What lead fields may hold, seen from one system: our own words, and what the others' catalogues say."""
        ours = "the gateway"
        words: dict[str, dict[Any, str]] = {
            "band": dict.fromkeys(BANDS, ours),
            "bucket": dict.fromkeys(BUCKETS, ours),
            "stage": dict.fromkeys((stage.name for stage in self.instance.journey.stages), ours),
            "persona": dict.fromkeys(self.instance.journey.personas, ours),
        }
        lengths: dict[str, int] = {}
        for name, look in self._looks.items():
            for one in self._objects(name) if name != system else ():
                catalogue = look.catalogues.get(one.name, {})
                for to, word, path in fitting.words(one, catalogue):
                    words.setdefault(to, {}).setdefault(word, f"{name} ({one.name}.{path})")
                for path, mapped in one.inbound.items():
                    there = catalogue.get(path)
                    if there is not None and there.length and not there.options:
                        lengths[mapped.to] = max(lengths.get(mapped.to, 0), there.length)
        return fitting.Known(words, lengths)

    def _silent(self) -> None:
        """Scoring rules that look at what no account delivers."""
        claimed, given = self._supplies(believed=True), self._supplies(believed=False)
        for file in (self._files[name] for name in self._files if is_score(name)):
            for path, what, name in uses(file.data, ()):
                if name not in claimed[what] or name in given[what] or len(path) < 2 or path[0] not in AXES:
                    continue
                rule = file.data[path[0]][path[1]].get("name")
                why = "; ".join(self._reasons(name))
                said = f"{rule!r} can never fire: no connected account delivers {what} {name!r}"
                self.warnings.append(file.problem(path, f"{said}{f' ({why})' if why else ''}"))

    def _supplies(self, believed: bool) -> dict[str, set[str]]:
        """What the mappings say they bring in, or, not ``believed``, what of it the accounts' catalogues and streams
        really give. A system that could not be asked is believed."""
        found: dict[str, set[str]] = {"attribute": set(COMPUTED), "activity": set()}
        for name in self.instance.systems:
            look = self._looks.get(name)
            asked = look is not None and not look.failure and not believed
            off = {one.object for one in look.signals if one.state != "delivered"} if look is not None else set()
            for one in self._objects(name):
                fields = {mapped.to for mapped in one.inbound.values()}
                activities = set(one.activities)
                if asked and look is not None and one.name in look.streams:
                    fields, activities = (set(), set()) if one.name in off else (fields, activities)
                elif asked and look is not None:
                    catalogue = look.catalogues.get(one.name, {})
                    data = self._files[f"{MAPPINGS}/{name}.yaml"].data["objects"][one.name]
                    fields, activities = fitting.delivered(one, data, catalogue)
                prefix = "" if one.kind == "person" else f"{one.kind}."
                found["attribute"] |= {f"{prefix}{to}" for to in fields}
                found["activity"] |= activities
            for signal in look.signals if look is not None else ():
                if believed or signal.state == "delivered":
                    found["activity"] |= set(signal.activities)
        return found

    def _reasons(self, activity: str) -> Iterator[str]:
        for name, look in self._looks.items():
            objects = {one.name for one in self._objects(name) if activity in one.activities}
            for signal in look.signals:
                if signal.state != "delivered" and (activity in signal.activities or signal.object in objects):
                    yield f"{name}: {signal.name}: {signal.message}"


def in_order(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(set(problems), key=lambda one: (one.file != GATEWAY, one))
