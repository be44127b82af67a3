"""Records to Salesforce by the 200: one collections call, an answer for each row of it.

A call that is refused as a whole is cut in two until what it was refused for stands alone: one bad row costs a few
calls, not the others their place. A field that does not exist is told apart at once; where both halves are refused
alike for how the org is set up, it is not the rows, and nothing is cut further.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway_salesforce.codes import Fault, fault_of
from gateway_salesforce.org import NoAnswer, Org, RefusedCall

_NO_FIELD = re.compile(r"No such column '(\w+)'")
Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one record: its id, or the first of its faults."""

    record: str = ""
    fault: Fault | None = None


class Rows:
    """Collections calls of one org. ``headers`` go with every one of them."""

    def __init__(self, org: Org, headers: Mapping[str, str]) -> None:
        self._org = org
        self._headers = dict(headers)

    def update(self, object_: str, bodies: Sequence[Body], priority: int) -> list[Row]:
        """Change records by their ``id``. Never makes one, and no assignment rule runs."""
        return _Sending(self._org, object_, "composite/sobjects", self._with("FALSE"), priority).send(bodies)

    def insert(self, object_: str, bodies: Sequence[Body], priority: int) -> list[Row]:
        """Make records. Said twice, it makes two, unless the org keeps them apart by itself."""
        return _Sending(self._org, object_, "composite/sobjects", self._with("FALSE"), priority, "POST").send(bodies)

    def upsert(self, object_: str, key: str, bodies: Sequence[Body], priority: int, assign: str = "FALSE") -> list[Row]:
        """Make or change records by the external id in their field ``key``. Said twice, it makes one."""
        path = f"composite/sobjects/{object_}/{key}"
        return _Sending(self._org, object_, path, self._with(assign), priority).send(bodies)

    def _with(self, assign: str) -> dict[str, str]:
        # Left out, it means TRUE, on changes too: leads would change hands.
        return {**self._headers, "Sforce-Auto-Assign": assign}


@dataclass(frozen=True, slots=True)
class _Sending:
    org: Org
    object: str
    path: str
    headers: Mapping[str, str]
    priority: int
    method: str = "PATCH"

    def send(self, bodies: Sequence[Body]) -> list[Row]:
        given = self._try(bodies)
        return self._cut(bodies, given) if isinstance(given, Fault) else given

    def _try(self, bodies: Sequence[Body]) -> list[Row] | Fault:
        records = [{"attributes": {"type": self.object}, **body} for body in bodies]
        try:
            answer = self.org.call(
                self.method,
                self.path,
                body={"allOrNone": False, "records": records},
                headers=self.headers,
                priority=self.priority,
            )
        except RefusedCall as refused:
            return refused.fault
        if not isinstance(answer, list) or len(answer) != len(bodies):
            raise NoAnswer("not one result per record", sent=True)
        return [_row(result) for result in answer]

    def _cut(self, bodies: Sequence[Body], fault: Fault) -> list[Row]:
        if len(bodies) == 1 or fault.meaning in ("transient", "doubtful"):
            return [Row(fault=fault)] * len(bodies)
        if found := _NO_FIELD.search(fault.message):
            name = found[1]
            others = [body for body in bodies if name not in body]
            if len(others) < len(bodies):
                rest = iter(self.send(others) if others else ())
                named = Row(fault=replace(fault, fields=fault.fields or (name,)))
                return [named if name in body else next(rest) for body in bodies]
        middle = len(bodies) // 2
        halves = (bodies[:middle], bodies[middle:])
        given = [self._try(half) for half in halves]
        if fault.meaning == "mapping" and given == [fault, fault]:
            return [Row(fault=fault)] * len(bodies)
        rows: list[Row] = []
        for half, one in zip(halves, given, strict=True):
            rows += self._cut(half, one) if isinstance(one, Fault) else one
        return rows


def _row(result: Any) -> Row:
    if not isinstance(result, Mapping):
        return Row(fault=Fault("", status=500))
    if result.get("success") is True and isinstance(result.get("id"), str):
        return Row(record=result["id"])
    errors = result.get("errors")
    entries = [entry for entry in errors if isinstance(entry, Mapping)] if isinstance(errors, list) else []
    return Row(fault=fault_of(entries[0]) if entries else Fault("", status=500))
