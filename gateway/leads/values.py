"""The values of companies and leads, from everything that their records hold."""

from __future__ import annotations

from gateway.leads.batch import Batch
from gateway.leads.deals import settle_outcomes
from gateway.leads.lead import Lead
from gateway.leads.rules import Joining
from gateway.leads.stamps import attributes, earliest


def settle_companies(batch: Batch, joining: Joining) -> None:
    for company in batch.companies.values():
        if company.merged_into is None and any(record.dirty for record in company.records.values()):
            merged, _, refused = attributes([*company.records.values()], joining.inbound, joining.rank)
            batch.refused += [(record.ref, name) for record, name in refused if record.dirty]
            company.changed = True
            if merged != company.attributes:
                company.attributes = merged
                if company.version:  # its leads are scored again in batches of their own, never in this transaction
                    batch.rescores.append(
                        {
                            "id": joining.mint(),
                            "company": company.id,
                            "cause": "company changed",
                            "created_at": batch.now,
                        }
                    )


def settle_values(batch: Batch, lead: Lead, joining: Joining) -> None:
    """The lead's values, entry time and what its deals say, from everything its records hold."""
    lead.changed = True
    if lead.erased_at is not None:
        return
    while (company := batch.companies.get(lead.company or "")) is not None and company.merged_into is not None:
        lead.company = company.merged_into
    records = [record for record in lead.records.values() if record.known]
    lead.undecided = {}
    merged, origin, refused = attributes(records, joining.inbound, joining.rank, lead.undecided)
    lead.attributes = merged
    lead.origin = origin
    batch.refused += [(record.ref, name) for record, name in refused if record.dirty]
    if records:
        entered = earliest(records)
        lead.moved = lead.moved or entered != lead.entered_at
        lead.entered_at = entered
    settle_outcomes(batch, lead)
