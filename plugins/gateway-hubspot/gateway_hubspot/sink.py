"""HubSpot out: writes in batches of a hundred, read back record by record.

A known record is updated by its id. An unknown one is created under our key in a unique property of its own, which
makes the same write twice one record; who has the e-mail address already is found first. Each input carries a trace id,
by which HubSpot names what it refused; where it names nothing, the batch is halved until it does. What contacts want
to be sent (``subscriptions``), tasks (``tasks``) and lists (``lists``) have calls of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.contracts import COMPANIONS, LIST, TASK, Call, Context, Field, Held, Receipt, Sink, Write
from gateway.errors import AccessRefused, TryLater
from gateway_hubspot import answers
from gateway_hubspot.activities import STREAMS
from gateway_hubspot.catalogue import catalogue
from gateway_hubspot.client import WRITE, Client, Failure, NoAnswer, Reply
from gateway_hubspot.lists import Lists
from gateway_hubspot.meeting import HINTS, Meeting, address_of
from gateway_hubspot.records import REDACTED, cut, linked, moment, plural
from gateway_hubspot.subscriptions import OPT_IN, OPT_OUT, Subscriptions, carried, refusal
from gateway_hubspot.tasks import settled, task

BATCH = 100
STAGE = "lifecyclestage"
DEADLINE = 22.0
"""Seconds after which a delivery begins no other call; the gateway stops one that takes thirty."""
CALLS = 40
"""Most calls of one delivery: what then is not settled is tried again later."""
URGENT = 2
PAGES = {"contact": "0-1", "company": "0-2", "deal": "0-3", "task": "0-27"}
"""Object → HubSpot's number for it in the addresses of its pages."""
TO_CONTACT = 204
"""HubSpot's own number for what leads from a task to its contact."""


