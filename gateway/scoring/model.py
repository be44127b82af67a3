"""scoring.yaml of the ``weighted`` strategy: its shape (marshmallow schemas) and its content (``Model``).

In: the file's plain data. Out: a ``Model``, points in integer hundredths of a raw point. Before: checking (every
problem with its line); after: compiler (one function per model).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from gateway.conditions import number
from gateway.durations import Duration
from gateway.errors import ConfigError, Problem
from gateway.journey.content import Content, compile_content

AXES = ("fit", "behaviour")
READS = ("level", "levels", "when", "ranges", "values", "activity")
"""What a rule looks at; exactly one of these is in every rule."""
COMPARISONS = ("at_least", "above", "at_most", "below", "is")
WHERE = ("asset", "channel", "campaign", "kind", "id")
"""What `where:` may ask of an activity."""
BANDS = {"great": 70, "good": 40}
WEIGHTS = {"fit": 60, "behaviour": 40}
OTHER, NOTHING = -2, -1
"""Where a ``Table`` rule's ``points`` keep the default, and the 0 of a missing value."""


# -- fields and schemas ------------------------------------------------------------------------------------------------


class Points(fields.Field[int]):
    """Raw points with at most two decimals; loads to hundredths."""

    default_error_messages = {"invalid": "expected a number of points, such as 10 or -2.5"}  # noqa: RUF012 - theirs

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.make_error("invalid")
        if abs(value) > 1_000_000:
            raise ValidationError("more than a million points")
        if abs(value * 100 - round(value * 100)) > 1e-6:
            raise ValidationError("points have at most two decimals")
        return round(value * 100)


class Factor(fields.Field[float]):
    """What points are multiplied with: 0 or more."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1000:
            raise ValidationError("expected a factor from 0 to 1000, such as 1.5")
        return value


class Moment(fields.Field[datetime]):
    """A day (its midnight, UTC) or a time; a time without a zone is UTC."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> datetime:
        try:
            if isinstance(value, str):
                value = datetime.fromisoformat(value)
            elif isinstance(value, date) and not isinstance(value, datetime):
                value = datetime(value.year, value.month, value.day, tzinfo=UTC)
            if isinstance(value, datetime):  # the YAML reader's times are a subclass; ours are plain
                zone = value.tzinfo or UTC
                return (
                    datetime.fromisoformat(value.replace(tzinfo=None).isoformat()).replace(tzinfo=zone).astimezone(UTC)
                )
        except (ValueError, OverflowError):
            pass
        raise ValidationError("expected a day such as 2026-11-01, or a time such as 2026-11-01T12:00:00Z")


class Name(fields.String):
    """A text that is not blank."""

    default_error_messages = {"invalid": "expected a text"}  # noqa: RUF012 - theirs

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not text.strip():
            raise ValidationError("must not be blank")
        return text


class Names(fields.Field[tuple[str, ...]]):
    """One name or a list of names."""

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> tuple[str, ...]:
        names = value if isinstance(value, list) else [value]
        if not names or not all(isinstance(name, str) and name.strip() for name in names):
            raise ValidationError("expected a name or a list of names")
        return tuple(names)


class Condition(fields.Field[Mapping[str, Any]]):
    """Taken as it is: checking asks ``check_condition`` about it."""

    def _deserialize(self, value: Any, attr: str | None, data: object, **kwargs: object) -> Mapping[str, Any]:
        return value  # type: ignore[no-any-return]


_positive = validate.Range(min=1, error="must be above 0")


class ByValue(Schema):
    """``ranges`` and ``values``: one attribute, points for each of its values."""

    attribute = Name(required=True)
    points = fields.Dict(required=True, values=Points(), validate=validate.Length(min=1, error="no points given"))
    default = Points()


class ByLevel(Schema):
    """``levels``: points for each level."""

    level = Name(required=True)
    points = fields.Dict(required=True, values=Points(), validate=validate.Length(min=1, error="no points given"))
    default = Points()


class RuleSchema(Schema):
    name = Name(required=True)
    points = Points()
    group = Name()
    level = Name()
    at_least = Name()
    above = Name()
    at_most = Name()
    below = Name()
    levels = fields.Nested(ByLevel)
    when = Condition()
    ranges = fields.Nested(ByValue)
    values = fields.Nested(ByValue)
    activity = Names()
    where = Condition()
    cap = Points(validate=_positive)
    window = Duration()
    half_life = Duration()

    class Meta:
        include = {"is": Name()}  # noqa: RUF012 - a keyword can be a field this way only


class Weights(Schema):
    fit = Points(required=True, validate=validate.Range(min=0, error="must not be negative"))
    behaviour = Points(required=True, validate=validate.Range(min=0, error="must not be negative"))


class Maximum(Schema):
    fit = Points(validate=_positive)
    behaviour = Points(validate=_positive)


