"""``gateway leads``: find them, see everything known of one, and why its score is what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.main import MOMENT, App, pass_app_to_look
from gateway.cli.output import (
    iso,
    iso_time,
    json_option,
    limit_option,
    moment,
    plain,
    plural,
    points,
    say,
    say_json,
    say_under,
    shown,
    table,
)
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.past import Explained

TIMELINE = 50


@click.group()
def leads() -> None:
    """Find leads, see one, explain its score.

    KEY is a lead's id, its e-mail address, a declared identity key, SYSTEM:OBJECT:ID, or the id of a record.
    """


@leads.command("list")
@click.option("--stage", help="Only leads that stand on this stage.")
@click.option("--band", type=click.Choice(["great", "good", "bad"]), help="Only leads of this band.")
@click.option("--persona", help="Only leads of this persona.")
@click.option("--excluded", is_flag=True, help="Only leads that are never handed over, with the reason.")
@limit_option
@json_option
@pass_app_to_look
def list_(
    app: App,
    stage: str | None,
    band: str | None,
    persona: str | None,
    excluded: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List leads, the highest score first."""
    from gateway.store import listing, overview
    from gateway.store.database import read

    gateway = app.gateway
    _known_word("stage", stage, [one.name for one in gateway.model.journey.stages])
    _known_word("persona", persona, gateway.model.journey.personas)
    with read(gateway.store.main) as connection:
        rows, total = listing.leads(connection, gateway.model.score_name, limit, stage, band, persona, excluded)
        records = {} if as_json else listing.record_names(connection, [row["id"] for row in rows])
        reasons = overview.excluded(connection) if excluded else {}
    if as_json:
        found = [
            {
                "lead": row["id"],
                "attributes": row["attributes"],
                "stage": row["stage"],
                "persona": row["persona"],
                "score": points(row["total"]),
                "fit": points(row["fit"]),
                "behaviour": points(row["behaviour"]),
                "band": row["band"],
                "generation": row["generation"],
                "entered_at": iso(row["entered_at"]),
                "handoff": row["handoff"],
                "excluded": row["excluded"],
            }
            for row in rows
        ]
        say_json({"total": total, "leads": found})
        return
    last = "excluded" if excluded else "handed over"
    table(
        ("lead", "who", "stage", "persona", "score", "band", last),
        [
            (
                row["id"],
                who(row["attributes"]) or records.get(row["id"], ""),
                row["stage"],
                row["persona"],
                _score(row["total"]),
                row["band"],
                row["excluded"] if excluded else "open" if row["handoff"] else "",
            )
            for row in rows
        ],
        right=("score",),
    )
    say(f"{len(rows):,} of {plural(total, 'lead')}" if total else "no such leads")
    for reason, count in reasons.items():
        say(f"  {count:,} {reason}")


def _known_word(what: str, word: str | None, known: Any) -> None:
    from gateway.settings.files import suggest

    if word is not None and word not in known:
        raise Refused(f"no {what} {word!r} in journey.yaml{suggest(word, known)}")


def who(attributes: Mapping[str, Any]) -> str:
    """How a person is called in a list: the name, else the e-mail address, else the company."""
    name = " ".join(str(attributes[key]) for key in ("first_name", "last_name") if attributes.get(key))
    return name or str(attributes.get("name") or attributes.get("email") or attributes.get("company_name") or "")


def _score(hundredths: int | None) -> str:
    return "" if hundredths is None else f"{hundredths / 100:.2f}"


# -- explain -----------------------------------------------------------------------------------------------------------


@leads.command()
@click.argument("key")
@click.option("--at", type=MOMENT, help="As it was known at this time, with the model in use then.")
@click.option("--hindsight", is_flag=True, help="With --at: use all that is known now of the time until then.")
@json_option
@pass_app_to_look
def explain(app: App, key: str, at: datetime | None, hindsight: bool, as_json: bool) -> None:
    """Show every point of a lead's score with its reason."""
    from gateway import past
    from gateway.scoring.explanation import lines

    if hindsight and at is None:
        raise click.UsageError("--hindsight goes with --at")
    gateway = app.gateway
    lead = gateway.find_lead(key)
    found = past.explain_now(gateway, lead) if at is None else past.explain_at(gateway, lead, app.moment(at), hindsight)
    if as_json:
        say_json(_explained(found, hindsight))
        return
    say(f"lead {lead}{_in_brackets(who(found.subject.attributes))}, persona {found.subject.persona or 'none'}")
    if at is not None:
        zoned = f"{found.at.astimezone(app.zone):%Y-%m-%d %H:%M:%S %Z}"
        say(f"as {'known now of' if hindsight else 'known at'} {zoned}")
    for line in lines(found.score):
        points_and_axis = re.match(r" *[+-][\d.]+  \w+ +", line)
        say_under(line, points_and_axis.end() if points_and_axis else 2)


