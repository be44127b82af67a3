"""One instance: a folder with gateway.yaml, a mapping per system, scoring.yaml and journey.yaml, checked as a whole.

``loading`` makes it of the files, once; everything after works with ``Instance``. What is only suspicious is in
``Instance.warnings``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.contracts import Secret
from gateway.errors import NotFound, Problem
from gateway.governance import committee as meetings
from gateway.governance.keys import Approval
from gateway.journey.content import Content, with_content
from gateway.journey.journey import Journey
from gateway.journey.rollups import Rollup
from gateway.mapping import SystemMapping
from gateway.metrics.goals import Goals
from gateway.metrics.money import Rates
from gateway.settings.clock import Clock
from gateway.settings.files import ConfigFile
from gateway.settings.folder import JOURNEY
from gateway.store.place import Place

NONE = ConfigFile(JOURNEY, "")
STRATEGY = "weighted"
"""The scoring strategy of a scoring.yaml that names none."""
LEAD = "lead"
"""The main score, where scoring.yaml calls it nothing else."""


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


def known_systems(instance: Instance, names: Collection[str]) -> list[str]:
    """``names``, or every system when empty. Raises ``NotFound`` for one that gateway.yaml does not have."""
    for name in names:
        if name not in instance.systems:
            raise NotFound(f"no system {name!r} in gateway.yaml; there are: {', '.join(instance.systems)}")
    return list(names) or list(instance.systems)
