"""A PostgreSQL that takes connections and says nothing: who has waited long enough leaves nothing open there."""

import gc
import socket
import time

import pytest
from sqlalchemy.exc import OperationalError

from gateway.contracts import Secret
from gateway.engine.bells import HeardBell
from gateway.store.database import open_store, read
from gateway.store.place import Place


@pytest.fixture
def silent():
    """Its machine takes our bytes, as it does while the server itself is frozen."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def store(silent, tmp_path):
    store = open_store(Place(tmp_path, Secret(f"postgresql://a:b@127.0.0.1:{silent.getsockname()[1]}/x", "test")))
    yield store
    store.close()


@pytest.fixture(autouse=True)
def no_luck():
    """Python looks for rings when it happens to."""
    gc.disable()
    yield
    gc.enable()


def is_left(silent):
    """Whether the next connection that was made is closed by who made it; what it said first is read."""
    silent.settimeout(30)
    with silent.accept()[0] as one:
        one.settimeout(8)
        try:
            while one.recv(1000):
                pass
        except TimeoutError:
            return False
        return True


@pytest.mark.sqlite
def test_an_attempt_that_took_too_long_is_closed(store, silent):
    """The server, once it goes on, would else wait for what we never say, and not end for a minute."""
    with pytest.raises(OperationalError) as failed, read(store.main):
        pass
    assert "timeout" in str(failed.value)
    assert is_left(silent)


@pytest.mark.sqlite
def test_a_bell_that_is_not_heard_leaves_none_either(store, silent):
    bell = HeardBell(store.main, "pipeline")
    try:
        time.sleep(0.5)
        assert [is_left(silent) for _ in range(2)] == [True, True]
    finally:
        bell.close()
