"""What can be asked of each metric in texts, as an address has them: pages and the API ask so, commands have options.

In: a metric's name and what was asked of it. Out: a ``Question``, which can be compared, kept and answered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from gateway.answers.metrics import (
    attribution,
    campaigns,
    content,
    funnel,
    goals,
    handed,
    ideal,
    reconcile,
    recycled,
    velocity,
)
from gateway.answers.metrics.asked import COUNTS, Answer, Asked, settled
from gateway.durations import parse_duration
from gateway.errors import NotFound, Refused
from gateway.metrics.content import KEYS
from gateway.metrics.funnel import BASES
from gateway.metrics.period import Period, midnight, period
from gateway.runtime import Gateway


@dataclass(frozen=True, slots=True)
class Option:
    """``read`` raises ``ValueError`` with what is wrong; ``default`` is what it reads where nothing is said."""

    name: str
    words: str
    read: Callable[[str], Any] = str
    default: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """``words``: what it tells, in one sentence. ``answer``: of ``Asked`` and the options' values in their order.

    ``live``: it asks other systems, which costs calls: only on purpose, and only by who may operate.
    """

    title: str
    words: str
    answer: Callable[..., Answer]
    options: tuple[Option, ...] = ()
    live: bool = False


def _length(text: str) -> timedelta | None:
    return parse_duration(text) if text else None


METRICS: Mapping[str, Metric] = {
    "funnel": Metric(
        "Funnel",
        "How many leads reached each stage, and what they brought.",
        funnel.funnel,
        (
            Option("by", "By", lambda text: text or None),
            Option("count", "Counted", default="cohort", choices=tuple(BASES)),
        ),
    ),
    "goals": Metric(
        "Goals", "How far each goal of goals.yaml has come, and what it will come to by its day.", goals.goals
    ),
    "baseline": Metric("Usual rates", "How many leads usually go from each stage to the next.", goals.baseline),
    "velocity": Metric(
        "Velocity", "How long each step takes, where it takes longest, how soon owners answer.", velocity.velocity
    ),
    "campaigns": Metric("Campaigns", "What each campaign brought, cost and returned.", campaigns.campaigns),
    "content": Metric(
        "Content",
        "Every asset and channel: whom it reaches, and which stage it serves.",
        content.content,
        (
            Option("by", "By", default="asset", choices=tuple(KEYS)),
            Option("unassigned", "Only what serves no stage yet", bool, choices=("", "yes")),
        ),
    ),
    "attribution": Metric(
        "Attribution",
        "The deals that were won, shared among the touches before them by several models.",
        attribution.attribution,
        (
            Option("by", "By", default="channel", choices=("channel", "campaign", "asset")),
            Option("window", "Window, such as 90d", _length),
            Option("half_life", "Half-life, such as 30d", _length, default="30d"),
        ),
    ),
    "recycled": Metric("Recycled", "What came back from marketing, and what it brought.", recycled.recycled),
    "ideal": Metric("Ideal", "How many leads and wins are the opportunity that you wish for.", ideal.ideal),
    "rules": Metric("Rules", "What each scoring rule earned: how much better those did whom it hit.", handed.rules),
    "surprises": Metric(
        "Surprises", "Whom the score misjudged: won with a low one, rejected with a high one.", handed.surprises
    ),
    "reconcile": Metric(
        "Reconcile",
        "What marketing passed against what sales received, by their systems' own counts.",
        reconcile.reconcile,
        live=True,
    ),
}
"""Name → the metric, in the order of pages. Its options can be said in texts, as can period, since and until."""


@dataclass(frozen=True, slots=True)
class Question:
    """A metric, of a time, with its options: equal questions have equal answers."""

    name: str
    period: Period
    options: tuple[Any, ...]

    def answer(self, gateway: Gateway, connection: Connection) -> tuple[Asked, Answer]:
        """Raises ``Refused`` where there is no answer, and what systems that are asked live raise."""
        asked = Asked(gateway, connection, self.period, gateway.now())
        answer = METRICS[self.name].answer(asked, *self.options)
        return settled(asked, answer), answer


def question(name: str, said: Mapping[str, str], gateway: Gateway) -> Question:
    """Raises ``NotFound`` where there is no such metric, ``Refused`` with all that is wrong in what was said."""
    if name not in METRICS:
        raise NotFound(f"no metric is called {name!r}; there are: {', '.join(METRICS)}")
    problems: list[str] = []
    values = []
    for option in METRICS[name].options:
        text = said.get(option.name) or option.default
        try:
            if option.choices and text not in option.choices:
                raise ValueError(f"one of {', '.join(filter(None, option.choices))}")
            values.append(option.read(text))
        except ValueError as exc:
            problems.append(f"{option.name}: {text!r}: {exc}")
    chosen = _period(said, gateway, problems) if COUNTS[name] else Period()
    if problems:
        raise Refused("; ".join(problems))
    return Question(name, chosen, tuple(values))


def _period(said: Mapping[str, str], gateway: Gateway, problems: list[str]) -> Period:
    zone = gateway.instance.zone
    if name := said.get("period", ""):
        if said.get("since") or said.get("until"):
            problems.append("period: it says both ends: leave out since and until")
        try:
            return period(name, gateway.now(), zone, gateway.instance.fiscal_year_start)
        except ValueError as exc:
            problems.append(f"period: {name!r}: {exc}")
            return Period()
    ends: list[datetime | None] = []
    for end in ("since", "until"):
        try:
            ends.append(midnight(date.fromisoformat(said[end]), zone) if said.get(end) else None)
        except ValueError:
            problems.append(f"{end}: {said[end]!r}: a day is written like 2026-10-31")
            ends.append(None)
    since, until = ends
    if since and until and since >= until:
        problems.append("since: it must lie before until")
    return Period(since, until)
