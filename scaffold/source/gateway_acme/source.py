"""What Acme knows, twofold.

It calls our webhook when a person changes, and is asked for what we may have missed. In: bodies of webhooks, and pages
of /people, both ``{"people": [...]}``. Out: what the mapping file makes of each person. Whoever calls has to prove it:
the gateway holds the signature against ``verification`` before it stores a call.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.contracts import Context, Cursor, Document, Lookup, Page, ReadItem, Source, Timestamp, Verification
from gateway.errors import QuarantineDocument
from gateway.payloads import decode_json

from gateway_acme.client import ROOM, Client, Unanswered

PEOPLE = "people"
"""The one stream, and where the items are in a body."""


class AcmeSource(Source):
    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self.verification = Verification(
            scheme="hmac",
            header="X-Signature",
            signed=("{timestamp}", ".", "{body}"),
            timestamp=Timestamp(header="X-Timestamp"),
            secrets=tuple(settings["signing_secrets"]),
        )
        self._mapping = context.mapping
        self._client = Client(settings, context)

    def read(self, document: Document) -> Iterable[ReadItem]:
        """Pure: the same bytes are the same items, now and when they are read again."""
        if self._mapping is None:
            raise QuarantineDocument("the system has no mapping file")
        payload = decode_json(document.body)
        people = payload.get(PEOPLE) if isinstance(payload, dict) else None
        if not isinstance(people, list):
            raise QuarantineDocument(f"no list of {PEOPLE} in it")
        return self._mapping.read(people, document)

    def streams(self) -> Sequence[str]:
        return (PEOPLE,)

    def pull(self, stream: str, cursor: Cursor | None, since: datetime | None) -> Iterator[Page]:
        """Pages of up to 100, those changed first before others. The cursor is their own mark of where we are."""
        query = {"limit": str(ROOM)}
        if cursor is not None:
            query["after"] = cursor["after"]
        elif since is not None:
            query["since"] = since.isoformat()
        more: Any = True
        while more:
            answer = self._client.call("GET", "/people", params=query)
            people, after, more = answer.get(PEOPLE), answer.get("after"), answer.get("more")
            if not isinstance(people, list) or not isinstance(after, str) or not isinstance(more, bool):
                raise Unanswered("the answer of Acme is no page of people")
            query = {"limit": str(ROOM), "after": after}
            yield Page(document=_body(people), cursor={"after": after}, more=more, records=len(people))

    def fetch(self, lookups: Sequence[Lookup]) -> Iterable[Page]:
        """What somebody named by its id, as many in one call as Acme takes."""
        for start in range(0, len(lookups), ROOM):
            ids = ",".join(lookup.record for lookup in lookups[start : start + ROOM])
            people = self._client.call("GET", "/people", params={"ids": ids}).get(PEOPLE)
            if not isinstance(people, list):
                raise Unanswered("the answer of Acme is no page of people")
            yield Page(document=_body(people), records=len(people))

    def per_fetch(self, object: str) -> int:
        return ROOM


def _body(people: Sequence[Any]) -> bytes:
    return json.dumps({PEOPLE: people}).encode()
