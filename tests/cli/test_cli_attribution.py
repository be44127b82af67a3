"""``gateway metrics attribution`` on stored facts: deals of several people, leads won alone, what is left out."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal

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
AMOUNT = "amount: {to: amount, type: money, currency: EUR}"


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
    """Who bought before it is no journey without a deal, either; nor is who was not touched in it."""
    data = sold.json("metrics", "attribution", "--since", "2026-01-05", "--until", "2026-02-01")
    assert (data["deals"], data["revenue"], data["journeys"]) == (1, 1000, 1)


def test_markov_learns_from_the_period_as_it_stood_at_its_end(sold):
    """On the fifth two people were on their way who bought later, and the fair had led to nothing; on the second
    somebody who bought later had only seen ads."""
    data = sold.json("metrics", "attribution", "--until", "2026-01-05")
    assert (data["deals"], data["journeys"]) == (1, 4)
    assert "journeys" in data["definitions"]
    assert sold.json("metrics", "attribution", "--since", "2026-01-03", "--until", "2026-01-05")["journeys"] == 2


def test_a_touch_on_the_day_of_a_win_lies_before_it_where_only_the_day_is_known(sold):
    """The visit at ten came before what was won on that day, a deal or a lead; after what was won at nine."""
    sold.edit("mappings/leads.yaml", AMOUNT, f"{AMOUNT}\n      why: {{to: closed_at, type: date}}")
    sold.bring(
        [
            _visit("5", 20, "fair"),
            {"id": "5", "at": "2026-01-20", "status": "Won", "amount": "100"},
            _visit("6", 20, "fair"),
            {"id": "6", "at": "2026-01-20T09:00:00", "status": "Won", "amount": "100"},
            _visit("7", 20, "fair"),
            {"object": "deal", "id": "d2", "at": "2026-01-25T00:00:00", "status": "Won", "amount": "100", "firm": "7"}
            | {"why": "2026-01-20"},
        ],
        "more.csv",
    )
    data = sold.json("metrics", "attribution", "--since", "2026-01-20")
    assert (data["deals"], data["untouched"]["deals"], data["left_out"]["after_win"]) == (2, 1, 1)
    assert "known by its day alone" in re.sub(r"\s+", " ", data["definitions"]["touch"])
    assert "won_before_entry" not in [note["kind"] for note in sold.json("metrics", "funnel")["notes"]]


def test_what_has_no_revenue_is_said_with_its_leads(sold):
    """A currency without a rate, none at all, an amount that is no number; in the period that is asked for alone."""
    sold.edit("mappings/leads.yaml", AMOUNT, AMOUNT.replace("EUR", "country"))
    sold.bring(
        [
            _visit("7", 10, "ads"),
            _deal("d3", "7", "2026-01-20", "100", "USD"),
            _deal("d4", "7", "2026-01-20", "100", ""),
            _deal("d5", "7", "2026-01-20", "a lot", "EUR"),
            _deal("d6", "7", "2026-01-20", "7", "EUR"),
        ],
        "more.csv",
    )
    for metric in ("attribution", "recycled", "funnel", "campaigns"):
        data = sold.json("metrics", metric)
        assert (data["without_rate"], data["without_amount"]) == ({"USD": 1}, 2), metric
        said = sold.run("metrics", metric).stdout
        assert "1 deal in USD: counted, but without revenue" in said
        assert "2 deals without an amount in a currency: counted, but without revenue" in said
        for number in ("without_rate/USD", "without_amount"):
            assert sold.json("metrics", metric, "--leads", number)["count"] == 1
        data = sold.json("metrics", metric, "--until", "2026-01-09")
        assert (data["without_rate"], data["without_amount"]) == ({}, 0), metric
    dropped = json.dumps(sold.json("status"))
    assert "amount" in dropped[dropped.index("field") :]


def _deal(id_, person, day, amount, currency):
    row = {"object": "deal", "id": id_, "at": f"{day}T00:00:00", "status": "Won", "amount": amount, "firm": person}
    return row | {"country": currency}


def test_credits_add_up_to_the_cent(sold):
    """Whatever is shared among however many; in the table, the CSV and the JSON."""
    data = sold.json("metrics", "attribution")
    rows = list(csv.DictReader(io.StringIO(sold.run("metrics", "attribution", "--csv").stdout)))
    for model in data["models"]:
        assert round(sum(one["revenue"] for one in model["credits"]), 2) == 1500, model["model"]
        assert round(sum(one["deals"] for one in model["credits"]), 6) == 2
        told = [row for row in rows if row["model"] == model["model"] and row["channel"]]
        assert sum(Decimal(row["revenue_EUR"]) for row in told) == 1500
    said = sold.run("metrics", "attribution").stdout
    assert re.search(r"in all" + r"\s+1,500" * 9, said)


def test_a_window_leaves_out_older_touches(sold):
    """Two days before the deal only the mail is left; of the other deal nothing."""
    data = sold.json("metrics", "attribution", "--window", "2d")
    assert _deals(data, "linear") == {"mail": (1, 1000)}
    assert data["untouched"] == {"deals": 1, "revenue": 500}
    assert data["left_out"]["outside_window"] == 3
    for words, count in (((), 0), (("--window", "2d"), 1)):
        assert sold.json("metrics", "attribution", *words, "--leads", "untouched")["count"] == count
    assert sold.json("metrics", "attribution", "--leads", "after_win")["count"] == 2  # all people of the deal


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
    behind = sold.json("metrics", "attribution", "--by", "campaign", "--leads", "untouched")
    assert behind["leads"] == sold.json("metrics", "attribution", "--leads", "won")["leads"]
    assert sold.json("metrics", "attribution", "--leads", "untouched")["count"] == 0


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
