"""Promise 7 with real processes: three workers share what a system allows, use it up, and never hear "too much"."""

from __future__ import annotations

import time

import pytest
from gateway_sandbox.hubspot.limits import Limits
from running_gateway import HubSpot, Running, document, until

PER_10S, PER_DAY = 100, 160
LEADS = 1_000  # the day is over long before


@pytest.mark.processes
@pytest.mark.slow  # so many calls take so long
def test_three_workers_use_a_quota_and_never_exceed_it(tmp_path, store_line):
    """Neither that of ten seconds nor that of the day; what is left goes out the next day, and costs no try."""
    crm = HubSpot(Limits(PER_10S, PER_DAY, None))
    with Running(tmp_path, {"crm": crm}, store_line) as running:
        running.take({"first": document(0, "lead0")})
        workers = [running.beside("deliver:crm") for _ in range(3)]
        until(lambda: crm.calls, running.log)
        number = 0
        while crm.limits.used_today < PER_DAY and number < LEADS:
            number += 1
            running.take({f"lead-{number}": document(number, f"lead{number}")})
            time.sleep(1 / 20)  # one at a time, or a batch of a hundred is one call, and the day never ends
        assert crm.limits.used_today == PER_DAY  # its last tenth, too: they are handed over
        running.take({f"late-{n}": document(n, f"late{n}") for n in range(3)})
        time.sleep(2)
        assert [worker.poll() for worker in workers] == [None] * 3
        assert crm.limits.used_today == PER_DAY
        assert running.waiting("crm") >= 3
        crm.limits.used_today = 0
        running.clock(86_400)
        running.quiet()
        running.agrees()
        assert {call.status for call in crm.calls} <= {200, 201, 207}
