"""A past score, recomputed from stored facts, is the one that was decided with, whatever came late or changed since."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from small_instance import CRM, JOURNEY, NOW, SCORING, SITE, Small
from sqlalchemy import select

from gateway.contracts import Mark
from gateway.journey.judgement import Judgement
from gateway.journey.rollups import compile_rollups, wanted
from gateway.past import explain_at
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile
from gateway.store import bundle
from gateway.store import tables as t
from gateway.store.database import write
from gateway.store.times import new_id
from gateway.sweeps import rollups
from gateway.times import from_micros, to_micros

MODELS = {
    "first": SCORING,
    "higher": SCORING.replace("points: 40}", "points: 55}").replace("half_life: 30d", "half_life: 5d"),
    "together": SCORING.replace(
        "\nbehaviour:\n",
        "\n  - {name: Several, when: {company.engaged_leads: {at_least: 2}}, points: 15}\n"
        "  - {name: A good one, when: {company.best_score: {at_least: 30}}, points: 7}\nbehaviour:\n",
        1,
    ),
    "country": SCORING.replace('{title: {matches: "chief|ceo"}}', "{country: DE}"),
}
GATEWAY = """
systems:
  site: {role: ma}
  crm: {role: crm}
"""
PEOPLE = st.sampled_from(["1", "2", "3"])
AGE = st.sampled_from([0, 0, 0.5, 3, 10, 45])
"""Days before it is heard of: most news is fresh, some comes late."""
CONTACT = st.fixed_dictionaries(
    {"kind": st.just("contact"), "id": PEOPLE, "age": AGE},
    optional={
        "title": st.sampled_from(["CEO", "clerk", "chief clerk"]),
        "country": st.sampled_from(["DE", "FR", ""]),
        "page": st.sampled_from(["/a", "/b"]),
        "opens": st.integers(0, 4),
        "firm_id": st.sampled_from(["f", "g"]),
        "number": st.sampled_from(["n1", "n2"]),
    },
)
FIRM = st.fixed_dictionaries(
    {
        "kind": st.just("firm"),
        "id": st.sampled_from(["f", "g"]),
        "age": AGE,
        "industry": st.sampled_from(["software", "steel"]),
    }
)
MERGED = st.builds(
    lambda winner, age: {"kind": "firm", "id": winner, "merged": "g" if winner == "f" else "f", "age": age},
    st.sampled_from(["f", "g"]),
    AGE,
)
SALES = st.fixed_dictionaries(
    {"id": st.sampled_from(["c1", "c2"]), "age": AGE, "number": st.sampled_from(["n1", "n2"])},
    optional={"position": st.sampled_from(["CEO", "clerk"]), "state": st.sampled_from(["Working", "Recycled"])},
)
STEP = st.one_of(
    st.tuples(st.just("site"), st.lists(st.one_of(CONTACT, CONTACT, FIRM, MERGED), min_size=1, max_size=4)),
    st.tuples(st.just("crm"), st.lists(SALES, min_size=1, max_size=2)),
    st.tuples(st.just("model"), st.sampled_from(sorted(MODELS))),
    st.tuples(st.just("mark"), st.integers(-20, 20)),
    st.tuples(st.just("wait"), st.integers(1, 40)),
)


class Past:
    """A small instance whose model changes, and what it decided."""

    def __init__(self, folder: Path) -> None:
        self.small = small = Small(folder)
        small.at = NOW - timedelta(days=200)
        self.model("first")
        self.decided: dict[tuple[str, int], int] = {}

    def model(self, name: str) -> None:
        small, text = self.small, MODELS[name]
        scorer = WeightedScorer(ConfigFile("scoring.yaml", text).data)
        hashes = {what: hash_ for what, hash_ in small.model.hashes.items() if what != "rollups"} | {"scoring": name}
        if listed := wanted({}, scorer.attributes):
            hashes["rollups"] = "read"
        small.pipeline.model = small.model = replace(
            small.model, scorer=scorer, hashes=hashes, rollups=compile_rollups(listed)
        )
        files = {"gateway.yaml": GATEWAY, "scoring.yaml": text, "journey.yaml": JOURNEY}
        files |= {"mappings/site.yaml": SITE, "mappings/crm.yaml": CRM}
        with write(small.store.main) as connection:
            bundle.activate(connection, files, hashes, to_micros(small.at))
        small.pipeline.run((), self.leads(), cause="model")

    def leads(self) -> list[str]:
        with self.small.store.main.connect() as connection:
            return list(connection.scalars(select(t.leads.c.id).where(t.leads.c.merged_into.is_(None))))

    def do(self, what: str, given: Any) -> None:
        small = self.small
        small.at += timedelta(days=given) if what == "wait" else timedelta(minutes=7)
        if what in ("site", "crm"):
            small.take(what, *({**one, "at": (small.at - timedelta(days=one["age"])).isoformat()} for one in given))
        elif what == "model":
            self.model(given)
        elif what == "mark":
            for lead in self.leads()[:1]:
                mark = Mark(small.at, "manual", given, "met", small.at + timedelta(days=20), "kim", new_id())
                small.pipeline.run((), [lead], "person", judgements={lead: Judgement(marks=(mark,))})
        else:
            small.pipeline.run((), self.leads(), cause="time")
        small.sweep()
        while rollups.sweep(small.pipeline):
            small.sweep()
        with small.store.main.connect() as connection:
            living = set(self.leads())
            for row in connection.execute(select(t.scores)):
                if row.lead in living:
                    self.decided[row.lead, row.at] = row.total

    def gateway(self) -> Any:
        host = SimpleNamespace(transforms={}, scorers={"weighted": SimpleNamespace(factory=WeightedScorer)})
        return SimpleNamespace(store=self.small.store, model=self.small.model, host=host, now=lambda: self.small.at)


@draws(10, deadline=None)
@given(steps=st.lists(STEP, min_size=2, max_size=14))
def test_a_past_score_is_the_one_that_was_decided_with(steps: list[tuple[str, Any]]) -> None:
    """With late news, other models, marks, people and companies who became one, or changed, and what they came to."""
    with TemporaryDirectory() as folder:
        past = Past(Path(folder))
        for what, given_ in steps:
            past.do(what, given_)
        living = set(past.leads())
        for (lead, at), total in past.decided.items():
            if lead in living:
                found = explain_at(past.gateway(), lead, from_micros(at))
                assert (found.score.total, from_micros(at)) == (total, from_micros(at))
        past.small.store.close()


def test_companies_that_were_merged_since_are_two_again() -> None:
    """Each lead has the company of then: what the other brought, and what became of it later, is not known yet."""
    with TemporaryDirectory() as folder:
        past = Past(Path(folder))
        firms = [{"kind": "firm", "id": "f", "industry": "steel"}, {"kind": "firm", "id": "g", "industry": "software"}]
        people = [{"kind": "contact", "id": n, "firm_id": firm} for n, firm in (("1", "f"), ("2", "g"))]
        past.do("site", [one | {"age": 0} for one in (*firms, *people)])
        then = past.small.at
        past.do("site", [{"kind": "firm", "id": "f", "merged": "g", "industry": "paper", "age": 0}])

        def known(at: Any, hindsight: bool = False) -> list[str]:
            found = [explain_at(past.gateway(), lead, at, hindsight) for lead in past.leads()]
            return sorted(one.subject.attributes["company.industry"] for one in found)

        assert known(then) == ["software", "steel"]
        assert known(past.small.at) == ["paper", "paper"]
        assert len(set(known(then, hindsight=True))) == 1  # of today's company, what was so by then
        past.small.store.close()
