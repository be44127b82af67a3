"""What batches are worked with: one checked set of files, which systems are active, who watches plugins meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from gateway.contracts import Scorer
from gateway.journey.journey import Journey
from gateway.leads.joining import Joining
from gateway.sync.companions import Carries
from gateway.sync.links import Links

GATEWAY = "the gateway"
"""Whose calls those of our own are."""
Guard = Callable[[str, str], AbstractContextManager[Any]]
"""(plugin, call) → a context in which the supervisor watches the clock"""


def unguarded(plugin: str, call: str) -> AbstractContextManager[Any]:
    return nullcontext()


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
    assign: Callable[[Mapping[str, Any], Mapping[str, Any], Sequence[Any]], str | None] = lambda *_: None
    """asks the plugins whose a new handoff becomes"""
