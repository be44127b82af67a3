"""Wanted minus known: what one system should hold of one lead, less what its snapshot says it holds.

Pure. ``gateway plan`` prints the same subtraction that the pipeline puts into the outbox. Values are compared in
canonical form (``load(raw)`` against ``load(dump(value))``), so that a system's own spelling is no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from marshmallow import ValidationError

from gateway.leads.lead import Lead, Standing
from gateway.leads.record import DAY, Record
from gateway.leads.stamps import opt_in_of
from gateway.mapping.grammar import OF_COMPANY, is_computed, of_points
from gateway.sync.holds import HELD, hold_of
from gateway.times import iso, whole

_ID = re.compile(r"[^\s@]*[0-9][^\s@]*")
_SIZE = re.compile(r" of [0-9]+( characters)?$")  # of a value: the same trouble is counted as one
CONFLICT = "edited in two systems, nobody knows where last"
CONTESTED = "changed back over there whenever it is written"
"""Reasons why a value is not sent before a person has decided: work items."""
OF = {"bucket_reason": "bucket"}
"""Values that say something of another one: without them, what was told with the one before is over."""
HANDOFF, BULK = 1, 5
"""Priorities: handoffs go before bulk sync."""
SECONDS = len("2026-01-01T00:00:00")


class OutboundField(Protocol):
    @property
    def to(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def sync(self) -> str: ...
    @property
    def prefer(self) -> str | None: ...
    @property
    def blank(self) -> str: ...
    @property
    def otherwise(self) -> str | None: ...
    def load(self, raw: Any) -> Any: ...
    def dump(self, value: Any) -> Any: ...


class OutboundObject(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def create(self) -> str: ...
    @property
    def update(self) -> bool: ...
    @property
    def outbound(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """One write to make: raw values under the system's names, each with the stamp of its origin."""

    system: str
    object: str
    key: str
    lead: str
    record: str | None
    fields: dict[str, Any]
    stamps: dict[str, int]
    create: bool
    priority: int
    cause: str
    refs: dict[str, str] = field(default_factory=dict)
    """Of what stands beside a person's record: its object → its id, empty while it is not known."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A value that its field over there cannot hold, so that it is left out. ``reason`` never holds the value."""

    system: str
    object: str
    field: str
    reason: str


def key_of(lead: Lead, object_: OutboundObject) -> str:
    """Ours for a lead's record in a system; the same for every retry."""
    return f"lead:{lead.id}:{object_.name}"


def computed(lead: Lead) -> dict[str, Any]:
    """The gateway's own fields of a lead, as canonical values. Scores are whole points, 0–100."""
    values: dict[str, Any] = {
        "lead_id": lead.id,
        "stage": lead.stage,
        "persona": lead.persona,
        "generation": lead.generation,
    }
    if lead.score is not None:
        values |= _rated(lead.score, "")
    for name, score in lead.scores.items():
        values |= _rated(score, f".{name}")
    if lead.handoff is not None:
        values |= {"handoff_id": lead.handoff["id"], "handoff_opened_at": iso(whole(lead.handoff["opened_at"]))}
        values["score_reasons"] = [line[0] for line in lead.handoff["contributions"] if line[1] > 0][:5]
        values |= _packed(lead.handoff) | {"handoff_owner": lead.handoff["owner"]}
    if lead.handoff is not None and lead.handoff["bucket"]:
        values |= {"bucket": lead.handoff["bucket"], "bucket_reason": lead.handoff["bucket_reason"]}
    elif lead.ended.bucket:
        values |= {"bucket": lead.ended.bucket, "bucket_reason": lead.ended.reason}
    values |= {f"{OF_COMPANY}{name}": value for name, value in lead.beside.items()}
    return {name: value for name, value in values.items() if value not in ("", None)}


def _rated(score: Standing, named: str) -> dict[str, Any]:
    points = {"score": score.total, "fit": score.fit, "behaviour": score.behaviour}
    return {f"{what}{named}": _points(one) for what, one in points.items()} | {f"band{named}": score.band}


