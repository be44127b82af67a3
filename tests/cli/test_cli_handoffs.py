"""``gateway handoffs accept|qualify|reject|recycle``: sales say here what became of a lead."""

from __future__ import annotations

from typing import Any

import pytest

REASONS = "\nreasons: {sales_rejected: [no budget, wrong person], recycled: [not now]}\n"


@pytest.fixture
def handed_over(filled: Any) -> Any:
    """Ann is with sales."""
    text = (filled.root / "journey.yaml").read_text()
    filled.write("journey.yaml", text + REASONS)
    filled.run("activate", "sales", "--existing", "handover")
    return filled


def ann(instance: Any) -> Any:
    [handoff] = instance.json("handoffs", "list")["handoffs"]
    return handoff


def refused(instance: Any, *said: str) -> str:
    return str(instance.run("handoffs", *said, code=1).stderr)


@pytest.mark.parametrize(
    ("said", "bucket", "reason"),
    [
        (["qualify"], "sales_qualified", ""),
        (["reject", "--reason", "no budget"], "sales_rejected", "no budget"),
        (["recycle", "--reason", "not now"], "recycled", "not now"),
    ],
)
def test_what_sales_say_ends_the_handoff(handed_over: Any, said: list[str], bucket: str, reason: str) -> None:
    """By the lead's address; list and lead agree on bucket, reason and who said so."""
    done = handed_over.json("handoffs", said[0], "ann@one.example", *said[1:], "--by", "Kim")
    assert (done["state"], done["bucket"], done["bucket_reason"]) == ("closed", bucket, reason)
    assert ann(handed_over)["bucket"] == bucket
    assert "Kim" in handed_over.run("leads", "show", "ann@one.example").output


def test_accepting_stops_the_first_clock_and_leaves_it_open(handed_over: Any) -> None:
    """By the handoff's own id."""
    done = handed_over.json("handoffs", "accept", ann(handed_over)["handoff"])
    assert (done["state"], done["bucket"]) == ("open", None)
    assert done["accepted_at"] is not None


def test_the_crm_is_told_how_it_ended(handed_over: Any) -> None:
    handed_over.edit("mappings/sales.yaml", "      band:", "      bucket: {to: bucket, sync: out}\n      band:")
    handed_over.run("push")
    handed_over.run("handoffs", "reject", "ann@one.example", "--reason", "no budget")
    [system] = handed_over.json("plan", "sales")["systems"]
    told = {field["field"]: field["wanted"] for write in system["writes"] for field in write["fields"]}
    assert told.get("bucket") == "sales_rejected"


@pytest.mark.parametrize(
    ("before", "said", "complaint"),
    [
        ([], ["reject"], "say why, with --reason: no budget, wrong person"),
        ([], ["reject", "--reason", "no budgt"], "no such reason; did you mean 'no budget'?"),
        ([], ["recycle", "--reason", "no budget"], "no such reason; there are not now"),
        ([], ["qualify", "--reason", "nice"], "no such reason: journey.yaml lists none for sales_qualified"),
        (["accept"], ["accept"], "accepted already by root on "),
        (["qualify"], ["recycle", "--reason", "not now"], "it ended as sales_qualified by root on "),
    ],
)
def test_what_is_not_legal_is_refused_and_changes_nothing(
    handed_over: Any, before: list[str], said: list[str], complaint: str
) -> None:
    if before:
        handed_over.run("handoffs", before[0], "ann@one.example", *before[1:])
    stood = ann(handed_over)
    assert complaint in refused(handed_over, *said[:1], "ann@one.example", *said[1:])
    assert ann(handed_over) == stood


def test_a_lead_that_was_never_handed_over_has_no_handoff_to_end(handed_over: Any) -> None:
    assert "was never handed over" in refused(handed_over, "accept", "bob@two.example")
    assert "no lead has this" in refused(handed_over, "accept", "nobody@one.example")
