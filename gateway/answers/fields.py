"""Fields of marshmallow schemas for what the store keeps: times in microseconds, points in hundredths."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from gateway.answers.texts import iso, points


class Moment(fields.String):
    """Microseconds as ``2026-11-01T09:30:00Z``; null stays null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"metadata": {"format": "date-time"}, "allow_none": True, **kwargs})

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return iso(value)


class Points(fields.Float):
    """Hundredths of a point as points: 6250 → 62.5; null stays null."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_none": True, **kwargs})

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> float | None:
        return points(value)
