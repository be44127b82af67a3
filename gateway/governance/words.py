"""How two versions of the model differ, in words: ``Executive title 20 → 15``. Pure: plain data in, lines out.

Lists of things with names are compared by name, so a rule that only moved is no change where order means nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.conditions import in_words

NAMES = ("name", "reason", "activity", "outcome", "field")
"""What tells the entries of a list apart; the first that all of them have, each another."""
ORDERED = ("personas", "stages", "never_hand_over", "order", "assign", "systems")
"""Lists whose order decides."""
FIRST = ("fit", "behaviour", "stages", "objects", "personas", "never_hand_over")
INNER = ("fields", "points", "entry", "ranges", "values", "levels")
"""Keys that the words do without, at the beginning and behind it, since what follows says as much."""
CONDITIONS = ("when", "where", "territory", "only")


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One line for each change of a file's data, in the order of the file; none = the same model."""
    return list(_changed((), before, after))


def _changed(path: tuple[str, ...], before: Any, after: Any) -> Iterator[str]:
    if before == after:
        return
    key = path[-1] if path else ""
    if key in CONDITIONS:
        yield _moved(path, _condition(before), _condition(after))
    elif isinstance(before, Mapping) and isinstance(after, Mapping):
        for one in [*before, *(one for one in after if one not in before)]:
            here = (*path, str(one))
            if (one not in after or one not in before) and _named(after.get(one, before.get(one))):
                yield from _changed(here, before.get(one, []), after.get(one, []))
            elif one not in after:
                yield f"{_where(path)}removed {_thing(here, before[one])}"
            elif one not in before:
                yield f"{_where(path)}added {_thing(here, after[one])}"
            else:
                yield from _changed(here, before[one], after[one])
    elif isinstance(before, Sequence) and isinstance(after, Sequence) and not isinstance(before, str):
        yield from _listed(path, before, after)
    else:
        yield _moved(path, _said(before), _said(after))


def _listed(path: tuple[str, ...], before: Sequence[Any], after: Any) -> Iterator[str]:
    if isinstance(after, str):
        yield _moved(path, _said(before), _said(after))
        return
    name = _name([*before, *after], before, after)
    if not name:
        gone, new = [one for one in before if one not in after], [one for one in after if one not in before]
        if gone or new or len(before) != len(after):
            said = [f"removed {_said(gone)}"] if gone else []
            said += [f"added {_said(new)}"] if new else []
            yield f"{_where(path)}{', '.join(said) or 'repeated otherwise'}"
            return
        yield _moved(path if path[-1:] == ("order",) else (*path, "order"), _said(before), _said(after))
        return
    old, new_ = ({str(one[name]): one for one in some} for some in (before, after))
    without = [{key: value for key, value in one.items() if key != name} for one in (*before, *after)]
    for one in [*old, *(one for one in new_ if one not in old)]:
        here = (*path, one)
        body = without[[*old].index(one)] if one in old else without[len(old) + [*new_].index(one)]
        if one not in new_:
            yield f"removed {_thing(here, body)}"
        elif one not in old:
            yield f"added {_thing(here, body)}"
        else:
            yield from _changed(here, old[one], new_[one])
    stay, now = [one for one in old if one in new_], [one for one in new_ if one in old]
    if stay != now and path and path[-1] in ORDERED:
        yield _moved((*path, "order"), _said(stay), _said(now))


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(_name(value, value))


def _name(every: Sequence[Any], *lists: Sequence[Any]) -> str:
    if not every or not all(isinstance(one, Mapping) for one in every):
        return ""
    for name in NAMES:
        if all(isinstance(one.get(name), str) for one in every) and all(
            len({one[name] for one in some}) == len(some) for some in lists
        ):
            return name
    return ""


def _moved(path: tuple[str, ...], before: str, after: str) -> str:
    return f"{_where(path, last=True)}{before} → {after}"


def _where(path: tuple[str, ...], last: bool = False) -> str:
    """``("behaviour", "Opened", "half_life")`` → ``Opened: half life``, of what moved; else with a colon behind."""
    named = path[1:] if path[0:1] and path[0] in FIRST else path
    told = [_plain(one) for place, one in enumerate(named) if not place or one not in INNER]
    if not told:
        return ""
    if not last:
        return f"{' '.join(told)}: "
    head, *rest = told
    return f"{head}: {' '.join(rest)} " if rest else f"{head} "


def _thing(path: tuple[str, ...], body: Any) -> str:
    name = _plain(path[-1])
    if isinstance(body, Mapping) and "points" in body and not isinstance(body["points"], Mapping):
        sign = f"{body['points']:+g}" if isinstance(body["points"], int | float) else _said(body["points"])
        rest = {key: value for key, value in body.items() if key != "points"}
        return f"{name} {sign}" + (f" ({_said(rest)})" if rest else "")
    said = _condition(body) if path[-1] in CONDITIONS else _said(body)
    return f"{name} ({said})" if isinstance(body, Mapping | list) and said else f"{name} {said}".rstrip()


def _plain(word: str) -> str:
    return "by the score" if word == "of" else word.replace("_", " ") if word.islower() else word


def _condition(value: Any) -> str:
    try:
        return in_words(value)
    except Exception:  # noqa: BLE001 - a condition that no check has seen yet
        return _said(value)


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = (
            _condition(one) if key in CONDITIONS else f"{str(key).replace('_', ' ')} {_said(one)}"
            for key, one in value.items()
        )
        return ", ".join(parts)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_said, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "nothing" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
