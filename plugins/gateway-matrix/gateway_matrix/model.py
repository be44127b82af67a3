"""scoring.yaml of ``strategy: matrix``: its form, every problem of it, and the ``Model`` it becomes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from gateway.conditions import attributes_of, check_condition, compile_condition
from gateway.durations import Duration
from gateway.errors import Problem
from gateway.settings.files import ConfigFile

GRADES, LEVELS = "ABCD", "1234"
WHOLE = 100
Condition = Callable[[Mapping[str, Any]], bool]
_WHERE = frozenset({"asset", "channel", "campaign"})
_percent = validate.Range(0, WHOLE, error="expected a percentage, 0 to 100")


class Windows(fields.Field[dict[timedelta, int]]):
    """``30d``, or what an activity of that age still counts in percent: ``{7d: 100, 30d: 50}``."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[timedelta, int]:
        told = value if isinstance(value, Mapping) else {value: WHOLE}
        windows: dict[timedelta, int] = {}
        for span, percent in told.items():
            if type(percent) is not int or not 0 < percent <= WHOLE:
                raise ValidationError("expected a percentage, 1 to 100, for each time")
            windows[Duration().deserialize(span)] = percent
        if not windows:
            raise ValidationError("expected a time such as 30d, or {7d: 100, 30d: 50}")
        return windows


class StepForm(Schema):
    when = fields.Raw(required=True)
    share = fields.Integer(strict=True, load_default=WHOLE, validate=_percent)


class ProfileForm(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 100))
    weight = fields.Integer(strict=True, required=True, validate=_percent)
    when = fields.Raw()
    steps = fields.List(fields.Nested(StepForm))


class EngagementForm(Schema):
    name = fields.String(required=True, validate=validate.Length(1, 100))
    weight = fields.Integer(strict=True, required=True, validate=_percent)
    activity = fields.String(required=True)
    where = fields.Raw()
    times = fields.Integer(strict=True, load_default=1, validate=validate.Range(1, 1000))
    within = Windows(load_default=lambda: {timedelta(days=90): WHOLE})


def _steps(names: str) -> fields.Dict:
    known = ", ".join(names[:-1])

    def check_name(name: Any) -> None:  # YAML reads 1 as a number
        if str(name) not in names[:-1]:
            raise ValidationError(f"expected {known}")

    return fields.Dict(
        keys=fields.Raw(validate=check_name), values=fields.Integer(strict=True, validate=_percent), load_default=dict
    )


class BandsForm(Schema):
    great = fields.Integer(strict=True, load_default=70, validate=_percent)
    good = fields.Integer(strict=True, load_default=40, validate=_percent)


class ModelForm(Schema):
    strategy = fields.String()
    name = fields.String(load_default="lead")
    weights = fields.Dict(keys=fields.String(validate=validate.OneOf(("fit", "behaviour"))), values=fields.Integer())
    profile = fields.List(fields.Nested(ProfileForm), required=True, validate=validate.Length(min=1))
    engagement = fields.List(fields.Nested(EngagementForm), required=True, validate=validate.Length(min=1))
    grades = _steps(GRADES)
    levels = _steps(LEVELS)
    bands = fields.Nested(BandsForm, load_default=lambda: BandsForm().load({}))


@dataclass(frozen=True, slots=True)
class Trait:
    """One criterion of the profile: the first step that holds gives its share (percent) of the weight."""

    name: str
    weight: int
    steps: tuple[tuple[Condition, int], ...]


@dataclass(frozen=True, slots=True)
class Interest:
    """One criterion of the engagement: ``times`` activities within a window give its percent of the weight."""

    name: str
    weight: int
    activity: str
    where: Condition | None
    times: int
    windows: Mapping[timedelta, int]


@dataclass(frozen=True, slots=True)
class Model:
    """``grades``, ``levels``: from how many percent on, best first. ``fit``, ``behaviour``: points of the best."""

    profile: tuple[Trait, ...]
    engagement: tuple[Interest, ...]
    grades: Mapping[str, int]
    levels: Mapping[str, int]
    fit: int
    behaviour: int
    great: int
    good: int


