"""The write that a row of the outbox has become by now, as its sink is given it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.contracts import COMPANIONS, LIST, Receipt, Write
from gateway.leads.record import Record
from gateway.store import outbox

NOBODY = outbox.Links({}, {})


def write_of(row: Any, links: outbox.Links) -> Write:
    """The write as it is to be sent now: a create becomes an update once the lead has a record over there."""
    link = links.records.get(_whose(row))
    made = Write(
        key=row.key,
        object=row.object,
        record=row.record,
        fields=row.fields,
        refs=_filled(row, links),
        create=row.create,
        anyway=row.anyway,
        priority=row.priority,
    )
    if link is None:
        return made
    if _unsure(row):  # all of it is said again
        return replace(made, record=id_there(link), create=False)
    news = {
        name: raw for name, raw in made.fields.items() if name not in link.snapshot or link.snapshot[name][0] != raw
    }
    if row.object in COMPANIONS and (news or _moved(row, made, link)):
        news = dict(made.fields)  # few, and among them which list or campaign it is
    return replace(made, record=id_there(link), create=False, fields=news)


def _moved(row: Any, made: Write, link: Record) -> bool:
    """A place on a list is its record's: who was merged into another record over there joins once more with that."""
    return row.object == LIST and "of" in link.snapshot and link.snapshot["of"][0] not in made.refs.values()


def _whose(row: Any) -> outbox.Whose:
    return outbox.whose(row.lead, row.system, row.object, row.key)


def id_there(link: Record) -> str:
    """The id that a record has over there: what stands beside a person's record is known under our key."""
    return str(link.snapshot["id"][0]) if link.object in COMPANIONS and "id" in link.snapshot else link.record


def _filled(row: Any, links: outbox.Links) -> dict[str, str]:
    """Refs with the ids of now: of the object it was planned for, or of the one that the person became."""
    if row.object not in COMPANIONS:
        return dict(row.refs)
    people = links.people.get((row.lead, row.system), {})
    chosen = next((object_ for object_ in (*row.refs, *people) if object_ in people), None)
    return {chosen: people[chosen]} if chosen is not None else {}


def _unsure(row: Any) -> bool:
    """A create that may have arrived: it is looked up, even where news of the record was faster than the look-up."""
    return bool(row.state == "unknown" and row.create)


def needless(row: Any, made: Write, links: outbox.Links) -> Receipt | None:
    """Nothing is left to say: an earlier write or the system itself was faster. Or nobody is left to say it of."""
    if row.object in COMPANIONS and not made.refs and row.fields:
        return Receipt(key=row.key, result="limit", seconds=60, code="waits", message="for the person's record")
    if made.fields or _unsure(row) or _whose(row) not in links.records:
        return None
    return Receipt(key=row.key, result="gone", code=outbox.KNOWN)


def copied(made: Write) -> Write:
    """Down to the lists in its fields; nothing lies deeper."""
    fields = {name: value[:] if isinstance(value, list) else value for name, value in made.fields.items()}
    return replace(made, fields=fields, refs=dict(made.refs))
