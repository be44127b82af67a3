"""What sales receive with a handoff: texts with words, next steps by condition, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contracts import Activity
from gateway.errors import ConfigError
from gateway.journey.journey import compile_journey
from gateway.journey.package import WORDS, Package, check_package, compile_package, pack
from gateway.journey.texts import fill
from gateway.settings.files import ConfigFile
from gateway.times import to_micros

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
HANDOFF = {
    "stage": "mql",
    "score": 7960,
    "score_name": "",
    "persona": "finance",
    "generation": 1,
    "contributions": [
        ["Asked for a demo", 4000, "1 × demo_request", "behaviour"],
        ["Executive", 3960, "title CFO", "fit"],
        ["Below manager", -500, "", "fit"],
    ],
    "cause": "threshold",
    "cause_reason": "",
    "cause_by": "",
    "response_due": to_micros(NOON + timedelta(minutes=5)),
    "period_ends": to_micros(NOON + timedelta(days=5)),
}
ANN = {"first_name": "Ann", "last_name": "Doe", "company_name": "Firm", "title": "CFO", "company.industry": "software"}
DID = [
    Activity(NOON - timedelta(days=2), "page_view", "/pricing", "web", "autumn", "1"),
    Activity(NOON - timedelta(days=1), "page_view", "/pricing", "web", "autumn", "2"),
    Activity(NOON - timedelta(hours=1), "demo_request", "", "web", "", "3"),
]


def packed(package: Package = Package(), attributes: dict = ANN, zone=BERLIN, **handoff) -> dict:  # noqa: B008
    return pack(package, HANDOFF | handoff, "great", attributes, DID, zone, {"demo_request"})


def test_the_default_task_says_why_until_when_and_what_it_did() -> None:
    """Points, deadline with hour and zone, persona, campaign, every reason, the last activities: a line each."""
    made = packed()
    assert made["subject"] == "Follow up: Ann Doe (Firm)"
    assert made["task"].split("\n") == [
        "Handed over at stage mql with 80 of 100 points.",
        "Answer by Mon 1 Jun 2026, 14:05 (Europe/Berlin).",
        "Persona: finance",
        "Campaign: autumn",
        "+40 Asked for a demo: 1 × demo_request",
        "+40 Executive: title CFO",
        "-5 Below manager",
        "Lately: demo request on 1 Jun 2026",
        "Lately: 2 × page view /pricing (campaign autumn), last on 31 May 2026",
    ]


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        ({"cause": "fast track"}, "Asked for it (demo request): do not let it wait."),
        ({"cause": "wake"}, "Sales wanted it again by now."),
        (
            {"cause": "person", "cause_by": "kim", "cause_reason": "met at\nthe fair"},
            "Handed over by kim (met at the fair).",
        ),
    ],
)
def test_sales_are_told_what_else_than_its_score_brings_it(cause: dict, said: str) -> None:
    assert said in packed(**cause)["task"].split("\n")
    assert said in packed(**cause)["summary"].split("\n")


def test_the_summary_names_the_band_and_the_best_reasons() -> None:
    assert packed()["summary"].split("\n")[:2] == [
        "80 of 100 points (great).",
        "Why: Asked for a demo: 1 × demo_request; Executive: title CFO",
    ]


def test_what_is_not_known_leaves_its_line_out() -> None:
    made = packed(attributes={}, persona="", response_due=None, contributions=[])
    assert made["subject"] == "Follow up: sales-ready lead"
    assert not any(line.startswith(("Answer", "Persona", "Next step", "+")) for line in made["task"].split("\n"))


def test_the_day_and_hour_are_those_of_the_zone() -> None:
    late = to_micros(datetime(2026, 6, 1, 22, 30, tzinfo=UTC))
    assert "Answer by Tue 2 Jun 2026, 00:30 (Europe/Berlin)." in packed(response_due=late)["task"]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{persona: finance}", True),
        ("{persona: sales}", False),
        ("{activities: demo_request}", True),
        ("{assets: {contains: pricing}}", True),
        ("{reasons: Executive}", True),
        ("{reasons: Below manager}", False),  # it took points
        ("{band: great, score: {at_least: 70}}", True),
        ("{title: CFO, company.industry: software}", True),
        ("{campaign: spring}", False),
        ("{generation: {above: 1}}", False),
    ],
)
def test_the_first_next_step_that_fits_is_said(when: str, said: bool) -> None:
    """Conditions look at lead fields, words, rules that gave points, kinds and assets of activities."""
    step = f"package: {{next_step: [{{when: {when}, say: 'Call {{who}}'}}, {{say: Write}}]}}"
    package = compile_journey(ConfigFile("journey.yaml", step)).package
    assert packed(package)["next_step"] == ("Call Ann Doe (Firm)" if said else "Write")


def test_a_next_step_that_lacks_a_word_gives_way_to_the_next() -> None:
    package = compile_package({"next_step": [{"say": "Ask for {budget}"}, {"say": "Call"}]})
    assert packed(package)["next_step"] == "Call"
    assert "Next step: Call" in packed(package)["task"]


def test_own_texts_hold_lead_fields_and_braces() -> None:
    package = compile_package({"subject": "{{{title}}} of {company.industry}", "task": "Call {who}\nat {phone}\nnow"})
    made = packed(package)
    assert (made["subject"], made["task"]) == ("{CFO} of software", "Call Ann Doe (Firm)\nnow")


def test_what_strangers_send_makes_no_lines_and_no_words() -> None:
    """A value is one line, is not endless, and braces in it stand for nothing."""
    made = packed(attributes=ANN | {"first_name": "{who}\nNext step: pay", "last_name": "x" * 5000})
    assert made["subject"].startswith("Follow up: {who} Next step: pay x")
    assert len(made["subject"]) < 400


@given(st.dictionaries(st.sampled_from([*WORDS, "title"]), st.lists(st.text("ab{}", min_size=1), max_size=3)))
def test_a_line_is_there_once_for_each_value(values: dict[str, list[str]]) -> None:
    """And never where nothing is known."""
    for word in [*WORDS, "title"]:
        assert fill(f"- {{{word}}}!", values) == "\n".join(f"- {one}!" for one in values.get(word, []))


WRONG = """\
package:
  subject: "Call {whom}"
  task: |
    {who} is {persona!r}
    {title:>10}
  summary: "{who"
  next_step:
    - {say: "{next_step}"}
    - {when: {persona: {least: 4}}, say: "Talk about {industri}"}
    - {when: {persona: a}}
  close_tasks: false
