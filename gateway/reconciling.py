"""``gateway metrics reconcile``: every system is asked for its own count, and who is on one side only is looked into.

Reads only. In: the ``counts:`` of the mapping files and a period. Out: what ``metrics.reconcile`` makes of the answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.checked import Garbage
from gateway.contracts import Count, Document, Held, Lookup, RecordGone, Sink, Source
from gateway.errors import ConfigError, GatewayError, NotFound
from gateway.metrics.reconcile import OTHER, Compared, Counted, Kind, Known, Side, There, compare, report, why
from gateway.plugins.watch import told
from gateway.store import reconcile as stored
from gateway.store.database import read, store_trouble

if TYPE_CHECKING:
    from gateway.runtime import Gateway

LOOKED = 1_000
"""Records of one object that are asked for one by one; of more than that it is said what is known here."""
Place = tuple[str, str]
"""(system, object)"""


def reconcile(
    gateway: Gateway, since: datetime, until: datetime, day: Callable[[datetime], str]
) -> tuple[dict[str, Any], Compared]:
    """What ``metrics.reconcile.report`` says, of records that count from ``since`` until before ``until``; and of what.

    :param day: a time as people read its day. Raises ``ConfigError`` where a side is counted by nobody, ``NotFound``
        where a system cannot be counted, and what the systems' plugins raise.
    """
    sides = _sides(gateway)
    counted: dict[Side, set[Counted]] = {side: set() for side in sides}
    counts: dict[Side, list[tuple[str, str, int]]] = {side: [] for side in sides}
    for side, places in sides.items():
        for (system, object_), count in places.items():
            found = _counted(gateway, system, count, since, until)
            counted[side] |= found
            counts[side].append((system, object_, len(found)))
    compared = compare(counted["passed"], counted["received"])
    reasons: dict[tuple[Side, Counted], tuple[Kind, str]] = {}
    for side, alone in compared.alone.items():
        facts = _known(gateway, [one.lead for one in alone if one.lead], sides[OTHER[side]])
        unknown = _strangers(gateway, [one for one in alone if not one.lead])
        for one in alone:
            reasons[side, one] = why(side, facts[one.lead], since, until, day) if one.lead else unknown[one]
    return report(counts, compared, reasons), compared


def _sides(gateway: Gateway) -> dict[Side, dict[Place, Count]]:
    sides: dict[Side, dict[Place, Count]] = {"passed": {}, "received": {}}
    for name, system in gateway.instance.systems.items():
        for side, places in sides.items():
            for count in system.mapping.counts.get(side, ()) if system.mapping is not None else ():
                places[name, count.object] = count
    if missing := [side for side, places in sides.items() if not places]:
        raise ConfigError(
            [
                f"no mapping file says what is counted as {side}: add `counts: [{{side: {side}, object: …, at: …}}]` "
                f"to that of the system which counts it"
                for side in missing
            ]
        )
    return sides


def _counted(gateway: Gateway, system: str, count: Count, since: datetime, until: datetime) -> set[Counted]:
    source = gateway.sources.get(system)
    plugin = gateway.plugin_of(system)
    if source is None or type(source).counted is Source.counted:
        raise NotFound(gateway.problems.get(system, f"{system} cannot be counted: plugin {plugin} does not offer it"))
    found: dict[str, datetime] = {}
    with _asking(gateway, system, "counted"):
        for record, at in source.counted(count, since, until):
            if not isinstance(record, str) or not isinstance(at, datetime) or at.tzinfo is None:
                raise Garbage("gave a record without an id, or without a time and its zone")
            found[record] = at
    with read(gateway.store.main) as connection:
        leads = stored.leads_of(connection, system, count.object, list(found))
    return {Counted(system, count.object, record, at, leads.get(record, "")) for record, at in found.items()}


@contextmanager
def _asking(gateway: Gateway, system: str, call: str) -> Iterator[None]:
    """Around a call of the system's plugin: what it raises unawares becomes one line that names it."""
    plugin = gateway.plugin_of(system)
    try:
        with gateway.guard(plugin, f"{call} {system}"):
            yield
    except Exception as exc:
        if store_trouble(exc) or (isinstance(exc, GatewayError) and not isinstance(exc, Garbage)):
            raise
        raise GatewayError(f"plugin {plugin}: {call} {told(exc)}") from exc


# -- leads the gateway knows ------------------------------------------------------------------------------------------


def _known(gateway: Gateway, leads: Sequence[str], places: Mapping[Place, Count]) -> dict[str, Known]:
    """What is known of leads that the systems in ``places`` do not count, with what their records there hold now."""
    with read(gateway.store.main) as connection:
        people = stored.people(connection, leads)
        handoffs = stored.handoffs(connection, leads)
        records = stored.records(connection, leads, places)
        writes = stored.troubled(connection, leads, places)
    of_place: dict[Place, list[str]] = defaultdict(list)
    for rows in records.values():
        for row in rows:
            of_place[row.system, row.object].append(row.record)
    held = {place: _held(gateway, place, places[place], ids) for place, ids in of_place.items()}

    def there(row: Any) -> There:
        place = (row.system, row.object)
        asked = row.record in held[place]
        now = held[place].get(row.record)
        return There(row.system, row.record, places[place], row.gone or "", asked, now.values if now else None)

    return {
        lead: Known(*people[lead], handoffs.get(lead, ""), writes.get(lead), [there(row) for row in records[lead]])
        for lead in leads
    }


def _held(gateway: Gateway, place: Place, count: Count, records: Sequence[str]) -> dict[str, Held | None]:
    """record → what it holds now, None where it is gone; those that could not be asked for are left out."""
    system, object_ = place
    sink = gateway.sinks.get(system)
    if sink is None or type(sink).held is Sink.held:
        return {}
    asked = records[:LOOKED]
    with _asking(gateway, system, "held"):
        found = sink.held(object_, asked, [count.at, *count.where])
    return {record: found.get(record) for record in asked}


# -- records it does not know ------------------------------------------------------------------------------------------


def _strangers(gateway: Gateway, strangers: Sequence[Counted]) -> dict[Counted, tuple[Kind, str]]:
    """Why records are unknown here: they are fetched, and read as if they had come, but not taken in."""
    of_place: dict[Place, list[Counted]] = defaultdict(list)
    for one in strangers:
        of_place[one.system, one.object].append(one)
    found: dict[Counted, tuple[Kind, str]] = {}
    for place, some in of_place.items():
        said = dict(_said(gateway, place, [one.record for one in some[:LOOKED]]))
        found |= {one: said.get(one.record, ("late", f"not heard of yet: `gateway pull {place[0]}`")) for one in some}
    return found


def _said(gateway: Gateway, place: Place, records: Sequence[str]) -> Iterator[tuple[str, tuple[Kind, str]]]:
    system, object_ = place
    source = gateway.sources[system]
    if not source.per_fetch(object_):
        return
    lookups = [Lookup(system=system, object=object_, record=record) for record in records]
    with _asking(gateway, system, "fetch"):
        pages = list(source.fetch(lookups))
    for page in pages:
        document = Document(
            id="", system=system, received_at=gateway.now(), body=page.document, content_type=page.content_type,
            headers=page.headers, origin="lookup",
        )  # fmt: skip
        reading = gateway.read(document)
        for skipped in reading.skipped:
            yield skipped.record, ("filtered", f"left out by the mapping of {system}: {skipped.reason}")
        for item in reading.quarantined:
            yield item.record, ("failed", f"cannot be read: {item.reason}")
        for event in reading.events:
            if isinstance(event, RecordGone):
                yield event.record, ("deleted", f"its record is deleted in {system}")
