"""Everything that happened to one lead, facts and decisions alike, in order of time, each with its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.answers.texts import moment, shown
from gateway.contracts import COMPANIONS, NOTICE
from gateway.journey.words import CLOCK
from gateway.leads.lead import FactKey, Lead, StoredOutcome
from gateway.leads.record import Ref
from gateway.leads.stamps import OWN
from gateway.sync.companions import in_words
from gateway.times import to_micros

_FIRST, _FACT, _DECISION, _EFFECT = range(4)
# At the same moment: what came to be known, what happened, what was decided because of it, what that had done.
LATE = 3_600_000_000
"""Microseconds after which news is late: then it is said when it was heard of."""
MINUTE = 60_000_000
JOURNEY = "journey"
"""Who does what no person did."""
TOP = 3
"""Rules that are named as the reason of a handoff."""
Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]


class Entry(NamedTuple):
    """``at`` in microseconds. ``what``: record, activity, outcome, stage, step, handoff, owner, clock, mark, work,
    merge, split or write. ``heard``: when we heard of a fact, where that was late."""

    at: int
    order: int
    what: str
    text: str
    cause: str
    heard: int | None = None


def timeline(lead: Lead, rows: Rows, zone: ZoneInfo) -> list[Entry]:
    """``rows``: what ``store.listing.of_lead`` gives beside the loaded lead. ``zone``: of the times within texts."""
    entries = [*_facts(lead, rows), *_decisions(lead, rows, zone), *_effects(rows)]
    return sorted(entries, key=lambda entry: (entry.at, entry.order))


# -- facts -------------------------------------------------------------------------------------------------------------


def _facts(lead: Lead, rows: Rows) -> Iterator[Entry]:
    made = [one for one in rows["writes"] if one["create"] and one["state"] == "confirmed"]
    for record in lead.records.values():
        ours = any(  # its write tells of it
            (one["system"], one["object"]) == record.ref[:2]
            and one["planned_at"] <= record.first_at <= one["finished_at"] + MINUTE
            for one in made
        )
        if record.first_at and record.object not in COMPANIONS and record.ref[:2] != OWN and not ours:
            yield Entry(record.first_at, _FIRST, "record", f"first heard of {_ref(record.ref)}", record.system)
    for key, one in lead.activities.items():
        details = [one.asset, one.channel and f"by {one.channel}", one.campaign and f"campaign {one.campaign}"]
        text = " ".join(filter(None, [one.kind, *details]))
        yield Entry(to_micros(one.at), _FACT, "activity", text, _ref(lead.refs[key]))
    for key, outcome in lead.outcomes.items():
        details = [
            outcome.reason and f"({outcome.reason})",
            f"{outcome.amount} {outcome.currency}" if outcome.amount else "",
            outcome.by and f"by {outcome.by}",
            "(when is not known: by then)" if outcome.precision == "unknown" else "",
        ]
        text = " ".join(filter(None, [outcome.outcome, *details])) + _without_effect(key, outcome, rows)
        heard = outcome.known_at if outcome.known_at - outcome.at > LATE else None
        yield Entry(outcome.at, _FACT, "outcome", text, _ref(outcome.ref), heard)


def _without_effect(key: FactKey, outcome: StoredOutcome, rows: Rows) -> str:
    """Why an outcome ended no handoff; nothing where it did, or where it is none that ends one."""
    mine = [row for row in rows["handoffs"] if row["state"] in ("open", "closed")]
    returned = any(one["what"] == "return" and one["at"] == outcome.at for one in rows["endings"])
    ended = returned or any(_ended_by(row, key, outcome) for row in mine)
    if ended or outcome.outcome in ("accepted", "contacted"):
        return ""
    about = max((row for row in mine if row["opened_at"] <= outcome.at), key=lambda row: row["opened_at"], default=None)
    if about is None:
        return ": before it was handed over" if mine else ""
    if about["state"] == "open":
        return ""
    return f": the handoff had ended as {about['bucket']}" if outcome.known_at >= about["closed_at"] else ""


def _ended_by(handoff: Row, key: FactKey, outcome: StoredOutcome) -> bool:
    by = (outcome.by or f"outcome {key[1]}", f"outcome {key[1]}")
    return handoff["closed_at"] == outcome.at and handoff["closed_by"] in by


# -- decisions ---------------------------------------------------------------------------------------------------------


_BECAUSE = {
    "news": "news came",
    "time": "time passed",
    "model": "the model changed",
    "import": "its past was read",
    "merge": "two leads are one",
    "person": "a person said so",
}
"""Why a lead was looked at, in words."""


def _decisions(lead: Lead, rows: Rows, zone: ZoneInfo) -> Iterator[Entry]:
    outcomes = {key[1]: one for key, one in lead.outcomes.items()}
    for move in rows["transitions"]:
        text = f"{move['from_stage']} → {move['stage']}" if move["from_stage"] else move["stage"]
        yield Entry(move["at"], _DECISION, "stage", text, _moved(move, outcomes))
    for handoff in rows["handoffs"]:
        yield from _handoff(handoff, rows, outcomes)
    for event in rows["clock_events"]:
        yield _clock(event)
    for step in rows["steps"]:
        [(what, value)] = step["step"].items() or [("", "")]
        if what == "handoff" and step["state"] == "done":
            continue  # it stands there as a handoff
        detail = (
            " ".join(f"{key} {shown(one)}" for key, one in value.items()) if isinstance(value, dict) else shown(value)
        )
        text = f"{what} {detail}" + (f": {step['state']}, {step['reason']}" if step["reason"] else "")
        yield Entry(step["at"], _EFFECT, "step", text, f"crossing {step['crossing']} into {step['stage']}")
    for mark in rows["marks"]:
        until = f" until {moment(mark['until'], zone)}" if mark["until"] is not None else ""
        text = f"{_MARKED.get(mark['kind'], mark['kind'])}{until}".format(points=f"{mark['points']:+d}")
        reason = f": {mark['reason']}" if mark["reason"] else ""
        yield Entry(mark["at"], _DECISION, "mark", f"{text}{reason}", _by(mark["by"].removeprefix(JOURNEY)) or JOURNEY)
    for one in rows["resolutions"]:
        yield Entry(one["at"], _DECISION, "work", f"{one['kind']} settled: {one['resolution']}", f"by {one['by']}")
    for one in rows["regroupings"]:
        cause = _by(one["by"]) or "what the systems say"
        yield Entry(one["at"], _DECISION, one["what"], _regrouped(one, lead.id), cause)
    for merged in rows["merged"]:
        yield Entry(merged["known_at"], _FIRST, "merge", f"what is the same person began as {merged['id']}", "merge")


_MARKED = {
    "manual": "{points} points",
    "hold": "kept from sales",
    "keep": "keeps its behaviour's points after nurture",
    "halve": "its behaviour until now counts half",
    "reset": "its behaviour until now counts no more",
}
"""kind of mark → in words"""


def _moved(move: Row, outcomes: Mapping[str, StoredOutcome]) -> str:
    """What led to a move, and why the lead was looked at."""
    points = ""
    if move["score"] is not None and move["threshold"] is not None:
        whose = f" of {move['score_name']}" if move["score_name"] else ""
        points = f"{move['score'] / 100:.2f} points{whose}, threshold {move['threshold'] / 100:.2f}"
    why = {
        "entry": "new lead",
        "threshold": points or "its score",
        "fall": f"its score fell: {points}",
        "outcome": f"outcome {outcomes[move['ref']].outcome}" if move["ref"] in outcomes else "an outcome",
        "activity": f"activity {move['ref']}",
        "withdrawn": "what had led there was taken back",
        "journey": "its stage is no longer in journey.yaml",
    }.get(move["reason"], move["reason"])
    return f"{why}; {_BECAUSE.get(move['cause'], move['cause'])}"


def _handoff(row: Row, rows: Rows, outcomes: Mapping[str, StoredOutcome]) -> Iterator[Entry]:
    cause = f"handoff {row['id']}"
    given = [line for line in row["contributions"] if line[1] > 0][:TOP]
    reasons = ", ".join(f"{rule} {points / 100:+.0f}" for rule, points, *_ in given)
    held = row["state"] in ("held", "withdrawn")
    text = "held back: sales have as many as they can take" if held else f"handed over to {row['system']}"
    text += f", {row['score_name'] or 'score'} {row['score'] / 100:.2f}"
    if row["generation"] > 1:
        text += f", generation {row['generation']}"
    text += f": {reasons}" if reasons else ""
    yield Entry(row["opened_at"], _DECISION, "handoff", text, f"{cause} ({_asked(row)})")
    if row["state"] == "withdrawn":
        reason = f": {row['bucket_reason']}" if row["bucket_reason"] else ""
        yield Entry(row["decided_at"], _DECISION, "handoff", f"given up before sales had it{reason}", cause)
    for name in ("accepted", "contacted"):
        if row[f"{name}_at"] is not None:
            yield Entry(row[f"{name}_at"], _DECISION, "handoff", name, cause)
    for ending in rows["endings"]:
        if ending["handoff"] == row["id"]:
            # A correction is dated when it was made: what it corrects stood till then.
            at = ending["decided_at"] if ending["what"] == "correction" else ending["at"]
            text = f"{_ENDED.get(ending['what'], ending['what'])} {ending['bucket']}"
            text += f" ({ending['reason']})" if ending["reason"] else ""
            yield Entry(at, _DECISION, "handoff", text, _ended(ending["by"], outcomes) or cause)
    if row["state"] == "absorbed":
        merges = [one["at"] for one in rows["regroupings"] if one["what"] == "merge" and one["at"] >= row["opened_at"]]
        at = min(merges, default=row["opened_at"])
        yield Entry(at, _DECISION, "handoff", "absorbed by an older one of the same person", cause)


_ENDED = {"end": "ended as", "correction": "corrected: ended as", "return": "came back to marketing: now"}
"""what an ending is → in words"""


def _asked(handoff: Row) -> str:
    """What a handoff was opened for."""
    reason = f": {handoff['cause_reason']}" if handoff["cause_reason"] else ""
    return {
        "person": f"by {handoff['cause_by'] or 'hand'}{reason}",
        "wake": "sales wanted it again by now",
        "fast track": f"fast track{reason}",
        "activation": f"{handoff['system']} was switched on",
    }.get(handoff["cause"], f"crossing into {handoff['stage']}")


def _ended(by: str, outcomes: Mapping[str, StoredOutcome]) -> str:
    """Who ended a handoff, or which outcome did."""
    outcome = outcomes.get(by.removeprefix("outcome "))
    if outcome is not None:
        return f"outcome {outcome.outcome} of {_ref(outcome.ref)}"
    return by if by == CLOCK else _by(by)


def _clock(event: Row) -> Entry:
    """What the first-response clock did, and whose the handoff became."""
    owner, before, reason = event["owner"], event["before"], event["reason"]
    whose = f"{f'from {before} ' if before else ''}to {owner or 'nobody'}"
    text = {
        "assigned": f"given {whose}",
        "warned": f"{owner or 'nobody'} is warned: the time to answer is running out",
        "escalated": f"escalated: {owner or 'nobody'} has not answered in time",
        "reassigned": f"went {whose}",
        "moved": f"went {whose}",
    }.get(event["kind"], f"{event['kind']} {whose}")
    text += f" ({reason})" if reason else ""
    what = "clock" if event["kind"] in ("warned", "escalated", "reassigned") else "owner"
    return Entry(event["at"], _DECISION, what, text, _by(event["by"]) or (CLOCK if what == "clock" else JOURNEY))


def _regrouped(row: Row, lead: str) -> str:
    if row["what"] == "merge":
        whom = f"took over lead {row['other']}" if row["lead"] == lead else f"became another name of lead {row['lead']}"
        return f"{whom}: {row['why']}"
    records = ", ".join(":".join(ref) for ref in row["detail"]["records"] if ref[1] not in COMPANIONS)
    whom = f"to lead {row['other']}" if row["lead"] == lead else f"from lead {row['lead']}"
    return f"{records} went {whom}: {row['why']}"


# -- what was sent -----------------------------------------------------------------------------------------------------


def _effects(rows: Rows) -> Iterator[Entry]:
    for row in rows["writes"]:
        if row["object"] in (*COMPANIONS, NOTICE):
            what, fields = f"{in_words(row['object'], row['fields'], row['record'])} in {row['system']}", ""
        else:
            what = f"{'create' if row['create'] else 'update'} of {row['object']} in {row['system']}"
            fields = f": {shown(sorted(row['fields']))}"
        unsent = row["state"] == "superseded" and not row["push"] and not row["code"]
        replaced = ", replaced by a later one" if unsent else ""
        yield Entry(row["planned_at"], _EFFECT, "write", f"{what} planned{fields}{replaced}", _wanted(row))
        if row["finished_at"] is not None and not unsent:
            said = ": ".join(filter(None, [row["state"], row["code"], row["message"]]))
            yield Entry(row["finished_at"], _EFFECT, "write", f"{what} {said}", _by_push(row))


def _wanted(write: Row) -> str:
    """Why something is to be sent."""
    if write["key"].startswith("handoff:"):
        return f"handoff {write['key'].split(':')[1]}"
    return {"create": "not there yet", "update": "otherwise there"}.get(write["cause"], str(write["cause"]))


def _by_push(write: Row) -> str:
    return f"write {write['id']}" + (f" in push {write['push']}" if write["push"] else "")


def _by(whom: str) -> str:
    return f"by {whom}" if whom else ""


def _ref(ref: Ref) -> str:
    if ref[:2] == OWN:
        return "said here"
    return " ".join(filter(None, ref))
