"""HubSpot's webhooks: changes become events, events become signed batches that are sent to one address.

Nothing is sent by itself unless ``start`` was called: a test calls ``flush`` and so knows when. Order is not promised,
and with ``shuffle`` and ``repeats`` it is broken on purpose.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import requests

from gateway_sandbox.clock import Clock, millis
from gateway_sandbox.hubspot.catalogue import TYPE_IDS, singular
from gateway_sandbox.records import Record

BATCH = 100
ATTEMPTS = 11
NEVER_SUBSCRIBED = frozenset({"hs_lastmodifieddate", "lastmodifieddate", "num_unique_conversion_events"})

_KIND = {
    "create": "creation",
    "archive": "deletion",
    "restore": "restore",
    "merge": "merge",
    "erase": "privacyDeletion",
    "associate": "associationChange",
}
_CLASSIC = frozenset({"contacts", "companies", "deals", "tickets"})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one batch; ``status`` 0: nobody answered."""

    status: int
    events: tuple[Mapping[str, Any], ...]
    headers: Mapping[str, str]
    attempt: int


@dataclass(slots=True)
class _Batch:
    events: list[dict[str, Any]]
    attempt: int = 0


class Webhooks:
    """Subscriptions of one app. ``properties=None`` subscribes to all of them; ``generic`` sends ``object.*``."""

    def __init__(self, clock: Clock, portal_id: int, chance: random.Random) -> None:
        self.clock = clock
        self.portal_id = portal_id
        self.app_id = 450011
        self.url: str | None = None
        self._secret = ""
        self.properties: frozenset[str] | None = None
        self.generic = False
        self.shuffle = False
        self.repeats = 0
        """So many events of a batch are said twice."""
        self.deliveries: list[Delivery] = []
        self._chance = chance
        self._waiting: list[_Batch] = []
        self._events: list[dict[str, Any]] = []
        self._number = 7_100_000
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def subscribe(
        self,
        url: str,
        secret: str,
        *,
        properties: frozenset[str] | set[str] | None = None,
        generic: bool = False,
        shuffle: bool = False,
        repeats: int = 0,
    ) -> None:
        """From now on, changes are kept for ``url`` and signed with ``secret`` (the app's client secret)."""
        self.url, self._secret = url, secret
        self.properties = None if properties is None else frozenset(properties)
        self.generic, self.shuffle, self.repeats = generic, shuffle, repeats

    def told(self, kind: str, record: Record, values: Mapping[str, Any], by: str, details: Mapping[str, Any]) -> None:
        """A change of the portal (``Portal.told``)."""
        if self.url is None or (record.object not in _CLASSIC and not self.generic):
            return
        if kind == "update" or kind == "create":
            if kind == "create":
                self._event(record, "creation", by)
            for name, value in values.items():
                if name in NEVER_SUBSCRIBED or (self.properties is not None and name not in self.properties):
                    continue
                self._event(record, "propertyChange", by, propertyName=name, propertyValue=str(value or ""))
        elif kind == "associate":
            self._event(
                record,
                _KIND[kind],
                by,
                associationType=f"{singular(record.object)}_to_{singular(details['to_object'])}".upper(),
                fromObjectId=int(record.id),
                toObjectId=int(details["to"]),
                associationRemoved=details["removed"],
                isPrimaryAssociation=False,
            )
        elif kind == "erase":
            self._event(record, _KIND[kind], by, changeFlag="DELETED")
        elif kind in _KIND:
            self._event(record, _KIND[kind], by, **details)

    def _event(self, record: Record, what: str, by: str, **more: Any) -> None:
        with self._lock:
            self._number += 1
            object = "object" if self.generic and what != "privacyDeletion" else singular(record.object)
            event: dict[str, Any] = {
                "eventId": self._number,
                "subscriptionId": 3300 + sum(map(ord, what)) % 97,
                "portalId": self.portal_id,
                "appId": self.app_id,
                "occurredAt": millis(self.clock.now()),
                "subscriptionType": f"{object}.{what}",
                "attemptNumber": 0,
                "objectId": int(record.id),
                "changeSource": "INTEGRATION" if by == "API" else by,
                **more,
            }
            if object == "object":
                event |= {"objectTypeId": TYPE_IDS[record.object], "isSensitive": False}
            if by == "API":
                event["sourceId"] = str(self.app_id)
            self._events.append(event)

    def flush(self, timeout: float = 5.0) -> list[Delivery]:
        """Send what waits, batches that failed before among it. Returns this round's deliveries."""
        with self._lock:
            events, self._events = self._events, []
            if self.shuffle:
                self._chance.shuffle(events)
            for event in events[: self.repeats]:
                events.append(dict(event))
            self._waiting += [_Batch(events[at : at + BATCH]) for at in range(0, len(events), BATCH)]
            sending, self._waiting = self._waiting, []
        made = []
        for batch in sending:
            delivery = self._send(batch, timeout)
            made.append(delivery)
            batch.attempt += 1
            if not 200 <= delivery.status < 300 and batch.attempt < ATTEMPTS:
                with self._lock:
                    self._waiting.append(batch)
        self.deliveries += made
        return made

    def _send(self, batch: _Batch, timeout: float) -> Delivery:
        assert self.url is not None
        events = [event | {"attemptNumber": batch.attempt} for event in batch.events]
        body = orjson.dumps(events)
        # signed in real time: the receiver's tolerance is counted on real watches
        headers = {"Content-Type": "application/json", "User-Agent": "HubSpot Connect 2.0"}
        headers |= sign(self._secret, "POST", self.url, body, millis(Clock().now()))
        try:
            status = requests.post(self.url, data=body, headers=headers, timeout=timeout).status_code
        except requests.RequestException:
            status = 0
        return Delivery(status, tuple(events), headers, batch.attempt)

    def start(self, every: float = 0.5) -> None:
        """Send by itself, every so many seconds, until ``close``."""

        def run() -> None:
            while not self._stop.wait(every):
                if self.url:
                    self.flush()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()


def sign(secret: str, method: str, url: str, body: bytes, at: int) -> dict[str, str]:
    """The headers of a delivery: v3 over method, address, body and time (ms), and v1 beside it."""
    text = method.encode() + url.encode() + body + str(at).encode()
    return {
        "X-HubSpot-Signature-v3": base64.b64encode(hmac.digest(secret.encode(), text, hashlib.sha256)).decode(),
        "X-HubSpot-Request-Timestamp": str(at),
        "X-HubSpot-Signature": hashlib.sha256(secret.encode() + body).hexdigest(),
        "X-HubSpot-Signature-Version": "v1",
    }
