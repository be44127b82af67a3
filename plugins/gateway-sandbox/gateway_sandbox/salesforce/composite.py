"""``composite``: up to 25 calls in one, one after the other, naming each other's results."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from gateway_sandbox.calls import Call
from gateway_sandbox.salesforce.fields import RowError
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.salesforce.rows import refusal
from gateway_sandbox.sandbox import Refusal, Reply, Route

PARTS, HEAVY = 25, 5

_HALTED = [
    {
        "errorCode": "PROCESSING_HALTED",
        "message": "The transaction was rolled back since another operation in the same transaction failed.",
    }
]


class Composite:
    def __init__(self, org: Org, serve: Callable[[Call], Reply]) -> None:
        self.org = org
        self.serve = serve

    def routes(self) -> list[Route]:
        return [("POST", "/data/composite", self.run)]

    def run(self, call: Call) -> Reply:
        given = call.json()
        parts = given["compositeRequest"]
        heavy = sum(bool(re.search(r"/(query|queryAll|composite/sobjects)\b", part["url"])) for part in parts)
        if len(parts) > PARTS or heavy > HEAVY:
            raise refusal(
                RowError("LIMIT_EXCEEDED", f"At most {PARTS} subrequests, {HEAVY} of them queries or collections")
            )
        references = [part["referenceId"] for part in parts]
        if len(set(references)) < len(references):
            raise refusal(RowError("INVALID_INPUT", "referenceId must be unique"))
        all_or_none = bool(given.get("allOrNone"))
        results: dict[str, Any] = {}
        answers: list[Reply] = []
        if all_or_none:
            self.org.begin()
        for part in parts:
            try:
                answer = self._part(call, part, results)
            except Refusal as refused:
                answer = refused.reply
            results[part["referenceId"]] = answer.body
            answers.append(answer)
            if all_or_none and answer.status >= 300:
                self.org.roll_back()
                answers = [one if one.status >= 300 else Reply(400, _HALTED) for one in answers]
                answers += [Reply(400, _HALTED)] * (len(parts) - len(answers))
                break
        else:
            self.org.commit()
        return Reply(
            body={
                "compositeResponse": [
                    {
                        "body": answer.body,
                        "httpHeaders": answer.headers,
                        "httpStatusCode": answer.status,
                        "referenceId": part["referenceId"],
                    }
                    for part, answer in zip(parts, answers, strict=True)
                ]
            }
        )

    def _part(self, call: Call, part: dict[str, Any], results: dict[str, Any]) -> Reply:
        def refer(found: re.Match[str]) -> str:
            value: Any = results
            for step in re.findall(r"[^.\[\]]+", found[1]):
                try:
                    value = value[int(step)] if isinstance(value, list) else value[step]
                except (KeyError, IndexError, TypeError, ValueError):
                    message = f"Invalid reference specified. No value for {found[1]} found"
                    raise refusal(RowError("PROCESSING_HALTED", message)) from None
            return str(value)

        url = re.sub(r"@\{([^}]+)\}", lambda found: quote(refer(found), safe=""), part["url"])
        body = orjson.dumps(part.get("body")).decode() if part.get("body") is not None else ""
        body = re.sub(r"@\{([^}]+)\}", lambda found: orjson.dumps(refer(found)).decode()[1:-1], body)
        split = urlsplit(url)
        headers = {**call.headers, **{name.lower(): value for name, value in (part.get("httpHeaders") or {}).items()}}
        inner = Call(call.number, call.at, part["method"], split.path, split.query, headers, body.encode())
        return self.serve(inner)
