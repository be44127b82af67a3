"""What happens to deals: how each stood and stands, and what that says of its leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.leads.batch import Batch, Timed
from gateway.leads.lead import Lead, StoredOutcome
from gateway.leads.record import Fact, Record, fold
from gateway.leads.rules import Joining, ObjectRules
from gateway.leads.stamps import FieldRule, attributes


def fold_deal(
    record: Record, news: Sequence[Timed], rules: ObjectRules | None
) -> tuple[list[Fact], dict[tuple[int, str], str]]:
    """Fold a deal's record event by event, noting each change of its standing: (time, stage) → status."""
    facts: list[Fact] = []
    history: dict[tuple[int, str], str] = {}
    inbound = rules.inbound if rules else {}
    standing = _standing(record, inbound)
    for timed in news:
        facts += fold(record, [timed], rules)
        now = _standing(record, inbound)
        if now != standing:
            history[timed[0], now[0]] = now[1]
        standing = now
    return facts, history


def _standing(record: Record, rules: Mapping[str, FieldRule]) -> tuple[str, str]:
    merged, _, _ = attributes([record], lambda *_: rules, {})
    return str(merged.get("deal_stage", "")), str(merged.get("status", "open"))


def settle_deals(batch: Batch, joining: Joining) -> None:
    for deal in batch.deals.values():
        if deal.merged_into is None and any(record.dirty for record in deal.records.values()):
            merged, origin, refused = attributes([*deal.records.values()], joining.inbound, joining.rank)
            batch.refused += [(record.ref, name) for record, name in refused if record.dirty]
            deal.settle(merged, origin, joining.system_of_record, joining.zone)
            deal.changed = True
            batch.touched |= {id_ for id_ in deal.leads if id_ in batch.leads}
        for id_ in deal.leads:
            batch.deals_of.setdefault(id_, []).append(deal)


def settle_outcomes(batch: Batch, lead: Lead) -> None:
    """Won and lost deals are outcomes of their leads, as the deals stand now."""
    if not lead.outcomes and lead.id not in batch.deals_of:
        return
    wanted = {}
    for deal in batch.deals_of.get(lead.id, ()):
        if deal.status != "open" and deal.status_at is not None and not deal.merged_into:
            ref = min(deal.records, default=("", "", ""))
            wanted[deal.status_at, f"deal:{deal.id}"] = StoredOutcome(
                deal.status_at, deal.status, "", deal.amount, deal.currency, "", deal.precision, ref, batch.now
            )
    for key, outcome in list(lead.outcomes.items()):
        if key[1].startswith("deal:") and (key not in wanted or outcome[:7] != wanted[key][:7]):
            lead.drop_outcome(key)
    for key, outcome in wanted.items():
        if key not in lead.outcomes:
            lead.put_outcome(key, outcome)
