"""What sales did comes in: changes by poll, deletions, merges, and the lead that became a contact.

``pull`` asks for the fields its mapping looks at, in the order of ``SystemModstamp``, and goes back a little each time:
rows are committed later than their stamp says. A page holds flat records under Salesforce's own field names, related
fields as ``Owner.Email``; the mapping file reads them. Conversions, deletions and merges need no rule there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import orjson

from gateway.contracts import (
    Answer,
    Context,
    Count,
    Cursor,
    Document,
    Estimate,
    Kind,
    Lookup,
    Page,
    Quarantined,
    ReadItem,
    RecordChanged,
    RecordConverted,
    RecordGone,
    RecordsMerged,
    Source,
    Verification,
)
from gateway.errors import NotFound, QuarantineDocument, Refused, TryLater
from gateway.payloads import decode_json
from gateway_salesforce import messages
from gateway_salesforce.codes import SOON, Fault
from gateway_salesforce.deletions import Deletions
from gateway_salesforce.meeting import CONTACT, LEAD
from gateway_salesforce.org import NoAnswer, Org, RefusedCall
from gateway_salesforce.overlap import after_row, cursor_of, digest, missed
from gateway_salesforce.pages import pages_of
from gateway_salesforce.past import Past, status, tables
from gateway_salesforce.quiet import Quiet
from gateway_salesforce.soql import NAME, cut, flat, literal, moment, value_of
from gateway_salesforce.tasks import OURS as CLOSED_BY_US

DELETIONS = "deletions"
ROLES = "OpportunityContactRole"
"""Not a record of its own: who takes part in an opportunity, and comes with it."""
ALWAYS: dict[str, tuple[str, ...]] = {
    "Lead": ("IsConverted", "ConvertedContactId", "ConvertedAccountId", "ConvertedOpportunityId"),
    "Contact": ("AccountId",),
    "Opportunity": ("AccountId", "IsClosed", "IsWon"),
    "CampaignMember": ("CampaignId", "LeadId", "ContactId"),
    "Task": ("WhoId",),
    "Event": ("WhoId",),
}
"""Fields that are asked for whether the mapping looks at them or not; Id and the times are for every object."""
ABOUT_PEOPLE = ("CampaignMember", "Task", "Event")
"""What is told of a person: records of these come as news of their lead or contact, named like ``Task.Status``."""
PEOPLE = ("Lead", "Contact")
OURS = frozenset({"contact_ids", "contact_roles", "deal_status", "object"})
"""Fields that this module adds to records; Salesforce has none of these names."""
ASKING = 26.0
"""Seconds for all that one page takes: the gateway gives it 30 before it gives its worker up."""
BATCH = 200
"""Records that are asked for by their ids at once."""
WINDOW = 2000
"""Records of one question."""
MISSED = timedelta(days=1)
"""So long is a field left out that the org said it does not have: it may be there again."""
_NO_FIELD = re.compile(r"No such column '([\w.]+)'")
_NO_RELATION = re.compile(r"relationship '(\w+)'")


class SalesforceSource(Source):
    """``settings`` as ``SettingsSchema`` loads them."""

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._settings = settings
        self._context = context
        self._org = Org(settings, context)
        self._mapped: Mapping[str, Any] = getattr(context.mapping, "objects", {})
        self._missing: dict[str, set[str]] = {}
        """Object → fields that the org does not have, or does not show us; asked for again the next day."""
        self._missed_until: datetime | None = None
        self._quiet = Quiet(self._org, settings["api_version"], self.streams)
        self._task_key: str = (settings.get("task") or {}).get("external_id", "")
        self._deletions = Deletions(self._org, context, settings["deletions"])
        self._past = Past(self._org, lambda table: self._warn("no history kept", table=table))
        tokens = tuple(settings[name] for name in ("outbound_messages", "next_outbound_messages") if name in settings)
        if tokens:
            self.verification = Verification(scheme="token", query="token", secrets=tokens)
            self.answer = Answer(body=messages.ACK, content_type="text/xml; charset=utf-8")

    # -- documents into events, purely --------------------------------------------------------------------------------

    def read(self, document: Document) -> Iterable[ReadItem]:
        if self._context.mapping is None:
            raise QuarantineDocument(f"the system {self._context.system!r} has no mapping file")
        if document.content_type.partition(";")[0].strip().lower() in ("text/xml", "application/xml"):
            return self._named(document)
        return self._events(document)

    def _named(self, document: Document) -> Iterator[ReadItem]:
        """An outbound message names records; what they hold now is fetched."""
        for object_, record in messages.records(document.body, self._settings.get("org_id")):
            yield Lookup(system=self._context.system, object=object_, record=record)

    def _events(self, document: Document) -> Iterator[ReadItem]:
        page = decode_json(document.body, keys=1_000_000)
        if not isinstance(page, dict) or not isinstance(page.get("records"), list):
            raise QuarantineDocument("no page of a pull: records are missing")
        assert self._context.mapping is not None
        yield from self._context.mapping.read(page.get("former") or [], document)
        converted: set[str] = set()
        for item in self._context.mapping.read(page["records"], document):
            if isinstance(item, RecordConverted):
                converted.add(item.record)
            elif document.history and isinstance(item, RecordChanged):  # what no change dates: by the last one of all
                item = replace(item, precision="unknown")
            yield item
        for row in page["records"]:
            if isinstance(row, dict) and row.get("object") == "Lead" and type(row.get("Id")) is str and row["Id"]:
                yield from self._conversion(row) if row["Id"] not in converted else ()
        deleted = page.get("deleted")
        for entry in deleted if isinstance(deleted, list) else ():
            yield self._deletion(entry)

    def _conversion(self, row: Mapping[str, Any]) -> Iterator[ReadItem]:
        contact = row.get("ConvertedContactId")
        if row.get("IsConverted") is True and isinstance(contact, str) and contact and "Lead" in self._kinds():
            try:
                at = moment(row["SystemModstamp"])
            except (KeyError, TypeError, ValueError):
                return  # the record itself is quarantined for it
            yield RecordConverted(
                system=self._context.system, object="Lead", kind="person", record=row["Id"], at=at,
                key=f"{self._context.system}:Lead:{row['Id']}:converted", to_object="Contact", to_record=contact,
            )  # fmt: skip

    def _deletion(self, entry: Any) -> ReadItem:
        try:
            object_, record, master = entry["object"], entry["id"], entry.get("master")
            at, kind = moment(entry["at"]), self._kinds()[object_]
            if not isinstance(record, str) or not record:
                raise ValueError("id")
        except (KeyError, TypeError, ValueError):
            return Quarantined(object="", record="", reason="a deletion without object, id or time")
        key = f"{self._context.system}:{object_}:{record}:deleted:{entry['at']}"
        if isinstance(master, str) and master[:15] != record[:15]:
            return RecordsMerged(
                system=self._context.system, object=object_, kind=kind, record=master, at=at, key=key, losers=(record,)
            )
        return RecordGone(
            system=self._context.system, object=object_, kind=kind, record=record, at=at, key=key, reason="deleted"
        )

    def _kinds(self) -> Mapping[str, Kind]:
        known: dict[str, Kind] = {"Lead": "person", "Contact": "person", "Account": "company", "Opportunity": "deal"}
        return {name: one.kind for name, one in self._mapped.items()} if self._mapped else known

    # -- what can be pulled -------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        objects = self._objects()
        roles = [ROLES] if "Opportunity" in objects else []
        return [*objects, *roles, *([DELETIONS] if objects else [])]

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """One object, from the cursor (or ``since``) on; ``deletions`` and the roles of opportunities beside them."""
        if stream not in self.streams():
            raise NotFound(f"no stream {stream!r}; there are {', '.join(self.streams())}")
        if stream == DELETIONS:
            told_of = (name for name in self._objects() if self._kinds().get(name, "user") != "user")
            return self._told(stream, self._deletions.told(told_of, cursor, since))
        if stream == ROLES:
            return self._told(stream, self._roles(cursor, since))
        if self._kinds().get(stream) == "user":  # who was there before is no history: they are all needed
            since = None
        return self._told(stream, self._changes(stream, cursor, since))

    def history(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """Records with what they were before, as far as the org tracks their fields: of opportunities their stages."""
        since = since if cursor is None else None
        if stream in (DELETIONS, ROLES) or stream not in self._mapped:
            return self.pull(stream, cursor, since)
        return self._told(stream, self._before(stream, cursor, since))

    def estimate(self, stream: str, since: datetime | None) -> Estimate | None:
        if stream in (DELETIONS, ROLES):
            return None
        where = f" WHERE SystemModstamp >= {literal(since)}" if since else ""
        try:
            answer = self._org.call("GET", "query/", params={"q": f"SELECT COUNT() FROM {stream}{where}"})
        except (RefusedCall, NoAnswer):
            return None
        records = int(answer["totalSize"])
        beside = len(tables(stream)) + (2 if stream == "Opportunity" else 0) if stream in self._mapped else 0
        return Estimate(records=records, calls=records // WINDOW + 1 + -(-records // BATCH) * beside)

    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        """In the order of ids, converted leads among them. ``count.at`` is a field with a time, not a day."""
        if not all(NAME.fullmatch(name) for name in (count.object, count.at, *count.where)):
            raise Refused(f"counts: {count.object} is counted by fields of its own, without expressions")
        given = [f"{name} IN ({','.join(map(value_of, values))})" for name, values in count.where.items()]
        within = [f"{count.at} >= {literal(since)}", f"{count.at} < {literal(until)}", *given]
        last = ""
        while True:
            where = " AND ".join([*within, *([f"Id > '{last}'"] if last else [])])
            names = ", ".join(sorted({"Id", count.at}))
            try:
                rows, done = self._org.query(
                    f"SELECT {names} FROM {count.object} WHERE {where} ORDER BY Id LIMIT {WINDOW}"
                )
            except RefusedCall as refused:
                raise Refused(f"{count.object}: Salesforce refused the question: {refused}") from None
            except NoAnswer as exc:
                raise TryLater(SOON, f"{count.object}: Salesforce gave no answer ({exc})") from None
            for row in rows:
                yield row["Id"], moment(flat(row)[count.at])
            if not rows or (done and len(rows) < WINDOW):
                return
            last = rows[-1]["Id"]

    def fetch(self, lookups: Sequence[Lookup]) -> Iterator[Page]:
        """Records by id, 200 to a question; those that are gone as deletions."""
        for object_, some in groupby(sorted(lookups, key=lambda one: one.object), key=lambda one: one.object):
            yield from self._told(object_, self._fetched(object_, list(some)))

    def per_fetch(self, object: str) -> int:
        return BATCH

    def _fetched(self, object_: str, wanted: Sequence[Lookup]) -> Iterator[Page]:
        ids = sorted({one.record for one in wanted})
        names = {name for one in wanted for name in one.fields} if all(one.fields for one in wanted) else None
        rows = self._by_id(object_, ids, names)
        there = {row["Id"][:15] for row in rows}
        lost = [record for record in ids if record[:15] not in there]
        deleted = [entry for part in cut(lost, 200) for entry in self._deletions.buried(object_, part)]
        items = self._items(object_, rows, names)
        # Without names all that is mapped is meant: of what sales did, too. What campaigns did is not read so often.
        others = ABOUT_PEOPLE if names is not None else ("Task", "Event")
        for other in others if object_ in PEOPLE else ():
            asked = self._reads(object_) if names is None else names
            fields = {name.removeprefix(f"{other}.") for name in asked if name.startswith(f"{other}.")}
            if fields and other not in self._mapped:
                key = f"{object_}Id" if other == "CampaignMember" else "WhoId"
                select = f"SELECT {', '.join(self._fields(other, fields))} FROM {other}"
                items += self._items(other, list(self._past.rows_of(select, key, ids)))
        yield from pages_of(object_, items, None, deleted=deleted)

    def _told(self, what: str, pages: Iterator[Page]) -> Iterator[Page]:
        """Page by page, each in its time. What goes wrong, in the gateway's errors: in words, and by what is to do."""
        while True:
            try:
                with self._org.within(ASKING):
                    page = next(pages, None)
            except RefusedCall as refused:
                raise Refused(f"{what}: Salesforce refused the question: {refused}") from None
            except NoAnswer as exc:
                raise TryLater(SOON, f"{what}: Salesforce gave no answer ({exc})") from None
            if page is None:
                return
            yield page

    def _objects(self) -> list[str]:
        if given := self._settings.get("objects"):
            return [name for name in given if name != ROLES]
        told = {path.partition(".")[0] for kind in PEOPLE for path in self._reads(kind)}
        return [*self._mapped, *(name for name in ABOUT_PEOPLE if name in told and name not in self._mapped)]

    def _reads(self, object_: str) -> Iterable[str]:
        """The field paths that the mapping looks at in records of one object."""
        reads: Iterable[str] = getattr(getattr(self._mapped.get(object_), "reader", None), "reads", ())
        return reads

    def _fields(self, object_: str, reads: Iterable[str] | None = None) -> list[str]:
        """What is asked for: the mapping's fields (or ``reads`` of them), and those that events are made of."""
        if reads is None and object_ in ABOUT_PEOPLE and object_ not in self._mapped:
            start = f"{object_}."
            reads = {
                path.removeprefix(start) for kind in PEOPLE for path in self._reads(kind) if path.startswith(start)
            }
        else:
            told = self._reads(object_) if reads is None else reads
            reads = {path for path in told if path.partition(".")[0] not in ABOUT_PEOPLE}
        names = {"Id", "SystemModstamp", "CreatedDate", *ALWAYS.get(object_, ())}
        names |= {self._task_key} if object_ == "Task" and self._task_key else set()
        names |= {name for name in reads if NAME.fullmatch(name) and name not in OURS}
        return sorted(names - self._lacks(object_))

    def _lacks(self, object_: str) -> set[str]:
        """Fields that are not asked for, because the org does not show them."""
        if self._missed_until is not None and self._context.now() >= self._missed_until:
            self._missed_until = None
            self._missing.clear()
        return self._missing.get(object_, set())

    # -- changes ------------------------------------------------------------------------------------------------------

    def _changes(self, object_: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """``without`` in a cursor: from that stamp on rows were read without a field that the org did not show; once it
        may show it again they are read once more, for what was edited in it meanwhile is nowhere else."""
        known = str((cursor or {}).get("without", ""))
        without = known if self._lacks(object_) else ""
        if known and not without:
            cursor = {"stamp": known}
        start = self._start(cursor, since)
        if self._quiet.still(object_, start):
            return
        new = False
        for rows, after, more in self._windows(object_, cursor, since):
            new = True
            if self._lacks(object_):
                without = without or known or rows[0]["SystemModstamp"]
            if without:
                after = {**after, "without": without}
            yield from pages_of(object_, self._items(object_, rows), after, more)
        if not new:
            self._quiet.found_nothing(object_, start)

    def _windows(
        self, object_: str, cursor: Cursor | None, since: datetime | None, names: Sequence[str] = ()
    ) -> Iterator[tuple[list[dict[str, Any]], Cursor, bool]]:
        """What is new since ``cursor``, window after window, each with the cursor behind it. Nothing when nothing is.

        The order (stamp, id) is a key: rows of one stamp are never skipped, however many there are.
        """
        overlap: timedelta = self._settings["overlap"]
        before = str(cursor["stamp"]) if cursor else ""
        start = self._start(cursor, since)
        where = f" WHERE SystemModstamp >= {start}" if start else ""
        again: list[dict[str, Any]] | None = [] if cursor else None
        trail: list[tuple[str, int]] = []
        more = True
        while more:
            rows, done = self._ask(object_, where, names)
            more = bool(rows) and (not done or len(rows) == WINDOW)
            fresh = [row for row in rows if row["SystemModstamp"] > before]
            if again is not None and cursor is not None:
                again += rows[: len(rows) - len(fresh)]
                if more and not fresh:
                    where = after_row(rows[-1])
                    continue  # all of it is overlap so far
                fresh = missed(again, cursor) + fresh
                trail += [(row["SystemModstamp"], digest(row)) for row in again]
                again = None
            trail += [(row["SystemModstamp"], digest(row)) for row in rows if row["SystemModstamp"] > before]
            if fresh:
                stamp = max(before, fresh[-1]["SystemModstamp"])
                back = moment(stamp) - overlap
                trail = [one for one in trail if moment(one[0]) >= back]
                yield fresh, cursor_of(stamp, trail), more
            if more:
                where = after_row(rows[-1])

    def _start(self, cursor: Cursor | None, since: datetime | None) -> str:
        """Where reading begins, as SOQL has times; "" = with everything."""
        start = moment(str(cursor["stamp"])) - self._settings["overlap"] if cursor else since
        return literal(start) if start else ""

    def _ask(self, object_: str, where: str, names: Sequence[str] = ()) -> tuple[list[dict[str, Any]], bool]:
        """One window. A field that the org does not have is left out from then on, and told once."""
        while True:
            fields = list(names) or self._fields(object_)
            soql = f"SELECT {', '.join(fields)} FROM {object_}{where} ORDER BY SystemModstamp, Id LIMIT {WINDOW}"
            try:
                return self._org.query(soql)
            except RefusedCall as refused:
                if names or not self._leave_out(object_, refused.fault, fields):
                    raise

    def _leave_out(self, object_: str, fault: Fault, asked: Sequence[str]) -> bool:
        if fault.code != "INVALID_FIELD":
            return False
        names: set[str] = set()
        if found := _NO_FIELD.search(fault.message):
            own = [name for name in asked if name.lower() == found[1].lower()]
            names = set(own or [name for name in asked if name.lower().endswith(f".{found[1].lower()}")])
        elif found := _NO_RELATION.search(fault.message):
            names = {name for name in asked if name.lower().startswith(f"{found[1].lower()}.")}
        names -= {"Id", "SystemModstamp"}
        if not names:
            return False
        self._missing.setdefault(object_, set()).update(names)
        self._missed_until = self._missed_until or self._context.now() + MISSED
        self._warn("no such field", object=object_, fields=sorted(names))
        return True

    def _warn(self, what: str, **more: Any) -> None:
        if self._context.log is not None:
            self._context.log.error(what, system=self._context.system, **more)

    # -- what records were --------------------------------------------------------------------------------------------

    def _before(self, object_: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        reader = getattr(self._mapped[object_], "reader", None)
        needs = reader.asked(()) if reader is not None else ()
        asked = set() if getattr(self._mapped[object_], "kind", "") == "user" else set(self._fields(object_))
        for rows, after, more in self._windows(object_, cursor, since):
            former = self._past.former(object_, [flat(row) for row in rows], asked, needs) if asked else []
            yield from pages_of(object_, self._items(object_, rows), after, more, former=former)

    # -- what belongs to a record -------------------------------------------------------------------------------------

    def _closed_by_us(self, object_: str, row: Mapping[str, Any]) -> bool:
        """A follow-up task that nobody had to do any more says nothing of what sales did."""
        return object_ == "Task" and str(row.get(self._task_key) or "").startswith(CLOSED_BY_US)

    def _items(
        self, object_: str, rows: Sequence[Mapping[str, Any]], reads: Iterable[str] | None = None
    ) -> list[dict[str, Any]]:
        if object_ in ABOUT_PEOPLE and object_ not in self._mapped:
            told = [row for row in rows if not self._closed_by_us(object_, row)]
            return [item for row in told if (item := _of_person(object_, flat(row)))]
        # Blank where there is none.
        related = dict.fromkeys(name for name in self._fields(object_, reads) if "." in name)
        items = [{"object": object_, **related, **flat(row)} for row in rows]
        if object_ == "Opportunity" and items:
            self._add_roles(items)
        return items

    def _add_roles(self, items: Sequence[dict[str, Any]]) -> None:
        """How each stands, and who takes part: ``contact_ids``, the primary one first, with their ``contact_roles``."""
        roles: dict[str, list[Mapping[str, Any]]] = {}
        select = f"SELECT Id, OpportunityId, ContactId, Role, IsPrimary FROM {ROLES}"
        for part in cut([item["Id"] for item in items], 100):
            for row in self._org.query_in(select, "OpportunityId", part):
                roles.setdefault(row["OpportunityId"][:15], []).append(row)
        for item in items:
            item["deal_status"] = status(item)
            mine = sorted(roles.get(item["Id"][:15], ()), key=lambda row: (not row.get("IsPrimary"), row["Id"]))
            item["contact_ids"] = list(dict.fromkeys(row["ContactId"] for row in mine if row.get("ContactId")))
            item["contact_roles"] = [row.get("Role") or "" for row in mine if row.get("ContactId")]

    def _roles(self, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """A role that comes or goes does not touch its opportunity's stamp: those opportunities are read again."""
        names = ["Id", "OpportunityId", "SystemModstamp"]
        start = self._start(cursor, since)
        if self._quiet.still(ROLES, start):
            return
        if cursor is None and since is None:  # all opportunities bring their roles along
            rows, _ = self._newest(ROLES)
            if rows:
                stamp = rows[0]["SystemModstamp"]
                yield Page(
                    document=orjson.dumps({"object": "Opportunity", "records": []}), cursor={"stamp": stamp, "seen": []}
                )
            else:
                self._quiet.found_nothing(ROLES, start)
            return
        new = False
        for rows, after, more in self._windows(ROLES, cursor, since, names):
            new = True
            ids = sorted({row["OpportunityId"] for row in rows})
            deals = self._by_id("Opportunity", ids)
            yield from pages_of("Opportunity", self._items("Opportunity", deals), after, more)
        if not new:
            self._quiet.found_nothing(ROLES, start)

    def _newest(self, object_: str) -> tuple[list[dict[str, Any]], bool]:
        return self._org.query(f"SELECT Id, SystemModstamp FROM {object_} ORDER BY SystemModstamp DESC LIMIT 1")

    def _by_id(self, object_: str, ids: Sequence[str], reads: Iterable[str] | None = None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for part in cut(ids, BATCH):
            while True:
                fields = self._fields(object_, reads)
                try:
                    rows += self._org.query_in(f"SELECT {', '.join(fields)} FROM {object_}", "Id", part)
                    break
                except RefusedCall as refused:
                    if not self._leave_out(object_, refused.fault, fields):
                        raise
        return rows


def _of_person(object_: str, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """A task, event or campaign membership as news of the person it is about; None when it is about nobody."""
    who = row.get("ContactId") or row.get("LeadId") or row.get("WhoId")
    kind = {CONTACT: "Contact", LEAD: "Lead"}.get(str(who or "")[:3])
    if kind is None:
        return None
    news = {f"{object_}.{name}": value for name, value in row.items()}
    return {"object": kind, "Id": who, "SystemModstamp": row["SystemModstamp"], **news}
