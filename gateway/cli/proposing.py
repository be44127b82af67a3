"""``gateway model propose``, ``approve``, ``reject`` and ``discard``: how a changed model goes live under approval."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from gateway.answers.texts import moment
from gateway.cli.keyholder import account_option, key_holder, reason_option
from gateway.cli.main import MOMENT, App, pass_app
from gateway.cli.output import go_option, json_option, say, say_json, say_under

if TYPE_CHECKING:
    from gateway.store.drafts import Draft


@click.command()
@click.argument("draft", default="", required=False)
@click.option("--from", "effective", type=MOMENT, help="When it is to go live; default: with the last key.")
@reason_option
@account_option
@json_option
@pass_app
def propose(app: App, draft: str, effective: datetime | None, reason: str, by: str | None, as_json: bool) -> None:
    """Propose a changed model.

    DRAFT is a file, a folder, or a name in the instance's folder `drafts`; without it, what is edited on disk. Nothing
    goes live before marketing and sales have approved it, as `approval:` in gateway.yaml says.
    """
    from gateway.committee import drafting, governing, proposing
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        live = governing.live_files(connection, app.instance)
    name, files = proposing.files_of(app.root, draft, live)
    user = key_holder(app, by)
    at = app.moment(effective) if effective is not None else None
    made, changes = proposing.propose(app.gateway, user, name, files, reason, at)
    doubts = [str(one) for one in drafting.look(app.gateway, made).doubts]
    if as_json:
        say_json(_json(app, made) | {"changes": changes, "warnings": doubts})
        return
    for file, words in changes.items():
        _changes(file, words)
    for one in doubts:
        say(f"warning: {one}")
    say(f"proposed as {made.id[-8:]}: {_left(app, made)}")


@click.command()
@click.argument("draft")
@click.option("--override", is_flag=True, help="An admin's, in an emergency: live without keys. It stays on record.")
@reason_option
@account_option
@json_option
@pass_app
def approve(app: App, draft: str, override: bool, reason: str, by: str | None, as_json: bool) -> None:
    """Turn your key for a draft.

    With the last key it goes live, or at its date. DRAFT is the end of its id.
    """
    from gateway.governance.keys import APPROVE, OVERRIDE

    _decide(app, draft, OVERRIDE if override else APPROVE, reason, by, as_json)


@click.command()
@click.argument("draft")
@click.option("--withdraw", is_flag=True, help="It is yours, and you take it back.")
@reason_option
@account_option
@json_option
@pass_app
def reject(app: App, draft: str, withdraw: bool, reason: str, by: str | None, as_json: bool) -> None:
    """Reject a draft, which ends it."""
    from gateway.governance.keys import REJECT, WITHDRAW

    _decide(app, draft, WITHDRAW if withdraw else REJECT, reason, by, as_json)


@click.command()
@go_option
@pass_app
def discard(app: App, go: bool) -> None:
    """Put the live text back into files that were edited and not approved."""
    from gateway.committee import governing, proposing
    from gateway.store.database import read

    held = app.gateway.held
    if not held.changes:
        say("the files on disk are those in use")
        return
    with read(app.gateway.store.main) as connection:
        live = governing.live_files(connection, app.instance)
    if not go:
        for file, words in held.changes.items():
            _changes(file, words)
        say("these changes would be lost; --go writes the live text over them")
        return
    for name in proposing.discard(app.root, live, [*held.changes]) if held.live else ():
        say(f"{name}: as in use")
    if not held.live:
        say("no model is approved yet: there is nothing to put back")


def _decide(app: App, key: str, what: str, reason: str, by: str | None, as_json: bool) -> None:
    from gateway.committee import governing, proposing
    from gateway.settings.folder import texts
    from gateway.store import drafts
    from gateway.store.database import read

    user = key_holder(app, by)
    with read(app.gateway.store.main) as connection:
        draft = proposing.draft_called(connection, key)
        before = governing.live_files(connection, app.instance)
    after = proposing.decide(app.gateway, user, draft, what, reason)
    if as_json:
        say_json(_json(app, after))
        return
    say(f"{after.id[-8:]}: {_left(app, after)}")
    if after.state == drafts.LIVE:
        disk = texts(app.root)
        if old := [
            name for name in after.files if name in before and disk.get(name) == before[name] != after.files[name]
        ]:
            stay = "stays" if len(old) == 1 else "stay"
            say(
                f"on disk {' and '.join(old)} {stay} as before: `gateway model discard --go` writes the live text there"
            )


def _left(app: App, draft: Draft) -> str:
    """What becomes of it, in words."""
    from gateway.committee import governing
    from gateway.governance.keys import missing
    from gateway.store import drafts
    from gateway.store.database import read

    when = f"at {moment(draft.effective_at, app.zone)}" if draft.effective_at is not None else "at once"
    if draft.state == drafts.PROPOSED:
        with read(app.gateway.store.main) as connection:
            live = governing.live_files(connection, app.instance)
            turns = drafts.turns(connection, [draft])[draft.id]
        left = missing(governing.approval_of(live), turns)
        return f"waits for the key of {' and '.join(left)}; then it goes live {when}"
    if draft.state == drafts.AGREED:
        return f"approved; it goes live {when}"
    if draft.state == drafts.LIVE:
        return f"live as {draft.bundle[: governing.SHORT]}; leads are scored again"
    return draft.state


def _json(app: App, draft: Draft) -> dict[str, object]:
    from gateway.answers.versions import draft_json

    return draft_json(app.gateway, draft)


def _changes(file: str, words: Iterable[str]) -> None:
    say(f"{file}:")
    for line in words:
        say_under(f"  {line}", 4)
