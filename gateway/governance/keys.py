"""Whose keys a draft needs, and whose turn of a key counts. Pure: turns in, what is missing out.

``two-key``: one person of marketing and another of sales. ``one-key``: one of either. An admin has no key, but may
override in an emergency, which stays on record. A rejection ends a draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway.errors import Refused

Approval = Literal["off", "one-key", "two-key"]
APPROVALS: tuple[Approval, ...] = ("off", "one-key", "two-key")
HOLDERS = ("marketing", "sales")
"""Roles with a key."""
APPROVE, REJECT, OVERRIDE, WITHDRAW, COMMENT = "approve", "reject", "override", "withdraw", "comment"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one person did about a draft. ``user``: the account's id; ``at`` in microseconds of business time."""

    what: str
    user: str
    by: str
    role: str
    reason: str
    at: int


def missing(approval: Approval, turns: Sequence[Turn]) -> tuple[str, ...]:
    """Whose keys are yet to be turned: roles; ``()`` = the draft may go live."""
    if any(turn.what == OVERRIDE for turn in turns) or approval == "off":
        return ()
    turned = [turn.role for turn in turns if turn.what == APPROVE]
    if approval == "one-key":
        return () if turned else (" or ".join(HOLDERS),)
    return tuple(role for role in HOLDERS if role not in turned)


def refuse(what: str, user: str, role: str, approval: Approval, turns: Sequence[Turn]) -> None:
    """Raises ``Refused``, with who could do it instead, where this person's turn would not count."""
    if what == OVERRIDE:
        if role != "admin":
            raise Refused(f"an emergency override is an admin's; you are {role}")
        return
    if what == APPROVE and role == "admin":
        raise Refused("an admin has no key: marketing and sales approve; `--override` is for emergencies, on record")
    if role not in (*HOLDERS, "admin"):
        raise Refused(f"a {role} decides about no model; people of {' and '.join(HOLDERS)} do")
    if what != APPROVE:
        return
    left = missing(approval, turns)
    if any(turn.what == APPROVE and turn.user == user for turn in turns):
        raise Refused(f"you have turned your key already; what is missing is that of {', '.join(left)}")
    if role not in " ".join(left):
        raise Refused(f"{role} has approved already; what is missing is that of {', '.join(left)}")
