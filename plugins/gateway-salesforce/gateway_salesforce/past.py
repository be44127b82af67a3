"""What records were before, from the tables in which an org keeps it: tracked fields, and the stages of opportunities.

In: records as they are. Out: flat items like theirs, one for each moment at which a field changed and one for what they
began with. Which fields are tracked is the org's choice (Set History Tracking); of opportunities it always is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from gateway_salesforce.org import Org, RefusedCall, parts

WINDOW = 2000
"""Rows of one question."""
STAGES, STAGED = "OpportunityHistory", ("StageName", "Amount", "CloseDate")
"""The table that keeps what an opportunity's stages were, and the fields that it keeps."""
_TRACKS: dict[str, tuple[tuple[str, str], ...]] = {
    **{name: ((f"{name}History", f"{name}Id"),) for name in ("Lead", "Contact", "Account")},
    "Opportunity": (("OpportunityFieldHistory", "OpportunityId"), (STAGES, "OpportunityId")),
}
"""Object → the tables of its former values, each with the field that names the record."""
_OWN = (("{}__History", "ParentId"),)
"""The same of an org's own objects."""
_CONVERTED = {"leadConverted": "IsConverted"}
_UNTOLD: Any = object()


def tables(object_: str) -> Sequence[tuple[str, str]]:
    """(table, field that names the record) of an object's former values."""
    return tuple((table.format(object_.removesuffix("__c")), key) for table, key in _TRACKS.get(object_, _OWN))


def status(opportunity: Mapping[str, Any]) -> str:
    """How an opportunity stands: open, won or lost."""
    return "won" if opportunity.get("IsWon") else "lost" if opportunity.get("IsClosed") else "open"


class Past:
    """Of one org. ``tell`` is called with the name of a table that the org does not have, or does not show us."""

    def __init__(self, org: Org, tell: Callable[[str], None]) -> None:
        self._org = org
        self._tell = tell
        self._missing: set[str] = set()
        self._closing: Mapping[str, tuple[bool, bool]] | None = None

    def former(
        self, object_: str, rows: Sequence[Mapping[str, Any]], asked: Collection[str], needs: Collection[str]
    ) -> list[dict[str, Any]]:
        """:param rows: the records as they are, flat. :param asked: the fields that matter.

        :param needs: what every item holds, as it was then, so that the mapping takes it in at all; none = everything.
        """
        now = {row["Id"]: row for row in rows}
        moments = self._moments(object_, now, asked)
        items: list[dict[str, Any]] = []
        states: dict[str, dict[str, Any]] = {}
        for (record, at), changed in sorted(moments.items()):
            state = states.setdefault(record, dict(now[record]))  # of what is not tracked we know no better
            state |= changed
            held = {name: state[name] for name in needs if name in state} if needs else state
            times = {"SystemModstamp": at, "CreatedDate": now[record]["CreatedDate"]}
            items.append({**held, **changed, "object": object_, "Id": record, **times})
            if "IsWon" in changed:
                items[-1]["deal_status"] = status(changed)
        return items

    def rows_of(self, select: str, key: str, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        """All rows that belong to these records by their field ``key``, however many there are."""
        for part in parts(ids):
            after, more = "", True
            while more:
                rows = list(self._org.query_in(select, key, part, where=f"{after} ORDER BY Id LIMIT {WINDOW}"))
                yield from rows
                more = len(rows) == WINDOW
                after = f" AND Id > '{rows[-1]['Id']}'" if more else ""

    def _moments(
        self, object_: str, now: Mapping[str, Mapping[str, Any]], asked: Collection[str]
    ) -> dict[tuple[str, str], dict[str, Any]]:
        """(record, time) → the fields that changed then, with what they became."""
        moments: dict[tuple[str, str], dict[str, Any]] = {}
        for table, key in tables(object_):
            seen: set[tuple[str, str]] = set()
            changes = [change for change in self._changes(table, key, list(now)) if change[key] in now]
            for change in sorted(changes, key=lambda one: (one["CreatedDate"], one["Id"])):
                record = change[key]
                for name, old, new in self._moved(table, change):
                    if name in asked:
                        if (record, name) not in seen and old is not _UNTOLD:
                            moments.setdefault((record, now[record]["CreatedDate"]), {})[name] = old
                        seen.add((record, name))
                        moments.setdefault((record, change["CreatedDate"]), {})[name] = new
        return moments

    def _changes(self, table: str, key: str, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
        if table in self._missing:
            return
        names = STAGED if table == STAGES else ("Field", "OldValue", "NewValue")
        try:
            yield from self.rows_of(f"SELECT Id, {key}, CreatedDate, {', '.join(names)} FROM {table}", key, ids)
        except RefusedCall as refused:
            if refused.fault.code not in ("INVALID_TYPE", "INVALID_FIELD"):
                raise
            self._missing.add(table)
            self._tell(table)

    def _moved(self, table: str, change: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        """(field, value before, value after) of one row of a history."""
        if table != STAGES:
            name = _CONVERTED.get(change["Field"], change["Field"])
            yield (name, False, True) if name != change["Field"] else (name, change["OldValue"], change["NewValue"])
            return
        if self._closing is None:
            stages, _ = self._org.query("SELECT Id, MasterLabel, IsClosed, IsWon FROM OpportunityStage")
            self._closing = {row["MasterLabel"]: (bool(row["IsClosed"]), bool(row["IsWon"])) for row in stages}
        closed, won = self._closing.get(str(change["StageName"]), (False, False))
        now = {**{name: change.get(name) for name in STAGED}, "IsClosed": closed, "IsWon": won}
        yield from ((name, _UNTOLD, value) for name, value in now.items())
