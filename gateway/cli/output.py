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
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol

import click

from gateway.answers.texts import printable, shown
from gateway.errors import GatewayError

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
limit_option = click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show at most N."
)
go_option = click.option("--go", is_flag=True, help="Do it; without, it is only said what would be done.")


def _somebody(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not value.strip() or printable(value) != value:
        raise click.BadParameter("a name that people can read, please")
    return value.strip()


by_option = click.option(
    "--by",
    default=getpass.getuser,
    metavar="NAME",
    callback=_somebody,
    help="Who decides; default: your name on this machine.",
)
SHOWN = 100
"""Ids that a dry run names."""
LEAST = 14
"""Characters below which a column of words is not squeezed."""
LONGEST = 120
"""Characters of a value that a table on a terminal shows, but for the last column's."""


class Tell(Protocol):
    """``done``: how far the work has come; ``of``: of how much, where that is not known before."""

    def __call__(self, done: int, of: int | None = None) -> None: ...


_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def say(text: str = "", err: bool = False) -> None:
    """One line for people. A closed pipe or a terminal without UTF-8 is no error."""
    click.echo(printable(text), err=err)


def say_under(text: str, hang: int) -> None:
    """A line that a narrow terminal shows wrapped, its further lines ``hang`` characters in."""
    text = printable(text)
    space = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if len(text) <= space or space < 2 * hang:
        click.echo(text)
        return
    for line in textwrap.wrap(text, space, subsequent_indent=" " * hang, break_on_hyphens=False):
        click.echo(line)


def say_json(data: Any) -> None:
    import orjson

    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode())


def say_ids(ids: Sequence[str]) -> None:
    """What a dry run would take on; there may be as many as a system had no time for in a night."""
    for one in ids[:SHOWN]:
        say(f"  {one}")
    if len(ids) > SHOWN:
        say(f"  and {len(ids) - SHOWN:,} more (--json names all)")


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


@contextlib.contextmanager
def told_when_stopped(left: str) -> Iterator[None]:
    """Around work that Ctrl-C may end: ``left`` says what was and what was not done then."""
    try:
        yield
    except KeyboardInterrupt:
        raise GatewayError(f"stopped: {left}") from None


@contextlib.contextmanager
def progress(title: str, total: int | None = None, bytes: bool = False) -> Iterator[Tell]:
    """Gives a function that is told how far the work has come (absolute), and of how much where only that shows it;
    draws only where somebody watches."""
    if not sys.stderr.isatty():
        yield lambda done, of=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done, of=None: bar.update(task, completed=done, total=total if of is None else of)
