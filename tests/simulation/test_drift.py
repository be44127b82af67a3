"""Whether new leads are still those that the model was agreed on for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from disk_instance import Instance

from gateway.committee import drifting
from gateway.opening import open_gateway
from gateway.simulation.drift import Sample, Seen, compare, spread, stability

READERS = {"Boss": ["title"], "Page": []}


def sample(leads: int, boss: float, known: float = 1.0, accepted: float = 0.3, seed: int = 1) -> Sample:
    """``boss``: share of those known to be bosses, who stand over the threshold."""
    made, chance = Sample(), random.Random(seed)
    for _ in range(leads):
        title = None if chance.random() > known else "boss" if chance.random() < boss else "clerk"
        rules = {"Page"} | ({"Boss"} if title == "boss" else set())
        good = chance.random() < accepted
        made.take(Seen(7500 if title == "boss" else 1500, rules, {"title": title}, title == "boss", good), ["title"])
    return made


def test_like_leads_are_no_drift() -> None:
    """Of a hundred pairs of samples none differs, but by chance."""
    found = [compare(sample(200, 0.4, seed=n), sample(200, 0.4, seed=1000 + n), READERS) for n in range(100)]
    assert sum(map(bool, found)) <= 2


def test_an_attribute_that_fails_is_the_cause() -> None:
    """Fewer titles: the scores fall, and the rule that reads them hits no more."""
    found = compare(sample(300, 0.6), sample(300, 0.6, known=0.2, seed=2), READERS)
    assert found is not None
    told = {one.what: one for one in found}
    assert told.keys() == {"scores", "rule Boss"}
    assert "title is known of " in told["rule Boss"].cause
    assert "likely since title is known of" in told["scores"].words
    assert told["scores"].after < told["scores"].before


def test_sales_that_accept_fewer_of_the_same_leads_are_told() -> None:
    """Of all, and of those over the threshold."""
    found = compare(sample(300, 0.6), sample(300, 0.6, accepted=0.05, seed=3), READERS)
    assert [one.what for one in found or ()] == ["accepted", "accepted above the threshold"]


def test_too_few_leads_say_nothing() -> None:
    """Rather than something wrong."""
    assert compare(sample(49, 0.6), sample(300, 0.1), READERS) is None
    assert compare(Sample(), Sample(), READERS) is None


def test_stability_is_nought_for_the_same_and_grows() -> None:
    """In any scale."""
    assert stability({1: 10, 5: 30}, {1: 100, 5: 300}) == pytest.approx(0)
    assert stability({1: 100}, {9: 100}) > 5
    assert spread([str(n) for n in range(1000)], 300) == [str(n) for n in range(0, 1000, 4)]


def test_a_form_that_lost_its_title_is_found_and_opens_work(tmp_path: Path, gateway_tables: Path) -> None:
    """Sixty leads of before the model, sixty of since; the day after the titles are back and old enough, it is over."""
    pytest.importorskip("gateway_files")
    instance = Instance(tmp_path / "instance", gateway_tables)
    instance.write("scores/growth.yaml", "fit: [{name: Boss, when: {title: {contains: CEO}}, points: 60}]\n")
    instance.edit(
        "journey.yaml", "- {name: won", "- {name: grown, shared: mql, entry: {score: 9, of: growth}}\n  - {name: won"
    )
    now = datetime.now(UTC).replace(microsecond=0)

    def people(first: int, ago: int, **values: str) -> list[dict[str, str]]:
        at = (now - timedelta(days=ago)).replace(tzinfo=None).isoformat()
        return [{"id": str(n), "at": at, "email": f"p{n}@one.example", **values} for n in range(first, first + 60)]

    with time_machine.travel(now - timedelta(days=40), tick=False):
        instance.bring(people(100, 60, title="CEO"), history=True)
    with time_machine.travel(now - timedelta(days=20), tick=False):
        instance.bring(people(200, 30), name="later.csv")
    told = instance.json("model", "drift")
    assert (told["before"], told["after"]) == (60, 60)
    words = [one["words"] for one in told["findings"]]
    assert (
        "Executive or above gave points to 100% of new leads then, to 0% lately; likely since title is known of 0%"
        in (" ".join(words))
    )
    growth = instance.json("model", "drift", "--score", "growth")
    assert (growth["score"], growth["before"]) == ("growth", 60)
    theirs = [one["words"] for one in growth["findings"]]
    assert any(one.startswith("Boss gave points to 100% of new leads then, to 0% lately") for one in theirs)
    words += [f"growth: {one}" for one in theirs]
    gateway = open_gateway(instance.root)
    for _ in range(2):  # the second look of a day is none
        drifting.watch(gateway)
    gateway.close()
    items: list[Any] = instance.json("work", "list", "--kind", "model drift")["work"]
    assert sorted(one["detail"]["what"] for one in items) == sorted(words)
    assert "nothing" not in instance.run("model", "drift").stdout
