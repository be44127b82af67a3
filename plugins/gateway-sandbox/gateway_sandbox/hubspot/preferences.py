"""Communication preferences: who may be written to, per subscription type."""

from __future__ import annotations

from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.catalogue import SUBSCRIPTIONS as TYPES
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.sandbox import Reply, Route, Sandbox


class Preferences:
    def __init__(self, portal: Portal, sandbox: Sandbox) -> None:
        self.portal = portal
        self.sandbox = sandbox
        self.opted: dict[tuple[str, str], bool] = {}
        """(e-mail, subscription type) → whether they want it; not told otherwise, they do."""
        self.opted_out: set[str] = set()
        """E-mails that want nothing at all."""

    def routes(self) -> list[Route]:
        base = "/communication-preferences/v3"
        return [
            ("GET", base + "/definitions", self.definitions),
            ("GET", base + "/status/email/{email}", self.status),
            ("POST", base + "/subscribe", self.subscribe),
            ("POST", base + "/unsubscribe", self.unsubscribe),
        ]

    def definitions(self, call: Call) -> Reply:
        at = "2025-01-01T00:00:00.000Z"
        shown = [
            {
                "id": id,
                "name": name,
                "description": name,
                "purpose": "Marketing",
                "communicationMethod": "Email",
                "isActive": True,
                "isDefault": id == "11001",
                "isInternal": id == "11002",
                "createdAt": at,
                "updatedAt": at,
            }
            for id, name in TYPES.items()
        ]
        return Reply(body={"subscriptionDefinitions": shown})

    def _status(self, email: str, id: str) -> dict[str, Any]:
        email = email.lower()
        nothing = email in self.opted_out
        wanted = not nothing and self.opted.get((email, id), True)
        return {
            "id": id,
            "name": TYPES[id],
            "description": TYPES[id],
            "status": "SUBSCRIBED" if wanted else "NOT_SUBSCRIBED",
            "sourceOfStatus": "PORTAL_WIDE_STATUS" if nothing else "SUBSCRIPTION_STATUS",
            "preferenceGroupName": None,
            "legalBasis": None,
            "legalBasisExplanation": None,
        }

    def status(self, call: Call, email: str) -> Reply:
        shown = [self._status(email, id) for id in TYPES]
        return Reply(body={"recipient": email, "subscriptionStatuses": shown})

    def subscribe(self, call: Call) -> Reply:
        given = call.json()
        email = self._checked(given)
        if email in self.opted_out or self.opted.get((email, given["subscriptionId"])) is False:
            raise errors.invalid(
                f"{given['emailAddress']} has opted out and can only be subscribed again by themselves",
                subCategory="SubscriptionError.CANNOT_RESUBSCRIBE",
            )
        return self._opt(email, given["subscriptionId"], True)

    def unsubscribe(self, call: Call) -> Reply:
        given = call.json()
        return self._opt(self._checked(given), given["subscriptionId"], False)

    def _checked(self, given: dict[str, Any]) -> str:
        if str(given["subscriptionId"]) not in TYPES:
            raise errors.invalid(f"Subscription {given['subscriptionId']} does not exist")
        return str(given["emailAddress"]).lower()

    def _opt(self, email: str, id: str, wanted: bool) -> Reply:
        if self.opted.get((email, id)) is not wanted:
            self._note(email, id, wanted, "API")
            self.sandbox.changed("opt in" if wanted else "opt out", "subscriptions", id, {"email": email})
        return Reply(body=self._status(email, id))

    def opt_out(self, email: str, id: str | None = None) -> None:
        """The person unsubscribes, from one type or from everything."""
        email = email.lower()
        if id is None:
            self.opted_out.add(email)
            record = self.portal.find("contacts", email, "email")
            if record is not None:
                self.portal.update(record, {"hs_email_optout": "true"}, "EMAIL")
        else:
            self._note(email, id, False, "EMAIL")

    def _note(self, email: str, id: str, wanted: bool, by: str) -> None:
        """An opt-out of one type shows on the contact as a property that nobody writes."""
        self.opted[email, id] = wanted
        record = self.portal.find("contacts", email, "email")
        if record is not None:
            self.portal.update(record, {f"hs_email_optout_{id}": "" if wanted else "true"}, by)