def check(file: ConfigFile) -> list[Problem]:
    """Every problem of the file."""
    problems = list(file.check(ModelForm()))
    for key in ("profile", "engagement"):
        listed = file.data.get(key)
        entries = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, Sequence) else []
        weights = [one.get("weight") for one in entries]
        if entries and all(type(one) is int for one in weights) and sum(weights) != WHOLE:  # type: ignore[arg-type]
            problems.append(file.problem((key,), f"weights add up to {sum(weights)}, not to 100"))  # type: ignore[arg-type]
        for index, one in enumerate(entries):
            problems += _conditions(file, (key, index), one)
    axes = file.data.get("weights", {"fit": 60, "behaviour": 40})
    if isinstance(axes, Mapping) and sum(one for one in axes.values() if type(one) is int) != WHOLE:
        problems.append(file.problem(("weights",), "fit and behaviour must add up to 100"))
    for key, names in (("grades", GRADES), ("levels", LEVELS)):
        problems += _descending(file, key, names)
    return sorted(set(problems))


def _conditions(file: ConfigFile, path: tuple[str, int], one: Mapping[str, Any]) -> list[Problem]:
    if path[0] == "engagement":
        return check_condition(file, (*path, "where"), one["where"], _WHERE) if "where" in one else []
    if ("when" in one) == ("steps" in one):
        return [file.problem(path, "say whom it fits, with `when` or with `steps`")]
    if "when" in one:
        return check_condition(file, (*path, "when"), one["when"], None)
    steps = one["steps"] if isinstance(one["steps"], Sequence) else ()
    return [
        problem
        for at, step in enumerate(steps)
        if isinstance(step, Mapping) and "when" in step
        for problem in check_condition(file, (*path, "steps", at, "when"), step["when"], None)
    ]


def _descending(file: ConfigFile, key: str, names: str) -> list[Problem]:
    said = file.data.get(key)
    if not isinstance(said, Mapping):
        return []
    given = {str(name): percent for name, percent in said.items()}
    if missing := [name for name in names[:-1] if name not in given]:
        return [file.problem((key,), f"no percentage for {', '.join(missing)}")]
    percents = [given[name] for name in names[:-1]]
    if all(type(one) is int for one in percents) and percents != sorted(set(percents), reverse=True):
        return [file.problem((key,), f"must fall from {names[0]} to {names[-2]}")]
    return []


def load_model(data: Mapping[str, Any]) -> Model:
    """``data``: a file's content that passed the check."""
    told = ModelForm().load(data)
    weights = told.get("weights", {"fit": 60, "behaviour": 40})
    return Model(
        tuple(Trait(one["name"], one["weight"], _shares(one)) for one in told["profile"]),
        tuple(_interest(one) for one in told["engagement"]),
        _percents(told["grades"], GRADES),
        _percents(told["levels"], LEVELS),
        weights["fit"],
        weights["behaviour"],
        told["bands"]["great"],
        told["bands"]["good"],
    )


def attributes(data: Mapping[str, Any]) -> frozenset[str]:
    """The lead fields that the profile looks at."""
    steps = [step for one in data["profile"] for step in one.get("steps", [one])]
    return frozenset(name for step in steps for name in attributes_of(step["when"]))


def _percents(said: Mapping[Any, int], names: str) -> dict[str, int]:
    given = {str(name): percent for name, percent in said.items()}
    return {name: given.get(name, percent) for name, percent in zip(names, (75, 50, 25), strict=False)}


def _shares(one: Mapping[str, Any]) -> tuple[tuple[Condition, int], ...]:
    steps: Collection[Mapping[str, Any]] = one.get("steps") or [{"when": one["when"], "share": WHOLE}]
    return tuple((compile_condition(step["when"]), step["share"]) for step in steps)


def _interest(one: Mapping[str, Any]) -> Interest:
    where = compile_condition(one["where"]) if "where" in one else None
    return Interest(one["name"], one["weight"], one["activity"], where, one["times"], one["within"])
