"""What stands beside a lead's record in a system: the task of a handoff, its places on lists and in campaigns. Pure.

Each is a wanted record under a key of ours, and what the system was told of it is a record of the lead: so it is made
once, told again only when it changed, and not made anew when sales deletes it. It belongs to the lead's record over
there, and waits until that one is known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway.contracts import CAMPAIGN, COMPANIONS, LIST, NOTICE, TASK
from gateway.errors import Problem
from gateway.journey.journey import Journey
from gateway.journey.package import NO_EMAIL
from gateway.journey.recycling import OTHER
from gateway.journey.words import CLOCK
from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.leads.stamps import OWN
from gateway.settings.files import ConfigFile
from gateway.sync.links import Links, links_of
from gateway.sync.planning import BULK, HANDOFF, OutboundObject, Wanted, may_create
from gateway.times import from_micros, iso

WITH_SALES = frozenset({"accepted", "contacted", "qualified", "won"})
"""Outcomes after which a lead that was recycled is with sales again, whether the gateway handed it over or not."""

Carries = Mapping[str, Collection[str]]
URGENT, LATER = HANDOFF + 1, BULK + 1
"""Priorities: after the records they belong to, so that each call is full. What a handoff needs may use the reserve."""


def task_key(handoff: str) -> str:
    return f"handoff:{handoff}:task"


def handoff_of(key: str) -> str:
    """The handoff that a task of this key is for; "" = the key is no task's."""
    what, _, rest = key.partition(":")
    return rest.removesuffix(":task") if what == "handoff" and rest.endswith(":task") else ""


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
    for bucket, named in (data.get("lists") or {}).items():
        if isinstance(named, str):
            yield ("lists", bucket), LIST, named
        else:
            yield from ((("lists", bucket, reason), LIST, name) for reason, name in named.items())


def alone(lead: Lead, lists: Mapping[str, Mapping[str, str]]) -> bool:
    """Nothing stands beside its records, and nothing is to: most leads, which no more is asked of."""
    values = lead.attributes
    if lead.merged_into is not None or lead.erased_at is not None:
        return True
    if lead.handoff is not None or lead.ended.bucket in lists or lead.absorbed:
        return False
    if "lists" in values or "left_lists" in values or "campaigns" in values:
        return False
    return not lead.had_handoff and not any(object_ in COMPANIONS for _, object_, _ in lead.records)


def in_words(object_: str, fields: Mapping[str, Any], record: str | None) -> str:
    """What a write of a companion does; of any other object, and of somebody who is forgotten, only of what it is."""
    if object_ == TASK and fields:
        change = "close the follow-up task" if fields.get("done") else "give the follow-up task to its new owner"
        return change if fields.get("done") or "subject" not in fields else "make the follow-up task"
    if object_ == LIST and fields:
        return f"{'join' if fields['member'] else 'leave'} the list {fields['list']}"
    if object_ == CAMPAIGN and fields:
        status = f" with status {fields['status']}" if fields.get("status") else ""
        return f"{'stay in' if record else 'join'} the campaign {fields['campaign']}{status}"
    if object_ == NOTICE:
        return f"tell {fields['role']}: {fields['about']}" if fields else "tell somebody"
    return f"{'update' if record else 'create'} {object_} {'' if object_ in COMPANIONS else record or ''}".rstrip()


def companions(
    lead: Lead,
    system: str,
    objects: Sequence[OutboundObject],
    carries: Carries,
    journey: Journey,
    now: int,
    links: Links,
) -> Iterator[Wanted]:
    """What ``system`` has to be told of what stands beside ``lead``, who is not ``alone``.

    :param objects: the system's mapped objects. :param carries: what its sink says it keeps.
    """
    known = {ref[2]: one for ref, one in lead.records.items() if ref[0] == system and ref[1] in COMPANIONS}
    belongs = _belongs(lead, system, objects)
    if belongs is None:
        return
    if TASK in carries:
        yield from _tasks(lead, system, belongs, known, journey, now, links)
    if belongs[1] is not None and not belongs[1].enrolled:
        return  # it takes no part in sync: only a handoff would enrol it
    if LIST in carries:
        yield from _lists(lead, system, belongs, known, carries[LIST], journey.lists, now)
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


