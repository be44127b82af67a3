"""What is wrong with a journey.yaml: every problem at once, with file, line, key and a suggestion. Builds nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields, validate

from gateway.conditions import check_condition
from gateway.contracts import OUTCOMES
from gateway.errors import Problem
from gateway.journey.capacity import CapacityForm
from gateway.journey.fast_track import FastTrackForm
from gateway.journey.hours import CALENDARS, FollowUpForm
from gateway.journey.ideal import IDEALS, check_ideals
from gateway.journey.notify import NOTIFY, check_notify
from gateway.journey.owners import ASSIGNMENT, FALLBACK, OWNERS, check_owners
from gateway.journey.package import PackageForm, check_package
from gateway.journey.recycling import OTHER, REJECTED, RecyclingForm
from gateway.journey.rollups import ROLLUPS, check_rollups
from gateway.journey.words import BUCKETS, DEFAULT_STAGES, SHARED, STEPS
from gateway.settings.files import ConfigFile, KeyPath, suggest

_NAME = validate.And(
    validate.Length(min=1, max=100, error="must have 1 to 100 characters"),
    # A colon parts stage and crossing in ids, a line break the stages of a lead.
    validate.Regexp(r"[^:\n]*\Z", error="must not contain a colon or a line break"),
)


class PersonaSchema(Schema):
    name = fields.String(required=True, validate=_NAME)
    when = fields.Raw()


class EntrySchema(Schema):
    score = fields.Raw()
    of = fields.String(validate=validate.Length(min=1, error="expected the name of a score, as scores/NAME.yaml"))
    outcome = fields.List(fields.String(), validate=validate.Length(min=1, error="an empty list lets nobody in"))
    activity = fields.List(fields.String(), validate=validate.Length(min=1, error="an empty list lets nobody in"))


class StageSchema(Schema):
    name = fields.String(required=True, validate=_NAME)
    shared = fields.String()
    entry = fields.Nested(EntrySchema)
    both = fields.Boolean()
    steps = fields.List(fields.Dict(keys=fields.String()))
    fall = fields.String()
    margin = fields.Float()


class NeverSchema(Schema):
    reason = fields.String(required=True, validate=_NAME)
    when = fields.Raw()
    open_deal = fields.Boolean()


class JourneySchema(Schema):
    personas = fields.List(fields.Nested(PersonaSchema))
    stages = fields.List(fields.Nested(StageSchema), validate=validate.Length(min=1, error="a journey needs a stage"))
    rollups = ROLLUPS
    ideal = IDEALS
    never_hand_over = fields.List(fields.Nested(NeverSchema))
    follow_up = fields.Nested(FollowUpForm)
    calendars = CALENDARS
    reasons = fields.Dict(keys=fields.String(), values=fields.List(fields.String()))
    buckets = fields.Dict(keys=fields.String(), values=fields.String())
    lists = fields.Dict(keys=fields.String(), values=fields.Raw())
    recycling = fields.Nested(RecyclingForm, metadata={"help": "the way back of a lead that sales gave back"})
    rejected = REJECTED
    fast_track = fields.Nested(FastTrackForm, metadata={"help": "what hands a lead over at once, whatever its score"})
    capacity = fields.Nested(CapacityForm, metadata={"help": "how many handoffs sales can take"})
    owners = OWNERS
    assign = ASSIGNMENT
    fallback = FALLBACK
    notify = NOTIFY
    package = fields.Nested(PackageForm, metadata={"help": "what sales are told with a handoff"})


def check(
    file: ConfigFile, attributes: Collection[str] | None = None, systems: Collection[str] | None = None
) -> list[Problem]:
    """Every problem of the file, in the order of its lines. ``attributes`` and ``systems``: known names; None = any."""
    problems = file.check(JourneySchema())
    for rule in (_personas, _stages, _never, _endings, _ways_back, check_notify):
        problems += rule(file, attributes, systems)
    problems += check_rollups(file)
    problems += check_ideals(file, _names(file, "personas"))
    problems += check_package(file, attributes)
    problems += check_owners(file, attributes, systems)
    return sorted(set(problems))


def doubts(file: ConfigFile, scored: bool) -> Iterator[Problem]:
    """What is allowed in a sound file and hardly meant. ``scored``: there is a main score."""
    for path, stage in _items(file, "stages"):
        entry = stage.get("entry", {})
        if "score" not in entry:
            continue
        if stage.get("shared", stage["name"]) == SHARED[-1] and not stage.get("both"):
            words = (
                "a score alone makes leads count as won; `outcome: [won]` with `both: true` asks for sales' word, too"
            )
            yield file.problem((*path, "entry", "score"), words)
        if not scored:
            yield file.problem((*path, "entry", "score"), "nobody has a score: there is no scoring.yaml")


def _items(file: ConfigFile, key: str) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    """The well-formed entries of a list; the schema has spoken about the others."""
    listed = file.data.get(key, DEFAULT_STAGES if key == "stages" else ())
    if isinstance(listed, Sequence):
        yield from (((key, index), item) for index, item in enumerate(listed) if isinstance(item, Mapping))


def _names(file: ConfigFile, key: str) -> list[str]:
    return [item["name"] for _, item in _items(file, key) if isinstance(item.get("name"), str)]


def _twice(file: ConfigFile, key: str, word: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, item in _items(file, key):
        name = item.get(word)
        if isinstance(name, str) and name in seen:
            yield file.problem((*path, word), f"{name!r} is here twice")
        elif isinstance(name, str):
            seen.add(name)


def _unknown(file: ConfigFile, path: Sequence[str | int], what: str, word: object, known: Collection[str]) -> Problem:
    others = f"; it is one of {', '.join(known)}" if known else "; there is none"
    return file.problem(path, f"no such {what}{suggest(word, known) or others}")


def _personas(file: ConfigFile, attributes: Collection[str] | None, _: Any) -> list[Problem]:
    problems = list(_twice(file, "personas", "name"))
    everybody = ""
    for path, persona in _items(file, "personas"):
        if everybody:
            problems.append(
                file.problem(path, f"never reached: {everybody!r} before it has no `when` and takes everyone")
            )
        if "when" in persona:
            problems += check_condition(file, (*path, "when"), persona["when"], attributes)
        elif isinstance(persona.get("name"), str):
            everybody = everybody or persona["name"]
    return problems


def _never(file: ConfigFile, attributes: Collection[str] | None, _: Any) -> list[Problem]:
    problems = list(_twice(file, "never_hand_over", "reason"))
    for path, rule in _items(file, "never_hand_over"):
        if "when" in rule:
            problems += check_condition(file, (*path, "when"), rule["when"], attributes)
        elif not rule.get("open_deal"):
            problems.append(file.problem(path, "says of nobody; add `when` or `open_deal: true`"))
    return problems


def _endings(file: ConfigFile, *_: Any) -> list[Problem]:
    problems = []
    follow_up, calendars = file.data.get("follow_up"), file.data.get("calendars", {})
    name = follow_up.get("calendar") if isinstance(follow_up, Mapping) else None
    if isinstance(name, str) and isinstance(calendars, Mapping) and name not in calendars:
        problems.append(_unknown(file, ("follow_up", "calendar"), "calendar", name, calendars))
    for key in ("reasons", "buckets", "lists"):
        listed = file.data.get(key)
        for name, value in listed.items() if isinstance(listed, Mapping) else ():
            if key in ("reasons", "lists") and name not in BUCKETS:
                problems.append(_unknown(file, (key, name), "bucket", name, BUCKETS))
            if key == "buckets" and name not in OUTCOMES:
                problems.append(_unknown(file, (key, name), "outcome", name, OUTCOMES))
            if key == "buckets" and value not in BUCKETS:
                problems.append(_unknown(file, (key, name), "bucket", value, BUCKETS))
    return problems


def _ways_back(file: ConfigFile, *_: Any) -> Iterator[Problem]:
    """What lists, recycling, rejected and fast_track name has to be there."""
    reasons = file.data.get("reasons")
    listed = file.data.get("lists")
    for bucket, named in listed.items() if isinstance(listed, Mapping) else ():
        if isinstance(named, Mapping):
            yield from _reasons(file, ("lists", bucket), named, reasons, bucket)
        for path, name in _lists_of(("lists", bucket), named):
            if not isinstance(name, str) or not name:
                yield file.problem(path, "expected the name of a list, or one for each reason")
    rejected = file.data.get("rejected")
    if isinstance(rejected, Mapping):
        yield from _reasons(file, ("rejected",), rejected, reasons, "sales_rejected")
    stages = _names(file, "stages")
    for section in ("recycling", "fast_track"):
        said = file.data.get(section)
        name = said.get("stage") if isinstance(said, Mapping) else None
        if isinstance(name, str) and name not in stages:
            yield _unknown(file, (section, "stage"), "stage", name, stages)
    fast_track = file.data.get("fast_track")
    if isinstance(fast_track, Mapping):
        at = fast_stage([stage for _, stage in _items(file, "stages")], fast_track)
        if at is None and fast_track.get("stage", stages[0] if stages else "") in stages:
            yield file.problem(("fast_track",), "no stage hands over; add a step such as `handoff: crm` to one")


def _lists_of(path: KeyPath, named: Any) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(named, Mapping):
        yield from (((*path, reason), name) for reason, name in named.items())
    else:
        yield path, named


def _reasons(file: ConfigFile, path: KeyPath, said: Mapping[Any, Any], reasons: Any, bucket: str) -> Iterator[Problem]:
    known = reasons.get(bucket) if isinstance(reasons, Mapping) else None
    if isinstance(known, list):
        for reason in said:
            if reason != OTHER and reason not in known:
                yield _unknown(file, (*path, reason), "reason", reason, [*known, OTHER])


def fast_stage(stages: Sequence[Mapping[str, Any]], fast_track: Mapping[str, Any]) -> int | None:
    """The place of the stage that a fast track leads into: the one it names, else the first that hands over."""
    if not fast_track:
        return None
    for index, stage in enumerate(stages):
        hands = _handing(stage) is not None
        if hands and fast_track.get("stage", stage.get("name")) == stage.get("name"):
            return index
    return None


# -- stages ------------------------------------------------------------------------------------------------------------


def _stages(file: ConfigFile, _: Any, systems: Collection[str] | None) -> list[Problem]:
    problems = list(_twice(file, "stages", "name"))
    highest = ""
    for path, stage in _items(file, "stages"):
        shared = stage.get("shared", stage.get("name"))
        at = (*path, "shared") if "shared" in stage else path
        if "shared" not in stage and shared not in SHARED:
            problems.append(
                file.problem(at, f"which shared stage is it? Add `shared:` with one of {', '.join(SHARED)}")
            )
        elif shared not in SHARED:
            problems.append(_unknown(file, at, "shared stage", shared, SHARED))
        elif highest and SHARED.index(shared) < SHARED.index(highest):
            problems.append(file.problem(at, f"{shared} stands after {highest}; the order is {' → '.join(SHARED)}"))
        else:
            highest = shared
        problems += _entry(file, path, stage)
        for index, step in enumerate(stage["steps"] if isinstance(stage.get("steps"), list) else ()):
            problems += _step(file, (*path, "steps", index), step, systems)
        problems += _shape(file, path, stage)
    return problems + list(_exits(file))


def _exits(file: ConfigFile) -> Iterator[Problem]:
    """A lead that sales have taken on must be able to go on: what they report has to lead somewhere."""
    stages = list(_items(file, "stages"))
    for index, (path, stage) in enumerate(stages):
        entries = [later.get("entry") for _, later in stages[index + 1 :]]
        leads_on = any(isinstance(entry, Mapping) and _listed(entry.get("outcome")) for entry in entries)
        if not leads_on and (position := _handing(stage)) is not None:
            words = "no exit: no later stage is entered by an outcome, such as {name: won, entry: {outcome: [won]}}"
            yield file.problem((*path, "steps", position), words)


def _handing(stage: Mapping[str, Any]) -> int | None:
    """The place of its step that hands over."""
    steps = _listed(stage.get("steps"))
    return next((at for at, step in enumerate(steps) if isinstance(step, Mapping) and "handoff" in step), None)


def _entry(file: ConfigFile, path: KeyPath, stage: Mapping[str, Any]) -> Iterator[Problem]:
    entry = stage.get("entry", {})
    first = path == ("stages", 0)
    if first and "entry" in stage:
        yield file.problem((*path, "entry"), "every lead enters the first stage; leave `entry` out")
    if first and stage.get("steps"):
        yield file.problem((*path, "steps"), "nobody crosses into the first stage; move the steps to a later one")
    if not isinstance(entry, Mapping):
        return
    facts = [fact for kind in ("outcome", "activity") for fact in _listed(entry.get(kind))]
    if not first and "score" not in entry and not facts:
        yield file.problem(path, "nothing can enter it; add `entry:` with a score, an outcome or an activity")
        if stage.get("steps"):
            yield file.problem((*path, "steps"), "never done: the stage has neither a threshold nor another entry")
    if stage.get("both") is True and not ("score" in entry and facts):
        yield file.problem((*path, "both"), "needs a score and an outcome or activity in `entry`")
    if "of" in entry and "score" not in entry:
        yield file.problem((*path, "entry", "of"), "says which score, and there is no `score:` beside it")
    for index, outcome in enumerate(_listed(entry.get("outcome"))):
        if isinstance(outcome, str) and outcome not in OUTCOMES:
            yield _unknown(file, (*path, "entry", "outcome", index), "outcome", outcome, OUTCOMES)
    if "score" in entry:
        yield from _thresholds(file, (*path, "entry", "score"), entry["score"])


def _thresholds(file: ConfigFile, path: KeyPath, score: Any) -> Iterator[Problem]:
    if not isinstance(score, Mapping):
        yield from _points(file, path, score)
        return
    personas = _names(file, "personas")
    for name, points in score.items():
        if name not in personas:
            yield _unknown(file, (*path, name), "persona", name, personas)
        yield from _points(file, (*path, name), points)
    missing = [name for name in personas if name not in score]
    for name in missing:
        yield file.problem(path, f"no threshold for persona {name!r}")
    if personas and all("when" in persona for _, persona in _items(file, "personas")):
        yield file.problem(path, "leads of no persona have no threshold; add a last persona without `when`")


def _points(file: ConfigFile, path: KeyPath, points: Any) -> Iterator[Problem]:
    if isinstance(points, bool) or not isinstance(points, int | float):
        yield file.problem(path, "expected a number of points, 0 to 100")
    elif not 0 <= points <= 100:
        yield file.problem(
            path, f"{points} is {'above 100, the highest' if points > 100 else 'below 0, the lowest'} score"
        )


def _shape(file: ConfigFile, path: KeyPath, stage: Mapping[str, Any]) -> Iterator[Problem]:
    if "fall" in stage and stage["fall"] not in ("stay", "back"):
        yield _unknown(file, (*path, "fall"), "rule", stage["fall"], ("stay", "back"))
    margin = stage.get("margin", 0)
    if isinstance(margin, int | float) and not 0 <= margin <= 100:
        yield file.problem((*path, "margin"), "expected a number of points, 0 to 100")
    steps = [step for step in _listed(stage.get("steps")) if isinstance(step, Mapping)]
    if sum("handoff" in step for step in steps) > 1:
        yield file.problem((*path, "steps"), "two handoffs; a lead is with one system's sales at a time")


def _step(file: ConfigFile, path: KeyPath, step: Any, systems: Collection[str] | None) -> Iterator[Problem]:
    if not isinstance(step, Mapping):
        return
    if len(step) != 1:
        yield file.problem(path, f"expected one step, such as `handoff: crm`; one of {', '.join(STEPS)}")
        return
    ((kind, value),) = step.items()
    here = (*path, kind)
    if kind not in STEPS:
        yield _unknown(file, here, "step", kind, STEPS)
    elif kind == "set" and not (isinstance(value, Mapping) and set(value) == {"field", "value"}):
        yield file.problem(here, "expected {field: …, value: …}")
    elif kind == "campaign" and not (isinstance(value, Mapping) and set(value) in ({"name", "status"}, {"name"})):
        yield file.problem(here, "expected {name: …, status: …}")
    elif kind == "handoff" and (not isinstance(value, str) or not value):
        yield file.problem(here, "expected the name of a system")
    elif kind == "handoff" and systems is not None and value not in systems:
        yield _unknown(file, here, "system", value, systems)
    elif kind in ("join", "leave", "notify") and (not isinstance(value, str) or not value):
        yield file.problem(here, f"expected the name of {'somebody' if kind == 'notify' else 'a list'}")


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
