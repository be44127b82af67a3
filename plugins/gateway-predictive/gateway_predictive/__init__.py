"""A learned scoring strategy, ``predictive``: a lead's score is its probability to be won, in hundredths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.hookspecs import hookimpl
from gateway_predictive.model import check
from gateway_predictive.scorer import PredictiveScorer

if TYPE_CHECKING:
    from gateway.hookspecs import RegisterScorer


@hookimpl
def register_scorers(register: RegisterScorer) -> None:
    register("predictive", PredictiveScorer, check)