def _tasks(
    lead: Lead, system: str, belongs: Belongs, known: Mapping[str, Record], journey: Journey, now: int, links: Links
) -> Iterator[Wanted]:
    handoff = lead.handoff
    if handoff is not None and handoff["system"] == system and task_key(handoff["id"]) not in known:
        fields = _task(lead, handoff, links)
        yield _wanted(lead, system, TASK, task_key(handoff["id"]), fields, belongs, None, now, URGENT)
    elif (
        handoff is not None
        and journey.owners.listed
        and handoff["owner"]
        and _is_another_s(known.get(task_key(handoff["id"])), handoff)
    ):
        fields, told = (
            {"handoff": handoff["id"], "owner": handoff["owner"], **_due(handoff)},
            known[task_key(handoff["id"])],
        )
        yield _wanted(lead, system, TASK, task_key(handoff["id"]), fields, belongs, told, now, URGENT)
    over = [*lead.absorbed, *([lead.last_handoff[0]] if journey.package.close_task and _ended_here(lead) else [])]
    for id_ in over:  # of two handoffs of one person the older goes on
        record = known.get(task_key(id_))
        if record is not None and record.gone is None and not _held(record, "done"):
            yield _wanted(lead, system, TASK, task_key(id_), {"done": True}, belongs, record, now, LATER)


def _due(handoff: Mapping[str, Any]) -> dict[str, str]:
    if handoff["response_due"] is None:
        return {}
    return {"due_at": iso(handoff["response_due"]), "zone": handoff["package"].get("zone", "UTC")}


def _is_another_s(told: Record | None, handoff: Mapping[str, Any]) -> bool:
    """Whether the task was made for somebody who is not the owner any more."""
    if told is None or told.gone is not None or _held(told, "done"):
        return False
    return _held(told, "owner") not in (None, handoff["owner"])


def _ended_here(lead: Lead) -> bool:
    """The clock or a person ended the last handoff here, not sales in their system: nobody there closed its task."""
    return lead.last_handoff[1] == CLOCK or any(
        from_micros(at) == lead.ended.at and outcome.ref[:2] == OWN for (at, _), outcome in lead.outcomes.items()
    )


def _task(lead: Lead, handoff: Mapping[str, Any], links: Links) -> dict[str, Any]:
    package = handoff["package"]
    # Its own system has it at the record already.
    elsewhere = [one for one in links_of(lead, links) if one[0] != handoff["system"]]
    pages = [f"{system} {object_}: {address}" for system, object_, address in elsewhere]
    fields = {
        "handoff": handoff["id"],
        "subject": package.get("subject", "Follow up"),
        "description": "\n".join([package.get("task", ""), *pages]),
        "priority": "high",
    }
    fields |= _due(handoff)
    if handoff["owner"]:
        fields["owner"] = handoff["owner"]
    elif lead.attributes.get("owner") and lead.origin.get("owner", (0, ""))[1] == handoff["system"]:
        fields["owner"] = str(lead.attributes["owner"])
    return fields


def _lists(
    lead: Lead,
    system: str,
    belongs: Belongs,
    known: Mapping[str, Record],
    carried: Collection[str],
    lists: Mapping[str, Mapping[str, str]],
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


def wanted_lists(lead: Lead, lists: Mapping[str, Mapping[str, str]]) -> set[str]:
    """The lists a lead is to be on: those its journey joined, and that of how its last handoff ended, and why.

    Who is with sales again leaves the bucket's list. Who opted out of e-mail is on none but that of the rejected, by
    which others are kept from writing to them.
    """
    on = set(lead.attributes.get("lists", ()))
    named = lists.get(lead.ended.bucket, {})
    name = named.get(lead.ended.reason, named.get(OTHER))
    if name is not None and not _with_sales(lead):
        on.add(name)
    if any(lead.attributes.get(opt_out) is True for opt_out in NO_EMAIL):
        on &= set(lists.get("sales_rejected", {}).values())
    return on


def _with_sales(lead: Lead) -> bool:
    """Handed over again, or taken up by sales without it and not given back since; who is won stays won."""
    ended = lead.ended.at
    since = [
        lead.outcomes[key].outcome for key in sorted(lead.outcomes) if ended is None or from_micros(key[0]) > ended
    ]
    return lead.handoff is not None or "won" in since or (bool(since) and since[-1] in WITH_SALES)


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
