"""Which lead fields the mappings bring in, and what companies' leads come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refused
from gateway.mapping.grammar import OF_COMPANY
from gateway.settings.files import suggest

if TYPE_CHECKING:
    from gateway.settings.instance import Instance


def fields(instance: Instance) -> set[str]:
    """Their names; a company's, a roll-up as well, is ``company.NAME``."""
    known = {OF_COMPANY + name for name in instance.rollups}
    for system in instance.systems.values():
        for one in system.mapping.objects.values() if system.mapping else ():
            prefix = {"person": "", "company": "company."}.get(one.kind)
            known |= set() if prefix is None else {prefix + rule.to for rule in one.inbound.values()}
    return known


def known_field(instance: Instance, field: str) -> None:
    """Nobody has a value: perhaps nobody could. Raises ``Refused`` when no mapping brings the field in."""
    known = fields(instance)
    if field not in known:
        others = f"; there are: {', '.join(sorted(known))}" if known else ""
        raise Refused(f"no mapping brings in a lead field {field!r}{suggest(field, known) or others}")
