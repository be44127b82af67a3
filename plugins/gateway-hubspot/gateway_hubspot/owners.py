"""HubSpot's users as owners of records: the whole list at each look, those who left included; a page when it changed.

They come for a mapped object ``owner`` of kind user; the token needs the scope crm.objects.owners.read. HubSpot tells
no time zone of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from gateway.contracts import Cursor, Page
from gateway_hubspot.client import Client

OWNERS, OWNER = "owners", "owner"
"""Stream, and the mapping's word for one of its items."""
LIMIT = 500
MOST = 1000
"""Records of a page."""


def pull(client: Client, cursor: Cursor | None) -> Iterator[Page]:
    """The cursor is a digest of the list: an unchanged one makes no page."""
    found = [_item(one) for archived in (False, True) for one in _listed(client, archived)]
    after = {"sum": hashlib.sha256(orjson.dumps(found)).hexdigest()[:16]}
    if cursor == after:
        return
    for start in range(0, len(found), MOST):
        part = found[start : start + MOST]
        last = start + MOST >= len(found)
        body = orjson.dumps({"object": OWNER, "results": part})
        yield Page(document=body, cursor=after if last else cursor, more=not last, records=len(part))


def _listed(client: Client, archived: bool) -> Iterator[Mapping[str, Any]]:
    query: list[tuple[str, Any]] = [("limit", LIMIT), ("archived", "true" if archived else "false")]
    after = ""
    while True:
        reply = client.get("/crm/v3/owners", [*query, *([("after", after)] if after else [])])
        yield from reply.results
        after = reply.after
        if not after:
            return


def _item(one: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: str(one.get(name) or "") for name in ("email", "firstName", "lastName", "type")}
    times = {name: one.get(name) for name in ("createdAt", "updatedAt")}
    return {"id": str(one.get("id")), **times, "properties": about | {"active": one.get("archived") is not True}}
