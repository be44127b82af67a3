"""What batches are worked with: one checked set of files, which systems are active, who watches plugins meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from gateway.contracts import NOTICE, Scorer, Sink
from gateway.errors import Refused
from gateway.host import Host
from gateway.journey.journey import Journey
from gateway.journey.rollups import Rollup
from gateway.leads.rules import Joining
from gateway.settings.files import suggest
from gateway.settings.instance import LEAD, Instance
from gateway.store.times import new_id
from gateway.sync.companions import Carries
from gateway.sync.links import Links

GATEWAY = "the gateway"
"""Whose calls those of our own are."""
Guard = Callable[[str, str], AbstractContextManager[Any]]
"""(plugin, call) → a context in which the supervisor watches the clock"""


def unguarded(plugin: str, call: str) -> AbstractContextManager[Any]:
    return nullcontext()


def score_called(name: str, known: Sequence[str]) -> str:
    """The score that somebody asks for among ``known``, the main one first, which an empty name stands for.

    Raises ``Refused`` when there is none of this name.
    """
    if name and name not in known:
        others = f"; there are: {', '.join(known)}"
        raise Refused(f"the model has no score {name!r}{suggest(name, known) or others}")
    return name or known[0]


@dataclass(frozen=True, slots=True)
class Named:
    """A score beside the main one. ``scorer`` None: its strategy is not to be had; ``plugin``: whose scorer it is."""

    scorer: Scorer | None
    plugin: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """What a batch is worked with: one checked set of files, and which systems are active."""

    joining: Joining
    objects: Mapping[str, Sequence[Any]]
    """system → its mapping's objects that have outbound fields"""
    scorer: Scorer | None
    score_name: str
    journey: Journey
    hashes: Mapping[str, str]
    active: frozenset[str]
    send_step: int
    carries: Mapping[str, Carries] = field(default_factory=dict)
    """system → what its sink keeps beside records: tasks, places on lists and in campaigns"""
    links: Links = field(default_factory=dict)
    """system → object → address of a record's page"""
    zone: tzinfo = UTC
    """whose clock people are told times by"""
    scorer_plugin: str = ""
    """whose scorer it is"""
    others: Mapping[str, Named] = field(default_factory=dict)
    """the scores beside the main one, which ``scorer`` gives"""
    assign: Callable[[Mapping[str, Any], Mapping[str, Any], Sequence[Any]], str | None] = lambda *_: None
    """asks the plugins whose a new handoff becomes"""
    rollups: Mapping[str, Rollup] = field(default_factory=dict)
    """what companies' leads come to together; empty = nothing reads it, and it is not worked out"""

    @property
    def score_names(self) -> tuple[str, ...]:
        """As the store calls them, the main one first."""
        return self.score_name, *self.others

    def given(self) -> Iterator[tuple[str, Scorer | None, str]]:
        """Each score, the main one first: its name, its scorer, whose that is."""
        yield self.score_name, self.scorer, self.scorer_plugin
        for name, one in self.others.items():
            yield name, one.scorer, one.plugin

    def score_asked(self, name: str) -> str:
        """The score that somebody asks for as stages name it: empty for the main one. Raises ``Refused``."""
        found = score_called(name, self.score_names)
        return "" if found == self.score_name else found

    def scorer_of(self, name: str) -> Scorer | None:
        """Of the score that a stage names: empty is the main one."""
        return self.others[name].scorer if name in self.others else None if name else self.scorer


def model_of(
    instance: Instance,
    host: Host,
    sinks: Mapping[str, Sink],
    scorer: Scorer | None,
    plugin: str,
    others: Mapping[str, Named],
) -> Model:
    """What batches are worked with, from the instance's checked files and what its sinks say of themselves."""
    mappings = {name: system.mapping for name, system in instance.systems.items() if system.mapping is not None}
    name = str(instance.scoring.data.get("name", LEAD)) if instance.scoring is not None else LEAD
    return Model(
        Joining(
            {
                (name, object_.name): object_
                for name, mapping in mappings.items()
                for object_ in mapping.objects.values()
            },
            {name: mapping.hash for name, mapping in mappings.items()},
            {name: system.rank for name, system in instance.systems.items()},
            instance.merge_on_email,
            instance.deals_system,
            new_id,
            instance.zone,
        ),
        {
            name: [object_ for object_ in mapping.objects.values() if object_.outbound]
            for name, mapping in mappings.items()
        },
        scorer,
        name,
        instance.journey,
        instance.hashes,
        frozenset(name for name, system in instance.systems.items() if system.outbound),
        instance.send_score_step,
        {name: sink.carries for name, sink in sinks.items() if sink.carries.keys() - {NOTICE}},
        {name: sink.links for name, sink in sinks.items() if sink.links},
        instance.zone,
        plugin,
        others,
        host.assign_owner,
        instance.rollups,
    )
