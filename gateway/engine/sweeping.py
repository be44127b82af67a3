"""The sweep of a gateway whose processes wait for bells: one process of all machines at a time does it.

In: the look at what is due by time, as every engine does it. Out: the same, and before it a bell for work that nobody
holds: whose bell was lost, whose time has come, whose holder died.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.store import bells, due, lookups, outbox, rescoring
from gateway.store.database import read, write
from gateway.store.leases import Lease
from gateway.times import to_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway

TIDY = 60.0
"""Seconds between two looks for bells of processes that died."""


def alone(gateway: Gateway, worker: str, sweep: Callable[[], int]) -> Callable[[], int]:
    """``sweep``, unless another process is at it. ``worker``: our name on the lease."""
    lease = Lease(gateway.store.main, "sweep", worker)
    tidied = [float("-inf")]

    def swept() -> int:
        if not lease.take():
            return 0
        try:
            waiting, untidy = list(unheld(gateway)), time.monotonic() - tidied[0] > TIDY
            if waiting or untidy:
                with write(gateway.store.main, lock=None) as connection:
                    bells.ring(connection, *waiting)
                    if untidy:
                        bells.tidy(connection)
                        tidied[0] = time.monotonic()
            return sweep()
        finally:
            lease.release()

    return swept


def shared(gateway: Gateway) -> Callable[[str], int]:
    """A pipeline worker's part of the work: documents; without any, a part of a rescoring, beside other machines."""
    return lambda worker: gateway.run_pipeline_once(worker) or gateway.rescoring.step()


def unheld(gateway: Gateway) -> Iterator[str]:
    """The bells of work that is due and that nobody holds."""
    waits, now = gateway.inbox.unheld(), to_micros(gateway.now())
    with read(gateway.store.main) as connection:
        rescore = rescoring.under_way(connection)
        if waits or (rescore is not None and not rescore.stop_by):
            yield bells.PIPELINE
        for system in gateway.outbound_systems():
            if outbox.any_due(connection, system, now) and not due.paused(connection, system):
                yield bells.deliver(system)
        for system in gateway.pullings:
            if lookups.any_due(connection, system, now) and not due.silent(connection, system):
                yield bells.pull(system)
