"""What holds for every model and every lead: sums, bounds, order, and the exactness of ``changes_at``.

The reference below is the definition in plain words of Python, without generated code; both must agree.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from drawing import draws
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.contracts import Activity, Mark, Subject
from gateway.durations import parse_duration
from gateway.scoring.checking import check
from gateway.scoring.titles import TitleTable
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
CONTENT = [
    {"stage": "late", "where": {"asset": {"contains": "pricing"}, "channel": "web"}},
    {"stage": "early", "where": {"channel": "mail"}},
]
ORDER = ["c_level", "vice_president", "manager", "specialist"]
KINDS = ["view", "click", "visit"]

# -- models ------------------------------------------------------------------------------------------------------------

points = st.integers(-300, 300).map(lambda tenths: tenths / 10)
optional = st.none
fit_tests = st.one_of(
    st.builds(lambda low, p: {"level": "seniority", "at_least": low, "points": p}, st.sampled_from(ORDER), points),
    st.builds(lambda p: {"when": {"country": ["DE", "AT"], "size": {"known": True}}, "points": p}, points),
    st.builds(
        lambda p: {"when": {"any": [{"size": {"above": 50}}, {"source": {"contains": "fer"}}]}, "points": p}, points
    ),
    st.builds(
        lambda p, q: {"ranges": {"attribute": "size", "points": {"0-49": p, "50-499": q, "500-": 7}}}, points, points
    ),
    st.builds(
        lambda p, q: {"values": {"attribute": "source", "points": {"Referral": p, "paid": q}, "default": 3}},
        points,
        points,
    ),
    st.builds(lambda p, q: {"levels": {"level": "seniority", "points": {"c_level": p, "manager": q}}}, points, points),
)
behaviour_tests = st.one_of(
    st.builds(lambda p: {"when": {"size": {"above": 100}}, "points": p}, points),
    st.builds(
        lambda kinds, p, rest: {"activity": kinds, "points": p, **{key: one for key, one in rest.items() if one}},
        st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True),
        points,
        st.fixed_dictionaries(
            {
                "where": st.sampled_from([None, {"asset": {"contains": "pricing"}}, {"channel": "web"}]),
                "window": st.sampled_from([None, None, "1s", "3d", "10d", "40d"]),
                "half_life": st.sampled_from([None, None, "2s", "1d", "4d", "30d"]),
                "cap": st.sampled_from([None, None, 5, 20, 60.5]),
                "group": st.sampled_from([None, None, "web"]),
            }
        ),
    ),
)


@st.composite
def models(draw):
    """A scoring.yaml's data that passes the check."""
    rules = [{"name": f"fit {n}", **one} for n, one in enumerate(draw(st.lists(fit_tests, max_size=4)))]
    acts = [
        {"name": f"act {n}", **one} for n, one in enumerate(draw(st.lists(behaviour_tests, min_size=1, max_size=5)))
    ]
    names = [rule["name"] for rule in (*rules, *acts)]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
    factors = st.sampled_from([0, 0.5, 1.5, 2])
    personas = draw(
        st.dictionaries(st.sampled_from(["buyer", "user"]), st.dictionaries(st.sampled_from(names), factors))
    )
    overlays = [
        {"name": f"o{n}", "from": str(date(2026, 6, 1) + timedelta(days=start)), "rule": rule, "factor": factor}
        | ({"to": str(date(2026, 6, 1) + timedelta(days=start + length))} if length else {})
        for n, (start, length, rule, factor) in enumerate(
            draw(st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 6), some, factors), max_size=2))
        )
    ]
    weight = draw(st.sampled_from([60, 50, 33.3, 100]))
    row = st.dictionaries(st.sampled_from(["early", "late", "unassigned"]), factors)
    rows = draw(st.dictionaries(st.sampled_from(["buyer", "default"]), row, max_size=2))
    weighed = {"content_weights": rows, "content": CONTENT} if rows else {}
    return weighed | {
        "weights": {"fit": weight, "behaviour": round(100 - weight, 2)},
        "maximum": {"fit": draw(st.sampled_from([30, 100, 7.5])), "behaviour": draw(st.sampled_from([10, 40, 333]))},
        "groups": {"web": {"cap": draw(st.sampled_from([10, 25.5]))}},
        "levels": {"seniority": {"attribute": "title", "order": ORDER}},
        "fit": rules,
        "behaviour": acts,
        "personas": personas,
        "overlays": overlays,
    }


