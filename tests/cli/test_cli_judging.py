"""``gateway handoffs open|correct|release`` and ``gateway leads hold|points``: what people decide beside the rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

REASONS = "\nreasons: {sales_rejected: [no budget, wrong person], recycled: [not now]}\n"
ANN, BOB, CY = "ann@one.example", "bob@two.example", "cy@rival.example"


@pytest.fixture
def active(filled: Any) -> Any:
    """Ann stands over the threshold and is ignored; Bob is far below it; Cy is a competitor. Nobody is with sales."""
    text = (filled.root / "journey.yaml").read_text()
    filled.write("journey.yaml", text + REASONS)
    filled.run("activate", "sales", "--existing", "ignore")
    return filled


@pytest.fixture
def ended(active: Any) -> Any:
    """Kim has recycled Bob."""
    active.run("handoffs", "open", BOB, "--reason", "met at the fair", "--by", "Ann")
    active.run("handoffs", "recycle", BOB, "--reason", "not now", "--by", "Kim")
    return active


def refused(instance: Any, *said: str) -> str:
    return str(instance.run(*said, code=1).stderr)


def test_a_person_hands_a_lead_over_whatever_its_score(active: Any) -> None:
    """With why and by whom, which its timeline tells."""
    row = active.json("handoffs", "open", BOB, "--reason", "met at the fair", "--by", "Kim")
    assert (row["state"], row["cause"], row["cause_reason"], row["cause_by"]) == (
        "open", "person", "met at the fair", "Kim",
    )  # fmt: skip
    assert [one["lead"] for one in active.json("handoffs", "list")["handoffs"]] == [row["lead"]]


def test_nobody_hands_over_who_is_never_to_be(active: Any) -> None:
    assert "never handed over: competitor" in refused(active, "handoffs", "open", CY, "--reason", "nice")
    assert active.json("handoffs", "list")["handoffs"] == []


def test_a_lead_is_with_sales_once(active: Any) -> None:
    active.run("handoffs", "open", BOB, "--reason", "x")
    assert "already open" in refused(active, "handoffs", "open", BOB, "--reason", "x")


def test_to_a_system_that_is_off_nothing_is_handed_over(filled: Any) -> None:
    assert "sales is not active" in refused(filled, "handoffs", "open", BOB, "--reason", "x")


def test_who_ended_it_corrects_it(ended: Any) -> None:
    """The list and the lead's stage follow; both decisions stay on record."""
    row = ended.json("handoffs", "correct", BOB, "sales_rejected", "--reason", "no budget", "--by", "Kim")
    assert (row["bucket"], row["bucket_reason"]) == ("sales_rejected", "no budget")
    shown = ended.run("leads", "show", BOB).output
    assert "recycled" in shown
    assert "sales_rejected" in shown


def test_others_need_an_admin_to_correct_it(ended: Any) -> None:
    said = ("handoffs", "correct", BOB, "sales_rejected", "--reason", "no budget", "--by", "Lee")
    assert "Kim ended it, not Lee; an admin may correct it, with --admin" in refused(ended, *said)
    assert ended.json(*said, "--admin")["bucket"] == "sales_rejected"


def test_after_a_while_who_ended_it_needs_an_admin_too(ended: Any) -> None:
    said = ("handoffs", "correct", BOB, "sales_qualified", "--by", "Kim")
    with time_machine.travel(datetime.now(UTC) + timedelta(days=2), tick=True):
        assert "its time for that is over; an admin may correct it" in refused(ended, *said)
        assert ended.json(*said, "--admin")["bucket"] == "sales_qualified"


def test_a_correction_to_qualified_brings_the_lead_to_its_stage(active: Any) -> None:
    sql = "  - {name: sql, shared: sql, entry: {outcome: [qualified]}}\n"
    active.edit("journey.yaml", "  - {name: won", f"{sql}  - {{name: won")
    active.run("handoffs", "open", BOB, "--reason", "x")
    active.run("handoffs", "reject", BOB, "--reason", "no budget", "--by", "Kim")
    active.run("handoffs", "correct", BOB, "sales_qualified", "--by", "Kim")
    lead = active.json("leads", "show", BOB)
    assert lead["stage"] == "sql"
    assert active.json("handoffs", "list")["handoffs"][0]["bucket"] == "sales_qualified"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (("correct", BOB, "sales_reject"), "no such bucket; did you mean 'sales_rejected'?"),
        (("correct", BOB, "recycled"), "say why, with --reason: not now"),
        (("correct", BOB, "recycled", "--reason", "not now", "--by", "Kim"), "it ended as recycled already (not now)"),
        (("correct", CY, "recycled", "--reason", "not now"), "was never handed over"),
        (("recycle", BOB, "--reason", "not now", "--wake", "2020-01-01"), "ended as recycled"),
    ],
)
def test_a_correction_that_cannot_be_says_why(ended: Any, said: tuple[str, ...], says: str) -> None:
    assert says in refused(ended, "handoffs", *said)


