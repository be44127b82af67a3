"""What a person says about a work item: checked against what is legal, done, and booked with who and when.

In: an item and one *way* to settle it. What is decided for good goes into the mapping files. What is decided once is
news of the gateway's own about the lead, a write sent again or given up, or leads that are one person.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marshmallow import ValidationError
from sqlalchemy import Connection, select, update

from gateway import work
from gateway.answers.texts import plural
from gateway.contracts import Lookup, RecordChanged
from gateway.errors import NotFound, Refused
from gateway.inbound import rereading
from gateway.leads.lead import Lead
from gateway.leads.record import Record, Ref
from gateway.mapping.edits import Edited
from gateway.mapping.unmapped import DEAL_STATUSES
from gateway.people import refused
from gateway.people.own_news import tell
from gateway.people.rewriting import again, reopened, rewrite
from gateway.people.staffing import by_and_when
from gateway.settings.files import ConfigFile, suggest
from gateway.store import lookups, outbox, regrouping, switches
from gateway.store import tables as t
from gateway.store import work as items
from gateway.store.database import read, write
from gateway.store.loading import load
from gateway.store.put import Put
from gateway.store.rows import RECORD, record_of, record_row
from gateway.store.times import new_id
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

Item = Mapping[str, Any]
NOTHING = "nothing"
"""Instead of an outcome: the status means none."""
"""Why a record is gone that never was: nobody makes it."""
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Said:
    """One way to settle an item: ``keep`` a system's value, take this ``value``, ``link`` this record …

    ``always``: for all leads, from now on.
    """

    way: str
    by: str
    value: str = ""
    always: bool = False


def ways(item: Item) -> tuple[str, ...]:
    """What is legal to say about an item."""
    match item["kind"]:
        case work.CONFLICT:
            return ("keep", "value")
        case work.MATCH:
            return ("merge", "apart") if "other" in item["detail"] else ("link", "create", "ignore")
        case work.UNMAPPED:
            return ("map",)
        case work.DEAD:
            return ("map", "retry", "discard") if len(item["detail"].get("fields", ())) == 1 else ("retry", "discard")
        case work.CONTESTED:
            return ("retry", "leave")
        case work.NO_REASON:
            return ("reason",)
    return ("done",)


def words(gateway: Gateway, item: Item) -> list[str]:
    """What an unmapped value may be said to mean, what a refused one may be called there, or why a handoff may have
    ended; empty where any word will do."""
    journey, detail = gateway.model.journey, item["detail"]
    if item["kind"] == work.DEAD:
        return list(refused.options(gateway, item)) if len(detail.get("fields", ())) == 1 else []
    if item["kind"] == work.NO_REASON:
        return list(journey.reasons[detail["bucket"]])
    if item["kind"] != work.UNMAPPED:
        return []
    if detail["field"] == work.REASON:
        return list(dict.fromkeys(one for reasons in journey.reasons.values() for one in reasons))
    rules = gateway.model.joining.objects.get((item["system"], item["object"]))
    rule: Any = rules.inbound.get(detail["field"]) if rules is not None else None
    if rule is None or not (rule.values or rule.to == "status"):
        return ["accepted", "contacted", *journey.buckets, NOTHING]
    return sorted(DEAL_STATUSES) if rule.to == "status" and getattr(rules, "kind", "") == "deal" else []


def resolve(gateway: Gateway, item: Item, said: Said) -> list[str]:
    """Do what was said. Returns what was done, in words. Raises ``Refused`` when it is not legal; then nothing is."""
    if item["resolved_at"] is not None:
        with read(gateway.store.main) as connection:
            by = next((one["by"] for one in reversed(items.resolutions(connection, item["id"]))), "")
        when = by_and_when(gateway, item["system"], by, item["resolved_at"])
        raise Refused(f"it was settled {when}: {item['resolution']}")
    if said.way not in ways(item):
        raise Refused(f"a work item of kind {item['kind']!r} is settled with {_either(ways(item))}")
    if said.always and (item["kind"], said.way) != (work.CONFLICT, "keep"):
        raise Refused("--always goes with --keep")
    done = _WAYS[said.way](gateway, item, said)
    text = " ".join(
        filter(None, [said.way, "" if said.way == "value" else said.value, "always" if said.always else ""])
    )
    lead = gateway.find_lead(item["lead"]) if item["lead"] else None  # whoever it is by now
    with write(gateway.store.main) as connection:
        # A write says itself when it is over.
        items.resolve(
            connection,
            {**item, "lead": lead},
            to_micros(gateway.now()),
            said.by,
            text,
            closed="write" not in item["detail"],
        )
    return done


def _either(names: Collection[str]) -> str:
    return " or ".join(f"--{name}" for name in names)


# -- values ------------------------------------------------------------------------------------------------------------


def _keep(gateway: Gateway, item: Item, said: Said) -> list[str]:
    """One system's value, once or always. Always: the newest value never counts again for this field."""
    to = item["detail"]["field"]
    sides = {side[0]: side for side in item["detail"]["sides"]}
    if said.value not in sides:
        raise Refused(f"no value of {said.value!r} is in question; there are {', '.join(sides)}")
    lead = _lead(gateway, item)
    record = lead.records.get(tuple(sides[said.value]))
    value = _held(gateway, record, to) if record is not None else None
    done = [f"{to}: the value of {said.value} stands; the others are told"]
    if said.always:
        done += _always(gateway, to, said.value)
    _say(gateway, lead, to, value)
    return done


