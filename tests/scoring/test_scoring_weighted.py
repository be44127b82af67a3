"""The weighted strategy, one fact per test: what each kind of rule gives, limits, time, personas, overlays, marks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.contracts import Activity, Mark, Subject
from gateway.errors import ConfigError
from gateway.scoring.checking import check
from gateway.scoring.compiler import Compiler, changes, halvings
from gateway.scoring.model import load_model
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEVELS = "levels: {seniority: {attribute: title, order: [c_level, vice_president, director, manager, specialist]}}\n"
PLAIN = "weights: {fit: 50, behaviour: 50}\nmaximum: {fit: 50, behaviour: 50}\n"  # a raw point is a point


def scorer(yaml):
    file = ConfigFile("scoring.yaml", yaml)
    assert [str(one) for one in check(file)] == []
    return WeightedScorer(file.data)


def ago(**span):
    return NOW - timedelta(**span)


def view(at, asset="/"):
    return Activity(at, "view", asset)


@pytest.mark.parametrize(
    ("rule", "attributes", "points"),
    [
        ("level: seniority, at_least: vice_president, points: 20", {"title": "CEO"}, 20),
        ("level: seniority, at_least: vice_president, points: 20", {"title": "VP Sales"}, 20),
        ("level: seniority, at_least: vice_president, points: 20", {"title": "Director"}, 0),
        ("level: seniority, at_least: vice_president, points: 20", {"title": "Assistant to the CEO"}, 0),
        ("level: seniority, above: vice_president, points: 20", {"title": "VP Sales"}, 0),
        ("level: seniority, at_most: manager, points: 4", {"title": "Engineer"}, 4),
        ("level: seniority, below: manager, points: 4", {"title": "Manager"}, 0),
        ("level: seniority, is: director, points: 4", {"title": "Head of Sales"}, 4),
        ("level: seniority, below: manager, points: 4", {"title": "Astronaut"}, 0),  # unknown: neither gains nor loses
        ("level: seniority, below: manager, points: 4", {}, 0),
        ("levels: {level: seniority, points: {c_level: 9, manager: 3}}", {"title": "Sales Manager"}, 3),
        ("levels: {level: seniority, points: {c_level: 9}, default: 1}", {"title": "Sales Manager"}, 1),
        ("levels: {level: seniority, points: {c_level: 9}, default: 1}", {"title": "Astronaut"}, 0),
        ("when: {industry: [software, finance]}, points: 15", {"industry": "Software"}, 15),
        ("when: {industry: {known: false}}, points: 3", {}, 3),
        ("when: {email: {matches: '@gmail'}}, points: 3", {"email": "a@GMAIL.com"}, 3),
        ("when: {company.size: {above: 5}}, points: 3", {"company.size": 6}, 3),
        ('ranges: {attribute: size, points: {"0-49": 1, "50-499": 2, "500-": 3}}', {"size": 49}, 1),
        ('ranges: {attribute: size, points: {"0-49": 1, "50-499": 2, "500-": 3}}', {"size": 49.9}, 1),  # whole part
        ('ranges: {attribute: size, points: {"0-49": 1, "50-499": 2, "500-": 3}}', {"size": "50"}, 2),
        ('ranges: {attribute: size, points: {"0-49": 1, "50-499": 2, "500-": 3}}', {"size": 10**9}, 3),
        ('ranges: {attribute: size, points: {"10-49": 1}, default: 4}', {"size": 9}, 4),
        ('ranges: {attribute: size, points: {"10-49": 1}, default: 4}', {"size": "many"}, 0),
        ('ranges: {attribute: size, points: {"10-49": 1}, default: 4}', {}, 0),
        ('ranges: {attribute: size, points: {"-10": 1, "11.5-20": 2}}', {"size": -20}, 1),
        ('ranges: {attribute: revenue, points: {"1000-": 2}}', {"revenue": ["1500.00", "EUR"]}, 2),  # money
        ("values: {attribute: source, points: {Referral: 10, paid: 5}}", {"source": "referral"}, 10),
        ("values: {attribute: source, points: {Referral: 10}, default: 2}", {"source": "fair"}, 2),
        ("values: {attribute: source, points: {Referral: 10}, default: 2}", {}, 0),
        ("values: {attribute: tags, points: {a: 1, b: 5}}", {"tags": ["a", "B"]}, 5),  # of a list the best
        ("values: {attribute: grade, points: {1: 7}}", {"grade": 1}, 7),
        ("values: {attribute: vip, points: {true: 7}}", {"vip": True}, 7),
    ],
)  # fmt: skip
def test_a_rule_on_attributes_gives_its_points(rule, attributes, points):
    """Levels, conditions, ranges and value sets, on values that fit, do not fit, or are not there."""
    model = scorer(f"{PLAIN}{LEVELS}fit:\n  - {{name: r, {rule}}}\n")
    score = model.score(Subject(attributes), NOW)
    assert (score.fit, score.total, score.changes_at) == (points * 100, points * 100, None)


def test_sixty_to_forty_is_the_default():
    """Full fit is 60 points, full behaviour 40; bands are 70 and 40."""
    model = scorer("fit: [{name: a, when: {x: 1}, points: 100}]\nbehaviour: [{name: b, when: {y: 1}, points: 100}]")
    scores = [model.score(Subject(lead), NOW) for lead in ({"x": 1, "y": 1}, {"x": 1}, {"y": 1}, {})]
    assert [(score.total, score.band) for score in scores] == [
        (10_000, "great"),
        (6000, "good"),
        (4000, "good"),
        (0, "bad"),
    ]


def test_negative_rules_take_points_away_but_an_axis_never_falls_below_zero():
    """Executive or above gains, below loses; the loss is cut where the axis ends."""
    model = scorer(
        f"{PLAIN}{LEVELS}fit:\n  - {{name: up, when: {{x: 1}}, points: 15}}\n"
        "  - {name: down, level: seniority, below: manager, points: -10}\n"
    )
    assert model.score(Subject({"x": 1, "title": "Engineer"}), NOW).total == 500
    low = model.score(Subject({"title": "Engineer"}), NOW, explain=True)
    assert [(one.rule, one.hundredths) for one in low.contributions] == [("down", -1000), ("limit of fit", 1000)]


def test_caps_hold_per_rule_per_group_and_per_axis():
    """Five views at 10: the rule gives 30, its group 35 with another rule's 20, the axis 50."""
    model = scorer(
        PLAIN + "groups: {web: {cap: 35}}\nbehaviour:\n"
        "  - {name: a, activity: view, points: 10, cap: 30, group: web}\n"
        "  - {name: b, activity: view, points: 4, group: web}\n"
        "  - {name: c, activity: view, points: 5}\n"
    )
    score = model.score(Subject({}, [view(ago(days=day)) for day in range(5)]), NOW, explain=True)
    assert [(one.rule, one.hundredths) for one in score.contributions] == [
        ("a", 3000), ("b", 2000), ("c", 2500), ("limit of group web", -1500), ("limit of behaviour", -1000),
    ]  # fmt: skip
    assert score.total == 5000


