"""What a review's pack tells of the model: versions and drafts, what overlays changed, drift, what is proposed.

Drafts and overlays are replayed on what happened, which takes long with many leads: a replay of the day before, of the
same on the same live model, is taken from the pack that was made last. People stand in it by their ids alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Asked
from gateway.answers.section import Data, Section
from gateway.answers.simulation import nameless
from gateway.answers.texts import iso_time, plural
from gateway.errors import ConfigError, GatewayError
from gateway.governance.parts import score_of
from gateway.metrics.report import Table, number

if TYPE_CHECKING:
    from gateway.committee.simulating import Tell

REPLAYED = timedelta(days=90)
"""What a draft is tried on: as much as `gateway model simulate` takes by itself."""
FRESH = timedelta(days=1)
"""So long a replay is not done again."""
NAMED = {"drafts": ("gained", "dropped", "wins caught", "wins missed"), "overlays": ("brought", "kept_back")}
WORDS = {
    "gained": "crosses by it alone",
    "dropped": "no longer crosses",
    "wins caught": "won, caught by it alone",
    "wins missed": "won, missed by it",
    "brought": "came by it alone",
    "kept_back": "kept back by it",
}


def sections(asked: Asked, before: Mapping[str, Data], tell: Tell) -> Iterator[Section]:
    """:param before: section → its data, of the pack made last."""
    from gateway.answers.versions import history, open_drafts

    drafts, versions = open_drafts(asked.gateway), history(asked.gateway, 1)
    live = versions[0].bundle if versions else ""
    yield _model(asked, drafts)
    yield _overlays(asked, _Replays(asked, live, before.get("overlays", {}).get("overlays", ())), tell)
    yield _drift(asked)
    yield _proposed(asked, _Replays(asked, live, before.get("proposed", {}).get("drafts", ())), drafts, tell)


class _Replays:
    """Replays of this live model; those of the last pack where they are fresh."""

    def __init__(self, asked: Asked, live: str, known: Any) -> None:
        oldest = iso_time(asked.now - FRESH)
        self._live = live
        self._known = {
            one["key"]: one["replay"]
            for one in known
            if one.get("live") == live and (one.get("replay") or {}).get("until", "") >= oldest
        }

    def of(self, key: str, replay: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """``{key, live, replay, problem}``; the one that cannot be replayed does not spoil the pack."""
        found, problem = self._known.get(key), ""
        if found is None:
            try:
                found = nameless(replay())
            except ConfigError as exc:
                problem = f"it does not fit the live model: {exc.problems[0]}"
            except GatewayError as exc:
                problem = str(exc)
        return {"key": key, "live": self._live, "replay": found, "problem": problem}


def _model(asked: Asked, waiting: list[dict[str, Any]]) -> Section:
    """Which versions went live in the period, and how many drafts wait."""
    from gateway.answers.versions import history, version_json

    since, until = asked.since or 0, asked.until or 1 << 62
    versions = [version_json(one) for one in history(asked.gateway) if since <= one.since < until]
    live = Table(
        ("live since", "changed", "why", "keys of"),
        [(one["since"][:10], _changes(one), one["reason"], _turned(one)) for one in versions],
        "Versions of the period",
        words=4,
    )
    said = plural(len(versions), "version") + " went live in the period, " + plural(len(waiting), "draft")
    waits = " waits." if len(waiting) == 1 else " wait."
    return Section("model", "The model", said + waits, [live], {"versions": versions, "drafts": waiting})


def _changes(one: Data) -> str:
    return "\n".join(words for told in one["changes"].values() for words in told) or "the first version"


def _turned(one: Data) -> str:
    return ", ".join(f"{turn['by']} ({turn['role']}, {turn['what']})" for turn in one["turns"])


# -- overlays ----------------------------------------------------------------------------------------------------------


def _overlays(asked: Asked, replays: _Replays, tell: Tell) -> Section:
    """Those that held in the period, and what each changed since it began."""
    from gateway.answers.overlays import effect, overlays

    title, listed = "Overlays, and what they changed", overlays(asked.gateway)
    since, until = (iso_time(at) if at else None for at in (asked.period.since, asked.period.until))
    main = asked.gateway.model.score_name
    held = [
        {**one, "name": label, **replays.of(label, partial(effect, asked.gateway, one["name"], tell, one["score"]))}
        for one, label in ((one, _label(one["name"], one["score"], main)) for one in listed)
        if one["state"] != "planned" and (one["from"] or "") < (until or "~") and (one["to"] or "~") > (since or "")
    ]
    planned = [_label(one["name"], one["score"], main) for one in listed if one["state"] == "planned"]
    more = f" Planned: {', '.join(planned)}." if planned else ""
    data = {"overlays": held, "planned": planned}
    if not held:
        return Section("overlays", title, f"No overlay held in the period.{more}", data=data)
    columns = ("overlay", "from", "to", "whose", "by it alone", "kept back", "wins caught", "wins missed")
    table = Table(columns, [_overlay(one) for one in held], words=4)
    problems = [f"{one['name']}: {one['problem']}" for one in held if one["problem"]]
    told = [one for one in held if one["replay"]]
    best = max(told, key=lambda one: one["replay"]["brought"], default=None)
    most = f"; {best['name']} brought {plural(best['replay']['brought'], 'lead')} by itself" if best else ""
    said = f"{plural(len(held), 'overlay')} held in the period{most}.{more}"
    return Section("overlays", title, said, [table, *problems], data)


def _label(name: str, score: str, main: str) -> str:
    """What a score has beside the main one is called with it."""
    return name if score in ("", main) else f"{score}: {name}"


def _overlay(one: Data) -> tuple[str, ...]:
    days = ((one["from"] or "ever")[:10], (one["to"] or "further on")[:10])
    replay = one["replay"]
    counts = [number(replay[key]) if replay else "" for key in ("brought", "kept_back", "wins_caught", "wins_missed")]
    return (one["name"], *days, one["owner"], *counts)


# -- drift -------------------------------------------------------------------------------------------------------------


def _drift(asked: Asked) -> Section:
    """Each score that takes leads on by itself; the main one even where it does not."""
    from gateway.committee.drifting import look

    title, model = "Does the model still meet the leads?", asked.gateway.model
    measured = {one.score for one in model.journey.stages if one.thresholds is not None}
    scores = [name for name in model.score_names if name in measured or (name == model.score_name and "" in measured)]
    try:
        looks = [look(asked.gateway, name) for name in scores or [""]]
    except GatewayError as exc:
        return Section("drift", title, str(exc), problem=str(exc))
    findings = [_label(one.words, each.score, model.score_name) for each in looks for one in each.findings or ()]
    found = looks[0]
    if all(each.findings is None for each in looks):
        said = "Too few leads to say: it takes 50 from before the model went live and 50 since, two weeks old."
    elif not findings:
        said = "Nothing differs by more than chance from when the model was agreed on."
    else:
        differ = "thing differs" if len(findings) == 1 else "things differ"
        said = f"{len(findings)} {differ} by more than chance from when the model was agreed on."
    looked = f"{plural(found.before, 'lead')} of before {found.live_since:%Y-%m-%d}, {number(found.after)} since"
    data = {"scores": scores, "live_since": iso_time(found.live_since), "before": found.before, "after": found.after}
    rows = Table(("what differs",), [(words,) for words in findings], words=1)
    return Section("drift", title, said, [looked, rows], data | {"findings": findings})


# -- proposals ---------------------------------------------------------------------------------------------------------


def _proposed(asked: Asked, replays: _Replays, waiting: list[dict[str, Any]], tell: Tell) -> Section:
    """Each draft that waits, with what it would have done."""
    from gateway.answers.simulation import sentences

    title = "What is proposed, and what it would have done"
    main = asked.gateway.model.score_name
    tried = [
        {**one, "name": _label(one["name"], score, main), "score": score or main,
         **replays.of(f"{one['id']} {score}".strip(), partial(_tried, asked, one["id"], score, tell))}
        for one in waiting for score in _scores_of(one["changes"])
    ]  # fmt: skip
    if not tried:
        return Section("proposed", title, "Nothing is proposed.", data={"drafts": []})
    parts: list[str | Table] = [
        Table(
            ("draft", "changes", "why", "keys of", "waits for"),
            [
                (f"{one['name']} ({one['id'][-8:]})", _changes(one), one["reason"], _turned(one),
                 ", ".join(one["missing"]) or one["effective_at"] or "")
                for one in tried
            ],
            words=5,
        )
    ]  # fmt: skip
    for one in tried:
        parts += [
            f"{one['name']}: {told}." for told in (sentences(one["replay"]) if one["replay"] else [one["problem"]])
        ]
    return Section("proposed", title, _in_short(tried), parts, {"drafts": tried})


def _scores_of(changes: Mapping[str, Any]) -> list[str]:
    """By which scores a draft is tried: those whose files it changes, else the main one, which is the empty name."""
    beside = [score_of(name) for name in changes if score_of(name)]
    return beside if len(beside) == len(changes) else ["", *beside]


def _tried(asked: Asked, id_: str, score: str, tell: Tell) -> dict[str, Any]:
    from gateway.answers.simulation import simulation_json
    from gateway.answers.versions import files_called
    from gateway.committee.simulating import simulate

    files = files_called(asked.gateway, id_)[1]
    return simulation_json(asked.gateway, simulate(asked.gateway, files, asked.now - REPLAYED, tell, score=score))


def _in_short(tried: list[dict[str, Any]]) -> str:
    waiting = len({one["id"] for one in tried})
    first = f"{plural(waiting, 'draft')} {'waits' if waiting == 1 else 'wait'}"
    told = [
        f"{one['name']} would have brought {plural(one['replay']['draft']['crossed'], 'lead')} to sales in "
        f"{REPLAYED.days} days instead of {number(one['replay']['live']['crossed'])}"
        for one in tried
        if one["replay"]
    ]
    return f"{first}: {'; '.join(told)}." if told else f"{first}."


# -- shown -------------------------------------------------------------------------------------------------------------


def people(asked: Asked, section: Section) -> Iterator[Table]:
    """Whom drafts and overlays would bring or keep back, as they are called today."""
    from gateway.answers.texts import who
    from gateway.store import listing

    kind = {"overlays": "overlays", "proposed": "drafts"}.get(section.name)
    if kind is None or section.data is None:
        return
    for one in section.data[kind]:
        examples = (one["replay"] or {}).get("examples", {})
        rows = [(what, each) for what in NAMED[kind] for each in examples.get(what, ())]
        called = listing.attributes_of(asked.connection, sorted({each["lead"] for _, each in rows}))
        yield Table(
            ("what", "lead", "persona", "when", "live", "without" if kind == "overlays" else "draft"),
            [
                (WORDS[what], who(called.get(each["lead"], {})) or each["lead"][-8:], each["persona"], each["at"][:10],
                 f"{each['live']:g}", f"{each['draft']:g}")
                for what, each in rows
            ],
            f"{one['name']}: examples by name",
            words=4,
        )  # fmt: skip
