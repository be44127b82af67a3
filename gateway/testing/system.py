"""The other side in a test's hand: what a contract suite asks of the system that a source or a sink talks to.

``FakeApi`` is one for whatever speaks HTTP. For another protocol, or around a sandbox of your own, write a
``FakeSystem``: a few methods.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Any, Literal, get_args

Fault = Literal["limit", "busy", "auth", "cut before", "cut after", "garbage", "hang"]
"""What can go wrong with a call.

``limit``       refused: too many calls; come again after ``seconds``, as the system says it (``Retry-After``)
``busy``        refused: the system has trouble of its own (5xx); nothing happened
``auth``        refused: the credentials are not (or no longer) good
``cut before``  the line broke before the call was heard; nothing happened
``cut after``   the call was heard and had its effect; the line broke before its answer
``garbage``     it had its effect; its answer is no answer (half a JSON document, a proxy's page)
``hang``        it had its effect; its answer does not come before the caller's own deadline
"""
FAULTS: tuple[Fault, ...] = get_args(Fault)


class FakeSystem(abc.ABC):
    """A system that holds records, hears calls, and fails on demand."""

    @property
    @abc.abstractmethod
    def calls(self) -> int:
        """How many calls it heard so far, those that failed and those for tokens among them."""

    @abc.abstractmethod
    def fail(self, fault: Fault, *, seconds: float = 0, after: int = 0) -> None:
        """One call goes wrong: the next, or the one after so many good ones. Calls for tokens pass and do not count.

        ``seconds``: of ``limit`` only.
        """

    @abc.abstractmethod
    def calm(self) -> None:
        """Whatever was to go wrong does not."""

    def records(self, object: str) -> Mapping[str, Mapping[str, Any]]:
        """What it holds of one object: id → raw values, under the names that a sink writes. For sinks and connections.

        A field that was cleared is None, empty, or not there.
        """
        raise NotImplementedError("say what the system holds: def records(self, object): return {id: values}")

    def double(self, object: str, record: str) -> str:
        """Make a second record like this one, our key included, as an import over there may; its id.

        "" where the system never holds two with one key. For sinks that can be asked for keys.
        """
        return ""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was started for it."""
