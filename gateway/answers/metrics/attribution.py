"""Which channels, campaigns or assets deals are owed to, by several models at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.texts import plural
from gateway.durations import duration_in_words
from gateway.errors import Refused
from gateway.metrics.attribution import ASSUMES
from gateway.metrics.report import Behind, Table, without_rate

if TYPE_CHECKING:
    from gateway.metrics.attribution import Attribution
    from gateway.store.touches import Won

UNTOUCHED = "(no touch)"


def attribution(asked: Asked, by: str, window: timedelta | None, half_life: timedelta) -> Answer:
    """Share the deals that were won among the touches before them.

    No model is right: they stand side by side, each with what it takes for granted, and each adds up to all deals and
    all revenue. A touch is an activity with a channel (campaign, asset). A deal is one, however many people it has.
    """
    from gateway.metrics.attribution import Unsold, attribute
    from gateway.store.touches import journeys

    if not half_life or (window is not None and not window):
        raise Refused("a half-life and a window are longer than nothing, such as 30d")
    sold, unsold = asked.won(), Unsold(window)
    found = attribute(journeys(asked.connection, sold, by, unsold), window, half_life, unsold=unsold)
    return Answer(
        _json(found, sold, by, asked.currency, window, half_life),
        _parts(found, sold, by, asked.currency, window),
        _rows(found, by, asked.currency),
        {"won": lambda: sold.of_lead} | {name: partial(_behind, sold, name) for name in _names(found)},
    )


def _names(found: Attribution) -> list[str]:
    """Every channel (campaign, asset) that earned something under some model."""
    return sorted({name for credited in found.credits.values() for name in credited})


def _behind(sold: Won, name: str) -> list[str]:
    """The people of deals that were touched so before they were won."""
    return [
        lead
        for lead, deals in sold.of_lead.items()
        if any(touched == name and at <= (one.won_at or 0) for one in deals for at, touched in one.touches)
    ]


def _rows(found: Attribution, by: str, currency: str) -> Iterator[Sequence[object]]:
    """A row for each model and channel, and for the deals without a touch: a model's rows add up to all deals."""
    yield "model", by, "deals", f"revenue_{currency}"
    for model, credited in found.credits.items():
        untouched = {UNTOUCHED: found.untouched} if found.untouched.deals else {}
        yield from (
            (model, name, round(one.deals, 6), round(one.value, 2)) for name, one in ({**credited, **untouched}).items()
        )


def _json(
    found: Attribution, sold: Won, by: str, currency: str, window: timedelta | None, half_life: timedelta
) -> dict[str, Any]:
    return {
        "by": by,
        "currency": currency,
        "window_days": window.total_seconds() / 86_400 if window is not None else None,
        "half_life_days": half_life.total_seconds() / 86_400,
        "deals": found.total.deals,
        "revenue": round(found.total.value, 2),
        "untouched": {"deals": found.untouched.deals, "revenue": round(found.untouched.value, 2)},
        "journeys": found.journeys,
        "left_out": {"after_win": found.after_win, "outside_window": found.outside_window},
        "without_rate": dict(sold.foreign),
        "models": [
            {
                "model": model,
                "assumes": ASSUMES[model],
                "credits": [
                    {by: name, "deals": round(one.deals, 6), "revenue": round(one.value, 2)}
                    for name, one in credited.items()
                ],
            }
            for model, credited in found.credits.items()
        ],
    }


def _parts(found: Attribution, sold: Won, by: str, currency: str, window: timedelta | None) -> Iterator[str | Table]:
    priced = any(one.cents for one in sold.journeys)
    whole = plural(round(found.total.deals), "deal")
    whole += f" of {found.total.value:,.2f} {currency}" if priced else ""
    within = f" within {duration_in_words(window)} before them" if window is not None else ""
    yield f"{whole} had a touch with a {by}{within}"
    if found.untouched.deals:
        of = f" of {found.untouched.value:,.2f} {currency}" if priced else ""
        yield f"{plural(round(found.untouched.deals), 'deal')}{of} had none"
    if not priced and sold.journeys and not sold.foreign:
        yield "no deal has an amount: nothing is said of revenue"
    yield from without_rate(sold.foreign, currency)
    if found.after_win:
        late = plural(found.after_win, "touch", "touches")
        yield f"{late} after a deal was won: left out, for they cannot have earned it"
    if found.outside_window:
        yield f"{plural(found.outside_window, 'touch', 'touches')} outside the window: left out"
    if not found.total.deals:
        return
    names = _names(found)
    for title, what in ((f"revenue in {currency}", "value"), ("deals", "deals"))[not priced :]:
        numbers = {
            name: [getattr(credited[name], what) if name in credited else 0.0 for credited in found.credits.values()]
            for name in names
        }
        order = sorted(names, key=lambda name: (-sum(numbers[name]), name))
        digits = ",.0f" if what == "value" else ",.1f"
        rows = [(Behind(name, name), *(f"{one:{digits}}" for one in numbers[name])) for name in order]
        yield Table((by, *found.credits), rows, title)
    for model in found.credits:
        yield f"{model}: {ASSUMES[model]}"
