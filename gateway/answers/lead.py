"""All that is known of one lead: loaded in one view of the store, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.answers.handoff import handoff_json
from gateway.answers.texts import iso, points
from gateway.answers.timeline import Entry, timeline
from gateway.leads.stamps import FieldRule, attributes, opt_in_of
from gateway.sync.links import Links, link
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.leads.company import Company
    from gateway.leads.lead import Lead
    from gateway.leads.record import Record
    from gateway.runtime import Gateway

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Known:
    """A loaded lead and what belongs to it. ``origin``: attribute → (since when in microseconds, system)."""

    lead: Lead
    company: Company | None
    origin: Mapping[str, tuple[int, str]]
    more: Mapping[str, Rows]
    timeline: Sequence[Entry]
    links: Links


def known_of(gateway: Gateway, id_: str) -> Known:
    """Everything, in one view of the store."""
    from gateway.people.staffing import name_of
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.store.loading import Need, load

    need = Need(scores=gateway.model.score_names, whole=[id_], rolled=bool(gateway.model.rollups))
    with read(gateway.store.main) as connection:
        batch = load(connection, [], {}, [id_], to_micros(gateway.now()), need)
        more = listing.of_lead(connection, id_)
        roster = gateway.pipeline.roster(connection, gateway.now())
    systems = {row["id"]: row["system"] for row in more["handoffs"]}
    for row in more["handoffs"]:
        row["owner_name"] = name_of(roster, row["system"], row["owner"])
    for row in more["clock_events"]:
        row |= {who: name_of(roster, systems.get(row["handoff"], ""), row[who]) for who in ("owner", "before")}
    lead, joining = batch.leads[id_], gateway.model.joining
    known = [record for record in lead.records.values() if record.known]
    origin = attributes(known, joining.inbound, joining.rank)[1]
    told = timeline(lead, more, gateway.instance.zone)
    return Known(lead, batch.companies.get(lead.company or ""), origin, more, told, gateway.model.links)


def decided_by(field: str, system: str, said: Sequence[tuple[str, FieldRule]]) -> str:
    """Which rule made the value of ``system`` the one that counts, in words.

    :param said: each value that there is for the field: its system, and the rule that its mapping has for it.
    """
    others = [rule for whose, rule in said if whose != system]
    mine = [rule for whose, rule in said if whose == system]
    if len(said) < 2:
        return "nobody else says it" if said else ""
    if opt_in_of(field):
        return "an opt-out counts, whoever says it"
    if any(rule.prefer == system for rule in mine):
        return f"{system} is preferred"
    if others and all(rule.sync == "only if blank" for rule in others):
        return "the others only fill it where it is blank"
    return "it is the newest"


def as_json(known: Known) -> dict[str, Any]:
    lead, company, more = known.lead, known.company, known.more
    return {
        "lead": lead.id,
        "merged": [row["id"] for row in more["merged"]],
        "erased_at": iso(lead.erased_at),
        "entered_at": iso(lead.entered_at),
        "known_at": iso(lead.known_at),
        "attributes": _attributes_json(known),
        "company": {"id": company.id, "attributes": company.attributes, "rollups": company.rollups}
        if company
        else None,
        "identities": [[row["namespace"], row["value"]] for row in more["identities"]],
        "records": [_record_json(record, known.links) for record in lead.records.values()],
        "persona": lead.persona,
        "stage": lead.stage,
        "excluded": lead.excluded,
        "generation": lead.generation,
        "score": _score_json(lead.score) if lead.score is not None else None,
        "scores": {name: _score_json(one) for name, one in lead.scores.items()},
        "reached": [
            {"stage": stage, "at": iso(at), "cause": cause, "ref": ref}
            for stage, (at, cause, ref) in sorted(lead.reached.items(), key=lambda item: item[1][0])
        ],
        "handoff": lead.handoff["id"] if lead.handoff else None,
        "handoffs": [
            {**handoff_json(row), "owner_name": row["owner_name"], "package": row["package"]}
            for row in more["handoffs"]
        ],
        "deals": [{**row, "status_at": iso(row["status_at"])} for row in more["deals"]],
        "work": [
            {"id": row["id"], "kind": row["kind"], "at": iso(row["opened_at"])}
            for row in more["work"]
            if row["resolved_at"] is None
        ],
        "timeline": [
            {"at": iso(one.at), "what": one.what, "text": one.text, "cause": one.cause, "heard_at": iso(one.heard)}
            for one in known.timeline
        ],
    }


def _attributes_json(known: Known) -> list[dict[str, Any]]:
    return [
        {
            "field": name,
            "value": value,
            "system": known.origin.get(name, (0, ""))[1],
            "at": iso(known.origin[name][0]) if name in known.origin else None,
        }
        for name, value in sorted(known.lead.attributes.items())
    ]


def _record_json(record: Record, links: Links) -> dict[str, Any]:
    return {
        "system": record.system,
        "object": record.object,
        "record": record.record,
        "link": link(links, record.ref) or None,
        "primary": record.main,
        "enrolled": record.enrolled,
        "gone": record.gone,
        "values": {name: entry[0] for name, entry in sorted(record.snapshot.items())},
        "assumed": record.assumed,
        "contested": record.contested,
    }


def _score_json(score: Any) -> dict[str, Any]:
    return {
        **{name: points(getattr(score, name)) for name in ("total", "fit", "behaviour")},
        "band": score.band,
        "at": iso(score.at),
        "changes_at": iso(score.changes_at),
        "scoring": score.scoring,
    }
