"""A second scoring strategy, ``matrix``: a profile grade from A to D beside an engagement level from 1 to 4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.hookspecs import hookimpl
from gateway_matrix.model import check
from gateway_matrix.scorer import MatrixScorer

if TYPE_CHECKING:
    from gateway.hookspecs import RegisterScorer


@hookimpl
def register_scorers(register: RegisterScorer) -> None:
    register("matrix", MatrixScorer, check)
