"""What a plugin gave, looked at before it is believed: between its ``read``, ``score`` or ``calls`` and the batch.

A mapping file makes sound items by itself; a source of one's own may make anything. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

import orjson

from gateway.contracts import (
    COMPANIONS,
    NOTICE,
    Answer,
    Event,
    Kind,
    Lookup,
    Quarantined,
    Receipt,
    RecordChanged,
    RecordConverted,
    RecordsLinked,
    RecordsMerged,
    Score,
    Scorer,
    Sink,
    Skipped,
    Source,
    Verification,
)
from gateway.errors import GatewayError, Refused

_KINDS = frozenset(get_args(Kind))
_MOST_POINTS = 1_000_000
_TEXT = frozenset({str})


class Garbage(GatewayError):
    """What a plugin gave is no answer; the message says what it is instead, in types."""


class Tampered(Garbage):
    """A plugin changed what it was given. It was a copy, so nobody else sees it, and what it answered counts."""


def flaw(item: Any, system: str) -> str:
    """What is wrong with one item that ``system``'s source read; "" when nothing is. Tells types, never values."""
    held = item
    if isinstance(item, Event):
        texts = [item.object, item.record, item.key, *_others(item)]
        if item.kind not in _KINDS:
            return "an event of no known kind"
        if type(item.at) is not datetime or item.at.tzinfo is None:
            return "an event whose time has no zone"
        if not (item.object and item.record and item.key):
            return "an event without object, record or key"
        if isinstance(item, RecordChanged):
            if not (isinstance(item.values, dict) and isinstance(item.speaks_of, frozenset)):
                return "a record whose values are no dict, or whose speaks_of is no frozenset"
            held = (texts, item.values, item.precision, item.created)  # most items are these; the rest is known by now
    elif isinstance(item, Skipped | Quarantined | Lookup):
        texts = [item.object, item.record]
        texts += [item.system, *item.fields, *item.because] if isinstance(item, Lookup) else [item.reason]
    else:
        return f"a {type(item).__name__}"
    if not _TEXT.issuperset(map(type, texts)):
        return f"a {type(item).__name__} with something else where texts belong"
    if isinstance(item, Event | Lookup) and item.system != system:
        return f"a {type(item).__name__} of another system"
    try:
        orjson.dumps(held, default=_plain)
    except TypeError:
        return f"a {type(item).__name__} with values that JSON cannot hold"
    return ""


def refuse_score(score: Any, at: datetime) -> None:
    """Raises ``Garbage`` for what could not be stored, or would be due again at once, for ever."""
    if not isinstance(score, Score):
        raise Garbage(f"gave a {type(score).__name__}")
    total, fit, behaviour = score.total, score.fit, score.behaviour
    whole = type(total) is int and type(fit) is int and type(behaviour) is int and type(score.band) is str
    if not whole or abs(total) > _MOST_POINTS or abs(fit) > _MOST_POINTS or abs(behaviour) > _MOST_POINTS:
        raise Garbage("gave a score of something else than hundredths and a band")
    moves = score.changes_at
    if moves is not None and (type(moves) is not datetime or moves.tzinfo is None or moves <= at):
        raise Garbage("gave a score that changes at no later time")


def refuse_receipts(given: Sequence[Any], keys: Collection[str]) -> None:
    """Raises ``Garbage`` when none of what a sink gave is a receipt for any of its writes."""
    if keys and not any(isinstance(one, Receipt) and type(one.key) is str and one.key in keys for one in given):
        raise Garbage(f"gave {f'a {type(given[0]).__name__}' if given else 'nothing'} for {len(keys)} writes")


def refuse_unsound(made: Any, what: type[Source] | type[Sink] | type[Scorer]) -> None:
    """Raises ``Refused`` when a factory's product is no such thing, or says of itself what intake could not use."""
    if not isinstance(made, what):
        raise Refused(f"its factory gave no {what.__name__} but a {type(made).__name__}")
    if isinstance(made, Source):
        if not isinstance(made.verification, Verification | None):
            raise Refused("its verification is none")
        if not isinstance(made.answer, Answer) or not isinstance(made.answer.body, bytes):
            raise Refused("its answer is none")
    if isinstance(made, Sink):
        known = isinstance(made.carries, Mapping) and {*COMPANIONS, NOTICE} >= made.carries.keys()
        if not known or not all(isinstance(names, list | tuple | set | frozenset) for names in made.carries.values()):
            raise Refused(f"what it carries is not names for {', '.join(COMPANIONS)}")
        pages = made.links.values() if isinstance(made.links, Mapping) else (None,)
        if not all(isinstance(one, str) and one.startswith(("https://", "http://")) for one in pages):
            raise Refused("its links are not addresses")


def _others(event: Event) -> tuple[Any, ...]:
    match event:
        case RecordsMerged():
            return tuple(event.losers)
        case RecordConverted():
            return event.to_object, event.to_record
        case RecordsLinked():
            return event.to_object, event.to_record, event.to_kind, event.role
    return ()


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | Decimal):
        return None  # both are known to be right
    raise TypeError
