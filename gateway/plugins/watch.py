"""Around every plugin call: the supervisor's clock, and what becomes of the call for the breakers.

In: (plugin, call), where the first word of ``call`` says which method or hook it is and the rest what it is about.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.checked import Garbage
from gateway.errors import GatewayError
from gateway.logs import places
from gateway.model import GATEWAY, Guard
from gateway.plugins.breakers import Breakers
from gateway.store.breakers import LOAD

_PARTS = {
    "read": "read",
    "score": "score",
    **dict.fromkeys(("calls", "deliver", "find", "held"), "deliver"),
    **dict.fromkeys(("pull", "fetch", "streams"), "pull"),
    **dict.fromkeys(("import", "build"), LOAD),
}
_OF_ONE_ITEM = frozenset({"read", "score", "deliver"})
_DECIDING = frozenset({"read", "score", "deliver", "pull", "fetch"})
"""Calls that show that their part works again; so do all hooks."""
_OTHERWISE = frozenset({"pull", "describe", LOAD})
"""Parts whose failures have waits of their own: a stream rests ever longer, a system that is not built is told of."""


class Watch:
    """A guard, around another one."""

    def __init__(self, guard: Guard, breakers: Breakers) -> None:
        self._guard = guard
        self._breakers = breakers

    def __call__(self, plugin: str, call: str) -> AbstractContextManager[None]:
        return _Watched(self._guard(plugin, call), self._breakers, plugin, call)


class _Watched:
    __slots__ = ("_breakers", "_call", "_guarded", "_plugin")

    def __init__(self, guarded: AbstractContextManager[None], breakers: Breakers, plugin: str, call: str) -> None:
        self._guarded = guarded
        self._breakers = breakers
        self._plugin = plugin
        self._call = call

    def __enter__(self) -> None:
        self._guarded.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._guarded.__exit__(kind, exc, traceback)
        if (exc is None and self._breakers.quiet) or self._plugin == GATEWAY:
            return
        word, part, item = parts(self._call)
        if exc is not None and not isinstance(exc, Exception | SystemExit | KeyboardInterrupt | GeneratorExit):
            # A task that was cancelled, or a panic of another language: nobody who calls a plugin expects it.
            exc = Garbage(f"{told(exc)}, which is no exception")
            self._breakers.failed(self._plugin, part, word, item, f"{word} {exc}")
            raise exc from None
        if exc is None:
            self._breakers.worked(self._plugin, part, word, word in _DECIDING or word not in _PARTS)
        elif part not in _OTHERWISE and _own_fault(exc, part):
            self._breakers.failed(self._plugin, part, word, item, f"{word} {told(exc)}")


def parts(call: str) -> tuple[str, str, str]:
    """(word, part, item) of a call: ``read 01…`` is ``read`` of part ``read``, about that document."""
    word, _, rest = call.partition(" ")
    return word, LOAD if word.startswith("register_") else _PARTS.get(word, word), rest if word in _OF_ONE_ITEM else ""


def told(exc: BaseException) -> str:
    """What a plugin raised and where, without the error's text: it may hold values."""
    if isinstance(exc, Garbage):
        return str(exc)
    at = places(exc.__traceback__)[:1]
    return f"raised {type(exc).__name__}{f' at {at[0]}' if at else ''}"


def _own_fault(exc: BaseException, part: str) -> bool:
    """Not what a plugin raises on purpose, not the store's trouble, not Ctrl-C; nor that a system is away, which is
    no matter of the other systems of that plugin: it is left alone by itself (``outbound.answering``)."""
    if isinstance(exc, Garbage):
        return True
    if part == "deliver" and isinstance(exc, OSError):  # of sockets, and of every library that speaks HTTP by them
        return False
    return isinstance(exc, Exception | SystemExit) and not isinstance(exc, GatewayError | DBAPIError | PoolTimeout)
