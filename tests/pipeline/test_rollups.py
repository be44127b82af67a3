"""Company roll-ups: made of facts and of scores that know of none, at most hourly, where something happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from small_instance import CRM, SCORING, Small, days
from sqlalchemy import event

from gateway.journey.journey import compile_journey
from gateway.journey.rollups import compile_rollups, wanted
from gateway.pipeline import Pipeline
from gateway.settings.files import ConfigFile
from gateway.store import due, funnel, listing, rollups
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.sweeps import rollups as sweeping
from gateway.times import to_micros

HOUR = timedelta(hours=1)
JOURNEY = """
personas:
  - {name: boss, when: {title: {matches: chief}}}
  - {name: user}
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 30}}
"""
ROLLED = SCORING.replace(
    "behaviour:\n",
    "  - {name: Several of them, when: {company.engaged_leads: {at_least: 2}}, points: 15}\n"
    "  - {name: A good one, when: {company.best_score: {at_least: 30}}, points: 5}\n"
    "behaviour:\n",
)


def firm(id_: str = "f", **values):
    return {"kind": "firm", "id": id_, "at": days(20), "industry": "banking", **values}


def person(id_: str, **values):
    return {"kind": "contact", "id": id_, "at": days(9), "title": "Clerk", "firm_id": "f", **values}


class Rolled(Small):
    """A small instance whose model has roll-ups."""

    def __init__(self, folder, names=("engaged_leads", "personas_seen", "best_score"), listed=None, **more):
        super().__init__(folder, **{"scoring": ROLLED, "journey": JOURNEY, "active": (), **more})
        data = {"rollups": listed} if listed else {}
        made = compile_rollups(wanted(data, [f"company.{name}" for name in names]))
        self.model = replace(self.model, rollups=made)
        self.pipeline = Pipeline(self.store.main, self.model, lambda: self.at, self.pipeline.log)

    def roll(self):
        """One sweep after the other until nothing is due; returns for how many companies."""
        done = 0
        while worked := sweeping.sweep(self.pipeline):
            done += worked
            self.sweep()
        return done

    def numbers(self):
        with read(self.store.main) as connection:
            found = rollups.of(connection, [row[0] for row in self.rows(t.companies, "id")])
        return list(found.values())

    def totals(self):
        return sorted(row[0] for row in self.rows(t.scores, "total"))


@pytest.fixture
def small(tmp_path):
    small = Rolled(tmp_path)
    yield small
    small.store.close()


def test_what_colleagues_do_counts_for_each_of_them(small):
    """Two of a company's three leads were active: all three get the points that the rule has for it."""
    small.take("site", firm(), person("1", page="/a"), person("2", page="/b", title="Chief"), person("3"))
    assert small.roll() == 1
    assert small.numbers() == [{"engaged_leads": 2, "personas_seen": 2, "best_score": 50.0}]
    # Each: 15 + 5; the clerk's page 10; the chief's page 10 and title 40.
    assert small.totals() == [2000, 3000, 7000]


def test_a_roll_up_is_made_of_scores_that_know_of_none(small):
    """The best score lifts the score it was made of, and stays what it was: nothing feeds itself."""
    small.take("site", firm(), person("1", title="Chief", page="/a"))
    for _ in range(5):
        small.roll()
        small.at += 2 * HOUR
        with write(small.store.main) as connection:
            rollups.mark(connection, [row[0] for row in small.rows(t.companies, "id")], to_micros(small.at))
    assert small.numbers() == [{"engaged_leads": 1, "personas_seen": 1, "best_score": 50.0}]
    assert small.totals() == [5500]
    assert len(small.rows(t.rollups)) == 1  # only what moved was written


def test_at_most_hourly_whatever_happens(small):
    """Fifty visits within an hour are one look, an hour after the last one."""
    small.take("site", firm(), person("1", page="/a"))
    assert small.roll() == 1
    for minute in range(50):
        small.at += timedelta(minutes=1)
        small.take("site", person(str(minute + 2), at=small.at.isoformat(), page=f"/{minute}"))
        assert small.roll() == 0
    small.at += timedelta(minutes=10)
    assert small.roll() == 1
    assert small.numbers()[0]["engaged_leads"] == 51
    assert len(small.rows(t.rollups)) == 2


