"""What a person may ask of us: ``gateway leads export`` and ``gateway leads forget``."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from gateway.answers.texts import plural
from gateway.cli.main import App, pass_app
from gateway.cli.output import by_option, go_option, json_option, say, say_json

KEPT = ("leads", "transitions", "reached", "scores", "activity_kinds", "deal_leads", "deals")
"""Tables of which the numbers stay."""


@click.command()
@click.argument("key")
@click.option(
    "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Instead of the screen."
)
@pass_app
def export(app: App, key: str, output: Path | None) -> None:
    """Give all that is stored of a person, as JSON: every row of theirs, and the documents that named them."""
    from gateway.people.exporting import export as rows_of

    found = rows_of(app.gateway, app.gateway.find_lead(key))
    if output is None:
        say_json(found)
        return
    output.touch(0o600)
    output.chmod(0o600)  # before there is anything to read
    output.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))
    rows = sum(len(one) for one in found["tables"].values())
    say(f"lead {found['lead']}: {plural(rows, 'row')} of {plural(len(found['tables']), 'table')} in {output}")


@click.command()
@click.argument("key")
@go_option
@by_option
@json_option
@pass_app
def forget(app: App, key: str, go: bool, by: str, as_json: bool) -> None:
    """Forget a person: what names them goes, what the numbers need stays without a name.

    Says what would go and what other systems still hold; with --go it is done, and cannot be undone. They stay
    forgotten when a system brings their records again. A backup still knows them: restore it with --after, then it
    forgets them, too.
    """
    from gateway.people.forgetting import forget as decide

    done = decide(app.gateway, app.gateway.find_lead(key), by, go)
    if as_json:
        say_json(
            {
                "lead": done.lead,
                "done": go,
                "merged": list(done.aliases),
                "rows": dict(done.rows),
                "elsewhere": [
                    {"system": ref[0], "object": ref[1], "record": ref[2], "link": address or None}
                    for ref, address in done.elsewhere
                ],
                "unsure": [{"system": system, "object": object_} for system, object_ in done.unsure],
                "unread": list(done.unread),
            }
        )
        return
    merged = f" (with {plural(len(done.aliases), 'lead')} merged into it)" if done.aliases else ""
    say(f"lead {done.lead}{merged} {'is forgotten' if go else 'would be forgotten'}")
    emptied = {name: count for name, count in done.rows.items() if name not in KEPT}
    parts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(emptied.items()))
    say(f"  emptied of values, texts and keys: {parts}")
    say("  kept without a name: id, stages and when they were reached, scores, handoffs and buckets, deals' amounts")
    if done.elsewhere or done.unsure:
        say()
        say("Other systems still hold, and have to be asked themselves:")
        for ref, address in done.elsewhere:
            say(f"  {':'.join(ref)}{f'  {address}' if address else ''}")
    for system, object_ in done.unsure:
        say(f"  {system}: a {object_} is just being made there, or may have been: look for it there in a minute")
    if done.unread:
        say()
        say(
            "Documents in quarantine name them, too; nobody could read those. Once `gateway inbox replay` can, they are"
        )
        say("emptied as well, and at once by `gateway inbox discard`; until then their bodies stay:")
        for document in done.unread:
            say(f"  {document}")
    if not go:
        say()
        say("nothing is changed yet; --go does it, for good")
