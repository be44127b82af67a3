"""One instance: a folder with gateway.yaml, a mapping per system, scoring.yaml and journey.yaml, checked as a whole.

``load_instance`` reads all of it once, at start or for ``gateway check``; everything after works with ``Instance``.
Every problem of every file is told at once; what is only suspicious is in ``Instance.warnings``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from marshmallow import Schema, ValidationError

from gateway.conditions import places
from gateway.contracts import NOTICE, Secret
from gateway.errors import ConfigError, Problem
from gateway.governance import committee as meetings
from gateway.governance.keys import Approval
from gateway.journey.check import check as check_journey
from gateway.journey.check import doubts as check_stages
from gateway.journey.content import Content, check_content, check_weighed, compile_content, in_vain, with_content
from gateway.journey.journey import Journey, compile_journey
from gateway.journey.notify import check_through
from gateway.journey.package import OFFERED, check_package, lead_fields
from gateway.journey.rollups import Rollup, compile_rollups, names_of, wanted
from gateway.journey.words import SHARED
from gateway.leads.stamps import OPT_OUTS
from gateway.mapping import COMPUTED, SystemMapping, compile_mapping
from gateway.mapping.field import BUILT_IN
from gateway.mapping.grammar import OF_COMPANY, rollup_named, score_named
from gateway.metrics.goals import Goals, check_goals, compile_goals
from gateway.metrics.money import Rates, read_rates
from gateway.plugins import rules
from gateway.scoring.titles import VERSION as TITLES
from gateway.settings.clock import Clock
from gateway.settings.files import MAX_CHARACTERS, ConfigFile, KeyPath, content_hash, suggest
from gateway.settings.form import PROCRASTINATE, ROLES, SYSTEM_NAME, GatewayForm
from gateway.settings.secrets import secrets_of
from gateway.store.place import FOLDER, Place, place_of

GATEWAY, SCORING, JOURNEY, MAPPINGS = "gateway.yaml", "scoring.yaml", "journey.yaml", "mappings"
SCORES = "scores"
"""Folder of the scores beside the main one, a file each: in the same form as scoring.yaml, named by its score."""
CONTENT, RATES, GOALS = "content.yaml", "rates.yaml", "goals.yaml"
PLACES = {"street", "city", "state", "zip", "country"}
"""Lead fields that resemble others and are no slips of the pen."""
NONE = ConfigFile(JOURNEY, "")
STRATEGY = "weighted"
"""The scoring strategy of a scoring.yaml that names none."""
LEAD = "lead"
"""The main score, where scoring.yaml calls it nothing else."""

NOT_SENT = {
    "company": "records of companies are only read; what the leads of one come to together goes out with each of them: "
    "a field of people `{to: company.engaged_leads, sync: out}`",
    "deal": "records of deals are only read; nothing is sent",
}
"""Kinds of records that nothing is written to."""


class Offer(Protocol):
    """Something a plugin offers: ``settings`` of a source or sink, ``check`` of a scorer."""

    @property
    def factory(self) -> Callable[..., Any]: ...
    @property
    def settings(self) -> Any: ...
    @property
    def check(self) -> Callable[[Any], Sequence[Any]] | None: ...


class Plugins(Protocol):
    """What is installed, by offered name.

    May also have ``unavailable`` (name → why it is not to be had) and ``unseen`` (who was not asked what they offer).
    """

    @property
    def sources(self) -> Mapping[str, Offer]: ...
    @property
    def sinks(self) -> Mapping[str, Offer]: ...
    @property
    def scorers(self) -> Mapping[str, Offer]: ...
    @property
    def transforms(self) -> Mapping[str, Callable[[Any], Any]]: ...


@dataclass(frozen=True, slots=True)
class System:
    """One configured system. ``rank`` 0 wins ties; ``settings`` are what the plugin's schema loaded."""

    name: str
    plugin: str
    role: str
    outbound: bool
    pull: timedelta | None
    settings: Mapping[str, Any] = field(repr=False)
    rank: int
    mapping: SystemMapping | None = field(repr=False)
    absent: str = ""
    """Why its plugin, which is installed, cannot be used: what concerns this system waits, and all else goes on."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A checked instance. ``hashes``: ``scoring``, ``journey``, ``rollups``, ``mapping:<system>``; ``files``: name →
    text. ``rollups``: those that something reads."""

    root: Path
    name: str
    zone: ZoneInfo
    currency: str
    fiscal_year_start: int
    clock: Clock
    store: Place
    engine: str
    public_url: str | None
    proxies: int
    listen: tuple[str, int]
    merge_on_email: bool
    send_score_step: int
    keep_bodies: timedelta
    keep_writes: timedelta
    metrics_token: Secret | None = field(repr=False)
    deals_system: str | None
    systems: Mapping[str, System]
    scoring: ConfigFile | None = field(repr=False)
    scores: Mapping[str, ConfigFile] = field(repr=False)
    """The scores beside that of scoring.yaml, by name."""
    journey: Journey = field(repr=False)
    hashes: Mapping[str, str]
    files: Mapping[str, str] = field(repr=False)
    warnings: tuple[Problem, ...] = ()
    approval: Approval = "off"
    content: Content = field(default_factory=Content)
    """which stage of the journey an asset, channel or campaign serves"""
    rates: Rates = field(default_factory=lambda: Rates(""))
    goals: Goals | None = None
    committee: meetings.Committee | None = None
    rollups: Mapping[str, Rollup] = field(default_factory=dict)
    unscored: str = ""
    """Why the strategy of scoring.yaml, which is installed, cannot be used: leads keep the scores they have."""
    content_file: ConfigFile | None = field(default=None, repr=False)
    journey_file: ConfigFile = field(default=NONE, repr=False)

    def score_file(self, name: str) -> ConfigFile | None:
        """That of a score; of an empty name the main one's."""
        return self.scores.get(name) if name else self.scoring

    def built_from(self, scoring: ConfigFile) -> dict[str, Any]:
        """What the scorer of a scoring.yaml is built from: its data, and content.yaml's where it weighs content.
        The factory may do with it what it likes."""
        return deepcopy(with_content(scoring.data, self.content_file.data if self.content_file is not None else None))


