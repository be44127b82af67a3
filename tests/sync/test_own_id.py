"""The gateway's own id is a key over there: of a lead's records of one object, one carries it."""

from __future__ import annotations

import pytest
from small_instance import CRM

from gateway.leads.lead import Lead
from gateway.leads.record import Record
from gateway.mapping import compile_mapping
from gateway.settings.files import ConfigFile
from gateway.sync.planning import plan

OURS, OTHERS = "a" * 32, "b" * 32
MAPPED = compile_mapping(ConfigFile("mappings/crm.yaml", CRM), "crm", {}).objects["lead"]


@pytest.mark.parametrize(("gone", "told"), [(None, False), ("converted", False), ("deleted", True)])
def test_a_second_record_is_not_given_an_id_that_another_carries(gone, told):
    """Two people who were merged: the record that is written to may be the one that came with the other's id."""
    lead = Lead(OURS, known_at=1)
    for record, id_, why in (("r1", OTHERS, None), ("r2", OURS, gone)):
        lead.records["crm", "lead", record] = Record(
            "crm", "lead", record, "person", OURS, {"ours": [id_, 1]}, 1, enrolled=True, gone=why
        )
    wanted = plan(lead, "crm", MAPPED, 2, 5, {})
    assert (wanted is not None and "ours" in wanted.fields) is told
