"""What contacts want to be sent, type by type, through HubSpot's communication preferences.

HubSpot keeps it by e-mail address and shows an opt-out of one type as the property ``hs_email_optout_ID``, which cannot
be written. So these fields of a contact are carried here: ``opted_out_email`` takes them off all types that the
settings name, ``hs_email_optout_ID`` off one, ``opted_in_email`` puts them on those of the settings. An opt-out wins;
false and blank say nothing: nobody is put on a type because nobody took them off. Who unsubscribed themselves can only
come back themselves, says HubSpot.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gateway.contracts import Receipt, Write
from gateway.errors import AccessRefused, TryLater
from gateway_hubspot import answers
from gateway_hubspot.client import Client, Failure, NoAnswer

OPT_OUT, OPT_IN = "opted_out_email", "opted_in_email"
_TYPE = re.compile(r"hs_email_optout_([0-9]+)\Z")


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
        changes: list[tuple[Write, Receipt, dict[str, bool]]] = []
        for made, receipt in told:
            wanted = self._wanted(made)
            if not self.types and any(_true(made.fields.get(name)) for name in (OPT_OUT, OPT_IN)):
                answers_[made.key] = Receipt(
                    key=made.key, result="rejected", code="no subscriptions", scope="mapping",
                    fields=tuple(name for name in (OPT_OUT, OPT_IN) if name in made.fields),
                    message="the settings name no subscription types",
                )  # fmt: skip
            elif wanted:
                changes.append((made, receipt, wanted))
            else:
                answers_[made.key] = _noted(made, receipt)
        addresses, trouble = self._addresses([receipt.record for _, receipt, _ in changes])
        for made, receipt, wanted in changes:
            address = addresses.get(receipt.record)
            stop = trouble or (self._set(address, wanted) if address else None)  # without an address no e-mail comes
            answers_[made.key] = _noted(made, receipt) if stop is None else replace(stop, key=made.key)
            if stop is not None and stop.result in ("limit", "auth"):
                trouble = stop  # the others would only be refused, too
        return answers_

    def _wanted(self, made: Write) -> dict[str, bool]:
        wanted: dict[str, bool] = {}
        if _true(made.fields.get(OPT_IN)):
            wanted |= dict.fromkeys(self.types, True)
        if _true(made.fields.get(OPT_OUT)):
            wanted |= dict.fromkeys(self.types, False)
        for name, value in made.fields.items():
            if (found := _TYPE.match(name)) and _true(value):
                wanted[found[1]] = False
        return wanted

    def _set(self, address: str, wanted: Mapping[str, bool]) -> Receipt | None:
        for type_, wants in wanted.items():
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
                    return self._not_set(exc, wants)
        return None

    def _not_set(self, exc: Failure, wants: bool) -> Receipt:
        if wants and "CANNOT_RESUBSCRIBE" in str(exc.body.get("subCategory")):
            message = "they unsubscribed themselves: HubSpot lets only them come back"
            return Receipt(key="", result="rejected", code="CANNOT_RESUBSCRIBE", fields=(OPT_IN,), message=message)
        return refusal(exc)

    def _addresses(self, ids: Sequence[str]) -> tuple[dict[str, str], Receipt | None]:
        """Record → its address, or why nobody could be asked."""
        if not ids:
            return {}, None
        if (stop := self.ready()) is not None:
            return {}, stop
        request = {"inputs": [{"id": id_} for id_ in ids], "properties": ["email"]}
        try:
            reply = self.client.page(
                self.client.batch.read, "contacts", request, archived=False, priority=self.priority
            )
        except (TryLater, AccessRefused, Failure, NoAnswer) as exc:
            return {}, refusal(exc)
        found = {str(one.get("id")): (one.get("properties") or {}).get("email") for one in reply.results}
        return {id_: str(address) for id_, address in found.items() if address}, None


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
