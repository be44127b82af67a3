"""A business time of its own: for a demo or a rehearsal, told in gateway.yaml."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import ConfigError
from gateway.host import Host
from gateway.opening import open_gateway
from gateway.settings.clock import Clock
from gateway.settings.loading import load_instance

SINCE = datetime(2026, 6, 1, 9, tzinfo=UTC)
MAIN = "instance: {name: Fast, zone: UTC, currency: EUR}\n"


@pytest.mark.parametrize(
    ("seconds", "business"),
    [(-60, -60), (0, 0), (1, 1440), (60, 86400)],
)
def test_time_runs_faster_from_a_moment_on(seconds, business):
    """Before that moment it is the real time."""
    clock = Clock(SINCE, 1440)
    assert clock.at(SINCE + timedelta(seconds=seconds)) == SINCE + timedelta(seconds=business)


def test_without_a_clock_time_is_the_real_one(tmp_path):
    """Nothing in gateway.yaml, nothing changed."""
    (tmp_path / "gateway.yaml").write_text(MAIN)
    assert load_instance(tmp_path, Host()).clock.at(SINCE) == SINCE


def test_a_gateway_lives_by_its_clock(tmp_path):
    """Whoever opens the instance, a command or a worker, is in its time."""
    since = datetime.now(UTC) - timedelta(hours=1)
    (tmp_path / "gateway.yaml").write_text(f"{MAIN}clock: {{since: '{since.isoformat()}', speed: 24}}\n")
    gateway = open_gateway(tmp_path)
    ahead = gateway.now() - datetime.now(UTC)
    gateway.close()
    assert timedelta(hours=23) <= ahead < timedelta(hours=24)


@pytest.mark.parametrize(
    ("clock", "problem"),
    [
        ("{speed: 2}", "gateway.yaml:2: clock.since"),
        ("{since: '2026-06-01T09:00:00Z', speed: 0}", "clock.speed: from 1 to 1000000"),
        ("{since: yesterday, speed: 2}", "clock.since"),
    ],
)
def test_a_wrong_clock_is_named(tmp_path, clock, problem):
    """With its line, before anything runs."""
    (tmp_path / "gateway.yaml").write_text(f"{MAIN}clock: {clock}\n")
    with pytest.raises(ConfigError, match=problem):
        load_instance(tmp_path, Host())
