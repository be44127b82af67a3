"""journey.yaml's ``notify``: who hears what, through which system. Its form, its check, and the ``Hearer`` it becomes.

admin: {to: [ops@example.com], through: mail, digest: "08:00"}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any

from email_validator import EmailNotValidError, validate_email
from marshmallow import Schema, ValidationError, fields, validate

from gateway.errors import Problem
from gateway.settings.files import ConfigFile, suggest

OWNER = "owner"
"""An addressee: the e-mail address of whoever owns the handoff."""
HANDOFF, WARNING, REASSIGNED, ESCALATION, EXPIRY = (
    "new handoff", "response warning", "reassigned", "escalation", "expiry",
)  # fmt: skip
PAUSED, FAILING, DEAD, BACKLOG, PLUGIN, SILENT = (
    "paused", "failing", "dead letters", "backlog", "broken plugin", "silent source",
)  # fmt: skip
HELD, UNSUBSCRIBED, DRIFT, REVIEW, MODEL, STEP = (
    "held handoffs", "unsubscribed", "drift", "review due", "model", "step",
)  # fmt: skip
ROLES: Mapping[str, tuple[str, ...]] = {
    "rep": (HANDOFF, WARNING, REASSIGNED),
    "manager": (ESCALATION, EXPIRY, HELD),
    "admin": (PAUSED, FAILING, DEAD, BACKLOG, PLUGIN, SILENT, UNSUBSCRIBED, DRIFT),
    "committee": (DRIFT, REVIEW, MODEL),
}
"""Role → what it hears unless ``about`` says otherwise. Other names hear what their ``about`` or a step says."""
OF_HANDOFFS = frozenset((HANDOFF, WARNING, REASSIGNED, ESCALATION, EXPIRY, STEP))
"""Kinds about one lead; the others are about systems, and have no owner."""
KINDS = tuple(dict.fromkeys(kind for kinds in ROLES.values() for kind in kinds))


@dataclass(frozen=True, slots=True)
class Hearer:
    """``to``: addresses, and ``owner``; empty where a chat is read by whoever is there. ``digest``: of the instance's
    zone, None = no digest."""

    role: str
    to: tuple[str, ...]
    through: str
    about: tuple[str, ...]
    digest: time | None = None


class Addressees(fields.Field[tuple[str, ...]]):
    """``owner``, an e-mail address, or a list of these."""

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> tuple[str, ...]:
        listed = value if isinstance(value, list) else [value]
        wrong: dict[int, list[str]] = {}
        for index, one in enumerate(listed):
            if one != OWNER:
                try:
                    validate_email(one if isinstance(one, str) else "", check_deliverability=False)
                except EmailNotValidError:
                    wrong[index] = ["expected owner or an e-mail address"]
        if wrong:
            raise ValidationError(wrong if isinstance(value, list) else wrong[0])
        if not listed:
            raise ValidationError("an empty list tells nobody")
        return tuple(dict.fromkeys(listed))


class Hour(fields.Field[time]):
    """08:00."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> time:
        match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", value) if isinstance(value, str) else None
        if match is None:
            raise ValidationError('expected a time of the day, such as "08:00"')
        return time.fromisoformat(match[0].zfill(5))


class HearerForm(Schema):
    to = Addressees(
        metadata={"help": "an e-mail address, owner (whoever has the handoff), or a list; a chat needs none"}
    )
    through = fields.String(required=True, metadata={"help": "the system that carries it, one with role: notify"})
    about = fields.List(
        fields.String(validate=lambda kind: kind in KINDS or _no_kind(kind)),
        validate=validate.Length(min=1, error="an empty list tells nothing"),
        metadata={"help": "what it hears, instead of what is usual for the role"},
    )
    digest = Hour(metadata={"help": "when it is told daily what is open, in the instance's zone"})


NOTIFY = fields.Dict(
    keys=fields.String(validate=validate.Length(1, 100, error="must have 1 to 100 characters")),
    values=fields.Nested(HearerForm),
    metadata={"help": "who hears what: rep, manager, admin, committee, and names of your own for steps"},
)


def hearers(data: Mapping[str, Any]) -> dict[str, Hearer]:
    """The sound section, compiled: role → who that is."""
    loaded = {role: HearerForm().load(one) for role, one in data.items()}
    return {
        role: Hearer(
            role, one.get("to", ()), one["through"], tuple(one.get("about", ROLES.get(role, ()))), one.get("digest")
        )
        for role, one in loaded.items()
    }


def check_notify(file: ConfigFile, *_: Any) -> list[Problem]:
    """What one key alone cannot tell: steps that name nobody, names that hear nothing, owners of what has none."""
    written = file.data.get("notify")
    roles: Mapping[str, Any] = written if isinstance(written, Mapping) else {}
    told = {name for _, name in _steps(file.data)}
    problems = [
        file.problem(path, f"nobody is called that under notify{suggest(name, roles) or _there(roles)}")
        for path, name in _steps(file.data)
        if name not in roles
    ]
    for role, one in roles.items():
        if not isinstance(one, Mapping):
            continue
        kinds = one.get("about", ROLES.get(role, ()))
        if not kinds and role not in told:
            hint = suggest(role, ROLES) or f"; it is none of {', '.join(ROLES)}"
            message = f"would hear nothing: no step names it and it has no `about`{hint}"
            problems.append(file.problem(("notify", role), message))
        to = one.get("to")
        if to in (OWNER, [OWNER]) and isinstance(kinds, Sequence):
            without = [kind for kind in kinds if kind in KINDS and kind not in OF_HANDOFFS]
            if without:
                message = f"{', '.join(without)}: about a system, which has no owner; name an address"
                problems.append(file.problem(("notify", role, "to"), message))
    return problems


def check_through(file: ConfigFile, carriers: Mapping[str, bool | None]) -> Iterator[Problem]:
    """:param carriers: system → whether its messages need an address; None: it carries no notices."""
    written = file.data.get("notify")
    able = [name for name, needs in carriers.items() if needs is not None]
    for role, one in written.items() if isinstance(written, Mapping) else ():
        if not isinstance(one, Mapping) or not isinstance(one.get("through"), str):
            continue
        name, path = one["through"], ("notify", role, "through")
        if name not in carriers:
            hint = suggest(name, able) or (f"; there is {', '.join(able)}" if able else "; add one with role: notify")
            yield file.problem(path, f"no such system in gateway.yaml{hint}")
        elif carriers[name] is None:
            yield file.problem(path, "carries no messages to people; name a system with role: notify")
        elif carriers[name] and "to" not in one:
            yield file.problem(("notify", role), "to is missing: through this system messages go to addresses")


def _steps(data: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """(path, name) of each step that tells somebody."""
    stages = data.get("stages")
    for number, stage in enumerate(stages if isinstance(stages, list) else ()):
        steps = stage.get("steps") if isinstance(stage, Mapping) else None
        for position, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, Mapping) and isinstance(step.get("notify"), str) and step["notify"]:
                yield ("stages", number, "steps", position, "notify"), step["notify"]


def _there(roles: Mapping[str, Any]) -> str:
    return f"; there is {', '.join(map(str, roles))}" if roles else "; journey.yaml has no `notify:`"


def _no_kind(kind: str) -> bool:
    raise ValidationError(f"nothing is called that{suggest(kind, KINDS) or '; it is one of ' + ', '.join(KINDS)}")
