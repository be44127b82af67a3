"""What a person decides: ``gateway handoffs open|correct|release`` and ``gateway leads hold|points``."""

from __future__ import annotations

from datetime import datetime

import click

from gateway.answers.texts import iso, moment, plural
from gateway.cli.main import MOMENT, App, pass_app
from gateway.cli.output import by_option, json_option, say, say_json, table
from gateway.times import to_micros

KEY = "KEY is the lead's id, e-mail address, or SYSTEM:OBJECT:ID."


@click.command(name="open", help=f"Hand a lead to sales now, whatever its score.\n\n{KEY}")
@click.argument("key")
@click.option("--reason", required=True, help="Why; sales see it.")
@by_option
@json_option
@pass_app
def open_(app: App, key: str, reason: str, by: str, as_json: bool) -> None:
    from gateway.answers.handoff import handoff_json
    from gateway.people.judging import hand_over

    row = hand_over(app.gateway, key, reason, by)
    if as_json:
        say_json(handoff_json(row))
        return
    due = f"; answer due {moment(row['response_due'], app.zone)}" if row["response_due"] is not None else ""
    say(f"handoff {row['id']} of lead {row['lead']} to {row['system']}, generation {row['generation']}{due}")


@click.command()
@click.argument("key")
@click.argument("bucket")
@click.option("--reason", default="", help="One of the reasons that journey.yaml lists.")
@click.option("--wake", type=MOMENT, help="Of recycled: when sales want it again.")
@click.option("--admin", is_flag=True, help="Also what others ended, and at any time.")
@by_option
@json_option
@pass_app
def correct(
    app: App, key: str, bucket: str, reason: str, wake: datetime | None, admin: bool, by: str, as_json: bool
) -> None:
    """Give a handoff that has ended another BUCKET: sales_qualified, sales_rejected or recycled.

    KEY is its id, or its lead's: id, e-mail address, or SYSTEM:OBJECT:ID. What was decided stays on record; the new
    word counts in the numbers, and lists, status and the lead's score follow it.
    """
    from gateway.answers.handoff import handoff_json
    from gateway.people.judging import correct as decide

    row = decide(app.gateway, key, bucket, reason, by, admin, app.moment(wake) if wake is not None else None)
    if as_json:
        say_json(handoff_json(row))
        return
    why = f" ({row['bucket_reason']})" if row["bucket_reason"] else ""
    say(f"handoff {row['id']} of lead {row['lead']} counts as {row['bucket']}{why} now")


@click.command()
@click.argument("keys", nargs=-1)
@click.option("--best", type=click.IntRange(1), help="So many of the best scores, instead of KEYS.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@by_option
@json_option
@pass_app
def release(app: App, keys: tuple[str, ...], best: int | None, everything: bool, by: str, as_json: bool) -> None:
    """Hand over what was held back, being more than `capacity` in journey.yaml; without KEYS or a choice, list it.

    A KEY is a handoff's id, or its lead's: id, e-mail address, or SYSTEM:OBJECT:ID.
    """
    from gateway.answers.handoff import handoff_json
    from gateway.answers.texts import who
    from gateway.people.judging import held
    from gateway.people.judging import release as give

    if (bool(keys) + (best is not None) + everything) > 1:
        raise click.UsageError("name KEYS, or --best, or --all")
    if not keys and best is None and not everything:
        rows = held(app.gateway)
        if as_json:
            say_json({"held": [handoff_json(row) for row in rows]})
            return
        table(
            ("score", "who", "since", "stage", "lead"),
            [
                (
                    f"{row['score'] / 100:.2f}",
                    who(row["attributes"]),
                    moment(row["opened_at"], app.zone),
                    row["stage"],
                    row["lead"],
                )
                for row in rows
            ],
            right=("score",),
        )
        waiting = plural(len(rows), "handoff is", "handoffs are")
        say(f"{waiting} held back" + ("; release them with --best N, --all or their KEYS" if rows else ""))
        return
    done = give(app.gateway, keys, best, by)
    if as_json:
        say_json({"released": list(done.opened), "withdrawn": dict(done.withdrawn)})
        return
    say(f"{plural(len(done.opened), 'handoff')} released")
    for id_, why in done.withdrawn.items():
        say(f"handoff {id_} is withdrawn: {why}")


@click.command(help=f"Keep a lead from being handed over, until a day or until somebody ends it.\n\n{KEY}")
@click.argument("key")
@click.option("--until", type=MOMENT, help="The first day it may be handed over again; default: until --end.")
@click.option("--reason", default="", help="Why; required unless --end.")
@click.option("--end", is_flag=True, help="It may be handed over again.")
@by_option
@json_option
@pass_app
def hold(app: App, key: str, until: datetime | None, reason: str, end: bool, by: str, as_json: bool) -> None:
    from gateway.people.judging import hold as keep
    from gateway.people.judging import let_go

    if end and (until is not None or reason):
        raise click.UsageError("--end stands alone")
    if not end and not reason:
        raise click.UsageError("say why, with --reason")
    when = app.moment(until) if until is not None else None
    lead = let_go(app.gateway, key) if end else keep(app.gateway, key, when, reason, by)
    micros = to_micros(when) if when is not None else None
    if as_json:
        say_json({"lead": lead, "held": not end, "until": iso(micros), "reason": reason, "by": by})
        return
    till = f" until {moment(micros, app.zone)}" if micros is not None else ""
    say(f"lead {lead} may be handed over again" if end else f"lead {lead} is not handed over{till}: {reason}")


@click.command(
    name="points",
    help=f"Give a lead POINTS of the 0–100 scale, beside what the rules give; write -- before minus points.\n\n{KEY}",
)
@click.argument("key")
@click.argument("points", type=int)
@click.option("--until", type=MOMENT, help="When they end; default: never.")
@click.option("--reason", required=True, help="Why; shown with the score.")
@by_option
@json_option
@pass_app
def give_points(app: App, key: str, points: int, until: datetime | None, reason: str, by: str, as_json: bool) -> None:
    from gateway.people import judging

    when = app.moment(until) if until is not None else None
    lead = judging.give_points(app.gateway, key, points, when, reason, by)
    micros = to_micros(when) if when is not None else None
    if as_json:
        say_json({"lead": lead, "points": points, "until": iso(micros), "reason": reason, "by": by})
        return
    till = f" until {moment(micros, app.zone)}" if micros is not None else ""
    say(f"lead {lead} has {points:+d} points{till}: {reason}")
