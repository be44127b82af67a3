"""``gateway leads``: find them, see everything known of one, and why its score is what it is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.model import explained_json, point_json
from gateway.answers.texts import in_brackets, plain, plural, two_digits, who
from gateway.cli.forgetting import export, forget
from gateway.cli.judging import give_points, hold
from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import json_option, limit_option, say, say_json, say_under, table
from gateway.cli.regrouping import merge, split
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.scoring.titles import TitleTable

TIMELINE = 50


@click.group()
def leads() -> None:
    """Find leads, see one, explain its score.

    KEY is a lead's id, its e-mail address, a declared identity key, SYSTEM:OBJECT:ID, or the id of a record.
    """


leads.add_command(export)
leads.add_command(forget)
leads.add_command(give_points)
leads.add_command(hold)
leads.add_command(merge)
leads.add_command(split)


@leads.command("list")
@click.option("--stage", help="Only leads that stand on this stage.")
@click.option("--band", type=click.Choice(["great", "good", "bad"]), help="Only leads of this band.")
@click.option("--persona", help="Only leads of this persona.")
@click.option("--excluded", is_flag=True, help="Only leads that are never handed over, with the reason.")
@click.option("--score", default="", metavar="NAME", help="By this score; default: the main one.")
@limit_option
@json_option
@pass_app_to_look
def list_(
    app: App,
    stage: str | None,
    band: str | None,
    persona: str | None,
    excluded: bool,
    score: str,
    limit: int,
    as_json: bool,
) -> None:
    """List leads, the highest score first."""
    from gateway.answers.leads import LeadRowSchema
    from gateway.model import score_called
    from gateway.store import listing, overview
    from gateway.store.database import read

    gateway = app.gateway
    _known_word("stage", stage, [one.name for one in gateway.model.journey.stages])
    _known_word("persona", persona, gateway.model.journey.personas)
    score = score_called(score, gateway.model.score_names)
    with read(gateway.store.main) as connection:
        rows, total = listing.leads(connection, score, limit, stage, band, persona, excluded)
        records = {} if as_json else listing.record_names(connection, [row["id"] for row in rows])
        reasons = overview.excluded(connection) if excluded else {}
    if as_json:
        found = LeadRowSchema(many=True).dump(rows)
        say_json({"total": total, "leads": found})
        return
    last = "excluded" if excluded else "handed over"
    points_of = "score" if score == gateway.model.score_name else f"score {score}"
    table(
        ("lead", "who", "stage", "persona", points_of, "band", last),
        [
            (
                row["id"],
                who(row["attributes"]) or records.get(row["id"], ""),
                row["stage"],
                row["persona"],
                two_digits(row["total"]),
                row["band"],
                row["excluded"] if excluded else "open" if row["handoff"] else "",
            )
            for row in rows
        ],
        right=(points_of,),
    )
    chosen = stage or band or persona or excluded
    none = "no such leads" if chosen else "no leads yet: an import or a webhook brings them"
    say(f"{len(rows):,} of {plural(total, 'lead')}" if total else none)
    for reason, count in reasons.items():
        say(f"  {count:,} {reason}")


def _known_word(what: str, word: str | None, known: Any) -> None:
    from gateway.settings.files import suggest

    if word is not None and word not in known:
        others = f"; there are: {', '.join(known)}" if known else "; there is none"
        raise Refused(f"no {what} {word!r} in journey.yaml{suggest(word, known) or others}")


# -- explain -----------------------------------------------------------------------------------------------------------


@leads.command()
@click.argument("key")
@click.option("--at", type=MOMENT, help="As it was known at this time, with the model in use then.")
@click.option("--hindsight", is_flag=True, help="With --at: use all that is known now of the time until then.")
@click.option("--score", default="", metavar="NAME", help="Of this score; default: the main one.")
@json_option
@pass_app_to_look
def explain(app: App, key: str, at: datetime | None, hindsight: bool, score: str, as_json: bool) -> None:
    """Show every point of a lead's score with its reason."""
    from gateway import past
    from gateway.scoring.explanation import lines

    if hindsight and at is None:
        raise click.UsageError("--hindsight goes with --at")
    gateway = app.gateway
    lead = gateway.find_lead(key)
    if at is None:
        found = past.explain_now(gateway, lead, score)
    else:
        found = past.explain_at(gateway, lead, app.moment(at), hindsight, score)
    if as_json:
        say_json(explained_json(found, hindsight))
        return
    named = f", score {found.name}" if score else ""
    say(f"lead {lead}{in_brackets(who(found.subject.attributes))}, persona {found.subject.persona or 'none'}{named}")
    if at is not None:
        say(f"as {'known now of' if hindsight else 'known at'} {_zoned(found.at, app)}")
    for line in lines(replace(found.score, changes_at=None)):
        points_and_axis = re.match(r" *[+-][\d.]+  \w+ +", line)
        say_under(line, points_and_axis.end() if points_and_axis else 2)
    if found.rolled_at is not None:
        numbers = ", ".join(f"{name} {plain(number)}" for name, number in found.rollups.items())
        say_under(f"  {numbers}: what its company's leads came to at {_zoned(found.rolled_at, app)}", 2)
    if found.score.changes_at is not None:
        say(f"changes by itself at {_zoned(found.score.changes_at, app)} at the earliest")