class BandsSchema(Schema):
    great = Points(required=True, validate=validate.Range(min=0, max=10_000, error="must be from 0 to 100"))
    good = Points(required=True, validate=validate.Range(min=0, max=10_000, error="must be from 0 to 100"))


class GroupSchema(Schema):
    cap = Points(required=True, validate=_positive)


class LevelSchema(Schema):
    attribute = Name(required=True)
    order = fields.List(Name(), required=True, validate=validate.Length(min=1, error="no levels given"))


class OverlaySchema(Schema):
    name = Name(required=True)
    to = Moment()
    rule = Names()
    group = Name()
    factor = Factor(required=True)
    owner = Name()

    class Meta:
        include = {"from": Moment()}  # noqa: RUF012 - a keyword can be a field this way only


class ModelSchema(Schema):
    strategy = Name()
    name = Name()
    weights = fields.Nested(Weights)
    maximum = fields.Nested(Maximum)
    bands = fields.Nested(BandsSchema)
    groups = fields.Dict(keys=Name(), values=fields.Nested(GroupSchema))
    levels = fields.Dict(keys=Name(), values=fields.Nested(LevelSchema))
    titles = fields.Dict(keys=Name(), values=fields.List(Name()))
    fit = fields.List(fields.Nested(RuleSchema))
    behaviour = fields.List(fields.Nested(RuleSchema))
    personas = fields.Dict(keys=Name(), values=fields.Dict(keys=Name(), values=Factor()))
    content_weights = fields.Dict(
        keys=Name(), values=fields.Dict(keys=Name(), values=Factor()), validate=validate.Length(min=1, error="is empty")
    )
    overlays = fields.List(fields.Nested(OverlaySchema))


# -- ranges ------------------------------------------------------------------------------------------------------------

_N = r"-?[0-9]+(?:\.[0-9]+)?"
_BOUNDED = re.compile(rf"({_N})\s*[-–]\s*({_N})")
_FROM = re.compile(rf"({_N})\s*[-–+]")
_TO = re.compile(rf"[-–]\s*({_N})")


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """``low`` to ``high``, both included. With whole bounds a fraction counts as its whole part: 49.9 is in 0-49."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= (math.floor(value) if self.whole and math.isfinite(value) else value) <= self.high

    @property
    def whole(self) -> bool:
        return all(bound == math.inf or bound == -math.inf or isinstance(bound, int) for bound in (self.low, self.high))


def parse_range(text: object) -> Range:
    """``"0-49"``, ``"500-"`` (and more), ``"-10"`` (up to), ``"7"``. Raises ``ValueError``."""
    written = str(text).strip()
    if match := _BOUNDED.fullmatch(written):
        low, high = _number(match[1]), _number(match[2])
        if low > high:
            raise ValueError("the range ends before it begins")
        return Range(low, high)
    if match := _FROM.fullmatch(written):
        return Range(_number(match[1]), math.inf)
    if match := _TO.fullmatch(written):
        return Range(-math.inf, _number(match[1]))
    if re.fullmatch(_N, written):
        return Range(_number(written), _number(written))
    raise ValueError("not a range; write 0-49, 500- (and more) or -10 (up to)")


def _number(text: str) -> float:
    value = number(text)
    if value is None:
        raise ValueError("not a range; its numbers are too long")
    return value


# -- content -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class When:
    """All points when the condition holds."""

    condition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Level:
    """All points when the attribute's level is one of ``ranks`` (0 = highest)."""

    level: str
    ranks: frozenset[int]
    words: str


@dataclass(frozen=True, slots=True)
class Table:
    """Points by the attribute's value: ``labels[i]`` gives ``points[i]``, another known value ``points[OTHER]``."""

    kind: str
    attribute: str
    labels: tuple[str, ...]
    level: str = ""


@dataclass(frozen=True, slots=True)
class Happened:
    """All points for each activity of ``kinds``, if ``where`` holds, while younger than ``window``; halved by time."""

    kinds: tuple[str, ...]
    where: Mapping[str, Any] | None
    window: timedelta | None
    half_life: timedelta | None
    cap: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """``points`` in hundredths of a raw point: one; for a ``Table`` one per label, then ``OTHER`` and ``NOTHING``."""

    axis: str
    name: str
    group: str
    points: tuple[int, ...]
    test: When | Level | Table | Happened


@dataclass(frozen=True, slots=True)
class Overlay:
    name: str
    start: datetime | None
    end: datetime | None
    rules: frozenset[str]
    factor: float