spans = st.one_of(
    st.timedeltas(-timedelta(days=4), timedelta(days=45)),
    st.integers(-3, 12).map(lambda days: timedelta(days=days)),  # exactly on an edge
    st.integers(-3, 8).map(lambda seconds: timedelta(seconds=seconds)),
)
activities = st.lists(
    st.builds(
        lambda span, kind, asset, channel: Activity(NOW - span, kind, asset, channel),
        spans,
        st.sampled_from([*KINDS, "other"]),
        st.sampled_from(["", "/Pricing/x", "/home"]),
        st.sampled_from(["web", "mail"]),
    ),
    max_size=8,
)
marks = st.lists(
    st.builds(
        lambda at, kind, given, length: Mark(
            NOW - at, kind, given if kind == "manual" else 0, until=NOW - at + length if length else None
        ),
        spans,
        st.sampled_from(["manual", "keep", "halve", "reset", "hold"]),
        st.integers(-120, 120),
        st.sampled_from([None, timedelta(seconds=1), timedelta(days=2), timedelta(days=30)]),
    ),
    max_size=3,
)
attributes = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["CEO", "VP Sales", "Sales Manager", "Engineer", "Astronaut"]),
        "country": st.sampled_from(["de", "AT", "FR"]),
        "size": st.sampled_from([0, 49, 49.5, 50, "120", 499, 500, -1, "many"]),
        "source": st.sampled_from(["referral", "PAID", "event", ["paid", "Referral"]]),
    },
)
subjects = st.builds(Subject, attributes, activities, marks, st.sampled_from(["", "buyer", "user", "nobody"]))
unmarked = st.builds(Subject, attributes, activities, st.just(()), st.sampled_from(["", "buyer", "user"]))


# -- the definition ----------------------------------------------------------------------------------------------------


def reference(model, subject, at):
    """(total, fit, behaviour), straight from the file's data."""
    active = [mark for mark in subject.marks if mark.at <= at and (mark.until is None or at < mark.until)]
    axes = {}
    for axis in ("fit", "behaviour"):
        scale = Fraction(str(model["weights"][axis])) / Fraction(str(model["maximum"][axis]))
        total, grouped = 0, 0
        for rule in model[axis]:
            value = scaled(raw(rule, model, subject, active, at), scale)
            if rule.get("group"):
                grouped += value
            else:
                total += value
        cap = scaled(round(model["groups"]["web"]["cap"] * 100), scale)
        total += max(-cap, min(cap, grouped))
        axes[axis] = max(0, min(round(model["weights"][axis] * 100), total))
    manual = sum(100 * mark.points for mark in active if mark.kind == "manual")
    return max(0, min(10_000, axes["fit"] + axes["behaviour"] + manual)), axes["fit"], axes["behaviour"]


def scaled(hundredths, scale):
    return (hundredths * scale + Fraction(1, 2)).__floor__()


