"""Rules that turn observed raw values into activities and outcomes.

In: the record's merged raw values before an event, and the event. Out: what happened. A rule's events carry keys made
of the event's key and the rule's name, so the same observations give the same events however often they are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.conditions import attributes_of, compile_condition
from gateway.contracts import ActivityHappened, Money, OutcomeReported, Precision, RecordChanged
from gateway.mapping.grammar import is_code
from gateway.mapping.times import Clock
from gateway.mapping.types import money, text_of
from gateway.settings.files import content_hash

Values = Mapping[str, Any]
Emitted = ActivityHappened | OutcomeReported
STEPS = 50
"""Most activities that one step of a counter makes; a counter that jumps further was imported, not watched."""
_LONGEST = 500


class Rule:
    """One entry of ``activities`` or ``outcomes``. ``reads`` are the raw fields it looks at."""

    def __init__(self, name: str, data: Mapping[str, Any], clock: Callable[[Mapping[str, Any]], Clock]) -> None:
        self.name = name
        self.each = data["on"] == "each"
        self.holds = compile_condition(data["when"]) if data.get("when") else None
        self.reads: set[str] = set(attributes_of(data["when"])) if data.get("when") else set()
        self.at = self._time(data["at"], clock) if data.get("at") else None
        self.wake = self._time(data["wake"], clock) if data.get("wake") else None
        self.id: str | None = data.get("id")
        self.counter: str | None = data.get("counter")
        self.counts_first = data.get("first") == "count"
        self.reads |= {path for path in (self.id, self.counter) if path}
        self.activity: str | None = data.get("activity")
        self.outcome: str | None = data.get("outcome")
        self.texts = {
            key: self._text(data[key])
            for key in ("asset", "channel", "campaign", "reason", "by")
            if data.get(key) is not None
        }
        self.reasons = {_folded(raw): str(ours) for raw, ours in (data.get("reasons") or {}).items()}
        self.amount: str | None = data.get("amount")
        self.form: str | None = data.get("format")
        self.currency: Callable[[Values], str] = lambda values: ""
        if self.amount:
            self.reads.add(self.amount)
            code = data["currency"]
            self.currency = self._text(f"={code}" if is_code(code) else code)

    def fires(self, before: Values, own: Values, after: Values) -> int:
        """How many times the event makes this happen."""
        if self.counter:
            if self.holds is not None and not self.holds(after):
                return 0
            now, then = _count(own.get(self.counter)), _count(before.get(self.counter))
            if now is None or (then is None and not self.counts_first):
                return 0
            return max(0, min(now - (then or 0), STEPS))
        if self.each:
            return int(self.holds is None or self.holds(own))
        if self.holds is None:
            return int(not before)
        return int(self.holds(after) and not (before and self.holds(before)))

    def made(self, event: RecordChanged, values: Values, times: int) -> Iterable[Emitted]:
        at, precision = self._moment(event, values)
        key = f"{event.key}:{self.name}"
        if self.id and (own := _text(values.get(self.id))):
            key = f"{event.system}:{event.object}:{event.record}:{self.name}:{own}"
        elif self.holds is None and not self.each and not self.counter:
            key = f"{event.system}:{event.object}:{event.record}:{self.name}"  # once per record, whichever came first
        for step in range(1, times + 1):
            yield self._one(event, values, at, precision, f"{key}:{step}" if self.counter else key)

    def _one(self, event: RecordChanged, values: Values, at: datetime, precision: Precision, key: str) -> Emitted:
        texts: dict[str, Any] = {name: read(values) for name, read in self.texts.items()}
        if self.reasons and (ours := self.reasons.get(_folded(texts.get("reason", "")))):
            texts["reason"] = ours
        if self.activity:
            return ActivityHappened(
                system=event.system, object=event.object, kind=event.kind, record=event.record,
                at=at, precision=precision, key=key, activity=self.activity, **texts,
            )  # fmt: skip
        return OutcomeReported(
            system=event.system, object=event.object, kind=event.kind, record=event.record,
            at=at, precision=precision, key=key, outcome=self.outcome or "", amount=self._money(values),
            wake=self._wake(values), **texts,
        )  # fmt: skip

    def _wake(self, values: Values) -> datetime | None:
        if self.wake is None or values.get(self.wake[0]) is None:
            return None
        path, clock = self.wake
        try:
            return clock.read(values[path])[0]
        except ValueError:
            return None

    def unreadable(self, values: Values) -> bool:
        return self.amount is not None and values.get(self.amount) is not None and self._money(values) is None

    def _money(self, values: Values) -> Money | None:
        raw = values.get(self.amount) if self.amount else None
        if raw is None:
            return None
        currency = self.currency(values)
        if isinstance(raw, list) and len(raw) == 2:  # a lead field of type money reads it, too, with its currency
            raw, currency = raw
        try:
            amount, currency = money(raw, currency, self.form)
        except (ValueError, TypeError, ArithmeticError):
            return None
        return Money(Decimal(amount), currency)

    def _moment(self, event: RecordChanged, values: Values) -> tuple[datetime, Precision]:
        if self.at is None:
            return event.at, event.precision
        path, clock = self.at
        try:
            return clock.read(values[path])
        except (KeyError, ValueError):  # not there yet; a time that cannot be read never gets past the reader
            return event.at, event.precision

    def _time(self, data: Mapping[str, Any], clock: Callable[[Mapping[str, Any]], Clock]) -> tuple[str, Clock]:
        self.reads.add(data["field"])
        return data["field"], clock(data)

    def _text(self, source: str) -> Callable[[Values], str]:
        if source.startswith("="):
            literal = source[1:].strip()
            return lambda values: literal
        self.reads.add(source)
        return lambda values: _text(values.get(source))


class Rules:
    """All rules of one object, in the order of the file."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self.reads = frozenset().union(*(rule.reads for rule in rules)) if rules else frozenset[str]()
        self._paid = [rule for rule in rules if rule.amount]
        self._merging = any(not rule.each for rule in rules)
        self._silence = any(rule.each and rule.fires({}, {}, {}) for rule in rules)

    def listen(self, event: RecordChanged) -> bool:
        """Whether an event of a known record can fire a rule: it speaks of what one reads, or one reads silence."""
        return self._silence or not self.reads.isdisjoint(event.speaks_of)

    def unreadable(self, values: Values) -> list[str]:
        """The fields of amounts that no outcome can have: no number, or without a currency."""
        return [rule.amount for rule in self._paid if rule.amount and rule.unreadable(values)]

    def emit(self, before: Values, event: RecordChanged) -> list[Emitted]:
        """What the event means, given the merged raw values ``before`` it (empty: the record's first event)."""
        own = event.values
        after = own
        if self._merging and before:
            after = {**before, **own}
            for name in event.speaks_of:
                if name not in own:
                    after.pop(name, None)
        emitted: list[Emitted] = []
        for rule in self.rules:
            if times := rule.fires(before, own, after):
                emitted += rule.made(event, own if rule.each else after, times)
        return emitted


def names(rules: Sequence[Mapping[str, Any]]) -> list[str]:
    """A stable name for each rule of one object: its own, else what it reports; where two report the same, that and a
    hash of the rule. The order of the rules has no part in it."""
    reported = [str(rule.get("activity") or rule.get("outcome")) for rule in rules]
    named: list[str] = []
    for rule, word in zip(rules, reported, strict=True):
        if rule.get("name") is not None:
            named.append(str(rule["name"]))
        elif reported.count(word) > 1:
            named.append(f"{word}~{content_hash(rule)[:8]}")
        else:
            named.append(word)
    return named


def _text(value: Any) -> str:
    try:
        return text_of(value).strip()[:_LONGEST] if value is not None else ""
    except TypeError:
        return ""


def _folded(value: Any) -> str:
    return _text(value).casefold()


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = int(value) if not isinstance(value, str) or len(value) < 20 else None
    except (ValueError, TypeError, OverflowError):
        return None
    return number if number is not None and number >= 0 else None
