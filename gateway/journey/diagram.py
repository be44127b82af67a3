"""The process drawn: as Mermaid text, which many wikis show, and as an SVG that needs nothing. Pure: text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import NamedTuple
from xml.sax.saxutils import escape

from gateway.journey.process import Arrow, Box, Process

STYLES = {"stage": ("#e8f0fa", "#345f8c"), "handoff": ("#fff4d6", "#8a6d1a"), "bucket": ("#e9f5e9", "#3b7a3b")}
"""kind of box → (inside, edge)"""


def mermaid(process: Process) -> str:
    """A flowchart from top to bottom."""
    lines = ["flowchart TD"]
    for box in process.boxes:
        told = "<br/>".join([f"<b>{_quoted(box.title)}</b>", *map(_quoted, box.lines)])
        lines.append(f'  {box.id}["{told}"]:::{box.kind}')
    lines += [f"  {arrow.tail} --> {arrow.head}" for arrow in process.arrows]
    lines += [f"  classDef {kind} fill:{inside},stroke:{edge}" for kind, (inside, edge) in STYLES.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Mermaid's own escapes; a line that begins with a number and a dot would be a list to it."""
    return escape(text).replace('"', "#quot;").replace("[", "#91;").replace("]", "#93;")


# -- svg: stages on the left, what sales owe in the middle, how it ends on the right -----------------------------------

COLUMNS = {"stage": (40, 280), "handoff": (380, 280), "bucket": (720, 250)}
"""kind of box → (left edge, width), in pixels"""
GAP, LINE, PADDING, CHARACTER = 34, 18, 12, 7.4
WIDTH = 1000


class Placed(NamedTuple):
    box: Box
    x: int
    y: int
    width: int
    lines: Sequence[str]

    @property
    def height(self) -> int:
        return 2 * PADDING + LINE * (1 + len(self.lines))

    @property
    def bottom(self) -> int:
        return self.y + self.height


def svg(process: Process, title: str) -> str:
    """``title`` is what screen readers and the top of the page say."""
    placed = _place(process)
    height = max(one.bottom for one in placed.values()) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, sans-serif"'
        f' font-size="13" role="img" aria-label="{escape(title, {chr(34): "&quot;"})}">',
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="#445"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="40" y="30" font-size="18" font-weight="600" fill="#123">{escape(title)}</text>',
    ]
    parts += [_path(arrow, placed, height) for arrow in process.arrows]
    parts += [_box(one) for one in placed.values()]
    return "\n".join([*parts, "</svg>\n"])


def _place(process: Process) -> Mapping[str, Placed]:
    placed: dict[str, Placed] = {}
    heads = {arrow.head: arrow.tail for arrow in process.arrows}
    for kind, (x, width) in COLUMNS.items():
        free = 54
        for box in process.of(kind):
            if kind == "handoff":  # beside the stage that hands over
                free = max(free, placed[heads[box.id]].y)
            elif kind == "bucket" and box is process.of(kind)[0]:
                free = min(placed[other.id].y for other in process.of("handoff"))
            lines = [part for line in box.lines for part in wrap(line, int((width - 2 * PADDING) / CHARACTER))]
            placed[box.id] = Placed(box, x, free, width, lines)
            free = placed[box.id].bottom + GAP
    return placed


def _box(one: Placed) -> str:
    inside, edge = STYLES[one.box.kind]
    shape = f'<rect x="{one.x}" y="{one.y}" width="{one.width}" height="{one.height}" rx="8"'
    parts = [f'{shape} fill="{inside}" stroke="{edge}" stroke-width="1.5"/>']
    for number, line in enumerate([one.box.title, *one.lines]):
        weight = "600" if number == 0 else "400"
        y = one.y + PADDING + LINE * (number + 1) - 5
        parts.append(f'<text x="{one.x + PADDING}" y="{y}" font-weight="{weight}" fill="#123">{escape(line)}</text>')
    return "\n".join(parts)


def _path(arrow: Arrow, placed: Mapping[str, Placed], height: int) -> str:
    tail, head = placed[arrow.tail], placed[arrow.head]
    if tail.x == head.x:  # down to the next stage
        way = f"M{tail.x + tail.width // 2} {tail.bottom}V{head.y}"
    elif tail.x < head.x:
        start, end = tail.y + PADDING + LINE // 2, head.y + PADDING + LINE // 2
        middle = (tail.x + tail.width + head.x) // 2
        way = f"M{tail.x + tail.width} {start}H{middle}V{end}H{head.x}"
    else:  # around everything, back to where leads begin
        way = f"M{tail.x + tail.width // 2} {tail.bottom}V{height - 24}H16V{head.y + PADDING}H{head.x}"
    dashes = ' stroke-dasharray="6 4"' if tail.x > head.x else ""
    return f'<path d="{way}" fill="none" stroke="#445" stroke-width="1.5" marker-end="url(#tip)"{dashes}/>'
