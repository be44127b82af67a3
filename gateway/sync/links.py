"""The address of a record's page in its system, for people: in tasks, timelines and messages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from gateway.contracts import COMPANIONS
from gateway.leads.lead import Lead
from gateway.leads.record import Ref

Links = Mapping[str, Mapping[str, str]]
"""system → object (``*``: any other) → address, with {object} and {record} in it: ``Sink.links`` of each system"""
_PLAIN = re.compile(r"[A-Za-z0-9._-]+")


def link(links: Links, ref: Ref) -> str:
    """Where people see this record; "" when its system does not say, or its id is nothing for an address."""
    system, object_, record = ref
    patterns = links.get(system, {})
    pattern = patterns.get(object_, patterns.get("*", ""))
    if not _PLAIN.fullmatch(object_) or not _PLAIN.fullmatch(record):
        return ""
    return pattern.replace("{object}", object_).replace("{record}", record)


def links_of(lead: Lead, links: Links) -> Iterator[tuple[str, str, str]]:
    """(system, object, address) of the records that are written to: one of each object, where its page is known."""
    for system, object_ in sorted({ref[:2] for ref in lead.records if ref[1] not in COMPANIONS}):
        record = lead.known_record(system, object_)
        if record is not None and (address := link(links, record.ref)):
            yield system, object_, address
