"""A bank's log told as it happened: each lead task is a handoff, with the clocks and buckets that its log gives it."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gateway.opening import open_gateway
from gateway.runtime import Gateway
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.sweeps import clocks
from gateway.times import to_micros

HOUR = timedelta(hours=1)
JSONL = "application/x-ndjson"
TASK = "W_Afhandelen leads"
BUCKETS = {"O_SENT": "sales_qualified", "A_DECLINED": "sales_rejected", "A_CANCELLED": "recycled"}
READ = {"A_SUBMITTED", "A_PREACCEPTED", "A_ACCEPTED", "A_APPROVED", *BUCKETS}
AGREED = """
stages:
  - {name: submitted, shared: target}
  - {name: pre-accepted, shared: mql, entry: {activity: [lead_task]}, steps: [{handoff: loan}]}
  - {name: accepted, shared: sal, entry: {outcome: [accepted]}}
  - {name: offer sent, shared: sql, entry: {outcome: [qualified]}}
  - {name: approved, shared: won, entry: {outcome: [won]}}
follow_up: {response: 60m, warn: never, period: 10d}
"""
Row = Mapping[str, str]


class Bank:
    """The example's instance, live: its clock is that of the event it is told of."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(str(files("gateway_mappings") / "examples" / "loan"), root)
        (root / "journey.yaml").write_text(AGREED)
        text = (root / "gateway.yaml").read_text()
        (root / "gateway.yaml").write_text(text.replace("role: crm", "role: crm, outbound: on"))
        self.at = datetime(2011, 1, 1, tzinfo=UTC)
        self.gateway: Gateway = open_gateway(root, now=lambda: self.at)

    def pass_time(self, until: datetime) -> None:
        """What is due before ``until`` happens, each at its own moment."""
        h = t.handoffs.c
        while True:
            with self.gateway.store.main.connect() as connection:
                open_ = select(h.alarm_at, h.period_ends).where(h.state == "open")
                moments = [at for row in connection.execute(open_) for at in row if at is not None]
            due = min((at for at in moments if at < to_micros(until)), default=None)
            if due is None:
                break
            self.at = max(self.at, datetime.fromtimestamp(due / 1_000_000, UTC))
            while clocks.tick(self.gateway):
                pass
        self.at = until

    def hears(self, row: Row) -> None:
        self.pass_time(datetime.fromisoformat(row["timestamp"]).astimezone(UTC))
        body = json.dumps(row).encode()
        self.gateway.inbox.append([Arrival(system="loan", body=body, received_at=self.at, content_type=JSONL)])
        assert self.gateway.run_pipeline_once("bank") == 1

    def cases(self, table: Any, *names: str) -> Iterator[tuple[Any, ...]]:
        """Rows of a table about leads, each behind its case."""
        r = t.records.c
        with self.gateway.store.main.connect() as connection:
            cases = {row.entity: row.record for row in connection.execute(select(r.entity, r.record))}
            for row in connection.execute(select(table.c.lead, *(table.c[name] for name in names))):
                yield cases[row.lead], *row[1:]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    made = Bank(tmp_path / "bank")
    yield made
    made.gateway.close()


def said(case: str, start: datetime, *events: tuple[float, str, str]) -> list[Row]:
    """Events of a case, each some minutes after ``start``."""
    return [
        {
            "case_id": case,
            "amount_requested": "5000",
            "registered_at": start.isoformat(),
            "event": event,
            "lifecycle": lifecycle,
            "resource": "112",
            "timestamp": (start + timedelta(minutes=minutes)).isoformat(timespec="milliseconds"),
        }
        for minutes, event, lifecycle in events
    ]


def expected(rows: Sequence[Row], ends: datetime, period: timedelta) -> tuple[bool, str | None]:
    """Whether a case was started too late, and its bucket at ``ends``, by the log alone."""
    at = [(datetime.fromisoformat(row["timestamp"]), row["event"], row["lifecycle"]) for row in rows]
    task = min(time for time, event, lifecycle in at if (event, lifecycle) == (TASK, "SCHEDULE"))
    done = [(time, BUCKETS[event]) for time, event, _ in at if event in BUCKETS and time >= task]
    expiry = (task + period, "recycled")
    bucket = min([*done, expiry])
    answers = [time for time, event, lifecycle in at if _answers(event, lifecycle) and time >= task]
    first = min([*answers, bucket[0]])
    return first > task + HOUR and ends > task + HOUR, bucket[1] if bucket[0] <= ends else None


def _answers(event: str, lifecycle: str) -> bool:
    return event == "A_ACCEPTED" or (event in (TASK, "W_Nabellen offertes") and lifecycle == "START")


def play(bank: Bank, cases: Mapping[str, Sequence[Row]]) -> dict[str, tuple[bool, str | None]]:
    """Tell it all in the order of time. Returns case → (escalated, bucket) as the gateway has it."""
    for row in sorted((row for rows in cases.values() for row in rows), key=lambda row: row["timestamp"]):
        bank.hears(row)
    late = {case for case, kind in bank.cases(t.clock_events, "kind") if kind == "escalated"}
    return {case: (case in late, bucket) for case, bucket in bank.cases(t.handoffs, "bucket")}


def test_clock_and_buckets_are_those_of_the_log(bank: Bank) -> None:
    """Started in time, late, never; declined, cancelled, an offer, nothing at all."""
    monday = datetime(2011, 10, 3, 9, tzinfo=UTC)
    day = 24 * 60
    told: dict[str, list[tuple[float, str, str]]] = {
        "in time": [(59, TASK, "START"), (90, "A_ACCEPTED", "COMPLETE"), (200, "O_SENT", "COMPLETE")],
        "late": [(61, TASK, "START"), (2 * day, "A_DECLINED", "COMPLETE")],
        "cancelled at once": [(20, "A_CANCELLED", "COMPLETE")],
        "nobody cares": [(12 * day, TASK, "START"), (13 * day, "A_DECLINED", "COMPLETE")],
    }
    cases = {
        case: said(case, monday, (-1, "A_SUBMITTED", "COMPLETE"), (0, TASK, "SCHEDULE"), *events)
        for case, events in told.items()
    }
    cases["still open"] = said("still open", monday + timedelta(days=9), (0, TASK, "SCHEDULE"))
    found = play(bank, cases)
    assert found == {
        "in time": (False, "sales_qualified"),
        "late": (True, "sales_rejected"),
        "cancelled at once": (False, "recycled"),
        "nobody cares": (True, "recycled"),
        "still open": (True, None),
    }
    assert found == {case: expected(rows, bank.at, timedelta(days=10)) for case, rows in cases.items()}


@pytest.mark.real_data
@pytest.mark.slow
def test_a_part_of_the_loan_log_as_it_happened(bank: Bank, shared_data: Path) -> None:
    """Every sixtieth case with a lead task: who was called within the hour, and how each ended, are the log's."""
    cases: dict[str, list[Row]] = defaultdict(list)
    with gzip.open(shared_data / "loan_funnel" / "events.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if row["event"] in READ or (row["event"] == TASK and row["lifecycle"] in ("SCHEDULE", "START")):
                cases[row["case_id"]].append(row)
    tasked = [case for case, rows in sorted(cases.items()) if any(row["event"] == TASK for row in rows)]
    chosen = {case: cases[case] for case in tasked[::60]}
    assert len(chosen) > 75
    found = play(bank, chosen)
    assert found == {case: expected(rows, bank.at, timedelta(days=10)) for case, rows in chosen.items()}
    bank.pass_time(bank.at + timedelta(days=15))
    assert None not in dict(bank.cases(t.handoffs, "bucket")).values()
