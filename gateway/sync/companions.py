"""What stands beside a lead's record in a system: the task of a handoff, its places on lists and in campaigns. Pure.

Each is a wanted record under a key of ours, and what the system was told of it is a record of the lead: so it is made
once, told again only when it changed, and not made anew when sales deletes it. It belongs to the lead's record over
there, and waits until that one is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.contracts import CAMPAIGN, COMPANIONS, LIST, TASK
from gateway.errors import Problem
from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.leads.stamps import OPT_OUTS
from gateway.settings.files import ConfigFile
from gateway.sync.planning import BULK, HANDOFF, OutboundObject, Wanted, may_create
from gateway.times import iso

NO_EMAIL = tuple(name for name, lifted in OPT_OUTS.items() if lifted == "opted_in_email")
NO_CALL = tuple(name for name, lifted in OPT_OUTS.items() if lifted == "opted_in_call")
WITH_SALES = frozenset({"accepted", "contacted", "qualified", "won"})
"""Outcomes after which a lead that was recycled is with sales again, whether the gateway handed it over or not."""

Carries = Mapping[str, Collection[str]]
URGENT, LATER = HANDOFF + 1, BULK + 1
"""Priorities: after the records they belong to, so that each call is full. What a handoff needs may use the reserve."""


def task_key(handoff: str) -> str:
    return f"handoff:{handoff}:task"


def uncarried(journey: ConfigFile, carries: Mapping[str, Carries], sent: Collection[str]) -> Iterator[Problem]:
    """The lists and campaigns of journey.yaml that no system can hear of.

    :param carries: system → what its sink keeps. :param sent: lead fields that mapping files send out.
    """
    told = {object_: {name for one in carries.values() for name in one.get(object_, ())} for object_ in COMPANIONS}
    for path, object_, name in _named(journey.data):
        field = "lists" if object_ == LIST else "campaigns"
        if not {name, "*"} & told[object_] and field not in sent:
            what = f"no system keeps the {'list' if object_ == LIST else 'campaign'} {name!r}"
            yield journey.problem(path, f"{what}: name it under {field} in the settings of the one that does")


def _named(data: Any) -> Iterator[tuple[tuple[Any, ...], str, str]]:
    """(path, object, name) of every list and campaign in a sound journey.yaml."""
    for number, stage in enumerate(data.get("stages") or ()):
        for position, step in enumerate(stage.get("steps") or ()):
            path = ("stages", number, "steps", position)
            for word in ("join", "leave"):
                if word in step:
                    yield (*path, word), LIST, step[word]
            if "campaign" in step:
                yield (*path, "campaign"), CAMPAIGN, step["campaign"]["name"]
    for bucket, name in (data.get("lists") or {}).items():
        yield ("lists", bucket), LIST, name


def alone(lead: Lead, lists: Mapping[str, str]) -> bool:
    """Nothing stands beside its records, and nothing is to: most leads, which no more is asked of."""
    values = lead.attributes
    if lead.merged_into is not None or lead.erased_at is not None:
        return True
    if lead.handoff is not None or lead.last_bucket in lists or lead.absorbed:
        return False
    if "lists" in values or "left_lists" in values or "campaigns" in values:
        return False
    return not lead.had_handoff and not any(object_ in COMPANIONS for _, object_, _ in lead.records)


def in_words(object_: str, fields: Mapping[str, Any], record: str | None) -> str:
    """What a write of a companion does; of any other object, and of somebody who is forgotten, only of what it is."""
    if object_ == TASK and fields:
        return "close the follow-up task" if fields.get("done") else "make the follow-up task"
    if object_ == LIST and fields:
        return f"{'join' if fields['member'] else 'leave'} the list {fields['list']}"
    if object_ == CAMPAIGN and fields:
        status = f" with status {fields['status']}" if fields.get("status") else ""
        return f"{'stay in' if record else 'join'} the campaign {fields['campaign']}{status}"
    return f"{'update' if record else 'create'} {object_} {'' if object_ in COMPANIONS else record or ''}".rstrip()


def companions(
    lead: Lead,
    system: str,
    objects: Sequence[OutboundObject],
    carries: Carries,
    lists: Mapping[str, str],
    now: int,
) -> Iterator[Wanted]:
    """What ``system`` has to be told of what stands beside ``lead``, who is not ``alone``.

    :param objects: the system's mapped objects. :param carries: what its sink says it keeps.
    :param lists: bucket → the list of those whose last handoff ended in it.
    """
    known = {ref[2]: one for ref, one in lead.records.items() if ref[0] == system and ref[1] in COMPANIONS}
    belongs = _belongs(lead, system, objects)
    if belongs is None:
        return
    if TASK in carries:
        yield from _tasks(lead, system, belongs, known, now)
    if belongs[1] is not None and not belongs[1].enrolled:
        return  # it takes no part in sync: only a handoff would enrol it
    if LIST in carries:
        yield from _lists(lead, system, belongs, known, carries[LIST], lists, now)
    if CAMPAIGN in carries:
        yield from _campaigns(lead, system, belongs, known, carries[CAMPAIGN], now)


Belongs = tuple[str, Record | None]
"""(object, record) that a companion belongs to; no record: it has yet to be made"""


def _belongs(lead: Lead, system: str, objects: Sequence[OutboundObject]) -> Belongs | None:
    people = [object_ for object_ in objects if object_.kind == "person"]
    for object_ in people:
        if (record := lead.known_record(system, object_.name)) is not None:
            return object_.name, record
    return next((
        (object_.name, None) for object_ in people if may_create(lead, system, object_, lead.reached)
    ), None)  # fmt: skip


def _tasks(lead: Lead, system: str, belongs: Belongs, known: Mapping[str, Record], now: int) -> Iterator[Wanted]:
    handoff = lead.handoff
    if handoff is not None and handoff["system"] == system and task_key(handoff["id"]) not in known:
        yield _wanted(lead, system, TASK, task_key(handoff["id"]), _task(lead, handoff), belongs, None, now, URGENT)
    for id_ in lead.absorbed:  # of two handoffs of one person the older goes on
        record = known.get(task_key(id_))
        if record is not None and record.gone is None:
            yield _wanted(lead, system, TASK, task_key(id_), {"done": True}, belongs, record, now, LATER)


def _task(lead: Lead, handoff: Mapping[str, Any]) -> dict[str, Any]:
    values = lead.attributes
    name = " ".join(str(values[part]) for part in ("first_name", "last_name") if values.get(part))
    firm = values.get("company_name") or values.get("company.name")
    who = f"{name} ({firm})" if name and firm else name or firm or "sales-ready lead"
    points = (handoff["score"] + 50) // 100
    persona = f", persona {handoff['persona']}" if handoff["persona"] else ""
    lines = [f"Handed over at stage {handoff['stage']} with {points} of 100 points{persona}."]
    if handoff["generation"] > 1:
        lines.append("Comes back after nurture: an earlier handoff was recycled.")
    lines += ["Do not e-mail: opted out."] if any(values.get(name) is True for name in NO_EMAIL) else []
    lines += ["Do not call: opted out."] if any(values.get(name) is True for name in NO_CALL) else []
    for rule, hundredths, reason, _ in handoff["contributions"]:
        lines.append(f"{_signed(hundredths)} {rule}: {reason}" if reason else f"{_signed(hundredths)} {rule}")
    fields = {
        "handoff": handoff["id"],
        "subject": f"Follow up: {who}",
        "description": "\n".join(lines),
        "priority": "high",
    }
    if handoff["response_due"] is not None:
        fields["due_at"] = iso(handoff["response_due"])
    if handoff["owner"]:
        fields["owner"] = handoff["owner"]
    elif values.get("owner") and lead.origin.get("owner", (0, ""))[1] == handoff["system"]:
        fields["owner"] = str(values["owner"])
    return fields


def _signed(hundredths: int) -> str:
    return f"{hundredths / 100:+.0f}"


def _lists(
    lead: Lead,
    system: str,
    belongs: Belongs,
    known: Mapping[str, Record],
    carried: Collection[str],
    lists: Mapping[str, str],
    now: int,
) -> Iterator[Wanted]:
    on = wanted_lists(lead, lists)
    mine: dict[str, list[tuple[str, Record]]] = {}
    for key, record in known.items():
        if record.object == LIST and "list" in record.snapshot:
            mine.setdefault(str(record.snapshot["list"][0]), []).append((key, record))
    left = set(lead.attributes.get("left_lists", ()))
    for name in sorted(on | left | mine.keys()):
        if name not in carried and "*" not in carried:
            continue
        key, member = f"list:{lead.id}:{name}", name in on
        told = [(k, record) for k, record in mine.get(name, ()) if _of(record, belongs)]
        if member and not any(_held(record, "member") is True for _, record in told):
            mine_told = next((record for k, record in told if k == key), None)
            yield _wanted(lead, system, LIST, key, {"list": name, "member": True}, belongs, mine_told, now, LATER)
        elif not member and not told and name in left:
            yield _wanted(lead, system, LIST, key, {"list": name, "member": False}, belongs, None, now, LATER)
        elif not member:
            for k, record in told:
                if _held(record, "member") is True:
                    yield _wanted(lead, system, LIST, k, {"list": name, "member": False}, belongs, record, now, LATER)


def wanted_lists(lead: Lead, lists: Mapping[str, str]) -> set[str]:
    """The lists a lead is to be on: those its journey joined, and that of the bucket its last handoff ended in.

    Who is with sales again leaves the bucket's list. Who opted out of e-mail is on none but that of the rejected, by
    which others are kept from writing to them.
    """
    on = set(lead.attributes.get("lists", ()))
    rejected = lists.get("sales_rejected")
    if lead.last_bucket in lists and not _with_sales(lead):
        on.add(lists[lead.last_bucket])
    if any(lead.attributes.get(name) is True for name in NO_EMAIL):
        on &= {rejected}
    return on


def _with_sales(lead: Lead) -> bool:
    return lead.handoff is not None or any(
        outcome.outcome in WITH_SALES and at > lead.last_closed for (at, _), outcome in lead.outcomes.items()
    )


def _campaigns(
    lead: Lead, system: str, belongs: Belongs, known: Mapping[str, Record], carried: Collection[str], now: int
) -> Iterator[Wanted]:
    for entry in lead.attributes.get("campaigns", ()):
        name, _, status = entry.rpartition(": ")
        if name not in carried and "*" not in carried:
            continue
        key = f"campaign:{lead.id}:{name}"
        record = known.get(key)
        if record is not None and (record.gone is not None or _held(record, "status") == (status or None)):
            continue  # who converts takes their campaigns along
        fields = {"campaign": name, **({"status": status} if status else {})}
        yield _wanted(lead, system, CAMPAIGN, key, fields, belongs, record, now, LATER)


def _held(record: Record, name: str) -> Any:
    return record.snapshot[name][0] if name in record.snapshot else None


def _of(record: Record, belongs: Belongs) -> bool:
    """Whether it was made for the record that is written to now: another contact of the lead is on lists of its own."""
    return belongs[1] is not None and _held(record, "of") == belongs[1].record


def _wanted(
    lead: Lead,
    system: str,
    object_: str,
    key: str,
    fields: dict[str, Any],
    belongs: Belongs,
    record: Record | None,
    now: int,
    priority: int,
) -> Wanted:
    theirs = str(_held(record, "id") or record.record) if record is not None else None
    refs = {belongs[0]: belongs[1].record if belongs[1] is not None else ""}
    stamps = dict.fromkeys(fields, now)
    cause = "create" if record is None else "update"
    return Wanted(system, object_, key, lead.id, theirs, fields, stamps, record is None, priority, cause, refs)
