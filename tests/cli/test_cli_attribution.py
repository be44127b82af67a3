"""``gateway metrics attribution`` on stored facts: deals of several people, leads won alone, what is left out."""

from __future__ import annotations

import csv
import io

import pytest

DEAL = """\
  deal:
    kind: deal
    only: {object: deal}
    id: id
    time: at
    links: [{to: contact, id: firm, role: buyer}]
    fields:
      status: {to: status, values: {Won: won, Open: open}}
      amount: {to: amount, type: money, currency: EUR}
"""


@pytest.fixture
def sold(instance):
    """Two people of one deal over 1,000, one won alone over 500, one who never bought; channels are pages' names."""
    instance.edit("mappings/leads.yaml", "on: each, asset: page}", "on: each, asset: page, channel: page}")
    instance.edit("mappings/leads.yaml", "only: {object: {not: firm}}", "only: {object: {not_in: [firm, deal]}}")
    instance.edit("mappings/leads.yaml", "  firm:\n", DEAL + "  firm:\n")
    instance.bring(
        [
            _visit("1", 1, "ads"),
            _visit("2", 2, "web"),
            _visit("1", 3, "mail"),
            _visit("2", 9, "support"),
            _visit("3", 1, "web"),
            _visit("4", 1, "fair"),
            {
                "object": "deal",
                "id": "d1",
                "at": "2026-01-02T00:00:00",
                "status": "Open",
                "amount": "1000",
                "firm": "1",
            },
            {"object": "deal", "id": "d1", "at": "2026-01-05T00:00:00", "status": "Won", "amount": "1000", "firm": "2"},
            {"id": "3", "at": "2026-01-04T00:00:00", "status": "Won", "amount": "500"},
        ]
    )
    return instance


def _visit(person, day, page):
    return {"id": person, "at": f"2026-01-{day:02}T10:00:00", "email": f"p{person}@example.org", "page": page}


def _deals(data, model):
    credited = next(one for one in data["models"] if one["model"] == model)["credits"]
    return {one["channel"]: (one["deals"], one["revenue"]) for one in credited}


def test_a_deal_is_one_however_many_people_it_has(sold):
    """Its touches are all of theirs in order of time; its revenue counts once."""
    data = sold.json("metrics", "attribution")
    assert (data["deals"], data["revenue"], data["journeys"]) == (2, 1500, 3)
    assert _deals(data, "first") == {"ads": (1, 1000), "web": (1, 500)}
    assert _deals(data, "last") == {"mail": (1, 1000), "web": (1, 500)}
    assert _deals(data, "linear") == {
        "web": (pytest.approx(4 / 3, abs=1e-5), pytest.approx(833.33, abs=0.01)),
        "ads": (pytest.approx(1 / 3, abs=1e-5), pytest.approx(333.33, abs=0.01)),
        "mail": (pytest.approx(1 / 3, abs=1e-5), pytest.approx(333.33, abs=0.01)),
    }


def test_what_came_after_the_deal_is_left_out_and_said(sold):
    """The visit to support earned nothing."""
    assert sold.json("metrics", "attribution")["left_out"] == {"after_win": 1, "outside_window": 0}
    assert "1 touch after a deal was won" in sold.run("metrics", "attribution").stdout


def test_each_model_says_what_it_takes_for_granted(sold):
    """In the output for people, too, with revenue before deals."""
    said = sold.run("metrics", "attribution").stdout
    assert said.index("revenue in EUR") < said.index("\ndeals\n")
    assert "markov: what conversion would be lost without the channel" in said
    assert "2 deals of 1,500.00 EUR had a touch with a channel" in said


def test_a_period_counts_the_deals_won_in_it(sold):
    """Who bought before it is no journey without a deal, either."""
    data = sold.json("metrics", "attribution", "--since", "2026-01-05", "--until", "2026-02-01")
    assert (data["deals"], data["revenue"], data["journeys"]) == (1, 1000, 2)


