"""While a part is to be pure: who asks the network or the clock is noted, and refused."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.contracts import Context


@contextmanager
def still(context: Context) -> Iterator[list[str]]:
    """While this lasts, who asks the network or the context's clock is noted, and refused."""
    asked: list[str] = []

    def refused(what: str) -> Callable[..., Any]:
        def refuse(*arguments: Any, **more: Any) -> Any:
            asked.append(what)
            raise OSError(f"{what} is not to be asked")

        return refuse

    kept = {name: getattr(socket, name) for name in ("create_connection", "getaddrinfo")}
    connect = socket.socket.connect
    given = context.now
    for name in kept:
        setattr(socket, name, refused("the network"))
    socket.socket.connect = refused("the network")  # type: ignore[method-assign]
    object.__setattr__(context, "now", refused("the clock"))
    try:
        yield asked
    finally:
        object.__setattr__(context, "now", given)
        del socket.socket.connect
        if socket.socket.connect is not connect:
            socket.socket.connect = connect  # type: ignore[method-assign]
        for name, function in kept.items():
            setattr(socket, name, function)
