"""A lead as it was known at a time: its facts folded again from stored events, scored with the model in use then.

In: a lead and a time T. Facts count with ``at`` and ``known_at`` ≤ T, so the score is the one that was decided with;
with hindsight everything known today counts, whenever it was heard. A person is who they were taken for then, and so is
a company: merges and splits since are taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from gateway.contracts import (
    Activity,
    ActivityHappened,
    Event,
    Kind,
    Mark,
    RecordsLinked,
    Score,
    Scorer,
    Subject,
)
from gateway.errors import ConfigError, NotFound, Refused
from gateway.governance.parts import CONTENT, SCORING, is_score, names
from gateway.journey.content import with_content
from gateway.journey.journey import Journey, compile_journey
from gateway.leads.record import Record, Ref, fold
from gateway.leads.stamps import OWN, OwnRules, attributes
from gateway.mapping import compile_mapping
from gateway.mapping.grammar import OF_COMPANY
from gateway.model import score_called
from gateway.scoring.rating import subject
from gateway.settings.files import ConfigFile
from gateway.settings.folder import SCORES
from gateway.settings.instance import LEAD, STRATEGY
from gateway.store import bundle, listing, rollups
from gateway.store.database import read
from gateway.store.loading import load
from gateway.store.rows import stored_event
from gateway.times import from_micros, to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


NOW = 1 << 62
"""Later than all that is stored."""
CAUSES = {
    "news": "news",
    "person": "points by a person",
    "model": "another model",
    "company": "its company's roll-ups",
    "time": "time alone",
}
"""Why a score moved, in words."""
Rolled = tuple[int, Mapping[str, int | float]]
"""(since when in microseconds, a company's roll-ups)"""


@dataclass(frozen=True, slots=True)
class Explained:
    """``score`` with its contributions; ``name``: which. ``subject`` is what was scored, ``scoring`` the hash of the
    model. ``rollups``: those of its company that the model reads, as ``company.<name>``; worked out at ``rolled_at``.
    """

    lead: str
    at: datetime
    subject: Subject
    score: Score
    scoring: str
    name: str
    rollups: Mapping[str, int | float] = field(default_factory=dict)
    rolled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A score from ``at`` on, in hundredths. ``scoring``: its model's hash; ``cause``: see ``CAUSES``."""

    at: datetime
    total: int
    fit: int
    behaviour: int
    band: str
    scoring: str
    cause: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The files of a time, as far as a score depends on them. ``objects``: (system, object) → its mapping.

    ``scorers``: name of a score → its scorer, the main one first; empty where nobody was scored.
    """

    objects: Mapping[tuple[str, str], Any]
    rank: Mapping[str, int]
    journey: Journey
    scorers: Mapping[str, Scorer]
    scoring: str

    def knows(self, name: str) -> bool:
        """Whether there is a score of this name, an empty one being the main one's."""
        return bool(self.scorers) and (not name or name in self.scorers)

    def scorer(self, name: str) -> tuple[str, Scorer]:
        """The score of this name, an empty one being the main one's, and who gives it. Raises ``Refused``."""
        if not self.scorers:
            raise Refused("there is no scoring.yaml, so there are no points to explain")
        name = score_called(name, list(self.scorers))
        return name, self.scorers[name]

    def inbound(self, system: str, object: str) -> Mapping[str, Any]:
        if (system, object) == OWN:
            return OwnRules()
        found = self.objects.get((system, object))
        return found.inbound if found else {}


def explain_now(gateway: Gateway, lead: str, score: str = "") -> Explained:
    """Every point of the lead's score at this moment. Raises ``Refused`` without a scoring model, or such a score."""
    name, scorer = rules_now(gateway).scorer(score)
    at = gateway.now()
    with read(gateway.store.main) as connection:
        need = replace(gateway.pipeline.need(at), counted={lead})
        batch = load(connection, [], {}, [lead], to_micros(at), need)
        found = batch.leads[lead]
        company = batch.companies.get(found.company or "")
        rolled = rollups.at(connection, company.id, NOW) if company is not None and company.rollups else None
    scored = subject(found, company.known if company is not None else {})
    rated, scoring = scorer.score(scored, at, explain=True), gateway.model.hashes.get("scoring", "")
    return Explained(lead, at, scored, rated, scoring, name, *_rolled(rolled, scorer))


def explain_at(gateway: Gateway, lead: str, at: datetime, hindsight: bool = False, score: str = "") -> Explained:
    """Every point of the lead's score at ``at``, as it was or would have been decided then.

    Raises ``NotFound`` when nothing was known of the lead, ``Refused`` when the model of then had no such score, or its
    files need plugins that are not there any more.
    """
    score = "" if score == gateway.model.score_name else score
    with read(gateway.store.main) as connection:
        rules = _rules_at(gateway, connection, to_micros(at))
        if not rules.knows(score):
            _refuse_unknown(gateway, connection, rules, to_micros(at), score)
        return explained(connection, rules, lead, at, hindsight, score)


def _refuse_unknown(gateway: Gateway, connection: Connection, rules: Rules, at: int, score: str) -> None:
    """Raises ``Refused`` for a score that the model of ``at`` had not; when it came, where that is known."""
    file = f"{SCORES}/{score}.yaml" if score else SCORING
    rows = [row for row in bundle.history(connection) if file in row.files]
    then = listing.bundle_at(connection, at)
    if not rows or (then is not None and file in then.files):  # misspelt, or of a strategy that is not to be had
        rules.scorer(score_called(score, gateway.model.score_names))
    came = next((row.active_at for row in rows if row.active_at > at), None)
    there = f"its model had {', '.join(rules.scorers)}" if rules.scorers else "nobody was scored"
    since = f"; it came at {_moment(came)}" if came is not None else "; it had been taken away by then"
    raise Refused(f"{score or 'the score'} did not exist at {_moment(at)}: {there}{since}")


def _moment(at: int) -> str:
    return f"{from_micros(at):%Y-%m-%d %H:%M:%S} UTC"


def history(gateway: Gateway, lead: str, most: int = 50, score: str = "") -> list[Point]:
    """The last ``most`` times at which the lead's score moved, the newest first: by news, points that a person gave,
    another model, its company's roll-ups, or time alone. Recomputed from stored facts, as ``explain_at`` does, and
    raises as that."""
    score = "" if score == gateway.model.score_name else score
    with read(gateway.store.main) as connection:
        causes = listing.moving(connection, lead, to_micros(gateway.now()))
        compiled: dict[str, Rules] = {}
        found: list[Point] = []
        for at, cause, until in _spans(causes, to_micros(gateway.now()), 4 * most):
            moment, why = from_micros(at), cause
            while True:
                then = getattr(listing.bundle_at(connection, to_micros(moment)), "id", "")
                if then not in compiled:
                    compiled[then] = _rules_at(gateway, connection, to_micros(moment))
                if not compiled[then].knows(score):
                    break
                try:
                    told = explained(connection, compiled[then], lead, moment, False, score)
                except NotFound:
                    break
                now = told.score
                before = found[-1] if found else None
                if before is None or (before.total, before.scoring) != (now.total, told.scoring):
                    found.append(Point(moment, now.total, now.fit, now.behaviour, now.band, told.scoring, why))
                moves = now.changes_at
                if moves is None or to_micros(moves) >= until or len(found) > 8 * most:
                    break
                moment, why = moves, "time"
    if not found and score:
        rules_now(gateway).scorer(score)
    return found[::-1][:most]


def _spans(causes: Mapping[int, str], now: int, most: int) -> Iterator[tuple[int, str, int]]:
    """(moment, why the score may move then, the next moment) for the last of them."""
    moments = sorted(causes)[-most:]
    yield from zip(moments, map(causes.__getitem__, moments), [*moments[1:], now], strict=True)


def explained(
    connection: Connection, rules: Rules, lead: str, at: datetime, hindsight: bool, score: str = ""
) -> Explained:
    """``explain_at`` with the model of one's choice."""
    limit = to_micros(at)
    known_at = None if hindsight else limit
    name, scorer = rules.scorer(score)
    refs, given = _person(connection, lead, NOW if hindsight else limit)
    records, facts = _folded(connection, refs, "person", limit, known_at, rules)
    if not any(record.known for record in records):
        raise NotFound(_unknown(connection, refs))
    merged, _, _ = attributes(records, rules.inbound, rules.rank)
    persona = rules.journey.persona(merged)
    company, rolled = _company(connection, refs, limit, known_at, rules)
    merged |= company
    marks = [
        Mark(from_micros(m.at), m.kind, m.points, m.reason, from_micros(m.until) if m.until else None, m.by)
        for m in listing.marks_of(connection, given, limit, known_at)
    ]
    activities = {(to_micros(fact.at), fact.key): fact for fact in facts if isinstance(fact, ActivityHappened)}
    happened = [
        Activity(fact.at, fact.activity, fact.asset, fact.channel, fact.campaign, fact.key)
        for key, fact in sorted(activities.items())
        if key[0] <= limit
    ]
    scored = Subject(merged, happened, marks, persona)
    rated = scorer.score(scored, at, explain=True)
    return Explained(lead, at, scored, rated, rules.scoring, name, *_rolled(rolled, scorer))


def _rolled(found: Rolled | None, scorer: Scorer) -> tuple[dict[str, int | float], datetime | None]:
    """Those numbers that the scorer reads, where it says so; and since when they stood."""
    read = getattr(scorer, "attributes", None)
    named = {f"{OF_COMPANY}{name}": number for name, number in (found[1] if found else {}).items()}
    named = {name: number for name, number in named.items() if read is None or name in read}
    return named, from_micros(found[0]) if found and named else None


def _person(connection: Connection, lead: str, at: int) -> tuple[list[Ref], set[str]]:
    """The records that were this person, and the marks that were theirs: what a later merge brought is not, and what a
    later split took away is."""
    rows = listing.records_of(connection, lead)
    refs = {(row.system, row.object, row.record) for row in rows if row.kind == "person"}
    marks = listing.mark_ids(connection, lead)
    for row in reversed(listing.regrouped(connection, lead, at)):
        theirs = {(ref[0], ref[1], ref[2]) for ref in row.detail["records"]}
        merge = row if row.what == "merge" else listing.regrouping(connection, row.detail["merge"] or "")
        given = set(merge.detail.get("marks", ())) if merge is not None else set()
        if (row.what == "merge") is (row.lead == lead):
            refs, marks = refs - theirs, marks - given
        else:
            refs, marks = refs | theirs, marks | given
    return sorted(refs), marks


def _folded(
    connection: Connection, refs: Sequence[Ref], kind: Kind, at: int, known_at: int | None, rules: Rules
) -> tuple[list[Record], list[Any]]:
    """The records as their systems held them at ``at``, and the facts their events made."""
    records = {ref: Record(*ref, kind) for ref in refs}
    news: dict[Ref, list[tuple[int, Event]]] = {ref: [] for ref in refs}
    for row in listing.events_of(connection, refs, at, known_at):
        news[row.system, row.object, row.record].append((row.at, stored_event(row, kind)))
    facts: list[Any] = []
    for ref, events in news.items():
        facts += fold(records[ref], events, rules.objects.get(ref[:2]))
    return list(records.values()), facts


def _company(
    connection: Connection, refs: Sequence[Ref], at: int, known_at: int | None, rules: Rules
) -> tuple[dict[str, Any], Rolled | None]:
    """The attributes of the company that the lead belonged to then, under ``company.<name>``; its roll-ups, which are
    among them, with their time."""
    people = set(refs)
    around = listing.linked_refs(connection, refs) | people
    link: Ref | None = None
    for row in listing.events_of(connection, around, at, known_at):
        if row.type != "RecordsLinked":
            continue
        event = stored_event(row, "person")
        assert isinstance(event, RecordsLinked)
        ends = ((event.system, event.object, event.record), (event.system, event.to_object, event.to_record))
        other = next((end for end in ends if end not in people), None)
        if other is None or people.isdisjoint(ends) or not _is_company(other, event, rules):
            continue
        link = other if event.present else None if link == other else link
    if link is None:
        return {}, None
    entity = next(iter(_entities(connection, link)), "")
    company = {(row.system, row.object, row.record) for row in listing.records_of(connection, entity)}
    if known_at is not None:
        company = _apart(connection, entity, company, link, at)
    records, _ = _folded(connection, sorted(company), "company", at, known_at, rules)
    merged, _, _ = attributes([record for record in records if record.known], rules.inbound, rules.rank)
    rolled = rollups.at(connection, entity, at)
    merged |= rolled[1] if rolled is not None else {}
    return {f"{OF_COMPANY}{name}": value for name, value in merged.items()}, rolled


def _apart(connection: Connection, company: str, refs: set[Ref], link: Ref, at: int) -> set[Ref]:
    """The records that were one company with ``link`` at ``at``, of those that are now."""
    for row in reversed(listing.regrouped(connection, company, at)):
        if row.lead != company:
            continue
        theirs = {(ref[0], ref[1], ref[2]) for ref in row.detail["records"]}
        if link in theirs:
            return _apart(connection, row.other, theirs, link, at)
        refs = refs - theirs
    return refs


def _is_company(ref: Ref, event: RecordsLinked, rules: Rules) -> bool:
    mapped = rules.objects.get(ref[:2])
    return bool(mapped.kind == "company" if mapped else event.to_kind == "company")


def _entities(connection: Connection, ref: Ref) -> list[str]:
    return [row.entity for row in listing.record(connection, ref)]


def _unknown(connection: Connection, refs: Sequence[Ref]) -> str:
    first = min((row.known_at for row in listing.events_of(connection, refs, NOW, None)), default=None)
    if first is None:
        return "nothing is stored of this lead any more"
    heard = f"it was first heard of at {_moment(first)}"
    return f"nothing was known of this lead then; {heard} (--hindsight uses what is known now)"


def rules_now(gateway: Gateway) -> Rules:
    model = gateway.model
    objects = dict(model.joining.objects)
    scorers = {name: scorer for name, scorer, _ in model.given() if scorer is not None and model.scorer is not None}
    return Rules(objects, model.joining.rank, model.journey, scorers, model.hashes.get("scoring", ""))


def _rules_at(gateway: Gateway, connection: Connection, at: int) -> Rules:
    then, now = listing.bundle_at(connection, at), bundle.active(connection)
    if then is None or now is None or then.id == now.id:
        return rules_now(gateway)
    try:
        return _compiled(gateway, then)
    except ConfigError as exc:
        raise Refused(
            f"the files in use then ({then.id}) cannot be used with the plugins of now: {exc.problems[0]}"
        ) from None


def _compiled(gateway: Gateway, then: Any) -> Rules:
    files = {name: ConfigFile(name, text) for name, text in then.files.items()}
    systems = files["gateway.yaml"].data.get("systems") or {}
    mappings = {
        name: compile_mapping(files[f"mappings/{name}.yaml"], data.get("role", "other"), gateway.host.transforms)
        for name, data in systems.items()
        if f"mappings/{name}.yaml" in files
    }
    scorers = {}
    for name in filter(is_score, names(files)):
        data = files[name].data
        offer = gateway.host.scorers.get(data.get("strategy", STRATEGY))
        if offer is None:
            raise ConfigError([f"no installed plugin offers the strategy {data.get('strategy')!r}"])
        built_from = with_content(data, files[CONTENT].data if CONTENT in files else None)
        scorers[data.get("name", LEAD) if name == SCORING else PurePath(name).stem] = offer.factory(built_from)
    return Rules(
        {(name, one.name): one for name, mapping in mappings.items() for one in mapping.objects.values()},
        {name: rank for rank, name in enumerate(systems)},
        compile_journey(files.get("journey.yaml") or ConfigFile("journey.yaml", "")),
        scorers,
        then.hashes.get("scoring", ""),
    )
