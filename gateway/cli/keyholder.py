"""Who turns a key at the command line: an account that proves itself by its password, or by an API token."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from gateway.cli.main import App
from gateway.errors import Refused

if TYPE_CHECKING:
    from gateway.accounts.users import User

TOKEN = "GATEWAY_TOKEN"
account_option = click.option(
    "--by",
    metavar="EMAIL",
    help=f"Your account; its password is asked. Programs give an API token in ${TOKEN} instead.",
)
reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; stays with the version.")


def key_holder(app: App, by: str | None) -> User:
    """Raises ``Refused`` for a wrong password, or a token that is no more or may not decide."""
    from gateway.accounts import keys, logins, users
    from gateway.accounts.rights import allowed
    from gateway.store.database import read
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    now, store = to_micros(utc_now()), app.gateway.store.main
    with read(store) as connection:
        if not users.any_there(connection):
            raise Refused("there are no accounts yet; `gateway users add EMAIL --role marketing`, and one of sales")
        owner = keys.owner(connection, "token", os.environ.get(TOKEN, ""), now)
    if by is None:
        if not os.environ.get(TOKEN):
            raise click.UsageError("say who you are: --by EMAIL")
        if owner is None or "decide" not in allowed(owner[1].role, owner[0].scopes):
            raise Refused(f"the token in ${TOKEN} is no more, or may not decide about the model")
        return owner[1]
    password = click.prompt(f"Password of {by}", hide_input=True, err=True)
    return logins.log_in(store, by, password, "terminal", now)
