"""Outbound messages: the SOAP calls by which Salesforce names up to 100 changed records. Pure.

A message tells what a record held when it was sent, in any order and more than once, so only its names are taken: the
records are fetched. The whole message is acknowledged once it is stored.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator

from gateway.errors import QuarantineDocument

ACK = (
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>'
    b"</soapenv:Body></soapenv:Envelope>"
)
_OUT = "{http://soap.sforce.com/2005/09/outbound}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_FIELD = "{urn:sobject.enterprise.soap.sforce.com}"
_PARTNER = "{urn:sobject.partner.soap.sforce.com}"


def records(body: bytes, org: str | None) -> Iterator[tuple[str, str]]:
    """(object, id) of each record that is named, each once. ``org``: whose messages are taken; None = anybody's.

    Raises ``QuarantineDocument`` for what is no outbound message, or another org's.
    """
    notifications = _parsed(body).find(f".//{_OUT}notifications")
    if notifications is None:
        raise QuarantineDocument("not an outbound message: it holds no notifications")
    sender = notifications.findtext(f"{_OUT}OrganizationId", "").strip()
    if org is not None and sender[:15] != org[:15]:
        raise QuarantineDocument("an outbound message of another org")
    named: dict[tuple[str, str], None] = {}
    for one in notifications.iterfind(f"{_OUT}Notification/{_OUT}sObject"):
        object_ = one.get(_TYPE, "").rpartition(":")[2]
        record = one.findtext(f"{_FIELD}Id") or one.findtext(f"{_PARTNER}Id") or ""
        if not object_ or not record.strip():
            raise QuarantineDocument("an outbound message with a record that has no type or no Id")
        named[object_, record.strip()] = None
    yield from named


def _parsed(body: bytes) -> ElementTree.Element:
    # Entities are declared in a DTD; a message has none, and what has one is an attack.
    if b"<!" in body.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
        raise QuarantineDocument("an XML document with declarations of its own")
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, LookupError):
        raise QuarantineDocument("not readable as XML") from None
