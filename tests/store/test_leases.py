"""What one process does at a time: it is taken over when its holder is silent, who is refused when it wakes."""

import pytest

from gateway.errors import StaleCommit
from gateway.store.database import open_store, upgrade, write
from gateway.store.leases import SILENCE, Lease


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    upgrade(store)
    yield store
    store.close()


class Clock:
    seconds = 1000.0

    def __call__(self):
        return self.seconds


def test_one_holder_at_a_time(store):
    """Who asks again keeps it; who gave it back is not in the way."""
    one, two = (Lease(store.main, "pull crm", name) for name in ("one", "two"))
    assert Lease(store.main, "pull ma", "other").take()
    assert [one.take(), two.take(), one.take()] == [True, False, True]
    one.release()
    assert [two.take(), one.take()] == [True, False]
    one.release()  # not ours any more: it stays theirs
    assert not one.take()


def test_a_silent_holder_is_taken_over_and_refused_when_it_wakes(store):
    """Its beat is what counts, by the taker's own clock; the same holder, come back, has a token of its own."""
    clock = Clock()
    one, two = (Lease(store.main, "pull crm", name, clock) for name in ("one", "two"))
    assert one.take()
    assert not two.take()
    clock.seconds += SILENCE - 1
    with write(store.main) as connection:
        one.hold(connection)
    clock.seconds += SILENCE - 1
    assert not two.take()  # it has beaten since
    clock.seconds += SILENCE
    assert two.take()
    with pytest.raises(StaleCommit, match="took over: pull crm"), write(store.main) as connection:
        one.hold(connection)
    with write(store.main) as connection:
        two.hold(connection)
    two.release()
    before = Lease(store.main, "pull crm", "one")
    assert before.take()
    with pytest.raises(StaleCommit), write(store.main) as connection:
        one.hold(connection)  # the same name, an older token