def _packed(handoff: Mapping[str, Any]) -> dict[str, Any]:
    """What sales are told of the lead, as it was when it was handed over."""
    package, due, ends = handoff["package"], handoff["response_due"], handoff["period_ends"]
    return {
        "handoff_summary": package.get("summary"),
        "handoff_campaign": package.get("campaign"),
        "next_step": package.get("next_step"),
        "last_activities": "\n".join(package.get("last_activities", ())),
        "response_due": iso(whole(due)) if due is not None else None,
        "follow_up_ends": iso(whole(ends)) if ends is not None else None,
    }


def _given(lead: Lead, system: str) -> tuple[str, int] | None:
    """Whom the open handoff to ``system`` was given to, and when: so the record is theirs, where mappings send that.

    Until the system has told of its users they are known by what journey.yaml says; an address or a name is no id.
    """
    handoff = lead.handoff
    if handoff is None or handoff["system"] != system or not _ID.fullmatch(handoff["owner"]):
        return None
    return handoff["owner"], handoff["owner_at"]


def _points(hundredths: int) -> int:
    return (hundredths + 50) // 100


def plan(
    lead: Lead,
    system: str,
    object_: OutboundObject,
    now: int,
    step: int,
    reached: Mapping[str, Any],
    unsent: Callable[[Unsent], None] | None = None,
) -> Wanted | None:
    """What ``system`` should be told about ``lead`` in ``object_``, or None when it knows already.

    :param step: a changed score is worth telling when it moved by this many points, or when anything else goes too.
    :param reached: the stages the lead has reached, for ``create: stage S``.
    :param unsent: is told of each value that the system cannot be sent.
    """
    if not object_.outbound or object_.kind != "person" or lead.merged_into is not None or lead.erased_at is not None:
        return None
    record = lead.known_record(system, object_.name)
    if record is None:
        if not may_create(lead, system, object_, reached):
            return None
    elif not object_.update or not record.enrolled:
        return None
    fields, stamps, moved = _difference(lead, system, object_, record, now, unsent)
    if not fields or (record is not None and moved is not None and moved < step):
        return None
    return Wanted(
        system,
        object_.name,
        key_of(lead, object_),
        lead.id,
        record.record if record else None,
        fields,
        stamps,
        record is None,
        HANDOFF if lead.handoff is not None and lead.handoff["system"] == system else BULK,
        _cause(record, fields),
    )


def _cause(record: Record | None, fields: Mapping[str, Any]) -> str:
    if record is None:
        return "create"
    holds = {name: hold for name in fields if (hold := hold_of(record, name)) is not None}
    pushes = {hold.push for name, hold in holds.items() if fields[name] == hold.before}
    return f"undo {', '.join(sorted(pushes))}" if pushes else "update"


def may_create(lead: Lead, system: str, object_: OutboundObject, reached: Mapping[str, Any]) -> bool:
    """Not what is gone over there, or is there as another object (a contact, not a lead), or not ours to create."""
    if any(name == object_.name or gone is None for name, gone in people_there(lead, system)):
        return False
    rule = object_.create
    if rule == "handoff":
        return lead.handoff is not None and lead.handoff["system"] == system
    if rule.startswith("stage "):
        return rule.removeprefix("stage ").strip() in reached and lead.excluded is None
    return rule == "always"


def people_there(lead: Lead, system: str) -> list[tuple[str, str | None]]:
    """(object, why it is gone) of each record of the person that ``system`` has or had."""
    return [(ref[1], one.gone) for ref, one in lead.records.items() if ref[0] == system and one.kind == "person"]


