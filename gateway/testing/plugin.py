"""The fixtures that pytest finds by itself where the gateway is installed. Unused, they cost one small import.

Everything of the gateway is imported inside the fixtures, so that a test run that needs none of it loads none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gateway.testing.sheet import pytest_addoption, pytest_configure  # noqa: F401 - the hooks of the pass sheet

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.testing.api import FakeApi
    from gateway.testing.clock import FrozenClock
    from gateway.testing.instance import Instance


@pytest.fixture
def gateway_clock() -> FrozenClock:
    """A clock that stands at noon of 1 June 2026 (UTC) until ``gateway_clock.move(hours=2)``."""
    from gateway.testing.clock import FrozenClock

    return FrozenClock()


@pytest.fixture(scope="session")
def gateway_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store without rows, to copy: making one anew takes longer than most tests."""
    from gateway.testing.instance import make_tables

    return make_tables(tmp_path_factory.mktemp("tables") / "var")


@pytest.fixture
def gateway_instance(
    tmp_path: Path, gateway_clock: FrozenClock, gateway_tables: Path
) -> Iterator[Callable[..., Instance]]:
    """``gateway_instance({"gateway.yaml": …, "mappings/crm.yaml": …})``: an instance that lives by ``gateway_clock``.

    Values are texts, or plain data for YAML. All installed plugins are there, the one under test among them, and
    ``memory``, a system for tests.
    """
    from gateway.testing.instance import Instance
    from gateway.testing.memory import forget

    made: list[Instance] = []

    def make(files: dict[str, Any], now: Callable[[], datetime] = gateway_clock) -> Instance:
        made.append(Instance(tmp_path / f"instance{len(made) or ''}", files, now, gateway_tables))
        return made[-1]

    yield make
    for one in made:
        one.close()
        forget(one.root)


@pytest.fixture
def gateway_mount() -> Iterator[Callable[[FakeApi, str], FakeApi]]:
    """``gateway_mount(FakeCrm(), "https://api.crm.example")``: what is sent there with ``requests`` meets the fake.

    For clients that insist on an address of their own; needs ``responses``. A call to any other address fails.
    """
    import responses

    mounted: list[FakeApi] = []
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:

        def mount(fake: FakeApi, url: str) -> FakeApi:
            fake.mount(mock, url)
            mounted.append(fake)
            return fake

        yield mount
    for fake in mounted:
        fake.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``hostile_value`` and ``hostile_body``: the test runs once for each of what ``gateway.testing.hostile`` lists."""
    if "hostile_value" in metafunc.fixturenames:
        from gateway.testing.hostile import VALUES

        metafunc.parametrize("hostile_value", VALUES, ids=[f"value{number}" for number in range(len(VALUES))])
    if "hostile_body" in metafunc.fixturenames:
        from gateway.testing.hostile import BODIES

        metafunc.parametrize("hostile_body", BODIES.values(), ids=BODIES)