def test_a_cap_limits_a_loss_too():
    """A negative rule takes away at most its cap."""
    model = scorer(
        PLAIN + "behaviour:\n  - {name: up, when: {x: 1}, points: 40}\n"
        "  - {name: down, activity: view, points: -10, cap: 15}\n"
    )
    assert model.score(Subject({"x": 1}, [view(NOW)] * 3), NOW).total == 2500


def test_a_group_takes_away_at_most_its_cap():
    """The cap of a group holds both ways."""
    model = scorer(
        PLAIN + "groups: {bad: {cap: 15}}\nbehaviour:\n  - {name: up, when: {x: 1}, points: 40}\n"
        "  - {name: down, activity: view, points: -10, group: bad}\n"
    )
    assert model.score(Subject({"x": 1}, [view(NOW)] * 3), NOW).total == 2500


def test_an_activity_leaves_its_window_exactly_at_the_end():
    """Age below the window counts; at the window it no longer does, and changes_at names that moment."""
    model = scorer(PLAIN + "behaviour: [{name: a, activity: view, points: 10, window: 30d}]")
    subject = Subject({}, [view(ago(days=29)), view(ago(days=2))])
    score = model.score(subject, NOW)
    assert (score.total, score.changes_at) == (2000, NOW + timedelta(days=1))
    assert model.score(subject, score.changes_at).total == 1000
    assert model.score(subject, score.changes_at).changes_at == NOW + timedelta(days=28)


