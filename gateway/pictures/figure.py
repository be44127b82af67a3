"""A figure as plotly takes it, ``{"data": …, "layout": …}``: titled, its axes named with their units, light, readable.

In: names and numbers. Out: plain data; whoever shows it brings plotly's script. Nothing here imports plotly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

Figure = dict[str, Any]
Number = float | int | None
BLUE, ORANGE, GREEN, PURPLE, GREY = "#2f6db5", "#e08a2c", "#3f8f63", "#8a5fa8", "#8b96a3"
BLACK, ROSE = "#1c2530", "#d4618c"
"""Told apart by people who see no red or green, and in print."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY, BLACK, ROSE)
FULL = "#94bbe6"
"""The darkest field of a grid: dark words can be read in every one."""
MOST = 20
"""So many bars are drawn; tables have all."""
LONGEST = 60
"""Characters of a name beside its bar."""
ENDING = 25
"""Of them so many are its last, where it is longer."""
_FONT = "system-ui, sans-serif"


def label(name: Any) -> str:
    """A name as an axis shows it: no markup, not endless, never empty. Long names mostly differ at their ends, so it
    is the middle that is left out."""
    text = "(none)" if name in (None, "") else str(name)
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - ENDING - 1]}…{text[-ENDING:]}", quote=False)


def bars(
    title: str,
    names: Sequence[Any],
    series: Mapping[str, Sequence[Number]],
    unit: str,
    what: str = "",
    *,
    texts: Mapping[str, Sequence[str]] | None = None,
    stacked: bool = False,
    share: bool = False,
    grey: str = "",
) -> Figure:
    """A bar for each name and series, lying, the first name on top.

    :param unit: of the numbers: the axis's title. :param what: the names are. :param texts: what stands at the bars.
    :param stacked: behind each other, not below. :param share: of 1.
    :param grey: the series that is nothing in particular.
    """
    kept = len(names) if len(names) <= MOST else MOST
    shown = _distinct([label(name) for name in names[:kept]])
    data = []
    for place, (name, numbers) in enumerate(series.items()):
        colour = GREY if name == grey else COLOURS[place % len(COLOURS)]
        trace: dict[str, Any] = {
            "type": "bar", "orientation": "h", "name": label(name), "y": shown, "x": list(numbers[:kept]),
            "marker": {"color": colour},
            "hovertemplate": f"%{{y}}: %{{x{':.1%' if share else ''}}}<extra>{label(name)}</extra>",
        }  # fmt: skip
        if texts and name in texts:
            trace |= {"text": [escape(text, quote=False) for text in texts[name][:kept]], "textposition": "auto"}
        data.append(trace)
    more = f" (the first {MOST} of {len(names):,})" if kept < len(names) else ""
    rows = kept * (1 if stacked else max(len(series), 1))
    layout = _layout(title + more, 130 + 22 * rows + 10 * kept, legend=len(series) > 1)
    layout |= {
        "barmode": "relative" if stacked else "group",
        "bargap": 0.25,
        "xaxis": _axis(unit, share),
        "yaxis": _axis(what) | {"autorange": "reversed", "type": "category"},
    }
    # Plotly draws the series of one name upwards; the legend reads downwards, and so do people.
    layout["legend"]["traceorder"] = "normal"
    return {"data": data, "layout": layout}


def lines(
    title: str, names: Sequence[Any], series: Mapping[str, Sequence[Number]], unit: str, *, pale: Sequence[bool] = ()
) -> Figure:
    """A line for each series over names in their order, such as months. ``pale``: names whose points are hollow."""
    shown = _distinct([label(name) for name in names])
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": label(name), "x": shown, "y": list(numbers),
            "line": {"color": COLOURS[place % len(COLOURS)], "width": 2.5},
            "marker": {"size": 8, "symbol": ["circle-open" if one else "circle" for one in pale] or "circle"},
        }
        for place, (name, numbers) in enumerate(series.items())
    ]  # fmt: skip
    layout = _layout(title, 380, legend=len(series) > 1)
    layout |= {"xaxis": _axis("") | {"type": "category"}, "yaxis": _axis(unit) | {"rangemode": "tozero"}}
    return {"data": data, "layout": layout}


def ranges(title: str, names: Sequence[Any], points: Sequence[tuple[Number, Number, Number]], unit: str) -> Figure:
    """A point with what it may as well be: (low, value, high) for each name, shares of 1."""
    known = [(label(name), *one) for name, one in zip(names, points, strict=True) if None not in one]
    trace = {
        "type": "scatter", "mode": "markers", "y": _distinct([name for name, *_ in known]),
        "x": [value for _, _, value, _ in known], "marker": {"color": BLUE, "size": 10},
        "error_x": {
            "type": "data", "symmetric": False, "color": GREY, "thickness": 2, "width": 6,
            "array": [high - value for _, _, value, high in known if high is not None and value is not None],
            "arrayminus": [value - low for _, low, value, _ in known if low is not None and value is not None],
        },
    }  # fmt: skip
    layout = _layout(title, 130 + 40 * len(known), legend=False)
    layout |= {
        "xaxis": _axis(unit, share=True) | {"rangemode": "tozero"},
        "yaxis": _axis("") | {"autorange": "reversed", "type": "category"},
    }
    return {"data": [trace], "layout": layout}


def grid(
    title: str, rows: Sequence[Any], columns: Sequence[str], cells: Sequence[Sequence[float]], unit: str, what: str
) -> Figure:
    """A field for each row and column, darker where there is more; its share of 1 stands in it."""
    kept = list(rows[:MOST])
    trace = {
        "type": "heatmap", "x": list(columns), "y": _distinct([label(row) for row in kept]), "z": cells[:MOST],
        "texttemplate": "%{z:.0%}", "colorscale": [[0, "#f4f7fb"], [1, FULL]], "zmin": 0, "showscale": False,
        "hovertemplate": "%{y}, %{x}: %{z:.1%}<extra></extra>", "xgap": 2, "ygap": 2,
    }  # fmt: skip
    more = f" (the first {MOST} of {len(rows):,})" if len(kept) < len(rows) else ""
    layout = _layout(title + more, 150 + 34 * len(kept), legend=False)
    layout |= {
        "xaxis": _axis(unit) | {"side": "bottom", "showgrid": False},
        "yaxis": _axis(what) | {"autorange": "reversed", "type": "category", "showgrid": False},
    }
    return {"data": [trace], "layout": layout}


def linked(figure: Figure, *numbers: Sequence[str]) -> Figure:
    """The same, with the number (as an ``Answer`` names it) behind each bar or point: a sequence for each series."""
    return figure | {"numbers": [list(one) for one in numbers]}


def _layout(title: str, height: int, legend: bool) -> dict[str, Any]:
    return {
        "title": {"text": escape(title, quote=False), "x": 0, "xanchor": "left", "font": {"size": 17}},
        "height": height,
        "font": {"family": _FONT, "size": 13, "color": "#1c2530"},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 20, "r": 20, "t": 90 if legend else 60, "b": 55},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1, "yanchor": "bottom"},
    }


def _axis(title: str, share: bool = False) -> dict[str, Any]:
    return {
        "title": {"text": escape(title, quote=False), "standoff": 14},
        "automargin": True,
        "ticks": "outside",
        "ticklen": 6,
        "tickcolor": "rgba(0,0,0,0)",
        "gridcolor": "#e8ecf1",
        "zerolinecolor": "#b9c2cc",
        "tickformat": ".0%" if share else "",
        "separatethousands": not share,
    }


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that became alike when they were cut stay apart: an axis would draw them at one place."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
