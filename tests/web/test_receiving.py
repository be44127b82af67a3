"""What bodies cost while they are on their way."""

import asyncio

import pytest

from gateway.errors import StorageBusy
from gateway.web import receiving
from gateway.web.receiving import Receiving


class Sender:
    """Sends ``parts``, then waits for ``more``."""

    def __init__(self, *parts, more=None):
        self.parts = parts
        self.more = more

    async def __call__(self):
        return b"".join([part async for part in self])

    async def __aiter__(self):
        for part in self.parts:
            yield part
        if self.more is not None:
            await self.more.wait()


def test_bodies_come_whole_and_long_ones_are_not_read_to_their_end():
    """Whether they say how long they are or not."""

    async def calls():
        held = Receiving()
        for size in (0, 1, receiving.SMALL, receiving.SMALL + 1, 1_000_000):
            sent = Sender(b"x" * (size // 2), b"", b"x" * (size - size // 2))
            for length in (size, None):
                body = await held.whole(sent, length, 1_000_000)
                assert body == b"x" * size
                held.let_go(body)
        assert len(await held.whole(Sender(*[b"x" * 1000] * 1000), None, 5000)) == 6000

    asyncio.run(calls())


def test_no_more_is_held_than_there_is_room_for(monkeypatch):
    """Who comes too much is to come again; what is answered, or given up, makes room."""
    monkeypatch.setattr(receiving, "ROOM", 300_000)
    big, small = Sender(b"x" * 100_000), Sender(b"x" * 1000)

    async def calls():
        held, waits = Receiving(), asyncio.Event()
        slow = asyncio.ensure_future(held.whole(Sender(b"x" * 100_000, more=waits), 200_000, 200_000))
        await asyncio.sleep(0)
        bodies = [await held.whole(big, 100_000, 200_000) for _ in range(2)]
        with pytest.raises(StorageBusy, match="too much"):
            await held.whole(big, 100_000, 200_000)
        assert len(await held.whole(small, 1000, 200_000)) == 1000
        held.let_go(bodies.pop())
        bodies.append(await held.whole(big, 100_000, 200_000))
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        await held.whole(big, 100_000, 200_000)

    asyncio.run(calls())


def test_who_is_late_is_told_and_the_crowded_sooner(monkeypatch):
    """Large or small; those that came in time are whole."""
    monkeypatch.setattr(receiving, "LOOK", 0.01)
    monkeypatch.setattr(receiving, "LONGEST", 0.3)
    monkeypatch.setattr(receiving, "SHORTEST", 0.05)
    monkeypatch.setattr(receiving, "CROWD", 10)

    async def late(held, count):
        never = asyncio.Event()
        began = asyncio.get_running_loop().time()
        lengths = [None if n % 2 else 5 for n in range(count)]
        ended = await asyncio.gather(
            *(held.whole(Sender(b"x", more=never), length, 100) for length in lengths),
            held.whole(Sender(b"whole"), 5, 100),
            return_exceptions=True,
        )
        assert ended.pop() == b"whole"
        assert {type(one) for one in ended} == {TimeoutError}
        return asyncio.get_running_loop().time() - began

    async def calls():
        held = Receiving()
        alone, crowded = await late(held, 2), await late(held, 20)
        assert alone >= 0.3 > 0.05 <= crowded
        assert not asyncio.current_task().cancelling()

    asyncio.run(calls())
