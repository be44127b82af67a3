"""One HTML page, light and self-contained: figures, the same lines and tables as on the terminal, and definitions.

Plotly's script stands in the page itself, once, so that it is read without a network, mailed and printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import takewhile

from gateway.metrics.report import Table
from gateway.pictures.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2530 }
h1 { font-size: 1.4rem } p { margin: 0.3rem 0 } figure { margin: 1.5rem 0; break-inside: avoid }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: 0.25rem 0.8rem; border-bottom: 1px solid #dde3ea }
th, td { text-align: right; vertical-align: top } .word { text-align: left } th { font-weight: 600 }
caption { font-weight: 600; text-align: left }
dt { font-weight: 600; margin-top: 0.5rem } dd { margin: 0 }
"""


def page(
    title: str,
    parts: Iterable[str | Table],
    figures: Sequence[Figure] = (),
    definitions: Mapping[str, str] | None = None,
) -> str:
    """The whole page as text: the lines before the first table, the figures, the rest, what the numbers mean.

    :param parts: lines and tables in their order. :param definitions: name → what it means.
    """
    parts = list(parts)
    opening = list(takewhile(lambda part: isinstance(part, str), parts))
    body = [
        *map(_part, opening), *_drawn(figures), *map(_part, parts[len(opening) :]), *_meanings(definitions or {}),
    ]  # fmt: skip
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    whole = "\n".join(["<body>", f"<h1>{escape(title)}</h1>", *body, "</body>"])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{whole}</html>\n'


def _drawn(figures: Sequence[Figure]) -> Iterator[str]:
    if not figures:
        return
    import orjson
    from plotly.offline import get_plotlyjs

    yield f"<script>{get_plotlyjs()}</script>"
    for place, figure in enumerate(figures, start=1):
        # Names are other people's words: no script ends early because one of them says so.
        data = orjson.dumps(figure).decode().replace("<", "\\u003c")
        height = figure["layout"]["height"]
        yield f'<figure><div id="figure-{place}" style="height:{height}px"></div></figure>'
        yield f"<script>{{const one = {data}, how = {{displayModeBar: false, responsive: true}};"
        yield f'Plotly.newPlot("figure-{place}", one.data, one.layout, how)}}</script>'


def _part(part: str | Table) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    if not part.rows:
        return ""
    title = f"<caption>{escape(part.title)}</caption>" if part.title else ""
    head = "".join(_cells("th", part.columns, part.words))
    rows = "\n".join(f"<tr>{''.join(_cells('td', row, part.words))}</tr>" for row in part.rows)
    return f'<div class="wide"><table>{title}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div>'


def _cells(tag: str, cells: Sequence[str], words: int) -> Iterator[str]:
    for place, cell in enumerate(cells):
        yield f"<{tag}{' class=word' if place < words else ''}>{escape(cell)}</{tag}>"


def _meanings(definitions: Mapping[str, str]) -> Iterator[str]:
    if definitions:
        yield "<dl>"
        for name, words in definitions.items():
            yield f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>"
        yield "</dl>"
