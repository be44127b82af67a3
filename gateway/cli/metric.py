"""The frame of every ``gateway metrics`` command: what period is asked for, and the ways in which an answer is told.

A command has the name of a metric of ``answers.metrics``, and is a function of what is ``Asked`` and of its own
options, which gives an ``Answer``::

    @metric
    @click.option("--by")
    def funnel(asked: Asked, by: str | None) -> Answer: ...

The frame adds --period, --since and --until, tells the answer as text, JSON, CSV or a page, and lists the leads
behind any of its numbers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click

from gateway.answers import sheet
from gateway.answers.metrics.asked import COUNTS, Answer, Asked, settled, stated
from gateway.answers.texts import iso, moment, plural, points
from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import say, say_json, table
from gateway.errors import Refused
from gateway.metrics.definitions import DEFINITIONS
from gateway.metrics.period import Period, period
from gateway.metrics.report import Table

P = ParamSpec("P")
NAMED = 40
"""So many numbers are listed when one is asked for that does not exist."""
SHOWN = 50
"""So many leads are shown to people; programs get all."""


def metric(function: Callable[Concatenate[Asked, P], Answer]) -> click.Command:
    """Make a command of a function that answers; it takes a period if the metric counts something in one."""
    counts = COUNTS[function.__name__]

    @pass_app_to_look
    @functools.wraps(function)
    def command(app: App, /, *args: P.args, **kwargs: P.kwargs) -> None:
        told = _Told({name: kwargs.pop(name, None) for name in _FRAME})
        from gateway.store.database import read

        gateway = app.gateway
        now = gateway.now()
        chosen = told.period(app, now)
        with read(gateway.store.main) as connection:
            asked = Asked(gateway, connection, chosen, now)
            told.tell(asked, counts, function(asked, *args, **kwargs))

    built = click.command()(command)
    built.params.extend(_options(counts))
    return built


def _options(counts: str) -> list[click.Parameter]:
    within = f"Only {counts} in it: 2026-Q3, 2026-10, 2026 or last-quarter."
    period_ = [
        click.Option(["--period"], metavar="PERIOD", help=within),
        click.Option(["--since"], type=MOMENT, help=f"Only {counts} from then on."),
        click.Option(["--until"], type=MOMENT, help=f"Only {counts} before then."),
    ]
    leads = "List the leads behind one of the numbers, such as won; without NUMBER, say which there are."
    return [
        *(period_ if counts else ()),
        click.Option(["--leads"], metavar="[NUMBER]", is_flag=False, flag_value="?", help=leads),
        click.Option(["--csv", "as_csv"], is_flag=True, help="Print CSV for spreadsheets."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print JSON for programs."),
        click.Option(
            ["--html"],
            metavar="FILE",
            type=click.Path(dir_okay=False, writable=True, path_type=Path),
            help="Draw it in a page of its own, which needs no network.",
        ),
    ]


_FRAME = ("period", "since", "until", "leads", "as_csv", "as_json", "html")


class _Told:
    """What the frame's own options ask for."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.csv, self.json, self.html = bool(options["as_csv"]), bool(options["as_json"]), options["html"]
        if self.csv + self.json + (self.html is not None) > 1:
            raise click.UsageError("--csv, --json and --html are three ways to tell the same: ask for one")
        self.number: str | None = options["leads"]
        if self.number is not None and self.html is not None:
            raise click.UsageError("--html draws numbers; --leads lists people: ask for one")

    def period(self, app: App, now: datetime) -> Period:
        name, since, until = (self.options[key] for key in ("period", "since", "until"))
        if name is not None:
            if since or until:
                raise click.UsageError("--period says both ends: leave out --since and --until")
            try:
                return period(name, now, app.zone, app.instance.fiscal_year_start)
            except ValueError as exc:
                raise click.BadParameter(f"{name!r} is no period; {exc}", param_hint="--period") from None
        begin, end = (app.moment(at).astimezone(app.zone) if at else None for at in (since, until))
        if begin and end and begin >= end:
            raise click.UsageError("--since must lie before --until")
        return Period(begin, end)

    def tell(self, asked: Asked, counts: str, answer: Answer) -> None:
        asked, counts = settled(asked, answer), answer.counts or counts
        if self.number is not None:
            self._leads(asked, counts, answer.leads, self.number)
            return
        said = {name: DEFINITIONS[name] for name in answer.definitions}
        if self.json:
            say_json(stated(asked, counts) | dict(answer.data) | {"definitions": said})
        elif self.csv:
            _rows(sheet.dated(answer.rows, asked, counts))
        else:
            opening = (f"{counts} {asked.period.words()}; days of {asked.zone.key}",) if counts else ()
            if self.html is not None:
                self._page(asked, [*opening, *answer.parts], answer.data, said)
                return
            for part in (*opening, *answer.parts):
                _part(part)
            if said:
                say()
            for name, words in said.items():
                say(f"{name}: {words}")

    def _page(
        self, asked: Asked, parts: Sequence[str | Table], data: Mapping[str, Any], said: Mapping[str, str]
    ) -> None:
        from gateway.pictures.metrics import figures
        from gateway.pictures.page import page

        name = click.get_current_context().info_name or ""
        self.html.write_text(page(f"{asked.instance.name}: {name}", parts, figures(name, data), said), encoding="utf-8")
        say(f"drawn in {self.html}")

    def _leads(self, asked: Asked, counts: str, known: Mapping[str, Callable[[], Iterable[str]]], number: str) -> None:
        if number == "?":
            if self.json:
                say_json({"numbers": list(known)})
            elif self.csv:
                _rows([("number",), *((name,) for name in known)])
            else:
                say(
                    f"numbers whose leads can be listed: {', '.join(known)}"
                    if known
                    else "no number has leads behind it"
                )
            return
        if number not in known:
            raise Refused(_unknown(number, known))
        self._listed(asked, counts, number, list(known[number]()))

    def _listed(self, asked: Asked, counts: str, number: str, ids: Sequence[str]) -> None:
        from gateway.answers.texts import two_digits, who
        from gateway.store import listing

        some = ids if self.csv or self.json else ids[:SHOWN]
        rows = listing.named(asked.connection, some, asked.gateway.model.score_name)
        if self.csv:
            _rows(sheet.dated(sheet.leads(rows, number), asked, counts))
            return
        if self.json:
            found = [
                {"lead": row["id"], "stage": row["stage"], "persona": row["persona"]}
                | {"score": points(row["total"]), "entered_at": iso(row["entered_at"])}
                for row in rows
            ]
            say_json({"number": number, "count": len(ids), "leads": found})
            return
        records = listing.record_names(asked.connection, [row["id"] for row in rows])
        table(
            ("lead", "who", "stage", "persona", "score", "entered"),
            [
                (
                    row["id"],
                    who(row["attributes"]) or records.get(row["id"], ""),
                    *(row["stage"], row["persona"], two_digits(row["total"]), moment(row["entered_at"], asked.zone)),
                )
                for row in rows
            ],
            right=("score",),
        )
        more = "; --csv and --json list all" if len(rows) < len(ids) else ""
        say(f"{len(rows):,} of {plural(len(ids), 'lead')} behind {number}{more}")


def _unknown(number: str, known: Mapping[str, object]) -> str:
    from gateway.settings.files import suggest

    if not known:
        return f"no leads are behind {number!r}: nothing was counted"
    more = f" and {len(known) - NAMED:,} more (--leads alone lists them)" if len(known) > NAMED else ""
    there = suggest(number, known) or f"; there are: {', '.join(list(known)[:NAMED])}{more}"
    return f"no number is called {number!r}{there}"


def _part(part: str | Table) -> None:
    if isinstance(part, str):
        say(part)
    elif part.rows:
        say()
        if part.title:
            say(part.title)
        table(part.columns, part.rows, right=part.columns[part.words :])


def _rows(rows: Iterable[Iterable[object]]) -> None:
    click.echo(sheet.csv_text(rows), nl=False)
