"""What contacts want to be sent, type by type, through HubSpot's communication preferences.

HubSpot keeps it by e-mail address and shows an opt-out of one type as the property ``hs_email_optout_ID``, which cannot
be written. So these fields of a contact are carried here: ``opted_out_email`` takes them off all types that the
settings name, ``hs_email_optout_ID`` off one, ``opted_in_email`` puts them on those of the settings that they are not
off. An opt-out wins; blank says nothing, and false only of whom the contact shows as off that type: nobody is put on a
type because nobody took them off. Who unsubscribed can only come back themselves, says HubSpot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.contracts import Receipt, Write
from gateway.errors import AccessRefused, TryLater
from gateway_hubspot import answers
from gateway_hubspot.client import Client, Failure, NoAnswer

OPT_OUT, OPT_IN = "opted_out_email", "opted_in_email"
_TYPE = re.compile(r"hs_email_optout_([0-9]+)\Z")
Person = tuple[str, frozenset[str]]
"""(e-mail address, the types that they are off)"""


def carried(name: str) -> bool:
    """Whether a field of a contact goes out this way, not as a property."""
    return name in (OPT_OUT, OPT_IN) or _TYPE.match(name) is not None


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """``types``: ids of the settings. ``ready``: spends one call, or says why none may be made any more."""

    client: Client
    types: Sequence[str]
    priority: int
    ready: Callable[[], Receipt | None]

    def tell(self, told: Sequence[tuple[Write, Receipt]]) -> dict[str, Receipt]:
        """Write's key → its receipt, once its contact is on and off what it says. All of it may be said twice."""
        answers_: dict[str, Receipt] = {}
        asked: list[tuple[Write, Receipt]] = []
        for made, receipt in told:
            in_general = any(_true(made.fields.get(name)) for name in (OPT_OUT, OPT_IN))
            if in_general and not self.types:
                answers_[made.key] = Receipt(
                    key=made.key, result="rejected", code="no subscriptions", scope="mapping",
                    fields=tuple(name for name in (OPT_OUT, OPT_IN) if name in made.fields),
                    message="the settings name no subscription types",
                )  # fmt: skip
            elif in_general or any(_TYPE.match(name) and value is not None for name, value in made.fields.items()):
                asked.append((made, receipt))
            else:
                answers_[made.key] = _noted(made, receipt)
        people, trouble = self._people(asked)
        for made, receipt in asked:
            address, off = people.get(receipt.record, ("", frozenset()))
            stop = trouble or (self._set(address, made, off) if address else None)  # without an address no e-mail comes
            answers_[made.key] = _noted(made, receipt) if stop is None else replace(stop, key=made.key)
            if stop is not None and stop.result in ("limit", "auth"):
                trouble = stop  # the others would only be refused, too
        return answers_

    def _wanted(self, made: Write, off: frozenset[str]) -> dict[str, bool]:
        """Type → on or off it. An opt-in in general leaves those alone that they are off, unless that is all of them:
        then HubSpot says who may change it."""
        wanted: dict[str, bool] = {}
        if _true(made.fields.get(OPT_IN)):
            wanted |= dict.fromkeys([type_ for type_ in self.types if type_ not in off] or self.types, True)
        types = {found[1]: value for name, value in made.fields.items() if (found := _TYPE.match(name))}
        wanted |= {type_: True for type_, value in types.items() if type_ in off and value is not None}
        if _true(made.fields.get(OPT_OUT)):
            wanted |= dict.fromkeys(self.types, False)
        return wanted | {type_: False for type_, value in types.items() if _true(value)}

    def _set(self, address: str, made: Write, off: frozenset[str]) -> Receipt | None:
        for type_, wants in self._wanted(made, off).items():
            if (stop := self.ready()) is not None:
                return stop
            request = {"emailAddress": address, "subscriptionId": type_}
            if wants:
                basis = "an explicit opt-in that the lead gateway was told"
                request |= {"legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": basis}
            status = self.client.preferences
            try:
                self.client.change(status.subscribe if wants else status.unsubscribe, request, priority=self.priority)
            except (TryLater, AccessRefused, NoAnswer) as exc:
                return refusal(exc)
            except Failure as exc:
                if "already" not in str(exc.body.get("message")).lower():
                    return self._not_set(exc, made, type_ if wants else "")
        return None

    def _not_set(self, exc: Failure, made: Write, on: str) -> Receipt:
        """:param on: the type that they should have been put on."""
        if on and "CANNOT_RESUBSCRIBE" in str(exc.body.get("subCategory")):
            message = "they unsubscribed themselves: HubSpot lets only them come back"
            said = tuple(name for name in (OPT_IN, f"hs_email_optout_{on}") if name in made.fields)
            return Receipt(key="", result="rejected", code="CANNOT_RESUBSCRIBE", fields=said, message=message)
        return refusal(exc)

    def _people(self, asked: Sequence[tuple[Write, Receipt]]) -> tuple[dict[str, Person], Receipt | None]:
        """Record → who it is, or why nobody could be asked."""
        if not asked:
            return {}, None
        if (stop := self.ready()) is not None:
            return {}, stop
        named = {found[1] for made, _ in asked for name in made.fields if (found := _TYPE.match(name))}
        shown = {f"hs_email_optout_{type_}": type_ for type_ in sorted({*named, *self.types})}
        inputs = [{"id": receipt.record} for _, receipt in asked]
        request = {"inputs": inputs, "properties": ["email", *shown]}
        try:
            reply = self.client.page(
                self.client.batch.read, "contacts", request, archived=False, priority=self.priority
            )
        except (TryLater, AccessRefused, Failure, NoAnswer) as exc:
            return {}, refusal(exc)
        people: dict[str, Person] = {}
        for one in reply.results:
            held = one.get("properties") or {}
            off = frozenset(type_ for name, type_ in shown.items() if _true(held.get(name)))
            people[str(one.get("id"))] = (str(held.get("email") or ""), off)
        return people, None


def refusal(exc: TryLater | AccessRefused | Failure | NoAnswer) -> Receipt:
    """Of a call that may be repeated as a whole."""
    if isinstance(exc, TryLater):
        return Receipt(key="", result="limit", seconds=exc.seconds, code="limit", message=exc.reason)
    if isinstance(exc, AccessRefused):
        return Receipt(key="", result="auth", code="auth", message=exc.reason)
    if isinstance(exc, Failure) and not exc.passing:
        return Receipt(key="", result="rejected", code=str(exc.status), message=str(exc))
    return Receipt(key="", result="retry", seconds=answers.OVERLOADED, code="no answer")


def _noted(made: Write, receipt: Receipt) -> Receipt:
    said = {name: value for name, value in made.fields.items() if carried(name)}
    return replace(receipt, held={**receipt.held, **said})


def _true(value: Any) -> bool:
    """Yes, or the time since when."""
    return value is True or (isinstance(value, str) and value.lower() not in ("", "false", "no", "0"))
