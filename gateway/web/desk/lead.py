"""One lead: why it has its points, what its records say side by side, and what happened from its entry on."""

from __future__ import annotations

from typing import Any

from flask import redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from gateway import past
from gateway.answers import texts
from gateway.answers.handoff import ended_as, state_words
from gateway.answers.lead import Known, decided_by, known_of
from gateway.answers.work import in_words
from gateway.errors import GatewayError, NotFound
from gateway.journey.progress import held_of
from gateway.journey.words import FORGOTTEN
from gateway.times import to_micros
from gateway.web.desk.handoffs import disposing
from gateway.web.desk.moves import moves, picture
from gateway.web.desk.page import Desk, page

LATEST = 100


@page("/leads/<id_>")
def lead(desk: Desk, id_: str) -> ResponseReturnValue:
    """By its id or any key of its own; who was merged into another is shown as the other."""
    gateway = desk.gateway
    found = gateway.find_lead(id_)
    if found != id_:
        return redirect(url_for("desk.lead", id_=found))
    known, score = known_of(gateway, found), request.args.get("score", "")
    score = score if score in gateway.model.others else ""
    if known.lead.erased_at is not None:
        raise NotFound(FORGOTTEN)
    try:
        explained = past.explain_now(gateway, found, score)
        why = ""
    except GatewayError as exc:
        explained, why = None, str(exc)
    everything = request.args.get("all") == "1"
    entries = known.timeline if everything else known.timeline[-LATEST:]
    held = held_of(known.lead)
    moved, now = moves(desk, found, known.lead.version, score), gateway.now().astimezone(gateway.instance.zone)
    points = moved.value or ()
    needed = [stage.threshold(known.lead.persona) for stage in gateway.model.journey.stages if stage.score == score]
    handoffs = list(reversed(known.more["handoffs"]))
    for row in handoffs:
        row["words"], row["ended"] = state_words(row), ended_as(row)  # type: ignore[index]
    return render_template(
        "desk/lead.html",
        known=known,
        lead=known.lead,
        explained=explained,
        bars=_bars(explained.score.contributions) if explained is not None else (),
        why=why,
        rolled_at=to_micros(explained.rolled_at) if explained is not None and explained.rolled_at else None,
        score=score,
        scores=gateway.model.score_names,
        others=gateway.model.others,
        moves=moved,
        points=[(to_micros(one.at), one) for one in points],
        drawn=picture(points, now, [one for one in needed if one is not None]),
        causes=past.CAUSES,
        entries=list(reversed(entries)),
        left=len(known.timeline) - len(entries),
        sides=_sides(desk, known),
        held=held,
        held_until=to_micros(held.until) if held is not None and held.until is not None else None,
        handoffs=handoffs,
        items=[row | {"words": in_words(row["kind"], row["detail"])} for row in map(dict, known.more["work"])],
        **disposing(desk),
    )


def _bars(contributions: Any) -> list[dict[str, Any]]:
    """A waterfall: where each contribution begins and how wide it is, in percent of the widest reach."""
    at, low, high, steps = 0, 0, 1, []
    for one in contributions:
        begin, at = at, at + one.hundredths
        low, high = min(low, begin, at), max(high, begin, at)
        steps.append((one, min(begin, at), abs(one.hundredths)))
    whole = high - low
    return [
        {
            "axis": one.axis,
            "rule": one.rule,
            "reason": one.reason,
            "points": one.hundredths,
            "x": round(100 * (begin - low) / whole, 2),
            "width": max(round(100 * width / whole, 2), 0.4),
        }
        for one, begin, width in steps
    ]


def _sides(desk: Desk, known: Known) -> list[dict[str, Any]]:
    """Each field of the lead: what it is here, and what every record that takes part in it holds."""
    joining = desk.gateway.model.joining
    records = [one for one in known.lead.records.values() if one.known and not one.gone]
    rows: list[dict[str, Any]] = []
    for name in sorted(known.lead.attributes.keys() | {
        rule.to for one in records for rule in joining.inbound(one.system, one.object).values()
    }):  # fmt: skip
        cells, said = [], []
        value, (at, system) = known.lead.attributes.get(name), known.origin.get(name, (None, ""))
        for one in records:
            rules = {field: rule for field, rule in joining.inbound(one.system, one.object).items() if rule.to == name}
            spoken = [(rule, one.snapshot[field][0]) for field, rule in rules.items() if field in one.snapshot]
            said += [(one.system, rule) for rule, raw in spoken if raw is not None or rule.blank == "clear"]
            if not spoken:
                cells.append(("", False) if rules else None)
                continue
            rule, raw = spoken[0]
            cells.append((raw, _differs(rule, raw, value) and (value is not None or system != one.system)))
        rows.append({
            "field": name, "value": value, "system": system, "at": at, "cells": cells,
            "because": decided_by(name, system, said),
        })  # fmt: skip
    return rows


def _differs(rule: Any, raw: Any, value: Any) -> bool:
    """Whether it means something else than what counts here: a mapped word, or another way to write it, does not."""
    try:
        return texts.plain(rule.load(raw)) != texts.plain(value)
    except (ValueError, ValidationError):
        return True  # nobody here understands it
