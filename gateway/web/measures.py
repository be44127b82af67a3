"""``/metrics`` for Prometheus: what this process answered, and what waits in the store that all of them share.

Counts and ages only, by system: never a value of a person.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.store import gauges
from gateway.store.database import Store, read
from gateway.times import to_micros

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)
"""Seconds; senders give up after 3 and more."""
EVENTS = {name: name for name in ("read", "applied", "skipped", "dead")}
WRITES = {"planned": "planned", "confirmed": "confirmed", "superseded": "superseded", "write dead": "dead"}
"""What the store's tallies count → how it is named here."""
DAY = 86_400


class Measures:
    """One web process's. ``ready``: whether it would say so now. ``systems``: those of gateway.yaml, which have 0 of
    what nothing was counted of: an alarm must know none from untold.
    """

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        ready: Callable[[], bool],
        systems: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Stored(store, now, ready, systems))
        self._answers = Counter(
            "gateway_webhook_answers", "Calls of senders, by what they were answered", ("system", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "gateway_webhook_seconds", "Seconds until a call was answered", buckets=BUCKETS, registry=self._registry
        )

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)

    def count(self, system: str, status: int, seconds: float) -> None:
        """One answer to a sender. :param system: "" for one that is not ours."""
        self._answers.labels(system, str(status)).inc()
        self._seconds.observe(seconds)


class _Stored(Collector):
    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        ready: Callable[[], bool],
        systems: Callable[[], Iterable[str]],
    ) -> None:
        self._store = store
        self._now = now
        self._ready = ready
        self._systems = systems

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering asks the store for nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield _one("gateway_info", "Always 1, with the version", ["version"], [((version("lead-gateway"),), 1)])
        ready = self._ready()
        yield GaugeMetricFamily("gateway_ready", "1 when /health/ready answers 200", 1 if ready else 0)
        if not ready:
            return  # what cannot be read is not told as 0
        now = to_micros(self._now())
        with read(self._store.inbox) as connection:
            documents = gauges.documents(connection)
        with read(self._store.main) as connection:
            found = gauges.gauges(connection, now, int(time.time() // DAY))
        nothing = dict.fromkeys(self._systems(), gauges.Waiting(0, None))
        no = dict.fromkeys(nothing, False)
        told = {**{(system, what): 0 for system in nothing for what in (*EVENTS, *WRITES)}, **found.told}
        yield from _waiting("documents", "Documents that are not read yet", {**nothing, **documents}, now)
        yield from _waiting("writes", "Writes on their way to a system", {**nothing, **found.writes}, now)
        yield _tally("gateway_events", "What became of what was read", EVENTS, told)
        yield _tally("gateway_writes", "What became of what was to be written", WRITES, told)
        yield _one("gateway_system_paused", "1 while nothing is sent", ["system"], _labelled({**no, **found.paused}))
        yield _one("gateway_system_silent", "1 while it does not answer", ["system"], _labelled({**no, **found.silent}))
        yield _one("gateway_calls_today", "Calls taken of a system's day", ["system"], _labelled(found.calls))
        parts = [(key, 1) for key in found.quarantined]
        yield _one("gateway_plugin_quarantined", "1 while it is not called", ["plugin", "part"], parts)
        yield _one("gateway_work_open", "What needs a person", ["kind"], _labelled(found.work))
        yield GaugeMetricFamily("gateway_handoffs_open", "Handoffs that sales have", found.handoffs_open)
        yield GaugeMetricFamily("gateway_handoffs_overdue", "Those without an answer in time", found.handoffs_overdue)


Labelled = Iterable[tuple[Sequence[str], float]]


def _labelled(values: Mapping[str, float]) -> Labelled:
    return [((name,), value) for name, value in sorted(values.items())]


def _one(name: str, words: str, labels: Sequence[str], values: Labelled) -> Metric:
    metric = GaugeMetricFamily(name, words, labels=labels)
    for label, value in values:
        metric.add_metric(label, value)
    return metric


def _waiting(what: str, words: str, found: Mapping[str, gauges.Waiting], now: int) -> Iterator[Metric]:
    counts = {system: one.count for system, one in found.items()}
    ages = {system: max(0.0, (now - one.oldest) / 1e6) if one.oldest else 0.0 for system, one in found.items()}
    yield _one(f"gateway_{what}_waiting", words, ["system"], _labelled(counts))
    yield _one(f"gateway_{what}_oldest_seconds", f"{words}: the age of the oldest", ["system"], _labelled(ages))


def _tally(name: str, words: str, kinds: Mapping[str, str], told: Mapping[tuple[str, str], int]) -> Metric:
    metric = CounterMetricFamily(name, words, labels=["system", "what"])
    for (system, what), count in sorted(told.items()):
        if what in kinds:
            metric.add_metric([system, kinds[what]], count)
    return metric
