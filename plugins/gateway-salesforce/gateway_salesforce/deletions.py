"""What was deleted or merged away over there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway.contracts import Context, Cursor, Page
from gateway_salesforce.org import NoAnswer, Org
from gateway_salesforce.pages import pages_of
from gateway_salesforce.soql import cut, moment, seconds_of

OLDEST = timedelta(days=15)
"""So long are deleted records told of."""
_MERGED = frozenset({"Lead", "Contact", "Account"})


class Deletions:
    """Of one org. ``every``: how long none are asked for after they were."""

    def __init__(self, org: Org, context: Context, every: timedelta) -> None:
        self._org = org
        self._context = context
        self._every = every

    def told(self, objects: Iterable[str], cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """Object after object; the cursor is what Salesforce says it has covered."""
        now = self._context.now().astimezone(UTC).replace(microsecond=0)
        covered: dict[str, str] = dict(cursor or {})
        for object_ in objects:
            start = moment(covered[object_]) if object_ in covered else since or now - self._every * 2
            start = max(start, now - OLDEST + timedelta(hours=1))
            if now - start < self._every:
                continue
            answer = self._org.call(
                "GET",
                f"sobjects/{quote(object_, safe='')}/deleted/",
                params={"start": seconds_of(start), "end": seconds_of(now)},
            )
            if not isinstance(answer, Mapping):
                raise NoAnswer("no list of deletions", sent=True)
            entries = [
                {"object": object_, "id": one["id"], "at": one["deletedDate"]} for one in answer["deletedRecords"]
            ]
            if object_ in _MERGED:
                self._add_masters(object_, entries)
            covered[object_] = answer["latestDateCovered"]
            yield from pages_of(object_, [], dict(covered), deleted=entries)

    def _add_masters(self, object_: str, entries: Sequence[dict[str, Any]]) -> None:
        """A record that was merged away names its master: the other one lives on for both."""
        for part in cut([entry["id"] for entry in entries], 200):
            select = f"SELECT Id, MasterRecordId FROM {object_}"
            masters = {row["Id"][:15]: row for row in self._org.query_in(select, "Id", part, deleted=True)}
            for entry in entries:
                if master := masters.get(entry["id"][:15], {}).get("MasterRecordId"):
                    entry["master"] = master

    def buried(self, object_: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Of ids that lead to nothing: those that are in the recycle bin. Of the others we know nothing."""
        more = ", MasterRecordId" if object_ in _MERGED else ""
        select = f"SELECT Id, IsDeleted, SystemModstamp{more} FROM {object_}"
        found = []
        for row in self._org.query_in(select, "Id", ids, deleted=True):
            if row.get("IsDeleted"):
                entry = {"object": object_, "id": row["Id"], "at": row["SystemModstamp"]}
                found.append(entry | ({"master": row["MasterRecordId"]} if row.get("MasterRecordId") else {}))
        return found
