"""A deal closed on a day is closed on that day of the company's, wherever the company is."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.leads.deal import Deal
from gateway.times import to_micros


@pytest.mark.parametrize(
    ("zone", "closed", "at"),
    [
        ("America/New_York", "2026-02-01", datetime(2026, 2, 1, 5, tzinfo=UTC)),
        ("Europe/Berlin", "2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("UTC", "2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("America/New_York", "2026-02-01T00:00:00+00:00", datetime(2026, 2, 1, tzinfo=UTC)),
    ],
)
def test_a_day_begins_where_the_company_is(zone, closed, at):
    deal = Deal("d")
    deal.settle({"status": "won", "closed_at": closed}, {}, None, ZoneInfo(zone))
    assert (deal.status, deal.status_at) == ("won", to_micros(at))
