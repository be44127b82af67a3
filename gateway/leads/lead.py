"""A lead as one batch works on it: what was loaded, and what the batch changed.

Loaded by ``store.loading``, worked on by the steps of ``pipeline``, written back by ``store.commit``. Rows are
keyed as their tables are, so that a change is a difference of two dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.contracts import Activity, ActivityHappened, Mark, Precision
from gateway.journey.facts import NOT_ENDED, Ended
from gateway.leads.record import Fact, Record, Ref, primary
from gateway.times import to_micros

FactKey = tuple[int, str]
"""(time in microseconds, id of the fact)"""


class StoredActivity(NamedTuple):
    activity: Activity
    ref: Ref
    known_at: int


class StoredOutcome(NamedTuple):
    at: int
    outcome: str
    reason: str
    amount: str | None
    currency: str | None
    by: str
    precision: Precision
    ref: Ref
    known_at: int
    wake: int | None = None


@dataclass(slots=True)
class Standing:
    """The last score as stored; all points in hundredths."""

    total: int
    fit: int
    behaviour: int
    band: str
    at: int
    changes_at: int | None
    scoring: str


@dataclass(slots=True)
class Lead:
    """One person. ``version`` 0 = not stored yet. Times in microseconds.

    What mostly stays empty begins as a tuple or a frozen set, which all leads share.
    """

    id: str
    version: int = 0
    known_at: int = 0
    entered_at: int = 0
    merged_into: str | None = None
    company: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict, repr=False)
    persona: str = ""
    stage: str = ""
    journey: str = ""
    excluded: str | None = None
    ignored: bool = False
    generation: int = 1
    above: dict[str, Any] = field(default_factory=dict)
    erased_at: int | None = None
    returned: dict[str, Any] | None = None
    """How it came back though its last handoff had ended well: bucket, reason, at, wake."""
    wakes_at: int | None = None
    """When its journey moves though nothing happened."""
    filed: tuple[Any, ...] = ()
    """What the store finds it by, as it was loaded."""

    beside: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What its company is and comes to, for rules of who is never handed over."""
    records: dict[Ref, Record] = field(default_factory=dict, repr=False)
    activities: dict[FactKey, Activity] = field(default_factory=dict, repr=False)
    counted: bool = True
    """Its activities are loaded. False: its score stands for them, until somebody needs them."""
    tallied: bool = True
    """All of ``kinds`` is loaded. False: only what the stages of the journey read."""
    unsure: bool = False
    """An activity came all the same: it has to be loaded again, with the others."""
    refs: dict[FactKey, Ref] = field(default_factory=dict, repr=False)
    """Which record an activity came from: known for new ones, and for all of a lead that was loaded whole."""
    kinds: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    outcomes: dict[FactKey, StoredOutcome] = field(default_factory=dict, repr=False)
    marks: Sequence[Mark] = ()
    decided: Sequence[tuple[str, int, str]] = ()
    reached: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    handoff: dict[str, Any] | None = None
    had_handoff: bool = False
    overdue: bool = False
    """The follow-up of its handoff is over, and what sales did was read again since."""
    expired: dict[str, Any] | None = None
    """Its latest closed handoff, where the clock ended it."""
    last_handoff: tuple[str, str] = ("", "")
    """(id, who ended it) of the latest that ended"""
    ended: Ended = NOT_ENDED
    held_back: dict[str, Any] | None = None
    """A handoff that is more than sales can take, until a person releases it."""
    withdrawn: dict[str, Any] | None = None
    """One that was held back and is given up."""
    score: Standing | None = None
    scores: dict[str, Standing] = field(default_factory=dict)
    """Those beside the main one, by name."""
    origin: Mapping[str, tuple[int, str]] = field(default_factory=dict, repr=False)
    """attribute → (stamp, system) of the value that won; filled when the attributes are joined."""
    undecided: dict[str, list[tuple[Record, int]]] = field(default_factory=dict, repr=False)
    """attribute → the records whose systems edited it, nobody knows in which order, and when; filled like ``origin``"""

    moved: bool = False
    """Its score's total, its persona or its entry time is another than before, or it took over another lead."""
    changed: bool = False
    """Something of the row itself or its facts moved: it is committed with version + 1."""
    changed_values: bool = False
    """A step of the journey set a value: attributes are joined and scored again before anything is planned."""
    added_activities: dict[FactKey, StoredActivity] = field(default_factory=dict, repr=False)
    dropped_activities: set[FactKey] = field(default_factory=set)
    added_outcomes: dict[FactKey, StoredOutcome] = field(default_factory=dict, repr=False)
    dropped_outcomes: Set[FactKey] = frozenset()
    changed_kinds: Set[str] = frozenset()
    reached_before: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    moves: Sequence[dict[str, Any]] = ()
    steps: Sequence[dict[str, Any]] = ()
    opened: dict[str, Any] | None = None
    handoff_changed: bool = False
    closed: Sequence[dict[str, Any]] = ()
    endings: Sequence[dict[str, Any]] = ()
    added_marks: Sequence[Mark] = ()
    dropped_marks: Set[str] = frozenset()
    absorbed: Sequence[str] = ()
    clock_events: Sequence[dict[str, Any]] = ()

    def add(self, fact: Fact, known_at: int) -> None:
        """Take one fact in; a fact that is there already changes nothing."""
        key = (to_micros(fact.at), fact.key)
        ref = (fact.system, fact.object, fact.record)
        if isinstance(fact, ActivityHappened):
            if not self.counted:
                self.unsure = True
            elif key not in self.activities:
                activity = Activity(fact.at, fact.activity, fact.asset, fact.channel, fact.campaign, fact.key)
                self._put(key, StoredActivity(activity, ref, known_at))
        elif key not in self.outcomes:
            money = fact.amount
            self.put_outcome(
                key,
                StoredOutcome(
                    key[0],
                    fact.outcome,
                    fact.reason,
                    str(money.amount) if money else None,
                    money.currency if money else None,
                    fact.by,
                    fact.precision,
                    ref,
                    known_at,
                    to_micros(fact.wake) if fact.wake else None,
                ),
            )

    def replace(self, ref: Ref, facts: Iterable[Fact], known_at: int) -> None:
        """The whole of what one record says, after a late event: what it no longer says is dropped.

        Needs every activity and outcome of the record loaded, whatever their age.
        """
        facts = list(facts)
        wanted = {(to_micros(fact.at), fact.key) for fact in facts}
        for key in [key for key, source in self.refs.items() if source == ref and key not in wanted]:
            self._drop(key)
        for key, outcome in list(self.outcomes.items()):
            if outcome.ref == ref and key not in wanted:
                self.drop_outcome(key)
        for fact in facts:
            self.add(fact, known_at)

    def put_outcome(self, key: FactKey, outcome: StoredOutcome) -> None:
        self.outcomes[key] = self.added_outcomes[key] = outcome  # a dropped one is deleted before it is added
        self.changed = True

    def drop_outcome(self, key: FactKey) -> None:
        del self.outcomes[key]
        if self.added_outcomes.pop(key, None) is None:
            self.dropped_outcomes |= {key}
        self.changed = True

    def mark(self, mark: Mark) -> None:
        self.marks = [*self.marks, mark]
        self.added_marks = [*self.added_marks, mark]
        self.moved = self.changed = True

    def unmark(self, id: str) -> None:
        """Take back what was marked under ``id``, if anything was."""
        kept = [mark for mark in self.marks if mark.id != id]
        if len(kept) < len(self.marks):
            self.marks = kept
            self.added_marks = [mark for mark in self.added_marks if mark.id != id]
            self.dropped_marks |= {id}
            self.moved = self.changed = True

    def absorb(self, other: Lead) -> None:
        """Take over everything of ``other``, the same person. Its id stays an alias of this one for ever."""
        for ref, record in other.records.items():
            record.entity, record.dirty = self.id, True
            self.records[ref] = record
        for key, activity in other.activities.items():
            if key not in self.activities:
                self.activities[key] = activity
                if key in other.refs:
                    self.refs[key] = other.refs[key]
                if key in other.added_activities:
                    self.added_activities[key] = other.added_activities[key]
        for kind, (count, first, last) in other.kinds.items():
            mine = self.kinds.get(kind)
            self.kinds[kind] = (
                (mine[0] + count, min(mine[1], first), max(mine[2], last)) if mine else (count, first, last)
            )
            self.changed_kinds |= {kind}
        for key, outcome in other.outcomes.items():
            if key not in self.outcomes:
                self.outcomes[key] = outcome
                if key in other.added_outcomes:
                    self.added_outcomes[key] = outcome
        self.marks = [*self.marks, *other.marks]
        self.decided = [*self.decided, *other.decided]
        self.company = self.company or other.company  # until their links say
        self.known_at = min(self.known_at, other.known_at)
        self.generation = max(self.generation, other.generation)
        self.had_handoff = self.had_handoff or other.had_handoff
        if self.ended.at is None or (other.ended.at is not None and other.ended.at > self.ended.at):
            self.last_handoff, self.ended, self.expired = other.last_handoff, other.ended, other.expired
            self.returned = other.returned
        for stage, crossing in other.above.items():
            mine_crossing = self.above.get(stage)
            if mine_crossing is None or crossing[0] > mine_crossing[0]:
                self.above[stage] = crossing
        if other.handoff is not None:
            self._absorb_handoff(other.handoff)
        waiting = [one for one in (self.held_back, other.held_back) if one is not None]
        self.held_back = None if self.handoff is not None or not waiting else waiting[0]
        self.absorbed = [*self.absorbed, *(one["id"] for one in waiting if one is not self.held_back)]
        self.changed = self.moved = True
        other.merged_into, other.changed = self.id, True

    def standing(self) -> dict[str, Any]:
        """Where its journey stands: what a merge mixes, and a split gives back."""
        names = ("known_at", "stage", "journey", "excluded", "ignored", "generation", "above", "persona")
        standing = {name: getattr(self, name) for name in names}
        return standing | {"above": dict(self.above), "handoff": self.handoff["id"] if self.handoff else None}

    def _absorb_handoff(self, theirs: dict[str, Any]) -> None:
        """Of two open handoffs the older stays; the other is closed without a bucket and counts nowhere."""
        mine = self.handoff
        older = theirs if mine is None or theirs["opened_at"] < mine["opened_at"] else mine
        if mine is not None:
            self.absorbed = [*self.absorbed, (mine if older is theirs else theirs)["id"]]
        if older is theirs:
            older["lead"] = self.id
            self.handoff, self.handoff_changed = older, True

    def _put(self, key: FactKey, stored: StoredActivity) -> None:
        self.activities[key], self.refs[key], self.added_activities[key] = stored.activity, stored.ref, stored
        kind = stored.activity.kind
        count, first, last = self.kinds.get(kind, (0, key[0], key[0]))
        self.kinds[kind] = (count + 1, min(first, key[0]), max(last, key[0]))
        self.changed_kinds |= {kind}
        self.changed = True

    def _drop(self, key: FactKey) -> None:
        kind = self.activities.pop(key).kind
        del self.refs[key]
        if self.added_activities.pop(key, None) is None:
            self.dropped_activities.add(key)
        times = [at for (at, _), activity in self.activities.items() if activity.kind == kind]
        if times:
            self.kinds[kind] = (len(times), min(times), max(times))
        else:
            self.kinds.pop(kind, None)
        self.changed_kinds |= {kind}
        self.changed = True

    def known_record(self, system: str, object: str) -> Record | None:
        """The primary record of one object: the one that is written to."""
        return primary(record for ref, record in self.records.items() if ref[:2] == (system, object))
