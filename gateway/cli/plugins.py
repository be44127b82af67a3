"""``gateway plugins``: who is installed, what they offer, and why one does not work. Needs no instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gateway.cli.main import load_host
from gateway.cli.output import json_option, say_json, table

if TYPE_CHECKING:
    from gateway.host import Plugin


@click.group()
def plugins() -> None:
    """Who is installed, and what they offer."""


@plugins.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List every plugin, working or not.

    GATEWAY_PLUGINS=a,b loads only those named.
    """
    found = load_host().plugins
    if as_json:
        names = ("name", "distribution", "version", "requires", "state", "reason", "offers")
        say_json({"plugins": [{name: getattr(one, name) for name in names} for one in found]})
        return
    table(
        ("plugin", "distribution", "version", "state", "offers"),
        [(one.name, one.distribution, one.version, one.state, _said(one)) for one in found],
    )


def _said(one: Plugin) -> str:
    return "; ".join(filter(None, [", ".join(one.offers), one.reason]))
