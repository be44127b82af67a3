"""Who somebody with an account is elsewhere: people with the same e-mail address, here or in the CRM. Pure."""

from __future__ import annotations

from gateway.journey.assigning import Roster


def ids_of(roster: Roster, email: str) -> set[str]:
    """Every id under which handoffs may be theirs: as journey.yaml says it, and as each CRM knows its user."""
    mine = email.casefold()
    found = {one.who for one in roster.owners.listed if one.who.casefold() == mine}
    for system, users in roster.users.items():
        found |= {user.id for user in users if user.email.casefold() == mine}
        found |= {one.who for one in roster.owners.listed if (user := roster.user(system, one.who)) is not None
                  and user.email.casefold() == mine}  # fmt: skip
    return found


def same(roster: Roster, email: str, other: str) -> bool:
    """Whether ``other``, a name that a decision was noted under, is the person with this address."""
    return other.casefold() == email.casefold() or other in ids_of(roster, email)