def test_an_open_handoff_has_nothing_to_correct(active: Any) -> None:
    active.run("handoffs", "open", BOB, "--reason", "x")
    assert "still open; end it with qualify, reject or recycle" in refused(
        active, "handoffs", "correct", BOB, "recycled", "--reason", "not now"
    )


def test_a_date_to_wake_is_one_to_come(active: Any) -> None:
    active.run("handoffs", "open", BOB, "--reason", "x")
    said = ("handoffs", "recycle", BOB, "--reason", "not now")
    assert "over already" in refused(active, *said, "--wake", "2020-01-01")
    assert active.json(*said, "--wake", "2090-03-01")["wake_at"].startswith("2090-02-28T23:00")


def test_a_lead_that_is_held_is_not_handed_over(active: Any) -> None:
    """Until somebody ends that."""
    held = active.json("leads", "hold", BOB, "--reason", "in talks with the board", "--until", "2090-01-01")
    assert (held["held"], held["until"][:10]) == (True, "2089-12-31")
    assert "held until 2089-12-31" in refused(active, "handoffs", "open", BOB, "--reason", "x")
    active.run("leads", "hold", BOB, "--end")
    assert active.json("handoffs", "open", BOB, "--reason", "x")["state"] == "open"


def test_points_of_a_person_are_a_contribution_of_their_own(active: Any) -> None:
    """And can bring a lead over its threshold."""
    active.run("leads", "points", BOB, "60", "--reason", "spoke at our event", "--by", "Kim")
    explained = active.json("leads", "explain", BOB)
    [mark] = [one for one in explained["contributions"] if one["axis"] == "mark"]
    assert (mark["points"], "spoke at our event" in mark["reason"], "Kim" in mark["reason"]) == (60, True, True)
    assert active.json("handoffs", "list")["handoffs"][0]["cause"] == "threshold"


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (("points", BOB, "0", "--reason", "x"), "points are from -100 to 100, and not 0"),
        (("points", BOB, "101", "--reason", "x"), "points are from -100 to 100, and not 0"),
        (("points", BOB, "5", "--reason", "x", "--until", "2020-01-01"), "over already"),
        (("hold", BOB, "--reason", "x", "--until", "2020-01-01"), "over already"),
        (("hold", BOB, "--end"), "is not held"),
    ],
)
def test_what_cannot_be_decided_says_why(active: Any, said: tuple[str, ...], says: str) -> None:
    assert says in refused(active, "leads", *said)


@pytest.mark.parametrize("said", [("hold", BOB), ("hold", BOB, "--end", "--reason", "x"), ("points", BOB, "5")])
def test_a_decision_needs_its_reason(active: Any, said: tuple[str, ...]) -> None:
    active.run("leads", *said, code=2)


@pytest.fixture
def full(filled: Any) -> Any:
    """Sales can take one lead a day; Ann is the best, two others wait."""
    text = (filled.root / "journey.yaml").read_text()
    filled.write("journey.yaml", text + "capacity: {day: 1}\n")
    filled.bring([{"id": "5", "at": "2026-01-09T09:00:00", "email": "eve@four.example", "title": "Intern"}], "eve.csv")
    for address, points in ((BOB, "51"), ("eve@four.example", "60")):
        filled.run("leads", "points", address, points, "--reason", "fair")
    said = filled.run("activate", "sales", "--existing", "handover").output
    assert "2 more are held back, being more than sales can take" in said
    return filled


def test_what_is_held_back_is_listed_the_best_first_and_released(full: Any) -> None:
    held = full.json("handoffs", "release")["held"]
    assert [(one["state"], one["score"]) for one in held] == [("held", 60.0), ("held", 51.0)]
    done = full.json("handoffs", "release", "--best", "1", "--by", "Kim")
    assert (done["released"], done["withdrawn"]) == ([held[0]["handoff"]], {})
    states = {one["handoff"]: one["state"] for one in full.json("handoffs", "list")["handoffs"]}
    assert (states[held[0]["handoff"]], states[held[1]["handoff"]]) == ("open", "held")


def test_what_is_excluded_meanwhile_is_withdrawn_at_its_release(full: Any) -> None:
    full.edit("journey.yaml", '{ends_with: "@rival.example"}', '{ends_with: ".example"}')
    done = full.json("handoffs", "release", "--all")
    assert done["released"] == []
    assert set(done["withdrawn"].values()) == {"never handed over: competitor"}
    assert "0 handoffs are held back" in full.run("handoffs", "release").output


def test_only_what_is_held_back_can_be_released(full: Any) -> None:
    assert "1 of them have no handoff that is held back" in refused(full, "handoffs", "release", ANN)
