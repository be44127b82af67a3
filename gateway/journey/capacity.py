"""How many leads sales can take: handoffs beyond it are held back, the best score first, until a person releases them.

In: the leads that a batch would hand over, and how many were handed over lately. Out: those that have to wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
"""Any hour and any day: they end now."""


class Handing(NamedTuple):
    """A lead about to be handed over; ``score`` in hundredths. Who is ``urgent`` never waits."""

    lead: str
    score: int
    urgent: bool


def beyond(capacity: Mapping[str, int], lately: Mapping[str, int], handing: Sequence[Handing]) -> set[str]:
    """The leads that are held back. ``capacity`` and ``lately``: span → handoffs. The urgent take up room, too."""
    if not capacity:
        return set()
    room = min(capacity[span] - lately.get(span, 0) for span in capacity)
    room -= sum(one.urgent for one in handing)
    waiting = sorted((one for one in handing if not one.urgent), key=lambda one: (-one.score, one.lead))
    return {one.lead for one in waiting[max(room, 0) :]}


class CapacityForm(Schema):
    hour = fields.Integer(
        strict=True, validate=validate.Range(1), metadata={"help": "handoffs within any hour; more are held back"}
    )
    day = fields.Integer(
        strict=True, validate=validate.Range(1), metadata={"help": "handoffs within any 24 hours; more are held back"}
    )

    @validates_schema
    def _sensible(self, data: Mapping[str, int], **kwargs: object) -> None:
        if not data:
            raise ValidationError("say how many handoffs an hour or a day may have")
        if data.get("hour", 0) > data.get("day", data.get("hour", 0)):
            raise ValidationError("an hour has more than its day", "hour")