def _value(gateway: Gateway, item: Item, said: Said) -> list[str]:
    to = item["detail"]["field"]
    lead = _lead(gateway, item)
    for ref in item["detail"]["sides"]:
        rule = next((r for r in gateway.model.joining.inbound(ref[0], ref[1]).values() if r.to == to), None)
        if rule is not None:
            try:
                _say(gateway, lead, to, rule.load(said.value))
            except ValidationError as exc:
                raise Refused(f"{to}: {exc.messages[0]}") from None
            return [f"{to} is what you said; the systems are told"]
    raise Refused(f"no mapping brings in {to} any more")


def _held(gateway: Gateway, record: Record, to: str) -> Any:
    for name, rule in gateway.model.joining.inbound(record.system, record.object).items():
        if rule.to == to and name in record.snapshot:
            raw = record.snapshot[name][0]
            return None if raw is None else rule.load(raw)
    return None


def _say(gateway: Gateway, lead: Lead, to: str, value: Any) -> None:
    values = {} if value is None else {to: value}
    tell(gateway, lead, RecordChanged, values=values, speaks_of=frozenset({to}))


def _always(gateway: Gateway, to: str, system: str) -> list[str]:
    changed: dict[str, list[str]] = {name: [] for name in gateway.instance.systems}

    def preferring(name: str) -> Callable[[Edited], None]:
        return lambda edited: changed[name].extend(edited.prefer(to, system))

    files = rewrite(gateway, {name: preferring(name) for name in changed})
    done = [
        f"{file}: {field}: sync: prefer, prefer: {system}"
        for file, fields in zip(files, changed.values(), strict=True)
        for field in fields
    ]
    with closing(reopened(gateway)) as fresh, read(fresh.store.main) as connection:
        leads = [row.lead for row in items.alike(connection, work.CONFLICT, to)]
    return done + again(gateway, leads)


# -- who is who --------------------------------------------------------------------------------------------------------


def _merge(gateway: Gateway, item: Item, said: Said) -> list[str]:
    pair = (_lead(gateway, item).id, gateway.find_lead(item["detail"]["other"]))
    gateway.observe(gateway.pipeline.run((), pair, "person", [pair], by=said.by))
    return ["they are one person now"]


def _apart(gateway: Gateway, item: Item, said: Said) -> list[str]:
    with write(gateway.store.main) as connection:
        regrouping.keep_apart(connection, item["lead"], gateway.find_lead(item["detail"]["other"]))
    return ["they are two people, whatever keys they share"]


def _link(gateway: Gateway, item: Item, said: Said) -> list[str]:
    """The record is the lead's, and is looked at before anything is written to it; the create is given up."""
    candidates = item["detail"]["candidates"]
    found = next((one for one in candidates if said.value in (one, one.rpartition(":")[2])), None)
    if found is None:
        raise Refused(f"it is none of those found there: {', '.join(candidates)}{suggest(said.value, candidates)}")
    object_, _, id_ = found.rpartition(":")
    ref = (item["system"], object_ or item["object"], id_)
    lead = _lead(gateway, item)
    with write(gateway.store.main) as connection:
        owner = _own(connection, ref, lead.id, to_micros(gateway.now()))
        switches.discard(connection, to_micros(gateway.now()), [item["detail"]["write"]])
        lookup = Lookup(system=ref[0], object=ref[1], record=ref[2])
        lookups.ask(connection, [lookup], to_micros(gateway.now()))
    gateway.observe(gateway.pipeline.again([(lead.id,) if owner == lead.id else (lead.id, owner)]))
    same = "" if owner == lead.id else f"; it was lead {owner}'s, so that both are one person"
    return [f"{ref[1]} {ref[2]} is this lead's{same}; it is looked at, then told what is new"]