def raw(rule, model, subject, active, at):
    factor = model["personas"].get(subject.persona, {}).get(rule["name"], 1)
    for overlay in model["overlays"]:
        day = {key: datetime.fromisoformat(f"{overlay[key]}T00:00:00Z") for key in ("from", "to") if key in overlay}
        if rule["name"] in overlay["rule"] and day["from"] <= at and ("to" not in day or at < day["to"]):
            factor *= overlay["factor"]
    if "activity" not in rule:
        return round(round(attribute_points(rule, subject.attributes) * 100) * factor)
    total = 0
    for activity in subject.activities:
        worth = round(round(rule["points"] * 100) * factor * served(model, subject.persona, activity))
        age = at - activity.at
        where = rule.get("where", {})
        if (
            activity.kind not in rule["activity"]
            or age < timedelta(0)
            or ("window" in rule and age >= parse_duration(rule["window"]))
            or ("asset" in where and "pricing" not in activity.asset.lower())
            or ("channel" in where and activity.channel != "web")
            or any(mark.kind == "reset" and activity.at < mark.at for mark in active)
        ):
            continue
        steps = sum(mark.kind == "halve" and activity.at < mark.at for mark in active)
        steps += age // parse_duration(rule["half_life"]) if "half_life" in rule else 0
        left = Fraction(abs(worth), 2**steps)  # 0.5 ** floor(age / half_life), a half rounded towards 0
        total += (-(-(left - Fraction(1, 2)) // 1)) * (1 if worth > 0 else -1)
    cap = round(rule["cap"] * 100) if "cap" in rule else None
    return total if cap is None else max(-cap, min(cap, total))


def served(model, persona, activity):
    """The factor of the stage that the activity's content serves, by ``CONTENT``."""
    rows = model.get("content_weights", {})
    late = "pricing" in activity.asset.lower() and activity.channel == "web"
    stage = "late" if late else "early" if activity.channel == "mail" else "unassigned"
    return rows.get(persona, {}).get(stage, rows.get("default", {}).get(stage, 1))


def attribute_points(rule, lead):
    if "when" in rule:
        size = lead.get("size")
        amount = None if size == "many" or size is None else float(size)
        if "country" in rule["when"]:
            holds = str(lead.get("country")).upper() in ("DE", "AT") and "size" in lead
        elif "any" in rule["when"]:
            source = lead.get("source", "")
            holds = (amount is not None and amount > 50) or any(
                "fer" in one.lower() for one in (source if isinstance(source, list) else [source])
            )
        else:
            holds = amount is not None and amount > 100
        return rule["points"] if holds else 0
    if "ranges" in rule:
        size = lead.get("size")
        if size is None or size == "many":
            return 0
        given = rule["ranges"]["points"]
        return (
            0 if float(size) < 0 else given["0-49" if float(size) < 50 else "50-499" if float(size) < 500 else "500-"]
        )
    if "values" in rule:
        if "source" not in lead:
            return 0
        given = {"referral": rule["values"]["points"]["Referral"], "paid": rule["values"]["points"]["paid"]}
        source = lead["source"] if isinstance(lead["source"], list) else [lead["source"]]
        return max(given.get(one.lower(), 3) for one in source)
    level = TitleTable(order=ORDER).match(lead.get("title", ""))
    if "levels" in rule:
        return rule["levels"]["points"].get(level, 0)
    return rule["points"] if level in ORDER[: ORDER.index(rule["at_least"]) + 1] else 0


@draws(40)
@given(models())
def test_every_model_tried_here_passes_the_check(model):
    """JSON is YAML: the models of the properties below are files that an admin could have written."""
    file = {key: value for key, value in model.items() if key != "content"}  # which stands in a file of its own
    assert check(ConfigFile("scoring.yaml", json.dumps(file))) == []


# -- properties --------------------------------------------------------------------------------------------------------


@draws(200)
@given(models(), subjects, spans)
def test_generated_code_gives_what_the_definition_says(model, subject, span):
    """The compiled function, fast and explained, equals the slow definition on every model, lead and time."""
    scorer = WeightedScorer(model)
    at = NOW - span
    fast, slow = scorer.score(subject, at), scorer.score(subject, at, explain=True)
    assert (fast.total, fast.fit, fast.behaviour) == reference(model, subject, at)
    assert (slow.total, slow.fit, slow.behaviour, slow.band, slow.changes_at) == (
        fast.total, fast.fit, fast.behaviour, fast.band, fast.changes_at,
    )  # fmt: skip
    assert fast.contributions == ()


@draws(100)
@given(models(), subjects)
def test_contributions_add_up_exactly(model, subject):
    """Every hundredth of the total has a line with a reason; so has every hundredth of each axis."""
    score = WeightedScorer(model).score(subject, NOW, explain=True)
    assert sum(one.hundredths for one in score.contributions) == score.total
    assert sum(one.hundredths for one in score.contributions if one.axis == "fit") == score.fit
    assert sum(one.hundredths for one in score.contributions if one.axis == "behaviour") == score.behaviour
    assert all(one.hundredths and one.rule and one.reason for one in score.contributions)


@draws(100)
@given(models(), subjects)
def test_points_stay_within_their_bounds(model, subject):
    """An axis is 0 … its weight, the total 0 … 100, whatever the rules and marks say."""
    score = WeightedScorer(model).score(subject, NOW)
    assert 0 <= score.total <= 10_000
    assert 0 <= score.fit <= round(model["weights"]["fit"] * 100)
    assert 0 <= score.behaviour <= round(model["weights"]["behaviour"] * 100)


@draws(100)
@given(models(), subjects, st.randoms(use_true_random=False))
def test_the_order_of_activities_does_not_matter(model, subject, random):
    """Sorted or not, the same facts give the same score."""
    shuffled = random.sample(list(subject.activities), len(subject.activities))
    scorer = WeightedScorer(model)
    other = Subject(subject.attributes, shuffled, subject.marks, subject.persona)
    assert scorer.score(other, NOW, explain=True) == scorer.score(subject, NOW, explain=True)


@draws(200)
@given(models(), subjects, st.lists(st.timedeltas(timedelta(0), timedelta(days=400)), max_size=6))
def test_a_score_is_constant_until_changes_at(model, subject, later):
    """Nothing moves on [at, changes_at): not the total, and no single rule's points either."""
    scorer = WeightedScorer(model)
    score = scorer.score(subject, NOW, explain=True)
    end = score.changes_at or NOW + timedelta(days=100_000)
    assert end > NOW
    times = [NOW, end - TICK, *(NOW + span for span in later if NOW + span < end), NOW + (end - NOW) / 2]
    for at in times:
        other = scorer.score(subject, at, explain=True)
        assert (other.total, other.fit, other.behaviour) == (score.total, score.fit, score.behaviour)
        assert [(one.rule, one.hundredths) for one in other.contributions] == [
            (one.rule, one.hundredths) for one in score.contributions
        ]
        assert other.changes_at == score.changes_at


@draws(200)
@given(models(), subjects, subjects, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_renewed_score_is_the_one_made_from_everything(model, subject, other, later):
    """A score whose attributes alone changed before ``changes_at`` needs none of the activities again."""
    model = model | {"behaviour": [rule for rule in model["behaviour"] if "activity" in rule]}
    scorer = WeightedScorer(model)
    assert scorer.lasting
    before = scorer.score(replace(subject, marks=()), NOW)
    at = min(NOW + later, before.changes_at - TICK) if before.changes_at else NOW + later
    changed = replace(subject, attributes=other.attributes, marks=())
    assert scorer.renew(before, replace(changed, activities=()), at) == scorer.score(changed, at)


def test_a_model_whose_axes_read_each_others_things_is_not_lasting():
    """Points for behaviour that an attribute gives, or points for fit from an activity, need all facts again."""
    rule = {"name": "big", "when": {"size": {"above": 5}}, "points": 1}
    act = {"name": "view", "activity": "view", "points": 1}
    assert WeightedScorer({"fit": [rule], "behaviour": [act]}).lasting
    assert not WeightedScorer({"behaviour": [rule, act]}).lasting
    assert not WeightedScorer({"fit": [rule, act]}).lasting


@draws(80)
@given(models(), unmarked)
def test_a_score_stops_moving_by_itself(model, subject):
    """From change to change the sweep comes to an end, and every stop is strictly later than the one before."""
    scorer = WeightedScorer(model)
    at, stops = NOW, 0
    while (later := scorer.score(subject, at).changes_at) is not None:
        assert later > at
        at, stops = later, stops + 1
        assert stops < 2000


@draws(80)
@given(models(), subjects, spans)
def test_activities_beyond_the_horizon_never_count(model, subject, span):
    """The store may leave out what is as old as the horizon or older, and kinds that no rule reads."""
    scorer = WeightedScorer(model)
    at = NOW - span
    near = [
        one
        for one in subject.activities
        if one.kind in scorer.kinds and (scorer.horizon is None or at - one.at < scorer.horizon)
    ]
    read_ones = {name: value for name, value in subject.attributes.items() if name in scorer.attributes}
    other = Subject(read_ones, near, subject.marks, subject.persona)
    assert scorer.score(other, at) == scorer.score(subject, at)


@draws(80)
@given(
    st.sampled_from(["1d", "10d", "3h"]),
    st.sampled_from([None, "4d", "30d"]),
    st.integers(1, 50),
    st.timedeltas(timedelta(0), timedelta(days=60)),
)
def test_every_change_foretold_for_one_activity_is_a_change(half_life, window, worth, age):
    """Without limits in the way, ``changes_at`` is not just safe but exact: there the score does move."""
    rule = {"name": "seen", "activity": "view", "points": worth, "half_life": half_life}
    model = {"behaviour": [rule | ({"window": window} if window else {})], "weights": {"fit": 0, "behaviour": 100}}
    scorer = WeightedScorer(model)
    subject = Subject({}, [Activity(NOW - age, "view")])
    stops = [NOW]
    while (later := scorer.score(subject, stops[-1]).changes_at) is not None:
        stops.append(later)
    assume(len(stops) > 1)
    totals = [scorer.score(subject, at).total for at in stops]
    assert all(before > after for before, after in pairwise(totals))
    assert totals[-1] == 0
