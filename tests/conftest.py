"""What every test may ask for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, settings
from postgresql_server import Databases, Server, shared

from gateway.contracts import Secret
from gateway.store import breakers, bundle, database
from gateway.store.place import Place

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: nobody could press Ctrl-C in tests
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no reason to fail; and a commit that was good yesterday is good today, so examples are the same in
# every run. To look for new ones: pytest --hypothesis-profile search, as often as you like, which draws thousands.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("gateway", patient, derandomize=True, max_examples=40)
settings.register_profile("quick", patient, derandomize=True, max_examples=20)
settings.register_profile("search", patient, max_examples=1000, print_blob=True)
settings.load_profile("gateway")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the public data sets: ``GATEWAY_SHARED_DATA``, else ``../shared/data`` beside the project."""
    given = os.environ.get("GATEWAY_SHARED_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets are not here; GATEWAY_SHARED_DATA names their folder")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _pages_once() -> Iterator[None]:
    """What Jinja makes of each page: hundreds of tests make an application, and each would compile the same again."""
    from flask import Flask
    from jinja2 import BytecodeCache

    made: dict[str, bytes] = {}

    class Kept(BytecodeCache):
        def load_bytecode(self, bucket: Any) -> None:
            if bucket.key in made:
                bucket.bytecode_from_string(made[bucket.key])

        def dump_bytecode(self, bucket: Any) -> None:
            made[bucket.key] = bucket.bytecode_to_string()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flask, "jinja_options", {**Flask.jinja_options, "bytecode_cache": Kept()})
        yield


@pytest.fixture(autouse=True, scope="session")
def dear_passwords() -> Iterator[PasswordHasher]:
    """What checks of passwords cost outside of tests; inside, they are the cheapest, for there are thousands."""
    from gateway.accounts import passwords

    with pytest.MonkeyPatch.context() as patch:
        dear = passwords._hasher
        patch.setattr(passwords, "_hasher", PasswordHasher(1, 8, 1))
        yield dear


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=("sqlite", "postgresql"),
        default="sqlite",
        help="where the stores that tests open in folders really are; PostgreSQL is started, or installed, if needed",
    )
    parser.addoption(
        "--engine",
        choices=("local", "procrastinate"),
        default="local",
        help="how workers learn of work; procrastinate goes with --database postgresql",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--database") == "postgresql":
        of_sqlite = pytest.mark.skip(reason="about SQLite's files, or says itself where its stores are")
        for item in items:
            elsewhere = item.get_closest_marker("processes") and "store_line" not in getattr(item, "fixturenames", ())
            if item.get_closest_marker("sqlite") or elsewhere:
                item.add_marker(of_sqlite)


@pytest.fixture(scope="session")
def postgresql_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Server:
    base = tmp_path_factory.getbasetemp()
    one_of_several = hasattr(request.config, "workerinput")  # then the run's own folder and process are above
    server = shared(base.parent, os.getppid()) if one_of_several else shared(base, os.getpid())
    return pytest.skip(server) if isinstance(server, str) else server


@pytest.fixture(scope="session")
def _databases(postgresql_server: Server) -> Databases:
    return Databases(postgresql_server, os.environ.get("PYTEST_XDIST_WORKER", "main"))


@pytest.fixture
def postgresql(_databases: Databases) -> Iterator[Databases]:
    """Makes databases for one test."""
    yield _databases
    _databases.drop()


@pytest.fixture
def store_line(request: pytest.FixtureRequest) -> str:
    """For gateway.yaml of an instance with processes of its own: where its store is."""
    if request.config.getoption("--database") == "sqlite":
        return ""
    engine = request.config.getoption("--engine")
    return f"store: {request.getfixturevalue('postgresql').make(tables=False)}\nengine: {engine}\n"


@pytest.fixture(autouse=True)
def _in_postgresql(request: pytest.FixtureRequest) -> Iterator[None]:
    """With ``--database postgresql``: who opens a folder's store gets a database of PostgreSQL that stands for it."""
    if request.config.getoption("--database") != "postgresql":
        yield
        return
    databases: Databases = request.getfixturevalue("postgresql")
    bare = request.node.get_closest_marker("bare") is not None
    bells = request.config.getoption("--engine") == "procrastinate"
    urls: dict[Path, str] = {}
    opened: list[database.Store] = []

    def place_of(folder: Path) -> Place:
        folder = folder.resolve()
        if folder not in urls:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            urls[folder] = databases.make(tables=not bare, bells=bells)
        return Place(folder, Secret(urls[folder], "test"), bells=bells)

    def files(folder: Path) -> database.Store:
        opened.append(database.open_store(place_of(folder)))
        return opened[-1]

    def is_there(place: Place) -> bool:
        return place.url is not None or place.folder.resolve() in urls

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_files", files)
        for asking in (bundle, breakers):
            patch.setattr(asking, "is_there", is_there)
        yield
    for store in opened:
        store.close()
