"""journey.yaml: what it says when it is right, and every complaint when it is not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.errors import ConfigError
from gateway.journey.check import check
from gateway.journey.journey import Exclusion, compile_journey
from gateway.journey.recycling import Recycling
from gateway.settings.files import ConfigFile

STARTER = Path(__file__).parents[2] / "mappings" / "starter" / "journey.yaml"

GOOD = """
personas:
  - {name: finance, when: {department: finance}}
  - {name: other}
stages:
  - {name: lead, shared: target}
  - {name: engaged, shared: target, entry: {score: 30}}
  - name: ready
    shared: mql
    entry: {score: {finance: 50, other: 62.5}, activity: [demo_request]}
    steps: [{set: {field: status, value: MQL}}, {join: hot}, {handoff: crm}]
    margin: 3
  - {name: taken, shared: sal, entry: {outcome: [accepted]}}
  - {name: won, entry: {outcome: [won]}}
never_hand_over:
  - {reason: customer, when: {customer: true}}
  - {reason: open deal, open_deal: true}
follow_up: {response: 4h, period: 5d}
reasons: {sales_rejected: [no budget]}
buckets: {lost: sales_rejected}
"""


def file(text):
    return ConfigFile("journey.yaml", text)


def stages(*lines, personas="[]"):
    listed = "\n".join(f"  - {line}" for line in lines)
    return f"personas: {personas}\nstages:\n  - {{name: target}}\n{listed}\n"


def test_a_good_file_has_no_problem():
    assert check(file(GOOD), ["department", "customer"], ["crm"]) == []


def test_a_compiled_journey_says_what_the_file_says():
    """Thresholds are hundredths, tracked stages are the shared ones in order, buckets are the default with changes."""
    journey = compile_journey(file(GOOD))
    ready = journey.stage("ready")
    assert journey.personas == ("finance", "other")
    assert journey.tracked == ("target", "mql", "sal", "won")
    assert journey.shared_stages()["target"] == ("lead", "engaged")
    assert (ready.threshold("finance"), ready.threshold("other"), ready.threshold("")) == (5000, 6250, None)
    assert (ready.handoff, ready.margin, journey.systems) == ("crm", 300, ("crm",))
    assert journey.follow_up.response == {"other": timedelta(hours=4)}
    assert (journey.buckets["lost"], journey.buckets["won"]) == ("sales_rejected", "sales_qualified")
    assert journey.reasons == {"sales_qualified": (), "sales_rejected": ("no budget",), "recycled": ()}


def test_a_score_falls_back_only_before_the_first_handoff_unless_said_otherwise():
    journey = compile_journey(file(GOOD))
    assert [stage.falls for stage in journey.stages] == [True, True, False, False, False]
    said = compile_journey(file(stages("{name: mql, entry: {score: 50}, fall: stay}")))
    assert said.stage("mql").falls is False


def test_an_empty_file_is_a_journey_of_one_stage():
    journey = compile_journey(file(""))
    assert [stage.name for stage in journey.stages] == ["target"]
    assert journey.tracked == ("target",)


@pytest.mark.parametrize(
    ("attributes", "persona"),
    [
        ({"department": "Finance"}, "finance"),
        ({"department": "sales"}, "other"),
        ({}, "other"),
    ],
)
def test_the_first_persona_that_matches_is_taken(attributes, persona):
    assert compile_journey(file(GOOD)).persona(attributes) == persona


def test_a_lead_may_be_of_no_persona():
    journey = compile_journey(file("personas: [{name: finance, when: {department: finance}}]"))
    assert journey.persona({"department": "sales"}) == ""


@pytest.mark.parametrize(
    ("attributes", "open_deal", "exclusion"),
    [
        ({"customer": True}, False, Exclusion("customer")),
        ({"customer": True}, True, Exclusion("customer")),  # the first rule that holds
        ({}, True, Exclusion("open deal", note_owner=True)),
        ({}, False, None),
    ],
)
def test_who_is_never_handed_over(attributes, open_deal, exclusion):
    assert compile_journey(file(GOOD)).exclusion(attributes, open_deal) == exclusion


def test_an_open_deal_rule_with_a_condition_needs_both():
    journey = compile_journey(file("never_hand_over: [{reason: big deal, open_deal: true, when: {size: big}}]"))
    assert journey.exclusion({"size": "big"}, True) is not None
    assert journey.exclusion({"size": "big"}, False) is None
    assert journey.exclusion({"size": "small"}, True) is None


def test_the_hash_is_of_the_content_not_of_its_form():
    """Comments and the order of keys change nothing, a threshold does."""
    one = compile_journey(file(stages("{name: mql, entry: {score: 50}}")))
    same = compile_journey(file("# comment\n" + stages("{entry: {score: 50}, name: mql}")))
    other = compile_journey(file(stages("{name: mql, entry: {score: 51}}")))
    assert one.hash == same.hash
    assert one.hash != other.hash
    assert len(one.hash) == 16


BAD = [
    ("stages:\n  - {name: t, shared: targt}", "2: stages[0].shared: no such shared stage; did you mean 'target'?"),
    ("stages:\n  - {name: lead}", "2: stages[0]: which shared stage is it? Add `shared:`"),
    (
        stages("{name: sql, entry: {outcome: [qualified]}}", "{name: x, shared: mql, entry: {score: 5}}"),
        "5: stages[2].shared: mql stands after sql",
    ),
    (stages("{name: mql}"), "4: stages[1]: nothing can enter it"),
    (stages("{name: mql, steps: [{join: hot}]}"), "4: stages[1].steps: never done"),
    (stages("{name: mql, entry: {score: 101}}"), "4: stages[1].entry.score: 101 is above 100"),
    (stages("{name: mql, entry: {score: -1}}"), "4: stages[1].entry.score: -1 is below 0"),
    (stages("{name: mql, entry: {score: many}}"), "4: stages[1].entry.score: expected a number of points"),
    (stages("{name: mql, entry: {score: true}}"), "4: stages[1].entry.score: expected a number of points"),
    (stages("{name: mql, entry: {outcome: [acepted]}}"), "entry.outcome[0]: no such outcome; did you mean 'accepted'?"),
    (stages("{name: mql, entry: {outcome: []}}"), "4: stages[1].entry.outcome: an empty list lets nobody in"),
    (stages("{name: mql, entry: {scor: 5}}"), "4: stages[1].entry.scor: unknown key; did you mean 'score'?"),
    (stages("{name: target, shared: mql, entry: {score: 5}}"), "4: stages[1].name: 'target' is here twice"),
    (stages("{name: 'a:b', shared: mql, entry: {score: 5}}"), "4: stages[1].name: must not contain a colon"),
    (stages("{name: mql, entry: {score: 5}, both: true}"), "4: stages[1].both: needs a score and an outcome"),
    (stages("{name: mql, entry: {score: 5}, fall: bak}"), "4: stages[1].fall: no such rule; did you mean 'back'?"),
    (stages("{name: mql, entry: {score: 5}, margin: 500}"), "4: stages[1].margin: expected a number of points"),
    (stages("{name: mql, entry: {score: 5}, steps: [{handof: crm}]}"), "steps[0].handof: no such step; did you mean"),
    (stages("{name: mql, entry: {score: 5}, steps: [{handoff: }]}"), "steps[0].handoff: expected the name of a system"),
    (stages("{name: mql, entry: {score: 5}, steps: [{handoff: cmr}]}"), "no such system; did you mean 'crm'?"),
    (stages("{name: mql, entry: {score: 5}, steps: [{handoff: crm}, {handoff: crm}]}"), "steps: two handoffs"),
    (stages("{name: mql, entry: {score: 5}, steps: [{set: {field: a}}]}"), "steps[0].set: expected {field: …, value"),
    (stages("{name: mql, entry: {score: 5}, steps: [{campaign: x}]}"), "steps[0].campaign: expected {name: …, status"),
    (stages("{name: mql, entry: {score: 5}, steps: [{join: }]}"), "steps[0].join: expected the name of a list"),
    (stages("{name: mql, entry: {score: 5}, steps: [{join: a, leave: b}]}"), "steps[0]: expected one step"),
    ("stages:\n  - {name: target, entry: {score: 5}}", "2: stages[0].entry: every lead enters the first stage"),
    ("stages:\n  - {name: target, steps: [{join: a}]}", "2: stages[0].steps: nobody crosses into the first stage"),
    ("stages: []", "1: stages: a journey needs a stage"),
    (
        stages("{name: mql, entry: {score: {finanse: 5}}}", personas="[{name: finance}]"),
        "4: stages[1].entry.score.finanse: no such persona; did you mean 'finance'?",
    ),
    (
        stages("{name: mql, entry: {score: {a: 5}}}", personas="[{name: a, when: {x: 1}}, {name: b}]"),
        "4: stages[1].entry.score: no threshold for persona 'b'",
    ),
    (
        stages("{name: mql, entry: {score: {a: 5}}}", personas="[{name: a, when: {x: 1}}]"),
        "4: stages[1].entry.score: leads of no persona have no threshold",
    ),
    ("personas: [{name: a}, {name: b}]", "1: personas[1]: never reached: 'a' before it has no `when`"),
    ("personas: [{name: a, when: {x: 1}}, {name: a}]", "1: personas[1].name: 'a' is here twice"),
    ("personas: [{name: a, when: {departmnt: x}}]", "when.departmnt: no such attribute; did you mean 'department'?"),
    ("personas: [{when: {x: 1}}]", "1: personas[0].name: is missing"),
    ("never_hand_over: [{reason: x}]", "1: never_hand_over[0]: says of nobody"),
    ("never_hand_over: [{reason: x, when: {x: {abov: 1}}}]", "when.x.abov: unknown operator; did you mean 'above'?"),
    ("follow_up: {response: soon}", "1: follow_up.response: not a duration"),
    ("follow_up: {response: {great: 5m, warm: 4h}}", "1: follow_up.response.warm: no such band; it is one of great,"),
    ("follow_up: {response: {other: soon}}", "1: follow_up.response.other: not a duration"),
    ("follow_up: {calendar: office}", "1: follow_up.calendar: no such calendar; there is none"),
    (
        "calendars: {office: {zone: UTC, hours: {mon: '9:00-17:00'}}}\nfollow_up: {calendar: offic}",
        "2: follow_up.calendar: no such calendar; did you mean 'office'?",
    ),
    (
        "calendars: {office: {zone: Berlin, hours: {mon: '9:00-17:00'}}}",
        "1: calendars.office.zone: no such time zone",
    ),
    ("calendars: {office: {zone: UTC}}", "1: calendars.office.hours: is missing"),
    ("calendars: {office: {zone: UTC, hours: {}}}", "1: calendars.office.hours: expected days and their hours"),
    ("calendars: {office: {zone: UTC, hours: {mon: []}}}", "1: calendars.office.hours.mon: no hours"),
    (
        "calendars: {office: {zone: UTC, hours: {fri-mon: '9:00-17:00'}}}",
        "1: calendars.office.hours.fri-mon: mon comes before fri",
    ),
    (
        "calendars: {office: {zone: UTC, hours: {mon: '17:00-9:00'}}}",
        "1: calendars.office.hours.mon: closes before it opens",
    ),
    (
        "calendars: {office: {zone: UTC, hours: {mon: ['9:00-12:00', '11:00-17:00']}}}",
        "1: calendars.office.hours.mon: hours overlap",
    ),
    (
        "calendars: {office: {zone: UTC, hours: {mon: '9:00-17:00'}, holidays: Freedonia}}",
        "1: calendars.office.holidays: no such country",
    ),
    (
        "calendars: {office: {zone: UTC, hours: {mon: '9:00-17:00'}, off: [24.12.]}}",
        "1: calendars.office.off[0]: expected a day",
    ),
    (
        "calendars: {office: {zone: UTC, hours: {mon: '9:00-17:00'}, off: ["
        + ", ".join(f"2026-{month:02}-{day:02}" for month in (5, 6, 7, 8) for day in range(1, 31))
        + "]}}",
        "1: calendars.office.off: nobody works for 60 days from 2026-",
    ),
    ("follow_up: {default_bucket: recycle}", "1: follow_up.default_bucket: no such bucket; did you mean 'recycled'?"),
    ("reasons: {rejected: [x]}", "1: reasons.rejected: no such bucket; did you mean"),
    ("buckets: {wonn: recycled}", "1: buckets.wonn: no such outcome; did you mean 'won'?"),
    ("buckets: {won: recyled}", "1: buckets.won: no such bucket; did you mean 'recycled'?"),
    ("persona: []", "1: persona: unknown key; did you mean 'personas'?"),
]


@pytest.mark.parametrize(
    ("step", "score", "complaint"),
    [
        ("handoff: crm", "5", "4: stages[1].steps[0].handoff: no such system; there is none"),
        ("join: hot", "{zzz: 5}", "4: stages[1].entry.score.zzz: no such persona; there is none"),
    ],
)
def test_where_nothing_could_be_named_the_message_says_so(step, score, complaint):
    """A list of what it may be, with nothing in it, helps nobody."""
    problems = check(file(stages(f"{{name: mql, entry: {{score: {score}}}, steps: [{{{step}}}]}}")), None, [])
    assert complaint in [str(problem).removeprefix("journey.yaml:") for problem in problems]


@pytest.mark.parametrize(("text", "complaint"), BAD, ids=[complaint[:60] for _, complaint in BAD])
def test_a_mistake_is_named_where_it_stands(text, complaint):
    problems = check(file(text), ["department", "x"], ["crm"])
    assert any(complaint in str(problem) for problem in problems), [str(problem) for problem in problems]
    assert all(str(problem).startswith("journey.yaml:") for problem in problems)


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_lines():
    text = stages("{name: mql, entry: {score: 101}}", "{name: sal, entry: {outcome: [acepted]}}") + "buckets: {x: y}\n"
    with pytest.raises(ConfigError) as raised:
        compile_journey(file(text))
    assert [problem.line for problem in raised.value.problems] == [4, 5, 6, 6]


@pytest.mark.parametrize(
    "text",
    [
        "stages: 5",
        "stages: [5, {name: 7}]",
        "personas: {a: 1}",
        "personas: [x]",
        "stages: [{name: target}, {name: mql, entry: 5, steps: 7, both: x, margin: y}]",
        "stages: [{name: target}, {name: mql, entry: {score: [], outcome: x, activity: {}}, steps: [x, {}, {set: 1}]}]",
        "never_hand_over: x\nfollow_up: x\nreasons: x\nbuckets: [x]",
        "reasons: {sales_rejected: x}\nbuckets: {won: [1], 5: recycled}",
        "stages: [{name: target}, {name: [mql], shared: {a: 1}, fall: [], entry: {score: {x: {}}}}]",
    ],
)
def test_odd_shapes_are_problems_and_never_a_crash(text):
    assert check(file(text))


WAYS_BACK = """
stages:
  - {name: target}
  - {name: mql, entry: {score: 50}, steps: [{handoff: crm}]}
  - {name: hot, shared: mql, entry: {score: 80}, steps: [{handoff: crm}]}
  - {name: won, entry: {outcome: [won]}}
