"""An instance is loaded: every file is read and checked, each for itself and all together, then it is built.

``load_instance`` does it once, at start or for ``gateway check``. Every problem of every file is told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from marshmallow import Schema

from gateway.contracts import NOTICE
from gateway.errors import ConfigError, Problem
from gateway.governance import committee as meetings
from gateway.journey.check import check as check_journey
from gateway.journey.content import Content, check_content, check_weighed, compile_content
from gateway.journey.journey import compile_journey
from gateway.journey.notify import check_through
from gateway.journey.package import check_package, lead_fields
from gateway.journey.rollups import compile_rollups, wanted
from gateway.journey.words import SHARED
from gateway.mapping import compile_mapping
from gateway.mapping.field import BUILT_IN
from gateway.mapping.grammar import rollup_named
from gateway.metrics.goals import check_goals, compile_goals
from gateway.metrics.money import Rates, read_rates
from gateway.plugins import rules
from gateway.settings.clock import Clock
from gateway.settings.doubts import doubts, uses
from gateway.settings.files import ConfigFile, KeyPath, suggest
from gateway.settings.folder import CONTENT, GATEWAY, GOALS, JOURNEY, MAPPINGS, RATES, SCORES, SCORING, misplaced
from gateway.settings.form import PROCRASTINATE, ROLES, SYSTEM_NAME, GatewayForm
from gateway.settings.hashes import hashes_of
from gateway.settings.instance import LEAD, NONE, STRATEGY, Instance, System
from gateway.settings.parts import Parts, names, stage_names
from gateway.settings.references import references
from gateway.settings.secrets import secrets_of


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


def load_instance(root: Path, plugins: Plugins, files: Mapping[str, str] | None = None) -> Instance:
    """Read and check the instance in ``root``. Raises ``ConfigError`` with every problem of every file.

    :param files: name → text, instead of the files on disk.
    """
    return _Loading(root.resolve(), plugins, files).instance()


class _Loading:
    """Collects problems file by file; builds nothing that a problem stands against."""

    def __init__(self, root: Path, plugins: Plugins, given: Mapping[str, str] | None = None) -> None:
        self.root, self.plugins, self.given = root, plugins, given
        kept = rules.texts(root) if given is None else given
        self.rules = {name: kept[name] for name in rules.FILES if name in kept}
        self.problems: list[Problem | str] = []
        self.parts = Parts()
        self.settings: dict[str, Mapping[str, Any]] = {}
        self.absent: dict[str, str] = {}
        self.unscored = ""

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
        if journey is not None:
            self.problems += check_journey(journey, None, systems if main is not None else None)
            if main is not None:
                self.problems += check_through(journey, self._carriers(systems))
        if scoring is not None:
            self._scoring(scoring)
        self._scores(scoring)
        self.problems += rules.Rules(self.rules).problems
        self.problems += references(self.parts, main, journey, systems)
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
            self.problems += check_content(content, stage_names(journey))
        personas = names(journey.data.get("personas")) if journey is not None else []
        for file in (scoring, *self.parts.scores.values()):
            if file is not None:
                self.problems += check_weighed(file, content is not None, personas, stage_names(journey))
        if journey is not None and not any(f"{MAPPINGS}/" in str(one) for one in self.problems):
            self.problems += check_package(journey, self.parts.attributes())
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
                self.parts.files[name] = ConfigFile.read(self.root / name, self.root)
            elif name in self.given:
                self.parts.files[name] = ConfigFile(name, self.given[name])
            else:
                self.problems.append(Problem(name, 0, "", "no such file"))
        except ConfigError as exc:
            self.problems += exc.problems
        return self.parts.files.get(name)

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
            self.parts.mappings[name] = compile_mapping(file, role if role in ROLES else "other", transforms)
        except ConfigError as exc:
            self.problems += exc.problems

    def _strays(self, systems: Collection[str], main: ConfigFile | None) -> None:
        """A mapping file that belongs to no system is a misspelt name, or would be one day."""
        folder = self.root / MAPPINGS
        for path in sorted(folder.iterdir()) if self.given is None and folder.is_dir() else ():
            name = f"{MAPPINGS}/{path.name}"
            if path.name.startswith(".") or name in self.parts.files or path.suffix not in (".yaml", ".yml"):
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
        self.parts.main = taken = main.data.get("name", LEAD) if main is not None else LEAD
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
            self.parts.scores[name] = file

    def _read_of_company(self, files: Sequence[ConfigFile]) -> set[str]:
        """The attributes that scoring and journey look at, and no mapping brings in."""
        named = {name for file in files for _, what, name in uses(file.data, ()) if what == "attribute"}
        named |= {name for file in files if file.name == JOURNEY for _, name in lead_fields(file.data)}
        named |= {mapped.to for _, _, mapped in self.parts.fields() if rollup_named(mapped.to)}
        return named - self.parts.attributes()

    def _system(self, rank: int, name: str, data: Mapping[str, Any]) -> System:
        return System(
            name=name,
            plugin=data["plugin"],
            role=data["role"],
            outbound=data["outbound"],
            pull=data.get("pull"),
            settings=self.settings[name],
            rank=rank,
            mapping=self.parts.mappings.get(name),
            absent=self.absent.get(name, ""),
        )

    def _built(
        self, main: ConfigFile, scoring: ConfigFile | None, journey: ConfigFile, content: ConfigFile | None
    ) -> Instance:
        with secrets_of(self.root):
            data: dict[str, Any] = GatewayForm().load(main.data)
        read = [file for file in (scoring, *self.parts.scores.values(), journey) if file is not None]
        rollups = wanted(journey.data, self._read_of_company(read))
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
            systems={name: self._system(rank, name, one) for rank, (name, one) in enumerate(data["systems"].items())},
            scoring=scoring,
            scores=self.parts.scores if scoring is not None else {},
            journey=compile_journey(journey),
            hashes=hashes_of(self.parts, scoring, journey, content, rollups),
            files={name: file.text for name, file in self.parts.files.items()} | self.rules,
            rates=self.rates,
            goals=compile_goals(self.parts.files[GOALS]) if GOALS in self.parts.files else None,
            committee=meetings.compile_committee(self.parts.files[meetings.FILE])
            if meetings.FILE in self.parts.files
            else None,
            content=compile_content(content.data) if content is not None else Content(),
            content_file=content,
            journey_file=journey,
            unscored=self.unscored,
            rollups=compile_rollups(rollups),
            warnings=tuple(doubts(self.parts, read)),
        )


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


def _in_order(problems: Sequence[Problem | str]) -> list[Problem | str]:
    """gateway.yaml first, then the others by name; each by line."""
    told = [problem for problem in dict.fromkeys(problems) if isinstance(problem, Problem)]
    others = [problem for problem in dict.fromkeys(problems) if not isinstance(problem, Problem)]
    return [*others, *sorted(told, key=lambda problem: (problem.file != GATEWAY, problem))]
