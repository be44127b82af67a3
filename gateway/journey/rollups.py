"""Roll-ups: what a company's leads come to together, as a few numbers that rules read as ``company.<name>``.

In: each lead's persona, attributes, activities, and the score it has without any roll-up. Out: the company's numbers,
and when they may move though nothing happens. A roll-up is made of facts and of such scores alone, never of a score
that a roll-up has moved: so none can feed itself, or another. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.conditions import Condition, check_condition, compile_condition, places
from gateway.conditions import in_words as conditions_in_words
from gateway.contracts import Activity, Score
from gateway.durations import Duration, duration_in_words
from gateway.errors import Problem
from gateway.mapping.grammar import OF_COMPANY, is_computed
from gateway.settings.files import ConfigFile

BUILT_IN: Mapping[str, Mapping[str, Any]] = {
    "engaged_leads": {"count": "leads"},
    "personas_seen": {"count": "personas"},
    "best_score": {"best": "total"},
}
"""Those that a rule can read though journey.yaml does not name them."""
WINDOW = timedelta(days=90)
INSTEAD = dict.fromkeys(("score", "fit", "behaviour", "band"), "; `best: total` is the best score of its leads") | {
    "persona": "; `count: personas` counts them, and a persona's own `when` may stand here"
}
"""What a condition that cannot hold may have meant."""
_WHERE = ("asset", "channel", "campaign", "kind")


class RollupForm(Schema):
    count = fields.String(
        validate=validate.OneOf(("leads", "personas"), error="it counts leads or personas"),
        metadata={"help": "leads, or personas among them, that did something within the window"},
    )
    best = fields.String(
        validate=validate.OneOf(("total", "fit", "behaviour"), error="it is total, fit or behaviour"),
        metadata={"help": "the best score of one of its leads within the window: total, fit or behaviour"},
    )
    window = Duration(load_default=WINDOW, metadata={"help": "how far back it looks"})
    activity = fields.List(
        fields.String(), validate=validate.Length(1), metadata={"help": "what counts as doing something; else anything"}
    )
    where = fields.Raw(metadata={"help": "condition on the activity: asset, channel, campaign, kind"})
    when = fields.Raw(metadata={"help": "condition on the lead's own fields: the others do not count"})

    @validates_schema
    def _sensible(self, data: Mapping[str, Any], **kwargs: object) -> None:
        if "best" in data and (others := [key for key in ("count", "activity", "where") if key in data]):
            raise ValidationError("only what counts has this; the best score is that of any lead", others[0])


ROLLUPS = fields.Dict(
    keys=fields.String(
        validate=validate.Regexp(r"[a-z][a-z0-9_]*\Z", error="must be a word such as engaged_executives")
    ),
    values=fields.Nested(RollupForm),
    metadata={"help": "name: what all leads of a company come to together; rules read it as `company.<name>`"},
)


@dataclass(frozen=True, slots=True)
class Rollup:
    """``count``: leads | personas | empty. ``best``: an attribute of ``Score`` | empty. ``activities``: empty = any."""

    count: str
    best: str
    window: timedelta
    activities: frozenset[str]
    where: Condition | None
    when: Condition | None


def written(data: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The roll-ups of a journey.yaml as it has them; one of those built in says only what is other about it."""
    listed = data.get("rollups") or {}
    return {name: {**BUILT_IN.get(name, {}), **(one or {})} for name, one in listed.items()}


def names_of(data: Mapping[str, Any]) -> set[str]:
    """Those that a rule may read beside this journey.yaml."""
    return {*BUILT_IN, *(data.get("rollups") or ())}


