"""What observed values mean: activities and outcomes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gateway.contracts import ActivityHappened, Money, OutcomeReported

HEAD = """
system: website
timezone: Europe/Berlin
objects:
  contact:
    kind: person
    id: id
    time: at
    event_id: event
"""


def play(mapped: Any, rules: str, *items: dict[str, Any]) -> list[Any]:
    """Feed items one after the other, keeping the merged raw values as a record's snapshot does."""
    mapping = mapped(HEAD + rules)
    contact, before, emitted = mapping.objects["contact"], {}, []
    for number, item in enumerate(items):
        (event,) = mapping.read(
            {"id": 1, "at": f"2026-11-03T10:00:0{number}Z", "event": number, **item}, mapped.document()
        )
        emitted += contact.emit(before, event)
        before = {**before, **event.values}
        before = {name: value for name, value in before.items() if name in event.values or name not in event.speaks_of}
    return emitted


def test_on_change_fires_when_the_condition_begins_to_hold(mapped: Any) -> None:
    """Not while it goes on holding; again after it stopped; on merged values, so a part of an item is enough."""
    rules = "    outcomes: [{outcome: won, when: {status: Won, region: EU}}]"
    items = [{"status": "Won"}, {"region": "EU"}, {"status": "Won"}, {"status": None}, {"status": "won"}]
    assert [one.key for one in play(mapped, rules, *items)] == ["website:contact:1:won", "website:contact:4:won"]


def test_on_each_fires_for_every_event_whose_own_values_hold(mapped: Any) -> None:
    """An event that does not say it is a page view is none, whatever was said before."""
    rules = "    activities: [{activity: page_view, when: {type: page}, on: each}]"
    fired = play(mapped, rules, {"type": "page"}, {"other": 1}, {"type": "page"}, {"type": "form"})
    assert [one.key for one in fired] == ["website:contact:0:page_view", "website:contact:2:page_view"]


def test_without_a_condition_a_change_rule_fires_once_per_record(mapped: Any) -> None:
    """At the first event, with a key of the record, so that an event found later does not double it."""
    rules = "    fields: {a: a}\n    activities: [{activity: form_submitted}]"
    (fired,) = play(mapped, rules, {"a": 1}, {"a": 2})
    assert fired.key == "website:contact:1:form_submitted"


def test_an_activity_takes_its_words_from_fields_or_literals(mapped: Any) -> None:
    """``=text`` is a literal; a field that is not there, or holds no text, gives nothing."""
    rules = """
    activities:
      - {activity: page_view, when: {type: page}, on: each, at: seen, asset: page.url, channel: =web, campaign: utm,
         id: nr}
"""
    (fired,) = play(
        mapped, rules, {"type": "page", "seen": "2026-11-01", "page": {"url": " /pricing "}, "utm": ["x"], "nr": 5}
    )
    assert fired == ActivityHappened(
        system="website",
        object="contact",
        kind="person",
        record="1",
        at=datetime(2026, 10, 31, 23, tzinfo=UTC),
        precision="day",
        key="website:contact:1:page_view:5",
        activity="page_view",
        asset="/pricing",
        channel="web",
        campaign="",
    )


@pytest.mark.parametrize(
    ("counts", "fired"),
    [
        ([5], 0),  # the first observation is where counting starts
        ([5, 7], 2),
        ([5, 7, 7], 2),
        ([5, 3, 4], 1),  # a reset counts nothing and is the new start
        (["5", "6"], 1),  # text from a CSV
        ([5, None, 7], 0),  # blank in between: a new start
        ([5, "many", 7], 0),
        ([5, True], 0),
        ([5, 6.0], 1),
        ([0, 1000], 50),  # a counter that jumps was imported, not watched
        ([5, float(2**60)], 50),
    ],
)
def test_a_counter_gives_one_activity_per_step(mapped: Any, counts: list[Any], fired: int) -> None:
    """The difference of neighbouring observations."""
    rules = "    activities: [{activity: email_open, counter: opens}]"
    emitted = play(mapped, rules, *({"opens": count} for count in counts))
    assert len(emitted) == fired
    assert len({one.key for one in emitted}) == fired


def test_first_count_takes_the_first_observation_from_zero(mapped: Any) -> None:
    """For records that are known from their beginning."""
    rules = "    activities: [{activity: email_open, counter: opens, first: count, at: last_open}]"
    emitted = play(mapped, rules, {"opens": 2, "last_open": "2026-11-02T08:00:00Z"}, {"other": 1})
    assert [(one.key, one.at.day) for one in emitted] == [
        ("website:contact:0:email_open:1", 2),
        ("website:contact:0:email_open:2", 2),
    ]


