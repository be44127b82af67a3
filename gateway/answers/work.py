"""Work items: as JSON, in words, with what each side says and the ways to settle them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from marshmallow import Schema, fields

from gateway.answers.fields import Moment
from gateway.answers.texts import plain, shown
from gateway.errors import NotFound

if TYPE_CHECKING:
    from gateway.runtime import Gateway


class WorkSchema(Schema):
    id = fields.String()
    kind = fields.String(metadata={"description": "such as conflict, unmapped value or dead letter"})
    system = fields.String(allow_none=True)
    object = fields.String(allow_none=True)
    record = fields.String(allow_none=True)
    lead = fields.String(allow_none=True)
    detail = fields.Dict()
    count = fields.Integer(metadata={"description": "how often it was met"})
    opened_at = Moment()


WAYS = {
    "keep": "This system's value stands; the others are told.",
    "value": "This value stands; all systems are told.",
    "link": "This record over there is the lead's.",
    "map": "What the value means: a lead value, an outcome, a reason, `nothing`; of a refused one, its word there.",
    "reason": "Why the handoff ended as it did: a reason of journey.yaml.",
    "merge": "They are one person.",
    "apart": "They are two people, whatever they share.",
    "create": "Make a new record, whoever is there already.",
    "ignore": "Make nothing of this lead there.",
    "retry": "Send it again.",
    "discard": "Give the write up.",
    "leave": "Leave the field as the system has it.",
    "done": "It is settled elsewhere: what waits for it goes at once.",
}
"""Everything that may be said of some item, in words."""
ASKING = ("keep", "value", "link", "map", "reason")
"""Ways that need a word of their own."""


def item_named(gateway: Gateway, id_: str) -> dict[str, Any]:
    """The item whose id is, or ends with, ``id_``. Raises ``NotFound``."""
    from gateway.store import work as items  # a command's help loads no database
    from gateway.store.database import read

    with read(gateway.store.main) as connection:
        found = items.item(connection, id_)
    if len(found) != 1:
        which = "several items end with" if found else "no work item is or ends with"
        raise NotFound(f"{which} {id_!r}; `gateway work list` shows them")
    return found[0]


def in_words(kind: str, detail: Mapping[str, Any]) -> str:
    if kind == "ambiguous match" and detail.keys() == {"namespace", "other"}:
        key = detail["namespace"].removeprefix("key:")
        key = "e-mail address" if key == "email" else key
        return f"the same {key} as lead {detail['other']}: one person or two?"
    if kind == "conflict" and detail:
        return f"{detail['field']}: edited in {' and '.join(side[0] for side in detail['sides'])}, and no rule decides"
    if kind == "unmapped value" and detail:
        return f"{detail['field']}: {plain(detail['value'])}: what does it mean?"
    if kind == "contested" and detail:
        return f"{detail['field']}: changed back over there each time it is written; left alone until you decide"
    if kind == "open deal" and detail:
        return f"came to {detail['stage']} while a deal is open: nobody was handed over; the deal's owner should know"
    if kind == "dead letter" and detail:
        of = f" ({', '.join(detail['fields'])})" if detail.get("fields") else ""
        return f"refused for good{of}: {detail['code']}: {plain(detail['message'])}"
    if kind == "reason not given" and detail:
        return f"handoff {detail['handoff']} ended as {detail['bucket']} without a reason"
    if "what" in detail:  # alarms say it themselves
        return str(detail["what"])
    return ", ".join(f"{name} {shown(value)}" for name, value in detail.items() if value not in ("", [], None))


def where(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, [row["system"], row["object"], row["record"]]))


def sides_of(gateway: Gateway, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each record in question holds in the field in question, as it is now."""
    from gateway.store import listing
    from gateway.store.database import read

    detail = row["detail"]
    refs = detail.get("sides") or (
        [[row["system"], row["object"], row["record"]]] if row["kind"] == "contested" else []
    )
    sides = []
    for system, object_, record in refs:
        with read(gateway.store.main) as connection:
            held = [one.snapshot for one in listing.record(connection, (system, object_, record))]
        for name, rule in gateway.model.joining.inbound(system, object_).items():
            if held and name in held[0] and detail["field"] in (rule.to if detail.get("sides") else name,):
                value, since = held[0][name][:2]
                sides.append({
                    "system": system, "object": object_, "record": record, "field": name, "value": value,
                    "since": since,
                })  # fmt: skip
    return sides


_schema = WorkSchema()


def work_json(row: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = _schema.dump(row)
    return told
