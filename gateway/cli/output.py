"""How commands speak: tables for people, JSON for programs, progress bars while somebody watches.

Values of leads are untrusted text: control characters are shown, never sent to the terminal.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show at most N."
)
go_option = click.option("--go", is_flag=True, help="Do it; without, it is only said what would be done.")
by_option = click.option(
    "--by", default=getpass.getuser, metavar="NAME", help="Who decides; default: your name on this machine."
)
LEAST = 14
"""Characters below which a column of words is not squeezed."""
LONGEST = 120
"""Characters of a value that a table on a terminal shows, but for the last column's."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
# Control characters, and those that turn the direction of text around.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def say(text: str = "", err: bool = False) -> None:
    """One line for people. A closed pipe or a terminal without UTF-8 is no error."""
    click.echo(_UNSAFE.sub(_escaped, text), err=err)


def say_under(text: str, hang: int) -> None:
    """A line that a narrow terminal shows wrapped, its further lines ``hang`` characters in."""
    text = _UNSAFE.sub(_escaped, text)
    space = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if len(text) <= space or space < 2 * hang:
        click.echo(text)
        return
    for line in textwrap.wrap(text, space, subsequent_indent=" " * hang, break_on_hyphens=False):
        click.echo(line)


def say_json(data: Any) -> None:
    import orjson

    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], right: Collection[str] = (), indent: int = 0
) -> None:
    """A table as wide as the terminal, else aligned plain text; nothing without rows. ``right``: columns of numbers.

    On a terminal too narrow for the table each row is two lines or more: nothing is cut, an id least of all. What is
    piped away is cut nowhere.
    """
    cells = [list(map(shown, row)) for row in rows]
    if not cells:
        return
    if sys.stdout.isatty():
        cells = [[*map(_cut, row[:-1]), row[-1]] for row in cells]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if sys.stdout.isatty():
        space = shutil.get_terminal_size().columns - indent
        least = [
            width if _whole([row[place] for row in cells]) else min(width, LEAST) for place, width in enumerate(widths)
        ]
        if sum(least) + 2 * (len(least) - 1) <= space:
            _rich_table(columns, cells, right, indent, least)
        else:
            _stacked(columns, cells, indent, space)
        return
    for row in [[name.upper() for name in columns], *cells]:
        line = "  ".join(  # one endless value stands out of its column, and moves no other row's
            cell.rjust(min(width, LONGEST)) if name in right else cell.ljust(min(width, LONGEST))
            for name, cell, width in zip(columns, row, widths, strict=True)
        )
        click.echo(" " * indent + line.rstrip())


def _cut(text: str) -> str:
    """One endless value must not make a table unreadable; --json has it whole."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _whole(cells: Sequence[str]) -> bool:
    """Ids and times are of use only in one piece: columns of words make room for them."""
    return all(len(cell) <= 36 and (" " not in cell or _TIME.fullmatch(cell)) for cell in cells)


def _rich_table(
    columns: Sequence[str], cells: Sequence[Sequence[str]], right: Collection[str], indent: int, least: Sequence[int]
) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        whole = _whole([row[place] for row in cells])
        side: Literal["left", "right"] = "right" if name in right else "left"
        made.add_column(name, justify=side, overflow="fold", no_wrap=whole, min_width=least[place])
    for row in cells:
        made.add_row(*map(Text, row))
    Console().print(Padding(made, (0, 0, 0, indent), expand=False))


def _stacked(columns: Sequence[str], cells: Sequence[Sequence[str]], indent: int, space: int) -> None:
    """Each row for itself: the first two values, then the others with their names."""
    for row in cells:
        others = " · ".join(
            f"{name}: {cell}" if name else cell for name, cell in zip(columns[2:], row[2:], strict=True) if cell
        )
        first = "  ".join(row[:2]).rstrip()
        click.echo(" " * indent + (first if len(first) <= space else f"{first[: space - 1]}…"))
        for line in textwrap.wrap(others, max(space - 4, 20), break_on_hyphens=False):
            click.echo(f"{' ' * indent}    {line}")


def shown(value: object) -> str:
    """A value as people read it, in one line: 1234 → ``1,234``, true → ``yes``, nothing → an empty text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(shown(one) for one in value)
    return _UNSAFE.sub(_escaped, str(value))


def plain(value: object) -> str:
    """Like ``shown``, for values of leads: 2026 may be a year, so digits stay as they are."""
    if isinstance(value, (list, tuple)):
        return ", ".join(map(plain, value))
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else shown(value)


def raw(value: object) -> str:
    """A system's own value, so that ``"1"`` and ``1`` and blank can be told apart."""
    return (
        "(blank)" if value is None else shown(value) if isinstance(value, str) else _UNSAFE.sub(_escaped, repr(value))
    )


def points(hundredths: int | None) -> float | None:
    """Hundredths as points, for JSON and tables: 6250 → 62.5."""
    return None if hundredths is None else hundredths / 100


def iso(micros: int | None) -> str | None:
    """Microseconds as JSON has times: ``2026-11-01T09:30:00Z``."""
    return None if micros is None else iso_time(_at(micros))


def iso_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def moment(micros: int | None, zone: ZoneInfo) -> str:
    """Microseconds as people read a time, in the instance's zone: ``2026-11-01 10:30:00``."""
    return "" if micros is None else f"{_at(micros).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def plural(count: int, one: str, many: str = "") -> str:
    """``(1, "lead")`` → ``1 lead``; ``(2000, "lead")`` → ``2,000 leads``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@contextlib.contextmanager
def progress(title: str, total: int | None = None, bytes: bool = False) -> Iterator[Callable[[int], None]]:
    """Gives a function that is told how far the work has come (absolute); draws only where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def _at(micros: int) -> datetime:
    from gateway.times import from_micros

    return from_micros(micros)


def _escaped(match: re.Match[str]) -> str:
    if match[0] == "\n":  # texts of several lines are ordinary
        return " ⏎ "
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