@pytest.mark.parametrize(
    ("rule", "item", "amount"),
    [
        ("amount: amount, currency: EUR", {"amount": "1,500.5"}, Money(Decimal("1500.50"), "EUR")),
        ("amount: amount, currency: cur", {"amount": 1500, "cur": "usd"}, Money(Decimal("1500.00"), "USD")),
        ("amount: amount, currency: =GBP", {"amount": 0.1}, Money(Decimal("0.10"), "GBP")),
        ('amount: amount, currency: EUR, format: "1.234,5"', {"amount": "1.500,5"}, Money(Decimal("1500.50"), "EUR")),
        ("amount: amount, currency: cur", {"amount": 1500}, None),  # an amount of nothing is no amount
        ("amount: amount, currency: EUR", {"amount": "a lot"}, None),
        ("amount: amount, currency: EUR", {}, None),
    ],
)
def test_an_outcome_carries_reason_reporter_and_money(mapped: Any, rule: str, item: Any, amount: Any) -> None:
    """Decimal, in the currency of the rule or of a field."""
    rules = f"    outcomes: [{{outcome: won, when: {{status: Won}}, at: won_at, reason: why, by: owner, {rule}}}]"
    (fired,) = play(
        mapped, rules, {"status": "Won", "won_at": "2026-11-01T10:00", "why": "price", "owner": "sam", **item}
    )
    assert type(fired) is OutcomeReported
    assert (fired.outcome, fired.reason, fired.by, fired.amount) == ("won", "price", "sam", amount)
    assert fired.at == datetime(2026, 11, 1, 9, tzinfo=UTC)


def test_an_amount_is_read_beside_a_lead_field_of_type_money(mapped: Any) -> None:
    """The lead field makes amount and currency one raw value; the rule understands it."""
    rules = """
    fields: {amount: {to: deal_size, type: money, currency: cur}}
    outcomes: [{outcome: won, when: {status: Won}, amount: amount, currency: cur}]
"""
    (fired,) = play(mapped, rules, {"status": "Won", "amount": "12", "cur": "CHF"})
    assert fired.amount == Money(Decimal("12.00"), "CHF")


RULES = [
    "{activity: page_view, when: {type: page}, on: each}",
    "{activity: page_view, when: {type: page, vip: true}, on: each}",
    "{activity: form_submitted, when: {type: form}}",
    "{name: mine, activity: form_submitted, when: {type: form2}}",
]


def test_keys_do_not_depend_on_the_order_of_the_rules(mapped: Any) -> None:
    """Two rules of one activity are told apart by their content, an explicit name stays whatever the rule says."""
    items = [{"type": "page", "vip": True}, {"type": "form"}, {"type": "form2"}]
    seen = set()
    for order in itertools.permutations(RULES):
        text = "    activities:\n" + "".join(f"      - {rule}\n" for rule in order)
        seen.add(frozenset(one.key for one in play(mapped, text, *items)))
    (keys,) = seen
    assert len(keys) == 4
    assert "website:contact:2:mine" in keys


def test_an_activity_and_an_outcome_of_one_name_have_two_keys(mapped: Any) -> None:
    """Keys are unique over all facts of an event."""
    rules = "    activities: [{activity: won, when: {s: W}}]\n    outcomes: [{outcome: won, when: {s: W}}]"
    assert len({one.key for one in play(mapped, rules, {"s": "W"})}) == 2


def test_observed_are_the_raw_fields_that_rules_read(mapped: Any) -> None:
    """Conditions, counters, times, words, amounts; not literals and not plain fields."""
    rules = """
    fields: {a: a}
    activities:
      - {activity: page_view, when: {any: [{t: 1}, {u: {known: true}}]}, at: v, asset: w, channel: =x, id: y}
      - {activity: email_open, counter: z}
    outcomes: [{outcome: won, when: {s: Won}, amount: m, currency: c, reason: r, by: b}]
"""
    assert mapped(HEAD + rules).objects["contact"].observed == frozenset("tuvwyzsmcrb")


def test_a_rule_for_every_event_observes_the_record_itself(mapped: Any) -> None:
    """Where each item is a form filled in, no field has to say so; what observes nothing would not be asked."""
    rules = "    activities: [{activity: form_submitted, on: each}]"
    assert mapped(HEAD + rules).objects["contact"].observed == {"id"}
    assert [one.key[-16:] for one in play(mapped, rules, {}, {})] == ["0:form_submitted", "1:form_submitted"]
