"""The way back: when a lead that sales gave back, or did not want, may be handed over again.

In: ``recycling:`` and ``rejected:`` of journey.yaml, how it ended, what the lead did since. Out: ``Bar``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from marshmallow import Schema, ValidationError, fields, validate

from gateway.durations import Duration
from gateway.journey.facts import Ended, Facts

NEVER, FAST_TRACK = "never", "fast track"
TREATMENTS = ("keep", "halve", "reset")
OTHER = "other"

OPEN, SCORE, WAYS, ALL = range(4)
"""What is barred: nothing; crossing by the score; also by activities that are no fast track; everything."""


@dataclass(frozen=True, slots=True)
class Recycling:
    """``rest``: time with marketing before anything counts. ``behaviour``: what the old one is worth from then on.

    ``generations``: how often one lead is handed over at most; None = any number. ``silent``: after this long without
    news a qualified lead without an open deal is recycled; None = never. ``stage``: the one it goes back to, at most;
    empty = it stays. ``rejected``: reason → after how long one comes back, ``never``, or by ``fast track``.
    """

    rest: timedelta = timedelta(0)
    behaviour: Literal["keep", "halve", "reset"] = "keep"
    generations: int | None = None
    silent: timedelta | None = None
    stage: str = ""
    rejected: Mapping[str, timedelta | str] = field(default_factory=dict)

    def bar(self, ended: Ended, facts: Facts, generation: int, at: datetime) -> Bar:
        """What keeps the lead from its next handoff at ``at``."""
        held = facts.held
        if held is not None and (held.until is None or at < held.until):
            until = f" until {held.until:%Y-%m-%d %H:%M} UTC" if held.until else ""
            return Bar(ALL, f"held{until}: {held.reason}", held.until)
        if ended.bucket == "sales_rejected":
            return self._rejected(ended, facts, at)
        return self._recycled(ended, facts, generation, at) if ended.bucket == "recycled" else Bar()

    def _rejected(self, ended: Ended, facts: Facts, at: datetime) -> Bar:
        rule = self.rejected.get(ended.reason, self.rejected.get(OTHER, FAST_TRACK))
        why = f"rejected: {ended.reason}" if ended.reason else "rejected"
        if rule == NEVER:
            return Bar(ALL, why)
        if rule == FAST_TRACK or ended.at is None:
            return Bar(SCORE, why)
        assert isinstance(rule, timedelta)
        back = ended.at + rule
        return Bar(WAYS, why, back) if at < back else _fresh(ended, facts)

    def _recycled(self, ended: Ended, facts: Facts, generation: int, at: datetime) -> Bar:
        if ended.wake is not None:
            return Bar(WAYS, "until sales want it again", ended.wake) if at < ended.wake else Bar(woken=True)
        if self.generations is not None and generation >= self.generations:
            return Bar(WAYS, f"handed over {generation} times already")
        if ended.at is not None and at < (rested := ended.at + self.rest):
            return Bar(WAYS, "resting", rested)
        return _fresh(ended, facts)


class Bar(NamedTuple):
    """``level``: one of the constants above; ``until``: when it looks different, if time alone can do that.

    ``woken``: sales want it now. ``falls``: nothing tells what this lead does, so its score must fall and rise.
    """

    level: int = OPEN
    why: str = ""
    until: datetime | None = None
    woken: bool = False
    falls: bool = False


def _fresh(ended: Ended, facts: Facts) -> Bar:
    """Only what the lead did since brings it back by its score."""
    if not facts.kinds:
        return Bar(falls=True)
    if ended.at is None or any(last_at > ended.at for _, _, last_at in facts.kinds.values()):
        return Bar()
    return Bar(SCORE, "nothing new since it was recycled")


class RecyclingForm(Schema):
    rest = Duration(
        load_default=timedelta(0), metadata={"help": "time with marketing before it can come back; default: none"}
    )
    behaviour = fields.String(
        load_default="keep",
        validate=validate.OneOf(TREATMENTS, error=f"expected one of {', '.join(TREATMENTS)}"),
        metadata={"help": "what its behaviour until then is worth: keep (the default), halve or reset"},
    )
    generations = fields.Integer(
        strict=True,
        validate=validate.Range(1, 100, error="expected a number from 1 to 100"),
        metadata={"help": "how often its score brings one lead to sales at most; without it, any number of times"},
    )
    silent = Duration(metadata={"help": "a qualified lead without news and open deal for this long is recycled"})
    stage = fields.String(metadata={"help": "the stage it goes back to; without it, it stays where it was"})


class Return(fields.Field[timedelta | str]):
    """never | fast track | a duration."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> timedelta | str:
        if value in (NEVER, FAST_TRACK):
            return str(value)
        try:
            span: timedelta = Duration().deserialize(value)
            return span
        except ValidationError:
            raise ValidationError(f"expected {NEVER}, {FAST_TRACK}, or a time such as 180d") from None


REJECTED = fields.Dict(
    keys=fields.String(),
    values=Return(),
    metadata={
        "help": "reason, or other: when a rejected lead may come back: never, fast track, or a time such as 180d"
    },
)
