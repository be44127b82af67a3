"""What sales receive with a handoff: its texts, made from what is known when it opens, and kept with it ever after.

package: {subject: "Call {who}", next_step: [{when: {reasons: Viewed pricing}, say: "Talk about prices"}]}

A ``{word}`` of its texts (see ``texts``) is one of ``WORDS``, or a field of the lead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

from marshmallow import Schema, fields, validate

from gateway.conditions import check_condition, compile_condition
from gateway.contracts import Activity
from gateway.errors import Problem
from gateway.journey.texts import Text, fill, one_line, words_of
from gateway.leads.stamps import OPT_OUTS
from gateway.settings.files import ConfigFile, suggest
from gateway.times import from_micros

WORDS: Mapping[str, str] = {
    "who": "name and company of the lead",
    "stage": "the stage it crossed into",
    "score": "its points, 0–100",
    "band": "great, good or bad",
    "persona": "its persona",
    "generation": "how often it was handed over, less what sales kept: 1, 2 …",
    "why_now": "a sentence where no threshold was crossed: what it asked for, that sales wanted it again, who said so",
    "returned": "a sentence where an earlier handoff was recycled",
    "opt_outs": "a sentence for each way in which the person does not want to be reached",
    "reasons": "what gave points, with the points: a line each",
    "top_reasons": "the three that gave most, in one line",
    "last_activities": "the last five different things it did: a line each",
    "campaign": "the campaign of the latest activity that has one",
    "next_step": "the first of `next_step` that fits",
    "respond_by": "until when sales are to answer",
    "follow_up_ends": "when the follow-up ends by itself",
}
"""What a text may hold beside lead fields, with what it stands for."""
OFFERED = frozenset({*WORDS, "activities", "assets"})
"""What a condition of ``next_step`` may look at beside lead fields; the last two are kinds and assets of activities."""
SUBJECT = "Follow up: {who}"
TASK = """\
Handed over at stage {stage} with {score} of 100 points.
{opt_outs}
{why_now}
{returned}
Answer by {respond_by}.
Persona: {persona}
Campaign: {campaign}
Next step: {next_step}
{reasons}
Lately: {last_activities}"""
SUMMARY = """\
{score} of 100 points ({band}).
{opt_outs}
{why_now}
Why: {top_reasons}
Campaign: {campaign}
Lately: {last_activities}"""
LATEST, TOP = 5, 3
"""Activities and reasons that are named."""
NO_EMAIL = tuple(name for name, lifted in OPT_OUTS.items() if lifted == "opted_in_email")
NO_CALL = tuple(name for name, lifted in OPT_OUTS.items() if lifted == "opted_in_call")


# -- the section of journey.yaml ---------------------------------------------------------------------------------------


class StepForm(Schema):
    when = fields.Raw(metadata={"help": "condition on lead fields and words, such as {persona: finance}"})
    say = Text(required=True, validate=validate.Length(1, 1000), metadata={"help": "what sales are to do"})


class PackageForm(Schema):
    subject = Text(load_default=SUBJECT, validate=validate.Length(1, 250), metadata={"help": "of the task: one line"})
    task = Text(load_default=TASK, validate=validate.Length(1, 10_000), metadata={"help": "what the task says"})
    summary = Text(
        load_default=SUMMARY, validate=validate.Length(1, 10_000), metadata={"help": "the lead field handoff_summary"}
    )
    next_step = fields.List(
        fields.Nested(StepForm), metadata={"help": "what to do next: the first whose `when` holds, else the last"}
    )
    close_task = fields.Boolean(
        load_default=True, metadata={"help": "close the task when the clock or a command ends the handoff"}
    )


def check_package(file: ConfigFile, attributes: Collection[str] | None) -> list[Problem]:
    """Words that were meant otherwise and steps that are never reached; the form has spoken about everything else.

    :param attributes: lead fields; None = any name may be one.
    """
    package = file.data.get("package")
    if not isinstance(package, Mapping):
        return []
    problems: list[Problem] = []
    known = None if attributes is None else {*WORDS, *attributes, *_set(file.data)}
    for path, text in _texts(package):
        inside = path[1] == "next_step"
        try:
            words = words_of(text)
        except ValueError:
            continue
        for word in words:
            if inside and word == "next_step":
                problems.append(file.problem(path, "{next_step} would be its own next step"))
            elif known is not None and word not in known and (near := suggest(word, known)):
                told = file.problem(path, f"{{{word}}}: no word, nor a field that a mapping brings in{near}")
                problems.append(replace(told, line=_line(file, told.line, word)))
    steps = package.get("next_step")
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        here = ("package", "next_step", number)
        if isinstance(step, Mapping) and "when" in step:
            problems += check_condition(file, (*here, "when"), step["when"], None)
        elif number + 1 < len(steps or ()):
            problems.append(file.problem(here, "has no `when`, so that none below it is ever said"))
    return problems


def _line(file: ConfigFile, start: int, word: str) -> int:
    """Where a text that begins at ``start`` holds this word: it may be many lines long."""
    lines = file.text.split("\n")[start - 1 :]
    return start + next((number for number, line in enumerate(lines) if f"{{{word}}}" in line), 0)


def lead_fields(data: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """(path, name) of the lead fields that the texts of a sound journey.yaml hold."""
    for path, text in _texts(data.get("package") or {}):
        yield from ((path, word) for word in words_of(text) if word not in WORDS)


def _texts(package: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    for name in ("subject", "task", "summary"):
        if isinstance(package.get(name), str):
            yield ("package", name), package[name]
    steps = package.get("next_step")
    for number, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, Mapping) and isinstance(step.get("say"), str):
            yield ("package", "next_step", number, "say"), step["say"]


def _set(node: Any) -> Iterator[str]:
    """The lead fields that steps of the journey set."""
    if isinstance(node, Mapping):
        if isinstance(node.get("set"), Mapping):
            yield str(node["set"].get("field"))
        node = list(node.values())
    for one in node if isinstance(node, list) else ():
        yield from _set(one)


@dataclass(frozen=True, slots=True)
class Package:
    """The compiled section. ``steps``: (condition, what to say); None = always."""

    subject: str = SUBJECT
    task: str = TASK
    summary: str = SUMMARY
    steps: tuple[tuple[Callable[[Mapping[str, Any]], bool] | None, str], ...] = ()
    close_task: bool = True


def compile_package(data: Mapping[str, Any]) -> Package:
    agreed = PackageForm().load(data)
    steps = agreed.pop("next_step", ())
    return Package(
        **agreed,
        steps=tuple((compile_condition(one["when"]) if "when" in one else None, one["say"]) for one in steps),
    )


# -- what is known when a handoff opens --------------------------------------------------------------------------------


def pack(
    package: Package,
    handoff: Mapping[str, Any],
    band: str,
    attributes: Mapping[str, Any],
    activities: Iterable[Activity],
    zone: tzinfo,
    fast: Collection[str] = (),
) -> dict[str, Any]:
    """What a handoff keeps: subject, task, summary, next_step, campaign, last_activities (a list), zone.

    :param handoff: its row with contributions. :param attributes: of the lead, its company's as ``company.<name>``.
    :param zone: whose clock times are told by. :param fast: kinds of activities that hand it over at once.
    """
    done = sorted(activities, reverse=True)
    named = {
        "who": [_who(attributes)],
        "stage": [handoff["stage"]],
        "score": [str((handoff["score"] + 50) // 100) + (f" ({named})" if (named := handoff["score_name"]) else "")],
        "band": [band],
        "persona": [handoff["persona"]],
        "generation": [str(handoff["generation"])],
        "why_now": [_why_now(handoff, next((one.kind for one in done if one.kind in fast), ""))],
        "returned": ["Comes back after nurture: an earlier handoff was recycled."] * (handoff["generation"] > 1),
        "opt_outs": list(_opt_outs(attributes)),
        "reasons": [_signed(points) + _reason(rule, why) for rule, points, why, _ in handoff["contributions"]],
        "top_reasons": ["; ".join(_best(handoff["contributions"]))],
        "last_activities": _latest(done, zone),
        "campaign": [next((one.campaign for one in done if one.campaign), "")],
        "respond_by": [_moment(handoff["response_due"], zone)],
        "follow_up_ends": [_moment(handoff["period_ends"], zone)],
    }
    values = {name: [one_line(value)] for name, value in attributes.items()} | named
    values = {name: [one for one in told if one] for name, told in values.items()}
    facts = {
        **attributes,
        **{name: told[0] for name, told in values.items() if name in WORDS and told},
        "reasons": [line[0] for line in handoff["contributions"] if line[1] > 0],
        "activities": sorted({one.kind for one in done}),
        "assets": sorted({one.asset for one in done if one.asset}),
    }
    values["next_step"] = [step] if (step := _next_step(package, facts, values)) else []
    return {
        "subject": fill(package.subject, values).replace("\n", ", ") or "Follow up",
        "task": fill(package.task, values),
        "summary": fill(package.summary, values),
        "next_step": step,
        "campaign": "".join(values["campaign"]),
        "last_activities": values["last_activities"],
        "zone": str(zone),
    }


def _next_step(package: Package, facts: Mapping[str, Any], values: Mapping[str, Sequence[str]]) -> str:
    for when, say in package.steps:
        if (when is None or when(facts)) and (said := fill(say, values)):
            return said
    return ""


def _who(attributes: Mapping[str, Any]) -> str:
    name = " ".join(one_line(attributes[part]) for part in ("first_name", "last_name") if attributes.get(part))
    firm = one_line(attributes.get("company_name") or attributes.get("company.name") or "")
    return f"{name} ({firm})" if name and firm else name or firm or "sales-ready lead"


def _why_now(handoff: Mapping[str, Any], asked: str) -> str:
    """Of a handoff that is not only for its score. ``asked``: the activity by which the lead asked for it."""
    by, reason = handoff["cause_by"], handoff["cause_reason"]
    told = f" ({one_line(reason)})" if reason else ""
    what = f" ({asked.replace('_', ' ')})" if asked else ""
    return {
        "fast track": f"Asked for it{what}: do not let it wait.",
        "wake": f"Sales wanted it again by now{told}.",
        "person": f"Handed over by {by or 'hand'}{told}.",
    }.get(handoff["cause"], "")


def _opt_outs(attributes: Mapping[str, Any]) -> Iterator[str]:
    if any(attributes.get(name) is True for name in NO_EMAIL):
        yield "Do not e-mail: opted out."
    if any(attributes.get(name) is True for name in NO_CALL):
        yield "Do not call: opted out."


def _best(contributions: Iterable[Sequence[Any]]) -> Iterator[str]:
    given = [line for line in contributions if line[1] > 0]
    yield from (_reason(rule, why) for rule, _, why, _ in sorted(given, key=lambda line: -line[1])[:TOP])


def _reason(rule: str, why: str) -> str:
    """Without how the rule counts, which is nothing to sales."""
    return one_line(f"{rule}: {why.partition(';')[0]}" if why else rule)


def _signed(hundredths: int) -> str:
    return f"{hundredths / 100:+.0f} "


def _latest(done: Sequence[Activity], zone: tzinfo) -> list[str]:
    """What it did last, the latest first; the same thing once, with how often."""
    same: dict[tuple[str, str, str], list[datetime]] = {}
    for one in done:
        same.setdefault((one.kind, one.asset, one.campaign), []).append(one.at)
    told = []
    for (kind, asset, campaign), times in list(same.items())[:LATEST]:
        often = f"{len(times)} × " if len(times) > 1 else ""
        what = " ".join(filter(None, [kind.replace("_", " "), asset, campaign and f"(campaign {campaign})"]))
        told.append(one_line(f"{often}{what}{', last' if often else ''} on {_day(times[0], zone)}"))
    return told


def _day(at: datetime, zone: tzinfo) -> str:
    return f"{(local := at.astimezone(zone)).day} {local:%b %Y}"


def _moment(micros: int | None, zone: tzinfo) -> str:
    """``Tue 2 Jun 2026, 14:30 (Europe/Berlin)``."""
    if micros is None:
        return ""
    local = from_micros(micros).astimezone(zone)
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M} ({zone})"
