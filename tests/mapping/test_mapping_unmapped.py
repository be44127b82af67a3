"""Which values a mapping has no word for; what is only one test among others is no list of statuses."""

from __future__ import annotations

import pytest

from gateway.contracts import Quarantined

FILE = """
system: website
timezone: UTC
objects:
  lead:
    kind: person
    id: id
    fields:
      source: {to: source, values: {ads: paid}, values_default: drop}
      rating: {to: rating, values: {A: hot}}
      Bucket: {to: bucket, sync: out}
      country: {to: country, values: {DE: Germany}, values_default: quarantine}
    outcomes:
      - {outcome: accepted, when: {Status: [Working, Called]}}
      - {outcome: won, when: {any: [{Status: Won}, {Stage: Signed}]}}
      - {outcome: lost, when: {Status: Lost, Kind: final}}
      - {outcome: recycled, when: {Bucket: recycled}}
      - {outcome: rejected, when: {Reason: {starts_with: bad}}}
    no_outcome: {Status: [New]}
  deal:
    kind: deal
    id: id
    fields:
      state: {to: status, values: {Closed: won}}
"""


def unmapped(mapped, name="lead", before=None, **now):
    return list(mapped(FILE).objects[name].unmapped.of(before or {}, now))


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ({"Status": "Working"}, []),
        ({"Status": " called "}, []),  # as conditions compare
        ({"Status": "Lost"}, []),  # named beside another field
        ({"Status": "New"}, []),  # known to mean nothing
        ({"Status": "Nurture"}, [("Status", "Nurture")]),
        ({"Stage": "Anything"}, []),  # no rule tells an outcome by it alone
        ({"Kind": "draft"}, []),
        ({"Reason": "whatever"}, []),  # not compared as a whole
        ({"Status": True}, []),
        ({"Bucket": "sales_qualified"}, []),  # our own word for it
        ({"source": "ads"}, []),
        ({"source": "fair"}, [("source", "fair")]),
        ({"rating": "B"}, []),  # kept as it is
        ({"Status": "x" * 200}, [("Status", "(a text of 200 characters)")]),  # no value of a list
        ({"Status": "ask ann@example.org"}, [("Status", "(a text of 19 characters)")]),
    ],
)
def test_values_without_a_word(mapped, now, found):
    """(field, value) of each, and texts that may say something of somebody only by their length."""
    assert unmapped(mapped, **now) == found


def test_a_value_is_told_once(mapped):
    """Not each time the record is read."""
    assert unmapped(mapped, before={"Status": "Nurture"}, Status="Nurture") == []


@pytest.mark.parametrize(("state", "found"), [("Closed", []), ("open", []), ("Paused", [("state", "Paused")])])
def test_a_deal_is_open_won_or_lost(mapped, state, found):
    """Another status would be taken for open."""
    assert unmapped(mapped, "deal", state=state) == found


def test_a_value_that_takes_its_record_to_quarantine_is_named_beside_the_reason(mapped):
    """The reason itself never holds a value."""
    [item] = [one for one in mapped.read(FILE, {"id": "1", "country": "AT"}) if isinstance(one, Quarantined)][:1]
    assert (item.unmapped, "AT" in item.reason) == (("country", "AT"), False)
