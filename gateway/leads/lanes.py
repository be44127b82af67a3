"""Which records two workers may work at the same time without meeting. In: a batch's events. Out: its records by lane.

A lane's records are the same for every worker: who works one lane meets nobody who works another, but for people whom
two systems know by records of different lanes, and then the leads' versions say who was first.
"""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from gateway.contracts import Event, RecordConverted, RecordsLinked, RecordsMerged
from gateway.leads.record import Ref


def spoken_of(events: Iterable[Event]) -> dict[Ref, str]:
    """Every record that is spoken of, with its kind."""
    refs: dict[Ref, str] = {}
    for event in events:
        refs[event.system, event.object, event.record] = event.kind
        if isinstance(event, RecordsLinked):
            refs.setdefault((event.system, event.to_object, event.to_record), event.to_kind)
        elif isinstance(event, RecordsMerged):
            refs.update(((event.system, event.object, loser), event.kind) for loser in event.losers)
        elif isinstance(event, RecordConverted):
            refs.setdefault((event.system, event.to_object, event.to_record), event.kind)
    return refs


def in_lanes(events: Iterable[Event], count: int) -> dict[int, set[Ref]]:
    """lane → records whose news is worked in it, of ``count`` lanes at most.

    People, companies and deals that the news ties go in one lane, mostly that of their company, which is the same in
    every batch.
    """
    first: dict[Ref, Ref] = {}
    kinds: dict[Ref, str] = {}

    def foremost(ref: Ref) -> Ref:
        while (before := first.setdefault(ref, ref)) != ref:
            ref = before
        return ref

    for event in events:
        mine = foremost((event.system, event.object, event.record))
        if isinstance(event, RecordsLinked | RecordsMerged | RecordConverted):
            spoken = {ref: kind for ref, kind in spoken_of([event]).items() if kind in _TIED}
            kinds.update(spoken)
            for ref in spoken:
                other = foremost(ref)
                mine, behind = sorted((mine, other), key=lambda one: (_TIED.get(kinds.get(one, ""), 2), one))
                first[behind] = mine
    found: dict[int, set[Ref]] = {}
    for ref in first:
        found.setdefault(crc32("\0".join(foremost(ref)).encode()) % count, set()).add(ref)
    return found


_TIED = {"company": 0, "deal": 1, "person": 2}
"""kind of a record → how far behind: what many records are tied to goes first."""
