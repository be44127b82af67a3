"""A first mapping file, drafted from what a plugin knows, a live catalogue, a sample, and the system on the other side.

In: a ``Side`` for the system and perhaps one for the other. Out: the text of a commented mapping file that ``check``
accepts: what is known or has a partner is in use, the rest stands there as comments. Pure.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML

from gateway.conditions import attributes_of
from gateway.contracts import Field
from gateway.mapping.fitting import WRITABLE, Catalogue, find, lacking
from gateway.mapping.grammar import COMPUTED, default_type, is_code, is_computed
from gateway.mapping.pairs import NO_FIELDS, Partner, Side, alike, namesake, normal, partners, words

LISTED = ("exclude", "links")
RULES = ("activities", "outcomes")
WIDTH = 62
"""Column of the comments behind lines."""
_LONGEST_NAME = 63
_TEXTS = ("string", "text")
_OPTIONAL = ("asset", "channel", "campaign", "reason", "by", "at", "id", "amount")


@dataclass(frozen=True, slots=True)
class Frame:
    """What a draft starts from.

    ``template``: a mapping file's content with everything the plugin knows; ``prefix``: what the names of those fields
    begin with that ``gateway plugins setup`` makes; ``types``: (kind, lead field) → type, as other mapping files say;
    ``streams``: objects of the template without a catalogue → why they do not come, "" where they do; ``finer``:
    activities that a stream tells one by one, so that no counter may count them again.
    """

    template: Mapping[str, Any]
    prefix: str
    zone: str
    currency: str
    types: Mapping[tuple[str, str], str] = field(default_factory=dict)
    streams: Mapping[str, str] = field(default_factory=dict)
    finer: Collection[str] = ()


def draft(side: Side, frame: Frame, other: Side | None = None, rest: bool = True) -> str:
    """The text. ``rest``: list the fields, too, that nothing is known of."""
    return "\n".join(_Draft(side, frame, other, rest).lines()) + "\n"


class _Draft:
    def __init__(self, side: Side, frame: Frame, other: Side | None, rest: bool) -> None:
        self.side, self.frame, self.other, self.rest = side, frame, other, rest
        self.types = dict(frame.types)
        objects: Mapping[str, Any] = frame.template["objects"]
        self.objects = {
            name: data
            for name, data in objects.items()
            if (
                not frame.streams[name]
                if name in frame.streams
                else side.catalogues is None or side.catalogues.get(name)
            )
        }

    def lines(self) -> Iterator[str]:
        sources = ["its plugin knows", *(["its account holds"] if self.side.catalogues is not None else [])]
        beside = f", beside {self.other.system}" if self.other is not None else ""
        yield f"# {self.side.system}'s fields and the lead's, drafted from what {' and '.join(sources)}{beside}."
        yield "# Change it as you like; `gateway check --online` holds it against the account."
        yield f"system: {self.side.system}"
        yield _beside(f"timezone: {self.frame.zone}", "of times that do not name their zone")
        yield ""
        yield "objects:"
        for name, data in self.frame.template["objects"].items():
            if name in self.objects:
                yield f"  {_flow(name)}:"
                yield from self._object(name, data)
            else:
                why = self.frame.streams.get(name) or "no such object there, or hidden from our user"
                yield f"  # {name}: {why}"
            yield ""

    def _object(self, name: str, data: Mapping[str, Any]) -> Iterator[str]:
        asked = self.side.catalogues is not None and name not in self.frame.streams
        catalogue = self.side.catalogues[name] if self.side.catalogues is not None and asked else None
        for key, value in data.items():
            if key in LISTED:
                yield from self._listed(key, value, catalogue)
            elif key not in ("fields", *RULES):
                yield f"    {key}: {_flow(value)}"
        fields = list(_Fields(self, name, data, catalogue).lines(data.get("fields") or {}))
        used = any(not line.lstrip().startswith("#") for line in fields)
        yield "    fields:" if used else "    fields: {}"
        yield from fields
        for key in RULES:
            yield from self._rules(key, data.get(key) or (), catalogue)

    def _listed(self, key: str, entries: Sequence[Mapping[str, Any]], catalogue: Catalogue | None) -> Iterator[str]:
        kept = []
        for entry in entries:
            named = {entry["id"]} if "id" in entry else attributes_of(entry["when"])
            there = catalogue is None or all(find(path, catalogue) is not None for path in named)
            if there and (key != "links" or entry["to"] in self.objects):
                kept.append(entry)
        if kept:
            yield f"    {key}:"
            yield from (f"      - {_flow(entry)}" for entry in kept)

    def _rules(self, key: str, rules: Sequence[Mapping[str, Any]], catalogue: Catalogue | None) -> Iterator[str]:
        """Rules that can fire are in use; those that cannot here are shown with the reason."""
        kept: list[str] = []
        idle: list[str] = []
        for rule in rules:
            known = dict(rule)
            named = {str(rule["counter"])} if "counter" in rule else set[str]()
            named |= attributes_of(rule["when"]) if "when" in rule else set()
            why = (
                "counted one by one by its stream" if "counter" in rule and rule["activity"] in self.frame.finer else ""
            )
            if catalogue is not None and not why:
                lost = [name for name in _OPTIONAL if name in rule and not _there(rule[name], catalogue)]
                known = {name: value for name, value in rule.items() if name not in lost}
                gone = sorted(name for name in named if find(name, catalogue) is None)
                why = f"no field {', '.join(gone)}" if gone else lacking(rule.get("when") or {}, catalogue)
            if why:
                idle.append(f"      # - {_flow(rule)}  # {why}")
            else:
                kept.append(f"      - {_flow(known)}")
        if kept or idle:
            yield f"    {key}:" if kept else f"    # {key}:"
            yield from kept
            yield from idle


class _Fields:
    """The fields of one object: those in use, then the others as comments."""

    def __init__(self, draft: _Draft, name: str, data: Mapping[str, Any], catalogue: Catalogue | None) -> None:
        self.draft, self.name, self.kind, self.catalogue = draft, name, str(data["kind"]), catalogue
        self.head = {value for value in data.values() if isinstance(value, str)}
        self.sample = draft.side.samples.get(name, ())
        self.taken: set[str] = set()
        """Lead fields that this object brings in already."""
        self.partners = list(partners(draft.other, self.kind)) if draft.other is not None else []

    def lines(self, template: Mapping[str, Any]) -> Iterator[str]:
        left: list[str] = []
        for path, raw in template.items():
            definition = dict(raw) if isinstance(raw, Mapping) else {"to": raw}
            there = find(path, self.catalogue) if self.catalogue is not None else None
            if self.catalogue is None or there is not None or self._ours(path):
                yield from self._used(path, definition, there)
            else:
                left.append(f"      # {path}: {_flow(raw)}  # no such field there, or hidden from our user")
        if self.catalogue is None:
            return
        others = {
            path: one
            for path, one in self.catalogue.items()
            if path not in template and path not in self.head and one.type not in NO_FIELDS and one.label
        }
        for path, one in list(others.items()):
            empty = self.sample and not self._filled(path)
            if not empty and not self._ours(path) and (partner := namesake(one, self.partners)):
                to = partner.mapped.to if partner.mapped is not None else self._free(path, reserve=False)
                if to not in self.taken and to not in COMPUTED:
                    yield from self._used(path, {"to": to, **self._typed(one)}, one, partner)
                    del others[path]
        yield from left
        if others and self.draft.rest:
            yield "      # Not in use; take the # away from a line that you want:"
            yield from self._unused(others)
        elif others:
            yield f"      # {len(others)} more fields: `gateway mapping draft {self.draft.side.system}` lists them"

    # -- fields in use ------------------------------------------------------------------------------------------------

    def _used(
        self, path: str, definition: dict[str, Any], there: Field | None, found: Partner | None = None
    ) -> Iterator[str]:
        to = definition["to"]
        partners = (
            [found] if found is not None else [one for one in self.partners if one.mapped and one.mapped.to == to]
        )
        comments = []
        if self.sample and there is not None and there.type != "relation" and definition.get("sync") != "out":
            comments.append(f"{self._filled(path)} %")
        if there is None and self.catalogue is not None:
            comments.append(f"`gateway plugins setup {self.draft.side.system}` makes it")
        if not is_computed(to):
            sync = definition.get("sync", "in")
            self._settle(definition)
            if there is not None and there.type != "relation":
                lost = self._values(definition, there, partners)
                if lost:
                    comments.append(f"no counterpart: {', '.join(lost[:6])}{' …' if len(lost) > 6 else ''}")
                sync = self._direction(definition, there, partners, bool(lost))
            definition.pop("sync", None)
            if sync != "in":
                definition["sync"] = sync
            if sync != "out":
                if to in self.taken:
                    return
                self.taken.add(to)
            if partners:
                comments.append(
                    f"{self.draft.other.system if self.draft.other else ''}: "
                    + ", ".join(one.where for one in partners)
                )
                if all(one.mapped is None for one in partners):
                    comments.append("not in its mapping yet")
        self._cut(definition, there)
        short = definition["to"] if list(definition) == ["to"] else definition
        yield _beside(f"      {_flow(path)}: {_flow(short)}", " · ".join(comments))

    def _settle(self, definition: dict[str, Any]) -> None:
        """One lead field is of one type, in all files; money has a currency that exists here."""
        to = definition["to"]
        declared = definition.get("type") or default_type(to)
        known = self.draft.types.setdefault((self.kind, to), declared)
        if known != declared:
            for key in ("format", "unit", "region", "transforms", "values", "values_default"):
                definition.pop(key, None)
        definition.pop("type", None)
        if known != default_type(to):
            definition["type"] = known
        if known != "money":
            definition.pop("currency", None)
        elif is_code(definition.get("currency", "EUR")) or not _there(definition["currency"], self.catalogue or {}):
            several = self.catalogue is not None and "CurrencyIsoCode" in self.catalogue
            definition["currency"] = "CurrencyIsoCode" if several else self.draft.frame.currency

    def _direction(self, definition: Mapping[str, Any], there: Field, partners: Sequence[Partner], lost: bool) -> str:
        """In, unless both sides can and may: only persons are written, and only what the field can hold."""
        wanted: str = definition.get("sync", "in")
        kind = definition.get("type") or default_type(definition["to"])
        if not there.writable or kind not in WRITABLE.get(there.type, (kind,)) or lost:
            return "in"
        if "sync" in definition or self.kind != "person" or definition["to"].startswith("opted_out"):
            return wanted
        mapped = [one for one in partners if one.mapped is not None]
        if not mapped or (there.options and not all(_closed(one, definition) for one in mapped)):
            return "in"
        return "newest" if any(one.there.writable for one in mapped) else "out"

    def _values(self, definition: dict[str, Any], there: Field, partners: Sequence[Partner]) -> list[str]:
        """Adds the value map of two picklists. Returns the other side's values that have no counterpart here."""
        if there.type not in ("choice", "list") or not there.options or definition.get("transforms"):
            return []
        if (definition.get("type") or default_type(definition["to"])) not in ("string", "list"):
            return []
        wanted = list(dict.fromkeys(word for one in partners for word in words(one)))
        values: dict[str, str] = {}
        lost: list[str] = []
        for word in wanted:
            option = alike(word, there.options)
            if option is None:
                lost.append(word)
            elif option != word:
                values.setdefault(option, word)
        if values and "values" not in definition:
            definition["values"] = values
        return lost

    def _cut(self, definition: dict[str, Any], there: Field | None) -> None:
        """What is sent is no longer than the field: a longer value would be refused as a whole."""
        kind = definition.get("type") or default_type(definition["to"])
        if definition.get("sync", "in") == "in" or kind not in _TEXTS or definition["to"] in ("lead_id", "handoff_id"):
            return
        if there is not None and there.length and there.length <= 32_768 and not there.options:
            definition.setdefault("length", there.length)

    # -- the others ---------------------------------------------------------------------------------------------------

    def _unused(self, others: Mapping[str, Field]) -> Iterator[str]:
        filled = {path: self._filled(path) for path in others} if self.sample else {}
        for path in sorted(others, key=lambda path: (-filled.get(path, 0), path)):
            one = others[path]
            definition = {"to": self._free(path, reserve=True), **self._typed(one)}
            short = definition["to"] if list(definition) == ["to"] else definition
            comments = [f"{filled[path]} %"] if self.sample else []
            comments += [one.label] if normal(one.label) != normal(path) else []
            comments += [one.type] if one.type in ("choice", "list") and not one.options else []
            comments += [] if one.writable else ["read-only"]
            if one.options:
                comments.append(f"{', '.join(one.options[:5])}{' …' if len(one.options) > 5 else ''}")
            yield _beside(f"      # {_flow(path)}: {_flow(short)}", " · ".join(comments))

    def _typed(self, one: Field) -> dict[str, Any]:
        kind = "string" if one.type == "choice" else one.type
        known = {"type": kind} if kind != "string" else {}
        return {**known, "currency": self.draft.frame.currency} if kind == "money" else known

    def _free(self, path: str, reserve: bool) -> str:
        """A lead field's name made of the system's own, not taken by another of this object."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"__c$", "", path))
        name = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "field"
        name = name if name[0].isalpha() else f"field_{name}"
        own = f"{re.sub('[^a-z0-9]', '_', self.draft.side.system)}_{name}"
        tries = [name, own, *(f"{own[: _LONGEST_NAME - 4]}_{number}" for number in range(2, 1000))]
        free = (one[:_LONGEST_NAME] for one in tries)
        name = next((one for one in free if one not in COMPUTED and one not in self.taken), own)
        if reserve:
            self.taken.add(name)
        return name

    def _filled(self, path: str) -> int:
        held = sum(1 for item in self.sample if item.get(path) not in (None, "", [], False))
        return round(100 * held / len(self.sample))

    def _ours(self, path: str) -> bool:
        return bool(self.draft.frame.prefix) and path.startswith(self.draft.frame.prefix)


def _closed(partner: Partner, definition: Mapping[str, Any]) -> bool:
    """Whether all that comes from there has been held against a picklist's options."""
    return bool(partner.there.options) and not definition.get("transforms")


def _there(path: Any, catalogue: Catalogue) -> bool:
    """Whether an optional key of a rule can be read: a literal always can."""
    name = path.get("field") if isinstance(path, Mapping) else path
    return str(name).startswith("=") or find(str(name), catalogue) is not None


def _beside(line: str, comment: str) -> str:
    return f"{line:<{WIDTH}}  # {comment}" if comment else line


def _flow(value: Any) -> str:
    """A value as YAML in one line."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = True
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 1_000_000
    yaml.dump(value, stream)
    return stream.getvalue().removesuffix("\n").removesuffix("\n...")
