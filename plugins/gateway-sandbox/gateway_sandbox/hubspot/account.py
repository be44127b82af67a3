"""The account itself: details, owners, pipelines."""

from __future__ import annotations

from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.objects import plural
from gateway_sandbox.hubspot.portal import Portal
from gateway_sandbox.sandbox import Reply, Route


class Account:
    def __init__(self, portal: Portal, type: str = "DEVELOPER_TEST") -> None:
        self.portal = portal
        self.type = type
        self.zone = "Europe/Berlin"
        self.owners: list[dict[str, Any]] = []
        for first, last in (("Anna", "Berg"), ("Tom", "Okoye"), ("Mia", "Rossi")):
            self.add_owner(first, last)

    def routes(self) -> list[Route]:
        return [
            ("GET", "/account-info/v3/details", self.details),
            ("GET", "/crm/v3/owners", self.page),
            ("GET", "/crm/v3/owners/{id}", self.show),
            ("GET", "/crm/v3/pipelines/{object}", self.pipelines),
            ("GET", "/crm/v3/pipelines/{object}/{pipeline}", self.pipeline),
            ("GET", "/crm/v3/pipelines/{object}/{pipeline}/stages", self.stages),
        ]

    def add_owner(self, first: str, last: str, email: str | None = None) -> dict[str, Any]:
        place = len(self.owners)
        owner = {
            "id": str(77001 + place),
            "email": email or f"{first}.{last}@sandbox.example".lower(),
            "type": "PERSON",
            "firstName": first,
            "lastName": last,
            "userId": 991 + place,
            "userIdIncludingInactive": 991 + place,
            "createdAt": "2025-01-01T00:00:00.000Z",
            "updatedAt": "2025-01-01T00:00:00.000Z",
            "archived": False,
            "teams": [],
        }
        self.owners.append(owner)
        return owner

    def details(self, call: Call) -> Reply:
        return Reply(
            body={
                "portalId": self.portal.id,
                "accountType": self.type,
                "timeZone": self.zone,
                "companyCurrency": "EUR",
                "additionalCurrencies": [],
                "utcOffset": "+01:00",
                "utcOffsetMilliseconds": 3_600_000,
                "uiDomain": "app.hubspot.com",
                "dataHostingLocation": "eu1",
            }
        )

    def page(self, call: Call) -> Reply:
        archived = call.arg("archived", "") in ("true", "True")
        email, limit, after = call.arg("email"), int(call.arg("limit") or 100), int(call.arg("after") or 0)
        found = [one for one in self.owners if one["archived"] == archived and (email is None or one["email"] == email)]
        body: dict[str, Any] = {"results": found[after : after + limit]}
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return Reply(body=body)

    def show(self, call: Call, id: str) -> Reply:
        by = "userId" if call.arg("idProperty") == "userId" else "id"
        found = next((one for one in self.owners if str(one[by]) == id), None)
        if found is None:
            raise errors.not_found()
        return Reply(body=found)

    def pipelines(self, call: Call, object: str) -> Reply:
        return Reply(body={"results": self.portal.pipelines.get(plural(object), [])})

    def pipeline(self, call: Call, object: str, pipeline: str) -> Reply:
        found = next((one for one in self.portal.pipelines.get(plural(object), []) if one["id"] == pipeline), None)
        if found is None:
            raise errors.not_found()
        return Reply(body=found)

    def stages(self, call: Call, object: str, pipeline: str) -> Reply:
        return Reply(body={"results": self.pipeline(call, object, pipeline).body["stages"]})