def load_instance(root: Path, plugins: Plugins, files: Mapping[str, str] | None = None) -> Instance:
    """Read and check the instance in ``root``. Raises ``ConfigError`` with every problem of every file.

    :param files: name → text, instead of the files on disk.
    """
    return _Loading(root.resolve(), plugins, files).instance()


def texts(root: Path) -> dict[str, str]:
    """The files as they stand on disk, name → text, unchecked; those that cannot be read are left out."""
    folders = [root / name for name in (MAPPINGS, SCORES)]
    inside = [path for one in folders if one.is_dir() for path in sorted(one.glob("[!.]*.yaml"))]
    found = {}
    named = (GATEWAY, JOURNEY, SCORING, CONTENT, RATES, GOALS, meetings.FILE, *rules.FILES)
    for path in (*(root / name for name in named), *inside):
        with contextlib.suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as stream:
            found[str(path.relative_to(root))] = stream.read(MAX_CHARACTERS + 1)
    return found


def misplaced(root: Path, named: Path = Path()) -> list[Problem]:
    """What stands in the folder of the scores and is read by nobody. ``named``: how messages call ``root``."""
    found, folder = [], root / SCORES
    for path in sorted(folder.glob("[!.]*")):
        if path.suffix == ".yaml" and path.is_file():
            continue
        what = "folder" if path.is_dir() else "file"
        words = f"nobody reads this {what}: a score is {SCORES}/NAME.yaml; call it so, or move it elsewhere"
        words = f"call it {path.stem}.yaml" if path.suffix == ".yml" and path.is_file() else words
        found.append(Problem(str(named / SCORES / path.name), 0, "", words))
    return found


def store_place(root: Path) -> Place:
    """Where the store is, told from a gateway.yaml that may be broken: by its line ``store:``, else the default."""
    text = texts(root).get(GATEWAY, "")
    store, engine = (
        re.search(rf"""^{key}:[ \t]*(["']?)([^"'#\n]*[^"'#\s])\1[ \t]*(#.*)?$""", text, re.M)
        for key in ("store", "engine")
    )
    try:
        with secrets_of(root):
            place = place_of(store[2] if store else FOLDER).within(root)
            return replace(place, bells=engine is not None and engine[2] == PROCRASTINATE)
    except ValidationError:
        return Place(root / FOLDER)


