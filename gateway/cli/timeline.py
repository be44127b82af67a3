"""Everything that happened to one lead, facts and decisions alike, in order of time, each with its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.cli.output import shown
from gateway.contracts import COMPANIONS
from gateway.leads.lead import Lead
from gateway.leads.record import Ref
from gateway.sync.companions import in_words

_FIRST, _FACT, _DECISION, _EFFECT = range(4)
# At the same moment: what came to be known, what happened, what was decided because of it, what that had done.


class Entry(NamedTuple):
    """``at`` in microseconds. ``what``: activity, outcome, stage, step, handoff, write, record or merge."""

    at: int
    order: int
    what: str
    text: str
    cause: str


def timeline(lead: Lead, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Entry]:
    """``rows``: what ``store.listing.of_lead`` gives beside the loaded lead."""
    entries = [*_facts(lead), *_decisions(rows, lead.id), *_effects(rows)]
    return sorted(entries, key=lambda entry: (entry.at, entry.order))


def _facts(lead: Lead) -> Iterator[Entry]:
    for record in lead.records.values():
        if record.first_at:
            if record.object in COMPANIONS:
                continue  # what we made ourselves: its write tells of it
            yield Entry(record.first_at, _FIRST, "record", f"first heard of {_ref(record.ref)}", record.system)
    for key, one in lead.activities.items():
        details = [one.asset, one.channel and f"by {one.channel}", one.campaign and f"campaign {one.campaign}"]
        text = " ".join(filter(None, [one.kind, *details]))
        yield Entry(_micros(one.at), _FACT, "activity", text, _ref(lead.refs[key]))
    for outcome in lead.outcomes.values():
        details = [
            outcome.reason and f"({outcome.reason})",
            f"{outcome.amount} {outcome.currency}" if outcome.amount else "",
        ]
        when = "(when is not known: by then)" if outcome.precision == "unknown" else ""
        text = " ".join(filter(None, [outcome.outcome, *details, outcome.by and f"by {outcome.by}", when]))
        yield Entry(outcome.at, _FACT, "outcome", text, _ref(outcome.ref))


def _decisions(rows: Mapping[str, Sequence[Mapping[str, Any]]], lead: str) -> Iterator[Entry]:
    for move in rows["transitions"]:
        text = f"{move['from_stage']} → {move['stage']}" if move["from_stage"] else move["stage"]
        why = move["reason"]
        if move["score"] is not None and move["threshold"] is not None:
            why = f"{why}: score {move['score'] / 100:.2f}, threshold {move['threshold'] / 100:.2f}"
        elif move["reason"] == "activity":
            why = f"activity {move['ref']}"
        yield Entry(move["at"], _DECISION, "stage", text, f"{why} ({move['cause']})")
    for handoff in rows["handoffs"]:
        yield from _handoff(handoff, [one for one in rows["endings"] if one["handoff"] == handoff["id"]])
    for step in rows["steps"]:
        [(what, value)] = step["step"].items() or [("", "")]
        detail = (
            " ".join(f"{key} {shown(one)}" for key, one in value.items()) if isinstance(value, dict) else shown(value)
        )
        text = f"{what} {detail}" + (f": withheld, {step['reason']}" if step["state"] == "withheld" else "")
        yield Entry(step["at"], _EFFECT, "step", text, f"crossing {step['crossing']} into {step['stage']}")
    for one in rows["resolutions"]:
        yield Entry(one["at"], _DECISION, "work", f"{one['kind']} settled: {one['resolution']}", f"by {one['by']}")
    for one in rows["regroupings"]:
        yield Entry(one["at"], _DECISION, one["what"], _regrouped(one, lead), one["by"] and f"by {one['by']}")
    for merged in rows["merged"]:
        yield Entry(merged["known_at"], _FIRST, "merge", f"what is the same person began as {merged['id']}", "")


def _regrouped(row: Mapping[str, Any], lead: str) -> str:
    if row["what"] == "merge":
        whom = f"took over lead {row['other']}" if row["lead"] == lead else f"became another name of lead {row['lead']}"
        return f"{whom}: {row['why']}"
    records = ", ".join(":".join(ref) for ref in row["detail"]["records"] if ref[1] not in COMPANIONS)
    whom = f"to lead {row['other']}" if row["lead"] == lead else f"from lead {row['lead']}"
    return f"{records} went {whom}: {row['why']}"


def _handoff(row: Mapping[str, Any], endings: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
    cause = f"handoff {row['id']}"
    text = f"handed over to {row['system']}, score {row['score'] / 100:.2f}"
    if row["generation"] > 1:
        text += f", generation {row['generation']}"
    yield Entry(row["opened_at"], _DECISION, "handoff", text, f"{cause} (crossing into {row['stage']})")
    for name in ("accepted", "contacted"):
        if row[f"{name}_at"] is not None:
            yield Entry(row[f"{name}_at"], _DECISION, "handoff", name, cause)
    for number, ending in enumerate(endings):
        reason = f" ({ending['reason']})" if ending["reason"] else ""
        # A correction is dated when it was made: what it corrects stood till then.
        at, what = (ending["decided_at"], "corrected: ended") if number else (ending["at"], "ended")
        yield Entry(at, _DECISION, "handoff", f"{what} as {ending['bucket']}{reason}", ending["by"] or cause)
    if row["state"] == "absorbed":
        yield Entry(row["opened_at"], _DECISION, "handoff", "absorbed by an older one of the same person", cause)


def _effects(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Entry]:
    for row in rows["writes"]:
        if row["object"] in COMPANIONS:
            what, fields = f"{in_words(row['object'], row['fields'], row['record'])} in {row['system']}", ""
        else:
            what = f"{'create' if row['create'] else 'update'} of {row['object']} in {row['system']}"
            fields = f": {shown(sorted(row['fields']))}"
        yield Entry(row["planned_at"], _EFFECT, "write", f"{what} planned{fields}", row["cause"])
        if row["finished_at"] is not None:
            said = ": ".join(filter(None, [row["state"], row["code"], row["message"]]))
            yield Entry(row["finished_at"], _EFFECT, "write", f"{what} {said}", _by_push(row))


def _by_push(write: Mapping[str, Any]) -> str:
    return f"write {write['id']}" + (f" in push {write['push']}" if write["push"] else "")


def _ref(ref: Ref) -> str:
    return " ".join(filter(None, ref))


def _micros(at: Any) -> int:
    from gateway.times import to_micros

    return to_micros(at)
