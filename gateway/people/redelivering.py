"""Writes that did not get there: chosen by what they have in common, tried again, given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.errors import NotFound, Refused
from gateway.store import listing, outbox, switches
from gateway.store.database import read, write
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


_NONE = "no write with these ids that waits or is dead; `gateway deliveries list` shows them"


@dataclass(frozen=True, slots=True)
class Which:
    """Which dead writes: those with ``ids``, if there are any, that fit all the rest; an empty word asks for nothing.

    ``code``: what they were refused with. ``since`` and ``until`` (not with it): when they were given up, microseconds.
    """

    ids: Sequence[str] = ()
    system: str | None = None
    object: str | None = None
    code: str | None = None
    since: int | None = None
    until: int | None = None

    @property
    def narrowed(self) -> bool:
        return bool(self.system or self.object or self.code) or (self.since, self.until) != (None, None)


def dead(gateway: Gateway, which: Which) -> list[str]:
    """Their ids, the oldest first. Raises ``Refused`` when nothing is asked for, and ``NotFound``."""
    from gateway.settings.instance import known_systems

    if not which.ids and not which.narrowed:
        raise Refused("name writes, or say which dead ones: --system, --object, --code, --since, --until")
    if which.system is not None:
        known_systems(gateway.instance, [which.system])
    with read(gateway.store.main) as connection:
        found = listing.dead_letters(
            connection, which.ids or None, which.system, which.object, which.code, which.since, which.until
        )
    if which.ids and not found:
        raise NotFound("no dead write with these ids; `gateway deliveries list --state dead` shows them")
    return found


def retry(gateway: Gateway, ids: Sequence[str], system: str | None = None, per_minute: int | None = None) -> int:
    """Try dead writes again, no more than ``per_minute`` of them a minute. Returns how many; the rest is under way, or
    a newer write says everything."""
    if not ids:
        return 0
    apart = 60_000_000 // per_minute if per_minute is not None else 0
    with write(gateway.store.main) as connection:
        return outbox.retry(connection, to_micros(gateway.now()), ids, system, apart=apart)


def doomed(gateway: Gateway, which: Which) -> list[str]:
    """Whom ``give_up`` means: those with these ids, waiting or dead, or the dead ones that fit. Raises as ``dead``."""
    if not which.ids or which.narrowed:
        return dead(gateway, which)
    with read(gateway.store.main) as connection:
        found = switches.discardable(connection, which.ids)
    if not found:
        raise NotFound(_NONE)
    return found


def give_up(gateway: Gateway, ids: Sequence[str], reason: str = "") -> int:
    """Give up writes that wait or are dead. Returns how many; the rest is under way. Raises ``NotFound`` for none."""
    if not ids:
        return 0
    with write(gateway.store.main) as connection:
        count = switches.discard(connection, to_micros(gateway.now()), ids, reason)
    if not count:
        raise NotFound(_NONE)
    return count