def test_scoring_again_is_nothing_that_happened(small):
    """Leads that are scored again for their company's sake do not make it due."""
    small.take("site", firm(), person("1", page="/a"), person("2", page="/b"))
    small.roll()
    small.at += 2 * HOUR
    assert small.roll() == 0


def test_what_leaves_the_window_is_missed_though_nothing_happens(small):
    """90 days after what they did last, nobody is engaged any more; their scores follow."""
    small.take("site", firm(), person("1", page="/a"), person("2", page="/b"))
    small.roll()
    assert small.totals() == [2500, 2500]
    small.at += timedelta(days=80)
    small.roll()
    assert small.numbers()[0]["engaged_leads"] == 2
    small.at += timedelta(days=2)
    assert small.roll() == 1
    assert small.numbers() == [{"engaged_leads": 0, "personas_seen": 0, "best_score": 1.25}]


def test_who_changes_companies_counts_for_the_new_one(small):
    """Both companies are looked at."""
    small.take("site", firm(), firm("g"), person("1", page="/a"), person("2", page="/b", firm_id="g"))
    small.roll()
    small.at += HOUR
    small.take("site", person("2", at=days(1), firm_id="f"))
    small.roll()
    assert sorted(one["engaged_leads"] for one in small.numbers()) == [0, 2]


def test_people_who_become_one_count_once(small):
    """A merge is looked at like news."""
    small.take("site", firm(), person("1", page="/a"), person("2", page="/b"))
    small.roll()
    small.at += HOUR
    small.take("site", person("1", at=days(1), merged="2"))
    small.roll()
    assert small.numbers()[0]["engaged_leads"] == 1


def test_who_is_forgotten_counts_no_more(small):
    """Nothing of them is left in the company's numbers once it is looked at again."""
    small.take("site", firm(), person("1", page="/a"), person("2", page="/b"))
    small.roll()
    small.at += HOUR
    small.take("site", person("2", at=days(1), forget=True))
    small.roll()
    assert small.numbers()[0]["engaged_leads"] == 1


def test_without_roll_ups_nothing_is_kept(tmp_path):
    """A model that reads none marks none."""
    small = Small(tmp_path, active=())
    small.take("site", firm(), person("1", page="/a"))
    assert small.rows(t.rollups_due) == []
    assert sweeping.sweep(small.pipeline) == 0
    small.store.close()


def test_who_dies_between_leaves_it_due(small):
    """A company that was taken on and never settled is due again an hour later."""
    small.take("site", firm(), person("1", page="/a"))
    with write(small.store.main) as connection:
        assert len(rollups.claim(connection, to_micros(small.at), 10)) == 1
    assert small.roll() == 0
    small.at += HOUR + timedelta(seconds=1)
    assert small.roll() == 1


def test_news_during_the_look_is_looked_at_later(small):
    """What happens between taking a company on and settling it is not lost."""
    small.take("site", firm(), person("1", page="/a"))
    now = to_micros(small.at)
    with write(small.store.main) as connection:
        (company,) = rollups.claim(connection, now, 10)
    small.take("site", person("2", page="/b"))
    with write(small.store.main) as connection:
        rollups.settle(connection, [company], now, {company: {"engaged_leads": 1}}, {company: None}, now)
    small.at += HOUR
    assert small.roll() == 1
    assert small.numbers()[0]["engaged_leads"] == 2


def test_statements_do_not_grow_with_companies(small):
    """One step over fifty companies sends as many statements as over one."""
    counted = [0]

    def count(*args):
        counted[-1] += 1

    event.listen(small.store.main, "before_cursor_execute", count)
    for round_, number in ((1, 1), (2, 50)):
        names = [f"{round_}-{place}" for place in range(number)]
        small.take("site", *map(firm, names), *(person(f"p{name}", page="/a", firm_id=name) for name in names))
        counted += [0]
        assert sweeping.sweep(small.pipeline) == number
        counted += [0]
    event.remove(small.store.main, "before_cursor_execute", count)
    assert counted[1] > 0
    assert counted[1] == counted[3]