def _own(connection: Connection, ref: Ref, lead: str, now: int) -> str:
    """Give a record to a lead, unless it is somebody's already. Returns whose it is."""
    r, c = t.records.c, t.leads.c
    mine = (r.system == ref[0], r.object == ref[1], r.record == ref[2])
    row = connection.execute(select(*RECORD).where(*mine)).first()
    record = record_of(row) if row is not None else Record(*ref, "person", lead, first_at=now)
    record.entity = record.entity or lead
    record.enrolled = True
    Put(connection).upsert(t.records, [record_row(record)])
    connection.execute(update(t.leads).where(c.id == lead).values(version=c.version + 1))
    return record.entity


def _create(gateway: Gateway, item: Item, said: Said) -> list[str]:
    with write(gateway.store.main) as connection:
        if not outbox.retry(connection, to_micros(gateway.now()), [item["detail"]["write"]], None, anyway=True):
            raise Refused("its write is not dead any more; `gateway plan` shows what is to be sent")
    return ["a new record is made, whoever is there already"]


def _ignore(gateway: Gateway, item: Item, said: Said) -> list[str]:
    """A placeholder says that there is no record and shall be none."""
    lead, now = _lead(gateway, item), to_micros(gateway.now())
    none = Record(
        item["system"],
        item["object"],
        f"none:{lead.id}",
        "person",
        lead.id,
        first_at=now,
        main=False,
        gone=work.LEFT_OUT,
    )
    with write(gateway.store.main) as connection:
        Put(connection).upsert(t.records, [record_row(none)])
        switches.discard(connection, now, [item["detail"]["write"]])
    return again(gateway, [lead.id]) or [f"nothing is made of this lead in {item['system']}"]


# -- words -------------------------------------------------------------------------------------------------------------


def _map(gateway: Gateway, item: Item, said: Said) -> list[str]:
    """A word for a value: into the mapping file, and what was read before is read by it again."""
    if item["kind"] == work.DEAD:
        return refused.call(gateway, item, said.value)
    system, object_ = item["system"], item["object"]
    field, raw = item["detail"]["field"], item["detail"]["value"]
    if raw.startswith("("):
        raise Refused("it is no value of a list; write the value map yourself, then say --map for those that are")
    mapping = gateway.instance.systems[system].mapping
    rules = mapping.objects.get(object_) if mapping is not None else None
    if rules is None:
        raise Refused(f"mappings/{system}.yaml has no object {object_!r} any more")
    _known_word(gateway, item, said.value)
    [file] = rewrite(gateway, {system: _mapped(gateway, rules, field, raw, said.value)})
    with closing(reopened(gateway)) as fresh:
        told = field
        if field == work.REASON:
            told = next((rule.get("reason") for rule in _outcomes(gateway, system, object_) if rule.get("reason")), "")
        with read(fresh.store.main) as connection:
            records = items.records_with(connection, system, object_, told, raw)
            documents = items.documents_without(connection, system, object_, field)
        for start in range(0, len(records), CHUNK):
            chunk = records[start : start + CHUNK]
            fresh.observe(fresh.pipeline.run((), cause="person", refold=chunk))
        if documents:
            fresh.inbox.requeue(documents, None, ("read",))
            worker = f"work:{new_id()}"
            while fresh.run_pipeline_once(worker):
                pass
        if field == work.REASON:
            _reworded(fresh, raw, said.value)
        with write(fresh.store.main) as connection:
            rereading.read_again(fresh, connection, system, {object_: [field]})
    more = f", {plural(len(documents), 'document')} read again" if documents else ""
    return [
        f"{file}: {object_}.{field}: {raw} is {said.value}",
        f"{plural(len(records), 'record')} read by it anew{more}",
    ]


def _known_word(gateway: Gateway, item: Item, word: str) -> None:
    if (known := words(gateway, item)) and word not in known:
        raise Refused(f"it cannot mean that{suggest(word, known)}; there are {', '.join(known)}")


