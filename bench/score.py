"""One score of 12 rules over 20 activities, against the same arithmetic written by hand as plain Python closures.

    python bench/score.py [--rounds 41] [--json]

The hand-written side knows the model by heart: it groups the activities once and calls one closure per rule. It gives
points only; the compiled model also finds the band and the moment of the next change. Both give the same totals, which
is checked before the clock starts. Rounds are interleaved; the ratio is that of the medians. Target: at most 5.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

from gateway.contracts import Activity, Subject
from gateway.scoring.checking import check
from gateway.scoring.weighted import WeightedScorer
from gateway.settings.files import ConfigFile

TARGET = 5.0
MODEL = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 80}
groups: {web: {cap: 30}}
levels: {seniority: {attribute: title, order: [c_level, vice_president, director, manager, specialist, intern]}}
fit:
  - {name: Executive or above, level: seniority, at_least: vice_president, points: 20}
  - {name: Below manager, level: seniority, below: manager, points: -10}
  - {name: Target industry, when: {industry: [software, finance]}, points: 15}
  - {name: Company size, ranges: {attribute: employees, points: {"0-49": 0, "50-499": 10, "500-": 20}}}
  - {name: Source, values: {attribute: source, points: {referral: 10, paid: -5}}}
  - {name: Free mail address, when: {email: {ends_with: ["@gmail.com", "@yahoo.com"]}}, points: -10}
behaviour:
  - name: Viewed pricing
    activity: page_view
    where: {asset: {contains: pricing}}
    points: 10
    cap: 20
    group: web
    window: 30d
    half_life: 14d
  - {name: Viewed a page, activity: page_view, points: 1, cap: 8, group: web, window: 30d}
  - {name: Filled in a form, activity: form_submitted, points: 10, cap: 20, half_life: 30d}
  - {name: Clicked in an e-mail, activity: email_click, points: 3, cap: 12, window: 30d}
  - {name: Attended a webinar, activity: webinar_attended, points: 12, cap: 24, half_life: 30d}
  - {name: Unsubscribed, activity: unsubscribed, points: -30, window: 90d}
"""
WEIGHTS = {"content_weights": {"finance": {"mql": 1.5}, "default": {"mql": 2, "target": 0.5}}}
CONTENT = [
    {"stage": "mql", "where": {"asset": {"contains": ["pricing", "demo"]}}},
    {"stage": "target", "where": {"channel": ["social", "web"]}},
]
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEVELS = {"vp sales": 1, "software engineer": 4, "cfo": 0, "marketing manager": 3}  # the hand knows all its titles


def subjects() -> list[Subject]:
    """Leads with 20 activities each, over the last 60 days, most of kinds that count."""
    kinds = (
        ["page_view"] * 9 + ["email_click"] * 3 + ["email_open"] * 3 + ["form_submitted"] * 2 + ["webinar_attended"] * 2
    )
    found = []
    for number in range(50):
        last = "unsubscribed" if number % 10 == 0 else "page_view"
        activities = [
            Activity(
                NOW - timedelta(days=(7 * place + number) % 60, seconds=61 * place),
                kind,
                "/pricing/plans" if place % 3 == 0 else f"/blog/{place}",
                "web",
            )
            for place, kind in enumerate([*kinds, last])
        ]
        attributes = {
            "title": ["VP Sales", "Software Engineer", "CFO", "Marketing Manager"][number % 4],
            "industry": ["Software", "Retail", "finance"][number % 3],
            "employees": [12, 120, 5000][number % 3],
            "source": ["referral", "paid", "event"][number % 3],
            "email": f"lead{number}@{'gmail.com' if number % 5 == 0 else 'example.com'}",
            "country": "DE",
        }
        found.append(Subject(attributes, sorted(activities, key=lambda one: one.at)))
    return found


