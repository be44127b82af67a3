"""Times between Python and the tables: microseconds since 1970 in UTC. Pure; nobody reads a clock here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUTURE = timedelta(minutes=5)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = 1 << 52
"""Microseconds, until 2112: as seconds in floating point, they are still told apart."""


def to_micros(at: datetime) -> int:
    """An aware datetime as microseconds since 1970 (UTC)."""
    return (at - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    if -_EXACT < micros < _EXACT:
        return datetime.fromtimestamp(micros / 1e6, UTC)  # the quicker of the two
    return EPOCH + timedelta(0, 0, micros)


def iso(micros: int) -> str:
    """ISO 8601 in UTC, ending with Z."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")


def whole(micros: int) -> int:
    """Cut to the second, as other systems keep times."""
    return micros - micros % 1_000_000


def settled(at: datetime, received: datetime) -> tuple[datetime, bool]:
    """A time more than five minutes in the future of its receipt is cut to the receipt; True when it was cut."""
    return (received, True) if at > received + FUTURE else (at, False)
