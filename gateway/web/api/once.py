"""``Idempotency-Key``: a write that is sent again is answered as the first time, and not done again."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from flask import request
from sqlalchemy import delete, insert, select, update

from gateway.accounts.keys import MICROSECOND
from gateway.errors import Refused, TryLater
from gateway.store import tables as t
from gateway.store.database import write
from gateway.web.api.caller import caller
from gateway.web.desk.page import desk, real_now

F = TypeVar("F", bound=Callable[..., Any])
KEPT = timedelta(hours=24)
BEGUN = timedelta(minutes=2)
"""After so long one that never ended is taken for dead, and may be done."""
_o = t.once.c


def once(operation: F) -> F:
    """Around an operation that answers with JSON. Without the header it is done each time."""

    @functools.wraps(operation)
    def kept(*args: Any, **kwargs: Any) -> Any:
        given = request.headers.get("Idempotency-Key", "")
        if not given:
            return operation(*args, **kwargs)
        if len(given) > 255:
            raise Refused("Idempotency-Key: 255 characters at most")
        key = _hash(caller().user, given)
        asked = _hash(request.method, request.path, request.get_data(as_text=True))
        now, store = real_now(), desk().gateway.store.main
        with write(store) as connection:
            connection.execute(delete(t.once).where(_o.at <= now - KEPT // MICROSECOND))
            row = connection.execute(select(t.once).where(_o.key == key)).mappings().first()
            if row is not None and row["asked"] != asked:
                raise Refused("Idempotency-Key: it was used for another call")
            if row is not None and row["answer"] is not None:
                return row["answer"]
            if row is not None and row["at"] > now - BEGUN // MICROSECOND:
                raise TryLater(1, "the same call is under way")
            if row is None:
                connection.execute(insert(t.once).values(key=key, asked=asked, answer=None, at=now))
            else:
                connection.execute(update(t.once).where(_o.key == key).values(at=now))
        try:
            answer = operation(*args, **kwargs)
        except Exception:
            with write(store) as connection:  # nothing was done: it may be sent again
                connection.execute(delete(t.once).where(_o.key == key))
            raise
        with write(store) as connection:
            connection.execute(update(t.once).where(_o.key == key).values(answer=answer))
        return answer

    return kept  # type: ignore[return-value]


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()
