"""The words of a notice: what happened, to whom, what to do. Pure. Names and links are all it tells of a person.

What a name holds was typed by anybody, so it is cut, and of one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.journey.notify import ESCALATION, EXPIRY, HANDOFF, OF_HANDOFFS, REASSIGNED, REVIEW, STEP, WARNING
from gateway.times import from_micros

LONGEST = 80
NOBODY = "a lead"


class Message(NamedTuple):
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class About:
    """What a message is made of. ``handoff``: its row, of kinds about one; ``zone``: of whom it is for."""

    kind: str
    words: str
    began_at: int
    zone: ZoneInfo
    name: str = NOBODY
    link: str = ""
    lead: str | None = None
    handoff: Mapping[str, Any] | None = None


def name_of(attributes: Mapping[str, Any]) -> str:
    """First and last name, with the company; else the company; else nobody's."""
    person = " ".join(str(attributes[part]) for part in ("first_name", "last_name") if attributes.get(part))
    firm = str(attributes.get("company_name") or attributes.get("company.name") or "")
    return one_line(f"{person} ({firm})" if person and firm else person or firm) or NOBODY


def one_line(text: str) -> str:
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}…"


def moment(micros: int, zone: ZoneInfo) -> str:
    """``Mon 23 Nov 2026, 14:05 (Europe/Berlin)``."""
    at: datetime = from_micros(micros).astimezone(zone)
    return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}, {at:%H:%M} ({zone.key})"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def begun(about: About) -> Message:
    """What happened, or what has begun to be wrong."""
    if about.kind in OF_HANDOFFS:
        return _of_lead(about)
    if about.kind == REVIEW:
        return Message("Time to review the model", about.words)
    return Message(
        f"{about.kind}: {_short(about.words)}", f"{about.words}\n\nSince {moment(about.began_at, about.zone)}."
    )


def over(about: About, ended_at: int) -> Message:
    """The state is over. Its subject is that of the message it answers."""
    span = f"From {moment(about.began_at, about.zone)} to {moment(ended_at, about.zone)}."
    return Message(f"Over: {about.kind}: {_short(about.words)}", f"This is over: {about.words}\n\n{span}")


def many(kind: str, count: int) -> Message:
    """Instead of so many messages of one kind at once."""
    return Message(f"{count} × {kind}", f"{count} times at once: {kind}. `gateway handoffs list` shows them.")


def digest(open_: Sequence[About], load: Mapping[str, int] | None, zone: ZoneInfo) -> Message | None:
    """What lasts, and how many handoffs wait; None when nothing does."""
    lines = [f"- {one.kind}: {one.words} (since {moment(one.began_at, zone)})" for one in open_]
    counts = []
    if load is not None and load["open"]:
        late = f", {load['late']} of them late for an answer" if load["late"] else ""
        counts = [f"Handoffs open: {load['open']}{late}. `gateway handoffs list` shows them."]
    if not lines and not counts:
        return None
    parts = [*counts, *(["Open now:", *lines] if lines else [])]
    what = [f"handoffs {load['open']}"] if counts and load is not None else []
    what += [f"troubles {len(lines)}"] if lines else []
    return Message(f"Still open: {', '.join(what)}", "\n".join(parts))


def _of_lead(about: About) -> Message:
    handoff = about.handoff or {}
    owner, system = handoff.get("owner") or "nobody", handoff.get("system", "")
    ends = moment(handoff["period_ends"], about.zone) if handoff.get("period_ends") else ""
    answer = moment(handoff["response_due"], about.zone) if handoff.get("response_due") else ""
    match about.kind:
        case kind if kind in (HANDOFF, REASSIGNED):
            subject = f"New lead: {about.name}" if kind == HANDOFF else f"Yours now: {about.name}"
            lines = [f"{about.name} is sales-ready (stage {handoff.get('stage', '')}) and with {owner}."]
            lines += [f"Answer by {answer}."] if answer else []
            lines += [f"By {ends} it must have an outcome in {system}."] if ends else []
        case kind if kind == WARNING:
            subject = f"Answer soon: {about.name}"
            lines = [f"{about.name} waits for a first answer from {owner}, until {answer or ends}."]
        case kind if kind == ESCALATION:
            subject = f"Not answered: {about.name}"
            lines = [f"{owner} has not answered {about.name} in time."]
            then = handoff.get("next")
            give = f"`gateway handoffs reassign {about.lead} --auto --reason late` gives it to the next."
            lines += [f"It is with {then} now, answer by {answer}." if then else give]
        case kind if kind == EXPIRY:
            subject = f"Ended without a word: {about.name}"
            lines = [
                f"The follow-up of {about.name} by {owner} is over since {ends}; it ended as {handoff.get('bucket')}."
            ]
        case _:
            assert about.kind == STEP
            subject = f"{about.words}: {about.name}"
            lines = [f"{about.name} has reached the stage {about.words}."]
    lines += [f"Why: {about.words}."] if about.words and about.kind != STEP else []
    return Message(one_line(subject), "\n".join([*lines, "", about.link or f"gateway leads show {about.lead}"]))


def _short(words: str) -> str:
    return one_line(words.partition(": ")[0].partition(";")[0])
