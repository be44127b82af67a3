"""The timeline of one lead: every kind of line, in words that a stranger reads, each with its cause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.answers.timeline import timeline
from gateway.contracts import Activity
from gateway.leads.lead import Lead, StoredOutcome
from gateway.leads.record import Record
from gateway.times import from_micros

HOUR = 3_600_000_000
T = 1_780_000_000_000_000
REF = ("crm", "lead", "L1")
ROWS = ("transitions", "handoffs", "endings", "clock_events", "marks", "steps", "writes", "resolutions")
HANDOFF = {
    "id": "h1", "system": "crm", "stage": "mql", "score": 6050, "generation": 1, "opened_at": T, "decided_at": T,
    "contributions": [["Executive", 4000, "", "fit"], ["Too small", -500, "", "fit"], ["Pricing", 2550, "", "fit"]],
    "accepted_at": None, "contacted_at": None, "state": "open", "bucket": None, "bucket_reason": "", "closed_at": None,
    "closed_by": "", "cause": "threshold", "cause_reason": "", "cause_by": "",
    "score_name": "",
}  # fmt: skip
WHY = "handed over to crm, score 60.50: Executive +40, Pricing +26"
MOVE = {
    "from_stage": "target", "stage": "mql", "at": T, "cause": "news", "reason": "threshold", "ref": "mql:1",
    "score": 6050, "score_name": "", "threshold": 5000,
}  # fmt: skip
EVENT = {"handoff": "h1", "at": T, "kind": "", "owner": "Kim", "before": "Sam", "reason": "", "by": ""}
MARK = {"at": T, "kind": "manual", "points": 0, "reason": "", "until": None, "by": ""}
STEP = {"at": T, "stage": "mql", "crossing": 2, "step": {"join": "News"}, "state": "done", "reason": ""}
WRITE = {
    "id": "w1", "system": "crm", "object": "lead", "record": "L1", "key": "lead:1:lead",
    "fields": {"score": 1, "band": 2}, "create": False, "cause": "update", "planned_at": T, "finished_at": None,
    "state": "waiting", "code": "",
    "message": "", "push": "",
}  # fmt: skip
ENDING = {
    "handoff": "h1",
    "decided_at": T + 9 * HOUR,
    "what": "end",
    "bucket": "recycled",
    "reason": "",
    "at": T,
    "by": "",
}


def told(lead: Lead | None = None, **rows: Any) -> list[tuple[str, str, str]]:
    """(what, text, cause) of each line."""
    given = {name: rows.get(name, []) for name in (*ROWS, "regroupings", "merged")}
    return [(one.what, one.text, one.cause) for one in timeline(lead or Lead("a"), given, ZoneInfo("UTC"))]


@pytest.mark.parametrize(
    ("move", "text", "cause"),
    [
        ({}, "target → mql", "60.50 points, threshold 50.00; news came"),
        ({"from_stage": "", "stage": "target", "reason": "entry", "score": None}, "target", "new lead; news came"),
        ({"reason": "fall", "cause": "time"}, "target → mql",
         "its score fell: 60.50 points, threshold 50.00; time passed"),
        ({"reason": "activity", "ref": "demo_request", "score": None}, "target → mql",
         "activity demo_request; news came"),
        ({"reason": "outcome", "ref": "o1", "cause": "import"}, "target → mql", "outcome won; its past was read"),
        ({"reason": "withdrawn", "cause": "person"}, "target → mql",
         "what had led there was taken back; a person said so"),
        ({"reason": "journey", "cause": "model"}, "target → mql",
         "its stage is no longer in journey.yaml; the model changed"),
    ],
)  # fmt: skip
def test_a_stage_tells_what_led_there_and_why_it_was_looked_at(move: dict, text: str, cause: str) -> None:
    """Points and threshold, activity, outcome; news, time, model, merge, import or a person."""
    lead = Lead("a")
    lead.outcomes[T - HOUR, "o1"] = outcome("won", at=T - HOUR)
    assert told(lead, transitions=[MOVE | move])[-1] == ("stage", text, cause)


@pytest.mark.parametrize(
    ("handoff", "text", "cause"),
    [
        ({}, WHY, "crossing into mql"),
        ({"generation": 2}, WHY.replace(":", ", generation 2:", 1), "crossing into mql"),
        ({"cause": "person", "cause_by": "kim", "cause_reason": "met her"}, WHY, "by kim: met her"),
        ({"cause": "fast track"}, WHY, "fast track"),
        ({"cause": "wake"}, WHY, "sales wanted it again by now"),
        ({"cause": "activation"}, WHY, "crm was switched on"),
        ({"state": "held"}, WHY.replace("handed over to crm", "held back: sales have as many as they can take"),
         "crossing into mql"),
    ],
)  # fmt: skip
def test_a_handoff_tells_its_reasons_and_what_it_was_opened_for(handoff: dict, text: str, cause: str) -> None:
    assert told(handoffs=[HANDOFF | handoff]) == [("handoff", text, f"handoff h1 ({cause})")]


def test_what_sales_did_with_a_handoff_stands_at_its_time() -> None:
    handoff = HANDOFF | {"accepted_at": T + HOUR, "contacted_at": T + 2 * HOUR}
    assert [text for _, text, _ in told(handoffs=[handoff])] == [WHY, "accepted", "contacted"]


@pytest.mark.parametrize(
    ("ending", "text", "cause"),
    [
        ({"by": "clock", "reason": "no word from sales"}, "ended as recycled (no word from sales)", "clock"),
        ({"by": "kim"}, "ended as recycled", "by kim"),
        ({"by": "outcome o1"}, "ended as recycled", "outcome won of crm lead L1"),
        (
            {"what": "correction", "by": "kim", "bucket": "sales_rejected"},
            "corrected: ended as sales_rejected",
            "by kim",
        ),
        (
            {"what": "return", "by": "clock", "reason": "silent"},
            "came back to marketing: now recycled (silent)",
            "clock",
        ),
    ],
)
def test_each_decision_on_its_end_is_a_line_with_who_made_it(ending: dict, text: str, cause: str) -> None:
    lead = Lead("a")
    lead.outcomes[T - HOUR, "o1"] = outcome("won", at=T - HOUR)
    assert told(lead, handoffs=[HANDOFF], endings=[ENDING | ending])[-1] == ("handoff", text, cause)


def test_a_correction_stands_where_it_was_made() -> None:
    """What it corrects stood till then."""
    rows = {
        "handoffs": [HANDOFF],
        "endings": [ENDING, ENDING | {"what": "correction"}],
        "steps": [STEP | {"at": T + HOUR}],
    }
    assert [what for what, *_ in told(**rows)] == ["handoff", "handoff", "step", "handoff"]


def test_a_handoff_that_was_given_up_says_so() -> None:
    gone = HANDOFF | {"state": "withdrawn", "bucket_reason": "its score fell", "decided_at": T + HOUR}
    assert told(handoffs=[gone])[-1][1] == "given up before sales had it: its score fell"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        ({"kind": "assigned", "before": "", "reason": "turn"}, ("owner", "given to Kim (turn)", "journey")),
        ({"kind": "moved", "by": "crm"}, ("owner", "went from Sam to Kim", "by crm")),
        ({"kind": "warned"}, ("clock", "Kim is warned: the time to answer is running out", "clock")),
        ({"kind": "escalated"}, ("clock", "escalated: Kim has not answered in time", "clock")),
        ({"kind": "reassigned"}, ("clock", "went from Sam to Kim", "clock")),
    ],
)
def test_owners_and_their_clock_are_lines(event: dict, line: tuple[str, str, str]) -> None:
    assert told(clock_events=[EVENT | event]) == [line]


@pytest.mark.parametrize(
    ("mark", "text", "cause"),
    [
        ({"points": 9, "by": "kim", "reason": "x", "until": T}, "+9 points until 2026-05-28 20:26:40: x", "by kim"),
        ({"kind": "hold", "by": "kim"}, "kept from sales", "by kim"),
        ({"kind": "halve", "by": "journey"}, "its behaviour until now counts half", "journey"),
        ({"kind": "reset"}, "its behaviour until now counts no more", "journey"),
    ],
)
def test_marks_are_lines_of_their_own(mark: dict, text: str, cause: str) -> None:
    assert told(marks=[MARK | mark]) == [("mark", text, cause)]


def test_a_step_tells_its_crossing_and_why_it_was_withheld() -> None:
    steps = [STEP, STEP | {"step": {"handoff": "crm"}, "state": "withheld", "reason": "outbound off"}]
    steps += [STEP | {"step": {"handoff": "crm"}}, STEP | {"step": {"set": {"field": "tier", "value": "A"}}}]
    assert told(steps=steps) == [
        ("step", "join News", "crossing 2 into mql"),
        ("step", "handoff crm: withheld, outbound off", "crossing 2 into mql"),
        ("step", "set field tier value A", "crossing 2 into mql"),
    ]


def test_what_is_sent_where_and_what_came_of_it() -> None:
    """A record's fields, a task by its handoff; with the receipt and the push it went with."""
    done = WRITE | {"finished_at": T + 1, "state": "confirmed", "push": "crm-1"}
    task = WRITE | {"object": "follow_up_task", "key": "handoff:h1:task", "record": None, "planned_at": T + 2}
    task["fields"] = {"subject": "Follow up"}
    dead = WRITE | {
        "planned_at": T + 3,
        "finished_at": T + 4,
        "state": "dead",
        "code": "BAD",
        "message": "no such field",
    }
    assert told(writes=[done, task, dead]) == [
        ("write", "update of lead in crm planned: band, score", "otherwise there"),
        ("write", "update of lead in crm confirmed", "write w1 in push crm-1"),
        ("write", "make the follow-up task in crm planned", "handoff h1"),
        ("write", "update of lead in crm planned: band, score", "otherwise there"),
        ("write", "update of lead in crm dead: BAD: no such field", "write w1"),
    ]


