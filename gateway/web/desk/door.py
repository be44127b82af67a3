"""Coming in and going out: a password or a one-time link, and a password of one's own."""

from __future__ import annotations

import time
from datetime import timedelta
from urllib.parse import urlsplit

from flask import Response, after_this_request, current_app, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user, logout_user
from sqlalchemy import Connection

from gateway.accounts import audit, keys, passwords, users
from gateway.accounts.logins import log_in
from gateway.errors import Refused, TryLater
from gateway.store.database import write
from gateway.web.desk.page import Desk, Visitor, blueprint, desk, local, page, real_now, visitor

HELD = "held."
"""Fields of a form that was sent without being logged in carry this before their names."""
NEVER_HELD = ("csrf_token", "password", "old", "new", "repeated")
NOT_CARRIED = {
    "desk.bring": "Log in, and choose the file again.",
    "desk.account": "Log in to change your password: it is as it was.",
    "desk.logout": "You are logged out.",
}
"""What nobody sends again by what is carried through the login: files and passwords."""
KNOWN = timedelta(days=180)
"""So long a browser is known in which somebody was logged in; see ``accounts.logins``."""


def ask() -> ResponseReturnValue:
    """The login page, in place of what was asked for; a form that was sent is carried along."""
    if request.method != "POST":
        return redirect(url_for("desk.login", next=local(request.full_path.rstrip("?"))))
    if (words := NOT_CARRIED.get(request.endpoint or "")) is not None:
        flash(f"Your session is over. {words}", "refused")
        back = "" if request.endpoint == "desk.logout" else request.path.removesuffix("/import")
        return redirect(url_for("desk.login", next=back or None))
    if not _ours():
        return redirect(url_for("desk.login"))
    return _form(_held(), request.path, "Your session is over. Log in, and what you typed can be sent again."), 401


def again() -> ResponseReturnValue:
    """The form, to be sent once more by somebody who is logged in: it came from an earlier session."""
    if not _ours():
        words = "It came from another site, so nothing was done."
        return render_template("desk/error.html", title="That form is not of the desk", words=words), 400
    return render_template("desk/again.html", fields=_held(), to=request.path), 400


def retry() -> ResponseReturnValue:
    """The login form was too old, as after a restart of the browser."""
    return _form({}, local(request.form.get("next", "")), "This page was too old. Please try again."), 400


@blueprint.route("/login", methods=("GET", "POST"))
def login() -> ResponseReturnValue:
    with desk().looking() as connection:
        if not users.any_there(connection):
            return render_template("desk/no_accounts.html")
    fields = {name.removeprefix(HELD): values for name, values in request.form.lists() if name.startswith(HELD)}
    to = local(request.values.get("next", ""))
    if request.method != "POST":
        return redirect(url_for("desk.today")) if current_user.is_authenticated else _form({}, to)
    given = request.form
    try:
        user = log_in(
            *(desk().gateway.store.main, given.get("email", ""), given.get("password", "")),
            _caller(),
            real_now(),
            _known(),
        )
    except TryLater as exc:
        minutes = max(1, round(exc.seconds / 60))
        return _form(fields, to, f"Too many wrong logins. Try again in {minutes} min."), 429
    except Refused:
        return _form(fields, to, "The e-mail address or the password is wrong."), 401
    with write(desk().gateway.store.main) as connection:
        _enter(connection, user)
    if fields:
        return render_template("desk/again.html", fields=fields, to=to)
    return redirect(to or url_for("desk.today"))


@blueprint.route("/login/<text>", methods=("GET", "POST"))
def link(text: str) -> ResponseReturnValue:
    """A one-time link. Looking at it does not use it up: programs that check mails look at every link."""
    store = desk().gateway.store.main
    with desk().looking() as connection:
        found = keys.owner(connection, "link", text, real_now())
    if found is None:
        words = "It was used, or is too old. Somebody with an account of role admin can make another."
        return render_template("desk/error.html", title="This link does not work any more", words=words), 404
    if request.method != "POST":
        return render_template("desk/link.html", user=found[1])
    with write(store) as connection:
        found = keys.owner(connection, "link", text, real_now())
        if found is None:
            return redirect(url_for("desk.login"))
        key, user = found
        keys.drop(connection, key)
        audit.note(connection, real_now(), user.email, "logged in by link", user.id)
        _enter(connection, user)
    return redirect(url_for("desk.today" if user.password else "desk.account"))


