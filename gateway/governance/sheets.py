"""What of a model's file is a table in a form: overlays, orders of levels, thresholds by persona. Pure.

Beside ``numbers``, where each value has a field: here rows come, go and change places. Comments and layout stay.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.comments import CommentedSeq

from gateway.governance.numbers import Number, typed
from gateway.mapping.edits import dumped, flow, like
from gateway.settings.files import ConfigFile

Given = Mapping[str, Sequence[str]]
"""Field → what a form has there."""
RULE, GROUP = "rule: ", "group: "
KEYS = ("name", "from", "to", "owner", "factor")
MOVE, DROP = "move", "drop"
"""Buttons; the value of one is ``LEVEL PLACE STEP`` or ``LEVEL PLACE``."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """``of``: what it is about, each as in ``choices``. Days as the file has them."""

    of: tuple[str, ...] = ()
    name: str = ""
    begins: str = ""
    ends: str = ""
    owner: str = ""
    factor: str = ""


def elsewhere(one: Number) -> bool:
    """Whether a number of the file is in one of these tables, so that it needs no field of its own."""
    return one.path[0] == "overlays" or one.path[-1] == "order" or one.path[:1] + one.path[2:4] == _SCORE


_SCORE = ("stages", "entry", "score")


def overlays(data: Mapping[str, Any]) -> list[Overlay]:
    return [
        Overlay(_about(one), *(str(one[key]) if one.get(key) is not None else "" for key in KEYS))
        for one in data.get("overlays") or ()
        if isinstance(one, Mapping)
    ]


def _about(one: Mapping[str, Any]) -> tuple[str, ...]:
    rules = one.get("rule") or ()
    rules = [rules] if isinstance(rules, str) else rules
    return (*(RULE + str(rule) for rule in rules), *((GROUP + str(one["group"]),) if one.get("group") else ()))


def choices(data: Mapping[str, Any]) -> list[str]:
    """What an overlay can be about: every rule, and every group."""
    rules = [one for axis in ("fit", "behaviour") for one in data.get(axis) or () if isinstance(one, Mapping)]
    return [*(RULE + str(one.get("name")) for one in rules), *(GROUP + str(one) for one in data.get("groups") or ())]


def orders(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Level → its entries, the highest first."""
    return {
        str(name): [str(entry) for entry in one.get("order") or ()]
        for name, one in (data.get("levels") or {}).items()
        if isinstance(one, Mapping)
    }


def personas(data: Mapping[str, Any]) -> list[str]:
    """Empty for everybody, where there are none."""
    return [str(one.get("name")) for one in data.get("personas") or () if isinstance(one, Mapping)] or [""]


