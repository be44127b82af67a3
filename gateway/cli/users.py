"""``gateway users``: who may use the desk and the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gateway.accounts.rights import RIGHTS, ROLES
from gateway.answers.accounts import TokenSchema, UserSchema, desk_address, token_of
from gateway.answers.texts import moment
from gateway.cli.main import App, pass_app, pass_app_to_look
from gateway.cli.output import by_option, json_option, say, say_json, table

if TYPE_CHECKING:
    from gateway.accounts.users import User

role_type = click.Choice(list(ROLES))


@click.group()
def users() -> None:
    """Who may use the desk and the API.

    The roles: admin (everything), marketing (looks, settles work items), sales (looks, disposes of handoffs), viewer.
    """


@users.command()
@click.argument("email")
@click.option("--role", type=role_type, required=True, help="What they may do.")
@click.option("--name", default="", help="How others see them; default: the address up to its @.")
@click.option("--link", is_flag=True, help="Ask for no password: print a link by which they choose one, once.")
@by_option
@json_option
@pass_app
def add(app: App, email: str, role: str, name: str, link: bool, by: str, as_json: bool) -> None:
    """Add an account.

    Asks for a password; with --link, it is theirs to choose. EMAIL also says which owner of leads they are.
    """
    from gateway.accounts import users as accounts
    from gateway.store.database import write
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    password = "" if link else _password()
    with write(app.gateway.store.main) as connection:
        user = accounts.add(connection, email, name, role, password, to_micros(utc_now()), by)
    told = {"id": user.id, "email": user.email, "name": user.name, "role": user.role}
    if link:
        told["link"] = _link(app, user, by)
    if as_json:
        say_json(told)
        return
    say(f"{user.email} may come in as {user.role}")
    if link:
        say(f"  by this link, once, within a day: {told['link']}")


@users.command("list")
@json_option
@pass_app_to_look
def list_(app: App, as_json: bool) -> None:
    """List accounts."""
    from gateway.accounts import users as accounts
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        found = accounts.everybody(connection)
    if as_json:
        say_json({"users": UserSchema(many=True).dump(found)})
        return
    table(
        ("e-mail", "name", "role", "since", "disabled"),
        [
            (one.email, one.name, one.role, moment(one.created_at, app.zone), moment(one.disabled_at, app.zone))
            for one in found
        ],
    )
    if not found:
        say("no accounts yet; `gateway users add EMAIL --role admin` makes the first")


@users.command()
@click.argument("email")
@click.option("--role", type=role_type, help="What they may do from now on.")
@click.option("--name", help="How others see them.")
@click.option("--password", is_flag=True, help="Ask for a new one.")
@click.option("--disable/--enable", default=None, help="Keep them out, at once; or let them in again.")
@by_option
@pass_app
def change(
    app: App, email: str, role: str | None, name: str | None, password: bool, disable: bool | None, by: str
) -> None:
    """Change an account.

    Who has a new role or password logs in again. Who is disabled is out at once, and their tokens are gone.
    """
    from gateway.accounts import logins
    from gateway.accounts import users as accounts
    from gateway.store.database import write
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    if role is None and name is None and not password and disable is None:
        raise click.UsageError("say what changes")
    new = _password() if password else None
    with write(app.gateway.store.main) as connection:
        user = accounts.named(connection, email)
        now = to_micros(utc_now())
        accounts.change(connection, user, now, by, name=name, role=role, password=new, disabled=disable)
        logins.forgive(connection, user)
    say(f"{user.email} is changed")


@users.command()
@click.argument("email")
@by_option
@pass_app
def link(app: App, email: str, by: str) -> None:
    """Print a link by which somebody comes in, once, within a day, and may choose a password."""
    from gateway.accounts import users as accounts
    from gateway.store.database import read

    with read(app.gateway.store.main) as connection:
        user = accounts.named(connection, email)
    click.echo(_link(app, user, by))


@users.command()
@click.argument("email")
@click.option("--name", required=True, help="What it is for; tells it from their others.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(list(RIGHTS)), help="Cut it down to this right.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is good for.")
@by_option
@pass_app
def token(app: App, email: str, name: str, scopes: tuple[str, ...], days: int, by: str) -> None:
    """Make an API token, and print it: only now, for the store keeps its hash alone.

    It may what its user may, or less: name each right with --scope.
    """
    from gateway.accounts import keys
    from gateway.accounts import users as accounts
    from gateway.store.database import write
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    now = to_micros(utc_now())
    with write(app.gateway.store.main) as connection:
        user = accounts.named(connection, email)
        made = keys.make_token(connection, user, name, scopes, days, now, by)
    click.echo(made)


@users.command()
@click.option("--revoke", nargs=2, metavar="EMAIL NAME", help="End this one, at once.")
@by_option
@json_option
@pass_app
def tokens(app: App, revoke: tuple[str, str] | None, by: str, as_json: bool) -> None:
    """List API tokens, or end one."""
    from gateway.accounts import keys
    from gateway.accounts import users as accounts
    from gateway.store.database import read, write
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    if revoke is not None:
        with write(app.gateway.store.main) as connection:
            user = accounts.named(connection, revoke[0])
            keys.revoke(connection, user, revoke[1], to_micros(utc_now()), by)
        say(f"{revoke[1]} of {user.email} is no more")
        return
    with read(app.gateway.store.main) as connection:
        found = keys.tokens(connection)
    if as_json:
        say_json({"tokens": [TokenSchema().dump(token_of(key, email)) for key, email in found]})
        return
    table(
        ("e-mail", "name", "may", "until", "last used"),
        [
            (email, key.name, _scopes(key.scopes), moment(key.expires_at, app.zone), moment(key.seen_at, app.zone))
            for key, email in found
        ],
    )
    if not found:
        say("no tokens")


def _scopes(scopes: frozenset[str] | None) -> str:
    return "all that the role may" if scopes is None else ", ".join(sorted(scopes))


def _password() -> str:
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _link(app: App, user: User, by: str) -> str:
    from gateway.accounts import keys
    from gateway.store.database import write
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    with write(app.gateway.store.main) as connection:
        made = keys.make_link(connection, user, to_micros(utc_now()), by)
    return f"{desk_address(app.instance)}/login/{made}"
