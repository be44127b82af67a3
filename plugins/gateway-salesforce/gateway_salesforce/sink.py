"""Writes out: batches of 200, each row's result read, and the lead that became a contact followed.

In: writes of the outbox. Out: one receipt per write. A record we know is changed by its id, so that nothing can be made
twice; a person we do not know is looked up first (``meeting``) and made by upsert on our own key, so that the same
request, said again, finds what it made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote, urlsplit

from gateway.contracts import CAMPAIGN, COMPANIONS, TASK, Call, Context, Field, Held, Receipt, Sink, Write
from gateway.errors import AccessRefused, TryLater
from gateway_salesforce.campaigns import Campaigns
from gateway_salesforce.catalogue import catalogue
from gateway_salesforce.codes import Fault
from gateway_salesforce.meeting import HINTS, PEOPLE, Meeting, linked
from gateway_salesforce.org import NoAnswer, Org, RefusedCall, parts, same_id
from gateway_salesforce.rows import Row, Rows
from gateway_salesforce.settings import SHARED_HOSTS
from gateway_salesforce.soql import moment
from gateway_salesforce.tasks import Tasks

_LEAD_ID = re.compile(r"(?:^|:)([0-9a-f]{32})(?::|$)")
_HELD_BY = re.compile(r"\bid: ?([A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?)\b")
_MERGED = frozenset({"Lead", "Contact", "Account"})
"""Objects whose records can be merged, so that a deleted one may name its master."""
SINGLY = 20
"""So many rows of one call are sent once more by themselves, to learn which records a duplicate rule means."""
DOUBTS = 3
OVERRULE = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
"""A duplicate rule that only warns does not keep a record from being made."""
DELIVERING, FINDING = 26.0, 8.0
"""Seconds: the gateway gives a delivery 30 and a question 10 before it gives its worker up."""
Kind = Literal["update", "create"]


class Request(NamedTuple):
    """What a call does: change records by id, or look up people and create those who are not there."""

    kind: Kind
    object: str
    anyway: bool = False
    """A person has seen who is there: nobody is looked up, and duplicate rules that only warn are overruled."""


class SalesforceSink(Sink):
    """``settings`` as ``SettingsSchema`` loads them."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._settings = settings
        self._mapping = context.mapping
        self.org = Org(settings, context)
        self._key: str = settings["external_id"]
        self._batch: int = settings["batch"]
        headers = OVERRULE if settings["save_duplicates"] else {}
        self._rows = Rows(self.org, headers)
        self._headers = headers
        self._tasks = Tasks(settings["task"], self.org, self._rows, context.now) if settings.get("task") else None
        self._campaigns = Campaigns(self.org, self._rows)
        self.carries = {TASK: ("*",)} if self._tasks else {}
        self.carries |= {CAMPAIGN: tuple(settings["campaigns"])} if settings["campaigns"] else {}
        page = f"{settings['login_url'].rstrip('/')}/lightning/r/{{object}}/{{record}}/view"
        self.links = {} if urlsplit(page).hostname in SHARED_HOSTS else {"*": page}
        self._doubts: dict[str, int] = {}

    # -- the sink's contract ------------------------------------------------------------------------------------------

    def describe(self, object: str) -> Mapping[str, Field]:
        try:
            answer = self.org.call("GET", f"sobjects/{quote(object, safe='')}/describe")
        except RefusedCall as refused:
            if refused.fault.meaning == "mapping":
                return {}  # no such object, or not for us
            raise
        return catalogue(object, answer["fields"])

    def calls(self, writes: Sequence[Write]) -> Sequence[Call]:
        groups: dict[Request, list[Write]] = {}
        for write in writes:
            kind: Kind = "update" if write.record else "create"
            groups.setdefault(Request(kind, write.object, write.anyway and kind == "create"), []).append(write)
        return [
            self._call(request, group[start : start + self._batch])
            for request, group in groups.items()
            for start in range(0, len(group), self._batch)
        ]

    def deliver(self, call: Call) -> Iterable[Receipt]:
        request: Request = call.request
        try:
            with self.org.within(DELIVERING):
                if request.object in COMPANIONS:
                    return list(self._beside(request, call.writes).values())
                work = self._update if request.kind == "update" else self._create
                return list(work(request.object, call.writes).values())
        except TryLater as exc:
            return [Receipt(key=w.key, result="limit", seconds=exc.seconds, message=exc.reason) for w in call.writes]
        except AccessRefused as exc:
            return [Receipt(key=w.key, result="auth", message=exc.reason) for w in call.writes]

    def find(self, object: str, keys: Sequence[str]) -> Mapping[str, Sequence[str]]:
        name, field, deleted = object, self._key, False
        if object in COMPANIONS:
            if object != TASK or self._tasks is None:
                return {}  # said once more, it finds what it made
            name, field, deleted = "Task", self._tasks.key, True  # also one that sales deleted was made
        wanted = {_external(key).casefold(): key for key in keys}
        select, found = f"SELECT Id, {field} FROM {name}", dict[str, list[str]]()
        with self.org.within(FINDING):
            rows = list(self.org.query_in(select, field, list(wanted), deleted=deleted, priority=1))
        for row in rows:
            if key := wanted.get(str(row.get(field) or "").casefold()):
                found.setdefault(key, []).append(row["Id"])
        return found

    def tasks(self, object: str, records: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        if self._tasks is None:
            return {}
        with self.org.within(FINDING):
            found = self._tasks.at(records)
        return {record: found.get(record[:15], {}) for record in records}

    def held(self, object: str, records: Sequence[str], fields: Sequence[str]) -> Mapping[str, Held]:
        names = sorted({"Id", "SystemModstamp", *fields} - {"ConvertedContactId"})
        select = f"SELECT {', '.join(names)} FROM {object}"
        try:
            with self.org.within(FINDING):  # of the reserve, too: what may be a handoff waits for this answer
                rows = list(self.org.query_in(select, "Id", records, priority=1))
        except RefusedCall as refused:
            if refused.fault.meaning == "mapping":  # no such field: the write will be told so
                return {}
            raise
        wanted = {id_[:15]: id_ for id_ in records}
        return {
            wanted[row["Id"][:15]]: Held(
                values={name: row.get(name) for name in fields if name in row}, at=moment(row["SystemModstamp"])
            )
            for row in rows
            if row["Id"][:15] in wanted
        }

    # -- records we know ----------------------------------------------------------------------------------------------

    def _update(self, object_: str, writes: Sequence[Write]) -> dict[str, Receipt]:
        bodies = [{"id": write.record, **self._values(write)} for write in writes]
        try:
            rows = self._rows.update(object_, bodies, _priority(writes))
        except NoAnswer as exc:  # the same values by id once more do no harm
            return {w.key: Receipt(key=w.key, result="retry", code="no answer", message=str(exc)) for w in writes}
        answers = {w.key: self._receipt(w, row) for w, row in zip(writes, rows, strict=True)}
        lost = [
            write
            for write, row in zip(writes, rows, strict=True)
            if row.fault is not None and row.fault.meaning in ("converted", "stale")
        ]
        return answers | self._follow(object_, lost, answers)

    def _follow(self, object_: str, writes: Sequence[Write], answers: Mapping[str, Receipt]) -> dict[str, Receipt]:
        """Where the records went that cannot be written any more: converted, merged, deleted."""
        if not writes:
            return {}
        names = ["Id", "IsDeleted", *(["MasterRecordId"] if object_ in _MERGED else [])]
        names += ["IsConverted", "ConvertedContactId"] if object_ == "Lead" else []
        ids = [write.record for write in writes if write.record]
        try:
            rows = {
                row["Id"][:15]: row
                for row in self.org.query_in(
                    f"SELECT {', '.join(names)} FROM {object_}", "Id", ids, deleted=True, priority=_priority(writes)
                )
            }
        except (NoAnswer, RefusedCall):
            return {write.key: Receipt(key=write.key, result="retry", code="moved away") for write in writes}
        return {write.key: _went(write, rows.get((write.record or "")[:15]), answers[write.key]) for write in writes}

    # -- people we do not know ----------------------------------------------------------------------------------------

    def _create(self, object_: str, writes: Sequence[Write]) -> dict[str, Receipt]:
        keys = {write.key: _external(write.key) for write in writes}
        answers: dict[str, Receipt] = {}
        if object_ in PEOPLE:
            answers, writes = _without_twins(writes)
            try:
                found = Meeting(self.org, self._key, [w for w in writes if not w.anyway], keys).meet()
                answers |= self._link([write for write in writes if write.key in found], found, keys)
            except NoAnswer as exc:  # so far nothing is made that could be made twice
                return {
                    w.key: Receipt(key=w.key, result="retry", code="no answer", message=str(exc)) for w in writes
                } | answers
            except RefusedCall as refused:
                return {w.key: self._refused(w.key, refused.fault) for w in writes} | answers
            writes = [write for write in writes if write.key not in found]
        return answers | self._make(object_, writes, keys)

    def _link(self, writes: Sequence[Write], found: Mapping[str, Any], keys: Mapping[str, str]) -> dict[str, Receipt]:
        """One record: it gets our key, and the gateway plans again what it should be told. Several: work for a person.

        Nothing else is written here: what a record holds that others made is looked at first.
        """
        answers: dict[str, Receipt] = {}
        stamps: dict[str, list[tuple[Write, str]]] = {}
        for write in writes:
            first, *others = found[write.key]
            if others:
                ids = _named(write, [(hit.object, hit.record) for hit in found[write.key]])
                answers[write.key] = Receipt(key=write.key, result="duplicate", candidates=ids)
            elif first.key and first.key.casefold() != keys[write.key].casefold():
                answers[write.key] = Receipt(
                    key=write.key,
                    result="rejected",
                    code="another lead's record",
                    fields=(self._key,),
                    message=f"{first.object} {first.record} carries the key of another lead",
                )
            elif first.key:
                answers[write.key] = linked(write, first.object, first.record)
            else:
                stamps.setdefault(first.object, []).append((write, first.record))
        for object_, some in stamps.items():
            bodies = [{"id": record, self._key: keys[write.key]} for write, record in some]
            rows = self._rows.update(object_, bodies, _priority(writes))
            for (write, record), row in zip(some, rows, strict=True):
                answers[write.key] = linked(write, object_, record) if row.record else self._receipt(write, row)
        return answers

    def _make(self, object_: str, writes: Sequence[Write], keys: Mapping[str, str]) -> dict[str, Receipt]:
        if not writes:
            return {}
        bodies = [{**self._values(write, new=True), self._key: keys[write.key]} for write in writes]
        try:
            rows = self._rows if not writes[0].anyway else Rows(self.org, OVERRULE)
            made = rows.upsert(object_, self._key, bodies, _priority(writes), self._settings["assign"])
        except NoAnswer as exc:
            result: Literal["unknown", "retry"] = "unknown" if exc.sent else "retry"
            return {w.key: Receipt(key=w.key, result=result, code="no answer", message=str(exc)) for w in writes}
        answers = {w.key: self._receipt(w, row) for w, row in zip(writes, made, strict=True)}
        singly = 0
        for write, row, body in zip(writes, made, bodies, strict=True):
            fault = row.fault
            if fault is None:
                continue
            if fault.meaning == "converted":
                answers |= self._converted(object_, write, keys[write.key])
            elif fault.code == "DUPLICATES_DETECTED" and not fault.matches:
                singly += 1
                if singly > SINGLY:
                    answers[write.key] = Receipt(key=write.key, result="retry", code=fault.code)
                else:
                    answers[write.key] = self._alone(object_, write, body)
        return answers

    def _alone(self, object_: str, write: Write, body: Mapping[str, Any]) -> Receipt:
        """Results of batches do not say which records a duplicate rule found; the answer to a single one does."""
        key = quote(str(body[self._key]), safe="")
        try:
            answer = self.org.call(
                "PATCH",
                f"sobjects/{object_}/{self._key}/{key}",
                body={name: value for name, value in body.items() if name != self._key},
                headers={**self._headers, "Sforce-Auto-Assign": self._settings["assign"]},
                priority=write.priority,
            )
        except RefusedCall as refused:
            return self._refused(write.key, refused.fault, write)
        except NoAnswer as exc:
            return Receipt(key=write.key, result="unknown" if exc.sent else "retry", code="no answer")
        if isinstance(answer, Mapping) and isinstance(answer.get("id"), str):
            return Receipt(key=write.key, result="done", record=answer["id"])
        return Receipt(key=write.key, result="unknown", code="no id")  # the gateway asks for the key

    def _converted(self, object_: str, write: Write, key: str) -> dict[str, Receipt]:
        """Our key stands on a lead that was converted between look-up and write."""
        try:
            rows = list(
                self.org.query_in(f"SELECT Id, ConvertedContactId FROM {object_}", self._key, [key], priority=1)
            )
        except (NoAnswer, RefusedCall):
            rows = []
        contact = next((row["ConvertedContactId"] for row in rows if row.get("ConvertedContactId")), "")
        if contact:
            return {write.key: Receipt(key=write.key, result="moved", object="Contact", record=contact)}
        return {write.key: Receipt(key=write.key, result="retry", code="CANNOT_UPDATE_CONVERTED_LEAD")}

    # -- what stands beside a person's record -------------------------------------------------------------------------

    def _beside(self, request: Request, writes: Sequence[Write]) -> dict[str, Receipt]:
        """Tasks and memberships. All of them may be said twice: an answer that never came only means once more."""
        priority = _priority(writes)
        try:
            if request.object == CAMPAIGN:
                rows = self._campaigns.put(writes, priority)
            elif self._tasks is None:
                raise RefusedCall([Fault("NOT_FOUND", "the settings have no task block")])
            else:
                rows = (self._tasks.change if request.kind == "update" else self._tasks.make)(writes, priority)
        except NoAnswer as exc:
            result: Literal["unknown", "retry"] = "unknown" if exc.sent and request.kind == "create" else "retry"
            return {w.key: Receipt(key=w.key, result=result, code="no answer", message=str(exc)) for w in writes}
        except RefusedCall as refused:
            return {w.key: self._refused(w.key, refused.fault) for w in writes}
        return {w.key: self._stood(w, row) for w, row in zip(writes, rows, strict=True)}

    def _stood(self, write: Write, row: Row) -> Receipt:
        fault = row.fault
        if fault is None:
            return self._receipt(write, row)
        if fault.meaning == "duplicate" or (write.record is None and fault.meaning in ("converted", "stale")):
            # Somebody was faster; or its person moved on, of whom there will be news.
            return Receipt(key=write.key, result="retry", seconds=60, code=fault.code, message=fault.told)
        if fault.meaning == "stale":
            return Receipt(key=write.key, result="gone", code=fault.code, message="deleted over there")
        return self._refused(write.key, fault)

    # -- between writes and rows --------------------------------------------------------------------------------------

    def _call(self, request: Request, writes: Sequence[Write]) -> Call:
        what = f"{len(writes)} {request.object}"
        if request.object in COMPANIONS:
            return self._call_beside(request, writes)
        if request.kind == "update":
            return Call(title=f"update {what}", writes=tuple(writes), request=request)
        if request.object not in PEOPLE:
            return Call(title=f"create {what}", writes=tuple(writes), request=request)
        keys = list(parts(_external(write.key) for write in writes))
        addresses = list(parts(str(write.fields.get("Email") or "") for write in writes))
        return Call(
            title=f"look up {what}, create those that are not there",
            writes=tuple(writes),
            request=request,
            cost=2 * len(keys) + 2 * len(addresses) + 1,
        )

    def _call_beside(self, request: Request, writes: Sequence[Write]) -> Call:
        count = f"{len(writes)} {'follow-up task' if request.object == TASK else 'campaign membership'}"
        count += "s" if len(writes) != 1 else ""
        if request.object == CAMPAIGN:
            return Call(title=f"look up {count}, make those that are not there", writes=tuple(writes),
                        request=request, cost=3)  # fmt: skip
        asks = request.kind == "update" or (self._tasks is not None and self._tasks.ownerless(writes))
        done = all(write.fields.get("done") for write in writes)
        title = f"{('close' if done else 'change') if request.kind == 'update' else 'make'} {count}"
        return Call(title=title, writes=tuple(writes), request=request, cost=1 + asks)

    def _values(self, write: Write, new: bool = False) -> dict[str, Any]:
        values = {
            name: self._raw(write.object, name, value) for name, value in write.fields.items() if name not in HINTS
        }
        values |= write.refs
        return {name: value for name, value in values.items() if value is not None} if new else values

    def _raw(self, object_: str, name: str, value: Any) -> Any:
        """Amounts leave the mapping as exact text; Salesforce takes numbers only."""
        mapped = getattr(getattr(self._mapping, "objects", {}).get(object_), "outbound", {}).get(name)
        if value is not None and getattr(mapped, "type", "") == "money":
            return float(value[0] if isinstance(value, list) else value)
        return ";".join(map(str, value)) if isinstance(value, list) else value

    def _receipt(self, write: Write, row: Row) -> Receipt:
        if row.fault is None:
            self._doubts.pop(write.key, None)
            return Receipt(key=write.key, result="done", record=row.record)
        return self._refused(write.key, row.fault, write)

    def _refused(self, key: str, fault: Fault, write: Write | None = None) -> Receipt:
        """What a fault means for one write. ``write``: of a create, so that a duplicate can be linked."""
        meaning = fault.meaning
        if meaning == "doubtful":
            self._doubts[key] = self._doubts.get(key, 0) + 1
            meaning = "transient" if self._doubts[key] < DOUBTS else "row"
        if meaning in ("transient", "session", "converted"):
            return Receipt(key=key, result="retry", seconds=fault.wait, code=fault.code, message=fault.told)
        if meaning == "limit":
            return Receipt(key=key, result="limit", seconds=fault.wait, code=fault.code, message=fault.told)
        if meaning == "auth":
            reason = f"Salesforce refused {self.org.tokens.reference} ({fault.told})"
            return Receipt(key=key, result="auth", code=fault.code, message=reason)
        if meaning == "duplicate" and write is not None and write.record is None and (there := _matches(fault, write)):
            if len(there) == 1:
                return linked(write, *there[0])
            return Receipt(key=key, result="duplicate", candidates=_named(write, there), code=fault.code)
        return Receipt(
            key=key,
            result="rejected",
            code=fault.code or f"HTTP {fault.status}",
            fields=fault.fields,
            scope="mapping" if meaning == "mapping" else "row",
            message=fault.message[:500],
        )


def _external(key: str) -> str:
    """What the record carries in our field: the lead's id, as it stands in the write's key."""
    found = _LEAD_ID.search(key)
    return found[1] if found else key


def _went(write: Write, row: Mapping[str, Any] | None, refused: Receipt) -> Receipt:
    if row is None:
        return Receipt(key=write.key, result="gone", message="not there any more, or hidden from us")
    if row.get("ConvertedContactId"):
        return Receipt(key=write.key, result="moved", object="Contact", record=row["ConvertedContactId"])
    master = row.get("MasterRecordId")
    if isinstance(master, str) and not same_id(master, row["Id"]):
        return Receipt(key=write.key, result="moved", object=write.object, record=master)
    if row.get("IsDeleted"):
        return Receipt(key=write.key, result="gone", message="deleted over there")
    if row.get("IsConverted"):
        return Receipt(key=write.key, result="gone", message="converted into a contact that we may not see")
    return refused  # it is there: another id in the write leads nowhere


def _without_twins(writes: Sequence[Write]) -> tuple[dict[str, Receipt], list[Write]]:
    """Two new people with one address in one batch: the second waits, and then meets the first."""
    seen: set[str] = set()
    late: dict[str, Receipt] = {}
    for write in writes:
        address = str(write.fields.get("Email") or "").strip().casefold()
        if address and address in seen:
            late[write.key] = Receipt(key=write.key, result="retry", seconds=10.0, code="same address in one batch")
        seen.add(address)
    return late, [write for write in writes if write.key not in late]


def _matches(fault: Fault, write: Write) -> Sequence[tuple[str, str]]:
    """(object, id) of the records that a create would double."""
    if fault.matches:
        return [(object_ or write.object, id_) for object_, id_ in fault.matches]
    held = _HELD_BY.search(fault.message)
    return [(write.object, held[1])] if held else []


def _named(write: Write, there: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Records as candidates: those of another object than the write's with its name."""
    return tuple(id_ if object_ == write.object else f"{object_}:{id_}" for object_, id_ in there)


def _priority(writes: Sequence[Write]) -> int:
    return min((write.priority for write in writes), default=5)
