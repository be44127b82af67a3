"""What is wrong with the systems around us right now, as an admin is told it. Read from what is stored; a constant
number of statements."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.durations import duration_in_words
from gateway.engine.supervisor import STATUS
from gateway.governance.keys import OVERRIDE, missing
from gateway.journey.notify import BACKLOG, DEAD, DRIFT, FAILING, HELD, MODEL, PAUSED, PLUGIN, SILENT, UNSUBSCRIBED
from gateway.notices.silence import silent
from gateway.store import alarms, breakers, drafts, notices
from gateway.store.notices import Happened
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

LATE = timedelta(hours=1)
"""What has waited for so long, document or delivery, is an old backlog."""


def troubles(
    gateway: Gateway,
    connection: Connection,
    heard: Mapping[str, Mapping[str, Any]],
    deaf: Iterable[Sequence[str]],
    kinds: Collection[str],
) -> list[Happened]:
    """Everything wrong of these kinds; ``subject`` is a system, plugin or field.

    :param heard: see ``silence``. :param deaf: (system, field) see ``subscriptions``.
    """
    now = to_micros(gateway.now())
    found = [*_stored(gateway, connection, now), *_waiting(gateway, now), *_plugins(gateway, now)]
    for system, kept in heard.items():
        if system in gateway.instance.systems and (quiet := silent(kept, now)) is not None:
            words = f"{system} has been silent for {_age(quiet)}, more than twice as long as is usual for it"
            found.append(Happened(SILENT, system, None, kept["last"], words))
    for system, field in deaf:
        words = f"{system} does not notify us of {field}, which changes there; subscribe its webhook to it"
        found.append(Happened(UNSUBSCRIBED, f"{system} {field}", None, now, words))
    return [one for one in found if one.kind in kinds]


def _stored(gateway: Gateway, connection: Connection, now: int) -> Iterator[Happened]:
    stopped = {row.name: row for row in notices.paused(connection) if row.name in gateway.instance.systems}
    for name, row in stopped.items():
        words = f"nothing is sent to {name}: {row.paused}. `gateway systems resume {name}` when it is put right"
        yield Happened(PAUSED, name, None, row.paused_at or now, words)
    if notices.held_back(connection):
        words = "more leads are ready than sales can take; `gateway handoffs release` hands over who waits, best first"
        yield Happened(HELD, "capacity", None, now, words)
    going = gateway.model.active - stopped.keys()
    for row in notices.failing(connection):
        if row.system in going:
            words = (
                f"{row.system} takes no writes, or not all; they are tried again. `gateway deliveries list` says why"
            )
            yield Happened(FAILING, row.system, None, now, words)
    for name in notices.dead_letters(connection, list(gateway.instance.systems)):
        words = f"{name} refused writes for good; `gateway deliveries list --state dead` says which and why"
        yield Happened(DEAD, name, None, now, words)
    for row in notices.late_writes(connection, sorted(going), now - _micros(LATE)):
        words = f"writes to {row.system} have been due for more than {duration_in_words(LATE)}; `gateway status`"
        yield Happened(BACKLOG, f"{row.system} out", None, row.due, words)
    yield from _model(gateway, connection)
    for row in alarms.open_alarms(connection, alarms.DRIFT):
        words = f"{row.system} has changed: {row.detail.get('what', '')}. `gateway work list --kind drift`"
        yield Happened(DRIFT, row.key, None, row.opened_at, words)


def _model(gateway: Gateway, connection: Connection) -> Iterator[Happened]:
    """What those who agree on the model have to look at."""
    for row in alarms.open_alarms(connection, alarms.MODEL_DRIFT):
        words = f"new leads are others than the model was agreed on for: {row.detail.get('what', '')}"
        yield Happened(DRIFT, row.key, None, row.opened_at, f"{words}. `gateway model drift`")
    if gateway.instance.approval == "off":
        return
    waiting = drafts.found(connection, [drafts.PROPOSED])
    turns = drafts.turns(connection, waiting)
    for one in waiting:
        left = " and ".join(missing(gateway.instance.approval, turns[one.id]))
        words = f"a changed model waits for the key of {left}; `gateway model history` says what it changes, and why"
        yield Happened(MODEL, one.id, None, one.at, words)
    for one in drafts.found(connection, [drafts.LIVE])[:1]:
        if any(turn.what == OVERRIDE for turn in drafts.turns(connection, [one])[one.id]):
            words = (
                "the live model came by emergency override, without keys; `gateway model history` says whose, and why"
            )
            yield Happened(MODEL, f"{one.id} override", None, one.ended_at or one.at, words)


def _waiting(gateway: Gateway, now: int) -> Iterator[Happened]:
    oldest = gateway.inbox.oldest()
    if oldest is not None and now - oldest[1] > _micros(LATE):
        words = (
            f"a document of {oldest[0]} has waited for more than {duration_in_words(LATE)} to be read; `gateway status`"
        )
        yield Happened(BACKLOG, "in", None, oldest[1], words)


def _plugins(gateway: Gateway, now: int) -> Iterator[Happened]:
    for plugin in gateway.host.plugins:
        if plugin.state not in ("active", "disabled", "quarantined"):
            words = f"the plugin {plugin.name} is {plugin.state}: {plugin.reason}. `gateway plugins list`"
            yield Happened(PLUGIN, plugin.name, None, now, words)
    for name, one in breakers.by_plugin(gateway.breakers.open()).items():
        words = f"the plugin {name} is quarantined: {one.reason}; what needs it waits, and it is tried again by itself"
        yield Happened(PLUGIN, name, None, now, f"{words}. `gateway plugins list`")
    for name, call in _cut_off(gateway.instance.store.folder / STATUS).items():
        yield Happened(PLUGIN, f"{name} hangs", None, now, f"the plugin {name} was cut off: {call} did not end in time")
    if gateway.unscored:
        yield Happened(PLUGIN, "scoring", None, now, f"no lead is scored: {gateway.unscored}. `gateway check`")
    for system, why in gateway.problems.items():
        yield Happened(PLUGIN, system, None, now, f"{system} cannot be used: {why}. `gateway check`")


def _cut_off(path: Path) -> dict[str, str]:
    """Plugin → the call that the supervisor ended, of the last hour."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.now(UTC) - timedelta(hours=1)
        return {one["plugin"]: one["call"] for one in told["cut_off"] if datetime.fromisoformat(one["at"]) > since}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _age(micros: int) -> str:
    hours = micros // _micros(timedelta(hours=1))
    return duration_in_words(timedelta(days=hours // 24) if hours >= 48 else timedelta(hours=max(hours, 1)))


def _micros(delta: timedelta) -> int:
    return delta // timedelta(microseconds=1)