@leads.command()
@click.argument("key")
@click.option("--score", default="", metavar="NAME", help="Of this score; default: the main one.")
@limit_option
@json_option
@pass_app_to_look
def history(app: App, key: str, score: str, limit: int, as_json: bool) -> None:
    """Show how a lead's score moved, when, why, and by which model.

    Recomputed from what was known at each time; `leads explain --at` shows the points of one, `model show` a model.
    """
    from gateway import past

    gateway = app.gateway
    lead = gateway.find_lead(key)
    found = past.history(gateway, lead, limit, score)
    if as_json:
        say_json(
            {"lead": lead, "score": score or gateway.model.score_name, "history": [point_json(one) for one in found]}
        )
        return
    table(
        ("since", "score", "fit", "behaviour", "band", "by", "model"),
        [
            (
                _zoned(one.at, app),
                *map(two_digits, (one.total, one.fit, one.behaviour)),
                one.band,
                one.cause,
                one.scoring,
            )
            for one in found
        ],
        right=("score", "fit", "behaviour"),
    )
    if not found:
        say("it never had a score")


def _zoned(at: datetime, app: App) -> str:
    return f"{at.astimezone(app.zone):%Y-%m-%d %H:%M:%S %Z}"


# -- values ------------------------------------------------------------------------------------------------------------


@leads.command()
@click.argument("field", metavar="FIELD")
@click.option("--unmatched", is_flag=True, help="Only values that the level table (titles) does not know.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show at most N.")
@json_option
@pass_app_to_look
def values(app: App, field: str, unmatched: bool, limit: int, as_json: bool) -> None:
    """Show the values of a lead field by frequency, and of a title how it was read.

    A company's field is company.NAME.
    """
    from gateway.store import listing
    from gateway.store.database import read

    gateway = app.gateway
    with read(gateway.store.main) as connection:
        counted = listing.values(connection, field)
    found = [(value, count) for value, count in counted if value not in (None, "")]
    missing = sum(count for value, count in counted if value in (None, ""))
    if not found:
        from gateway.answers.brought import known_field

        known_field(app.instance, field)
    table_of = _table(gateway.model.scorer, field, unmatched)
    if unmatched and table_of is not None:
        found = [(value, count) for value, count in found if not table_of.match(str(value))]
    level, phrase = zip(*(_read_as(table_of, value) for value, _ in found[:limit]), strict=True) if found else ((), ())
    if as_json:
        rows = [
            {"value": value, "count": count} | ({"level": one, "phrase": words} if table_of is not None else {})
            for (value, count), one, words in zip(found[:limit], level, phrase, strict=True)
        ]
        say_json({"field": field, "different": len(found), "missing": missing, "values": rows})
        return
    shown: list[tuple[object, ...]] = [(plain(value), count) for value, count in found[:limit]]
    columns: tuple[str, ...] = (field, "leads")
    if table_of is not None and not unmatched:
        columns = (*columns, "level", "by the words")
        shown = [(*row, one or "", words or "") for row, one, words in zip(shown, level, phrase, strict=True)]
    table(columns, shown, right=("leads",))
    more = f", the {limit:,} most frequent are shown" if len(found) > limit else ""
    kind = " without a level" if unmatched else ""
    say(f"{plural(len(found), 'different value')}{kind}{more}; {plural(missing, 'lead')} without a value")


def _read_as(titles: TitleTable | None, value: Any) -> tuple[str | None, str | None]:
    """(level, the words that say so) of a value."""
    return (titles.matched(str(value)) or (None, None)) if titles is not None else (None, None)


def _table(scorer: Any, field: str, needed: bool) -> TitleTable | None:
    """What reads a field as a title: the model's table for it, else the built-in one. None: nothing does.

    Raises ``Refused`` where it is ``needed``.
    """
    from gateway.scoring.titles import TitleTable

    tables = getattr(scorer, "titles", {})
    if field in tables:
        found: TitleTable = tables[field]
        return found
    if field != "title":
        if not needed:
            return None
        raise Refused(
            f"no level in scoring.yaml looks at {field!r}; --unmatched works for {', '.join(tables) or 'title'}"
        )
    return TitleTable()


# -- show --------------------------------------------------------------------------------------------------------------


@leads.command()
@click.argument("key")
@click.option("--all", "everything", is_flag=True, help=f"Show the whole timeline, not its latest {TIMELINE} entries.")
@json_option
@pass_app_to_look
def show(app: App, key: str, everything: bool, as_json: bool) -> None:
    """Show all that is known of a lead.

    Values and where they came from, records, score, and what happened when, each with its cause.
    """
    from gateway.answers.lead import as_json as told
    from gateway.answers.lead import known_of
    from gateway.cli.lead import print_lead

    known = known_of(app.gateway, app.gateway.find_lead(key))
    if as_json:
        say_json(told(known))
    else:
        print_lead(known, app.zone, None if everything else TIMELINE)
