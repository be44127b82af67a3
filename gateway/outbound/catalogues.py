"""Systems change under us: each one's catalogue is looked at daily, and what drifted raises one alarm per field.

In: ``Sink.describe``. Out: work items of kind ``drift``; the deliveries that they hold wait until the system, the
mapping or a person has put it right. While one is open, its system is looked at every hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gateway.contracts import Field, Sink
from gateway.errors import TryLater
from gateway.settings.files import content_hash
from gateway.store import alarms, catalogues, due
from gateway.store.database import read, write
from gateway.sync.drift import Drift, baseline, compare
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

EVERY, SOON = timedelta(days=1), timedelta(hours=1)
PAUSE = timedelta(minutes=1)
"""So often is asked, of our own store, whether a look is due."""


def watch(gateway: Gateway, system: str) -> int:
    """Look at what is due of one system. Returns how many objects it was asked for."""
    sink, mapping = gateway.sinks.get(system), gateway.instance.systems[system].mapping
    now = gateway.now()
    if sink is None or mapping is None or type(sink).describe is Sink.describe or now < gateway.looks.get(system, now):
        return 0
    gateway.looks[system] = now + PAUSE
    with read(gateway.store.main) as connection:
        if due.silent(connection, system):
            return 0
        open_ = alarms.open_alarms(connection, alarms.DRIFT, system)
        looked = catalogues.looked_at(connection, system)
    alarmed = {row.object for row in open_}
    edited = {row.object for row in open_ if row.detail.get("files") != gateway.bundle}
    objects = [
        name
        for name in mapping.objects
        if name in edited or to_micros(now - (SOON if name in alarmed else EVERY)) >= looked.get(name, -1 << 62)
    ]
    if objects:
        with write(gateway.store.main) as connection:
            catalogues.claim(connection, system, objects, to_micros(now))
    for name in objects:
        try:
            with gateway.guard(gateway.plugin_of(system), f"describe {name}"):
                found = dict(sink.describe(name))
            if not all(isinstance(field, Field) for field in found.values()):
                raise TypeError("describe gives fields")
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - an object without a catalogue, or a system that is away
            gateway.log.warning("not described", system=system, object=name, error=type(exc).__name__)
            if isinstance(exc, TryLater):
                with write(gateway.store.main) as connection:
                    catalogues.claim(connection, system, [name], to_micros(now - EVERY + SOON))
            continue
        for drift in heard(gateway, system, name, found):
            gateway.log.error("drift", system=system, what=drift.words)
    return len(objects)


def heard(gateway: Gateway, system: str, name: str, now: Mapping[str, Field]) -> list[Drift]:
    """Compare an object's catalogue with the one held, raise and end alarms. Returns what is wrong.

    A person who resolves an alarm, and an edit of the field in the mapping, take the catalogue as it is now.
    """
    mapping: Any = gateway.instance.systems[system].mapping
    object_, at = mapping.objects[name], to_micros(gateway.now())
    with write(gateway.store.main) as connection:
        before: Mapping[str, Field] = catalogues.held(connection, system, name) or now
        found = {_key(system, drift.object, drift.field): drift for drift in compare(object_, before, now)}
        known = alarms.by_key(connection, found)
        wrong: dict[str, Drift] = {}
        for key, drift in found.items():
            row = known.get(key)
            if row is not None and row.resolved_at is None and _adapted(row, object_):
                alarms.end_alarms(connection, [key], alarms.ADAPTED, at)
            elif row is not None and row.resolved_at is not None and alarms.accept(connection, row):
                continue
            else:
                wrong[key] = drift
        alarms.raise_alarms(connection, [_alarm(gateway, system, object_, drift) for drift in wrong.values()], at)
        over = [
            row.key
            for row in alarms.open_alarms(connection, alarms.DRIFT, system)
            if row.object == name and row.key not in wrong and _over(row, object_)
        ]
        alarms.end_alarms(connection, over, alarms.RIGHT_AGAIN, at)
        catalogues.hold(connection, system, name, baseline(before, now, list(wrong.values())), at)
    return list(wrong.values())


def _adapted(row: Any, object_: Any) -> bool:
    return row.detail.get("definition") not in (None, _definition(object_, row.detail["field"]))


def _over(row: Any, object_: Any) -> bool:
    """What a system refused is over when it is taken again, or not sent any more; the catalogue says nothing of it."""
    return row.detail["drift"]["what"] != "refused" or bool(row.detail["field"] not in {"", *object_.outbound})


def _alarm(gateway: Gateway, system: str, object_: Any, drift: Drift) -> dict[str, Any]:
    return {
        "key": _key(system, drift.object, drift.field),
        "kind": alarms.DRIFT,
        "system": system,
        "object": drift.object,
        "detail": {
            **alarms.detail_of(drift),
            "definition": _definition(object_, drift.field),
            "files": gateway.bundle,
        },
    }


def _definition(object_: Any, field: str) -> str:
    return content_hash([dict(one.definition) for one in object_.fields if one.field == field])


def _key(system: str, object_: str, field: str) -> str:
    return f"drift:{system}:{object_}:{field}"