@pytest.mark.parametrize(
    ("days", "points", "next_in_days"),
    [
        (0, 1000, 14),
        (13, 1000, 1),
        (14, 500, 14),  # one half-life
        (28, 250, 14),
        (42, 125, 14),
        (14 * 9, 2, 14),  # 10 / 512 = 1.95 hundredths
        (14 * 10, 1, 14),
        (14 * 11, 0, None),  # nothing left: causes no changes any more
    ],
)
def test_points_halve_in_steps(days, points, next_in_days):
    """0.5 ** floor(age / half-life), in whole hundredths, until nothing is left."""
    model = scorer(PLAIN + "behaviour: [{name: a, activity: view, points: 10, half_life: 14d}]")
    score = model.score(Subject({}, [view(ago(days=days))]), NOW)
    assert score.total == points
    assert score.changes_at == (None if next_in_days is None else NOW + timedelta(days=next_in_days))


def test_a_window_ends_before_the_next_half_life_step():
    """Of window end and half-life step the earlier is the next change."""
    model = scorer(PLAIN + "behaviour: [{name: a, activity: view, points: 10, half_life: 14d, window: 20d}]")
    subject = Subject({}, [view(ago(days=15))])
    assert model.score(subject, NOW).changes_at == NOW + timedelta(days=5)
    assert model.score(subject, NOW + timedelta(days=5)).total == 0


def test_a_step_at_which_nothing_is_lost_is_no_change():
    """0.03 points: 0.01 (and a half, rounded towards 0) twice in a row."""
    assert halvings(3) == (3, 1, 1)
    assert changes(halvings(3)) == (1, 3, 3)
    assert halvings(-3) == (-3, -1, -1)
    assert halvings(0) == ()


def test_an_activity_in_the_future_does_not_count_yet():
    """It counts from its own time on; one that no rule would count foretells nothing."""
    model = scorer(PLAIN + "behaviour: [{name: a, activity: view, where: {asset: {contains: pricing}}, points: 10}]")
    soon = NOW + timedelta(hours=1)
    subject = Subject({}, [view(soon, "/pricing"), view(NOW + timedelta(minutes=1), "/home"), Activity(soon, "other")])
    score = model.score(subject, NOW)
    assert (score.total, score.changes_at) == (0, soon)
    assert model.score(subject, soon).total == 1000
    assert model.score(subject, soon).changes_at is None


def test_an_activity_counts_in_every_rule_that_reads_its_kind():
    """One page view may be a view and a view of pricing; a rule may read several kinds."""
    model = scorer(
        PLAIN + "behaviour:\n  - {name: a, activity: [view, click], points: 1}\n"
        "  - {name: b, activity: view, where: {asset: {contains: PRICING}, channel: Web}, points: 5}\n"
    )
    activities = [
        Activity(NOW, "view", "/pricing", "web"),
        Activity(NOW, "view", "/pricing", "mail"),
        Activity(NOW, "click"),
    ]
    score = model.score(Subject({}, activities), NOW, explain=True)
    assert [(one.rule, one.hundredths) for one in score.contributions] == [("a", 300), ("b", 500)]


def test_a_persona_multiplies_the_rules_it_names():
    """Other personas, and none, get the plain points; the cap stays as it is."""
    model = scorer(
        PLAIN + "personas: {finance: {a: 1.5, b: 0}}\nbehaviour:\n"
        "  - {name: a, activity: view, points: 10, cap: 25}\n  - {name: b, activity: view, points: 2}\n"
    )
    views = [view(NOW)] * 2
    totals = {persona: model.score(Subject({}, views, (), persona), NOW).total for persona in ("", "finance", "other")}
    assert totals == {"": 2400, "finance": 2500, "other": 2400}


