"""Who gets handoffs: `owners`, `assign` and `fallback` of journey.yaml, their forms, and the ``Owners`` they become.

owners:
  - {user: anna@example.com, weight: 2, territory: {country: [DE, AT]}}
  - {queue: Inbound leads}
fallback: Inbound leads
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.conditions import check_condition, compile_condition, in_words
from gateway.errors import Problem
from gateway.journey.calendar import Calendar
from gateway.settings.files import ConfigFile, suggest
from gateway.zones import Zone

ACCOUNT_OWNER, TERRITORY, ROUND_ROBIN = ASSIGN = ("account_owner", "territory", "round_robin")
_TEXT = validate.Length(1, 255, error="must have 1 to 255 characters")
_RULES = ", ".join(ASSIGN)


@dataclass(frozen=True, slots=True)
class Owner:
    """One entry. ``who``: a CRM user's e-mail address or id, or a queue's id or name; ``name``: what we call them.

    ``weight``: their share of the turns; 0 = no turns. ``calendar`` None = that of ``follow_up``. ``zone``: whose
    clocks their hours are of; None = their own zone in the CRM, else the calendar's. ``territory``: the leads they take
    turns for; None = those of nobody's territory; ``where``: the same in words. ``system``: empty = handoffs to any.
    """

    name: str
    who: str
    queue: bool = False
    weight: float = 1
    calendar: Calendar | None = None
    zone: ZoneInfo | None = None
    territory: Callable[[Mapping[str, Any]], bool] | None = None
    where: str = ""
    system: str = ""

    def serves(self, system: str) -> bool:
        return self.system in ("", system)


@dataclass(frozen=True, slots=True)
class Owners:
    """``assign``: the rules, in the order in which they are tried. ``fallback``: who gets what no rule gives away."""

    listed: tuple[Owner, ...] = ()
    assign: tuple[str, ...] = ASSIGN
    fallback: str = ""

    def named(self, name: str) -> Owner | None:
        return next((one for one in self.listed if one.name == name), None)


class Word(fields.String):
    """Text; of an id that is a number, YAML made one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(str(value) if type(value) is int else value, attr, data, **kwargs)


class OwnerForm(Schema):
    name = Word(validate=_TEXT, metadata={"help": "what they are called here; default: the user or queue"})
    user = Word(validate=_TEXT, metadata={"help": "a CRM user: e-mail address or id"})
    queue = Word(validate=_TEXT, metadata={"help": "a queue of the CRM: id or name"})
    weight = fields.Float(
        validate=validate.Range(0, 1000, error="expected a number from 0 (no turns) to 1000"),
        metadata={"help": "share of the turns; default: 1, of the fallback 0"},
    )
    calendar = fields.String(metadata={"help": "one of calendars; default: that of follow_up"})
    zone = Zone(metadata={"help": "whose clocks the hours are of; default: the zone that the CRM has of the user"})
    territory = fields.Raw(metadata={"help": "condition on the lead: they take turns for these leads only"})
    system = fields.String(metadata={"help": "only handoffs to this system; default: to any"})

    @validates_schema
    def _one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("user" in data) == ("queue" in data):
            raise ValidationError("says nobody, or two: write user: or queue:")


class Rules(fields.List[str]):
    """The rules of ``assign``, each at most once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        rules = super()._deserialize(value, attr, data, **kwargs)
        wrong = {}
        for place, rule in enumerate(rules):
            if rule not in ASSIGN:
                wrong[place] = [f"no such rule{suggest(rule, ASSIGN) or f'; it is one of {_RULES}'}"]
            elif rule in rules[:place]:
                wrong[place] = [f"{rule!r} is here twice"]
        if wrong:
            raise ValidationError(wrong)
        return rules


OWNERS = fields.List(fields.Nested(OwnerForm), metadata={"help": "who gets handoffs"})
ASSIGNMENT = Rules(fields.String(), metadata={"help": f"rules in the order they are tried; default: {_RULES}"})
FALLBACK = Word(metadata={"help": "name of the owner who gets what no rule gives away; owners need one"})


def check_owners(
    file: ConfigFile, attributes: Collection[str] | None = None, systems: Collection[str] | None = None
) -> Iterator[Problem]:
    """What the forms cannot see: names that stand elsewhere in the file."""
    data = file.data
    written = data.get("owners")
    entries = written if isinstance(written, list) else ()
    listed = [(place, one) for place, one in enumerate(entries) if isinstance(one, Mapping)]
    calendars = data.get("calendars") if isinstance(data.get("calendars"), Mapping) else {}
    names: list[str] = []
    for place, one in listed:
        name, path = _name(one), ("owners", place)
        if name in names:
            yield file.problem(path, f"{name!r} is here twice; give one of them another `name:`")
        names.append(name)
        if "territory" in one:
            yield from check_condition(file, (*path, "territory"), one["territory"], attributes)
        for key, known in (("calendar", calendars), ("system", systems)):
            word = one.get(key)
            if isinstance(word, str) and known is not None and word not in known:
                others = f"; there are {', '.join(known)}" if known else "; there is none"
                yield file.problem((*path, key), f"no such {key}{suggest(word, known) or others}")
    fallback = data.get("fallback")
    fallback = str(fallback) if type(fallback) is int else fallback
    if listed and fallback is None:
        others = f", such as `fallback: {names[-1]}`" if names[-1] else ""
        yield file.problem(("owners",), f"who gets a lead when no rule finds an owner? Say it with `fallback:`{others}")
    elif isinstance(fallback, str) and fallback not in names:
        others = f"; there are {', '.join(names)}" if names else "; there are none"
        yield file.problem(("fallback",), f"no such owner{suggest(fallback, names) or others}")
    elif fallback is not None and (one := next((o for _, o in listed if _name(o) == fallback), {})).get("system"):
        yield file.problem(("fallback",), f"takes handoffs to {one['system']} only; take its system: away")
    follow_up = data.get("follow_up")
    if isinstance(follow_up, Mapping) and follow_up.get("reassign") not in (None, "never") and not listed:
        yield file.problem(("follow_up", "reassign"), "nobody to give it to; list them under `owners:`")
    if "assign" in data and not listed:
        yield file.problem(("assign",), "nobody to assign to; list them under `owners:`")


def compile_owners(data: Mapping[str, Any], calendars: Mapping[str, Calendar]) -> Owners:
    """``data``: a checked journey.yaml."""
    fallback = str(data.get("fallback", ""))
    return Owners(
        tuple(_owner(one, calendars, fallback) for one in data.get("owners", ())),
        tuple(data.get("assign", ASSIGN)),
        fallback,
    )


def _owner(data: Mapping[str, Any], calendars: Mapping[str, Calendar], fallback: str) -> Owner:
    name = _name(data)
    territory = data.get("territory")
    return Owner(
        name,
        str(data.get("user") or data["queue"]),
        "queue" in data,
        data.get("weight", 0 if name == fallback else 1),
        calendars[data["calendar"]] if "calendar" in data else None,
        ZoneInfo(data["zone"]) if "zone" in data else None,
        compile_condition(territory) if territory is not None else None,
        in_words(territory) if territory is not None else "",
        data.get("system", ""),
    )


def _name(data: Mapping[str, Any]) -> str:
    return str(data.get("name") or data.get("user") or data.get("queue") or "")
