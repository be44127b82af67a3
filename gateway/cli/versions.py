"""``gateway model history``, ``diff`` and ``export``: the versions that were live, and how two differ."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.answers.texts import moment, plural
from gateway.cli.main import App, pass_app_to_look
from gateway.cli.output import json_option, limit_option, say, say_json, say_under
from gateway.errors import Refused
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.answers.versions import Version
    from gateway.governance.keys import Turn


@click.command()
@limit_option
@json_option
@pass_app_to_look
def history(app: App, limit: int, as_json: bool) -> None:
    """Show which models were live, what each changed, and who agreed to it.

    Drafts that wait for keys come first.
    """
    from gateway.answers import versions

    gateway = app.gateway
    waiting, found = versions.open_drafts(gateway), versions.history(gateway, limit)
    if as_json:
        told = [versions.version_json(one) for one in found]
        say_json({"approval": gateway.instance.approval, "drafts": waiting, "versions": told})
        return
    for words in versions.approval_words(gateway):
        say_under(words, 2)
    for one in waiting:
        say()
        when = f", live from {_day(one['effective_at'], app)}" if one["effective_at"] else ""
        say(f"draft {one['id'][-8:]}  {one['state']} by {one['proposed_by']}: {one['reason']}{when}")
        for turn in one["turns"]:
            say_under(f"  {turn['role']} {turn['what']}: {turn['by']}: {turn['reason']}", 4)
        _print_changes(one["changes"])
    for version in found:
        say()
        _print(version, app)
    if not found:
        say("no model was ever live; `gateway run` or an import begins with the files as they are")


def _day(told: str, app: App) -> str:
    return moment(to_micros(datetime.fromisoformat(told)), app.zone)


def _print(version: Version, app: App) -> None:
    since = moment(version.since, app.zone)
    until = f"until {moment(version.until, app.zone)}" if version.until is not None else "LIVE"
    scoring, journey = (version.hashes.get(name, "")[:8] or "none" for name in ("scoring", "journey"))
    say(f"{version.bundle[:8]}  {since}  {until}  scoring {scoring}, journey {journey}")
    if version.draft is not None:
        say_under(f"  proposed by {version.draft.by}: {version.draft.reason}", 4)
    for turn in version.turns:
        say_under(f"  {_turn(turn, app)}", 4)
    if version.draft is None and version.changes:
        say("  by an edit of the files, approval off")
    _print_changes(version.changes)


def _turn(turn: Turn, app: App) -> str:
    from gateway.governance.keys import OVERRIDE

    word = "EMERGENCY OVERRIDE" if turn.what == OVERRIDE else f"{turn.role}: {turn.what}"
    return f"{word} by {turn.by} at {moment(turn.at, app.zone)}: {turn.reason}"


def _print_changes(changes: Any) -> None:
    for words in changes.values():
        for line in words:
            say_under(f"  {line}", 4)


@click.command()
@click.argument("before", default="live", metavar="[A]")
@click.argument("after", default="", metavar="[B]")
@json_option
@pass_app_to_look
def diff(app: App, before: str, after: str, as_json: bool) -> None:
    """Say in words how two models differ: what B changes of A.

    Without B, a draft is held against what is live, and a version against the files on disk; without A, too, what is
    live is. Each is live, disk, the beginning of an id or hash that `gateway model history` shows, the id of a draft,
    or a draft's file.
    """
    from gateway.answers.versions import compared
    from gateway.committee import governing

    (name, old), (other, new) = compared(app.gateway, before, after)
    changes = governing.changes(old, new)
    if as_json:
        say_json({"before": name, "after": other, "changes": changes})
        return
    for file, words in changes.items():
        say(f"{file}:")
        for line in words:
            say_under(f"  {line}", 4)
    count = sum(map(len, changes.values()))
    say(f"{name} → {other}: {plural(count, 'change')}" if count else f"{name} and {other} are the same model")


@click.command()
@click.argument("version", default="live")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), help="Write its files there.")
@json_option
@pass_app_to_look
def export(app: App, version: str, folder: Path | None, as_json: bool) -> None:
    """Write the YAML of a model that is or was live.

    VERSION is live, or the beginning of an id or hash of `gateway model history`, or a draft. Without --to, its
    scoring.yaml, other scores and journey.yaml are printed.
    """
    from gateway.answers import versions
    from gateway.governance.parts import of_model

    name, files = versions.files_called(app.gateway, version)
    if as_json:
        say_json({"version": name, "files": {one: files[one] for one in versions.model_files(files)}})
    elif folder is not None:
        try:
            written = versions.export(files, folder)
        except FileExistsError as exc:
            raise Refused(f"{exc.filename}: is there already; name a new folder") from None
        say(f"{name}: {', '.join(written)} in {folder}")
    else:
        for one in of_model(files):
            click.echo(f"# {one} of {name}\n{files[one].rstrip()}\n")
