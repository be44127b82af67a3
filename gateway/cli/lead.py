"""All that is known of one lead, for people and for programs: what `gateway leads show` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.cli.leads import in_brackets, two_digits, who
from gateway.cli.output import iso, moment, plain, plural, points, say, shown, table
from gateway.cli.timeline import Entry, timeline
from gateway.leads.stamps import attributes

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


def known_of(gateway: Gateway, id_: str) -> Known:
    """Everything, in one view of the store."""
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.store.loading import Need, load
    from gateway.times import to_micros

    need = Need(score=gateway.model.score_name, whole=[id_])
    with read(gateway.store.main) as connection:
        batch = load(connection, [], {}, [id_], to_micros(gateway.now()), need)
        more = listing.of_lead(connection, id_)
    lead, joining = batch.leads[id_], gateway.model.joining
    known = [record for record in lead.records.values() if record.known]
    origin = attributes(known, joining.inbound, joining.rank)[1]
    return Known(lead, batch.companies.get(lead.company or ""), origin, more, timeline(lead, more))


# -- for programs ------------------------------------------------------------------------------------------------------


def as_json(known: Known) -> dict[str, Any]:
    lead, company, more = known.lead, known.company, known.more
    return {
        "lead": lead.id,
        "merged": [row["id"] for row in more["merged"]],
        "erased_at": iso(lead.erased_at),
        "entered_at": iso(lead.entered_at),
        "known_at": iso(lead.known_at),
        "attributes": _attributes_json(known),
        "company": {"id": company.id, "attributes": company.attributes} if company else None,
        "identities": [[row["namespace"], row["value"]] for row in more["identities"]],
        "records": [_record_json(record) for record in lead.records.values()],
        "persona": lead.persona,
        "stage": lead.stage,
        "excluded": lead.excluded,
        "generation": lead.generation,
        "score": _score_json(lead.score) if lead.score is not None else None,
        "reached": [
            {"stage": stage, "at": iso(at), "cause": cause, "ref": ref}
            for stage, (at, cause, ref) in sorted(lead.reached.items(), key=lambda item: item[1][0])
        ],
        "handoff": lead.handoff["id"] if lead.handoff else None,
        "deals": [{**row, "status_at": iso(row["status_at"])} for row in more["deals"]],
        "work": [
            {"id": row["id"], "kind": row["kind"], "at": iso(row["opened_at"])}
            for row in more["work"]
            if row["resolved_at"] is None
        ],
        "timeline": [
            {"at": iso(one.at), "what": one.what, "text": one.text, "cause": one.cause} for one in known.timeline
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


def _record_json(record: Record) -> dict[str, Any]:
    return {
        "system": record.system,
        "object": record.object,
        "record": record.record,
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


# -- for people --------------------------------------------------------------------------------------------------------


def print_lead(known: Known, zone: ZoneInfo, latest: int | None) -> None:
    """``latest``: how many entries of the timeline; None = all."""
    _print_standing(known, zone)
    say()
    _print_values(known, zone)
    say()
    _print_records(known.lead)
    if known.more["deals"]:
        say()
        _print_deals(known.more["deals"], zone)
    say()
    _print_timeline(known.timeline, zone, latest)


def _print_standing(known: Known, zone: ZoneInfo) -> None:
    lead, score = known.lead, known.lead.score
    say(f"lead {lead.id}{in_brackets(who(lead.attributes))}")
    if lead.erased_at is not None:
        say(f"  forgotten on {moment(lead.erased_at, zone)}")
    standing = [f"stage {lead.stage or 'none'}", f"persona {lead.persona or 'none'}"]
    if score is not None:
        axes = f"fit {two_digits(score.fit)}, behaviour {two_digits(score.behaviour)}"
        standing.append(f"score {two_digits(score.total)} ({score.band}: {axes})")
    if lead.excluded:
        standing.append(f"never handed over: {lead.excluded}")
    say(f"  {', '.join(standing)}")
    if known.more["merged"]:
        say(f"  was also {', '.join(row['id'] for row in known.more['merged'])}")


def _print_values(known: Known, zone: ZoneInfo) -> None:
    rows = []
    for name, value in sorted(known.lead.attributes.items()):
        at, system = known.origin.get(name, (None, ""))
        rows.append((name, plain(value), system, moment(at, zone)))
    if known.company:
        rows += [(f"company.{name}", plain(value), "", "") for name, value in sorted(known.company.attributes.items())]
    table(("value of", "value", "from", "since"), rows)


def _print_records(lead: Lead) -> None:
    rows = [(one.system, one.object, one.record, one.gone or _state(one)) for one in lead.records.values()]
    table(("system", "object", "record", "state"), rows)


def _state(record: Record) -> str:
    state = ["primary"] if record.main else []
    state += ["in sync"] if record.enrolled else ["history only"]
    state += [f"assumed: {shown(record.assumed)}"] if record.assumed else []
    return ", ".join(state + ([f"contested: {shown(record.contested)}"] if record.contested else []))


def _print_deals(deals: Rows, zone: ZoneInfo) -> None:
    rows = []
    for row in deals:
        amount = f"{row['amount'] or ''} {row['currency'] or ''}".strip()
        rows.append((row["id"], row["stage"], row["status"], moment(row["status_at"], zone), amount))
    table(("deal", "stage", "status", "since", "amount"), rows)


def _print_timeline(entries: Sequence[Entry], zone: ZoneInfo, latest: int | None) -> None:
    say(f"what happened (times in {zone.key}):")
    left = len(entries) - latest if latest is not None else 0
    if left > 0:
        say(f"  … {plural(left, 'earlier entry', 'earlier entries')}; --all shows them")
    rows = [(moment(one.at, zone), one.what, one.text, one.cause) for one in entries[max(left, 0) :]]
    table(("time", "what", "", "cause"), rows, indent=2)
