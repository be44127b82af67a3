"""Which channels, campaigns or assets deals are owed to, by several models at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.answers.metrics.asked import Answer, Asked
from gateway.answers.texts import plural
from gateway.durations import duration_in_words
from gateway.errors import Refused
from gateway.metrics.attribution import ASSUMES, Unsold
from gateway.metrics.money import shared_out
from gateway.metrics.report import Behind, Table, without_revenue
from gateway.metrics.unpriced import leads_without, without

if TYPE_CHECKING:
    from gateway.metrics.attribution import Attribution
    from gateway.store.touches import Sale, Won

UNTOUCHED = "(no touch)"


def attribution(asked: Asked, by: str, window: timedelta | None, half_life: timedelta) -> Answer:
    """Share the deals that were won among the touches before them.

    No model is right: they stand side by side, each with what it takes for granted, and each adds up to all deals and
    all revenue. A touch is an activity with a channel (campaign, asset). A deal is one, however many people it has.
    """
    from gateway.metrics.attribution import attribute
    from gateway.store.touches import journeys

    if not half_life or (window is not None and not window):
        raise Refused("a half-life and a window are longer than nothing, such as 30d")
    sold, unsold = asked.won(), Unsold(window)
    found = attribute(journeys(asked.connection, sold, by, unsold), window, half_life, unsold=unsold)
    unpriced = sold.without_revenue()
    data = _json(found, by, asked.currency, window, half_life) | without(unpriced)
    return Answer(
        data,
        _parts(found, data, sold, window),
        _rows(found, by, asked.currency),
        {
            "won": lambda: sold.of_lead,
            "untouched": partial(_untouched, sold, window),
            "after_win": partial(_late, sold),
            **{name: partial(list, theirs) for name, theirs in leads_without(unpriced).items()},
            **{name: partial(_behind, asked, sold, by, name) for name in _names(found)},
        },
        ("deal", "touch", "deal revenue", "anchor", "journeys"),
    )


def _names(found: Attribution) -> list[str]:
    """Every channel (campaign, asset) that earned something under some model."""
    return sorted({name for credited in found.credits.values() for name in credited})


def _behind(asked: Asked, sold: Won, by: str, name: str) -> Sequence[str]:
    """The people of deals that were touched so before they were won; where there are none, all who were touched."""
    from gateway.store.touches import touched

    return [lead for lead, deals in sold.of_lead.items() if any(_earned(one, name) for one in deals)] or touched(
        asked.connection, by, name, asked.until
    )


def _untouched(sold: Won, window: timedelta | None) -> list[str]:
    """The people of deals before which nothing counts."""
    kept = Unsold(window).span
    return [
        lead
        for lead, deals in sold.of_lead.items()
        if not all(any(_counts(one, at, kept) for at, _ in one.touches) for one in deals)
    ]


def _late(sold: Won) -> list[str]:
    """The people of deals that were touched after they were won."""
    return [
        lead
        for lead, deals in sold.of_lead.items()
        if any(at > (one.end or 0) for one in deals for at, _ in one.touches)
    ]


def _counts(sale: Sale, at: int, span: int | None) -> bool:
    end = sale.end or 0
    return at <= end and (span is None or at >= end - span)


def _earned(sale: Sale, name: str) -> bool:
    return any(touched == name and at <= (sale.end or 0) for at, touched in sale.touches)


def _rounded(found: Attribution, model: str, what: str, digits: int) -> dict[str, float]:
    """``deals`` or ``value`` credited to each channel, in so many digits, which add up to all of it."""
    unit = 10**digits
    parts = {name: getattr(one, what) * unit for name, one in found.credits[model].items()}
    whole = round(getattr(found.total, what) * unit)
    return {name: part / unit for name, part in shared_out(parts, whole).items()}


def _rows(found: Attribution, by: str, currency: str) -> Iterator[Sequence[object]]:
    """A row for each model and channel, and for the deals without a touch: a model's rows add up to all deals."""
    yield "model", by, "deals", f"revenue_{currency}"
    for model, credited in found.credits.items():
        deals, value = _rounded(found, model, "deals", 6), _rounded(found, model, "value", 2)
        yield from ((model, name, deals[name], value[name]) for name in credited)
        if (none := found.untouched).deals:
            yield model, UNTOUCHED, round(none.deals, 6), round(none.value, 2)


def _json(found: Attribution, by: str, currency: str, window: timedelta | None, half_life: timedelta) -> dict[str, Any]:
    words = {"by": by, "half_life": duration_in_words(half_life)}
    deals, value = ({one: _rounded(found, one, *shown) for one in ASSUMES} for shown in (("deals", 6), ("value", 2)))
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
        "models": [
            {
                "model": model,
                "assumes": ASSUMES[model].format(**words),
                "credits": [
                    {by: name, "deals": deals[model][name], "revenue": value[model][name]} for name in credited
                ],
            }
            for model, credited in found.credits.items()
        ],
    }


def _parts(found: Attribution, data: Mapping[str, Any], sold: Won, window: timedelta | None) -> Iterator[str | Table]:
    by, currency = data["by"], data["currency"]
    priced = any(one.cents for one in sold.journeys)
    whole = plural(round(found.total.deals), "deal")
    whole += f" of {found.total.value:,.2f} {currency}" if priced else ""
    within = f" within {duration_in_words(window)} before them" if window is not None else ""
    yield f"{whole} had a touch with {'an' if by == 'asset' else 'a'} {by}{within}"
    if found.untouched.deals:
        of = f" of {found.untouched.value:,.2f} {currency}" if priced else ""
        yield f"{plural(round(found.untouched.deals), 'deal')}{of} had none"
    if not priced and sold.journeys and not data["without_rate"]:
        yield "no deal has an amount: nothing is said of revenue"
    yield from without_revenue(data)
    if found.after_win:
        late = plural(found.after_win, "touch", "touches")
        yield f"{late} after a deal was won: left out, for they cannot have earned it"
    if found.outside_window:
        yield f"{plural(found.outside_window, 'touch', 'touches')} outside the window: left out"
    if not found.total.deals:
        return
    names = _names(found)
    for title, what, digits in ((f"revenue in {currency}", "value", 0), ("deals", "deals", 1))[not priced :]:
        shown = [_rounded(found, model, what, digits) for model in found.credits]
        numbers = {name: [credited.get(name, 0.0) for credited in shown] for name in names}
        order = sorted(names, key=lambda name: (-sum(numbers[name]), name))
        rows: list[tuple[str, ...]] = [
            (Behind(name, name), *(f"{one:,.{digits}f}" for one in numbers[name])) for name in order
        ]
        rows.append(("in all", *(f"{sum(credited.values()):,.{digits}f}" for credited in shown)))
        yield Table((by, *found.credits), rows, title)
    alone = sorted(found.credits["markov"].keys() - found.credits["linear"].keys())
    if alone:
        why = "by who was touched so and did not buy, but went on like those who did; its leads are those"
        yield f"only markov credits {', '.join(alone)}: {why}"
    for one in data["models"]:
        yield f"{one['model']}: {one['assumes']}"