def _difference(
    lead: Lead,
    system: str,
    object_: OutboundObject,
    record: Record | None,
    now: int,
    unsent: Callable[[Unsent], None] | None,
) -> tuple[dict[str, Any], dict[str, int], int | None]:
    """(fields to write, their stamps, by how many points the score moved if scores are all there is to tell)."""
    ours = computed(lead)
    fields: dict[str, Any] = {}
    stamps: dict[str, int] = {}
    moved: int | None = 0
    holds, ended = (record.holds if record is not None else {}), set[str]()
    for name, rule in object_.outbound.items():
        if rule.to in lead.undecided:
            if unsent is not None:
                unsent(Unsent(system, object_.name, name, CONFLICT))
            continue
        value = ours.get(rule.to) if is_computed(rule.to) else lead.attributes.get(rule.to)
        stamp, origin = (now, "") if is_computed(rule.to) else lead.origin.get(rule.to, (0, ""))
        if rule.to == "owner" and (given := _given(lead, system)) is not None:
            (value, stamp), origin = given, ""
        entry = record.snapshot.get(name) if record else None
        if value is None:
            cleared = rule.blank == "clear" or OF.get(rule.to) in ours
            nothing = record is None or entry is None or entry[0] in (None, rule.otherwise) or not cleared
            if nothing and (record is not None or rule.otherwise is None):
                continue
            raw = rule.otherwise
        else:
            try:
                raw = rule.dump(value)
            except ValidationError as exc:
                if unsent is not None:
                    unsent(Unsent(system, object_.name, name, _SIZE.sub("", str(exc.messages[0]))))
                continue
        if name in holds and (hold := hold_of(record, name)) is not None:
            if hold.stands(same(rule, hold.sent, raw), None if is_computed(rule.to) else stamp):
                if unsent is not None:
                    unsent(Unsent(system, object_.name, name, HELD))
                continue
            ended.add(name)
        if record is not None:
            if entry is None and rule.sync != "out":
                continue  # unknown over there: a field we do not own waits until it has been looked at
            ours_wins = entry is None or _ours_wins(rule, entry, raw, stamp, origin, system)
            if not ours_wins or (entry is not None and same(rule, entry[0], raw)):
                continue
            if rule.to == "lead_id" and _carried(lead, record, name):
                continue
            if name in record.contested or _contests(record.told.get(name), raw, now):
                if unsent is not None:
                    unsent(Unsent(system, object_.name, name, CONTESTED))
                continue
        fields[name], stamps[name] = raw, stamp
        if moved is not None:
            moved = max(moved, _moved(entry, raw)) if of_points(rule.to) and entry is not None else None
    for name in holds.keys() - ended:
        hold, entry = hold_of(record, name), record.snapshot.get(name) if record else None
        if hold and entry and same(object_.outbound.get(name), entry[0], hold.sent):
            fields[name], stamps[name], moved = hold.before, hold.stamp, None
    return fields, stamps, moved


def _carried(lead: Lead, record: Record, name: str) -> bool:
    """Another of the lead's records over there carries its id already: a key, which stands once. What was converted
    keeps it."""
    others = (one for one in lead.records.values() if one is not record and one.ref[:2] == record.ref[:2])
    there = (one for one in others if one.gone is None or one.gone.startswith("converted"))
    return any(one.snapshot.get(name, [None])[0] == lead.id for one in there)


def _contests(told: list[Any] | None, raw: Any, now: int) -> bool:
    """We would say the same for the third time within a day: twice the system has changed it back."""
    return told is not None and len(told) == 3 and told[0] == raw and now - int(told[1]) < DAY


def same(rule: OutboundField | None, held: Any, raw: Any) -> bool:
    """Whether a system's two raw values mean the same; ``rule`` None: its mapping does not know the field any more."""
    if held is None or raw is None:
        return held is None and raw is None
    if rule is None:
        return bool(held == raw)
    try:
        one, other = rule.load(held), rule.load(raw)
        if rule.type == "datetime":  # systems keep seconds, or thousandths of them
            return bool(one[:SECONDS] == other[:SECONDS])
        return bool(one == other)
    except ValidationError:
        return bool(held == raw)


def _ours_wins(rule: OutboundField, entry: list[Any], raw: Any, stamp: int, origin: str, system: str) -> bool:
    """Whether a value we have may replace the one held over there, under the field's rule.

    Of opt-outs the lead's is the strictest of all already, or what a later opt-in made of it; a no is told only where
    there is a yes.
    """
    if rule.sync == "out":
        return True
    if opt_in_of(rule.to) and rule.sync != "only if blank":
        return entry[0] is not None or (raw is not None and rule.load(raw) is True)
    if origin == system:
        return False
    if rule.sync == "only if blank":
        return entry[0] is None
    if rule.sync == "prefer":
        return rule.prefer != system
    return stamp >= int(entry[1])


def _moved(entry: list[Any], raw: Any) -> int:
    try:
        return abs(int(float(raw)) - int(float(entry[0])))
    except (TypeError, ValueError):
        return 0 if isinstance(raw, (list, str)) and not str(raw).isdigit() else 1 << 30
