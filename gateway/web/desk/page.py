"""How a page of the desk is declared, who looks at it, and what it works on."""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, current_app, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import UserMixin, current_user
from sqlalchemy import Connection

from gateway.accounts import audit
from gateway.accounts.keys import Key
from gateway.accounts.rights import allowed
from gateway.accounts.users import User
from gateway.errors import Refused
from gateway.store.database import read
from gateway.store.times import utc_now
from gateway.times import to_micros
from gateway.web.desk.beside import Beside

if TYPE_CHECKING:
    from gateway.runtime import Gateway

blueprint = Blueprint(
    "desk", __name__, template_folder="templates", static_folder="static", static_url_path="/static/desk"
)
NAME = "lead_gateway_desk"
KEPT = 60.0
"""Seconds."""
LARGEST = 2**63 - 1
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
"""The largest number that the store can look for."""
View = Callable[..., ResponseReturnValue]


@dataclass(slots=True)
class Desk:
    """``gateway`` is the one of the active files: who follows their edits puts another in its place."""

    gateway: Gateway
    _turn: threading.Lock = field(default_factory=threading.Lock)
    beside: Beside = field(default_factory=Beside)
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)

    @contextlib.contextmanager
    def deciding(self) -> Iterator[Gateway]:
        """One decision at a time: a plugin's call stands in this process's one slot while it runs."""
        with self._turn:
            yield self.gateway

    @contextlib.contextmanager
    def looking(self) -> Iterator[Connection]:
        """One view of the store."""
        with read(self.gateway.store.main) as connection:
            yield connection

    def lately(self, name: str, count: Callable[[], Any]) -> Any:
        """What ``count`` gave within the last minute, or gives now: for what takes long and moves slowly."""
        at, value = self._kept.get(name, (float("-inf"), None))
        if monotonic() - at > KEPT:
            value = count()
            self._kept[name] = monotonic(), value
        return value

    def anew(self, name: str) -> None:
        """Whoever looks next sees what ``count`` gives then: somebody just changed it."""
        self._kept.pop(name, None)

    def noting(
        self, what: str, subject: str = "", before: Any = None, after: Any = None, first: bool = False
    ) -> contextlib.AbstractContextManager[audit.Entry]:
        """Around what the visitor changes or looks into: see ``audit.noting``. By ids, and no word that may tell of a
        person."""
        entry = audit.Entry(real_now(), visitor().email, what, subject, before, after)
        return audit.noting(self.gateway.store.main, entry, first)


class Visitor(UserMixin):  # type: ignore[misc]  # the library has no types
    """Who is logged in. ``text``: the session's key, which the signed cookie carries."""

    def __init__(self, text: str, key: Key, user: User) -> None:
        self.text = text
        self.key = key
        self.user = user
        self.email = user.email
        self.name = user.name
        self.role = user.role
        self.rights = allowed(user.role)

    def get_id(self) -> str:
        return self.text

    def may(self, right: str) -> bool:
        return right in self.rights


def real_now() -> int:
    """Microseconds of the real clock: keys and the audit do not follow a demo's."""
    return to_micros(utc_now())


def desk() -> Desk:
    """The desk of this application."""
    found: Desk = current_app.extensions[NAME]
    return found


def visitor() -> Visitor:
    """Who asks; a page is shown to nobody else."""
    found: Visitor = current_user._get_current_object()
    return found


def page(rule: str, right: str = "read", methods: tuple[str, ...] = ("GET",)) -> Callable[[View], View]:
    """Declare a page: where it is, and the right that it asks for."""

    def declare(view: View) -> View:
        @functools.wraps(view)
        def shown(**values: Any) -> ResponseReturnValue:
            if not visitor().may(right):
                abort(403)
            return view(desk(), **values)

        blueprint.add_url_rule(rule, view.__name__, shown, methods=methods)
        return view

    return declare


def done(words: str, back: str = "desk.today", **values: Any) -> ResponseReturnValue:
    """Say that it is done, on the page that the form came from."""
    flash(words, "done")
    return redirect(local(request.form.get("back", "")) or url_for(back, **values))


def local(path: str) -> str:
    """The path if it is one of ours, else nothing: nobody is sent elsewhere by a link to us."""
    fine = path.startswith("/") and not path.startswith("//") and not set(path) & {"\\", "\r", "\n", "\t"}
    return path if fine else ""


def place_of(text: str) -> tuple[int, str] | None:
    """Where the page before ended: the number and the id of its last row, as an address says it."""
    found = re.fullmatch(r"(-?[0-9]{1,19}):([0-9a-f]{32})", text)
    return (min(int(found[1]), LARGEST), found[2]) if found else None


def day_of(desk: Desk, text: str, more: int = 0) -> datetime | None:
    """A day of the company's zone, as a form's date field gives it. Raises ``Refused``.

    :param more: so many days later: with 1, the end of it.
    """
    if not text:
        return None
    try:
        at = datetime.combine(date.fromisoformat(text) + timedelta(days=more), time(), desk.gateway.instance.zone)
        at.astimezone(UTC)  # which neither end of the calendar can in every zone
    except (ValueError, OverflowError):
        raise Refused("a day is written like 2026-11-30") from None
    return at


def storable(text: str) -> bool:
    """Whether every database takes it: PostgreSQL knows no NUL, and half a character is none."""
    return _UNSTORABLE.search(text) is None


def chosen(names: Mapping[str, int]) -> dict[str, str]:
    """What the address asks for, each text cut to its length; empty ones are left out."""
    found = {name: request.args.get(name, "").strip()[:most] for name, most in names.items()}
    return {name: value for name, value in found.items() if value}
