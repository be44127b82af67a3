"""What is known of one lead, and where it stands: the two inputs of ``advance``. Loaded by the store, read here.

Times are aware datetimes in UTC, points are hundredths of the 0–100 scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from gateway.contracts import Money, Precision


@dataclass(frozen=True, slots=True)
class Outcome:
    """What sales reported. ``id`` is unique for the lead; ``known_at`` is when the gateway heard of it."""

    at: datetime
    outcome: str
    id: str
    known_at: datetime
    reason: str = ""
    amount: Money | None = None
    by: str = ""
    precision: Precision = "instant"
    wake: datetime | None = None
    """Sales asked for the lead again at this time, whatever it does until then."""


class Happened(NamedTuple):
    """All activities of one kind."""

    times: int
    first_at: datetime
    last_at: datetime


class Decided(NamedTuple):
    """An earlier move by threshold (a transition with reason ``threshold``). ``ref`` is ``<stage>:<crossing>``."""

    stage: str
    at: datetime
    ref: str


class Held(NamedTuple):
    """A person wants the lead not handed over; without ``until`` for good."""

    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known of the lead. ``score`` None = it has none, which holds and ends nothing. ``scores``: name of
    another score than the main one → (its total, its band).

    Any order of ``outcomes`` and ``kinds`` gives the same answer. ``persona`` is ``journey.persona(attributes)``.
    """

    attributes: Mapping[str, Any] = field(repr=False)
    persona: str
    score: int | None
    entered_at: datetime
    outcomes: Sequence[Outcome] = ()
    kinds: Mapping[str, Happened] = field(default_factory=dict)
    open_deal: bool = False
    band: str = ""
    held: Held | None = None
    scores: Mapping[str, tuple[int, str]] = field(default_factory=dict)

    def rated(self, score: str) -> tuple[int | None, str]:
        """Total and band of the score that a stage names; empty = the main one."""
        return self.scores.get(score, (None, "")) if score else (self.score, self.band)


@dataclass(frozen=True, slots=True)
class OpenHandoff:
    """The handoff that sales have now. A lead has at most one.

    ``overdue``: its follow-up is over, and what sales did with it was read again since.
    """

    id: str
    stage: str
    opened_at: datetime
    generation: int = 1
    accepted_at: datetime | None = None
    contacted_at: datetime | None = None
    period_ends: datetime | None = None
    overdue: bool = False


class Ended(NamedTuple):
    """How it ended between sales and the lead the last time, and why; empty: sales never had it.

    Most often the end of its latest handoff; else of what sales had qualified (a lost deal, a long silence).
    ``wake``: when sales want it again. ``stage``: the one whose handoff it was. ``new``: this advance has decided it.
    """

    bucket: str = ""
    at: datetime | None = None
    reason: str = ""
    wake: datetime | None = None
    stage: str = ""
    new: bool = False


NOT_ENDED = Ended()


@dataclass(frozen=True, slots=True)
class Standing:
    """What was decided before. A new lead has ``Standing()``.

    ``above``: what ``Advance.above`` said the last time, ``{"mql": [2, true, null]}``: stage → [number of crossings,
    whether the score is over its threshold, time in microseconds of the latest activity or outcome that lets one in,
    and, where a handoff was barred, how far (see ``recycling.Bar``)].
    ``expired``: the latest closed handoff, where the clock ended it: late news may correct that.
    ``held_back``: a handoff beyond what sales can take waits for a person to release it.
    ``ignored``: stood over the threshold when the system was activated, and was left out; ends at the next crossing.
    """

    stage: str = ""
    above: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    decided: Sequence[Decided] = ()
    handoff: OpenHandoff | None = None
    generation: int = 1
    ended: Ended = NOT_ENDED
    ignored: bool = False
    expired: OpenHandoff | None = None
    held_back: bool = False
