"""HubSpot in: webhooks name records, ``fetch`` reads them, ``pull`` brings what changed without any webhook.

``pull`` of an object begins with its whole list, then asks for what changed since, in windows that end a minute before
HubSpot's own time (its index lags) and overlap by five. Inside a window records are paged by id, not by offset: search
gives 10,000 results and no more, and month-end updates give more records than that one and the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from gateway.contracts import (
    Context,
    Count,
    Cursor,
    Document,
    Estimate,
    Lookup,
    Page,
    ReadItem,
    RecordChanged,
    Skipped,
    Source,
)
from gateway.errors import QuarantineDocument
from gateway.payloads import decode_json
from gateway_hubspot import activities, owners
from gateway_hubspot.client import Client, Failure, Reply
from gateway_hubspot.records import (
    KINDS,
    MERGED,
    STAGE,
    STAGES,
    Shape,
    cut,
    deletions,
    flat,
    former,
    linked,
    millis,
    milliseconds,
    modified,
    moment,
    moves,
    plural,
    properties,
    shapes,
    singular,
)
from gateway_hubspot.webhooks import read_notifications

BATCH = 100
BATCH_HISTORY = 50
SEARCH = 200
OVERLAP = timedelta(minutes=5)
LAG = timedelta(seconds=60)
DELETED = "deleted "
"""Before the name of an object: the stream of its recycle bin."""
DAY = 86_400_000
"""Milliseconds between two looks into a recycle bin."""
OVERLAP_BIN = 3_600_000
FIRST_VISITS = timedelta(days=90)
"""How far back page views are fetched the first time."""
MAX_PAGE = 1_000_000
"""Bytes of a page; the gateway takes 1 MiB."""
MAX_SEARCH = 2_900
"""Characters of a search request; HubSpot takes 3,000."""
MAX_LINE = 3_000
"""Characters of property names in a GET, whose address must not become too long."""


class HubSpotSource(Source):
    """Webhooks where ``client_secret`` is set, lookups, and one stream per object and kind of activity."""

    def __init__(self, settings: Mapping[str, Any], context: Context, client: Client | None = None) -> None:
        """``settings`` as ``SettingsSchema`` loads them."""
        self.verification = settings["verification"]
        self._settings = settings
        self._context = context
        self._system = context.system
        self._shapes = shapes(context.mapping)
        self._client = client or Client(settings, context)

    # -- bytes into events: no network, no clock ----------------------------------------------------------------------

    def read(self, document: Document) -> Iterable[ReadItem]:
        if self._context.mapping is None:
            raise QuarantineDocument(f"the system {self._system!r} has no mapping file")
        payload = decode_json(document.body, keys=1_000_000)
        if isinstance(payload, list):
            return read_notifications(payload, self._system, self._shapes, self._settings.get("portal_id"))
        if isinstance(payload, dict) and isinstance(payload.get("results"), list):
            return self._page(payload, document)
        raise QuarantineDocument("neither a list of notifications nor a page of records")

    def _page(self, page: Mapping[str, Any], document: Document) -> Iterator[ReadItem]:
        assert self._context.mapping is not None
        object_ = str(page.get("object"))
        results = [result for result in page["results"] if isinstance(result, dict)]
        if object_ in activities.STREAMS:
            yield from self._context.mapping.read(activities.items(object_, results), document)
            return
        if object_ in (activities.PAGE_VIEWS, activities.MEETING):
            yield from self._activities(object_, results, page)
            return
        shape = self._shapes.get(object_)
        needs = shape.needs if shape else ()
        if dated := [item for result in results for item in former(object_, result, needs)]:
            yield from self._context.mapping.read(dated, document)
        if now := [flat(object_, result, _tables(page.get("associations"))) for result in results]:
            for item in self._context.mapping.read(now, document):
                if document.history and isinstance(item, RecordChanged):  # what no version dates: by its last change
                    item = replace(item, precision="unknown")
                yield item
        if shape is not None:
            yield from moves(self._system, shape, results, _ids(page.get("missing")), document)
            deleted = page.get("deleted")
            yield from deletions(self._system, shape, deleted if isinstance(deleted, list) else ())

    def _activities(
        self, object_: str, results: Sequence[Mapping[str, Any]], page: Mapping[str, Any]
    ) -> Iterator[ReadItem]:
        contact = self._shapes.get("contact")
        if contact is None:
            yield Skipped(object=object_, record="", reason="of no mapped object")
        elif object_ == activities.PAGE_VIEWS:
            yield from activities.page_views(self._system, contact, results)
        else:
            contacts = _tables(page.get("associations")).get("contact_ids") or {}
            yield from activities.meetings(self._system, contact, results, contacts)

    # -- lookups ------------------------------------------------------------------------------------------------------

    def fetch(self, lookups: Sequence[Lookup]) -> Iterator[Page]:
        groups: dict[tuple[str, tuple[str, ...]], dict[str, None]] = {}
        for lookup in lookups:
            wanted = groups.setdefault((singular(lookup.object), tuple(sorted(lookup.fields))), {})
            wanted[lookup.record] = None
        for (object_, fields), records in groups.items():
            shape = self._shapes.get(object_)
            if shape is None:
                continue  # the mapping has dropped it since
            for ids in cut(list(records), BATCH):
                reply = self._read(shape, ids, sorted(properties(fields) & {*shape.properties}))
                results = reply.results
                found = {str(result.get("id")) for result in results}
                missing = [record for record in ids if record not in found]
                others = [other for other in shape.associated if not fields or f"{other}_ids" in fields]
                whole = replace(shape, associated=tuple(others))
                yield from self._pages(whole, results, None, None, False, missing)

    def per_fetch(self, object: str) -> int:
        return BATCH if singular(object) in KINDS else 0  # activities have no records of their own

    # -- streams ------------------------------------------------------------------------------------------------------

    def streams(self) -> Sequence[str]:
        objects = [path for path in self._settings["objects"] if singular(path) in self._shapes]
        deleted = [f"{DELETED}{path}" for path in objects]
        users = [owners.OWNERS] if owners.OWNER in self._shapes else []
        return [*objects, *self._settings["activities"], *users, *deleted]

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        if stream in activities.STREAMS:
            yield from activities.pull(stream, self._client, cursor, since)
            return
        if stream == owners.OWNERS:
            yield from owners.pull(self._client, cursor)
            return
        if stream == activities.PAGE_VIEWS:
            begin = since or self._context.now() - FIRST_VISITS
            yield from activities.visits(self._client, None if since else cursor, begin)
            return
        if stream.startswith(DELETED):
            yield from self._deleted(self._shapes[singular(stream.removeprefix(DELETED))], cursor)
            return
        shape = activities.MEETINGS if stream == activities.MEETINGS.path else self._shapes[singular(stream)]
        yield from self._records(shape, cursor, since)

    def history(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """Records with the former values of their properties, as far as HubSpot keeps them, and the dates of stages."""
        if singular(stream) in KINDS:
            shape = self._shapes[singular(stream)]
            names = set(self._settings["history"]) & {*shape.properties} or {*shape.properties} - {MERGED}
            if shape.object == "contact" and STAGE in names:
                dates = {f"hs_{STAGE}_{stage}_date" for stage in self._stages()}
                shape = replace(shape, properties=tuple(sorted({*shape.properties, *dates})))
            yield from self._records(shape, cursor, since if cursor is None else None, sorted(names))
        elif stream == activities.PAGE_VIEWS:
            yield from activities.visits(self._client, cursor, since or datetime.fromtimestamp(0, UTC))
        else:
            yield from self.pull(stream, cursor, since if cursor is None else None)

    def estimate(self, stream: str, since: datetime | None) -> Estimate | None:
        if singular(stream) not in KINDS or stream.startswith(DELETED):
            return None
        shape = self._shapes[singular(stream)]
        request: dict[str, Any] = {"limit": 1, "properties": ["hs_object_id"]}
        if since is not None:
            changed = {"propertyName": modified(shape.path), "operator": "GTE", "value": str(millis(since))}
            request["filterGroups"] = [{"filters": [changed]}]
        records = int(self._client.search(shape.path, request).data.get("total") or 0)
        pages = records // BATCH_HISTORY + 1
        listing = 1 if len(",".join(shape.properties)) * 2 <= MAX_LINE and since is None else 2
        return Estimate(records=records, calls=pages * (listing + len(shape.associated)))

    def counted(self, count: Count, since: datetime, until: datetime) -> Iterator[tuple[str, datetime]]:
        """By search, in the order of ids: its index lags a little, so what began this minute may not be in it yet."""
        last = ""
        within = {"operator": "BETWEEN", "value": str(millis(since)), "highValue": str(millis(until) - 1)}
        filters: list[dict[str, Any]] = [{"propertyName": count.at, **within}]
        for name, values in count.where.items():
            said = [str(one).lower() if isinstance(one, bool) else str(one) for one in values]
            filters.append({"propertyName": name, "operator": "IN", "values": said})
        while True:
            after = [{"propertyName": "hs_object_id", "operator": "GT", "value": last}] if last else []
            request = {
                "filterGroups": [{"filters": [*filters, *after]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": [count.at],
                "limit": SEARCH,
            }
            results = self._client.search(plural(count.object), request).results
            for result in results:
                at = moment((result.get("properties") or {}).get(count.at))
                if at is not None:
                    yield str(result["id"]), at
            if len(results) < SEARCH:
                return
            last = str(results[-1]["id"])

    def _stages(self) -> Sequence[str]:
        """The account's own lifecycle stages, too; HubSpot's, where it does not say."""
        try:
            reply = self._client.page(self._client.properties.get_all, "contacts", archived=False)
        except Failure:
            return STAGES
        options = next((one.get("options") or () for one in reply.results if one.get("name") == STAGE), ())
        return [str(one["value"]) for one in options if one.get("value")] or STAGES

    def _records(
        self, shape: Shape, cursor: Cursor | None, since: datetime | None, history: Sequence[str] = ()
    ) -> Iterator[Page]:
        if since is not None:
            cursor = {"to": millis(since)}
        if cursor is None or "list" in cursor:
            yield from self._list(shape, cursor, history)
        else:
            yield from self._window(shape, cursor, history)

    def _list(self, shape: Shape, cursor: Cursor | None, history: Sequence[str]) -> Iterator[Page]:
        """All records, by HubSpot's own order. What changes meanwhile comes with the window that begins here."""
        after = cursor["list"] if cursor else ""
        begun = cursor.get("begun") if cursor else None
        inline = len(",".join([*shape.properties, *history])) <= MAX_LINE
        limit = BATCH_HISTORY if history else BATCH
        while True:
            names = shape.properties if inline else ("hs_object_id",)
            more: dict[str, Any] = {"after": after} if after else {}
            if history and inline:
                more["properties_with_history"] = list(history)
            reply = self._client.page(
                self._client.basic.get_page, shape.path, limit=limit, properties=list(names), archived=False, **more
            )
            begun = begun or millis(reply.at or self._oldest(reply, shape))
            results = self._whole(shape, reply, inline, history)
            last, after = after, reply.after
            before = {"list": last, "begun": begun}
            yield from self._pages(
                shape, results, before, {"list": after, "begun": begun} if after else {"to": begun}, bool(after)
            )
            if not after:
                return

    def _window(self, shape: Shape, cursor: Cursor, history: Sequence[str]) -> Iterator[Page]:
        """What changed in one window. HubSpot's first answer tells where it ends, and that is fixed from then on."""
        start = cursor["from"] if "from" in cursor else cursor["to"] - milliseconds(OVERLAP)
        end, last = cursor.get("until"), cursor.get("last", "")
        while True:
            reply, inline = self._search(shape, start, end, last)
            found = reply.results
            if end is None:
                end = max(start, millis(reply.at or self._newest(reply, shape, start)) - milliseconds(LAG))
                if not found:
                    return  # nothing new, nothing to store: the window grows until there is
            whole = {
                str(result.get("id")): result for result in self._whole(shape, reply, inline and not history, history)
            }
            more = len(found) == SEARCH
            before = {"from": start, "until": end, "last": last}
            last = str(found[-1].get("id")) if found else last
            after = {**before, "last": last} if more else {"to": max(end, cursor.get("to", 0))}
            yield from self._pages(shape, list(whole.values()), before, after, more)
            if not more:
                return

    def _deleted(self, shape: Shape, cursor: Cursor | None) -> Iterator[Page]:
        """What went to the recycle bin since the last look, once a day: for accounts without webhooks.

        The first look only notes HubSpot's time: nobody here knows who was deleted before.
        """
        if cursor is not None and "swept" in cursor and millis(self._context.now()) < cursor["swept"] + DAY:
            return
        after, begun = (cursor or {}).get("after", ""), (cursor or {}).get("begun")
        since = (cursor or {}).get("since") or (cursor or {}).get("swept")
        while True:
            more = {"after": after} if after else {}
            reply = self._client.page(
                self._client.basic.get_page, shape.path, limit=BATCH, properties=["hs_object_id"], archived=True, **more
            )
            begun = begun or millis(reply.at or self._context.now())
            after = reply.after if since is not None else ""
            cursor = {"after": after, "begun": begun, "since": since} if after else {"swept": begun}
            gone = [
                {"id": one.get("id"), "archivedAt": one.get("archivedAt")}
                for one in reply.results
                if since is not None and (at := moment(one.get("archivedAt"))) and millis(at) >= since - OVERLAP_BIN
            ]
            body = orjson.dumps({"object": shape.object, "results": [], "deleted": gone}) if gone else b""
            yield Page(document=body, cursor=cursor, more=bool(after), records=len(gone))
            if not after:
                return

    def _search(self, shape: Shape, start: int, end: int | None, last: str) -> tuple[Reply, bool]:
        """One page of a window, and whether it holds the properties, too: their names may not fit the question."""
        name = modified(shape.path)
        changed: dict[str, Any] = {"propertyName": name, "operator": "GTE", "value": str(start)}
        if end is not None:
            changed = {"propertyName": name, "operator": "BETWEEN", "value": str(start), "highValue": str(end)}
        filters = [changed]
        if last:
            filters.append({"propertyName": "hs_object_id", "operator": "GT", "value": last})
        request = {
            "filterGroups": [{"filters": filters}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(shape.properties),
            "limit": SEARCH,
        }
        inline = len(orjson.dumps(request)) * 1.1 <= MAX_SEARCH  # the library writes blanks between the parts
        if not inline:
            request["properties"] = [name]
        return self._client.search(shape.path, request), inline

    # -- records ------------------------------------------------------------------------------------------------------

    def _read(self, shape: Shape, ids: Sequence[str], fields: Sequence[str] = (), history: Sequence[str] = ()) -> Reply:
        request: dict[str, Any] = {
            "inputs": [{"id": id_} for id_ in ids],
            "properties": list(fields or shape.properties),
        }
        if history:
            request["propertiesWithHistory"] = list(history)
        return self._client.page(self._client.batch.read, shape.path, request, archived=False)

    def _whole(self, shape: Shape, reply: Reply, inline: bool, history: Sequence[str] = ()) -> list[dict[str, Any]]:
        results = reply.results
        if inline or not results:
            return results
        whole: list[dict[str, Any]] = []
        for ids in cut([str(result.get("id")) for result in results], BATCH_HISTORY if history else BATCH):
            whole += self._read(shape, ids, history=history).results
        return whole

    def _pages(
        self,
        shape: Shape,
        results: Sequence[Mapping[str, Any]],
        before: Cursor | None,
        after: Cursor | None,
        more: bool,
        missing: Sequence[str] = (),
    ) -> Iterator[Page]:
        """One page, or as many as its size needs; only the last moves the cursor."""
        if not results and not missing:
            if after is not None:  # nothing to store, but the cursor moves
                yield Page(document=b"", cursor=after, more=more)
            return
        associations = self._associations(shape, [str(result.get("id")) for result in results])
        parts = _cut(shape.object, list(results), associations, list(missing))
        for number, (count, body) in enumerate(parts, 1):
            last = number == len(parts)
            yield Page(document=body, cursor=after if last else before, more=more or not last, records=count)

    def _associations(self, shape: Shape, ids: Sequence[str]) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {}
        for other in shape.associated if ids else ():
            request = {"inputs": [{"id": id_} for id_ in ids]}
            reply = self._client.page(self._client.associations.get_page, shape.path, plural(other), request)
            found[f"{other}_ids"] = {str(result["from"]["id"]): linked(result) for result in reply.results}
        return found

    def _oldest(self, reply: Reply, shape: Shape) -> datetime:
        """Where HubSpot tells no time, the data does: nothing older than its first record can be missed."""
        times = self._times(reply, shape)
        return min(times) if times else datetime.fromtimestamp(0, UTC)

    def _newest(self, reply: Reply, shape: Shape, start: int) -> datetime:
        times = self._times(reply, shape)
        return max(times) if times else datetime.fromtimestamp(start / 1000, UTC)

    def _times(self, reply: Reply, shape: Shape) -> list[datetime]:
        times = [moment(result.get("updatedAt")) for result in reply.results]
        return [at for at in times if at is not None]


def _cut(
    object_: str,
    results: list[Mapping[str, Any]],
    associations: Mapping[str, Mapping[str, list[str]]],
    missing: list[str],
) -> list[tuple[int, bytes]]:
    page: dict[str, Any] = {"object": object_, "results": results}
    if associations:
        here = {str(result.get("id")) for result in results}
        page["associations"] = {
            name: {id_: others for id_, others in ids.items() if id_ in here} for name, ids in associations.items()
        }
    if missing:
        page["missing"] = missing
    body = orjson.dumps(page)
    if len(body) <= MAX_PAGE or len(results) < 2:
        return [(len(results), body)]
    half = len(results) // 2
    return [
        *_cut(object_, results[:half], associations, []),
        *_cut(object_, results[half:], associations, missing),
    ]


def _tables(given: Any) -> dict[str, Mapping[str, Any]]:
    """Of what stands where a page's associations do, what can be some."""
    tables = given.items() if isinstance(given, Mapping) else ()
    return {name: ids for name, ids in tables if isinstance(ids, Mapping)}


def _ids(given: Any) -> list[str]:
    return [one for one in given if isinstance(one, str) and one] if isinstance(given, list) else []
