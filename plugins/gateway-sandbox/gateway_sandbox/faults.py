"""The fault script: which calls go wrong, how, and how often.

A fault is data, so a script can be a list in Python, a JSON file, or a POST to ``/_sandbox/faults``::

    {"match": "POST /crm/v3/objects/contacts/batch/", "times": 2, "action": {"limit": "burst", "retry_after": 1}}

``match``: a regular expression searched in ``METHOD /path?query``, or a mapping with ``call`` (that expression) and
``body`` (one searched in the body). ``times``: how often it strikes (None: for ever). ``skip``: how many matching calls
pass before it. The first fault of the list that matches strikes, alone. Calls for a token are calls, too, which ``.*``
matches: ``^(?!POST /(oauth|services/oauth2)/)`` leaves them out.

Actions:

- ``{"status": 503, "body": …, "headers": {…}}``: answered instead of the call. A body that is no text is sent as JSON.
- ``{"limit": "burst" | "second" | "daily" | "concurrent", "retry_after": 2}``: the API's own answer to too many calls.
- ``{"auth": true}``: the API's own answer to a dead token.  ``{"expire": true}``: all tokens die, then the call is
  served (and so refused; a new token works).
- ``{"drop": "before" | "after"}``: the line is cut before, or after the call had its effect.
- ``{"slow": 2.5}``: the call is served after so many seconds; with ``"after": true`` it has its effect at once, and
  only the answer takes its time.
- ``{"garbage": true}``: the call has its effect; the answer is half a JSON document with status 200.
- ``{"drip": 1.0}``: the call has its effect; its answer comes byte by byte, so many seconds apart.
- ``{"swell": 10000000}``: the call has its effect; its answer is right, and so many bytes longer than it need be.
- ``{"row": {"code": …, "message": …, "fields": []}, "rows": [0, 2], "where": "regex"}``: rows of a batch fail by
  themselves (all, those at these places, or those whose JSON the expression is found in).
- any of ``status``, ``limit`` and ``auth`` with ``"after": true``: the call has its effect first; only the answer lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from gateway_sandbox.calls import Call, line

_KINDS = ("status", "limit", "auth", "expire", "drop", "slow", "garbage", "drip", "swell", "row")


@dataclass(slots=True)
class Fault:
    match: Mapping[str, str]
    times: int | None
    action: Mapping[str, Any]
    skip: int = 0
    struck: int = field(default=0)

    @property
    def kind(self) -> str:
        return next(kind for kind in _KINDS if kind in self.action)

    def meets(self, call: Call) -> bool:
        if self.times is not None and self.struck >= self.times:
            return False
        if not re.search(self.match.get("call", ""), line(call)):
            return False
        return "body" not in self.match or bool(re.search(self.match["body"], call.body.decode(errors="replace")))

    def row(self, place: int, row: Any) -> Mapping[str, Any] | None:
        """The error of this row of a batch, None if it passes."""
        if self.kind != "row":
            return None
        if "rows" in self.action and place not in self.action["rows"]:
            return None
        if "where" in self.action and not re.search(self.action["where"], orjson.dumps(row).decode()):
            return None
        error: Mapping[str, Any] = self.action["row"]
        return error

    def as_json(self) -> dict[str, Any]:
        return {
            "match": dict(self.match),
            "times": self.times,
            "skip": self.skip,
            "action": dict(self.action),
            "struck": self.struck,
        }


class Faults(list[Fault]):
    """The script of one sandbox."""

    def add(
        self,
        match: str | Mapping[str, str],
        times: int | None = 1,
        action: Mapping[str, Any] | None = None,
        *,
        skip: int = 0,
        **actions: Any,
    ) -> Fault:
        """Append one fault; the action as a mapping or as keywords (``drop="after"``). Raises ValueError."""
        action = {**(action or {}), **actions}
        known = [kind for kind in _KINDS if kind in action]
        if len(known) != 1:
            raise ValueError(f"an action is exactly one of {', '.join(_KINDS)}: {sorted(action)}")
        match = {"call": match} if isinstance(match, str) else dict(match)
        for name, pattern in match.items():
            if name not in ("call", "body"):
                raise ValueError(f"a fault matches by call and body, not by {name!r}")
            re.compile(pattern)
        fault = Fault(match, times, action, skip)
        self.append(fault)
        return fault

    def script(self, faults: Iterable[Mapping[str, Any]]) -> None:
        """Append all of a script. Raises ValueError and adds none if one is wrong."""
        trial = Faults()
        for fault in faults:
            unknown = set(fault) - {"match", "times", "skip", "action"}
            if unknown or "action" not in fault:
                raise ValueError(f"a fault has match, times, skip and action, not {', '.join(sorted(unknown))}")
            trial.add(fault.get("match", ""), fault.get("times", 1), fault["action"], skip=fault.get("skip", 0))
        self.extend(trial)

    def take(self, call: Call) -> Fault | None:
        """The fault that strikes this call, counted; None if it passes."""
        for fault in self:
            if fault.meets(call):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.struck += 1
                return fault
        return None