class HubSpotSink(Sink):
    """Contacts, companies and deals, and any other object by HubSpot's own name for it."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        context: Context,
        client: Client | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``settings`` as ``SettingsSchema`` loads them."""
        self._key: str = settings["external_id"]
        self._task: Mapping[str, Any] | None = settings.get("task")
        self._now = context.now
        self.carries = {TASK: ("*",)} if self._task is not None else {}
        self.carries |= {LIST: tuple(settings["lists"])} if settings["lists"] else {}
        if portal := settings.get("portal_id"):
            page = f"{settings['app_url']}/contacts/{portal}/record/{{type}}/{{record}}"
            self.links = {name: page.replace("{type}", number) for name, number in PAGES.items()}
        self._subscriptions = [str(one) for one in settings["subscriptions"]]
        self.client = client or Client(settings, context)
        self._lists = Lists(self.client)
        self._clock = clock

    def describe(self, object: str) -> Mapping[str, Field]:
        if object in STREAMS.values():
            return {}  # their items' fields are each form's and e-mail's own
        try:
            reply = self.client.page(self.client.properties.get_all, plural(object), archived=False)
        except Failure as exc:
            if exc.status in (400, 404):
                return {}  # no such object
            raise
        found = {
            name: replace(field, writable=field.writable or carried(name))
            for name, field in catalogue(object, reply.results).items()
        }
        if plural(object) == "contacts" and self._subscriptions:
            found[OPT_OUT] = Field(name=OPT_OUT, type="boolean")
            found[OPT_IN] = Field(name=OPT_IN, type="datetime")
        return found

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        groups: dict[tuple[str, bool], list[Write]] = {}
        calls: list[Call] = list(self._lists.calls([made for made in writes if made.object == LIST]))
        for made in writes:
            if made.object != LIST:
                path = "tasks" if made.object == TASK else plural(made.object)
                groups.setdefault((path, made.record is None), []).append(made)
        for (path, creating), mine in groups.items():
            what = "create" if creating else "update"
            for batch in _batches(mine):
                cost = 2 if creating and path == "contacts" else 1
                calls.append(
                    Call(title=f"{what} {len(batch)} {path}", writes=tuple(batch), request=(path, what), cost=cost)
                )
        return sorted(calls, key=lambda call: min(made.priority for made in call.writes))

    def deliver(self, call: Call) -> Iterator[Receipt]:
        path, what = call.request
        if path == "lists":
            try:
                yield from self._lists.put(what, call.writes)
            except (TryLater, AccessRefused, NoAnswer) as exc:
                yield from (replace(refusal(exc), key=made.key) for made in call.writes)
            return
        sending = _Sending(self.client, self._key, path, what == "create", self._clock, self._subscriptions)
        if path == "tasks":
            told = [task(made, self._task or {}, self._now()) for made in call.writes]
            yield from (settled(receipt) for receipt in sending.deliver(told))
        else:
            yield from sending.deliver(call.writes)

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        if object in COMPANIONS and object != TASK:
            return {}  # said once more, a list holds nobody twice
        path = "tasks" if object == TASK else plural(object)
        for some in cut(list(keys), BATCH):
            request = {
                "idProperty": self._key,
                "inputs": [{"id": key} for key in some],
                "properties": [self._key],
            }
            # Of the reserve, too: what may be a handoff waits for this answer.
            reply = self.client.page(self.client.batch.read, path, request, archived=False, priority=URGENT)
            for result in reply.results:
                key = str((result.get("properties") or {}).get(self._key))
                if key in some:
                    found.setdefault(key, []).append(str(result.get("id")))
        return found

    def tasks(self, object: str, records: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        theirs: dict[str, list[str]] = {}
        for some in cut(list(records), BATCH):
            pairs = {"inputs": [{"id": id_} for id_ in some]}
            reply = self.client.page(self.client.associations.get_page, plural(object), "tasks", pairs, priority=URGENT)
            theirs |= {str(result["from"]["id"]): linked(result) for result in reply.results}
        keys: dict[str, str] = {}
        for some in cut(sorted({id_ for ids in theirs.values() for id_ in ids}), BATCH):
            request = {"inputs": [{"id": id_} for id_ in some], "properties": [self._key]}
            reply = self.client.page(self.client.batch.read, "tasks", request, archived=False, priority=URGENT)
            for result in reply.results:
                keys[str(result.get("id"))] = str((result.get("properties") or {}).get(self._key) or "")
        return {record: {id_: keys[id_] for id_ in ids if keys.get(id_)} for record, ids in theirs.items()}

    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        names = [name for name in fields if not carried(name)]
        found: dict[str, Held] = {}
        for some in cut(list(records) if names else [], BATCH):
            request = {"inputs": [{"id": id_} for id_ in some], "properties": names}
            # Of the reserve, too: what may be a handoff waits for this answer.
            path = plural(object)
            reply = self.client.page(self.client.batch.read, path, request, archived=False, priority=URGENT)
            for result in reply.results:
                properties = result.get("properties") or {}
                values = {name: properties[name] for name in names if properties.get(name, REDACTED) != REDACTED}
                found[str(result.get("id"))] = Held(values=values, at=moment(result.get("updatedAt")))
        return found


@dataclass(slots=True)
class _Sending:
    """One delivery under way. ``_stop``: what every write that is left gets, once HubSpot takes no more."""

    client: Client
    key: str
    path: str
    creating: bool
    clock: Callable[[], float]
    subscriptions: Sequence[str]
    """The types of e-mail that who opted out gets no more."""
    _began: float = 0.0
    _priority: int = 5
    """The most urgent write's: its handoff may use the budget's reserve, and the others go along."""
    _calls: int = 0
    _stop: Receipt | None = None

    def deliver(self, writes: Sequence[Write]) -> Iterator[Receipt]:
        self._began = self.clock()
        self._priority = min((made.priority for made in writes), default=5)
        writes = list(writes)
        if self.creating:
            refused = [made for made in writes if not made.create]
            yield from (Receipt(key=made.key, result="rejected", code="no record", message="nothing to update")
                        for made in refused)  # fmt: skip
            writes = [made for made in writes if made.create]
            known = self._known([made for made in writes if not made.anyway])
            yield from known.values()
            writes = [made for made in writes if made.key not in known]
        bare = {made.key for made in writes if made.record is not None and not any(map(_sent_as_property, made.fields))}
        receipts = {receipt.key: receipt for receipt in self._send([made for made in writes if made.key not in bare])}
        receipts |= {
            made.key: Receipt(key=made.key, result="done", record=made.record or "")
            for made in writes
            if made.key in bare
        }
        by_key = {made.key: made for made in writes}
        for concerns, step in ((STAGE.__eq__, self._stages), (carried, self._consents)):
            mine = [(by_key[key], one) for key, one in receipts.items() if one.result == "done"]
            mine = [(made, one) for made, one in mine if any(map(concerns, made.fields))]
            if mine:
                receipts |= {one.key: one for one in step(mine)}
        yield from receipts.values()

    # -- a batch, and the halves of it --------------------------------------------------------------------------------

    def _send(self, writes: Sequence[Write]) -> Iterator[Receipt]:
        if not writes:
            return
        reply = self._changed([_input(made, self.key, number) for number, made in enumerate(writes)])
        if isinstance(reply, Reply):
            yield from self._answered(reply, writes)
        elif isinstance(reply, Failure):
            yield from self._failed(reply, writes)
        else:
            yield from (replace(reply, key=made.key) for made in writes)

    def _changed(self, inputs: list[dict[str, Any]]) -> Reply | Failure | Receipt:
        """One call; or the receipt that all its writes get when it could not be made."""
        left = DEADLINE - (self.clock() - self._began)
        if self._stop is None and (left <= 0 or self._calls >= CALLS):
            self._stop = Receipt(key="", result="retry", seconds=1, code="not sent", message="no time left")
        if self._stop is not None:
            return self._stop
        self._calls += 1
        making = self.client.batch.create if self.path == "tasks" else self.client.batch.upsert
        operation = making if self.creating else self.client.batch.update
        seconds = max(1.0, min(WRITE, left))
        try:
            return self.client.change(
                operation, self.path, {"inputs": inputs}, priority=self._priority, seconds=seconds
            )
        except (TryLater, AccessRefused) as exc:
            self._stop = refusal(exc)
        except NoAnswer as exc:
            # An update by id may be repeated; a create is looked up by its key first.
            result: Any = "unknown" if exc.sent and self.creating else "retry"
            return Receipt(key="", result=result, code="no answer")
        except Failure as exc:
            return exc
        return self._stop

    def _failed(self, failure: Failure, writes: Sequence[Write]) -> Iterator[Receipt]:
        """The whole batch was refused, though only one of it may be wrong."""
        if len(writes) == 1 or failure.status == 423 or failure.status >= 500:
            for made in writes:
                receipt = answers.refused(made, failure.status, failure.body)
                if failure.status >= 500 and self.creating:  # it may have happened all the same
                    receipt = replace(receipt, result="unknown")
                yield receipt
            return
        named = {name for name, code in answers.problems(failure.body) if code in answers.EVERY_ROW and name}
        guilty = [made for made in writes if named.intersection(made.fields)]
        if guilty:
            yield from (answers.refused(made, failure.status, failure.body) for made in guilty)
            yield from self._send([made for made in writes if not named.intersection(made.fields)])
            return
        yield from self._halves(writes)

    def _halves(self, writes: Sequence[Write]) -> Iterator[Receipt]:
        half = len(writes) // 2
        yield from self._send(writes[:half])
        yield from self._send(writes[half:])

    def _answered(self, reply: Reply, writes: Sequence[Write]) -> Iterator[Receipt]:
        """Record by record: results, then refusals, by trace id, else by record id."""
        open_ = dict(enumerate(writes))
        unnamed: list[Mapping[str, Any]] = []
        for result in reply.results:
            number = _number(result.get("objectWriteTraceId"), open_)
            if number is None:
                number = self._by_id(result, open_)
            if number is None:
                unnamed.append(result)
            else:
                yield self._done(open_.pop(number), result)
        if len(unnamed) == 1 and len(open_) == 1 and reply.status != 207:  # the id it asked for lives on in another
            yield self._done(open_.popitem()[1], unnamed[0])
        vague: list[Mapping[str, Any]] = []
        errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
        for error in errors if isinstance(errors, list) else ():
            numbers = self._named(error, open_)
            if not numbers:
                vague.append(error)
            for number in numbers:
                yield answers.refused(open_.pop(number), 207, error)
        left = list(open_.values())
        if len(left) == 1 and len(vague) == 1:
            yield answers.refused(left[0], 207, vague[0])
        elif len(left) > 1 and vague:
            yield from self._halves(left)
        elif left:
            unsure: Any = "unknown" if self.creating else "retry"
            yield from (Receipt(key=made.key, result=unsure, code="not mentioned") for made in left)

    def _by_id(self, result: Mapping[str, Any], open_: Mapping[int, Write]) -> int | None:
        id_, key = str(result.get("id")), (result.get("properties") or {}).get(self.key)
        for number, made in open_.items():
            if made.record == id_ or (self.creating and made.key == key):
                return number
        return None

    def _named(self, error: Any, open_: Mapping[int, Write]) -> list[int]:
        if not isinstance(error, Mapping):
            return []
        traces = [_number(text, open_) for text in answers.about(error, "objectWriteTraceId")]
        if numbers := [number for number in traces if number is not None]:
            return sorted(set(numbers))
        ids = {*answers.about(error, "ids"), *answers.about(error, "id")}
        return [number for number, made in open_.items() if (made.key if self.creating else made.record) in ids]

    def _done(self, made: Write, result: Mapping[str, Any]) -> Receipt:
        id_, properties = str(result.get("id")), result.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        if made.record is not None and id_ != made.record:  # merged: the winner answers for the id it absorbed
            return Receipt(key=made.key, result="moved", object=made.object, record=id_)
        held = {name: _held(properties[name]) for name in made.fields if name in properties}
        return Receipt(key=made.key, result="done", record=id_, held=held)

    # -- who is there already -----------------------------------------------------------------------------------------

    def _known(self, writes: Sequence[Write]) -> dict[str, Receipt]:
        """Contacts we would double: linked instead, and written to by their id."""
        if self.path != "contacts":
            return {}
        meeting = Meeting(self.client, self.key, self._priority, self._end)
        known = meeting.meet(writes)
        self._calls += meeting.calls
        return known

    def _end(self, exc: TryLater | AccessRefused) -> None:
        self._stop = refusal(exc)

    # -- lifecycle stage ----------------------------------------------------------------------------------------------

    def _stages(self, staged: Sequence[tuple[Write, Receipt]]) -> Iterator[Receipt]:
        """HubSpot moves this property forward only and drops a step back without a word: so its answer is looked at,
        the property cleared where it stands elsewhere, and set anew, in calls of their own; then it is read again."""
        staged = [(made, receipt) for made, receipt in staged if made.fields[STAGE] and not self.creating]
        held = {receipt.record: str(receipt.held[STAGE] or "") for _, receipt in staged if STAGE in receipt.held}
        if silent := [receipt.record for _, receipt in staged if receipt.record not in held]:
            held |= self._stages_of(silent)
        back = [(made, receipt) for made, receipt in staged if held.get(receipt.record) != str(made.fields[STAGE])]
        if back and held:
            for value in ("", None):
                inputs = [
                    {"id": receipt.record, "properties": {STAGE: str(made.fields[STAGE]) if value is None else value}}
                    for made, receipt in back
                ]
                if not isinstance(self._changed(inputs), Reply):
                    break
            held |= self._stages_of([receipt.record for _, receipt in back])
        for made, receipt in staged:
            now = held.get(receipt.record, "")
            if now == str(made.fields[STAGE]):
                yield replace(receipt, held={**receipt.held, STAGE: now})
            else:  # written again as a whole: until it stands there, it is not done
                yield Receipt(key=made.key, result="retry", seconds=30, code="stage not moved")

    def _stages_of(self, ids: Sequence[str]) -> dict[str, str]:
        request = {"inputs": [{"id": id_} for id_ in ids], "properties": [STAGE]}
        try:
            reply = self.client.page(
                self.client.batch.read, self.path, request, archived=False, priority=self._priority
            )
        except (TryLater, AccessRefused, Failure, NoAnswer):
            return {}
        return {str(one.get("id")): str((one.get("properties") or {}).get(STAGE) or "") for one in reply.results}

    # -- opt-outs and opt-ins -----------------------------------------------------------------------------------------

    def _consents(self, told: Sequence[tuple[Write, Receipt]]) -> Iterator[Receipt]:
        yield from Subscriptions(self.client, self.subscriptions, self._priority, self._ready).tell(told).values()

    def _ready(self) -> Receipt | None:
        """Counts one call; or why none may be made any more."""
        if self._stop is None and (self.clock() - self._began > DEADLINE or self._calls >= CALLS):
            self._stop = Receipt(key="", result="retry", seconds=1, code="not sent", message="no time left")
        self._calls += self._stop is None
        return self._stop


def _batches(writes: Sequence[Write]) -> list[list[Write]]:
    """Of at most a hundred each, no record, key or address twice in one: HubSpot would refuse all of it."""
    batches: list[tuple[list[Write], set[str]]] = []
    for made in writes:
        marks = {f"record {made.record}" if made.record else f"key {made.key.casefold()}"}
        if address := address_of(made):
            marks.add(f"email {address}")
        for batch, taken in batches:
            if len(batch) < BATCH and marks.isdisjoint(taken):
                batch.append(made)
                taken |= marks
                break
        else:
            batches.append(([made], set(marks)))
    return [batch for batch, _ in batches]


def _input(made: Write, key: str, number: int) -> dict[str, Any]:
    properties = {name: _sent(value) for name, value in made.fields.items() if _sent_as_property(name)}
    if made.record is not None:
        return {"id": made.record, "objectWriteTraceId": str(number), "properties": properties}
    if made.refs:  # a task: made with its contact, which an upsert could not
        links = [
            {"to": {"id": id_}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TO_CONTACT}]}
            for id_ in made.refs.values()
        ]
        return {"associations": links, "objectWriteTraceId": str(number), "properties": {**properties, key: made.key}}
    return {
        "id": made.key,
        "idProperty": key,
        "objectWriteTraceId": str(number),
        "properties": {**properties, key: made.key},
    }


def _sent_as_property(name: str) -> bool:
    return name not in HINTS and not carried(name)


def _sent(value: Any) -> str:
    """HubSpot takes text only; an empty one clears. Several values are joined by semicolons."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ";".join(_sent(one) for one in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _held(value: Any) -> Any:
    return None if value == "" else value


def _number(trace: Any, open_: Mapping[int, Write]) -> int | None:
    text = str(trace)
    return int(text) if text.isdecimal() and int(text) in open_ else None
