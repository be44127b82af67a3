"""The built-in strategy, registered by the same hook as everybody's."""

from __future__ import annotations

from gateway.hookspecs import RegisterScorer, hookimpl
from gateway.scoring.checking import check
from gateway.scoring.weighted import WeightedScorer


@hookimpl
def register_scorers(register: RegisterScorer) -> None:
    register("weighted", WeightedScorer, check)
