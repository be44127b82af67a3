"""What is allowed in an instance and looks like a mistake: the files name what nobody brings in, or nearly so."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from gateway.conditions import places
from gateway.errors import Problem
from gateway.journey.check import doubts as check_stages
from gateway.journey.content import in_vain
from gateway.journey.package import OFFERED, lead_fields
from gateway.journey.rollups import names_of
from gateway.leads.stamps import OPT_OUTS
from gateway.mapping import COMPUTED
from gateway.mapping.grammar import OF_COMPANY, score_named
from gateway.settings.files import ConfigFile, KeyPath, suggest
from gateway.settings.folder import CONTENT, JOURNEY, SCORING
from gateway.settings.parts import Parts, names

PLACES = {"street", "city", "state", "zip", "country"}
"""Lead fields that resemble others and are no slips of the pen."""
NOT_SENT = {
    "company": "records of companies are only read; what the leads of one come to together goes out with each of them: "
    "a field of people `{to: company.engaged_leads, sync: out}`",
    "deal": "records of deals are only read; nothing is sent",
}
"""Kinds of records that nothing is written to."""


def doubts(parts: Parts, files: Sequence[ConfigFile]) -> Iterator[Problem]:
    """What the model looks at and no mapping supplies: allowed (another way in may bring it), but suspicious."""
    journey = next((file.data for file in files if file.name == JOURNEY), {})
    attributes = {*COMPUTED, *parts.attributes(), *(f"{OF_COMPANY}{name}" for name in names_of(journey))}
    if SCORING not in parts.files:
        for file in parts.scores.values():
            yield Problem(file.name, 0, "", f"nobody has this score: there is no {SCORING}")
    activities = {
        name for mapping in parts.mappings.values() for one in mapping.objects.values() for name in one.activities
    }
    for file in files:
        for path, what, name in uses(file.data, ()):
            known = attributes if what == "attribute" else activities
            if path[0] == "package" and name in OFFERED:
                continue
            if what == "attribute" and (name in COMPUTED or score_named(name)):
                message = f"a rule reads what systems tell of somebody; {name!r} is worked out here: never so"
                yield file.problem(path, message)
            elif name not in known:
                yield file.problem(path, f"no mapping brings in {what} {name!r}{suggest(name, known)}")
        for path, name in lead_fields(file.data) if file.name == JOURNEY else ():
            if name not in attributes:
                yield file.problem(path, f"no mapping brings in attribute {name!r}: its line is never there")
    for path, file, mapped in parts.fields():
        kind = parts.mapped(file, path).kind
        if kind in NOT_SENT and not mapped.inbound:
            yield file.problem((*path, "sync"), NOT_SENT[kind])
    yield from (doubt for file in files if file.name == JOURNEY for doubt in check_stages(file, SCORING in parts.files))
    for file in files:
        yield from in_vain(file, parts.files.get(CONTENT), names(journey.get("personas")))
    yield from _reasons(parts, next((file for file in files if file.name == "journey.yaml"), None))
    yield from _lonely(parts, {name for file in files for _, what, name in uses(file.data, ()) if what == "attribute"})


def _reasons(parts: Parts, journey: ConfigFile | None) -> Iterator[Problem]:
    """Words for a system's reasons that the journey does not list."""
    listed = journey.data.get("reasons") if journey is not None else None
    known = [str(one) for reasons in (listed or {}).values() for one in reasons]
    for name in parts.mappings if known else ():
        file = parts.files[f"mappings/{name}.yaml"]
        for object_, one in file.data["objects"].items():
            for index, rule in enumerate(one.get("outcomes") or []):
                for raw, word in (rule.get("reasons") or {}).items():
                    if str(word) not in known:
                        path = ("objects", object_, "outcomes", index, "reasons", raw)
                        yield file.problem(path, f"no such reason in journey.yaml{suggest(word, known)}")


def _lonely(parts: Parts, used: Collection[str]) -> Iterator[Problem]:
    """A lead field that one line alone names and that is nearly another's name is a slip of the pen."""
    lines: dict[str, list[tuple[KeyPath, ConfigFile]]] = {}
    keys: set[str] = set(used) | PLACES | set(COMPUTED) | set(OPT_OUTS) | set(OPT_OUTS.values())
    for path, file, mapped in parts.fields():
        lines.setdefault(mapped.to, []).append((path, file))
        keys |= set(parts.mapped(file, path).identify_by)
    for name, [(path, file), *others] in lines.items():
        known = {
            one for one in {*lines, "email", "phone"} - {name} if not (one.startswith(name) or name.startswith(one))
        }
        if not others and name not in keys and (near := get_close_matches(name, known, n=1, cutoff=0.8)):
            yield file.problem(path, f"nothing else speaks of lead field {name!r}; did you mean {near[0]!r}?")


def uses(node: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str, str]]:
    """Attributes and activities that a scoring or journey file looks at, as (path, attribute | activity, name)."""
    if isinstance(node, list):
        for index, one in enumerate(node):
            yield from uses(one, (*path, index))
    elif isinstance(node, Mapping):
        for key, value in node.items():
            here = (*path, key)
            if key in ("when", "territory"):
                yield from ((place, "attribute", name) for place, name in places(value, here))
            elif key in ("attribute", "activity", "activities"):
                what = "attribute" if key == "attribute" else "activity"
                names = value if isinstance(value, list) else [value]
                yield from ((here, what, name) for name in names if isinstance(name, str))
            elif key != "where":  # where looks at the activity itself
                yield from uses(value, here)
