"""The funnel counted in a small made-up database."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, insert

from gateway.journey.journey import compile_journey
from gateway.metrics import funnel as metrics
from gateway.metrics.money import Rates
from gateway.settings.files import ConfigFile
from gateway.store import funnel as store
from gateway.store import tables
from gateway.store.database import open_store
from gateway.store.touches import won
from gateway.times import to_micros

BERLIN = ZoneInfo("Europe/Berlin")
JOURNEY = compile_journey(
    ConfigFile(
        "journey.yaml",
        """
stages:
  - {name: lead, shared: target}
  - {name: warm, shared: mql, entry: {score: 40}}
  - {name: hot, shared: mql, entry: {score: 70}}
  - {name: won, entry: {outcome: [won]}}
""",
    )
)
RATES = Rates("EUR")
DAY = datetime(2018, 1, 10, tzinfo=UTC)


class Leads:
    """Made-up leads, written in the store's own tables."""

    def __init__(self, folder):
        self.store = open_store(folder)
        self.engine = self.store.main
        tables.main.create_all(self.engine)
        self.connection = self.engine.connect()

    def add(self, id_, *stages, entered=DAY, outcomes=(), **columns):
        row = {"version": 1, "known_at": 0, "attributes": {}, "above": {}, **columns}
        stages = [stage if isinstance(stage, tuple) else (stage, DAY) for stage in stages]
        row["path"] = "\n".join(sorted(name for name, _ in stages))
        self.connection.execute(insert(tables.leads).values(id=id_, entered_at=to_micros(entered), **row))
        for name, at in stages:
            self.write(tables.reached, lead=id_, stage=name, at=to_micros(at), cause="outcome", ref="")
        for number, outcome in enumerate(outcomes):
            self.write(
                tables.outcomes, lead=id_, at=0, id=str(number), outcome=outcome, reason="", by="", precision="instant",
                system="crm", object="contact", record="1", known_at=0,
            )  # fmt: skip

    def write(self, table, **columns):
        self.connection.execute(insert(table).values(**columns))

    def funnel(self, by=None, zone=BERLIN, journey=JOURNEY, flow=False, **more):
        """``more``: of ``store.Wanted``."""
        within = (more.get("since"), more.get("until")) if flow else (None, None)
        sold = won(self.connection, journey, RATES, zone, *within)
        wanted = store.Wanted(by, zone, **more)
        count = store.flow if flow else store.cohort
        return metrics.funnel(count(self.connection, journey, wanted, sold), journey.tracked)

    def grouped(self, by, **more):
        return {
            group["value"]: [stage["count"] for stage in group["stages"]] for group in self.funnel(by, **more)["groups"]
        }


@pytest.fixture
def leads(tmp_path):
    made = Leads(tmp_path)
    yield made
    made.connection.close()
    made.store.close()


def test_each_lead_counts_once_per_shared_stage_and_outcome(leads):
    """`warm` and `hot` are both mql; a lead that reached both is one mql. A stage of an older file counts nowhere."""
    leads.add("a", "lead", "warm", "hot", "won", outcomes=["won", "won", "accepted"])
    leads.add("b", "lead", "hot")
    leads.add("c", "lead", "old stage", outcomes=["rejected"])
    data = leads.funnel()
    assert data["entered"] == 3
    assert data["stages"] == [
        {"stage": "target", "count": 3, "conversion": None},
        {"stage": "mql", "count": 2, "conversion": 2 / 3},
        {"stage": "won", "count": 1, "conversion": 1 / 2},
    ]
    assert data["outcomes"] == [
        {"outcome": "accepted", "count": 1},
        {"outcome": "rejected", "count": 1},
        {"outcome": "won", "count": 1},
    ]
    assert (data["notes"], data["groups"]) == ([], [])


def test_a_merged_lead_is_counted_nowhere_and_a_forgotten_one_everywhere(leads):
    leads.add("a", "lead", "won", outcomes=["won"], erased_at=5, excluded="customer")
    leads.add("b", "lead", ("won", datetime(2017, 1, 1, tzinfo=UTC)), outcomes=["won"], merged_into="a", excluded="x")
    data = leads.funnel("origin")
    assert (data["entered"], [stage["count"] for stage in data["stages"]]) == (1, [1, 0, 1])
    assert data["outcomes"] == [{"outcome": "won", "count": 1}]
    assert data["excluded"] == [{"reason": "customer", "count": 1}]
    assert data["notes"] == []
    assert [group["value"] for group in data["groups"]] == [None]


def test_excluded_leads_are_counted_by_reason(leads):
    for id_, reason in (("a", "customer"), ("b", "customer"), ("c", "competitor"), ("d", None)):
        leads.add(id_, "lead", excluded=reason)
    assert leads.funnel()["excluded"] == [{"reason": "customer", "count": 2}, {"reason": "competitor", "count": 1}]


def test_a_win_before_entry_is_counted_and_named(leads):
    leads.add("a", ("lead", datetime(2018, 1, 9, tzinfo=UTC)), ("won", datetime(2018, 1, 9, tzinfo=UTC)))
    leads.add("b", "lead", "won")  # the very moment of entry is not before it
    data = leads.funnel()
    assert data["notes"] == [{"kind": "won_before_entry", "count": 1, "leads": ["a"]}]
    assert data["stages"][-1]["count"] == 2


