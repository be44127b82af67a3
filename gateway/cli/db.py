"""``gateway db``: the store's own tables."""

from __future__ import annotations

import click

from gateway.cli.main import App, load_host, pass_app
from gateway.cli.output import say


@click.group()
def db() -> None:
    """The store's own tables."""


@db.command()
@pass_app
def upgrade(app: App) -> None:
    """Bring the store to this version's tables.

    Safe to repeat. Make a backup first: there is no way down.
    """
    from gateway.settings.instance import load_instance
    from gateway.store import database

    app.require()
    instance = load_instance(app.root, load_host(app.root))
    store = database.open_store(instance.store)
    try:
        database.upgrade(store)
    finally:
        store.close()
    say(f"{instance.store}: the tables are those of this version")
