"""The title table: which level a job title is, and which it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.scoring.titles import BUILT_IN, LEVELS, TitleTable, phrase_words

TABLE = TitleTable()


@pytest.mark.parametrize(
    ("title", "level"),
    [
        ("CEO", "c_level"),
        ("C.E.O.", "c_level"),
        ("cfo", "c_level"),
        ("Chief Revenue Officer", "c_level"),
        ("Chief Legal and Compliance Officer", "c_level"),  # one to four words between chief and officer
        ("President & CEO", "c_level"),
        ("Co-Founder", "c_level"),
        ("Managing Director", "c_level"),
        ("VP Finance", "vice_president"),
        ("V.P. of Sales", "vice_president"),
        ("Sr. VP, Finance", "vice_president"),
        ("Vice-President Marketing", "vice_president"),  # no president: the longer phrase takes the word
        ("Vice\u00a0President", "vice_president"),
        ("SVP & GM", "vice_president"),  # of two parts the higher
        ("Dir. of Marketing", "director"),
        ("Head of Growth", "director"),
        ("Chief of Staff to the CEO", "director"),
        ("Director, Office of the CFO", "director"),
        ("Asst. Vice President", "director"),
        ("Sr Mgr", "manager"),
        ("Sales & Marketing Manager", "manager"),
        ("CFO Office Manager", "manager"),
        ("Engineering Lead", "manager"),
        ("Lead Engineer", "specialist"),  # the last rank is the head of the phrase
        ("Product Owner", "specialist"),  # no owner
        ("Account Executive", "specialist"),
        ("Loan Officer", "specialist"),
        ("Internal Auditor", "specialist"),  # whole words: no intern
        ("Analyst to CFO", "specialist"),
        ("Office of the CFO", "specialist"),
        ("Marketing Manager Intern", "intern"),
        ("PhD Student", "intern"),
        ("Assistant to the CEO", "assistant"),
        ("Executive Assistant to the President and CEO", "assistant"),
        ("Personal Assistant - CEO Office", "assistant"),
        ("Executive Assistant, CEO", "assistant"),
        ("CEO's Assistant", "assistant"),
        ("CEO’s Assistant", "assistant"),
        ("CEO Assistant", "assistant"),
        ("EA to Managing Director", "assistant"),
        ("Vice President's Secretary", "assistant"),
        ("Assistant Manager", "specialist"),
        ("Astronaut", None),
        ("Executive", None),  # says too little: shown by --unmatched
        ("Former CEO", None),
        ("ex-VP at Oracle", None),
        ("Liaison to the CEO", None),
        ("Reporting to CEO", None),
        ("", None),
        ("| , ;", None),
    ],
)
def test_a_title_has_the_level_a_person_would_give_it(title, level):
    """Abbreviations, punctuation, longest match, and titles that only mention somebody senior."""
    assert TABLE.match(title) == level


def test_the_matched_phrase_is_told():
    """A reason can say which words decided."""
    assert TABLE.matched("Sr. VP, Finance") == ("vice_president", "senior vice president")


def test_own_titles_win_over_built_in_ones():
    """scoring.yaml's `titles:` add to the table and may overrule it."""
    table = TitleTable({"director": ["product owner"], "manager": ["rock * star"]})
    assert table.match("Senior Product Owner") == "director"
    assert table.match("Rock and Roll Star") == "manager"


def test_a_levels_own_name_is_a_title():
    """A model may use levels of its own, and systems that already hold levels need no titles."""
    table = TitleTable(order=("board", "c_level", "staff"))
    assert [table.rank(title) for title in ("Board", "C-Level", "staff", "Manager", None, 7)] == [0, 1, 2, -1, -1, -1]


def test_an_assistant_counts_as_a_specialist_where_the_order_has_no_assistants():
    """An assistant is below a manager, whether or not the model lists assistants."""
    assert TitleTable(order=("c_level", "manager", "specialist")).rank("Assistant to the CEO") == 2
    assert TitleTable(order=("c_level", "manager", "assistant")).rank("Assistant to the CEO") == 2


def test_of_several_titles_the_highest_counts():
    """A list attribute holds several titles."""
    assert TABLE.rank(["Engineer", "CTO"]) == 0


@pytest.mark.parametrize("level", BUILT_IN["levels"])
def test_every_built_in_phrase_is_found_as_its_own_level(level):
    """No phrase of the table is hidden by another one."""
    phrases = [text for text in BUILT_IN["levels"][level] if "*" not in text]
    assert {text: TABLE.match(text) for text in phrases} == dict.fromkeys(phrases, level)


def test_no_phrase_stands_under_two_levels():
    """The table itself has no contradictions, and only known levels."""
    words = [phrase_words(text) for texts in BUILT_IN["levels"].values() for text in texts]
    assert len(words) == len(set(words))
    assert set(BUILT_IN["levels"]) == set(LEVELS)


@given(st.text(max_size=60))
def test_any_text_has_a_level_or_none(text):
    """Hostile titles neither raise nor invent levels."""
    assert TABLE.match(text) in (None, *LEVELS)


@pytest.mark.parametrize("boss", ["CEO", "President", "Chief Financial Officer", "Vice President of Sales", "Founder"])
@pytest.mark.parametrize(
    "form", ["Assistant to the {}", "Executive Assistant to {}", "{} Assistant", "Secretary, {}", "PA / {}"]
)
def test_nobodys_assistant_is_an_executive(boss, form):
    """However it is written, the assistant of an executive is an assistant."""
    assert TABLE.match(form.format(boss)) == "assistant"