def test_a_window_leaves_out_older_touches(sold):
    """Two days before the deal only the mail is left; of the other deal nothing."""
    data = sold.json("metrics", "attribution", "--window", "2d")
    assert _deals(data, "linear") == {"mail": (1, 1000)}
    assert data["untouched"] == {"deals": 1, "revenue": 500}
    assert data["left_out"]["outside_window"] == 3


def test_amounts_in_another_currency_are_named_not_guessed(sold):
    """The deal counts, its money does not."""
    sold.edit("gateway.yaml", "currency: EUR", "currency: USD")
    data = sold.json("metrics", "attribution")
    assert (data["deals"], data["revenue"], data["without_rate"]) == (2, 0, {"EUR": 2})
    assert "2 deals in EUR: counted, but without revenue" in sold.run("metrics", "attribution").stdout


def test_csv_has_a_row_for_each_model_and_channel(sold):
    """Which spreadsheets read."""
    rows = list(csv.DictReader(io.StringIO(sold.run("metrics", "attribution", "--csv").stdout)))
    last = {row["channel"]: row["revenue_EUR"] for row in rows if row["model"] == "last"}
    assert last == {"mail": "1000.0", "web": "500.0"}


def test_a_models_rows_in_csv_add_up_to_all_deals(sold):
    """Those that nobody had touched have a row, too."""
    rows = list(csv.DictReader(io.StringIO(sold.run("metrics", "attribution", "--by", "campaign", "--csv").stdout)))
    assert {row["campaign"] for row in rows} == {"(no touch)"}
    assert {(row["deals"], row["revenue_EUR"]) for row in rows} == {("2.0", "1500.0")}


def test_by_asset_and_by_campaign(sold):
    """A touch without what is asked for is none."""
    assert sold.json("metrics", "attribution", "--by", "asset")["deals"] == 2
    none = sold.json("metrics", "attribution", "--by", "campaign")
    assert (none["deals"], none["untouched"]["deals"]) == (0, 2)


def test_a_window_must_be_a_duration(sold):
    """It says how one is written."""
    assert "30d" in sold.run("metrics", "attribution", "--window", "long", code=2).output


def test_who_bought_nothing_counts_by_what_came_first(instance):
    """Whatever the order of the news and the ids of the records: web led to ads, and ads to a deal half the time, so
    that without web a half is lost, and without ads all. A window cuts such a path before its last touch."""
    instance.edit("mappings/leads.yaml", "on: each, asset: page}", "on: each, asset: page, channel: page}")
    instance.bring(
        [
            _visit("2", 2, "ads"),
            _visit("2", 1, "web"),
            _visit("1", 1, "ads"),
            {"id": "1", "at": "2026-01-04T00:00:00", "status": "Won", "amount": "500"},
        ]
    )
    assert _deals(instance.json("metrics", "attribution"), "markov") == {
        "ads": (pytest.approx(2 / 3, abs=1e-5), 333.33),
        "web": (pytest.approx(1 / 3, abs=1e-5), 166.67),
    }
    cut = instance.json("metrics", "attribution", "--window", "12h")
    assert cut["left_out"]["outside_window"] == 2
    whole = instance.json("metrics", "attribution", "--window", "7d")
    assert (whole["left_out"]["outside_window"], whole["journeys"], cut["journeys"]) == (0, 2, 2)
    assert _deals(whole, "markov")["web"] == (pytest.approx(1 / 3, abs=1e-5), 166.67)


def test_of_deals_without_amounts_there_is_no_revenue_to_share(instance):
    """Only deals are shared, and why is said."""
    instance.edit("mappings/leads.yaml", "on: each, asset: page}", "on: each, asset: page, channel: page}")
    instance.bring([_visit("1", 1, "ads"), {"id": "1", "at": "2026-01-04T00:00:00", "status": "Won"}])
    said = instance.run("metrics", "attribution").stdout
    assert "1 deal had a touch with a channel\nno deal has an amount" in said
    assert "\ndeals\n" in said
    assert "revenue in" not in said


def test_a_half_life_of_nothing_is_refused(filled):
    for option in ("--half-life", "--window"):
        assert "longer than nothing" in filled.run("metrics", "attribution", option, "0d", code=1).stderr