@page("/logout", methods=("POST",))
def logout(desk: Desk) -> ResponseReturnValue:
    with write(desk.gateway.store.main) as connection:
        keys.drop(connection, visitor().key)
    logout_user()
    session.clear()
    return redirect(url_for("desk.login"))


@page("/account", methods=("GET", "POST"))
def account(desk: Desk) -> ResponseReturnValue:
    """One's own password."""
    me = visitor()
    if request.method != "POST":
        return render_template("desk/account.html")
    if me.user.password and not passwords.fits(request.form.get("old", ""), me.user.password):
        time.sleep(1)  # who sits at somebody else's desk must not guess quickly
        flash("The old password is wrong.", "refused")
        return redirect(url_for("desk.account"))
    new = request.form.get("new", "")
    if new != request.form.get("repeated", ""):
        flash("The two new passwords differ.", "refused")
        return redirect(url_for("desk.account"))
    try:
        with write(desk.gateway.store.main) as connection:
            users.change(connection, me.user, real_now(), me.email, password=new)
            _enter(connection, me.user)
    except Refused as exc:
        flash(str(exc), "refused")
        return redirect(url_for("desk.account"))
    flash("Your password is changed; other sessions of yours are over.", "done")
    return redirect(url_for("desk.today"))


def _enter(connection: Connection, user: users.User) -> None:
    """A new session; nothing of an earlier one is left in the cookie."""
    now = real_now()
    keys.sweep(connection, now)
    text = keys.make(connection, "session", user, now, keys.SESSION)
    found = keys.owner(connection, "session", text, now)
    session.clear()
    session.permanent = True
    if found is not None:
        login_user(Visitor(text, *found))
        _remember(connection, user)


def _remember(connection: Connection, user: users.User) -> None:
    """This browser is theirs: guesses from elsewhere do not keep them out of it."""
    now = real_now()
    if (known := keys.owner(connection, "browser", request.cookies.get(_cookie(), ""), now)) is not None:
        keys.drop(connection, known[0])
    text, secure = keys.make(connection, "browser", user, now, KNOWN), current_app.config["SESSION_COOKIE_SECURE"]

    @after_this_request
    def told(response: Response) -> Response:
        response.set_cookie(_cookie(), text, max_age=KNOWN, secure=secure, httponly=True, samesite="Lax")
        return response


def _known() -> tuple[str, str] | None:
    """(the account that was logged in in this browser, what the browser is known by)."""
    with desk().looking() as connection:
        found = keys.owner(connection, "browser", request.cookies.get(_cookie(), ""), real_now())
    return (found[1].id, found[0].id) if found is not None else None


def _cookie() -> str:
    return f"{current_app.config['SESSION_COOKIE_NAME']}-known"


def _caller() -> str:
    """The address that the outermost of our own proxies was called by; whatever stands before that anybody can say."""
    proxies = desk().gateway.instance.proxies
    passed = [one.strip() for one in request.headers.get("X-Forwarded-For", "").split(",")]
    return passed[-proxies] if 0 < proxies <= len(passed) and passed[-proxies] else request.remote_addr or ""


def _ours() -> bool:
    """Whether the form that was sent stood on a page of ours: one of somebody else's is not offered to be sent."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site in ("same-origin", "none")
    if (origin := request.headers.get("Origin")) is None:
        return True
    place = urlsplit(origin).netloc  # empty of `null`, which hides whose it is
    return bool(place) and place in (request.host, urlsplit(desk().gateway.instance.public_url or "").netloc)


def _form(fields: dict[str, list[str]], to: str, words: str = "") -> str:
    secure = request.is_secure or request.host.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")
    email = request.form.get("email", "") if not fields else ""
    return render_template("desk/login.html", fields=fields, to=to, words=words, email=email, secure=secure)


def _held() -> dict[str, list[str]]:
    return {name: values for name, values in request.form.lists() if name not in NEVER_HELD}
