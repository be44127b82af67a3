"""``gateway db``: the store's own tables; the store copied, into a backup, and back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from marshmallow import EXCLUDE, ValidationError

from gateway.answers.texts import plural
from gateway.cli.main import App, pass_app
from gateway.cli.output import json_option, progress, say, say_json, told_when_stopped
from gateway.errors import ConfigError, Refused

if TYPE_CHECKING:
    from gateway.store.copying import Copied
    from gateway.store.database import Store
    from gateway.store.place import Place


@click.group()
def db() -> None:
    """The store's own tables."""


@db.command()
@pass_app
def upgrade(app: App) -> None:
    """Bring the store to this version's tables.

    Safe to repeat. Make a backup first: there is no way down. Of the files it reads gateway.yaml alone, and of that
    where the store is: a mistake elsewhere does not keep it.
    """
    from gateway.store import database

    here = _place(app)
    with _opened(here) as store:
        database.upgrade(store)
    say(f"{here}: the tables are those of this version")


@db.command()
@click.argument("target")
@json_option
@pass_app
def copy(app: App, target: str, as_json: bool) -> None:
    """Copy the whole store to TARGET: from SQLite to PostgreSQL, or back.

    TARGET is what `store:` in gateway.yaml could be: a folder, or postgresql://USER@HOST/DATABASE with '${NAME}' in the
    place of its password. It must be empty, and nothing else may use either. Every row is compared afterwards.
    """
    from gateway.store import copying, database

    here = _place(app)
    there = _named(app, target, "TARGET")
    if str(here) == str(there):
        raise Refused(f"{here}: is the store itself")
    with _opened(here) as source, _opened(there) as to:
        database.require_current(source)
        with (
            told_when_stopped(f"nothing of it is in {there}, and {here} is as it was; begin again from the start"),
            copying.alone(source) as seen,
            progress("rows", 2 * copying.rows_of(seen)) as tell,
        ):
            copied = copying.copy(seen, to, tell)
    if as_json:
        _say_copied(copied, here, there)
        return
    say(f"{_sum(copied)} copied and compared: {here} → {there}")
    say(f"now write `store: {target}` in gateway.yaml and start the gateway; {here} stays as it is")
    say("(where `engine: procrastinate` goes with it: `gateway db upgrade` before the start)")


@db.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@json_option
@pass_app
def backup(app: App, folder: Path, as_json: bool) -> None:
    """Write the store as it is now into DIR, while the gateway goes on.

    DIR must be empty or not there. It gets inbox.db and gateway.db, also of a store on PostgreSQL, and holds people's
    data as the store does.
    """
    from gateway.store import copying

    here = _place(app)
    stopped = told_when_stopped(f"there is no backup in {folder}; begin again from the start")
    with stopped, _opened(here) as store:  # of any version: a new one begins with a backup
        with copying.view(store) as seen:
            total = copying.pages_of(store) or 2 * copying.rows_of(seen)
        with progress("pages" if here.url is None else "rows", total) as tell:
            copied = copying.backup(store, folder.resolve(), tell)
    if as_json:
        _say_copied(copied, here, folder.resolve())
    else:
        say(f"{folder}: {_sum(copied)} of {here}, compared")


@db.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--after", metavar="PLACE", help="The store before, if it can still be read: whom it forgot is forgotten."
)
@json_option
@pass_app
def restore(app: App, folder: Path, after: str | None, as_json: bool) -> None:
    """Fill the store, which must be empty, from the backup in DIR.

    A backup of an older version gets this version's tables. All systems that are written to are paused: what they were
    told since is over there, and not known here. Who was forgotten since must be forgotten again: --after does it.
    """
    from gateway.store import copying, database, restored
    from gateway.store.times import to_micros, utc_now

    here, systems = _place(app), _written_to(app)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(copying.opened_backup(folder.resolve())))
        store = stack.enter_context(_opened(here))
        before = stack.enter_context(_opened(_named(app, after, "--after"))) if after is not None else None
        if before is not None:
            database.require_current(before)
        with (
            told_when_stopped(f"nothing of the backup is in {here}; begin again from the start"),
            copying.view(source) as seen,
            progress("rows", 2 * copying.rows_of(seen)) as tell,
        ):
            there = stack.enter_context(database.read(before.main)) if before is not None else None
            copied, forgotten = restored.restore(seen, store, systems, to_micros(utc_now()), there, tell)
    if as_json:
        _say_copied(copied, folder.resolve(), here)
        return
    say(f"{here}: {_sum(copied)} of {folder}, compared")
    if after is not None:
        say(f"forgotten again: {plural(forgotten, 'person', 'people')} whom the store before had forgotten since")
    if systems:
        say(f"nothing is sent to {', '.join(systems)}: start the gateway, have what came since sent again and pulled,")
        say(f"look at `gateway plan`, then `gateway systems resume {' '.join(systems)}`")


def _place(app: App) -> Place:
    """Where the store is, whatever else is wrong with the files. Raises ``ConfigError``."""
    from gateway.settings.files import ConfigFile
    from gateway.settings.form import PROCRASTINATE, GatewayForm
    from gateway.settings.secrets import secrets_of

    app.require()
    file = ConfigFile.read(app.root / "gateway.yaml", app.root)
    try:
        with secrets_of(app.root):
            said = GatewayForm(only=["store", "engine"], unknown=EXCLUDE).load(file.data)
    except ValidationError as exc:
        raise ConfigError(file.check(GatewayForm(only=["store", "engine"], unknown=EXCLUDE)) or [str(exc)]) from None
    place: Place = said["store"].within(app.root)
    return replace(place, bells=said["engine"] == PROCRASTINATE)


def _written_to(app: App) -> list[str]:
    """The systems that gateway.yaml has switched on, whatever else is wrong with the files."""
    from gateway.engine.supervisor import wanted_processes

    kinds = (kind.partition(":") for kind in wanted_processes(app.root))
    return [system for what, _, system in kinds if what == "deliver"]


def _named(app: App, text: str, where: str) -> Place:
    """The place that the command line names; a folder starts where the command was called."""
    from gateway.settings.secrets import secrets_of
    from gateway.store.place import place_of

    try:
        with secrets_of(app.root):
            return place_of(text).within(Path())
    except ValidationError as exc:
        raise click.BadParameter("; ".join(exc.messages), param_hint=where) from None


@contextlib.contextmanager
def _opened(place: Place) -> Iterator[Store]:
    """The store at ``place``; what its database complains of, in words."""
    from gateway.store import database

    store = database.open_store(place)
    try:
        with database.spoken(store.main):
            yield store
    finally:
        store.close()


def _sum(copied: Sequence[Copied]) -> str:
    return f"{plural(sum(one.rows for one in copied), 'row')} in {plural(len(copied), 'table')}"


def _say_copied(copied: Sequence[Copied], source: object, target: object) -> None:
    tables = [{"table": one.table, "rows": one.rows, "hash": one.hash} for one in copied]
    say_json({"source": str(source), "target": str(target), "tables": tables})