reasons: {sales_rejected: [no budget, wrong person], recycled: [not now]}
lists: {recycled: {not now: Later, other: Nurture}, sales_rejected: Suppressed}
recycling: {rest: 30d, behaviour: halve, generations: 3, silent: 60d, stage: target}
rejected: {no budget: 180d, wrong person: never, other: fast track}
fast_track: {activities: [demo_request], stage: hot, response: 5m, period: 2d}
capacity: {hour: 5, day: 20}
"""


def test_the_way_back_says_what_the_file_says():
    journey, monday = compile_journey(file(WAYS_BACK)), datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert journey.recycling == Recycling(
        timedelta(days=30), "halve", 3, timedelta(days=60), "target",
        {"no budget": timedelta(days=180), "wrong person": "never", "other": "fast track"},
    )  # fmt: skip
    assert journey.lists == {
        "recycled": {"not now": "Later", "other": "Nurture"},
        "sales_rejected": {"other": "Suppressed"},
    }
    assert (journey.stage("mql").fast, journey.stage("hot").fast) == (frozenset(), {"demo_request"})
    assert journey.fast_clock.response_due(monday, "bad") == monday + timedelta(minutes=5)
    assert journey.fast_clock.period_ends(monday) == monday + timedelta(days=2)
    assert journey.capacity == {"hour": 5, "day": 20}


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("stage: target}", "stage: targt}", "9: recycling.stage: no such stage; did you mean 'target'?"),
        ("halve", "half", "9: recycling.behaviour: expected one of keep, halve, reset"),
        ("generations: 3", "generations: 0", "9: recycling.generations: expected a number from 1 to 100"),
        ("rest: 30d", "rest: long", "9: recycling.rest: not a duration; write a whole number and a unit"),
        ("silent", "silence", "9: recycling.silence: unknown key; did you mean 'silent'?"),
        (
            "no budget: 180d",
            "no budget: soon",
            "10: rejected.no budget: expected never, fast track, or a time such as 180d",
        ),
        ("no budget: 180d", "no bugdet: 180d", "10: rejected.no bugdet: no such reason; did you mean 'no budget'?"),
        ("{not now: L", "{not nw: L", "8: lists.recycled.not nw: no such reason; did you mean 'not now'?"),
        ("other: Nurture", "other: []", "8: lists.recycled.other: expected the name of a list, or one for each reason"),
        ("stage: hot", "stage: hott", "11: fast_track.stage: no such stage; did you mean 'hot'?"),
        (
            "stage: hot",
            "stage: target",
            "11: fast_track: no stage hands over; add a step such as `handoff: crm` to one",
        ),
        ("[demo_request]", "[]", "11: fast_track.activities: an empty list is no fast track"),
        ("hour: 5", "hour: 50", "12: capacity.hour: an hour has more than its day"),
        ("{hour: 5, day: 20}", "{}", "12: capacity: say how many handoffs an hour or a day may have"),
        ("day: 20", "day: 0", "12: capacity.day: "),
    ],
)
def test_a_mistake_in_the_way_back_is_named_where_it_stands(right, wrong, complaint):
    assert right in WAYS_BACK
    [problem] = check(file(WAYS_BACK.replace(right, wrong)))
    assert f"journey.yaml:{complaint}" in str(problem)


def test_a_handoff_from_which_nothing_leads_on_is_refused():
    """What sales report has to lead somewhere."""
    text = stages("{name: mql, entry: {score: 50}, steps: [{join: hot}, {handoff: crm}]}")
    [problem] = check(file(text))
    assert "journey.yaml:4: stages[1].steps[1]: no exit: no later stage is entered by an outcome" in str(problem)
    assert check(file(text + "  - {name: won, entry: {outcome: [won]}}\n")) == []


def test_the_starter_file_is_valid():
    """Attributes are the starter's own; the handoff goes to the system ``crm``."""
    starter = ConfigFile.read(STARTER)
    assert check(starter, systems=["website", "crm"]) == []
    journey = compile_journey(starter)
    assert journey.tracked == ("target", "mql", "sal", "sql", "won")
    assert journey.systems == ("crm",)
    assert journey.exclusion({}, open_deal=True).note_owner


def test_clocks_run_in_the_calendars_hours_and_by_band() -> None:
    """Who is handed over on a Friday evening is due on Monday: the great ones five minutes after opening."""
    journey = compile_journey(
        file(
            "calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: '09:00-17:00'}, holidays: DE}}\n"
            "follow_up: {calendar: office}"
        )
    )
    friday = datetime(2026, 11, 27, 18, tzinfo=ZoneInfo("Europe/Berlin"))
    clock = journey.follow_up
    due = [clock.response_due(friday, band) for band in ("great", "good", "bad")] + [clock.period_ends(friday)]
    assert [at and f"{at.astimezone(friday.tzinfo):%a %H:%M}" for at in due] == [
        "Mon 09:05",
        "Mon 13:00",
        "Mon 13:00",
        "Mon 09:00",
    ]


def test_without_a_calendar_clocks_run_day_and_night() -> None:
    clock = compile_journey(file("follow_up: {response: {great: 5m}, period: 2d}")).follow_up
    at = datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert (clock.response_due(at, "great"), clock.response_due(at, "bad")) == (at + timedelta(minutes=5), None)
    assert clock.period_ends(at) == at + timedelta(days=2)