def thresholds(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Stage → the points that each persona needs; empty: its score alone never leads there. The first has none."""
    found = {}
    for stage in (data.get("stages") or ())[1:]:
        score = (stage.get("entry") or {}).get("score")
        of = score if isinstance(score, Mapping) else dict.fromkeys(personas(data), score)
        found[str(stage.get("name"))] = ["" if of.get(one) is None else str(of[one]) for one in personas(data)]
    return found


def arranged(name: str, text: str, given: Given) -> str:
    """The text of a file with its tables as a form has them; what has no field there stays."""
    data = ConfigFile(name, text).data
    yaml = like(text)
    tree = yaml.load(text)
    changed = [_overlaid(tree, data, given), _ordered(tree, data, given), _needed(tree, data, given)]
    return dumped(yaml, tree) if any(changed) else text


def touched(data: Mapping[str, Any], given: Given) -> dict[str, Sequence[str]]:
    """Of what a form has, what differs from that which it showed of ``data``; of an overlay's row all or nothing. So a
    text that was changed beside it is not undone by fields that nobody touched."""
    shown = {
        f"threshold-{line}-{place}": [points]
        for line, row in enumerate(thresholds(data).values())
        for place, points in enumerate(row)
    }
    for place, one in enumerate([*overlays(data), Overlay()]):
        values = (one.name, one.begins, one.ends, one.owner, one.factor)
        row = {f"overlay-{place}-{key}": [value] for key, value in zip(KEYS, values, strict=True)}
        row |= {f"overlay-{place}-of": list(one.of)} if one.of else {}
        mine = {key: list(given[key]) for key in given if key.startswith(f"overlay-{place}-")}
        shown |= mine if mine == row else {}
    return {key: values for key, values in given.items() if list(values) != shown.get(key)}


# -- overlays: overlay-PLACE-name, -from, -to, -owner, -factor, -of (several), -drop -----------------------------------


def _overlaid(tree: Any, data: Mapping[str, Any], given: Given) -> bool:
    before = overlays(data)
    if not any(key.startswith("overlay-") for key in given):
        return False
    after = [_given(place, given) for place in range(len(before) + 1)]
    kept = [one if one is not None else old for one, old in zip(after, before, strict=False)]
    gone = [place for place in range(len(before)) if f"overlay-{place}-{DROP}" in given]
    for place, (one, old) in enumerate(zip(kept, before, strict=True)):
        if one != old:
            _write(tree["overlays"][place], one, old)
    new = after[-1] if after[-1] is not None and after[-1].name else None
    if new is not None:
        if not tree.get("overlays"):
            tree["overlays"] = CommentedSeq()
        row = flow({})
        _write(row, new, Overlay())
        tree["overlays"].append(row)
    for place in reversed(gone):
        del tree["overlays"][place]
    if gone and not tree["overlays"]:
        del tree["overlays"]
    return bool(gone or new is not None or kept != before)


def _given(place: int, given: Given) -> Overlay | None:
    keys = [f"overlay-{place}-{key}" for key in KEYS]
    if keys[0] not in given:
        return None
    about = tuple(given.get(f"overlay-{place}-of", ()))
    return Overlay(about, *(given.get(key, [""])[0].strip() for key in keys))


def _write(row: MutableMapping[str, Any], one: Overlay, old: Overlay) -> None:
    for key, value, was in (
        ("name", one.name, old.name),
        ("factor", one.factor, old.factor),
        ("from", one.begins, old.begins),
        ("to", one.ends, old.ends),
        ("owner", one.owner, old.owner),
    ):
        if value != was:
            _put(row, key, value if key in ("name", "owner") else typed(value))
    if one.of != old.of:
        rules = [each.removeprefix(RULE) for each in one.of if each.startswith(RULE)]
        groups = [each.removeprefix(GROUP) for each in one.of if each.startswith(GROUP)]
        _put(row, "rule", rules[0] if len(rules) == 1 else flow(rules) if rules else "")
        _put(row, "group", groups[0] if groups else "")


def _put(row: MutableMapping[str, Any], key: str, value: Any) -> None:
    if value == "":
        row.pop(key, None)
    else:
        row[key] = value


# -- orders: level-NAME-add, and the buttons ---------------------------------------------------------------------------


def _ordered(tree: Any, data: Mapping[str, Any], given: Given) -> bool:
    changed = False
    for name, before in orders(data).items():
        order = list(before)
        order += [one.strip() for one in given.get(f"level-{name}-add", ()) if one.strip()]
        for button in (MOVE, DROP):
            level, *rest = given.get(button, [""])[0].rsplit(" ", 2 if button == MOVE else 1)
            if level != name or not all(one.lstrip("-").isdigit() for one in rest):
                continue
            place = int(rest[0])
            if not 0 <= place < len(order):
                continue
            entry = order.pop(place)
            if button == MOVE:
                order.insert(max(0, place + int(rest[1])), entry)
        if order != before:
            tree["levels"][name]["order"][:] = order
            changed = True
    return changed


# -- thresholds: threshold-STAGE-PERSONA, by their places --------------------------------------------------------------


def _needed(tree: Any, data: Mapping[str, Any], given: Given) -> bool:
    changed, people = False, personas(data)
    for place, before in enumerate(thresholds(data).values()):
        after = [given.get(f"threshold-{place}-{one}", [was])[0].strip() for one, was in enumerate(before)]
        if after == before:
            continue
        changed = True
        stage = tree["stages"][place + 1]
        if not stage.get("entry"):
            stage["entry"] = flow({})
        _need(stage["entry"], dict(zip(people, after, strict=True)))
    return changed


def _need(entry: MutableMapping[str, Any], after: Mapping[str, str]) -> None:
    score = entry.get("score")
    if not any(after.values()):
        entry.pop("score", None)
    elif not isinstance(score, MutableMapping) and len({*after.values()}) == 1:
        entry["score"] = typed(next(iter(after.values())))
    else:
        if not isinstance(score, MutableMapping):
            score = entry["score"] = flow({})
        for persona, points in after.items():
            _put(score, persona, typed(points))
