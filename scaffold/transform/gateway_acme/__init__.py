"""Acme's ways of writing values: functions that mapping files name under ``transforms:``."""

from __future__ import annotations

from gateway.hookspecs import RegisterTransform, hookimpl

from gateway_acme.values import domain, headcount


@hookimpl
def register_transforms(register: RegisterTransform) -> None:
    # A name that another plugin offers is offered by neither: the prefix keeps yours apart.
    register("acme_headcount", headcount)
    register("acme_domain", domain)
