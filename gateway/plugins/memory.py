"""What loading plugins has shown, kept in an instance's store for whoever loads them next.

Who had no end is waited for by nobody else, until it is tried again; who is broken is so since it was found to be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.host import Overdue
from gateway.model import unguarded
from gateway.plugins.rules import allowed
from gateway.settings.folder import store_place
from gateway.store import breakers
from gateway.store.times import utc_now
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.host import Host
    from gateway.model import Guard
    from gateway.store.breakers import Quarantine


class Memory:
    """That of the instance in ``root``, read once."""

    def __init__(self, root: Path) -> None:
        self._place = store_place(root)
        self._rows = breakers.remembered(self._place)
        self._hung: set[str] = set()
        self._tried: set[str] = set()

    def kept_out(self, probing: bool, building: bool) -> Mapping[str, Quarantine]:
        """Whom not even to import. ``probing``: less those whose wait is over; ``building``: less those of them with
        whom it is building that ends processes, so that loading them shows nothing."""
        out = breakers.kept_out(self._rows)
        over = out.keys() - breakers.kept_out(self._rows, to_micros(utc_now())).keys()
        built = {name for name in over if breakers.when_built(out[name].reason)}
        self._tried = over - built if probing else set()
        let_in = self._tried | (built if building else set())
        return {name: one for name, one in out.items() if name not in let_in}

    def around(self, guard: Guard | None) -> Guard:
        """``guard``, and a note of each load that it found to have no end."""

        @contextmanager
        def guarded(plugin: str, call: str) -> Iterator[None]:
            try:
                with (guard or unguarded)(plugin, call):
                    yield
            except Overdue as exc:
                self.hung(plugin, f"{call}: {exc}")
                raise

        return guarded

    def hung(self, plugin: str, reason: str) -> None:
        """Loading ``plugin`` had no end, or ended the process."""
        self._hung.add(plugin)
        breakers.hung(self._place, plugin, reason, to_micros(utc_now()))

    def keep(self, host: Host, installed: Collection[str]) -> None:
        """Note who of ``host`` could not be loaded, tell its broken plugins since when, and forget what is mended."""
        known, now = breakers.broken(self._rows), utc_now()
        broken = [one for one in host.plugins if one.state == "broken"]
        for one in broken:
            one.since = (known[one.name][1] if one.name in known else now).isoformat(timespec="seconds")
        noted = {one.name: one.reason for one in broken if one.name not in self._hung | host.rules.bad.keys()}
        everybody = allowed() is None  # whom only this process leaves out is what it was
        mended = {one.name for one in host.plugins if one.state == "active" or (everybody and one.state != "broken")}
        works = {(name, breakers.BROKEN) for name in known if name in mended or name not in installed}
        works |= {(name, breakers.LOAD) for name in self._tried if name in mended or name in noted}
        if (news := {name: why for name, why in noted.items() if known.get(name, ("",))[0] != why}) or works:
            breakers.note(self._place, news, works, to_micros(now))
