"""The title table: which level a job title is, and which it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from title_samples import SAMPLES

from gateway.scoring.titles import AGREED, BUILT_IN, LEVELS, TitleTable, forms, language

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


@pytest.mark.parametrize("of", SAMPLES)
def test_a_title_of_any_language_has_its_level(of):
    """All tables together read it as somebody does who speaks the language; "" is no level."""
    meant = {title: level for level, titles in SAMPLES[of].items() for title in titles}
    assert len(meant) >= 60
    assert {title: TABLE.match(title) or "" for title in meant} == meant


@pytest.mark.parametrize("of", BUILT_IN)
def test_every_built_in_phrase_is_found_as_its_own_level(of):
    """No phrase of a table is hidden by another one, of any language; but for those that are agreed."""
    short = language().abbreviations
    phrases = {
        " ".join(words): level
        for level, texts in BUILT_IN[of]["levels"].items()
        for text in texts.splitlines()
        for words in forms(text, short)
        if "*" not in text
    }
    expected = {words: AGREED.get(words, level) for words, level in phrases.items()}
    assert {words: TABLE.match(words) for words in phrases} == expected


def test_no_phrase_stands_under_two_levels():
    """A table has no contradictions and only known levels; where two tables differ, it is said which level counts."""
    short, of = language().abbreviations, {}
    for name, table in BUILT_IN.items():
        words = [
            one for texts in table["levels"].values() for text in texts.splitlines() for one in set(forms(text, short))
        ]
        assert len(words) == len(set(words)), [one for one in words if words.count(one) > 1]
        assert set(table["levels"]) == set(LEVELS), name
        for level, texts in table["levels"].items():
            for text in texts.splitlines():
                for one in forms(text, short):
                    of.setdefault(" ".join(one), set()).add(level)
    assert {words for words, levels in of.items() if len(levels) > 1} == set(AGREED)


def test_an_abbreviation_is_of_one_level_in_all_languages():
    """The first language that has it writes it out; the others mean the same rank."""
    for table in BUILT_IN.values():
        for short, full in (table.get("abbreviations") or {}).items():
            assert TABLE.match(short) == TABLE.match(full), short


@pytest.mark.parametrize(
    ("title", "languages", "level"),
    [
        ("Chef de projet", None, "manager"),  # no chief
        ("Chef", None, "specialist"),  # a cook, in English
        ("Director General", None, "c_level"),
        ("Vertriebsleiterin", ["en"], None),
        ("Vertriebsleiterin", ["en", "de"], "director"),
        ("Ad Operations Manager", None, "manager"),  # no amministratore delegato
        ("E-Commerce Manager", None, "manager"),
        ("Stage Manager", None, "manager"),
        ("Dir. de Marketing", None, "director"),
        ("Zugbegleiter", None, "specialist"),  # ends like Leiter, and is none
        ("Engineer (in training)", None, "specialist"),
    ],
)
def test_languages_live_together(title, languages, level):
    """What looks alike and is not; and a model may name its languages."""
    own = {"languages": languages} if languages else None
    assert TitleTable(own).match(title) == level


def test_a_long_title_costs_no_more_for_each_word():
    """Twice the words are looked at twice as often, no more: glued words, too."""
    counted = []
    for times in (5, 10):
        table, looked = TitleTable(), []
        table._ending = lambda word, looked=looked: looked.append(word) or ""
        table.match("Quartzleiterling " * times)
        counted.append(len(looked))
    assert counted == [5, 10]


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
