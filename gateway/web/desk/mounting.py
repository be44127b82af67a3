"""Puts the desk into the Flask application: its pages, who is logged in, safe cookies and headers, errors as pages."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, flash, g, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy import select
from werkzeug.exceptions import HTTPException

from gateway.accounts import keys
from gateway.answers import texts
from gateway.answers.versions import approval_words
from gateway.errors import GatewayError, NotFound, StorageBusy, TryLater
from gateway.store import tables as t
from gateway.store.database import read, write
from gateway.store.put import Put
from gateway.times import from_micros
from gateway.web import uploads
from gateway.web.app import AWAY, COME_AGAIN, failed, headers_of, refused
from gateway.web.desk import (
    accounts,
    audit,
    documents,
    door,
    drafting,
    drafts,
    handoffs,
    jobs,
    lead,
    leads,
    learned,
    model,
    numbers,
    owners,
    reviews,
    systems,
    today,
    troubles,
    work,
)
from gateway.web.desk.page import NAME, Desk, Visitor, blueprint, desk, local, real_now, storable

if TYPE_CHECKING:
    from gateway.runtime import Gateway

PAGES = (
    today,
    leads,
    lead,
    handoffs,
    work,
    troubles,
    numbers,
    reviews,
    model,
    drafts,
    drafting,
    learned,
    systems,
    documents,
    jobs,
    owners,
    accounts,
    audit,
)
"""Imported, and so declared."""
OPEN = ("desk.login", "desk.link", "desk.static")
"""What is shown to everybody."""
FIELDS = 10_000
"""Of one form, far more than a page of ours has: a body of nothing but empty ones would be a hundred times its size
when it is read, before anybody is asked who they are."""
UPLOAD = "desk.bring"
"""Takes more than a form's few words."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
PROGRAMS = ("/api/", "/hooks", "/health/", "/metrics")
"""Where nobody is shown a page, not even one that says so."""
HALF = keys.SESSION / 2
_csrf = CSRFProtect()


def mount(app: Flask, gateway: Gateway) -> Desk:
    """Returns the desk, so that who follows the files' edits can hand it another gateway."""
    made = app.extensions[NAME] = Desk(gateway)
    secure = (gateway.instance.public_url or "").startswith("https:")
    app.config.update(
        SECRET_KEY=_secret(gateway),
        SESSION_COOKIE_NAME="__Host-desk" if secure else "desk",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=1),
        MAX_CONTENT_LENGTH=1 << 20,
        WTF_CSRF_CHECK_DEFAULT=False,  # the webhooks and the API show something else
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
    )
    _csrf.init_app(app)
    manager = LoginManager(app)
    manager.session_protection = None
    manager.user_loader(_visitor)
    app.register_blueprint(blueprint)
    app.register_error_handler(HTTPException, _elsewhere)
    app.jinja_env.filters |= {
        "plain": texts.plain,
        "points": texts.two_digits,
        "who": texts.who,
        "iso": texts.iso,
        "plural": texts.plural,
        "clock_time": lambda text: texts.told_at(text, desk().gateway.instance.zone),
        "moment": lambda micros: texts.moment(micros, desk().gateway.instance.zone)[:16],
    }
    return made


def warm(app: Flask) -> None:
    """What the first view of each page would take: templates, and the script that draws."""
    for name in app.jinja_env.list_templates(filter_func=lambda one: one.startswith("desk/")):
        app.jinja_env.get_template(name)
    numbers.sheets()


def _secret(gateway: Gateway) -> str:
    """What signs the cookies: the same for every process on this store, made once."""
    s, name = t.settings.c, "cookies"
    with read(gateway.store.main) as connection:
        found = connection.scalar(select(s.value).where(s.name == name))
    if found is None:
        with write(gateway.store.main) as connection:
            row = {"name": name, "value": secrets.token_hex(32)}
            Put(connection).insert(t.settings, [row], ignore=True)
            found = connection.scalar(select(s.value).where(s.name == name))
    return str(found)


