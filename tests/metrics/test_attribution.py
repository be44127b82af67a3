"""Attribution: cases worked by hand, and what holds for every journey."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.metrics.attribution import ASSUMES, Journey, Unsold, attribute

DAY = 86_400_000_000


def _won(*channels, value=100.0, gap=DAY, **milestones):
    """A deal one day after the last of these touches, each a day after the one before."""
    touches = [(position * gap, channel) for position, channel in enumerate(channels)]
    at = {name: position * gap for name, position in milestones.items()}
    return Journey(touches, len(channels) * gap, value, at)


def _lost(*channels):
    return Journey([(position * DAY, channel) for position, channel in enumerate(channels)])


def _deals(found, model):
    return {channel: pytest.approx(credit.deals) for channel, credit in found.credits[model].items()}


@pytest.mark.parametrize(
    ("model", "credit"),
    [
        ("first", {"ads": 1}),
        ("last", {"demo": 1}),
        ("linear", {"ads": 0.2, "web": 0.4, "mail": 0.2, "demo": 0.2}),
        ("u", {"ads": 0.4, "mail": 0.4, "web": 0.2 * 2 / 3, "demo": 0.2 / 3}),
        ("w", {"ads": 0.3, "mail": 0.3, "demo": 0.3, "web": 0.1}),
        ("full", {"ads": 0.225, "mail": 0.225, "demo": 0.45, "web": 0.1}),
        ("shapley", {"ads": 0.25, "web": 0.25, "mail": 0.25, "demo": 0.25}),
    ],
)
def test_one_deal_by_hand(model, credit):
    """Ads, web, mail (which made it an MQL), web, demo (which qualified it): the anchors are told by their times."""
    found = attribute([_won("ads", "web", "mail", "web", "demo", mql=2, sql=4)])
    assert _deals(found, model) == credit


def test_an_anchor_is_the_last_touch_before_the_milestone():
    """Somebody becomes an MQL between two touches by the first of them; before all of them, by the first."""
    between = attribute([Journey([(0, "ads"), (2 * DAY, "web"), (4 * DAY, "demo")], 5 * DAY, 1, {"mql": 3 * DAY})])
    assert _deals(between, "u") == {"ads": 0.4, "web": 0.4, "demo": 0.2}
    before = attribute([Journey([(2, "ads"), (3, "web")], 5, 1, {"mql": 1})])
    assert _deals(before, "u") == {"ads": 0.8, "web": 0.2}


def test_where_no_touch_is_left_over_the_anchors_share_the_rest():
    """One touch is everything; of two anchors with the same share each earns a half."""
    assert _deals(attribute([_won("ads")]), "w") == {"ads": 1}
    assert _deals(attribute([_won("ads", "mail", mql=1)]), "u") == {"ads": 0.5, "mail": 0.5}


def test_decay_halves_for_each_half_life():
    """Ten days and none before the deal with a half-life of ten: one third and two thirds."""
    journey = Journey([(0, "ads"), (10 * DAY, "demo")], 10 * DAY, 90)
    found = attribute([journey], half_life=timedelta(days=10))
    assert _deals(found, "decay") == {"ads": 1 / 3, "demo": 2 / 3}
    assert found.credits["decay"]["demo"].value == pytest.approx(60)


def test_a_touch_so_old_that_nothing_is_left_of_it_breaks_nothing():
    """The weights of a lifetime ago are all 0: then they are alike."""
    found = attribute([Journey([(0, "ads"), (1, "web")], 4000 * 365 * DAY, 1)], half_life=timedelta(hours=1))
    assert _deals(found, "decay") == {"ads": 0.5, "web": 0.5}


def test_markov_by_hand():
    """a→b→deal, a→lost, b→deal: the start leads to a twice and b once, a to b or away, b to a deal always.

    In all 2/3 convert. Without a only what begins at b does: 1/3, a loss of a half; without b nothing does: a loss of
    all of it. So of the two deals b gets two thirds.
    """
    found = attribute([_won("a", "b"), _lost("a"), _won("b")])
    assert _deals(found, "markov") == {"b": 4 / 3, "a": 2 / 3}


def test_shapley_is_the_mean_over_all_orders():
    """The closed form against the definition: the mean of what a channel adds, over every order of channels."""
    journeys = [_won("a"), _won("a", "b"), _won("c", "b", "b"), _won("a", "b", "c"), _won("b", "d"), _lost("a", "d")]
    sets = [frozenset(channel for _, channel in one.touches) for one in journeys if one.won_at is not None]

    def worth(channels):
        return sum(one <= channels for one in sets)

    orders = list(itertools.permutations("abcd"))
    expected = defaultdict(float)
    for order in orders:
        for position, channel in enumerate(order):
            before = frozenset(order[:position])
            expected[channel] += (worth(before | {channel}) - worth(before)) / len(orders)
    assert _deals(attribute(journeys), "shapley") == dict(expected)


def test_touches_after_the_deal_are_left_out_and_counted():
    """What came later cannot have earned it."""
    journey = Journey([(0, "ads"), (2 * DAY, "web"), (9 * DAY, "support")], 3 * DAY, 50)
    found = attribute([journey])
    assert found.after_win == 1
    assert all("support" not in credit for credit in found.credits.values())


def test_touches_outside_the_window_are_left_out_and_counted():
    """Exactly as old as the window is within it; a deal without any touch left is told by itself."""
    journey = Journey([(0, "ads"), (1, "web"), (30 * DAY, "demo")], 30 * DAY + 1, 50)
    found = attribute([journey, Journey([(0, "ads")], 90 * DAY, 7)], window=timedelta(days=30))
    assert found.outside_window == 2
    assert (found.untouched.deals, found.untouched.value) == (1, 7)
    assert found.total.deals == 1
    assert _deals(found, "first") == {"web": 1}


def test_without_a_deal_nothing_is_credited():
    """No division by nothing."""
    found = attribute([_lost("a", "b"), Journey([], None)])
    assert found.journeys == 2
    assert all(credit == {} for credit in found.credits.values())
    assert attribute([]).total.deals == 0


CHANNELS = st.sampled_from(["ads", "web", "mail", "fair", "demo"])


@st.composite
def histories(draw):
    times = sorted(draw(st.lists(st.integers(0, 400 * DAY), min_size=0, max_size=7)))
    touches = [(at, draw(CHANNELS)) for at in times]
    won = draw(st.one_of(st.none(), st.integers(0, 500 * DAY)))
    milestones = {name: draw(st.integers(0, 500 * DAY)) for name in draw(st.sets(st.sampled_from(["mql", "sql"])))}
    return Journey(touches, won, float(draw(st.integers(0, 10_000))), milestones)


@given(st.lists(histories(), max_size=12), st.one_of(st.none(), st.integers(1, 400)))
def test_credits_add_up_to_all_deals_under_every_model(journeys, window):
    """And to all revenue; no credit is negative."""
    found = attribute(journeys, None if window is None else timedelta(days=window))
    deals = sum(one.won_at is not None for one in journeys)
    assert found.total.deals + found.untouched.deals == deals
    for model in ASSUMES:
        earned = found.credits[model].values()
        assert sum(one.deals for one in earned) == pytest.approx(found.total.deals)
        assert sum(one.value for one in earned) == pytest.approx(found.total.value)
        assert all(one.deals >= -1e-9 and one.value >= -1e-9 for one in earned)


@given(st.lists(histories(), max_size=12))
def test_names_of_channels_do_not_matter(journeys):
    """Renaming them renames the credits: of Shapley that is its symmetry."""
    names = {"ads": "x1", "web": "x2", "mail": "x3", "fair": "x4", "demo": "x5"}
    renamed = [
        Journey([(at, names[channel]) for at, channel in one.touches], one.won_at, one.value, one.milestones)
        for one in journeys
    ]
    before, after = attribute(journeys), attribute(renamed)
    for model in ASSUMES:
        assert {names[channel]: credit.deals for channel, credit in before.credits[model].items()} == {
            channel: pytest.approx(credit.deals) for channel, credit in after.credits[model].items()
        }


@given(st.lists(histories(), max_size=12))
def test_markov_does_not_see_the_same_channel_twice_in_a_row(journeys):
    """A step of a channel onto itself changes no chance of getting anywhere."""
    once = [
        Journey(
            [
                touch
                for position, touch in enumerate(one.touches)
                if not position or one.touches[position - 1][1] != touch[1]
            ],
            one.won_at if not one.touches or one.won_at is None else max(one.won_at, one.touches[-1][0]),
            one.value,
        )
        for one in journeys
    ]
    twice = [Journey([touch for touch in one.touches for _ in range(2)], one.won_at, one.value) for one in once]
    found, again = attribute(once, models=["markov"]), attribute(twice, models=["markov"])
    assert {channel: pytest.approx(credit.deals) for channel, credit in found.credits["markov"].items()} == {
        channel: credit.deals for channel, credit in again.credits["markov"].items()
    }


@given(st.lists(histories(), max_size=12), st.data())
def test_shapley_is_symmetric(journeys, data):
    """Two channels that every deal has both or neither of earn the same, however often and where they stand."""
    twins = [
        Journey(
            sorted(
                [
                    *one.touches,
                    *((at, "twin") for at, channel in one.touches if channel == "ads"),
                    *([(0, "twin")] * data.draw(st.integers(0, 2)) if any(c == "ads" for _, c in one.touches) else []),
                ]
            ),
            None if one.won_at is None else 500 * DAY,
            one.value,
        )
        for one in journeys
    ]
    earned = attribute(twins, models=["shapley"]).credits["shapley"]
    if "ads" in earned:
        assert earned["twin"].deals == pytest.approx(earned["ads"].deals)
        assert earned["twin"].value == pytest.approx(earned["ads"].value)
    else:
        assert "twin" not in earned


@given(st.lists(histories(), max_size=12), st.one_of(st.none(), st.integers(1, 400)))
def test_counting_the_unsold_beforehand_changes_nothing(journeys, days):
    """Journeys without a deal are counted by their paths, one by one or all at once."""
    window = None if days is None else timedelta(days=days)
    unsold = Unsold(window)
    for one in journeys:
        if one.won_at is None and one.touches:
            unsold.take([at for at, _ in one.touches], [channel for _, channel in one.touches])
    rest = [one for one in journeys if one.won_at is not None or not one.touches]
    assert attribute(rest, window, unsold=unsold) == attribute(journeys, window)
