"""A review from pack to decisions, as the command, the page and the API have it: made, shown, decided by, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from gateway.answers.review import as_json, definitions, log, named, sections
from gateway.answers.section import Section
from gateway.answers.texts import iso, moment
from gateway.errors import Refused
from gateway.metrics.period import Period, period
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from gateway.committee.simulating import Tell
    from gateway.runtime import Gateway
    from gateway.store.reviews import Decision, Review


@dataclass(frozen=True, slots=True)
class Shown:
    """A pack with names, what it decided (``ours``), and what the review ``before`` it had decided (``last``)."""

    review: Review
    sections: Sequence[Section]
    ours: Sequence[Decision]
    before: str | None
    last: Sequence[Decision]


def called(gateway: Gateway, name: str) -> Period:
    """Raises ``Refused`` where no period is called so, or it has not begun."""
    instance, now = gateway.instance, gateway.now()
    try:
        found = period(name, now, instance.zone, instance.fiscal_year_start)
    except ValueError as exc:
        raise Refused(f"{name!r} is no period; {exc}") from None
    if found.since is None or found.since > now:
        raise Refused(f"{found.name} has not begun")
    return found


def make(gateway: Gateway, chosen: Period, by: str, tell: Tell = lambda *_: None) -> Review:
    """The pack of a period, worked out and kept; one that was decided by is left as it is. ``tell``: how far a replay
    of a draft or an overlay is."""
    from gateway.answers.metrics.asked import Asked
    from gateway.store import reviews
    from gateway.store.database import read, write
    from gateway.store.times import new_id

    now = gateway.now()
    if chosen.since is None or chosen.until is None:
        raise Refused("a review is of a period with two ends")
    with read(gateway.store.main) as connection:
        there = any(one.period == chosen.name for one in reviews.listed(connection))
        last = reviews.find(connection, chosen.name) if there else None
        if last is not None and last.held_at is not None:
            return last
        before = [Section.kept(one) for one in last.pack] if last is not None else ()
        found = list(sections(Asked(gateway, connection, chosen, now), before, tell))
    ends = to_micros(chosen.since), to_micros(chosen.until)
    made = reviews.Review(new_id(), chosen.name, *ends, to_micros(now), by, None, as_json(found))
    with write(gateway.store.main) as connection:
        return reviews.keep(connection, made)


def shown(gateway: Gateway, connection: Connection, name: str) -> Shown:
    """Raises ``NotFound`` where no pack of the period was made."""
    from gateway.answers.metrics.asked import Asked
    from gateway.store import reviews

    kept = reviews.find(connection, name)
    since, until = (from_micros(at).astimezone(gateway.instance.zone) for at in (kept.since, kept.until))
    asked = Asked(gateway, connection, Period(since, until, kept.period), gateway.now())
    before = next(
        (one.period for one in reviews.listed(connection) if one.since < kept.since and one.held_at is not None), None
    )
    return Shown(
        kept,
        [named(asked, Section.kept(one)) for one in kept.pack],
        reviews.decisions(connection, kept.period),
        before,
        reviews.decisions(connection, before) if before is not None else (),
    )


def decide(gateway: Gateway, connection: Connection, name: str, words: str, owner: str, due: str, by: str) -> str:
    """Record a decision by the pack of a period. Returns the task's id. Raises ``Refused`` with all that is wrong."""
    from gateway.store import reviews

    now, problems = gateway.now(), []
    if not words.strip() or not owner.strip():
        problems.append("a decision has words and an owner")
    try:
        day = date.fromisoformat(due)
    except ValueError:
        problems.append(f"due: {due!r}: a day is written like 2027-01-31")
    else:
        if day < now.astimezone(gateway.instance.zone).date():
            problems.append(f"due: {due} is over")
    if problems:
        raise Refused("; ".join(problems))
    found = reviews.find(connection, name)
    return reviews.decide(connection, found, words.strip(), owner.strip(), day.isoformat(), to_micros(now), by)


def drawn(gateway: Gateway, one: Shown) -> str:
    """The pack as a page of its own, which needs no network and prints well."""
    from gateway.pictures.metrics import figures
    from gateway.pictures.page import Chapter, pages

    instance, kept = gateway.instance, one.review
    members = instance.committee.members if instance.committee is not None else ()
    people = "; ".join(f"{member.name} ({member.team})" for member in members)
    made = f"Made {moment(kept.built_at, instance.zone)} by {kept.by}."
    chapters = [Chapter([made, *([f"Committee: {people}."] if people else [])])]
    if one.before is not None:
        chapters.append(Chapter([log(one.last, "")], title=f"Decided at the review of {one.before}"))
    chapters += [
        Chapter([each.sentence, *each.parts], figures(each.name, each.data) if each.data else (), each.title)
        for each in one.sections
    ]
    nothing = "Nothing yet: `gateway review decide` records what the meeting decides."
    chapters.append(Chapter([log(one.ours, "") if one.ours else nothing], title="Decided"))
    return pages(f"{instance.name}: review of {kept.period}", chapters, definitions(one.sections))


def review_json(one: Review) -> dict[str, Any]:
    return {
        "period": one.period,
        "since": iso(one.since),
        "until": iso(one.until),
        "made_at": iso(one.built_at),
        "made_by": one.by,
        "reviewed_at": iso(one.held_at),
    }


def task_json(one: Decision) -> dict[str, Any]:
    return {
        "task": one.id, "period": one.period, "decision": one.text, "owner": one.owner, "due": one.due,
        "decided_at": iso(one.at), "decided_by": one.by, "done_at": iso(one.done_at), "done_by": one.done_by,
    }  # fmt: skip


def shown_json(one: Shown) -> dict[str, Any]:
    before = {"period": one.before, "decisions": [task_json(each) for each in one.last]} if one.before else None
    decided = [task_json(each) for each in one.ours]
    return {**review_json(one.review), "sections": one.review.pack, "decisions": decided, "before": before}
