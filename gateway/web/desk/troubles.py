"""What needs a person and is no item of work that somebody resolves: it is over when it is no more.

Plugins that are not called though nobody switched them off, and documents that could not be read.
"""

from __future__ import annotations

from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from gateway.answers.plugins import plugins_of
from gateway.errors import NotFound, Refused
from gateway.web.desk.jobs import begin
from gateway.web.desk.page import Desk, done, page, visitor
from gateway.web.desk.sums import sums


def troubles(desk: Desk) -> dict[str, Any]:
    """``plugins`` as ``host.Plugin``, ``unread``: system → how many documents; for ``desk/troubles.html``."""
    counted = sums(desk).value
    systems = counted.systems if counted is not None else {}
    unread = {name: one.documents.parts["quarantined"] for name, one in systems.items()}
    return {
        "plugins": [one for one in plugins_of(desk.gateway) if one.state not in ("active", "disabled")],
        "unread": {name: count for name, count in unread.items() if count},
    }


@page("/plugins/<name>/<word>", "operate", ("POST",))
def steer_plugin(desk: Desk, name: str, word: str) -> ResponseReturnValue:
    """``word``: disable with a reason, or enable: also one that is quarantined, which is tried at once."""
    if name not in {one.name for one in desk.gateway.host.plugins}:
        raise NotFound(f"no plugin {name!r} is installed")
    if word == "enable":
        begin(desk, "enable plugin", name, ("plugins", "enable", name))
        return done(f"{name} is tried again.", "desk.jobs")
    if word == "disable":
        reason = request.form.get("reason", "").strip()[:200]
        if not reason:
            raise Refused("say why: it is shown wherever the plugin is missed")
        said = f"--reason={reason}", f"--by={visitor().email}"
        begin(desk, "disable plugin", name, ("plugins", "disable", name, *said))
        return done(f"{name} is switched off.", "desk.jobs")
    raise Refused(f"no such word: {word}")