def _explained(found: Explained, hindsight: bool) -> dict[str, Any]:
    score = found.score
    return {
        "lead": found.lead,
        "at": iso_time(found.at),
        "hindsight": hindsight,
        "persona": found.subject.persona,
        "total": points(score.total),
        "fit": points(score.fit),
        "behaviour": points(score.behaviour),
        "band": score.band,
        "changes_at": iso_time(score.changes_at) if score.changes_at else None,
        "scoring": found.scoring,
        "contributions": [
            {"axis": one.axis, "rule": one.rule, "points": points(one.hundredths), "reason": one.reason}
            for one in score.contributions
        ],
    }


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


# -- values ------------------------------------------------------------------------------------------------------------


@leads.command()
@click.argument("field", metavar="FIELD")
@click.option("--unmatched", is_flag=True, help="Only values that the level table (titles) does not know.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show at most N.")
@json_option
@pass_app_to_look
def values(app: App, field: str, unmatched: bool, limit: int, as_json: bool) -> None:
    """Show the values of a lead field by frequency.

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
        known_field(app, field)
    if unmatched:
        knows = _table(gateway.model.scorer, field)
        found = [(value, count) for value, count in found if not knows(str(value))]
    if as_json:
        rows = [{"value": value, "count": count} for value, count in found[:limit]]
        say_json({"field": field, "different": len(found), "missing": missing, "values": rows})
        return
    table((field, "leads"), [(plain(value), count) for value, count in found[:limit]], right=("leads",))
    more = f", the {limit:,} most frequent are shown" if len(found) > limit else ""
    kind = " without a level" if unmatched else ""
    say(f"{plural(len(found), 'different value')}{kind}{more}; {plural(missing, 'lead')} without a value")


def known_field(app: App, field: str) -> None:
    """Nobody has a value: perhaps nobody could. Raises ``Refused`` when no mapping brings the field in."""
    from gateway.settings.files import suggest

    known: set[str] = set()
    for system in app.instance.systems.values():
        for one in system.mapping.objects.values() if system.mapping else ():
            prefix = {"person": "", "company": "company."}.get(one.kind)
            known |= set() if prefix is None else {prefix + rule.to for rule in one.inbound.values()}
    if field not in known:
        raise Refused(f"no mapping brings in a lead field {field!r}{suggest(field, known)}")


def _table(scorer: Any, field: str) -> Any:
    """Whether a value has a level: by the model's table for this field, else by the built-in table of titles."""
    from gateway.scoring.titles import TitleTable

    tables = getattr(scorer, "titles", {})
    if field in tables:
        return tables[field].match
    if field != "title":
        raise Refused(
            f"no level in scoring.yaml looks at {field!r}; --unmatched works for {', '.join(tables) or 'title'}"
        )
    return TitleTable().match


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
    from gateway.cli.timeline import timeline
    from gateway.leads.stamps import attributes
    from gateway.store import listing
    from gateway.store.database import read
    from gateway.store.loading import Need, load
    from gateway.times import to_micros

    gateway = app.gateway
    id_ = gateway.find_lead(key)
    with read(gateway.store.main) as connection:
        need = Need(score=gateway.model.score_name, whole=[id_])
        batch = load(connection, [], {}, [id_], to_micros(gateway.now()), need)
        more = listing.of_lead(connection, id_)
    lead = batch.leads[id_]
    joining = gateway.model.joining
    known = [record for record in lead.records.values() if record.known]
    origin = attributes(known, joining.inbound, joining.rank)[1]
    company = batch.companies.get(lead.company or "")
    score = lead.score
    entries = timeline(lead, more)
    if as_json:
        say_json(
            {
                "lead": id_,
                "merged": [row["id"] for row in more["merged"]],
                "erased_at": iso(lead.erased_at),
                "entered_at": iso(lead.entered_at),
                "known_at": iso(lead.known_at),
                "attributes": [
                    {
                        "field": name,
                        "value": value,
                        "system": origin.get(name, (0, ""))[1],
                        "at": iso(origin[name][0]) if name in origin else None,
                    }
                    for name, value in sorted(lead.attributes.items())
                ],
                "company": {"id": company.id, "attributes": company.attributes} if company else None,
                "identities": [[row["namespace"], row["value"]] for row in more["identities"]],
                "records": [
                    {
                        "system": record.system,
                        "object": record.object,
                        "record": record.record,
                        "primary": record.main,
                        "enrolled": record.enrolled,
                        "gone": record.gone,
                        "values": {name: entry[0] for name, entry in sorted(record.snapshot.items())},
                        "assumed": record.assumed,
                    }
                    for record in lead.records.values()
                ],
                "persona": lead.persona,
                "stage": lead.stage,
                "excluded": lead.excluded,
                "generation": lead.generation,
                "score": None
                if score is None
                else {
                    "total": points(score.total),
                    "fit": points(score.fit),
                    "behaviour": points(score.behaviour),
                    "band": score.band,
                    "at": iso(score.at),
                    "changes_at": iso(score.changes_at),
                    "scoring": score.scoring,
                },
                "reached": [
                    {"stage": stage, "at": iso(at), "cause": cause, "ref": ref}
                    for stage, (at, cause, ref) in sorted(lead.reached.items(), key=lambda item: item[1][0])
                ],
                "handoff": lead.handoff["id"] if lead.handoff else None,
                "deals": [{**row, "status_at": iso(row["status_at"])} for row in more["deals"]],
                "work": [
                    {"id": row["id"], "kind": row["kind"], "at": iso(row["opened_at"])}
                    for row in more["work"]
                    if row["resolved_at"] is None
                ],
                "timeline": [
                    {"at": iso(one.at), "what": one.what, "text": one.text, "cause": one.cause} for one in entries
                ],
            }
        )
        return
    say(f"lead {id_}{_in_brackets(who(lead.attributes))}")
    if lead.erased_at is not None:
        say(f"  forgotten on {moment(lead.erased_at, app.zone)}")
    standing = [f"stage {lead.stage or 'none'}", f"persona {lead.persona or 'none'}"]
    if score is not None:
        standing.append(
            f"score {_score(score.total)} ({score.band}: fit {_score(score.fit)}, behaviour {_score(score.behaviour)})"
        )
    if lead.excluded:
        standing.append(f"never handed over: {lead.excluded}")
    say(f"  {', '.join(standing)}")
    if more["merged"]:
        say(f"  was also {', '.join(row['id'] for row in more['merged'])}")
    say()
    rows = [(name, plain(value), *_origin(origin.get(name), app)) for name, value in sorted(lead.attributes.items())]
    if company:
        rows += [(f"company.{name}", plain(value), "", "") for name, value in sorted(company.attributes.items())]
    table(("value of", "value", "from", "since"), rows)
    say()
    table(
        ("system", "object", "record", "state"),
        [(r.system, r.object, r.record, r.gone or ", ".join(_record_state(r))) for r in lead.records.values()],
    )
    if more["deals"]:
        say()
        table(
            ("deal", "stage", "status", "since", "amount"),
            [
                (
                    row["id"],
                    row["stage"],
                    row["status"],
                    moment(row["status_at"], app.zone),
                    f"{row['amount'] or ''} {row['currency'] or ''}".strip(),
                )
                for row in more["deals"]
            ],
        )
    say()
    say(f"what happened (times in {app.zone.key}):")
    shown_entries = entries if everything else entries[-TIMELINE:]
    if len(entries) > len(shown_entries):
        say(f"  … {plural(len(entries) - len(shown_entries), 'earlier entry', 'earlier entries')}; --all shows them")
    table(
        ("time", "what", "", "cause"),
        [(moment(one.at, app.zone), one.what, one.text, one.cause) for one in shown_entries],
        indent=2,
    )


def _origin(origin: tuple[int, str] | None, app: App) -> tuple[str, str]:
    return (origin[1], moment(origin[0], app.zone)) if origin else ("", "")


def _record_state(record: Any) -> list[str]:
    state = ["primary"] if record.main else []
    state += ["in sync"] if record.enrolled else ["history only"]
    return state + ([f"assumed: {shown(record.assumed)}"] if record.assumed else [])