def by_hand():
    """(fit, behaviour) in hundredths, as a person would write it who has only this model to serve."""
    day = timedelta(days=1)

    def executive(lead, acts, at):
        return 2000 if LEVELS.get(lead.get("title", "").strip().casefold(), 99) <= 1 else 0

    def junior(lead, acts, at):
        return -1000 if LEVELS.get(lead.get("title", "").strip().casefold(), -1) > 3 else 0

    def industry(lead, acts, at):
        return 1500 if lead.get("industry", "").strip().casefold() in ("software", "finance") else 0

    def size(lead, acts, at):
        employees = lead.get("employees")
        if employees is None or employees < 50:
            return 0
        return 1000 if employees < 500 else 2000

    points = {"referral": 1000, "paid": -500}

    def source(lead, acts, at):
        return points.get(lead.get("source", "").strip().casefold(), 0)

    def free_mail(lead, acts, at):
        return -1000 if lead.get("email", "").strip().casefold().endswith(("@gmail.com", "@yahoo.com")) else 0

    def decaying(kind, worth, half_life, cap, window=None, asset=None):
        def rule(lead, acts, at):
            total = 0
            for act in acts.get(kind, ()):
                age = at - act.at
                if window is not None and age >= window:
                    continue
                if asset is not None and asset not in act.asset.casefold():
                    continue
                total += -int(-(worth * 0.5 ** (age // half_life) - 0.5) // 1)  # a half towards 0
            return min(total, cap)

        return rule

    def counting(kind, worth, window, cap):
        def rule(lead, acts, at):
            count = 0
            start = at - window
            for act in acts.get(kind, ()):
                if act.at > start:
                    count += 1
            return max(min(count * worth, cap), -100_000)

        return rule

    fit_rules = [executive, junior, industry, size, source, free_mail]
    web_rules = [
        decaying("page_view", 1000, 14 * day, 2000, window=30 * day, asset="pricing"),
        counting("page_view", 100, 30 * day, 800),
    ]
    other_rules = [
        decaying("form_submitted", 1000, 30 * day, 2000),
        counting("email_click", 300, 30 * day, 1200),
        decaying("webinar_attended", 1200, 30 * day, 2400),
        counting("unsubscribed", -3000, 90 * day, 0),
    ]

    def scaled(raw):
        return (raw + 1) // 2  # 40 points of the score for 80 raw ones

    def score(subject, at):
        lead = subject.attributes
        acts = {}
        for act in subject.activities:
            if act.at <= at:
                acts.setdefault(act.kind, []).append(act)
        fit = sum(rule(lead, acts, at) for rule in fit_rules)
        web = min(sum(scaled(rule(lead, acts, at)) for rule in web_rules), 1500)
        behaviour = web + sum(scaled(rule(lead, acts, at)) for rule in other_rules)
        return max(0, min(fit, 6000)), max(0, min(behaviour, 4000))

    return score


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    file = ConfigFile("scoring.yaml", MODEL)
    assert check(file) == []
    compiled, hand, leads = WeightedScorer(file.data).score, by_hand(), subjects()
    assert all(len(lead.activities) == 20 for lead in leads)
    for lead in leads:
        score = compiled(lead, NOW)
        assert (score.fit, score.behaviour) == hand(lead, NOW), "the two sides disagree"
    weighed = WeightedScorer({**file.data, **WEIGHTS, "content": CONTENT}).score
    assert any(weighed(lead, NOW).total != compiled(lead, NOW).total for lead in leads)
    times: dict[str, list[float]] = {"compiled": [], "by hand": [], "weighed": []}
    for _ in range(options.rounds):
        for name, function in (("compiled", compiled), ("by hand", hand), ("weighed", weighed)):
            start = time.perf_counter()
            for lead in leads:
                function(lead, NOW)
            times[name].append((time.perf_counter() - start) / len(leads) * 1e6)
    ours, theirs, with_content = (statistics.median(times[name]) for name in times)
    result = {
        "bench": "score",
        "compiled_us": round(ours, 2),
        "content_weighed_us": round(with_content, 2),
        "by_hand_us": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
        "target": f"<= {TARGET:g}",
        "scores_per_s": round(1e6 / ours),
    }
    if options.json:
        print(json.dumps(result))
    else:
        print(f"one score of 12 rules over 20 activities, median of {options.rounds} interleaved rounds")
        print(f"  compiled model {ours:8.2f} µs   ({result['scores_per_s']:,} scores/s)")
        print(f"  with content weighed by persona and stage {with_content:.2f} µs")
        print(f"  by hand        {theirs:8.2f} µs")
        print(f"  ratio          {result['ratio']:8.2f}      (target {result['target']})")
    return 0 if ours / theirs <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
