"""The proposed model as text: a scoring.yaml to read, edit and propose, with a sentence beside each value.

In: a ``Lesson``. Out: text that `gateway check` takes as it is. No personal value is in it: values are shown only
where enough leads share them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.journey.content import WEIGHTS
from gateway.learning.lesson import Crossing, Lesson
from gateway.learning.points import Proposal
from gateway.learning.traits import AXES, OTHER


def text(lesson: Lesson, more: Sequence[str] = ()) -> str:
    """The file. ``more``: further lines for its head."""
    head = [*_head(lesson), *more]
    body = _weighted(lesson) if lesson.proposed is not None else _plain(lesson.data)
    return "".join(f"{line}\n" for line in [*(f"# {line}".rstrip() for line in head), "", *body])


def _head(lesson: Lesson) -> Iterator[str]:
    yield f"A draft, learned from {lesson.cases:,} past leads, of which {lesson.won:,} were won ({lesson.base:.0%})."
    yield "It scores nobody. Read it, change what you know better, and propose it."
    if lesson.proposed is not None:
        yield "Points are what a value adds beside all the others; of what is not known a lead gets none."
    for doubt in lesson.doubts:
        yield f"Beware: {doubt}."
    yield ""
    yield f"Judged on the newest {lesson.newer:,} leads by what the {lesson.older:,} older ones teach:"
    for one in lesson.verdicts:
        yield (
            f"  {one.name:<20} AUC {one.auc:.3f} ± {one.unsure:.3f}, best fifth {one.top_20:.0%} won "
            f"(lift {one.lift_20:.2f}; best tenth {one.lift_10:.2f}), off by {one.off:.1f} points of a hundred"
        )
    for sentence in judged_words(lesson):
        yield f"{sentence}."
    leaks = [leak for leak in lesson.left_out if leak.why != "no use"]
    if leaks:
        yield ""
        yield "Left out, since they may know the end (--force NAME learns from one all the same):"
        for leak in leaks:
            yield f"  {leak.name}: {leak.words}{' (forced: it is in)' if leak.forced else ''}"
    useless = [f"{leak.attribute} ({leak.words})" for leak in lesson.left_out if leak.why == "no use"]
    if useless:
        yield ""
        yield "Of no use:"
        yield from (f"  {one}" for one in useless)
    if lesson.proposed is not None and lesson.proposed.no_effect:
        yield f"Earn less than half a point, so they have no rule: {', '.join(lesson.proposed.no_effect)}."


def judged_words(lesson: Lesson) -> Iterator[str]:
    """What the judgement comes to, beside its numbers: a sentence each."""
    if lesson.better is not None:
        yield f"what was learned stands {better_words(lesson.better)}"
    if lesson.splits:
        yield f"AUC by the split of fit and behaviour: {split_words(lesson)}"
    yield from map(crossing_words, lesson.crossings)


def split_words(lesson: Lesson) -> str:
    """The split that was chosen beside 60/40, and the best of those that were tried."""
    best = max(lesson.splits, key=lambda share: lesson.splits[share])
    told = {lesson.chosen: "chosen by the older leads"}
    told[best] = "best on the newest" if best not in told else f"{told[best]}, best on the newest, too"
    told.setdefault(60, "usual")
    return "; ".join(
        f"{share}/{100 - share} {lesson.splits[share]:.3f} ({words})" for share, words in sorted(told.items())
    )


def better_words(share: float) -> str:
    """Whether the live model is beaten."""
    hundred = f"above the live model in {round(100 * share)} of 100 resamples of the newest leads"
    if share < 0.5:
        return f"{hundred}: past leads give no reason to change the model"
    return hundred if share > 0.9 else f"{hundred}: that may be chance"


def crossing_words(one: Crossing) -> str:
    """What a threshold becomes, for it stands in journey.yaml."""
    whom = f"{one.stage} ({one.persona})" if one.persona else one.stage
    return (
        f"{whom}: threshold {one.before:g} becomes {one.after} to let as many in ({one.share:.0%} of the newest); "
        f"{one.won_after:.0%} of those were won, before {one.won_before:.0%}"
    )


# -- the weighted strategy ---------------------------------------------------------------------------------------------


def _weighted(lesson: Lesson) -> Iterator[str]:
    assert lesson.proposed is not None
    data, proposed = lesson.proposed.data, lesson.proposed
    yield f"strategy: {data['strategy']}"
    yield f"name: {_flow(data['name'])}"
    yield f"weights: {_flow(data['weights'])}  # measured; see above for others"
    yield f"maximum: {_flow(data['maximum'])}  # so many points the best of the past leads had"
    great, good = (proposed.band_shares[band] for band in ("great", "good"))
    yield f"bands: {_flow(data['bands'])}  # the best fifth ({great:.0%} won) and the better half ({good:.0%} won)"
    for key in ("levels", "titles", "personas", WEIGHTS, "overlays"):
        if key in data:
            words = "" if key in ("levels", "titles") else "as before"
            yield from ("", f"{key}:{f'  # {words}' if words else ''}")
            yield from _items(data[key])
            for level, (before, after) in (proposed.orders if key == "levels" else {}).items():
                yield f"  # {level} was {', '.join(before)}: past leads say {', '.join(after)}"
    for axis in AXES:
        if axis in data:
            yield from ("", f"{axis}:")
            by_name = {one.name: one for one in proposed.rules}
            for rule in data[axis]:
                yield from _rule(rule, by_name[rule["name"]])


def _rule(rule: Mapping[str, Any], told: Proposal) -> Iterator[str]:
    yield f"  - name: {_flow(rule['name'])}{f'  # {told.note}' if told.note else ''}"
    for key, value in rule.items():
        if key == "name":
            continue
        if isinstance(value, Mapping) and "points" in value:
            yield f"    {key}:"
            yield from (
                f"      {name}: {_flow(one)}" for name, one in value.items() if name not in ("points", "default")
            )
            yield "      points:"
            by_label = {one.label: one for one in told.values}
            for label, points in value["points"].items():
                yield f"        {_key(label)}: {points}  # {by_label[label].words()}"
            if "default" in value:
                yield f"      default: {value['default']}  # {by_label[OTHER].words()}"
        elif key == "points" and told.values:
            yield f"    points: {value}  # {told.values[0].words()}"
        else:
            yield f"    {key}: {_flow(value)}"


# -- any other ---------------------------------------------------------------------------------------------------------


def _plain(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if isinstance(value, Mapping | list) and value:
            yield from ("", f"{key}:")
            yield from _items(value)
        else:
            yield f"{key}: {_flow(value)}"


def _items(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        return (f"  {_key(name)}: {_flow(one)}" for name, one in value.items())
    return (f"  - {_flow(one)}" for one in value)


_YAML_WORDS = frozenset(["yes", "no", "on", "off", "null", "y", "n", "true", "false"])


def _key(label: str) -> str:
    """A label as YAML reads it back as the same text; one of plain letters goes without quotes."""
    plain = label.replace("_", "a").replace(" ", "a")
    safe = plain.isalnum() and label[:1].isalpha() and label.strip() == label
    return label if safe and label.casefold() not in _YAML_WORDS else _flow(label)


def _flow(value: Any) -> str:
    """In one line: JSON, which YAML reads; names and plain words without quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(name))}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value if isinstance(value, str | int | float | bool) or value is None else str(value),
                      ensure_ascii=False)  # fmt: skip
