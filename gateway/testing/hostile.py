"""Values that systems really send, and nobody expects."""

from __future__ import annotations

from typing import Any

VALUES: tuple[Any, ...] = (
    None,
    "",
    " ",
    "\x00",
    "￾",
    "ﷺ" * 40,
    "Ünïcødé 🙂",
    "x" * 100_000,
    "<script>alert(1)</script>",
    "=1+1",
    "NaN",
    "1e400",
    -1,
    0,
    10**30,
    1.5,
    -0.0,
    True,
    [],
    ["a", "b"],
    ["1500.00", "EUR"],
    "2026-02-30",
    "0001-01-01",
    "9999-12-31T23:59:59Z",
)
