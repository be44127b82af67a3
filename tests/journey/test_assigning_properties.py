"""Over random days of absences, working hours and leads: everybody gets their share, and nobody what is not theirs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.journey.assigning import Away, Roster
from gateway.journey.journey import compile_journey
from gateway.settings.files import ConfigFile

FILE = """
calendars:
  early: {zone: UTC, hours: {mon-sun: "00:00-14:00"}}
  late: {zone: UTC, hours: {mon-sun: "10:00-24:00"}}
owners:
  - {user: ann, weight: 2, calendar: early}
  - {user: ben, calendar: early}
  - {user: cat, weight: 3, calendar: late}
  - {user: dan, calendar: late}
  - {user: eve, territory: {country: DE}}
  - {user: fay, weight: 2, territory: {country: [DE, AT]}}
  - {queue: desk}
fallback: desk
"""
JOURNEY = compile_journey(ConfigFile("journey.yaml", FILE))
OWNERS = {one.name: one for one in JOURNEY.owners.listed}
NOBODYS = {name for name, one in OWNERS.items() if one.territory is None and one.weight}
START = datetime(2026, 6, 1, tzinfo=UTC)
LEADS = st.lists(
    st.tuples(
        st.integers(0, 23),
        st.sampled_from(["DE", "AT", "FR", ""]),
        st.frozensets(st.sampled_from(sorted(OWNERS))),
    ),
    min_size=1,
    max_size=80,
)


def assigned(leads: list[Any]) -> list[tuple[str, str, set[str]]]:
    """(who got it, of which country, who was there and at work for it) of each lead; one roster sees all of them."""
    turns: dict[str, Any] = {}
    told = []
    for day, (hour, country, absent) in enumerate(leads):
        at = START + timedelta(days=day, hours=hour)
        roster = Roster(JOURNEY.owners, None, {}, {name: Away(None, "") for name in absent}, turns)
        choice = roster.choose("crm", {"country": country}, (), at)
        pool = [one for one in OWNERS.values() if one.territory is not None and one.territory({"country": country})]
        there = {one.name for one in pool if one.name not in absent} or (NOBODYS - absent)
        at_work = {name for name in there if roster.at_work("crm", OWNERS[name], at)}
        told.append((choice.owner, country, at_work or there))
    return told


@given(LEADS)
def test_a_lead_goes_to_somebody_who_is_there_and_whose_it_can_be(leads: list[Any]) -> None:
    for who, _, there in assigned(leads):
        assert who in there or (who == "desk" and not there)


@given(LEADS, st.integers(0, 80), st.integers(0, 80))
def test_over_any_window_of_days_shares_are_by_weight(leads: list[Any], one: int, other: int) -> None:
    """Of two who were there for each lead of their group in the window, neither is more than a turn of each ahead."""
    start, end = sorted((one, other))
    groups: dict[frozenset[str], list[tuple[str, set[str]]]] = {}
    for place, (who, country, there) in enumerate(assigned(leads)):
        pool = frozenset(
            name for name, o in OWNERS.items() if o.territory is not None and o.territory({"country": country})
        )
        group = pool if pool & there else frozenset(NOBODYS)
        groups.setdefault(group, [])
        if start <= place < end:
            groups[group].append((who, there))
    for dealt in groups.values():
        always = set.intersection(*(there for _, there in dealt)) if dealt else set()
        for first, second in combinations(sorted(always), 2):
            got = [sum(who == name for who, _ in dealt) / OWNERS[name].weight for name in (first, second)]
            bound = 1 / OWNERS[first].weight + 1 / OWNERS[second].weight
            assert abs(got[0] - got[1]) <= bound + 0.001


@given(LEADS)
def test_the_same_days_give_the_same_owners(leads: list[Any]) -> None:
    assert assigned(leads) == assigned(leads)