def test_an_overlay_holds_from_its_first_moment_to_before_its_last():
    """`from` is included, `to` is not; both edges are foretold."""
    model = scorer(
        PLAIN + "overlays: [{name: Fair, from: 2026-06-02, to: 2026-06-04T10:00:00+02:00, rule: a, factor: 2}]\n"
        "behaviour: [{name: a, activity: view, points: 10}]"
    )
    subject = Subject({}, [view(ago(days=1))])
    start, end = datetime(2026, 6, 2, tzinfo=UTC), datetime(2026, 6, 4, 8, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    seen = [
        (model.score(subject, at).total, model.score(subject, at).changes_at) for at in (NOW, start, end - tick, end)
    ]
    assert seen == [(1000, start), (2000, end), (2000, end), (1000, None)]


def test_an_overlay_may_name_a_group_and_overlays_multiply():
    """Two overlays on one rule at one time multiply; an overlay without `to` never ends."""
    model = scorer(
        PLAIN + "groups: {web: {cap: 50}}\noverlays:\n  - {name: A, from: 2026-01-01, group: web, factor: 2}\n"
        "  - {name: B, to: 2027-01-01, rule: [a], factor: 1.5}\n"
        "behaviour:\n  - {name: a, activity: view, points: 10, group: web}\n"
        "  - {name: b, activity: view, points: 1, group: web}\n"
    )
    assert model.score(Subject({}, [view(NOW)]), NOW).total == 3200


@pytest.mark.parametrize(
    ("marks", "total", "changes_in_hours"),
    [
        ([Mark(ago(days=1), "manual", 7)], 2700, None),
        ([Mark(ago(days=1), "manual", -7, until=NOW + timedelta(hours=3))], 1300, 3),
        ([Mark(ago(days=1), "manual", 7, until=NOW)], 2000, None),  # until is not included
        ([Mark(NOW + timedelta(hours=2), "manual", 7)], 2000, 2),  # not yet
        ([Mark(ago(days=1), "manual", 300)], 10_000, None),  # the total stays within 0 … 100
        ([Mark(ago(days=1), "manual", -300)], 0, None),
        ([Mark(ago(days=1), "halve")], 1500, None),  # only what happened before the mark
        ([Mark(ago(days=1), "halve"), Mark(ago(hours=1), "halve")], 750, None),
        ([Mark(ago(days=1), "reset")], 1000, None),
        ([Mark(ago(days=2), "reset")], 2000, None),  # an activity at the time of the mark stays
        ([Mark(NOW, "reset", until=NOW + timedelta(hours=5))], 0, 5),
        ([Mark(ago(days=1), "keep"), Mark(ago(days=1), "hold", until=NOW + timedelta(hours=5))], 2000, None),
    ],
)
def test_marks_have_their_say(marks, total, changes_in_hours):
    """Manual points, halving and reset; keep and hold change no points and foretell nothing."""
    model = scorer(PLAIN + "behaviour: [{name: a, activity: view, points: 10}]")
    score = model.score(Subject({}, [view(ago(days=2)), view(ago(hours=12))], marks), NOW, explain=True)
    assert score.total == total == sum(one.hundredths for one in score.contributions)
    assert score.changes_at == (None if changes_in_hours is None else NOW + timedelta(hours=changes_in_hours))


def test_a_halving_counts_as_one_more_half_life():
    """10 points, a day old, halved by a mark: 5 now, 2.5 at the activity's own first half-life, 13 days on."""
    model = scorer(PLAIN + "behaviour: [{name: a, activity: view, points: 10, half_life: 14d, window: 40d}]")
    subject = Subject({}, [view(ago(days=1))], [Mark(NOW, "halve")])
    seen = [(model.score(subject, NOW + timedelta(days=day)).total) for day in (0, 12, 13, 26, 27, 38, 39)]
    assert seen == [500, 500, 250, 250, 125, 125, 0]
    stops = [model.score(subject, NOW + timedelta(days=day)).changes_at for day in (0, 13, 27, 39)]
    assert stops == [*(NOW + timedelta(days=day) for day in (13, 27, 39)), None]


def test_marks_leave_attribute_rules_alone():
    """A reset forgets what the lead did, not who the lead is."""
    model = scorer(
        PLAIN + "fit: [{name: a, when: {x: 1}, points: 10}]\nbehaviour: [{name: b, when: {x: 1}, points: 5}]"
    )
    assert model.score(Subject({"x": 1}, (), [Mark(NOW, "reset")]), NOW).total == 1500


@pytest.mark.parametrize(
    ("rules", "horizon"),
    [
        ("[{name: a, activity: view, points: 10, window: 30d}, {name: b, activity: view, points: 1, window: 2d}]", 30),
        ("[{name: a, activity: view, points: 10, half_life: 1d}]", 11),  # 10 points are nothing after 11 halvings
        ("[{name: a, activity: view, points: 10, half_life: 1d, window: 3d}]", 3),
        ("[{name: a, activity: view, points: 10}, {name: b, activity: view, points: 1, window: 2d}]", None),
        ("[{name: a, when: {x: 1}, points: 10}]", 0),
    ],
)
def test_the_horizon_is_how_far_back_an_activity_can_count(rules, horizon):
    """The store loads no further back; None means it must load everything."""
    model = scorer(f"{PLAIN}behaviour: {rules}")
    assert model.horizon == (None if horizon is None else timedelta(days=horizon))


def test_the_horizon_allows_for_the_strongest_persona_and_overlay():
    """Twice the points last one half-life longer, for whomever and whenever they count."""
    rule = "behaviour: [{name: a, activity: view, points: 10, half_life: 1d}]\n"
    assert scorer(f"{rule}personas: {{finance: {{a: 2}}, other: {{a: 0.1}}}}").horizon == timedelta(days=12)
    assert scorer(f"{rule}overlays: [{{name: o, to: 2020-01-01, rule: a, factor: 4}}]").horizon == timedelta(days=13)


def test_the_scorer_says_what_it_reads():
    """Kinds and attributes of all rules, the level's attribute included."""
    model = scorer(
        f"{LEVELS}fit:\n  - {{name: a, level: seniority, is: manager, points: 1}}\n"
        "  - {name: b, when: {any: [{x: 1}, {company.y: 1}]}, points: 1}\n"
        "behaviour: [{name: c, activity: [view, click], where: {asset: x}, points: 1}]"
    )
    assert model.attributes == {"title", "x", "company.y"}
    assert model.kinds == {"view", "click"}
    assert model.titles["title"].match("VP Sales") == "vice_president"


def test_the_hash_changes_with_the_content_only():
    """Comments and layout are free; a point or a date is not."""
    one = scorer(
        "overlays: [{name: o, from: 2026-01-01, rule: a, factor: 2}]\nfit: [{name: a, when: {x: 1}, points: 1}]"
    )
    same = scorer(
        "# why\nfit:\n- name: a\n  points: 1\n  when: {x: 1}\n"
        "overlays:\n- {factor: 2, name: o, rule: a, from: 2026-01-01}\n"
    )
    other = scorer(
        "overlays: [{name: o, from: 2026-01-02, rule: a, factor: 2}]\nfit: [{name: a, when: {x: 1}, points: 1}]"
    )
    assert one.hash == same.hash != other.hash
    assert len(one.hash) == 16


def test_no_text_of_the_model_reaches_the_generated_source():
    """Names, values and patterns are bound; the source has only our own words."""
    evil = "x'); import os #"
    data = {
        "fit": [{"name": evil, "when": {evil: {"contains": evil}}, "points": 1}],
        "behaviour": [{"name": "b", "activity": evil, "where": {"asset": evil}, "points": 1, "group": evil}],
        "groups": {evil: {"cap": 1}},
        "personas": {evil: {evil: 2}},
    }
    for marked in (False, True):
        source, _ = Compiler(load_model(data), {}).source(marked)
        assert "import" not in source
    score = WeightedScorer(data).score(Subject({evil: evil}, [Activity(NOW, evil, evil)], (), evil), NOW)
    assert (score.fit, score.behaviour) == (120, 40)


def test_a_model_of_the_wrong_shape_is_a_config_error():
    """A plugin author who skips the check still gets the gateway's own error."""
    with pytest.raises(ConfigError, match="fit"):
        WeightedScorer({"fit": "all"})


def test_a_million_points_do_not_slow_or_overflow():
    """Many activities and large points stay exact integers."""
    model = scorer(
        "maximum: {behaviour: 1000000}\nbehaviour: [{name: a, activity: view, points: 99.99, half_life: 1w}]"
    )
    score = model.score(Subject({}, [view(ago(seconds=second)) for second in range(5000)]), NOW)
    assert score.behaviour == (5000 * 9999 * 40 + 500_000) // 1_000_000
