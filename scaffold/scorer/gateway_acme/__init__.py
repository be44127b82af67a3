"""Acme's way of scoring: ``strategy: acme`` in scoring.yaml."""

from __future__ import annotations

from gateway.hookspecs import RegisterScorer, hookimpl

from gateway_acme.model import check
from gateway_acme.scorer import AcmeScorer


@hookimpl
def register_scorers(register: RegisterScorer) -> None:
    register("acme", AcmeScorer, check)