def wanted(data: Mapping[str, Any], read: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Those to be worked out: named in journey.yaml, or built in and among the attributes that are ``read``."""
    names = {name.removeprefix(OF_COMPANY) for name in read if name.startswith(OF_COMPANY)}
    return {**{name: one for name, one in BUILT_IN.items() if name in names}, **written(data)}


def compile_rollups(listed: Mapping[str, Mapping[str, Any]]) -> dict[str, Rollup]:
    """``listed``: what ``wanted`` says, of a file that passed the check."""
    return {name: _compiled(RollupForm().load(dict(one))) for name, one in listed.items()}


def _compiled(one: Mapping[str, Any]) -> Rollup:
    where, when = (compile_condition(one[key]) if key in one else None for key in ("where", "when"))
    return Rollup(
        one.get("count", ""),
        one.get("best", ""),
        one["window"],
        frozenset(one.get("activity", ())),
        where,
        when,
    )


def in_words(one: Mapping[str, Any]) -> str:
    """``"leads that did demo_request within 14 days, where title contains chief"``. ``one``: as ``written`` has it."""
    form = RollupForm().load(dict(one))
    when = f", where {conditions_in_words(form['when'])}" if "when" in form else ""
    within = f"within {duration_in_words(form['window'])}"
    if "best" in form:
        what = "score" if form["best"] == "total" else form["best"]
        return f"the best {what} of one of its leads {within}{when}"
    did = " or ".join(form.get("activity", ("anything",)))
    did += f" (only {conditions_in_words(form['where'])})" if "where" in form else ""
    counted = "leads" if form["count"] == "leads" else "personas among its leads"
    return f"{counted} that did {did} {within}{when}"


def check_rollups(file: ConfigFile) -> Iterator[Problem]:
    """What only the whole file can show."""
    listed = file.data.get("rollups")
    names = names_of(file.data) if isinstance(listed, Mapping) else set(BUILT_IN)
    for name, one in listed.items() if isinstance(listed, Mapping) else ():
        if not isinstance(one, Mapping):
            continue
        here = ("rollups", name)
        if name in BUILT_IN and (other := [key for key in ("count", "best") if key in one]):
            yield file.problem((*here, other[0]), f"{name} is built in; give what you mean another name")
        elif name not in BUILT_IN and not {"count", "best"} & one.keys():
            yield file.problem(here, "says not what it is; add `count: leads`, `count: personas` or `best: total`")
        if "where" in one:
            yield from check_condition(file, (*here, "where"), one["where"], _WHERE)
        if "when" in one:
            yield from check_condition(file, (*here, "when"), one["when"], None)
            yield from _fed(file, (*here, "when"), one["when"], names)
            yield from _decided(file, (*here, "when"), one["when"], names)
    for index, persona in enumerate(file.data.get("personas") or ()):
        if isinstance(persona, Mapping) and "when" in persona:
            yield from _fed(file, ("personas", index, "when"), persona["when"], names)


def _fed(file: ConfigFile, path: tuple[str | int, ...], condition: Any, names: Collection[str]) -> Iterator[Problem]:
    """A roll-up where roll-ups are made of: it would move itself."""
    for place, name in places(condition, path):
        if name.startswith(OF_COMPANY) and name.removeprefix(OF_COMPANY) in names:
            yield file.problem(place, "roll-ups are made of this, so it cannot read one")


def _decided(
    file: ConfigFile, path: tuple[str | int, ...], condition: Any, names: Collection[str]
) -> Iterator[Problem]:
    """A condition on what is no field of the lead's own, such as its score or its company's industry, never holds."""
    for place, name in places(condition, path):
        if name.startswith(OF_COMPANY):
            whose = "" if name.removeprefix(OF_COMPANY) in names else "which is its company's"
        else:
            whose = f"which is worked out here{INSTEAD.get(name.split('.')[0], '')}" if is_computed(name) else ""
        if whose:
            yield file.problem(place, f"a roll-up asks for a lead's own fields, not for {name!r}, {whose}")


# -- arithmetic --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Colleague:
    """One of a company's leads. ``scored``: a time → the score it has then without roll-ups; None: it has none."""

    id: str
    persona: str
    attributes: Mapping[str, Any]
    activities: Sequence[Activity]
    scored: Callable[[datetime], Score | None]


class Tally:
    """One company's numbers at ``at``: ``add`` each of its leads once, in any order."""

    def __init__(self, rollups: Mapping[str, Rollup], at: datetime) -> None:
        self.rollups = rollups
        self.at = at
        self._seen: dict[str, dict[str, datetime]] = {name: {} for name in rollups}
        self._best: dict[str, tuple[int, datetime]] = {}
        self._moves: list[datetime] = []

    def add(self, lead: Colleague) -> None:
        for name, one in self.rollups.items():
            if one.when is not None and not one.when(lead.attributes):
                continue
            if one.best:
                self._rate(name, one, lead)
            elif (what := lead.id if one.count == "leads" else lead.persona) and (last := self._last(one, lead)):
                self._seen[name][what] = max(last, self._seen[name].get(what, last))

    def _last(self, one: Rollup, lead: Colleague) -> datetime | None:
        """When it last did what counts, within the window."""
        last = None
        for activity in lead.activities:
            if one.activities and activity.kind not in one.activities:
                continue
            if activity.at <= self.at - one.window or (one.where is not None and not one.where(activity._asdict())):
                continue
            if activity.at > self.at:
                self._moves.append(activity.at)
            elif last is None or activity.at > last:
                last = activity.at
        return last

    def _rate(self, name: str, one: Rollup, lead: Colleague) -> None:
        """Its score of now and, since nearly all points come with what somebody does, that after the last thing it did
        on each day."""
        days: dict[int, datetime] = {}
        for activity in lead.activities:
            if self.at - one.window < activity.at <= self.at:
                day = activity.at.toordinal()
                days[day] = max(activity.at, days.get(day, activity.at))
        for moment in (*days.values(), self.at):
            score = lead.scored(moment)
            if score is None:
                return
            if (found := (getattr(score, one.best), moment)) > self._best.get(name, (-1, moment)):
                self._best[name] = found
            if moment == self.at and score.changes_at is not None and found == self._best[name]:
                self._moves.append(score.changes_at)

    def numbers(self) -> dict[str, int | float]:
        """Each roll-up's number; a best score, in points, only where a lead has one."""
        found: dict[str, int | float] = {}
        for name, one in self.rollups.items():
            if not one.best:
                found[name] = len(self._seen[name])
            elif name in self._best:
                found[name] = self._best[name][0] / 100
        return found

    def moves_at(self) -> datetime | None:
        """When a number may be another though nothing happens; None = never. What rises by itself, as at an overlay's
        begin, is seen when something happens."""
        leaves = [last + self.rollups[name].window for name, seen in self._seen.items() for last in seen.values()]
        leaves += [at + self.rollups[name].window for name, (_, at) in self._best.items() if at < self.at]
        return min((*leaves, *self._moves), default=None)
