"""Who is who: the keys a record is known by, and which lead a record belongs to.

Two leads become one by themselves only through a shared record, a vendor's merge or conversion, or a declared key. An
e-mail address links a record of *another* system at their first meeting; an e-mail that leads to somebody else later
is a question for a person (a work item), unless ``merge_on_email`` is set. Shared mailboxes identify nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field

from gateway.leads.record import Record

Key = tuple[str, str]
"""(namespace, value): ``("email", "kim@example.org")``, ``("key:customer_no", "4711")``"""

OURS = "lead"
"""Namespace of our own lead ids, which other systems keep for us. It is looked up and never claimed."""
SHARED_MAILBOXES = frozenset((
    "abuse", "accounting", "accounts", "admin", "administrator", "billing", "bookkeeping", "booking", "careers",
    "contact", "customerservice", "demo", "enquiries", "enquiry", "feedback", "finance", "hello", "help", "helpdesk",
    "hr", "hostmaster", "info", "information", "inquiries", "invoices", "jobs", "mail", "marketing", "media",
    "newsletter", "no-reply", "noreply", "office", "orders", "postmaster", "press", "privacy", "purchasing",
    "reception", "recruiting", "sales", "secretary", "security", "service", "shop", "staff", "support", "team",
    "tech", "test", "webmaster", "welcome",
))  # fmt: skip


def shared_mailbox(email: str) -> bool:
    """True for addresses such as info@ or sales@, behind which stand several people."""
    local = email.partition("@")[0].partition("+")[0].lower()
    return local in SHARED_MAILBOXES


def keys_of(values: Mapping[str, object], declared: Sequence[str]) -> list[Key]:
    """The identity keys in one record's own lead values: our id if the record carries it, declared ones, the e-mail."""
    keys = [(OURS, str(values["lead_id"]))] if values.get("lead_id") else []
    if declared:
        keys += [(f"key:{name}", str(values[name])) for name in declared if values.get(name) not in (None, "")]
    email = values.get("email")
    if isinstance(email, str) and email and not shared_mailbox(email):
        keys.append(("email", email.lower()))
    return keys


@dataclass(slots=True)
class Placed:
    """Where one record went. ``merges``: keys of leads that are the same person; ``questions``: keys held by others."""

    lead: str
    new: bool = False
    merges: list[tuple[Key, str]] = field(default_factory=list)
    questions: list[tuple[Key, str]] = field(default_factory=list)


def place(
    record: Record,
    keys: Sequence[Key],
    directory: MutableMapping[Key, str],
    companions: Callable[[str], bool],
    mint: Callable[[], str],
    merge_on_email: bool = False,
) -> Placed:
    """Find the lead of a person's record, or begin one.

    :param directory: key → lead; keys nobody holds yet are claimed for the record's lead.
    :param companions: tells whether a lead already has another live record of this record's system and object.
    """
    declared = [(directory[key], key) for key in keys if key[0] != "email" and key in directory]
    by_email = next((directory[key] for key in keys if key[0] == "email" and key in directory), None)
    if record.entity:
        placed = Placed(record.entity)
    elif declared:
        placed = Placed(declared[0][0])
    elif by_email and (merge_on_email or not companions(by_email)):
        placed = Placed(by_email)
    else:
        placed = Placed(mint(), new=True)
    same: dict[str, Key] = {}
    for lead, key in declared:
        if lead != placed.lead:
            same.setdefault(lead, key)
    placed.merges = [(key, lead) for lead, key in same.items()]
    if by_email and by_email != placed.lead and by_email not in same:
        email = next(key for key in keys if key[0] == "email")
        (placed.merges if merge_on_email else placed.questions).append((email, by_email))
    for key in keys:
        if key[0] != OURS:
            directory.setdefault(key, placed.lead)
    return placed