def zone_of(root: Path) -> ZoneInfo:
    """The company's zone, told from a gateway.yaml that may be broken, or not be there: then UTC."""
    try:
        head = ConfigFile.read(root / GATEWAY, root).data.get("instance")
        return ZoneInfo(head["zone"]) if isinstance(head, Mapping) else ZoneInfo("UTC")
    except (ConfigError, KeyError, TypeError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return ZoneInfo("UTC")


class _Loading:
    """Collects problems file by file; builds nothing that a problem stands against."""

    def __init__(self, root: Path, plugins: Plugins, given: Mapping[str, str] | None = None) -> None:
        self.root, self.plugins, self.given = root, plugins, given
        kept = rules.texts(root) if given is None else given
        self.rules = {name: kept[name] for name in rules.FILES if name in kept}
        self.problems: list[Problem | str] = []
        self.files: dict[str, ConfigFile] = {}
        self.mappings: dict[str, SystemMapping] = {}
        self.settings: dict[str, Mapping[str, Any]] = {}
        self.absent: dict[str, str] = {}
        self.unscored = ""
        self.main = LEAD
        self.scores: dict[str, ConfigFile] = {}

    def instance(self) -> Instance:
        main = self._read(GATEWAY)
        journey, scoring = self._read(JOURNEY, optional=True), self._read(SCORING, optional=True)
        systems = self._systems(main)
        for name, data in systems.items():
            self._mapping(name, data)
        self._strays(systems, main)
        if main is not None:
            with secrets_of(self.root):
                self.problems += main.check(GatewayForm())
            self._plugins(main, systems)
            self._names(main, systems)
        if journey is not None:
            self.problems += check_journey(journey, None, systems if main is not None else None)
            if main is not None:
                self.problems += check_through(journey, self._carriers(systems))
        if scoring is not None:
            self._scoring(scoring)
        self._scores(scoring)
        self._of_scores(journey)
        self.problems += rules.Rules(self.rules).problems
        self._types()
        self._stages(journey)
        self._sent_scores()
        self._rollups(journey)
        self._sent_rollups(journey)
        self._rates(main)
        goals = self._read(GOALS, optional=True)
        if goals is not None:
            sound = not any(f"{JOURNEY}:" in str(one) for one in self.problems)
            self.problems += check_goals(goals, compile_journey(journey or NONE).tracked if sound else SHARED)
        committee = self._read(meetings.FILE, optional=True)
        if committee is not None:
            self.problems += meetings.check_committee(committee)
        content = self._read(CONTENT, optional=True)
        if content is not None:
            self.problems += check_content(content, _stage_names(journey))
        personas = _names(journey.data.get("personas")) if journey is not None else []
        for file in (scoring, *self.scores.values()):
            if file is not None:
                self.problems += check_weighed(file, content is not None, personas, _stage_names(journey))
        if journey is not None and not any(f"{MAPPINGS}/" in str(one) for one in self.problems):
            self.problems += check_package(journey, self._attributes())
        if self.problems or main is None:
            raise ConfigError(_in_order(self.problems))
        return self._built(main, scoring, journey or NONE, content)

    def _rates(self, main: ConfigFile | None) -> None:
        settings = main.data.get("instance") if main is not None else None
        currency = settings.get("currency") if isinstance(settings, Mapping) else None
        self.rates = Rates(str(currency))
        file = self._read(RATES, optional=True)
        if file is not None and isinstance(currency, str):
            self.rates, problems = read_rates(file, currency)
            self.problems += problems

    def _read(self, name: str, optional: bool = False) -> ConfigFile | None:
        if optional and not (name in self.given if self.given is not None else (self.root / name).exists()):
            return None
        try:
            if self.given is None:
                self.files[name] = ConfigFile.read(self.root / name, self.root)
            elif name in self.given:
                self.files[name] = ConfigFile(name, self.given[name])
            else:
                self.problems.append(Problem(name, 0, "", "no such file"))
        except ConfigError as exc:
            self.problems += exc.problems
        return self.files.get(name)

    def _systems(self, main: ConfigFile | None) -> dict[str, Any]:
        """The systems of gateway.yaml whose name can be one, in their order, whatever else is wrong with them."""
        systems = main.data.get("systems") if main is not None else None
        if not isinstance(systems, Mapping):
            return {}
        return {name: data for name, data in systems.items() if isinstance(name, str) and SYSTEM_NAME.fullmatch(name)}

    def _mapping(self, name: str, data: Any) -> None:
        role = data.get("role") if isinstance(data, Mapping) else None
        file = self._read(f"{MAPPINGS}/{name}.yaml", optional=role == "notify")
        if file is None:
            return
        transforms = dict(self.plugins.transforms)
        known = {*BUILT_IN, *transforms}
        for _, used in transforms_of(file.data):
            if used not in known and not suggest(used, known) and (why := self._absent(used)):
                transforms[used] = _not_there
                self.absent.setdefault(name, f"transform {used} of its mapping is not there: {why}")
        try:
            self.mappings[name] = compile_mapping(file, role if role in ROLES else "other", transforms)
        except ConfigError as exc:
            self.problems += exc.problems

    def _strays(self, systems: Collection[str], main: ConfigFile | None) -> None:
        """A mapping file that belongs to no system is a misspelt name, or would be one day."""
        folder = self.root / MAPPINGS
        for path in sorted(folder.iterdir()) if self.given is None and folder.is_dir() else ():
            name = f"{MAPPINGS}/{path.name}"
            if path.name.startswith(".") or name in self.files or path.suffix not in (".yaml", ".yml"):
                continue
            if main is None:  # which systems there are is not known: check the file for itself
                if path.suffix == ".yaml":
                    self._mapping(path.stem, {})
            elif path.suffix == ".yml" and path.stem in systems:
                self.problems.append(Problem(name, 0, "", f"call it {path.stem}.yaml"))
            elif path.stem not in systems:
                self.problems.append(Problem(name, 0, "", f"no such system in {GATEWAY}{suggest(path.stem, systems)}"))

    def _plugins(self, main: ConfigFile, systems: Mapping[str, Any]) -> None:
        for name, data in systems.items():
            plugin = data.get("plugin") if isinstance(data, Mapping) else None
            if not isinstance(plugin, str):
                continue
            offers = [shelf[plugin] for shelf in (self.plugins.sources, self.plugins.sinks) if plugin in shelf]
            if not offers:
                if why := self._absent(plugin):
                    self.absent[name], self.settings[name] = why, {}
                else:
                    hint = suggest(plugin, [*self.plugins.sources, *self.plugins.sinks])
                    missing = f"no installed plugin offers it{hint or '; `gateway plugins list` says what there is'}"
                    self.problems.append(main.problem(("systems", name, "plugin"), missing))
                continue
            settings = data.get("settings", {})
            if isinstance(settings, Mapping):
                schema = next((offer.settings for offer in offers if offer.settings is not None), None)
                self._settings(main, name, settings, schema)

    def _settings(self, main: ConfigFile, name: str, data: Mapping[str, Any], schema: type[Schema] | None) -> None:
        at: KeyPath = ("systems", name, "settings")
        if schema is None:
            if data:
                self.problems.append(main.problem(at, "this plugin has no settings"))
            self.settings[name] = {}
            return
        try:
            with secrets_of(self.root):
                problems = main.check(schema(), data, at)
                self.problems += problems
                if not problems:
                    self.settings[name] = schema().load(data)
        except Exception as exc:  # noqa: BLE001 - a plugin's schema may raise anything, with a secret in its text
            self.problems.append(main.problem(at, f"the plugin's check of its settings failed: {type(exc).__name__}"))

    def _carriers(self, systems: Mapping[str, Any]) -> dict[str, bool | None]:
        """Who brings messages to people, and whether to addresses; None: not this system."""
        found: dict[str, bool | None] = {}
        for name, data in systems.items():
            plugin = data.get("plugin") if isinstance(data, Mapping) else None
            offer = self.plugins.sinks.get(plugin) if isinstance(plugin, str) else None
            carries = getattr(offer.factory, "carries", {}) if offer is not None else {}
            found[name] = "address" in carries[NOTICE] if NOTICE in carries else None
        found |= dict.fromkeys(self.absent, False)  # who cannot be asked is believed
        return found

    def _absent(self, plugin: str) -> str:
        """Why nothing installed offers ``plugin``, where something could; "" where nothing would."""
        unavailable: Mapping[str, str] = getattr(self.plugins, "unavailable", {})
        if plugin in unavailable:
            return f"plugin {plugin} is {unavailable[plugin]}"
        if offerer := rules.Rules(self.rules).offerer(plugin):
            return f"{plugin} is of {offerer}, which is approved and not installed: `gateway plugins install --locked`"
        unseen: str = getattr(self.plugins, "unseen", "")
        return f"no plugin that is loaded offers {plugin}; not loaded: {unseen}" if unseen else ""

    def _names(self, main: ConfigFile, systems: Collection[str]) -> None:
        """Systems named in other places than their own."""
        deals = main.data.get("deals")
        record = deals.get("system_of_record") if isinstance(deals, Mapping) else None
        if isinstance(record, str) and record not in systems:
            self.problems.append(
                main.problem(("deals", "system_of_record"), f"no such system{suggest(record, systems)}")
            )
        for path, file, mapped in self._fields():
            if mapped.prefer is not None and mapped.prefer not in systems:
                key = "prefer" if file.has((*path, "prefer")) else "sync"
                self.problems.append(file.problem((*path, key), f"no such system{suggest(mapped.prefer, systems)}"))

    def _scoring(self, file: ConfigFile) -> None:
        strategy = file.data.get("strategy", STRATEGY)
        offer = self.plugins.scorers.get(strategy) if isinstance(strategy, str) else None
        if offer is None:
            why = self._absent(strategy) if isinstance(strategy, str) else ""
            self.unscored = self.unscored or (why if file.name == SCORING or not why else f"{file.name}: {why}")
            if not why:
                hint = suggest(strategy, self.plugins.scorers)
                self.problems.append(file.problem(("strategy",), f"no installed plugin offers this strategy{hint}"))
        elif offer.check is not None:
            try:
                self.problems += offer.check(file)
            except Exception as exc:  # noqa: BLE001 - a plugin's check may raise anything
                message = f"the strategy's check of this file failed: {type(exc).__name__}"
                self.problems.append(file.problem(("strategy",), message))

    def _scores(self, main: ConfigFile | None) -> None:
        """The scores beside the main one: each is named by its file."""
        folder = self.root / SCORES
        given = self.given if self.given is not None else ()
        found = [name for name in given if name.startswith(f"{SCORES}/")]
        if self.given is None and folder.is_dir():
            found = [f"{SCORES}/{path.name}" for path in folder.glob("[!.]*.yaml") if path.is_file()]
        self.problems += misplaced(self.root) if self.given is None else []
        self.main = taken = main.data.get("name", LEAD) if main is not None else LEAD
        for place in sorted(found):
            name = Path(place).stem
            if (file := self._read(place)) is None:
                continue
            if not SYSTEM_NAME.fullmatch(name):
                message = "a score's name, that of its file, is written in small letters, digits, - and _"
                self.problems.append(Problem(place, 0, "", message))
            if name == taken:
                where = f"{SCORING}:{main.line(('name',))}" if main is not None and "name" in main.data else SCORING
                self.problems.append(Problem(place, 0, "", f"the score of {where} is called {name!r} already"))
            elif file.data.get("name", name) != name:
                self.problems.append(file.problem(("name",), f"this score is called {name!r}, as its file"))
            self._scoring(file)
            self.scores[name] = file

    def _of_scores(self, journey: ConfigFile | None) -> None:
        """What a threshold of journey.yaml is measured by."""
        stages = journey.data.get("stages") if journey is not None else None
        for index, stage in enumerate(stages if isinstance(stages, list) else ()):
            entry = stage.get("entry") if isinstance(stage, Mapping) else None
            name = entry.get("of") if isinstance(entry, Mapping) else None
            if journey is not None and isinstance(name, str) and name not in self.scores:
                main = "the main score is meant where `of` is left out; leave it out"
                message = main if name == self.main else self._no_score(name)
                self.problems.append(journey.problem(("stages", index, "entry", "of"), message))

    def _sent_scores(self) -> None:
        """The scores that mapping files send."""
        for path, file, mapped in self._fields():
            if (name := score_named(mapped.to)) and name not in self.scores:
                self.problems.append(file.problem(path, f"{mapped.to}: {self._no_score(name)}"))

    def _no_score(self, name: str) -> str:
        others = f"; there are: {', '.join(sorted(self.scores))}" if self.scores else f"; {SCORES}/{name}.yaml makes it"
        return f"no such score{suggest(name, self.scores) or others}"

    def _fields(self) -> Iterator[tuple[KeyPath, ConfigFile, Any]]:
        for system, mapping in self.mappings.items():
            for name, one in mapping.objects.items():
                for mapped in one.fields:
                    yield ("objects", name, "fields", mapped.field), self.files[f"{MAPPINGS}/{system}.yaml"], mapped

    def _attributes(self) -> set[str]:
        """The lead fields that mappings bring in; a company's and a deal's with their kind before them."""
        objects = [one for mapping in self.mappings.values() for one in mapping.objects.values()]
        return {
            mapped.to if one.kind == "person" else f"{one.kind}.{mapped.to}"
            for one in objects
            for mapped in one.inbound.values()
        }

    def _types(self) -> None:
        """A lead field is of one type, whichever system brings it in."""
        first: dict[tuple[str, str], tuple[str, str]] = {}
        for path, file, mapped in self._fields():
            if not mapped.inbound:
                continue
            kind = self.mappings[Path(file.name).stem].objects[str(path[1])].kind
            where, known = first.setdefault((kind, mapped.to), (f"{file.name}:{file.line(path)}", mapped.type))
            if known != mapped.type:
                message = f"{mapped.to} is of type {mapped.type} here and {known} at {where}"
                self.problems.append(file.problem(path, message))

    def _stages(self, journey: ConfigFile | None) -> None:
        """``create: stage X`` names a stage of the journey."""
        known = _stage_names(journey)
        for system, mapping in self.mappings.items():
            for name, one in mapping.objects.items():
                stage = one.create.removeprefix("stage ")
                if stage != one.create and stage not in known:
                    file = self.files[f"{MAPPINGS}/{system}.yaml"]
                    hint = suggest(stage, known) if journey else f"; there is no {JOURNEY}"
                    self.problems.append(file.problem(("objects", name, "create"), f"no such stage{hint}"))

    def _rollups(self, journey: ConfigFile | None) -> None:
        """A roll-up and a field that a mapping brings in cannot have one name."""
        listed = journey.data.get("rollups") if journey is not None else None
        if journey is None or not isinstance(listed, Mapping):
            return
        brought = self._attributes()
        for name in (name for name in listed if f"{OF_COMPANY}{name}" in brought):
            self.problems.append(journey.problem(("rollups", name), "a mapping brings in a company field of this name"))

    def _sent_rollups(self, journey: ConfigFile | None) -> None:
        """The roll-ups that mapping files send."""
        listed = journey.data.get("rollups") if journey is not None else None
        known = names_of({"rollups": listed if isinstance(listed, Mapping) else ()})
        for path, file, mapped in self._fields():
            if (name := rollup_named(mapped.to)) and name not in known:
                hint = suggest(name, known) or f"; there are: {', '.join(sorted(known))}"
                self.problems.append(file.problem(path, f"{mapped.to}: no such roll-up{hint}"))

    def _read_of_company(self, files: Sequence[ConfigFile]) -> set[str]:
        """The attributes that scoring and journey look at, and no mapping brings in."""
        named = {name for file in files for _, what, name in uses(file.data, ()) if what == "attribute"}
        named |= {name for file in files if file.name == JOURNEY for _, name in lead_fields(file.data)}
        named |= {mapped.to for _, _, mapped in self._fields() if rollup_named(mapped.to)}
        return named - self._attributes()

    def _built(
        self, main: ConfigFile, scoring: ConfigFile | None, journey: ConfigFile, content: ConfigFile | None
    ) -> Instance:
        with secrets_of(self.root):
            data: dict[str, Any] = GatewayForm().load(main.data)
        systems = {
            name: System(
                name=name,
                plugin=one["plugin"],
                role=one["role"],
                outbound=one["outbound"],
                pull=one.get("pull"),
                settings=self.settings[name],
                rank=rank,
                mapping=self.mappings.get(name),
                absent=self.absent.get(name, ""),
            )
            for rank, (name, one) in enumerate(data["systems"].items())
        }
        hashes = {f"mapping:{name}": mapping.hash for name, mapping in self.mappings.items()}
        hashes["journey"] = content_hash(journey.data)
        if GOALS in self.files:
            hashes["goals"] = content_hash(self.files[GOALS].data)
        files = [file for file in (scoring, *self.scores.values(), journey) if file is not None]
        rollups = wanted(journey.data, self._read_of_company(files))
        if rollups:
            hashes["rollups"] = content_hash(rollups)
        if scoring is not None:  # personas weigh rules, so they are part of the model; so is what roll-ups mean
            # One hash for all scores: they are of one model, and one pass over the leads gives them all.
            said = content.data if content is not None else None
            model = [with_content(scoring.data, said), journey.data.get("personas")]
            others = (
                [{name: with_content(file.data, said) for name, file in self.scores.items()}] if self.scores else []
            )
            own = [{"rollups": journey.data["rollups"]}] if journey.data.get("rollups") else []
            scored = [scoring, *self.scores.values()]
            titles = [TITLES] if any("levels" in file.data for file in scored) else []  # a new package may read others
            hashes["scoring"] = content_hash([*model, *others, *own, *titles])
        return Instance(
            root=self.root,
            name=data["instance"]["name"],
            zone=data["instance"]["zone"],
            currency=data["instance"]["currency"],
            fiscal_year_start=data["instance"]["fiscal_year_start"],
            clock=data.get("clock", Clock()),
            store=replace(data["store"].within(self.root), bells=data["engine"] == PROCRASTINATE),
            engine=data["engine"],
            public_url=data["public_url"],
            proxies=data["proxies"],
            listen=data["listen"],
            merge_on_email=data["merge_on_email"],
            approval=data["approval"],
            send_score_step=data["send_score_step"],
            keep_bodies=data["keep_bodies"],
            keep_writes=data["keep_writes"],
            metrics_token=data["metrics_token"],
            deals_system=data["deals"]["system_of_record"] if "deals" in data else None,
            systems=systems,
            scoring=scoring,
            scores=self.scores if scoring is not None else {},
            journey=compile_journey(journey),
            hashes=hashes,
            files={name: file.text for name, file in self.files.items()} | self.rules,
            rates=self.rates,
            goals=compile_goals(self.files[GOALS]) if GOALS in self.files else None,
            committee=meetings.compile_committee(self.files[meetings.FILE]) if meetings.FILE in self.files else None,
            content=compile_content(content.data) if content is not None else Content(),
            content_file=content,
            journey_file=journey,
            unscored=self.unscored,
            rollups=compile_rollups(rollups),
            warnings=tuple(self._warnings(files)),
        )

    def _warnings(self, files: Sequence[ConfigFile]) -> Iterator[Problem]:
        """What the model looks at and no mapping supplies: allowed (another way in may bring it), but suspicious."""
        journey = next((file.data for file in files if file.name == JOURNEY), {})
        attributes = {*COMPUTED, *self._attributes(), *(f"{OF_COMPANY}{name}" for name in names_of(journey))}
        if SCORING not in self.files:
            for file in self.scores.values():
                yield Problem(file.name, 0, "", f"nobody has this score: there is no {SCORING}")
        activities = {
            name for mapping in self.mappings.values() for one in mapping.objects.values() for name in one.activities
        }
        for file in files:
            for path, what, name in uses(file.data, ()):
                known = attributes if what == "attribute" else activities
                if path[0] == "package" and name in OFFERED:
                    continue
                if what == "attribute" and (name in COMPUTED or score_named(name)):
                    message = f"a rule reads what systems tell of somebody; {name!r} is worked out here: never so"
                    yield file.problem(path, message)
                elif name not in known:
                    yield file.problem(path, f"no mapping brings in {what} {name!r}{suggest(name, known)}")
            for path, name in lead_fields(file.data) if file.name == JOURNEY else ():
                if name not in attributes:
                    yield file.problem(path, f"no mapping brings in attribute {name!r}: its line is never there")
        for path, file, mapped in self._fields():
            kind = self.mappings[Path(file.name).stem].objects[str(path[1])].kind
            if kind in NOT_SENT and not mapped.inbound:
                yield file.problem((*path, "sync"), NOT_SENT[kind])
        yield from (
            doubt for file in files if file.name == JOURNEY for doubt in check_stages(file, SCORING in self.files)
        )
        for file in files:
            yield from in_vain(file, self.files.get(CONTENT), _names(journey.get("personas")))
        yield from self._reasons(next((file for file in files if file.name == "journey.yaml"), None))
        yield from self._lonely(
            {name for file in files for _, what, name in uses(file.data, ()) if what == "attribute"}
        )

    def _reasons(self, journey: ConfigFile | None) -> Iterator[Problem]:
        """Words for a system's reasons that the journey does not list."""
        listed = journey.data.get("reasons") if journey is not None else None
        known = [str(one) for reasons in (listed or {}).values() for one in reasons]
        for name in self.mappings if known else ():
            file = self.files[f"mappings/{name}.yaml"]
            for object_, one in file.data["objects"].items():
                for index, rule in enumerate(one.get("outcomes") or []):
                    for raw, word in (rule.get("reasons") or {}).items():
                        if str(word) not in known:
                            path = ("objects", object_, "outcomes", index, "reasons", raw)
                            yield file.problem(path, f"no such reason in journey.yaml{suggest(word, known)}")

    def _lonely(self, used: Collection[str]) -> Iterator[Problem]:
        """A lead field that one line alone names and that is nearly another's name is a slip of the pen."""
        lines: dict[str, list[tuple[KeyPath, ConfigFile]]] = {}
        keys: set[str] = set(used) | PLACES | set(COMPUTED) | set(OPT_OUTS) | set(OPT_OUTS.values())
        for path, file, mapped in self._fields():
            lines.setdefault(mapped.to, []).append((path, file))
            keys |= set(self.mappings[Path(file.name).stem].objects[str(path[1])].identify_by)
        for name, [(path, file), *others] in lines.items():
            known = {
                one for one in {*lines, "email", "phone"} - {name} if not (one.startswith(name) or name.startswith(one))
            }
            if not others and name not in keys and (near := get_close_matches(name, known, n=1, cutoff=0.8)):
                yield file.problem(path, f"nothing else speaks of lead field {name!r}; did you mean {near[0]!r}?")


def _stage_names(journey: ConfigFile | None) -> list[str]:
    """The stages of a journey.yaml that may be malformed; of none, the one that every lead enters."""
    return _names(journey.data.get("stages") if journey is not None else [{"name": "target"}])


def _names(listed: Any) -> list[str]:
    """The names in a list that may be malformed."""
    entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return [one["name"] for one in entries if isinstance(one.get("name"), str)]


def _not_there(value: Any) -> Any:
    """Instead of a transform that is not loaded: its system waits, so that nothing comes to it."""
    raise ValueError


def transforms_of(node: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """The transforms that a mapping file names."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "transforms" and isinstance(value, list):
                yield from (((*path, key, index), one) for index, one in enumerate(value) if isinstance(one, str))
            else:
                yield from transforms_of(value, (*path, key))
    elif isinstance(node, list):
        for index, one in enumerate(node):
            yield from transforms_of(one, (*path, index))


def uses(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str, str]]:
    """Attributes and activities that a scoring or journey file looks at, as (path, attribute | activity, name)."""
    if isinstance(node, list):
        for index, one in enumerate(node):
            yield from uses(one, (*path, index))
    elif isinstance(node, Mapping):
        for key, value in node.items():
            here = (*path, key)
            if key in ("when", "territory"):
                yield from ((place, "attribute", name) for place, name in places(value, here))
            elif key in ("attribute", "activity", "activities"):
                what = "attribute" if key == "attribute" else "activity"
                names = value if isinstance(value, list) else [value]
                yield from ((here, what, name) for name in names if isinstance(name, str))
            elif key != "where":  # where looks at the activity itself
                yield from uses(value, here)


def _in_order(problems: Sequence[Problem | str]) -> list[Problem | str]:
    """gateway.yaml first, then the others by name; each by line."""
    told = [problem for problem in dict.fromkeys(problems) if isinstance(problem, Problem)]
    others = [problem for problem in dict.fromkeys(problems) if not isinstance(problem, Problem)]
    return [*others, *sorted(told, key=lambda problem: (problem.file != GATEWAY, problem))]