@dataclass(frozen=True, slots=True)
class Levels:
    attribute: str
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """``scale[axis]``: raw hundredths × this = hundredths of the score. ``limit[axis]``: the axis's weight × 100."""

    name: str
    scale: Mapping[str, Fraction]
    limit: Mapping[str, int]
    great: int
    good: int
    groups: Mapping[str, int]
    levels: Mapping[str, Levels]
    titles: Mapping[str, Sequence[str]]
    rules: tuple[Rule, ...]
    personas: Mapping[str, Mapping[str, float]]
    overlays: tuple[Overlay, ...]
    content_weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """persona, or ``DEFAULT`` → stage, or ``UNASSIGNED`` → what activities with content of that stage count"""
    content: Content = field(default_factory=Content)

    def scaled(self, axis: str, raw: int) -> int:
        """Raw hundredths of an axis in hundredths of the 0–100 scale, rounded half up."""
        scale = self.scale[axis]
        return (2 * raw * scale.numerator + scale.denominator) // (2 * scale.denominator)


def load_model(data: Mapping[str, Any]) -> Model:
    """The content of a file that passed ``check``, with content.yaml's entries under ``content`` where it weighs them.

    Raises ``ConfigError`` when its shape is wrong all the same.
    """
    try:
        loaded = ModelSchema().load({key: value for key, value in data.items() if key != "content"})
    except ValidationError as exc:
        keys = sorted(map(str, exc.messages)) if isinstance(exc.messages, Mapping) else [""]
        raise ConfigError(
            [Problem("scoring.yaml", 0, key, "not valid; run the check for details") for key in keys]
        ) from None
    weights = loaded.get("weights") or {axis: weight * 100 for axis, weight in WEIGHTS.items()}
    maximum = {axis: (loaded.get("maximum") or {}).get(axis, 10_000) for axis in AXES}
    bands = loaded.get("bands") or {band: points * 100 for band, points in BANDS.items()}
    levels = {
        name: Levels(level["attribute"], tuple(level["order"])) for name, level in (loaded.get("levels") or {}).items()
    }
    rules = tuple(_rule(axis, rule, levels) for axis in AXES for rule in loaded.get(axis) or ())
    return Model(
        name=loaded.get("name", "lead"),
        scale={axis: Fraction(weights[axis], maximum[axis]) for axis in AXES},
        limit=weights,
        great=bands["great"],
        good=bands["good"],
        groups={name: group["cap"] for name, group in (loaded.get("groups") or {}).items()},
        levels=levels,
        titles=loaded.get("titles") or {},
        rules=rules,
        personas=loaded.get("personas") or {},
        overlays=tuple(_overlay(overlay, rules) for overlay in loaded.get("overlays") or ()),
        content_weights=loaded.get("content_weights") or {},
        content=compile_content(data) if "content" in data else Content(),
    )


def _rule(axis: str, rule: Mapping[str, Any], levels: Mapping[str, Levels]) -> Rule:
    test: When | Level | Table | Happened
    points: tuple[int, ...] = (rule.get("points", 0),)
    if "activity" in rule:
        test = Happened(rule["activity"], rule.get("where"), rule.get("window"), rule.get("half_life"), rule.get("cap"))
    elif "level" in rule:
        order = levels[rule["level"]].order
        comparison, wanted = next((name, rule[name]) for name in COMPARISONS if name in rule)
        test = Level(rule["level"], ranks(order, comparison, wanted), level_words(comparison, wanted))
    elif "when" in rule:
        test = When(rule["when"])
    else:
        kind = next(name for name in ("ranges", "values", "levels") if name in rule)
        table = rule[kind]
        attribute = levels[table["level"]].attribute if kind == "levels" else table["attribute"]
        given = {str(label): one for label, one in table["points"].items()}
        if kind == "levels":
            given = {name: given.get(name, table.get("default", 0)) for name in levels[table["level"]].order}
        test = Table(kind, attribute, tuple(given), table.get("level", ""))
        points = (*given.values(), table.get("default", 0), 0)
    return Rule(axis, rule["name"], rule.get("group", ""), points, test)


def ranks(order: Sequence[str], comparison: str, wanted: str) -> frozenset[int]:
    """The ranks (0 = highest) that stand in ``comparison`` to ``wanted``: ``above`` the second is the first alone."""
    place = order.index(wanted)
    return frozenset(
        {
            "at_least": range(place + 1),
            "above": range(place),
            "at_most": range(place, len(order)),
            "below": range(place + 1, len(order)),
            "is": (place,),
        }[comparison]
    )


def level_words(comparison: str, level: str) -> str:
    """``("at_least", "vice_president")`` → ``"vice president or above"``."""
    said = level.replace("_", " ")
    return {
        "at_least": f"{said} or above",
        "above": f"above {said}",
        "at_most": f"{said} or below",
        "below": f"below {said}",
        "is": said,
    }[comparison]


def _overlay(overlay: Mapping[str, Any], rules: Sequence[Rule]) -> Overlay:
    names = set(overlay.get("rule", ()))
    if "group" in overlay:
        names |= {rule.name for rule in rules if rule.group == overlay["group"]}
    return Overlay(overlay["name"], overlay.get("from"), overlay.get("to"), frozenset(names), overlay["factor"])
