"""What people did, where HubSpot keeps it apart from their records. Pulled only where the settings name it.

Form submissions and e-mail events name a person by e-mail address only: they are flat items for the mapping file. Page
views and meetings name the contact: they are activities of that record, without any rule. All of them carry keys of
their own, so nothing is counted twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from gateway.contracts import ActivityHappened, Cursor, Page
from gateway_hubspot.client import Client
from gateway_hubspot.records import Shape, millis, milliseconds, moment

STREAMS = {"form_submissions": "form_submission", "email_events": "email_event"}
PAGE_VIEWS, MEETING = "page_views", "meeting"
MEETINGS = Shape(
    MEETING, MEETING, "person", ("hs_meeting_outcome", "hs_meeting_start_time", "hs_timestamp"), ("contact",), ()
)
"""Stream → what its items are called in the mapping file."""
TYPES = ("CLICK", "OPEN")
EVENTS = 300
SUBMISSIONS = 50
VISITS = 100
OVERLAP = timedelta(minutes=60)
"""Both are known to tell of something late."""


def items(stream: str, results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Flat items. A form submission has ``id, time, form, form_id, page`` and the form's own fields, such as ``email``;
    an e-mail event has ``id, time, type`` (open | click), ``email, campaign, url``."""
    make = _submission if stream == "form_submissions" else _email_event
    return [make(result) for result in results]


