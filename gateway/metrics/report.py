"""The funnel for people: rich tables with percentages. In: the JSON of ``funnel``. Out: what a console prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text


def report(data: Mapping[str, Any], by: str | None = None) -> RenderableType:
    """``console.print(report(funnel(...), "origin"))``; empty parts are left out."""
    parts: list[RenderableType] = [f"{number(data['entered'])} leads entered", _stages(data["stages"])]
    if data["outcomes"]:
        parts.append(_counted("outcome", data["outcomes"]))
    if data["excluded"]:
        parts.append(_counted("reason", data["excluded"], "never handed over"))
    if data["groups"]:
        parts.append(_groups(data["groups"], by or "value"))
    parts += [Text(_note(note)) for note in data["notes"]]
    return Group(*parts)


def number(count: int) -> str:
    """``13087`` → ``13,087``."""
    return f"{count:,}"


def percent(share: float | None) -> str:
    """``0.10525`` → ``10.525 %``: three digits, because one lead in 8,000 should still be seen. None → empty."""
    return "" if share is None else f"{share * 100:.3f}".rstrip("0").rstrip(".") + " %"


def _stages(stages: Sequence[Mapping[str, Any]]) -> Table:
    table = Table("stage", _right("leads"), _right("of the stage before"))
    for stage in stages:
        table.add_row(stage["stage"], number(stage["count"]), percent(stage["conversion"]))
    return table


def _counted(key: str, rows: Sequence[Mapping[str, Any]], title: str = "") -> Table:
    table = Table(title or key, _right("leads"))
    for row in rows:
        table.add_row(Text(str(row[key])), number(row["count"]))
    return table


def _groups(groups: Sequence[Mapping[str, Any]], by: str) -> Table:
    table = Table(Column(Text(by)))
    for stage in groups[0]["stages"]:
        table.add_column(stage["stage"], justify="right")
        if stage is not groups[0]["stages"][0]:
            table.add_column("", justify="right")
    for group in groups:
        cells: list[RenderableType] = [_value(group["value"])]
        for position, stage in enumerate(group["stages"]):
            cells.append(number(stage["count"]))
            if position:
                cells.append(percent(stage["conversion"]))
        table.add_row(*cells)
    return table


def _value(value: Any) -> Text:
    if value is None:
        return Text("(none)", style="dim")
    return Text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _note(note: Mapping[str, Any]) -> str:
    count, leads = note["count"], note["leads"]
    named = ", ".join(leads[:10]) + (f" and {number(count - 10)} more" if count > 10 else "")
    what = {"won_before_entry": "won before they became known"}.get(note["kind"], note["kind"])
    return f"{number(count)} {'lead' if count == 1 else 'leads'} {what}: {named}"


def _right(header: str) -> Column:
    return Column(header, justify="right")
