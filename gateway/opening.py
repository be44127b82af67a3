"""An instance is opened: with the files on disk, else with those in use, which the store keeps."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from gateway.committee import governing, proposing
from gateway.errors import ConfigError, Problem, StaleCommit
from gateway.host import Host
from gateway.inbound import rereading
from gateway.model import Guard
from gateway.plugins.loading import host_of
from gateway.plugins.rules import Rules
from gateway.runtime import Gateway
from gateway.settings.folder import store_place, texts
from gateway.settings.instance import Instance
from gateway.settings.loading import load_instance
from gateway.store import bundle, due
from gateway.store.database import require_current, upgrade, write
from gateway.store.times import utc_now
from gateway.times import to_micros

Following = Literal["never", "replaced", "always"]
"""Whether to work with the files in use rather than with those on disk."""


def open_gateway(
    root: Path,
    now: Callable[[], datetime] | None = None,
    guard: Guard | None = None,
    host: Host | None = None,
    fallback: bool = False,
    probing: bool = False,
    following: Following = "never",
) -> Gateway:
    """Check the files, open the store, make the tables of a new one. Raises ``ConfigError`` with every problem.

    :param now: business time; the instance's own when not given.
    :param fallback: while the files on disk are broken, work with the active ones, which the store keeps; what is
        wrong is in ``Gateway.broken``.
    :param following: where machines share a store, work with the files in use instead of taking up those on disk:
        ``always``, or where these were ``replaced`` on another machine, and not edited since.
    :param probing: be who tries plugins again that have ended other processes, once their wait is over.
    """
    # A batch makes tens of thousands of small values and frees them together; looking for cycles among them after
    # every few hundred, as Python does, took a tenth of the time.
    gc.set_threshold(100_000, 20, 100)
    own, host = host is None, host or host_of(root, building=probing, guard=guard)
    kept, broken, held, seen = "", list[Problem | str](), governing.NOTHING, None
    try:
        instance, held, seen = governing.settled(root, host, load_instance(root, host))
    except ConfigError as exc:
        if not fallback or (found := _kept(root, None if own else host, guard)) is None:
            raise
        (instance, kept, host), broken = found, exc.problems
    else:
        found = _of_another_machine(root, None if own else host, guard, following) if following != "never" else None
        if found is not None:
            instance, kept, host = found
    now = now or (lambda: instance.clock.at(utc_now()))
    gateway = Gateway(instance, host, now, guard)
    gateway.bundle, gateway.broken, gateway.held, gateway.probes = kept, broken, held, probing
    if kept and not broken:
        gateway.log.warning("files here are not those in use: working with another machine's", bundle=kept)
    try:
        if not bundle.has_tables(gateway.store):
            upgrade(gateway.store)
        require_current(gateway.store)
        if kept:
            return gateway
        _take_up(gateway, seen)
        went_live = proposing.go_due(gateway)
    except StaleCommit:
        went_live = True
    except BaseException:
        gateway.close()
        raise
    if went_live:
        gateway.close()
        return open_gateway(root, now, guard, None if own else host, fallback, probing, following)
    return gateway


def _take_up(gateway: Gateway, seen: str | None) -> None:
    """The gateway's files are those in use from now on. Raises ``StaleCommit`` where files that need an approval were
    compared with others (``seen``) than those in use."""
    instance, now = gateway.instance, gateway.now()
    with write(gateway.store.main) as connection:
        before = bundle.active(connection)
        if instance.approval != "off" and before is not None and before.id != seen:
            raise StaleCommit("another version went live meanwhile")
        gateway.bundle = bundle.activate(connection, instance.files, instance.hashes, to_micros(now))
        if before is not None and before.id != gateway.bundle:
            rereading.note(gateway, connection, before.files, now)
            if gateway.host.rules.lets_in_more(Rules(before.files)):  # what they carry was not even planned meanwhile
                due.rescore_all(connection, "plugins are let in that were kept out", to_micros(now))


def _of_another_machine(
    root: Path, host: Host | None, guard: Guard | None, following: Following
) -> tuple[Instance, str, Host] | None:
    """As ``_kept``, where machines share a store and the files in use are others than here; else None.

    Were each to take up its own, they would do so in turns. Raises ``ConfigError`` when they are of no use here.
    """
    place = store_place(root)
    active, here = bundle.stored(place) if place.url is not None else None, texts(root)
    if active is None or active.files == here or (following == "replaced" and not bundle.replaced(place, here)):
        return None
    if (found := _kept(root, host, guard)) is None:
        what = "the files in use, of another machine, cannot be used here: a plugin, a secret or `store:` differs"
        raise ConfigError([f"{root}: {what}; make files and plugins the same, or start the gateway here anew"])
    return found


def _kept(root: Path, host: Host | None, guard: Guard | None) -> tuple[Instance, str, Host] | None:
    """The instance as its store keeps it, with its bundle's id and plugins; None when that is of no use either."""
    place = store_place(root)
    if (active := bundle.stored(place)) is None:
        return None
    host = host or host_of(root, Rules(active.files), guard=guard)
    try:
        instance = load_instance(root, host, active.files)
    except ConfigError:  # a plugin that went, a secret that is not there
        return None
    return (instance, active.id, host) if instance.store == place else None
