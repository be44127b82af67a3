"""The process document: what it says is what the journey does, and both drawings say all of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.journey.diagram import mermaid, svg
from gateway.journey.journey import compile_journey
from gateway.journey.process import process_of
from gateway.settings.files import ConfigFile

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "mappings" / "starter" / "journey.yaml", *sorted(ROOT.glob("mappings/examples/*/journey.yaml"))]
AGREED = """
personas: [{name: finance, when: {department: finance}}, {name: other}]
stages:
  - {name: lead, shared: target}
  - {name: "warm <50> \\"q\\" [x]", shared: target, entry: {score: 30}}
  - name: ready
    shared: mql
    entry: {score: {finance: 50, other: 62.5}, activity: [demo_request]}
    both: true
    steps:
      - handoff: crm
      - set: {field: status, value: MQL}
      - join: Hot
      - leave: Cold
      - campaign: {name: Autumn, status: Met}
      - notify: sales
  - {name: won, shared: won, entry: {outcome: [won]}}
never_hand_over: [{reason: customer, when: {customer: true}}]
calendars: {office: {zone: Europe/Berlin, hours: {mon-fri: "09:00-17:00"}, holidays: DE}}
follow_up: {response: {great: 5m, other: 4h}, period: 5d, calendar: office, default_bucket: recycled, reassign: 150}
fast_track: {activities: [call_me], response: 10m}
owners:
  - {user: anna@x.example, name: anna, territory: {country: Germany}}
  - {user: ben@x.example, name: ben, weight: 2}
  - {queue: Inbound, name: inbound}
fallback: inbound
capacity: {hour: 20, day: 100}
recycling: {rest: 30d, behaviour: halve, generations: 3, silent: 90d, stage: 'warm <50> "q" [x]'}
rejected: {competitor: never, no budget: 180d}
reasons: {recycled: [not now], sales_rejected: [competitor, no budget]}
lists: {recycled: Nurture}
notify: {sales: {through: chat}, manager: {to: boss@x.example, through: mail}}
"""
SENTENCES = {
    "lead (target)": ["every lead"],
    'warm <50> "q" [x] (target)': ["from 30 points", "back when the score falls 5 below"],
    "ready (mql)": [
        "from 50 (finance), 62.5 (other) points and call me or demo request",
        "at once, whatever the score: call me",
        "→ hand over to crm",
        "→ set status to MQL",
        "→ join list Hot",
        "→ leave list Cold",
        "→ campaign Autumn: Met",
        "→ notify sales",
    ],
    "won": ["when won"],
    "Sales (crm)": [
        "goes to: the account's owner, else by territory, else in turn, else inbound",
        "turns: anna (country is Germany), ben ×2",
        "answers who asked (call me) within 10 minutes",
        "answers great leads within 5 minutes",
        "answers the others within 4 hours",
        "of that time: warned after 80 %, escalated after 100 %, given to the next after 150 %",
        "follow-up ends after 5 working days",
        "by the working hours of Europe/Berlin, less the holidays of DE",
        "at most 20 in any hour and 100 in any day; more wait for a person, the best first",
        "never handed over: customer",
        "manager hears of: escalation, expiry",
    ],
    "sales-qualified": [
        "when qualified or won",
        "silent for 90 days without an open deal: recycled",
        "deal lost: recycled",
    ],
    "sales-rejected": [
        "when rejected",
        "reasons: competitor, no budget",
        "competitor: never comes back",
        "no budget: comes back after 180 days",
        "others: comes back by fast track alone",
    ],
    "recycled": [
        "when recycled or lost",
        "when nothing was heard by the end of follow-up",
        "reasons: not now",
        "→ list Nurture",
        "rests 30 days",
        "its behaviour till then counts half",
        "comes back by something new, as the next generation, 3 at most",
    ],
}


def process(text: str = AGREED):
    return process_of(compile_journey(ConfigFile("journey.yaml", text)))


def test_every_box_says_what_is_agreed() -> None:
    assert {box.title: list(box.lines) for box in process().boxes} == SENTENCES


def test_arrows_lead_through_the_stages_to_sales_and_into_every_bucket_and_back() -> None:
    titles = {box.id: box.title for box in process().boxes}
    stages = ["lead (target)", 'warm <50> "q" [x] (target)', "ready (mql)", "won"]
    expected = {*pairwise(stages), ("ready (mql)", "Sales (crm)"), ("recycled", stages[1])}
    expected |= {("Sales (crm)", bucket) for bucket in ("sales-qualified", "sales-rejected", "recycled")}
    assert {(titles[tail], titles[head]) for tail, head in process().arrows} == expected


def test_a_journey_without_handoff_has_no_buckets() -> None:
    assert [box.title for box in process("{}").boxes] == ["target"]


def test_mermaid_text_names_every_box_and_arrow_with_nothing_it_would_misread() -> None:
    drawn = process()
    lines = mermaid(drawn).splitlines()
    assert lines[0] == "flowchart TD"
    boxes = [line for line in lines if ":::" in line]
    assert len(boxes) == len(drawn.boxes)
    for line in boxes:
        inside = re.fullmatch(r'  \w+\["(.*)"\]:::\w+', line)[1]
        assert not re.search(r'["\[\]]', inside)
        assert re.sub("</?b>|<br/>", "", inside).count("<") == 0
    assert sum(" --> " in line for line in lines) == len(drawn.arrows)


@pytest.mark.parametrize("text", [AGREED, "{}", *(path.read_text() for path in FILES)])
def test_svg_is_well_formed_and_no_box_covers_another(text: str) -> None:
    """Every line of text is in its box, as far as an average letter's width tells."""
    drawn = process(text)
    tree = ET.fromstring(svg(drawn, 'A & B "Ltd": from lead to revenue'))
    inside = {"x", "y", "width", "height"}
    boxes = [{key: float(rect.get(key)) for key in inside} for rect in tree.findall("{*}rect") if rect.get("x")]
    assert len(boxes) == len(drawn.boxes)
    for one in boxes:
        for other in boxes:
            apart = one["x"] + one["width"] <= other["x"] or one["y"] + one["height"] <= other["y"]
            assert one is other or apart or other["x"] + other["width"] <= one["x"] or other["y"] < one["y"]
    texts = tree.findall("{*}text")[1:]
    for node in texts:
        x, y = float(node.get("x")), float(node.get("y"))
        (box,) = [b for b in boxes if b["x"] <= x <= b["x"] + b["width"] and b["y"] <= y <= b["y"] + b["height"]]
        assert x + 6.9 * len(node.text) <= box["x"] + box["width"]
    words = " ".join(node.text for node in texts).split()
    assert words == [word for kind in ("stage", "handoff", "bucket") for box in drawn.of(kind)
                     for line in (box.title, *box.lines) for word in line.split()]  # fmt: skip