def _mapped(gateway: Gateway, rules: Any, field: str, raw: str, word: str) -> Callable[[Edited], None]:
    """How the mapping file is edited."""
    journey, object_ = gateway.model.journey, rules.name
    if field == work.REASON:
        buckets = [bucket for bucket, reasons in journey.reasons.items() if word in reasons]
        outcomes = {outcome for outcome, bucket in journey.buckets.items() if bucket in buckets}

        def reason(edited: Edited) -> None:
            if not edited.map_reason(object_, outcomes, raw, word):
                raise Refused(f"{object_}: no rule reads a reason for {', '.join(sorted(outcomes))} from a field")

        return reason
    rule = rules.inbound.get(field)
    if rule is not None and (rule.values or rule.to == "status"):
        return lambda edited: edited.map_value(object_, field, raw, word)
    return lambda edited: edited.map_status(object_, field, raw, "" if word == NOTHING else word)


def _outcomes(gateway: Gateway, system: str, object_: str) -> list[Mapping[str, Any]]:
    file = ConfigFile.read(gateway.instance.root / "mappings" / f"{system}.yaml", gateway.instance.root)
    return list(file.data["objects"][object_].get("outcomes") or [])


def _reworded(gateway: Gateway, raw: str, word: str) -> None:
    """Handoffs that ended with the system's word for a reason."""
    h = t.handoffs.c
    with write(gateway.store.main) as connection:
        mine = (h.bucket_reason == raw, h.state == "closed")
        leads = list(connection.scalars(select(h.lead).where(*mine)))
        connection.execute(update(t.handoffs).where(*mine).values(bucket_reason=word))
    again(gateway, leads)


def _reason(gateway: Gateway, item: Item, said: Said) -> list[str]:
    _known_word(gateway, item, said.value)
    h = t.handoffs.c
    with write(gateway.store.main) as connection:
        mine = update(t.handoffs).where(h.id == item["detail"]["handoff"])
        connection.execute(mine.values(bucket_reason=said.value))
    return again(gateway, [item["lead"]]) or [f"the handoff ended because of: {said.value}"]


# -- writes ------------------------------------------------------------------------------------------------------------


def _retry(gateway: Gateway, item: Item, said: Said) -> list[str]:
    if item["kind"] == work.CONTESTED:
        _release(gateway, item)
        return again(gateway, [item["lead"]]) or ["it is written again"]
    with write(gateway.store.main) as connection:
        if not outbox.retry(connection, to_micros(gateway.now()), [item["detail"]["write"]], None):
            raise Refused("a newer write says everything; `gateway deliveries list` shows it")
    return ["the write goes again"]


def _discard(gateway: Gateway, item: Item, said: Said) -> list[str]:
    with write(gateway.store.main) as connection:
        if not switches.discard(connection, to_micros(gateway.now()), [item["detail"]["write"]]):
            raise Refused("the write is on its way, or settled")
    return ["the write is given up"]


def _leave(gateway: Gateway, item: Item, said: Said) -> list[str]:
    return [f"{item['detail']['field']} of {item['object']} {item['record']} stays as {item['system']} has it"]


def _release(gateway: Gateway, item: Item) -> None:
    r, c = t.records.c, t.leads.c
    mine = (r.system == item["system"], r.object == item["object"], r.record == item["record"])
    with write(gateway.store.main) as connection:
        row = connection.execute(select(*RECORD).where(*mine)).first()
        if row is None:
            raise NotFound(f"{item['system']} {item['object']} {item['record']}: no such record any more")
        record = record_of(row)
        field = item["detail"]["field"]
        record.contested = [name for name in record.contested if name != field]
        record.told.pop(field, None)
        Put(connection).upsert(t.records, [record_row(record)])
        connection.execute(update(t.leads).where(c.id == item["lead"]).values(version=c.version + 1))


def _done(gateway: Gateway, item: Item, said: Said) -> list[str]:
    return ["noted"]


_WAYS: Mapping[str, Callable[[Gateway, Item, Said], list[str]]] = {
    "keep": _keep, "value": _value, "merge": _merge, "apart": _apart, "link": _link, "create": _create,
    "ignore": _ignore, "map": _map, "retry": _retry, "discard": _discard, "leave": _leave, "reason": _reason,
    "done": _done,
}  # fmt: skip


# -- common ------------------------------------------------------------------------------------------------------------


def _lead(gateway: Gateway, item: Item) -> Lead:
    id_ = gateway.find_lead(item["lead"])
    with read(gateway.store.main) as connection:
        return load(connection, [], {}, [id_], 0, gateway.pipeline.need(gateway.now())).leads[id_]
