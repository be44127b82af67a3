"""What `gateway leads show` prints of one lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.answers.lead import Known, Rows
from gateway.answers.texts import in_brackets, moment, plain, plural, shown, two_digits, who
from gateway.answers.timeline import Entry
from gateway.cli.output import say, table
from gateway.journey.progress import held_of
from gateway.sync.links import Links, link
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.leads.lead import Lead
    from gateway.leads.record import Record


def print_lead(known: Known, zone: ZoneInfo, latest: int | None) -> None:
    """``latest``: how many entries of the timeline; None = all."""
    _print_standing(known, zone)
    say()
    _print_values(known, zone)
    say()
    _print_records(known.lead, known.links)
    if known.more["deals"]:
        say()
        _print_deals(known.more["deals"], zone)
    say()
    _print_timeline(known.timeline, zone, latest)


def _print_standing(known: Known, zone: ZoneInfo) -> None:
    lead = known.lead
    say(f"lead {lead.id}{in_brackets(who(lead.attributes))}")
    if lead.erased_at is not None:
        say(f"  forgotten on {moment(lead.erased_at, zone)}")
    standing = [f"stage {lead.stage or 'none'}", f"persona {lead.persona or 'none'}"]
    for name, one in (("score", lead.score), *lead.scores.items()):
        if one is not None:
            axes = f"fit {two_digits(one.fit)}, behaviour {two_digits(one.behaviour)}"
            standing.append(f"{name} {two_digits(one.total)} ({one.band}: {axes})")
    if lead.excluded:
        standing.append(f"never handed over: {lead.excluded}")
    say(f"  {', '.join(standing)}")
    if known.more["handoffs"]:
        _print_handoff(known.more["handoffs"][-1], zone)
    if lead.returned is not None and lead.handoff is None:
        back = lead.returned
        say(f"  back with marketing since {moment(back['at'], zone)}: {back['bucket']} ({back['reason']})")
    if lead.ended.wake is not None and lead.handoff is None:
        say(f"  sales want it again on {moment(to_micros(lead.ended.wake), zone)}")
    if (held := held_of(lead)) is not None:
        until = to_micros(held.until) if held.until is not None else None
        till = f" until {moment(until, zone)}" if until is not None else ""
        if until is None or (lead.wakes_at is not None and until >= lead.wakes_at):  # what is over wakes it no more
            say(f"  kept from sales{till}: {held.reason}")
    if known.more["merged"]:
        say(f"  was also {', '.join(row['id'] for row in known.more['merged'])}")


def _print_values(known: Known, zone: ZoneInfo) -> None:
    rows = []
    for name, value in sorted(known.lead.attributes.items()):
        at, system = known.origin.get(name, (None, ""))
        rows.append((name, plain(value), system, moment(at, zone)))
    if known.company:
        theirs = {**dict.fromkeys(known.company.attributes, ""), **dict.fromkeys(known.company.rollups, "its leads")}
        values = known.company.known
        rows += [(f"company.{name}", plain(values[name]), source, "") for name, source in sorted(theirs.items())]
    table(("value of", "value", "from", "since"), rows)


def _print_handoff(row: Mapping[str, Any], zone: ZoneInfo) -> None:
    """The latest: what sales have to do now, or how it ended."""
    whom = row["system"] + (f", {row['owner_name']}" if row["owner"] else "")
    if row["state"] == "closed":
        how = row["bucket"] + in_brackets(row["bucket_reason"])
        say(f"  was with sales ({whom}) until {moment(row['closed_at'], zone)}: {how}")
    if row["state"] == "held":
        say(f"  held back since {moment(row['opened_at'], zone)}: sales ({whom}) have as many as they can take")
    if row["state"] != "open":
        return
    due = f", answer by {moment(row['response_due'], zone)}" if row["response_due"] and not _answered(row) else ""
    ends = f", follow-up ends {moment(row['period_ends'], zone)}" if row["period_ends"] else ""
    state = "contacted" if row["contacted_at"] else "accepted" if row["accepted_at"] else "no answer yet"
    say(f"  with sales ({whom}) since {moment(row['opened_at'], zone)}: {state}{due}{ends}")
    if step := row["package"].get("next_step"):
        say(f"  next step: {step}")


def _answered(row: Mapping[str, Any]) -> bool:
    return row["accepted_at"] is not None or row["contacted_at"] is not None


def _print_records(lead: Lead, links: Links) -> None:
    rows = [
        (one.system, one.object, one.record, one.gone or _state(one), link(links, one.ref))
        for one in lead.records.values()
    ]
    table(("system", "object", "record", "state", "page"), rows)


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
    rows = [(moment(one.at, zone), one.what, one.text, _cause(one, zone)) for one in entries[max(left, 0) :]]
    table(("time", "what", "", "cause"), rows, indent=2)


def _cause(entry: Entry, zone: ZoneInfo) -> str:
    late = f"heard of {moment(entry.heard, zone)}" if entry.heard is not None else ""
    return ", ".join(filter(None, [entry.cause, late]))
