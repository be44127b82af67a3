"""Places on lists (segments): one call per list, whoever joins and whoever leaves it.

Who is there already stays, who is not there is no trouble: the same call twice has one effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.contracts import Call, Receipt, Write
from gateway_hubspot import answers
from gateway_hubspot.client import Client, Failure
from gateway_hubspot.records import cut

CONTACTS = "0-1"
MOST = 1000
"""Places in one call; HubSpot takes more."""


class Lists:
    """The lists of one account, by their names."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ids: dict[str, str] = {}

    def calls(self, writes: Sequence[Write]) -> Iterator[Call]:
        """One per list; ``request`` is ("lists", name)."""
        named: dict[str, list[Write]] = {}
        for made in writes:
            named.setdefault(str(made.fields["list"]), []).append(made)
        for name, mine in named.items():
            for some in cut(mine, MOST):
                joining = sum(made.fields["member"] is True for made in some)
                told = [f"{n} {word}" for n, word in ((joining, "join"), (len(some) - joining, "leave")) if n]
                cost = 1 if self._ids.get(name) else 2
                yield Call(
                    title=f"list {name}: {', '.join(told)}", writes=tuple(some), request=("lists", name), cost=cost
                )

    def put(self, name: str, writes: Sequence[Write]) -> Iterator[Receipt]:
        """Raises ``TryLater``, ``AccessRefused`` or ``NoAnswer``; then all of it may be said again."""
        priority = min(made.priority for made in writes)
        contacts = {made.key: next(iter(made.refs.values()), "") for made in writes}
        joining = list(dict.fromkeys(contacts[made.key] for made in writes if made.fields["member"] is True))
        leaving = [id_ for id_ in dict.fromkeys(contacts.values()) if id_ not in joining]
        try:
            if not self._ids.get(name):
                reply = self._client.ask(self._client.lists.get_by_name, name, CONTACTS, priority=priority)
                self._ids[name] = str((reply.data or {}).get("list", {}).get("listId") or "")
            request = {"recordIdsToAdd": joining, "recordIdsToRemove": leaving}
            change = self._client.memberships.add_and_remove
            reply = self._client.change(change, self._ids[name], request, priority=priority)
        except Failure as exc:
            self._ids.pop(name, None)
            yield from (_refused(made, exc) for made in writes)
            return
        missing = {str(id_) for id_ in (reply.data or {}).get("recordIdsMissing") or ()}
        for made in writes:
            if contacts[made.key] in missing and made.fields["member"] is True:
                yield Receipt(key=made.key, result="gone", code="no such contact")
            else:
                yield Receipt(key=made.key, result="done", record=made.key)


def _refused(made: Write, exc: Failure) -> Receipt:
    if exc.passing:
        return Receipt(key=made.key, result="retry", seconds=answers.OVERLOADED, code=str(exc.status))
    return Receipt(
        key=made.key, result="rejected", code=f"list {exc.status}", fields=("list",), scope="mapping",
        message="HubSpot has no list of this name, or it is one that fills itself",
    )  # fmt: skip
