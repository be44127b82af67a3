"""The host as an instance lets plugins in: less those that its files keep out, or that end whoever loads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.host import Host
from gateway.plugins.rules import Rules

if TYPE_CHECKING:
    from gateway.store.breakers import Quarantine


def host_of(root: Path, rules: Rules | None = None, probing: bool = False, **more: Any) -> Host:
    """Load the plugins of this environment for the instance in ``root``; a folder that is none keeps nobody out.

    :param rules: instead of those of its files. :param probing: load those, too, whose wait is over: this process may
        end by it. ``more``: what ``Host`` takes beside.
    """
    return Host(rules=rules or Rules.of(root), quarantined=_kept_out(root, probing), **more)


def _kept_out(root: Path, probing: bool) -> Mapping[str, Quarantine]:
    if not (root / "gateway.yaml").is_file():  # no instance, and nothing of a store needs to be imported
        return {}
    from gateway.settings.instance import store_place
    from gateway.store import breakers
    from gateway.store.times import utc_now
    from gateway.times import to_micros

    return breakers.kept_out(store_place(root), to_micros(utc_now()) if probing else 0)
