"""What is taken of each system's limits: one number per (system, window)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, delete, func, select

from gateway.store import tables as t
from gateway.store.put import Put


def held(connection: Connection, system: str) -> dict[str, int]:
    """window → its number: calls of a counted window, microseconds since 1970 of a paced one."""
    b = t.budgets.c
    rows = connection.execute(select(b.window, b.used).where(b.system == system)).all()
    return {row.window: row.used for row in rows}


def hold(connection: Connection, system: str, numbers: Mapping[str, int]) -> None:
    """Write the numbers; counted windows that are over are dropped."""
    b = t.budgets.c
    Put(connection).upsert(
        t.budgets, [{"system": system, "window": window, "used": used} for window, used in sorted(numbers.items())]
    )
    over = [window for window in numbers if ":" in window]
    for window in over:
        seconds = window.partition(":")[0]
        connection.execute(
            delete(t.budgets).where(b.system == system, b.window.like(f"{seconds}:%"), b.window < window)
        )


def raise_to(connection: Connection, system: str, window: str, used: int) -> None:
    """The system counts more than we do."""
    known = connection.scalar(
        select(func.max(t.budgets.c.used)).where(t.budgets.c.system == system, t.budgets.c.window == window)
    )
    if used > (known or 0):
        Put(connection).upsert(t.budgets, [{"system": system, "window": window, "used": used}])
