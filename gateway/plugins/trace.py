"""``GATEWAY_TRACE=1``: each hook and each contract method as it is called, on stderr.

A line is the plugin, the call, how long it took, how many items it was given or gave, and of what kind; never a value.
Without the variable nothing is wrapped, so nothing is spent.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TextIO, get_args, get_type_hints

from gateway.contracts import Connection, Receipt, Scorer, Sink, Source

_METHODS: Mapping[type, Sequence[str]] = {
    Source: ("read", "fetch", "streams", "pull", "history", "estimate"),
    Scorer: ("score", "renew"),
    Sink: ("describe", "calls", "deliver", "find", "held"),
    Connection: ("account", "signals", "sample", "setup"),
}
_RESULTS = get_args(get_type_hints(Receipt)["result"])
_SHOWN = 4
"""Kinds of items that one line names."""
stream: TextIO | None = None
"""Where lines go in a process whose stderr is closed to plugins; None = stderr."""


def traced() -> bool:
    return os.environ.get("GATEWAY_TRACE", "") not in ("", "0")


def trace(made: Any, plugin: str) -> None:
    """Let every call of the methods of a source, scorer, sink or connection be shown; one with slots stays as it is."""
    if not traced() or getattr(made, "_gateway_traced", False):
        return
    with suppress(AttributeError, TypeError):
        made._gateway_traced = True
        for kind, names in _METHODS.items():
            for name in names if isinstance(made, kind) else ():
                setattr(made, name, _shown(plugin, name, getattr(made, name)))


def call(plugin: str, hook: str, function: Callable[[], Any]) -> Any:
    """One call of a hook, shown."""
    return _shown(plugin, hook, function)()


def _shown(plugin: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def shown(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            given = function(*args, **kwargs)
        except BaseException as exc:
            _say(plugin, name, args, began, f"raised {type(exc).__name__}")
            raise
        if isinstance(given, Iterator):
            return _through(given, plugin, name, args, began)
        _say(plugin, name, args, began, _words(given))
        return given

    return shown


def _through(given: Iterator[Any], plugin: str, name: str, args: Sequence[Any], began: float) -> Iterator[Any]:
    """The items one by one, as they are asked for; told at their end."""
    kinds: Counter[str] = Counter()
    end = "closed early, "
    try:
        for item in given:
            kinds[_kind(item)] += 1
            yield item
        end = ""
    except Exception as exc:
        end = f"raised {type(exc).__name__} after "
        raise
    finally:
        _say(plugin, name, args, began, end + _counted(kinds))


def _words(given: Any) -> str:
    if given is None:
        return "nothing"
    if isinstance(given, Mapping):
        return f"{len(given)} of {_kind(next(iter(given.values())))}" if given else "none"
    if isinstance(given, Sequence | set | frozenset) and not isinstance(given, str | bytes):
        return _counted(Counter(map(_kind, given)))
    return _kind(given)


def _counted(kinds: Counter[str]) -> str:
    told = [f"{count} {kind}" for kind, count in kinds.most_common(_SHOWN)]
    return ", ".join(told + ["…"] * (len(kinds) > _SHOWN)) or "none"


def _kind(item: Any) -> str:
    if isinstance(item, Receipt) and item.result in _RESULTS:
        return f"Receipt {item.result}"
    return type(item).__name__


def _say(plugin: str, name: str, args: Sequence[Any], began: float, words: str) -> None:
    took = (time.perf_counter() - began) * 1000
    sizes = [len(one) for one in args if isinstance(one, list | tuple)]
    of = f" of {sizes[0]}" if sizes else ""
    print(f"trace {plugin}: {name}{of} {took:.2f} ms -> {words}", file=stream or sys.stderr, flush=True)
