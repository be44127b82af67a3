"""What nobody has touched is not read again: one call asks it of all objects.

A pull goes back before the last record seen, since rows may be committed later than their stamp says; while nothing
happens it would read the same rows at every look. How many they are and which is the youngest tells whether they are
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gateway_salesforce.org import Org, RefusedCall

MOST = 5
"""Questions that Salesforce takes in one composite call."""

Standing = tuple[str, Any, Any]
"""Where reading begins, how many rows there are from there on, and the youngest's stamp."""


class Quiet:
    """``order``: the objects that are pulled, in turn. Where reading begins: a time as SOQL has it, "" = at all."""

    def __init__(self, org: Org, version: str, order: Callable[[], Sequence[str]]) -> None:
        self._org = org
        self._path = f"/services/data/v{version}/query?q="
        self._order = order
        self._empty: dict[str, str] = {}
        """Object → where a whole read began that found nothing new."""
        self._asked: dict[str, Standing] = {}
        self._before: dict[str, Standing] = {}
        """As it was asked before the present read; ``_read``: before the last whole one that found nothing new."""
        self._read: dict[str, Standing] = {}

    def still(self, object_: str, start: str) -> bool:
        """Whether all is as it was when ``object_`` was last read from there, and nothing was new."""
        if self._empty.get(object_) != start:
            self._before.pop(object_, None)
            return False
        if object_ not in self._asked or self._asked[object_][0] != start:
            later = list(self._order())
            later = [name for name in later[later.index(object_) + 1 :] if name in self._empty]
            self._ask([object_, *later[: MOST - 1]])
        asked = self._asked.pop(object_, None)
        if asked is None:
            return False
        self._before[object_] = asked
        return self._read.get(object_) == asked

    def found_nothing(self, object_: str, start: str) -> None:
        """A whole read from there brought nothing new."""
        self._empty[object_] = start
        if (before := self._before.pop(object_, None)) is not None:
            self._read[object_] = before

    def _ask(self, objects: Sequence[str]) -> None:
        self._asked.clear()
        parts = []
        for name in objects:
            where = f" WHERE SystemModstamp >= {self._empty[name]}" if self._empty[name] else ""
            soql = f"SELECT COUNT(Id) n, MAX(SystemModstamp) m FROM {name}{where}"
            parts.append({"method": "GET", "url": self._path + quote(soql), "referenceId": name})
        try:
            answer = self._org.call("POST", "composite", body={"allOrNone": False, "compositeRequest": parts})
        except RefusedCall:
            return
        told = answer.get("compositeResponse") if isinstance(answer, Mapping) else None
        for part in told if isinstance(told, list) else ():
            try:
                row = part["body"]["records"][0]
                self._asked[part["referenceId"]] = (self._empty[part["referenceId"]], row["n"], row["m"])
            except (KeyError, IndexError, TypeError):
                continue  # read as ever
