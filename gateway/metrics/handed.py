"""What came of the leads that sales were given: by scoring rule, and against what their scores had promised. Pure.

In: handoffs of a period with the points that each was opened with, times in microseconds. Out: the JSON of the reports.
Points are those of the handoff's opening, before anybody knew how it would end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.metrics.baseline import interval
from gateway.metrics.velocity import quantile

QUALIFIED, REJECTED = "sales_qualified", "sales_rejected"
LOW, HIGH = 0.25, 0.75
"""A score is low in the lowest quarter of those handed over, high in the highest."""
FEW = 10
"""Of fewer decided handoffs nothing is concluded."""

Rule = tuple[str, str]
"""(axis, name)"""
MAIN: Mapping[Rule, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Handed:
    """One handoff. ``score``: hundredths, of ``score_name`` (empty = the main one). ``points``: what each rule gave,
    hundredths. ``bucket`` and ``reason`` are empty while it is open; ``won``: the lead bought before it was handed over
    again."""

    lead: str
    score: int
    points: Mapping[Rule, int]
    persona: str = ""
    owner: str = ""
    bucket: str = ""
    reason: str = ""
    won: bool = False
    score_name: str = ""

    @property
    def decided(self) -> bool:
        return bool(self.bucket) or self.won

    @property
    def good(self) -> bool:
        return self.won or self.bucket == QUALIFIED


def rules(handed: Sequence[Handed], known: Sequence[Rule], whose: Mapping[Rule, str] = MAIN) -> dict[str, Any]:
    """What each rule earned: ``handoffs``, ``decided``, ``good`` (qualified or won) and ``rules``, the best lift first.

    Of each rule: ``hits`` (handoffs it gave points to or took them from) and their ``share``, ``points`` (the mean of a
    hit), of the decided with and without it the ``good_share``, its ``range`` (19 times of 20) and ``lift``: that share
    divided by everybody's. With fewer than ten decided hits ``few`` says so. A rule of another score than the main one
    is held against the handoffs by that score alone: ``of`` names it, ``base`` is their share.

    :param known: the rules of the live model: one that never hit is there, too, with no hits. :param whose: which score
        they are of, but for the main one's.
    """
    decided = [one for one in handed if one.decided]
    good = sum(one.good for one in decided)
    base = good / len(decided) if decided else None
    names = {name: whose.get(name, "") for name in known}
    for one in handed:
        names |= dict.fromkeys(one.points, one.score_name)
    by_score = {score: [one for one in handed if one.score_name == score] for score in names.values()}
    told = [_rule(score, name, name in known, by_score[score]) for name, score in names.items()]
    told.sort(key=lambda one: (one["few"], -(one["lift"] or 0), -one["hits"], one["rule"]))
    return {"handoffs": len(handed), "decided": len(decided), "good": good, "good_share": base, "rules": told}


def _rule(score: str, name: Rule, live: bool, handed: Sequence[Handed]) -> dict[str, Any]:
    decided = [one for one in handed if one.decided]
    base = sum(one.good for one in decided) / len(decided) if decided else None
    hits = [one for one in handed if one.points.get(name)]
    theirs = [one for one in decided if one.points.get(name)]
    good = sum(one.good for one in theirs)
    others = len(decided) - len(theirs)
    share = good / len(theirs) if theirs else None
    return {
        "axis": name[0],
        "rule": name[1],
        "of": score,
        "base": base,
        "live": live,
        "hits": len(hits),
        "share": len(hits) / len(handed) if handed else None,
        "points": sum(one.points[name] for one in hits) / len(hits) / 100 if hits else None,
        "decided": len(theirs),
        "good": good,
        "good_share": share,
        "range": interval(good, len(theirs)),
        "good_share_without": (sum(one.good for one in decided) - good) / others if others else None,
        "lift": share / base if share is not None and base else None,
        "won": sum(one.won for one in hits),
        "few": len(theirs) < FEW,
    }


def rule_of(score: str, name: str) -> str:
    """What a rule is called here: rules of two scores may have one name. ``score``: empty = the main one."""
    return f"{score}: {name}" if score else name


def surprises(handed: Sequence[Handed]) -> dict[str, Any]:
    """Whom the score misjudged: ``won_low`` and ``rejected_high``, each with lead, score, persona, owner and reason.

    ``low`` and ``high``: the scores (points) that bound the lowest and the highest quarter of the handoffs; ``others``:
    the same of scores beside the main one, each among its own handoffs. ``reasons``: what sales said of the rejected
    with a high score, the most frequent first.
    """
    bounds = {name: _bounds(handed, name) for name in ("", *sorted({one.score_name for one in handed} - {""}))}
    won, rejected = list[Handed](), list[Handed]()
    for one in handed:
        low, high = bounds[one.score_name]
        if low < high and one.won and one.score <= low:
            won.append(one)
        if low < high and one.bucket == REJECTED and one.score >= high:
            rejected.append(one)
    reasons: dict[str, int] = {}
    for one in rejected:
        reasons[one.reason] = reasons.get(one.reason, 0) + 1
    return {
        "handoffs": len(handed),
        "low": bounds[""][0] / 100,
        "high": bounds[""][1] / 100,
        "others": {name: {"low": low / 100, "high": high / 100} for name, (low, high) in bounds.items() if name},
        "won_low": [_named(one) for one in sorted(won, key=lambda one: (one.score, one.lead))],
        "rejected_high": [_named(one) for one in sorted(rejected, key=lambda one: (-one.score, one.lead))],
        "reasons": [
            {"reason": reason, "handoffs": count}
            for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ],
    }


def _bounds(handed: Sequence[Handed], score: str) -> tuple[float, float]:
    scores = sorted(one.score for one in handed if one.score_name == score)
    return (quantile(scores, LOW), quantile(scores, HIGH)) if scores else (0.0, 0.0)


def _named(one: Handed) -> dict[str, Any]:
    return {
        "lead": one.lead, "score": one.score / 100, "persona": one.persona, "owner": one.owner, "reason": one.reason,
    }  # fmt: skip
