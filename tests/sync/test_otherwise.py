"""``otherwise``: what a record that must have a value is sent, where the lead has none."""

from __future__ import annotations

import pytest

from gateway.contracts import Document, RecordChanged
from gateway.errors import ConfigError
from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile
from gateway.sync.planning import plan
from gateway.times import from_micros

FILE = """
system: crm
timezone: UTC
objects:
  lead:
    kind: person
    id: id
    time: at
    create: always
    fields:
      ours: {to: lead_id, sync: out}
      firm: {to: company_name, sync: newest, blank: clear, otherwise: "[not provided]"}
"""
MAPPING = compile_mapping(ConfigFile("mappings/crm.yaml", FILE), "crm", {})
ID = "a" * 32


def planned(firm: str | None, there: str | bool | None = False) -> object:
    """What the field is sent: of a new record, or of one that holds ``there``; "nothing" when nothing is."""
    lead = Lead(ID, known_at=1)
    lead.origin["company_name"] = (3, "site")
    if firm is not None:
        lead.attributes["company_name"] = firm
    if there is not False:
        snapshot = {"ours": [ID, 1], "firm": [there, 1]}
        lead.records["crm", "lead", "r1"] = Record("crm", "lead", "r1", "person", ID, snapshot, 1, enrolled=True)
    wanted = plan(lead, "crm", MAPPING.objects["lead"], 4, 5, {})
    return "nothing" if wanted is None else wanted.fields.get("firm", "nothing")


@pytest.mark.parametrize(
    ("firm", "there", "sent"),
    [
        (None, False, "[not provided]"),
        ("Norvik", False, "Norvik"),
        (None, "[not provided]", "nothing"),
        (None, None, "nothing"),
        ("Norvik", "[not provided]", "Norvik"),
        (None, "Norvik", "[not provided]"),  # cleared here; over there it must have a value
    ],
)
def test_it_stands_in_for_a_value_until_there_is_one(firm, there, sent):
    assert planned(firm, there) == sent


def test_read_back_it_is_a_blank():
    document = Document(id="d1", system="crm", received_at=from_micros(5), body=b"")
    payload = {"id": "r1", "at": "2026-05-01T00:00:00Z", "firm": "[not provided]"}
    (event,) = MAPPING.read(payload, document)
    assert isinstance(event, RecordChanged)
    assert "firm" in event.speaks_of
    assert "firm" not in event.values


def test_it_is_refused_where_nothing_is_sent():
    text = FILE.replace("sync: newest", "sync: in")
    with pytest.raises(ConfigError, match="otherwise: is only sent; let sync be out, newest or prefer"):
        compile_mapping(ConfigFile("mappings/crm.yaml", text), "crm", {})
