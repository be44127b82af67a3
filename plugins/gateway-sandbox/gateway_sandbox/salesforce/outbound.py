"""Outbound messages: SOAP pushed to one address when a person changes a record, until it is acknowledged.

A message carries up to 100 notifications and what the records hold when it is sent, not when they changed. One that is
not acknowledged comes again, the same notifications with the same ids, until it is 24 hours old.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.sax.saxutils import escape

import requests

from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.org import Org

BATCH = 100
KEPT = timedelta(hours=24)
_ACK = re.compile(rb"<(?:\w+:)?Ack>\s*true\s*</(?:\w+:)?Ack>")
_ENVELOPE = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" \
xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
 <notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{org}</OrganizationId>\
<ActionId>{action}</ActionId><SessionId xsi:nil="true"/>
  <EnterpriseUrl>{url}/services/Soap/c/67.0/{short}</EnterpriseUrl>\
<PartnerUrl>{url}/services/Soap/u/67.0/{short}</PartnerUrl>
{notifications}
 </notifications></soapenv:Body></soapenv:Envelope>"""


@dataclass(slots=True)
class Rule:
    """Which fields of which object go where. ``by_everyone``: also what the integration user changes."""

    object: str
    fields: tuple[str, ...]
    url: str
    by_everyone: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt; ``status`` 0: nobody answered."""

    status: int
    acknowledged: bool
    records: tuple[str, ...]
    body: bytes


@dataclass(slots=True)
class _Waiting:
    id: str
    rule: Rule
    record: str
    since: datetime


class Outbound:
    def __init__(self, org: Org) -> None:
        self.org = org
        self.rules: list[Rule] = []
        self.sent: list[Message] = []
        self.dropped = 0
        self._waiting: list[_Waiting] = []
        self._number = 0

    def subscribe(self, object: str, fields: Iterable[str], url: str, *, by_everyone: bool = False) -> None:
        """From now on. Raises KeyError on a field the object has not."""
        fields = tuple(dict.fromkeys(["Id", *fields]))
        for name in fields:
            self.org.objects[object][name]
        self.rules.append(Rule(object, fields, url, by_everyone))

    def told(self, kind: str, object: str, id: str) -> None:
        """A change of the org."""
        if kind not in ("create", "update"):
            return
        record = self.org.records[object][id]
        for rule in self.rules:
            if rule.object == object and (rule.by_everyone or record["LastModifiedById"] != self.org.user):
                self._number += 1
                self._waiting.append(
                    _Waiting(ids.make("OutboundNotification", self._number), rule, id, self.org.clock.now())
                )

    def flush(self, timeout: float = 5.0) -> list[Message]:
        """Send all that waits. Returns this round's messages."""
        now = self.org.clock.now()
        young = [one for one in self._waiting if now - one.since < KEPT]
        self.dropped += len(self._waiting) - len(young)
        self._waiting = []
        made = []
        for rule in self.rules:
            of_rule = [one for one in young if one.rule is rule]
            for start in range(0, len(of_rule), BATCH):
                batch = of_rule[start : start + BATCH]
                message = self._send(rule, batch, timeout)
                made.append(message)
                if not message.acknowledged:
                    self._waiting += batch
        self.sent += made
        return made

    def _send(self, rule: Rule, batch: list[_Waiting], timeout: float) -> Message:
        body = self._body(rule, batch)
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        try:
            answer = requests.post(rule.url, data=body, headers=headers, timeout=timeout)
            status, acknowledged = answer.status_code, answer.ok and bool(_ACK.search(answer.content))
        except requests.RequestException:
            status, acknowledged = 0, False
        return Message(status, acknowledged, tuple(one.record for one in batch), body)

    def _body(self, rule: Rule, batch: list[_Waiting]) -> bytes:
        notifications = []
        for one in batch:
            values = self.org.records[rule.object][one.record].values
            # empty fields are left out
            fields = "".join(
                f"<sf:{name}>{_text(values[name])}</sf:{name}>"
                for name in rule.fields
                if values.get(name) not in (None, "")
            )
            notifications.append(
                f'  <Notification><Id>{one.id}</Id><sObject xsi:type="sf:{rule.object}" '
                f'xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{fields}</sObject></Notification>'
            )
        return _ENVELOPE.format(
            org=self.org.id,
            action=f"04kKa000000{self.rules.index(rule):04d}IAK",
            url="https://sandbox.my.salesforce.com",
            short=self.org.id[:15],
            notifications="\n".join(notifications),
        ).encode()


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return escape(str(value).replace("+0000", "Z") if re.fullmatch(r"[\dT:.-]+\+0000", str(value)) else str(value))