def test_what_was_never_sent_is_one_line() -> None:
    """A later plan said all of it."""
    one = WRITE | {"finished_at": T + 5, "state": "superseded"}
    assert [text for _, text, _ in told(writes=[one])] == [
        "update of lead in crm planned: band, score, replaced by a later one"
    ]


def test_people_and_merges_are_lines() -> None:
    rows = {
        "resolutions": [{"at": T, "kind": "conflict", "resolution": "keep crm", "by": "kim"}],
        "regroupings": [
            {"at": T + 1, "what": "merge", "lead": "a", "other": "b", "why": "same link", "by": "", "detail": {}}
        ],
        "merged": [{"id": "b", "known_at": T - 1}],
    }
    assert told(**rows) == [
        ("merge", "what is the same person began as b", "merge"),
        ("work", "conflict settled: keep crm", "by kim"),
        ("merge", "took over lead b: same link", "what the systems say"),
    ]


def test_facts_name_the_record_they_came_from() -> None:
    lead = Lead("a")
    lead.records[REF] = Record(*REF, "person", "a", first_at=T)
    lead.activities[T + 1, "x"] = Activity(from_micros(T + 1), "page_view", "/pricing", "web", "autumn", "x")
    lead.refs[T + 1, "x"] = REF
    assert told(lead) == [
        ("record", "first heard of crm lead L1", "crm"),
        ("activity", "page_view /pricing by web campaign autumn", "crm lead L1"),
    ]


