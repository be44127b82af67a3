"""One section of a review's pack: a sentence, and the lines, tables and data behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.metrics.report import Table

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """``name``: of the metric. ``sentence``: what it says. ``parts``: lines and tables, those of ``surprises`` without
    names. ``problem``: why there is no answer."""

    name: str
    title: str
    sentence: str
    parts: Sequence[str | Table] = ()
    data: Data | None = None
    definitions: Sequence[str] = ()
    problem: str = ""

    @classmethod
    def kept(cls, row: Data) -> Section:
        """From JSON, as ``as_json`` made it."""
        parts = [part if isinstance(part, str) else Table(**part) for part in row["parts"]]
        return cls(**{**row, "parts": parts})
