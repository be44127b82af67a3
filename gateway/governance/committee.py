"""committee.yaml: who decides about the model together, how often they meet, and when they are due. Pure.

members:
  - {name: Ann Berg, email: ann@example.com, team: marketing}
  - {name: Ben Okoye, email: ben@example.com, team: sales}
meets: quarterly
first: 2027-01-15
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from marshmallow import Schema, fields, validate

from gateway.errors import Problem
from gateway.metrics.goals import Day
from gateway.settings.files import ConfigFile

FILE = "committee.yaml"
MONTHS = {"monthly": 1, "quarterly": 3, "half-yearly": 6, "yearly": 12}
TEAMS = ("marketing", "sales")


class MemberForm(Schema):
    name = fields.String(required=True, validate=validate.Length(1), metadata={"help": "how the others call them"})
    email = fields.Email(required=True, metadata={"help": "by which they come in at the desk"})
    team = fields.String(required=True, validate=validate.OneOf(TEAMS), metadata={"help": "marketing or sales"})


class CommitteeForm(Schema):
    members = fields.List(fields.Nested(MemberForm), required=True, metadata={"help": "who decides together"})
    meets = fields.String(
        load_default="quarterly", validate=validate.OneOf(list(MONTHS)), metadata={"help": ", ".join(MONTHS)}
    )
    first = Day(required=True, metadata={"help": "the day of the first meeting; the others follow from it"})


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    email: str
    team: str


@dataclass(frozen=True, slots=True)
class Committee:
    """``meets``: months from one meeting to the next."""

    members: tuple[Member, ...]
    meets: int
    first: date

    def due(self, held: date | None) -> date:
        """The next meeting, when the last was held then; it counts for the planned day that it was nearest to."""
        if held is None:
            return self.first
        place = 0
        while abs(self._planned(place + 1) - held) <= abs(self._planned(place) - held):
            place += 1
        return self._planned(place + 1)

    def _planned(self, place: int) -> date:
        year, month = divmod(self.first.year * 12 + self.first.month - 1 + place * self.meets, 12)
        return date(year, month + 1, min(self.first.day, monthrange(year, month + 1)[1]))


def check_committee(file: ConfigFile) -> list[Problem]:
    """Every problem of the file: both teams are there, and nobody twice."""
    problems = file.check(CommitteeForm())
    members = file.data.get("members") if isinstance(file.data, Mapping) else None
    if problems or not isinstance(members, list):
        return problems
    seen: dict[str, int] = {}
    for index, one in enumerate(members):
        address = str(one["email"]).casefold()
        if address in seen:
            problems.append(file.problem(("members", index, "email"), f"is member {seen[address] + 1}, too"))
        seen.setdefault(address, index)
    for team in TEAMS:
        if not any(one["team"] == team for one in members):
            problems.append(file.problem(("members",), f"nobody of {team}: both teams decide together"))
    return problems


def compile_committee(file: ConfigFile) -> Committee:
    """The committee of a file that has no problem."""
    data: dict[str, Any] = CommitteeForm().load(file.data)
    members = tuple(Member(one["name"], one["email"], one["team"]) for one in data["members"])
    return Committee(members, MONTHS[data["meets"]], data["first"])