def test_a_record_that_we_made_is_told_by_its_write() -> None:
    lead = Lead("a")
    lead.records[REF] = Record(*REF, "person", "a", first_at=T + 5)
    made = WRITE | {"create": True, "cause": "create", "finished_at": T + 5, "state": "confirmed", "record": None}
    assert [text for _, text, _ in told(lead, writes=[made])] == [
        "create of lead in crm planned: band, score",
        "create of lead in crm confirmed",
    ]


# -- outcomes that came late or changed nothing ------------------------------------------------------------------------


def outcome(word: str, at: int, heard: int | None = None, **more: Any) -> StoredOutcome:
    told = {"reason": "", "amount": None, "currency": None, "by": "", "precision": "instant", "ref": REF} | more
    known_at = at if heard is None else heard
    return StoredOutcome(at=at, outcome=word, known_at=known_at, **told)


@pytest.mark.parametrize(
    ("word", "at", "text"),
    [
        ("rejected", T - HOUR, "rejected: before it was handed over"),
        ("rejected", T + 2 * HOUR, "rejected: the handoff had ended as recycled"),
        ("recycled", T + HOUR, "recycled"),  # the one that ended it
        ("contacted", T + 2 * HOUR, "contacted"),
    ],
)
def test_an_outcome_that_ends_nothing_says_why(word: str, at: int, text: str) -> None:
    lead = Lead("a")
    lead.outcomes[at, "o"] = outcome(word, at=at)
    ended = HANDOFF | {"state": "closed", "bucket": "recycled", "closed_at": T + HOUR, "closed_by": "outcome o"}
    assert [line for what, line, _ in told(lead, handoffs=[ended]) if what == "outcome"] == [text]


def test_an_outcome_of_somebody_who_was_never_handed_over_is_only_a_fact() -> None:
    lead = Lead("a")
    lead.outcomes[T, "o"] = outcome("won", at=T, amount="1500", currency="EUR", by="Sam", reason="price")
    assert told(lead) == [("outcome", "won (price) 1500 EUR by Sam", "crm lead L1")]


def test_late_news_tells_when_it_was_heard_of() -> None:
    lead = Lead("a")
    late = timedelta(days=3) // timedelta(microseconds=1)
    lead.outcomes[T, "o"] = outcome("won", at=T, heard=T + late)
    lead.outcomes[T + 1, "p"] = outcome("lost", at=T + 1, heard=T + HOUR)
    empty = {name: [] for name in (*ROWS, "regroupings", "merged")}
    assert [one.heard for one in timeline(lead, empty, ZoneInfo("UTC"))] == [T + late, None]
