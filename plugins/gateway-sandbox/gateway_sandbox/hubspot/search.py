"""``/crm/v3/objects/{object}/search``: filters over an index that lags behind, and its limits."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import millis, parse
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.catalogue import Property
from gateway_sandbox.hubspot.objects import plural
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.records import Record
from gateway_sandbox.sandbox import Reply, Route

MAX_BODY = 3000
MAX_RESULTS = 10_000
_DIGITS = re.compile(r"-?\d+(\.\d+)?")
GROUPS, FILTERS, ALL_FILTERS, PAGE = 5, 6, 18, 200

Test = Callable[[Record, Mapping[str, Any]], bool]


class Search:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def routes(self) -> list[Route]:
        return [("POST", "/crm/v3/objects/{object}/search", self.search)]

    def search(self, call: Call, object: str) -> Reply:
        object = plural(object)
        if len(call.body.decode()) > MAX_BODY:
            raise errors.invalid(f"The request body is longer than {MAX_BODY} characters")
        asked = call.json()
        limit, after = int(asked.get("limit") or 10), int(asked.get("after") or 0)
        if not 1 <= limit <= PAGE:
            raise errors.invalid(f"limit must be between 1 and {PAGE}, was {limit}")
        if after + limit > MAX_RESULTS:
            raise errors.invalid(f"Paging past {MAX_RESULTS:,} results of a search is not possible")
        test = self._test(object, asked.get("filterGroups") or [], str(asked.get("query") or ""))
        found = [(record, values) for record, values in self.portal.searchable(object) if test(record, values)]
        found.sort(key=self._order(object, asked.get("sorts") or []), reverse=_descending(asked))
        page = found[after : after + limit]
        body: dict[str, Any] = {"total": len(found), "results": []}
        for record, values in page:
            shown = self.portal.shown(record, asked.get("properties"))
            # the index answers with what it knows, not with what is
            shown["properties"] = {name: values.get(name) or None for name in shown["properties"]}
            body["results"].append(shown)
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return Reply(body=body)

    def _test(self, object: str, groups: list[dict[str, Any]], query: str) -> Test:
        filters = [one for group in groups for one in group["filters"]]
        if len(groups) > GROUPS or any(len(group["filters"]) > FILTERS for group in groups):
            raise errors.invalid(f"At most {GROUPS} filter groups of {FILTERS} filters are possible")
        if len(filters) > ALL_FILTERS:
            raise errors.invalid(f"At most {ALL_FILTERS} filters are possible in one search")
        tests = [[self._filter(object, one) for one in group["filters"]] for group in groups]
        words = query.lower().split()

        def test(record: Record, values: Mapping[str, Any]) -> bool:
            if words:
                text = " ".join(
                    str(values.get(name) or "").lower()
                    for name in ("email", "firstname", "lastname", "company", "name", "domain", "dealname", "phone")
                )
                if not all(word in text for word in words):
                    return False
            return not tests or any(all(one(record, values) for one in group) for group in tests)

        return test

    def _filter(self, object: str, one: Mapping[str, Any]) -> Test:
        name, operator = str(one["propertyName"]), str(one["operator"])
        if name.startswith("associations."):
            to_object, wanted = plural(name.removeprefix("associations.")), _given(one, operator)
            return lambda record, values: any(to in wanted for to in self.portal.linked(object, record.id, to_object))
        of = self.portal.properties[object].get(name)
        if of is None:
            raise errors.invalid(f"There was a problem with the request: property '{name}' does not exist")
        if operator == "HAS_PROPERTY":
            return lambda record, values: bool(values.get(name))
        if operator == "NOT_HAS_PROPERTY":
            return lambda record, values: not values.get(name)
        if operator in ("IN", "NOT_IN"):
            wanted = _given(one, operator)
            # String values of IN must come in lower case; enumerations are matched as they are.
            fold = of.type == "string"
            inside = operator == "IN"
            return lambda record, values: _in(values.get(name), wanted, fold) == inside
        if operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
            pattern = re.compile(re.escape(str(one["value"]).lower()).replace(r"\*", ".*"))
            inside = operator == "CONTAINS_TOKEN"
            return lambda record, values: any(pattern.fullmatch(token) for token in _tokens(values.get(name))) == inside
        return _comparison(of, name, operator, one)

    def _order(self, object: str, sorts: list[Any]) -> Callable[[tuple[Record, Mapping[str, Any]]], Any]:
        if len(sorts) > 1:
            raise errors.invalid("Only one sort is possible")
        name = (sorts[0] if isinstance(sorts[0], str) else sorts[0]["propertyName"]) if sorts else "createdate"
        name = name.removeprefix("-")
        of = self.portal.properties[object].get(name)
        if of is None:
            raise errors.invalid(f"There was a problem with the request: property '{name}' does not exist")
        return lambda found: (_comparable(of, found[1].get(name)), int(found[0].id))


def _descending(asked: Mapping[str, Any]) -> bool:
    sorts = asked.get("sorts") or []
    if not sorts:
        return False
    return sorts[0].startswith("-") if isinstance(sorts[0], str) else sorts[0].get("direction") == "DESCENDING"


def _comparison(of: Property, name: str, operator: str, one: Mapping[str, Any]) -> Test:
    low = _comparable(of, str(one["value"]))
    if operator == "BETWEEN":
        high = _comparable(of, str(one["highValue"]))
        return lambda record, values: bool(values.get(name)) and low <= _comparable(of, values[name]) <= high
    if operator == "NEQ":
        return lambda record, values: _comparable(of, values.get(name)) != low
    compare = {
        "EQ": lambda have: have == low,
        "LT": lambda have: have < low,
        "LTE": lambda have: have <= low,
        "GT": lambda have: have > low,
        "GTE": lambda have: have >= low,
    }.get(operator)
    if compare is None:
        raise errors.invalid(f"Unknown operator: {operator}")
    return lambda record, values: bool(values.get(name)) and compare(_comparable(of, values[name]))


@functools.lru_cache(maxsize=1 << 17)
def _instant(text: str) -> float:
    """Milliseconds, given as such or as a time. Raises ValueError."""
    return float(text) if _DIGITS.fullmatch(text) else float(millis(parse(text)))


def _comparable(of: Property, value: Any) -> Any:
    """A key of the property's own order: numbers and times by size, text without case. Empty comes first."""
    if of.type in ("number", "date", "datetime"):
        if value in (None, ""):
            return float("-inf")
        if of.type != "number":
            return _instant(str(value))
        try:
            return float(value)
        except ValueError:
            raise errors.invalid(f"'{of.name}' is compared with something that is no number") from None
    text = str(value or "")
    return text if of.type == "enumeration" else text.lower()


def _given(one: Mapping[str, Any], operator: str) -> frozenset[str]:
    return frozenset(one["values"]) if operator in ("IN", "NOT_IN") else frozenset({str(one["value"])})


def _in(value: Any, wanted: frozenset[str], fold: bool) -> bool:
    if value in (None, ""):
        return False
    return (str(value).lower() if fold else str(value)) in wanted


def _tokens(value: Any) -> list[str]:
    text = str(value or "").lower()
    return [text, *re.split(r"[^\w@.+-]+", text), *re.split(r"[^\w]+", text)]