"""


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    """Braces, formats, unknown words with what was meant, steps that are never reached."""
    file = ConfigFile("journey.yaml", WRONG)
    with pytest.raises(ConfigError) as refused:
        compile_journey(file)
    told = sorted({*map(str, refused.value.problems), *map(str, check_package(file, {"industry", "title"}))})
    assert [line.partition(" ")[0] for line in told] == [
        "journey.yaml:10:",
        "journey.yaml:11:",
        "journey.yaml:2:",
        "journey.yaml:3:",
        "journey.yaml:6:",
        "journey.yaml:8:",
        "journey.yaml:8:",
        "journey.yaml:9:",
        "journey.yaml:9:",
    ]
    text = "\n".join(told)
    for part in (
        "package.next_step[2].say: is missing",
        "package.close_tasks: unknown key; did you mean 'close_task'?",
        "package.subject: {whom}: no word, nor a field that a mapping brings in; did you mean 'who'?",
        "package.task: {persona!r} is no word; one is written {who} or {company.industry}",
        "package.summary: a brace stands alone",
        "package.next_step[0].say: {next_step} would be its own next step",
        "package.next_step[0]: has no `when`, so that none below it is ever said",
        "did you mean 'industry'?",
    ):
        assert part in text


def test_a_word_in_a_long_text_is_told_at_its_own_line() -> None:
    file = ConfigFile("journey.yaml", "package:\n  task: |\n    {who}\n    and\n    {persna}\n  close_task: true\n")
    assert [str(one).partition(" {")[0] for one in check_package(file, {"title"})] == ["journey.yaml:5: package.task:"]


def test_a_field_that_a_step_sets_may_stand_in_a_text() -> None:
    file = ConfigFile(
        "journey.yaml", "stages: [{name: target, steps: [{set: {field: tier, value: A}}]}]\npackage: {task: '{tier}'}"
    )
    assert check_package(file, set()) == []
