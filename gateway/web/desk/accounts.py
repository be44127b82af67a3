"""Accounts: who may come in and as what, their login links, and the tokens of their programs. For admins."""

from __future__ import annotations

from flask import render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import Connection

from gateway.accounts import keys, logins, users
from gateway.accounts.rights import RIGHTS, ROLES, allowed
from gateway.answers.accounts import desk_address
from gateway.errors import NotFound, Refused
from gateway.store.database import write
from gateway.web.desk.page import Desk, done, page, real_now, visitor

DAYS = ("30", "90", "365", "730")
"""How long a token may be good for."""


@page("/accounts", "accounts")
def accounts(desk: Desk) -> ResponseReturnValue:
    return _shown(desk)


@page("/accounts", "accounts", ("POST",))
def add_account(desk: Desk) -> ResponseReturnValue:
    """A new one, with the link by which they choose a password."""
    form, by, now = request.form, visitor().email, real_now()
    with write(desk.gateway.store.main) as connection:
        name = form.get("name", "").strip()[:200]
        user = users.add(connection, form.get("email", "")[:320], name, form.get("role", ""), "", now, by)
        link = keys.make_link(connection, user, now, by)
    return _shown(desk, f"{user.email} may come in as {user.role}, by this link:", _address(desk, link))


@page("/accounts/<id_>/<word>", "accounts", ("POST",))
def change_account(desk: Desk, id_: str, word: str) -> ResponseReturnValue:
    """``word``: role, disable or enable; link, token or revoke. What is secret is told once, and not kept."""
    with write(desk.gateway.store.main) as connection:
        user = users.by_id(connection, id_)
        if user is None:
            raise NotFound("there is no such account")
        if word == "link":
            link = keys.make_link(connection, user, real_now(), visitor().email)
        elif word == "token":
            token = _token(connection, user)
        else:
            told = _changed(connection, user, word)
    if word == "link":
        words = f"{user.email} comes in by this link, once, within a day, and may choose a password:"
        return _shown(desk, words, _address(desk, link))
    if word == "token":
        return _shown(desk, f"The token of {user.email}; nobody can look it up again:", token)
    return done(told, "desk.accounts")


def _changed(connection: Connection, user: users.User, word: str) -> str:
    form, by, now = request.form, visitor().email, real_now()
    if word == "role":
        users.change(connection, user, now, by, role=form.get("role", ""))
        return f"{user.email} is {form.get('role')} now, and logs in again."
    if word in ("disable", "enable"):
        users.change(connection, user, now, by, disabled=word == "disable")
        logins.forgive(connection, user)
        off = f"{user.email} is out; their sessions and tokens are over."
        return off if word == "disable" else f"{user.email} may come in again."
    if word == "revoke":
        keys.revoke(connection, user, form.get("name", ""), now, by)
        return f"The token {form.get('name')} of {user.email} is no more."
    raise Refused(f"no such word: {word}")


def _token(connection: Connection, user: users.User) -> str:
    form = request.form
    name, days = form.get("name", "").strip()[:100], form.get("days", "")
    scopes = [one for one in form.getlist("scope") if one in RIGHTS]
    if not name:
        raise Refused("say what the token is for")
    if days not in DAYS:
        raise Refused(f"a token is good for {', '.join(DAYS)} days")
    return keys.make_token(connection, user, name, scopes, int(days), real_now(), visitor().email)


def _address(desk: Desk, link: str) -> str:
    return f"{desk_address(desk.gateway.instance)}/login/{link}"


def _shown(desk: Desk, words: str = "", secret: str = "") -> ResponseReturnValue:
    with desk.looking() as connection:
        everybody = users.everybody(connection)
        tokens = keys.tokens(connection)
    return render_template(
        "desk/accounts.html",
        everybody=everybody,
        tokens={one.id: [key for key, email in tokens if email == one.email] for one in everybody},
        roles=ROLES,
        may={one.id: [(right, RIGHTS[right]) for right in RIGHTS if right in allowed(one.role)] for one in everybody},
        days=DAYS,
        words=words,
        secret=secret,
    )