def test_a_company_larger_than_a_part_is_counted_whole(small, monkeypatch):
    """Its leads are loaded some at a time."""
    monkeypatch.setattr(sweeping, "LEADS", 2)
    small.take("site", firm(), firm("g"), *(person(str(n), page="/a", firm_id="fg"[n % 2]) for n in range(9)))
    small.roll()
    assert sorted(one["engaged_leads"] for one in small.numbers()) == [4, 5]


def test_companies_that_moved_are_scored_again_together(small):
    """Not one batch each; one that is larger than a batch comes in parts, and nobody is left out."""
    sizes = {"a": 1, "b": 2, "c": 7, "d": 1}
    people = [person(f"{name}{n}", page="/a", firm_id=name) for name, size in sizes.items() for n in range(size)]
    small.take("site", *map(firm, sizes), *people)
    assert sweeping.sweep(small.pipeline) == len(sizes)
    batches, seen = 0, set()
    while True:
        with write(small.store.main) as connection:
            queued = due.rescores(connection, 5)
            for rescore, ids in queued:
                due.advance_rescore(connection, rescore, ids, 5)
                seen |= set(ids)
        if not queued:
            break
        assert len({lead for _, ids in queued for lead in ids}) <= 5
        batches += 1
    assert len(seen) == sum(sizes.values())
    assert batches <= 4


def test_values_of_a_roll_up_are_counted(small):
    """``leads values company.engaged_leads`` knows it like any field of the company, and so does a funnel."""
    small.take("site", firm(), firm("g"), person("1", page="/a"), person("2"), person("3", firm_id="g"))
    small.roll()
    with read(small.store.main) as connection:
        assert listing.values(connection, "company.engaged_leads") == [(1, 2), (0, 1)]
        assert listing.values(connection, "company.industry") == [("banking", 3)]
        for by, value, leads in (("engaged_leads", 1, 2), ("engaged_leads", 0, 1), ("industry", "banking", 3)):
            wanted = funnel.Wanted(f"company.{by}", ZoneInfo("UTC"))
            found = funnel.cohort_leads(connection, small.model.journey, wanted, "entered", value)
            assert len(list(found)) == leads


def test_who_is_never_handed_over_may_depend_on_the_company(small):
    """`never_hand_over` reads a company's fields and roll-ups as rules do, and follows them."""
    rules = "never_hand_over:\n  - {reason: alone, when: {company.engaged_leads: {below: 2}}}\n"
    rules += "  - {reason: no steel, when: {company.industry: steel}}\n"
    small.model = replace(small.model, journey=compile_journey(ConfigFile("journey.yaml", JOURNEY + rules)))
    small.pipeline.model = small.model
    small.take("site", firm(), firm("g", industry="steel"), person("1", page="/a"), person("2", firm_id="g"))
    small.roll()
    assert small.rows(t.leads, "excluded") == [("alone",), ("alone",)]
    small.at += HOUR
    small.take("site", person("3", page="/b"), *(person(n, page="/c", firm_id="g") for n in "45"))
    small.roll()
    assert small.rows(t.leads, "excluded") == [*[("no steel",)] * 3, (None,), (None,)]


def test_a_roll_up_is_sent_with_each_of_the_leads(tmp_path):
    """A mapping names it as a field of people: a record is told when the company's number moved."""
    crm = CRM.replace(
        "      band:", "      colleagues: {to: company.engaged_leads, type: integer, sync: out}\n      band:"
    )
    small = Rolled(tmp_path, crm=crm.replace("create: handoff", "create: always"), active=("crm",))

    def told():
        return [
            fields.get("colleagues") for fields, state in small.rows(t.writes, "fields", "state") if state == "waiting"
        ]

    small.take("site", firm(), person("1", page="/a"))
    assert told() == [None]
    small.roll()
    assert told() == [1]
    small.at += 2 * HOUR
    small.take("site", person("2", page="/b", at=small.at.isoformat()))
    small.roll()
    assert told() == [2, 2]
    small.store.close()
