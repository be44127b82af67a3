"""One HTML page, light and self-contained: figures, the same lines and tables as on the terminal, and definitions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from gateway.metrics.report import Table

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2530 }
h1 { font-size: 1.4rem } p { margin: 0.3rem 0 }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: 0.25rem 0.8rem; border-bottom: 1px solid #dde3ea }
th, td { text-align: right } th:first-child, td:first-child { text-align: left } th { font-weight: 600 }
caption { font-weight: 600; text-align: left }
dt { font-weight: 600; margin-top: 0.5rem } dd { margin: 0 }
"""


def page(
    title: str, parts: Iterable[str | Table], figures: Sequence[Any] = (), definitions: Mapping[str, str] | None = None
) -> str:
    """The whole page as text. ``parts``: lines and tables in their order; ``definitions``: name → what it means."""
    body = "\n".join([*figures, *(_part(part) for part in parts), *_meanings(definitions or {})])
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    body = f"<body>\n<h1>{escape(title)}</h1>\n{body}\n</body>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{body}</html>\n'


def _part(part: str | Table) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    if not part.rows:
        return ""
    title = f"<caption>{escape(part.title)}</caption>" if part.title else ""
    head = "".join(f"<th>{escape(name)}</th>" for name in part.columns)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in part.rows)
    return f"<table>{title}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"


def _meanings(definitions: Mapping[str, str]) -> Iterator[str]:
    if definitions:
        yield "<dl>"
        for name, words in definitions.items():
            yield f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>"
        yield "</dl>"
