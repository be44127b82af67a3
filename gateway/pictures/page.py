"""One HTML page, light and self-contained: figures, the same lines and tables as on the terminal, and definitions.

Plotly's script stands in the page itself, once, so that it is read without a network, mailed and printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count, takewhile

from gateway.metrics.report import Table
from gateway.pictures.figure import Figure

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2530 }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin: 2.2rem 0 0.4rem; break-after: avoid }
p { margin: 0.3rem 0 } figure { margin: 1.5rem 0; break-inside: avoid }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: 0.25rem 0.8rem; border-bottom: 1px solid #dde3ea }
th, td { text-align: right; vertical-align: top; white-space: pre-line }
.word { text-align: left } th { font-weight: 600 }
caption { font-weight: 600; text-align: left }
dt { font-weight: 600; margin-top: 0.5rem } dd { margin: 0 }
tr { break-inside: avoid }
@media print { body { margin: 0; max-width: none; font-size: 11px } .wide { overflow: visible } }
"""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A page's part with a title: ``parts`` are lines and tables in their order; the first lines stand above the
    figures."""

    parts: Sequence[str | Table]
    figures: Sequence[Figure] = ()
    title: str = ""


def page(
    title: str,
    parts: Iterable[str | Table],
    figures: Sequence[Figure] = (),
    definitions: Mapping[str, str] | None = None,
) -> str:
    """The whole page as text: the lines before the first table, the figures, the rest, what the numbers mean.

    :param parts: lines and tables in their order. :param definitions: name → what it means.
    """
    return pages(title, [Chapter(list(parts), figures)], definitions)


def pages(title: str, chapters: Sequence[Chapter], definitions: Mapping[str, str] | None = None) -> str:
    """One page of several chapters."""
    body = [*_script(chapters), *_chapters(chapters), *_meanings(definitions or {})]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    whole = "\n".join(["<body>", f"<h1>{escape(title)}</h1>", *body, "</body>"])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n{whole}</html>\n'


def _script(chapters: Sequence[Chapter]) -> Iterator[str]:
    if any(one.figures for one in chapters):
        from plotly.offline import get_plotlyjs

        yield f"<script>{get_plotlyjs()}</script>"


def _chapters(chapters: Sequence[Chapter]) -> Iterator[str]:
    places = count(1)
    for one in chapters:
        opening = list(takewhile(lambda part: isinstance(part, str), one.parts))
        yield f"<section>{f'<h2>{escape(one.title)}</h2>' if one.title else ''}"
        yield from map(_part, opening)
        yield from (_drawn(figure, next(places)) for figure in one.figures)
        yield from map(_part, one.parts[len(opening) :])
        yield "</section>"


def _drawn(figure: Figure, place: int) -> str:
    import orjson

    # Names are other people's words: no script ends early because one of them says so.
    data = orjson.dumps(figure).decode().replace("<", "\\u003c")
    return (
        f'<figure><div id="figure-{place}" style="height:{figure["layout"]["height"]}px"></div></figure>\n'
        f"<script>{{const one = {data}, how = {{displayModeBar: false, responsive: true}};"
        f'Plotly.newPlot("figure-{place}", one.data, one.layout, how)}}</script>'
    )


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
