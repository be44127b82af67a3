"""The opportunity to wish for: named for each persona, counted among leads and wins."""

from __future__ import annotations

import pytest

from gateway.errors import ConfigError
from gateway.journey.journey import compile_journey
from gateway.metrics.ideal import Known, ideal
from gateway.settings.files import ConfigFile

PERSONAS = "personas: [{name: finance, when: {department: finance}}, {name: other}]\n"
FINANCE = "ideal: {finance: {name: A bank, when: {company.industry: banking}}}\n"


def journey(text: str):
    return compile_journey(ConfigFile("journey.yaml", text))


def lead(number: int, persona: str, industry: str, won: bool = False) -> Known:
    return Known(f"l{number}", persona, {"company.industry": industry}, won)


def test_leads_and_wins_of_a_persona_are_held_against_its_ideal():
    leads = [
        *(lead(n, "finance", "banking", n < 2) for n in range(4)),
        *(lead(n, "finance", "retail", n == 4) for n in range(4, 14)),
        lead(20, "other", "banking", True),
    ]
    told, behind = ideal(leads, journey(PERSONAS + FINANCE).ideals)
    assert (told["leads"], told["ideal"], told["won"], told["ideal_won"]) == (14, 4, 3, 2)
    [row] = told["ideals"]
    assert (row["persona"], row["name"], row["share"]) == ("finance", "A bank", 4 / 14)
    assert (row["won_share"], row["won_share_others"]) == (0.5, 0.1)
    assert (told["without_ideal"], behind["without/other"]) == ({"other": 1}, ["l20"])
    assert (behind["finance/won"], behind["finance/others won"]) == (["l0", "l1"], ["l4"])


def test_without_personas_there_is_one_for_all():
    found = journey("ideal: {all: {name: A bank, when: {company.industry: banking}}}\n").ideals
    told, _ = ideal([lead(1, "", "banking"), lead(2, "", "retail")], found)
    assert (told["leads"], told["ideal"], told["ideals"][0]["won_share_others"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PERSONAS + FINANCE.replace("finance:", "finanse:"), "ideal.finanse: no such persona; did you mean 'finance'"),
        (PERSONAS + FINANCE.replace("finance:", "all:"), "no such persona; it is one of finance, other"),
        (FINANCE, "no such persona; it is one of all"),
        (PERSONAS + "ideal: {finance: {name: A bank}}\n", "ideal.finance.when"),
        (PERSONAS + "ideal: {finance: {name: A bank, when: {x: {atleast: 2}}}}\n", "at_least"),
    ],
)
def test_a_mistake_is_told_with_its_line(text, told):
    with pytest.raises(ConfigError) as caught:
        journey(text)
    assert told in str(caught.value)
    assert "journey.yaml:" in str(caught.value)