def _visitor(text: str) -> Visitor | None:
    if "failed" in g:
        return None
    now = real_now()
    with desk().looking() as connection:
        found = keys.owner(connection, "session", text, now)
    if found is None:
        return None
    key, user = found
    if key.expires_at is not None and from_micros(key.expires_at) - from_micros(now) < HALF:
        with write(desk().gateway.store.main) as connection:
            keys.seen(connection, key, now)
    return Visitor(text, key, user)


@blueprint.before_request
def _let_in() -> ResponseReturnValue | None:
    """Everybody logs in first. What was typed into a form meanwhile is kept, and can be sent again."""
    if request.method == "OPTIONS":  # what may be asked here is no secret
        return None
    if request.mimetype == "application/x-www-form-urlencoded" and request.get_data().count(b"&") >= FIELDS:
        abort(413)
    if request.endpoint not in OPEN and not current_user.is_authenticated:
        return door.ask()
    if request.endpoint == UPLOAD and current_user.may("operate"):
        request.max_content_length = uploads.LARGEST
    if request.method == "POST":
        _csrf.protect()
    given = request.values.items(multi=True)
    if not all(map(storable, chain((request.view_args or {}).values(), *given))):
        abort(400)
    return None


@blueprint.after_request
def _headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "desk.static":
        response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.errorhandler(CSRFError)
def _too_old(exc: CSRFError) -> ResponseReturnValue:
    """The form is of an earlier session, or not ours: nothing is done before they say so."""
    return door.again() if current_user.is_authenticated else door.retry()


@blueprint.errorhandler(HTTPException)
def _refused(exc: HTTPException) -> ResponseReturnValue:
    status = exc.code or 500
    words = {
        400: "There is something in it that nothing is called by.",
        403: "Your role may not do that.",
        404: "There is no such page, or what it was about is gone.",
        405: "There is nothing to look at here.",
        413: "That is too large.",
    }
    return render_template("desk/error.html", title=words.get(status, exc.name), **_words()), status, headers_of(exc)


def _elsewhere(exc: HTTPException) -> ResponseReturnValue:
    """Of an address that is nobody's, or asked for in a way that it does not know: people are shown a page."""
    if request.path.startswith(PROGRAMS) or "text/html" not in request.accept_mimetypes.values():
        return refused(exc)
    return _headers(make_response(_refused(exc)))


@blueprint.errorhandler(Exception)
def _broken(exc: Exception) -> ResponseReturnValue:
    words = "It is noted in the log. What you asked for may or may not have been done: look before you try again."
    g.failed = True  # what stands beside the words is not asked for again
    if failed(exc) == 500:
        return render_template("desk/error.html", title="Something went wrong", words=words), 500
    words = f"{AWAY.capitalize()}." + (f" {words}" if request.method == "POST" else "")
    return render_template("desk/error.html", title="Not now", words=words), 503, COME_AGAIN


@blueprint.errorhandler(GatewayError)
def _told(exc: GatewayError) -> ResponseReturnValue:
    """What was refused is said where it was asked for; what is not there is a page of its own."""
    words = re.sub(r"--(?=[a-z])", "", str(exc))  # commands say it with options
    if isinstance(exc, NotFound):
        return render_template("desk/error.html", title="Not here", words=words), 404
    if isinstance(exc, (StorageBusy, TryLater)):
        return render_template("desk/error.html", title="Not now", words=words), 503
    if request.method == "POST" and (back := local(request.form.get("back", ""))):
        flash(words, "refused")
        return redirect(back)
    return render_template("desk/error.html", title="That cannot be done", words=words), 409


@blueprint.context_processor
def _words() -> dict[str, Any]:
    """What every template may use."""
    gateway, told = desk().gateway, current_user.is_authenticated and "failed" not in g
    return {
        "company": gateway.instance.name,
        "approval": desk().lately("approval", lambda: approval_words(gateway)) if told else [],
        "zone": gateway.instance.zone.key,
        "now": gateway.now().isoformat(),
        "speed": gateway.instance.clock.speed,
        "here": request.full_path.rstrip("?"),
    }
