"""What a receipt means for its write: confirmed, tried again later, looked up, or a dead letter. Pure.

Before: a sink's ``deliver``. After: ``store.outbox`` books the verdict and teaches the snapshot what the system holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gateway.contracts import Receipt

# Seconds after the first, second … failed try: quick at first, then hours; three days even with the shortest jitter.
WAITS = (10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 24 * 3600, 24 * 3600)
VAIN = "no success in three days of trying"
State = Literal["confirmed", "waiting", "unknown", "superseded", "dead"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """``wait`` in seconds from now. ``pause``: why the whole system stops until somebody acts; empty = it goes on."""

    state: State
    wait: float = 0.0
    spends_try: bool = True
    pause: str = ""
    code: str = ""
    message: str = ""


def verdict(receipt: Receipt, attempts: int, jitter: float) -> Verdict:
    """Decide on one receipt.

    :param attempts: how many tries of this write have failed before. :param jitter: 0.0–1.0, spreads retries by ±20 %.
    """
    code, message = receipt.code, receipt.message
    match receipt.result:
        case "done":
            return Verdict("confirmed")
        case "moved" | "gone":
            return Verdict("superseded", code=receipt.result, message=message)
        case "duplicate" if len(receipt.candidates) == 1:
            return Verdict("superseded", code="duplicate", message="linked to the record that is there already")
        case "duplicate":
            found = f"{len(receipt.candidates)} records there could be this one"
            words = found if receipt.candidates else "a record there could be this one, and nobody says which"
            return Verdict("dead", code="duplicate", message=words)
        case "limit":
            return Verdict("waiting", max(receipt.seconds, 1.0), False, code=code or "limit", message=message)
        case "auth":
            return Verdict("waiting", 60.0, False, pause=message or "the credentials were refused", code=code or "auth")
        case "rejected":
            fields = f" (fields: {', '.join(receipt.fields)})" if receipt.fields else ""
            return Verdict("dead", code=code or "rejected", message=f"{message}{fields}")
    if attempts >= len(WAITS):
        return Verdict("dead", code=code or receipt.result, message="; ".join(filter(None, (message, VAIN))))
    wait = max(receipt.seconds, WAITS[attempts] * (0.8 + 0.4 * jitter))
    state: State = "unknown" if receipt.result == "unknown" else "waiting"
    return Verdict(state, wait, code=code or receipt.result, message=message)