def pull(stream: str, client: Client, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
    start = millis(since) if since else (cursor or {}).get("to", 0)
    if stream == "form_submissions":
        yield from _submissions(client, start)
    else:
        yield from _email_events(client, start, cursor if since is None and cursor and "offset" in cursor else None)


def visits(client: Client, cursor: Cursor | None, since: datetime) -> Iterator[Page]:
    """Page views of all contacts from ``since``, or from where the cursor stands, oldest first (Enterprise only)."""
    begin = (cursor or {}).get("begin") or max(0, (cursor or {}).get("to", millis(since)) - milliseconds(OVERLAP))
    newest, after = (cursor or {}).get("newest", (cursor or {}).get("to", 0)), (cursor or {}).get("after", "")
    while True:
        query: list[tuple[str, Any]] = [("eventType", "e_visited_page"), ("occurredAfter", _iso(begin))]
        query += [("sort", "occurredAt"), ("limit", VISITS), *([("after", after)] if after else [])]
        reply = client.get("/events/v3/events", query)
        times = [at for one in reply.results if (at := moment(one.get("occurredAt"))) is not None]
        newest, after = max([newest, *map(millis, times)]), reply.after
        here = {"begin": begin, "newest": newest, "after": after}
        if reply.results:
            yield _page(PAGE_VIEWS, reply.results, here if after else {"to": newest}, bool(after))
        if not after:
            return


def page_views(system: str, contact: Shape, results: Sequence[Mapping[str, Any]]) -> Iterator[ActivityHappened]:
    """The query of an address is left out, for it may hold anything; its campaign is told."""
    for one in results:
        at, record = moment(one.get("occurredAt")), str(one.get("objectId") or "")
        if at is None or not record or str(one.get("objectType", "contact")).lower() != "contact":
            continue
        properties = one.get("properties")
        url = urlsplit(str(properties.get("hs_url") or "") if isinstance(properties, Mapping) else "")
        yield ActivityHappened(
            system=system, object=contact.name, kind=contact.kind, record=record, at=at,
            key=f"{system}:event:{one.get('id')}"[:250], activity="page_view",
            asset=f"{url.netloc}{url.path}"[:500], channel="web",
            campaign=next(iter(parse_qs(url.query).get("utm_campaign", ())), "")[:200],
        )  # fmt: skip


def meetings(
    system: str, contact: Shape, results: Sequence[Mapping[str, Any]], contacts: Mapping[str, Sequence[str]]
) -> Iterator[ActivityHappened]:
    """``meeting_booked`` when it was entered, ``meeting_held`` when it took place."""
    for one in results:
        id_, properties = str(one.get("id")), one.get("properties") or {}
        held = moment(properties.get("hs_meeting_start_time") or properties.get("hs_timestamp"))
        done = str(properties.get("hs_meeting_outcome") or "").upper() == "COMPLETED"
        told = [("meeting_booked", moment(one.get("createdAt"))), ("meeting_held", held if done else None)]
        for record in contacts.get(id_, ()):
            for activity, at in told:
                if at is not None:
                    yield ActivityHappened(
                        system=system, object=contact.name, kind=contact.kind, record=record, at=at,
                        key=f"{system}:{activity}:{id_}:{record}", activity=activity, channel="sales",
                    )  # fmt: skip


def _submissions(client: Client, start: int) -> Iterator[Page]:
    """Newest first, form by form, down to what is known. The cursor moves when all forms have been asked."""
    newest, oldest = start, max(0, start - milliseconds(OVERLAP))
    pending: Page | None = None
    for form in _forms(client):
        guid, after = str(form.get("id")), ""
        while True:
            path = f"/form-integrations/v1/submissions/forms/{guid}"
            reply = client.get(path, [("limit", SUBMISSIONS), *([("after", after)] if after else [])])
            results = [one for one in reply.results if int(one.get("submittedAt") or 0) >= oldest]
            newest = max([newest, *(int(one.get("submittedAt") or 0) for one in results)])
            if results:
                named = [{**one, "form": form.get("name"), "form_id": guid} for one in results]
                if pending is not None:
                    yield pending
                pending = _page("form_submissions", named, {"to": start}, True)
            after = reply.after
            if not after or len(results) < len(reply.results):
                break
    if pending is not None:
        yield Page(document=pending.document, cursor={"to": newest}, more=False, records=pending.records)


def _forms(client: Client) -> Iterator[Mapping[str, Any]]:
    after = ""
    while True:
        reply = client.get("/marketing/v3/forms", [("limit", 100), *([("after", after)] if after else [])])
        yield from reply.results
        after = reply.after
        if not after:
            return


def _email_events(client: Client, start: int, cursor: Cursor | None) -> Iterator[Page]:
    begin = cursor["begin"] if cursor else max(1, start - milliseconds(OVERLAP))
    newest = cursor["newest"] if cursor else start
    types = TYPES[TYPES.index(cursor["type"]) :] if cursor else TYPES
    offset = cursor["offset"] if cursor else ""
    for type_ in types:
        while True:
            query = [("startTimestamp", begin), ("eventType", type_), ("limit", EVENTS)]
            reply = client.get("/email/public/v1/events", [*query, *([("offset", offset)] if offset else [])], "events")
            data = reply.data
            events = [one for one in data["events"] if isinstance(one, dict)]
            newest = max([newest, *(int(one.get("created") or 0) for one in events)])
            offset = str(data.get("offset") or "") if data.get("hasMore") else ""
            last = not offset and type_ == TYPES[-1]
            here = {"begin": begin, "newest": newest, "type": type_, "offset": offset}
            if events:
                yield _page("email_events", events, {"to": newest} if last else here, not last)
            elif last and newest > start:
                yield Page(document=b"", cursor={"to": newest})
            if not offset:
                break


def _page(stream: str, results: Sequence[Mapping[str, Any]], cursor: Cursor, more: bool) -> Page:
    body = orjson.dumps({"object": stream, "results": results})
    return Page(document=body, cursor=cursor, more=more, records=len(results))


def _submission(result: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        value["name"]: value.get("value")
        for value in result.get("values") or ()
        if isinstance(value, dict) and isinstance(value.get("name"), str)
    }
    return {
        **values,
        "object": STREAMS["form_submissions"],
        "id": result.get("conversionId"),
        "time": _iso(result.get("submittedAt")),
        "form": result.get("form"),
        "form_id": result.get("form_id"),
        "page": result.get("pageUrl"),
    }


def _email_event(result: Mapping[str, Any]) -> dict[str, Any]:
    campaign = result.get("emailCampaignId")
    return {
        "object": STREAMS["email_events"],
        "id": f"{result.get('id')}:{result.get('created')}",
        "time": _iso(result.get("created")),
        "type": str(result.get("type")).lower(),
        "email": result.get("recipient"),
        "campaign": str(campaign) if campaign is not None else None,
        "url": result.get("url"),
    }


def _iso(value: Any) -> str:
    at = moment(value)
    return at.isoformat().replace("+00:00", "Z") if at else ""