def test_groups_keep_the_type_of_the_attribute_and_leads_without_it(leads):
    """Absent, null and empty are all `no value`; the number 1, the text "1" and true are three values."""
    values = {"a": "web", "b": "web", "c": 1, "d": True, "e": "1", "f": ["x", "y"], "g": None, "h": "", "i": 1.5}
    for id_, value in values.items():
        leads.add(id_, "lead", attributes={"origin": value})
    leads.add("j", "lead", attributes={"other": "web"})
    found = [(group["value"], group["stages"][0]["count"]) for group in leads.funnel("origin")["groups"]]
    assert found[:2] == [(None, 3), ("web", 2)]
    assert sorted((repr(value), count) for value, count in found[2:]) == sorted(
        (repr(value), 1) for value in (1, True, "1", ["x", "y"], 1.5)
    )


def test_each_group_has_its_own_conversion(leads):
    leads.add("a", "lead", "warm", attributes={"origin": "web"})
    leads.add("b", "lead", attributes={"origin": "web"})
    leads.add("c", "lead", "warm", "won", attributes={"origin": "fair"})
    groups = {group["value"]: group["stages"] for group in leads.funnel("origin")["groups"]}
    assert [stage["conversion"] for stage in groups["web"]] == [None, 0.5, 0.0]
    assert [stage["conversion"] for stage in groups["fair"]] == [None, 1.0, 1.0]


@pytest.mark.parametrize("name", ["Größe", "a.b", "a b", "$", "0", 'with "quotes"', "it's; drop table leads"])
def test_any_attribute_name_is_a_name_and_never_part_of_the_statement(leads, name):
    leads.add("a", "lead", attributes={name: "x"})
    assert sum(counts[0] for counts in leads.grouped(name).values()) == 1
    if '"' not in name:
        assert leads.grouped(name) == {"x": [1, 0, 0]}


def test_an_attribute_of_the_company_groups_its_leads(leads):
    leads.write(tables.companies, id="c1", version=1, known_at=0, attributes={"industry": "software"})
    leads.add("a", "lead", company="c1")
    leads.add("b", "lead", company="c1")
    leads.add("c", "lead")
    assert leads.grouped("company.industry") == {"software": [2, 0, 0], None: [1, 0, 0]}


def test_groups_by_persona_and_by_present_stage(leads):
    leads.add("a", "lead", "hot", persona="finance", stage="hot")
    leads.add("b", "lead", persona="", stage="lead")
    assert leads.grouped("persona") == {"finance": [1, 1, 0], None: [1, 0, 0]}
    assert leads.grouped("stage") == {"hot": [1, 1, 0], "lead": [1, 0, 0]}


MONTHS = [
    ("2018-01-31T22:59:59", "2018-01"),  # 23:59 in Berlin
    ("2018-01-31T23:00:00", "2018-02"),  # midnight in Berlin
    ("2018-06-30T21:59:59", "2018-06"),  # summer time
    ("2018-06-30T22:00:00", "2018-07"),
    ("1969-12-31T22:59:59", "1969-12"),  # around and before the epoch
    ("1969-12-31T23:00:00", "1970-01"),
    ("1955-03-01T12:00:00", "1955-03"),
    ("2024-02-29T12:00:00", "2024-02"),
    ("2024-12-31T23:00:00", "2025-01"),
]


@pytest.mark.parametrize(("entered", "month"), MONTHS)
def test_a_cohort_is_a_month_of_the_instance_s_zone(leads, entered, month):
    leads.add("a", "lead", entered=datetime.fromisoformat(entered).replace(tzinfo=UTC))
    assert leads.grouped("month") == {month: [1, 0, 0]}


def test_cohorts_of_all_months_together(leads):
    """Many leads far apart in time: each falls into one month, in a fixed number of statements."""
    for number, (entered, _) in enumerate(MONTHS):
        leads.add(str(number), "lead", entered=datetime.fromisoformat(entered).replace(tzinfo=UTC))
    statements = []
    event.listen(leads.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    found = leads.grouped("month")
    assert {month: counts[0] for month, counts in found.items()} == {month: 1 for _, month in MONTHS}
    assert len(statements) == 9


def test_a_time_beyond_any_calendar_is_a_lead_without_a_month(leads):
    leads.add("a", "lead", entered=datetime(1, 1, 1, tzinfo=UTC))
    leads.add("b", "lead", entered=datetime(9999, 12, 31, tzinfo=UTC))
    assert leads.grouped("month") == {None: [2, 0, 0]}


@pytest.mark.parametrize("by", [None, "month", "origin", "company.industry", "persona"])
def test_without_leads_there_are_no_groups(leads, by):
    data = leads.funnel(by)
    assert (data["entered"], data["groups"]) == (0, [])


def test_a_journey_without_a_won_stage_has_no_note(leads):
    leads.add("a", "target")
    assert leads.funnel(journey=compile_journey(ConfigFile("journey.yaml", "")))["notes"] == []
