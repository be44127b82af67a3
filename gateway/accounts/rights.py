"""What each role may do. Pages, the API and its tokens ask the same list."""

from __future__ import annotations

from collections.abc import Mapping

RIGHTS: Mapping[str, str] = {
    "read": "see leads, handoffs, numbers, the model and how the systems are",
    "judge": "accept, qualify, reject, recycle, reassign and hold leads; note absences",
    "settle": "settle work items and give leads points",
    "decide": "propose changes of the model, approve and reject them",
    "operate": "activate, pause and pull systems; replay documents and writes; plugins and mappings",
    "bodies": "see the documents as they came, personal data included",
    "accounts": "add people, change their roles, read the audit",
}
"""Right → in words."""

ROLES: Mapping[str, frozenset[str]] = {
    "admin": frozenset(RIGHTS),
    "marketing": frozenset({"read", "settle", "decide"}),
    "sales": frozenset({"read", "judge", "decide"}),
    "viewer": frozenset({"read"}),
}


def allowed(role: str, scopes: frozenset[str] | None = None) -> frozenset[str]:
    """The rights of a role, cut down to ``scopes`` where a token names some. An unknown role may nothing."""
    rights = ROLES.get(role, frozenset())
    return rights if scopes is None else rights & scopes
