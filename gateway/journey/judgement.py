"""What a person decides of one lead, against or beside what the rules say: worked in one batch with everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.contracts import Mark
from gateway.journey.advance import Asked
from gateway.journey.endings import Close


@dataclass(frozen=True, slots=True)
class Judgement:
    """``asked``: hand it over now; its own row where it was held back. ``marks``: points, or not to be handed over.

    ``correction``: another end of this closed handoff (its row) than was recorded.
    """

    asked: Asked | None = None
    marks: tuple[Mark, ...] = ()
    correction: tuple[Mapping[str, Any], Close] | None = None
    withdrawn: str = ""
    """Why its held back handoff is given up."""


NONE = Judgement()
