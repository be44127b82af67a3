"""``/crm/v4/…/associations``: who belongs to whom, one by one and in batches."""

from __future__ import annotations

from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import iso
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.catalogue import TYPE_IDS
from gateway_sandbox.hubspot.objects import plural
from gateway_sandbox.hubspot.portal import Portal, default_types
from gateway_sandbox.sandbox import Reply, Route

READ, WRITE, REMOVE = 1000, 2000, 100
LABELS = {1: "Primary", 2: "Primary", 5: "Primary", 6: "Primary"}


class Associations:
    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def routes(self) -> list[Route]:
        one = "/crm/v4/objects/{object}/{id}/associations/{to_object}"
        pair = "/crm/v4/associations/{object}/{to_object}"
        return [
            ("GET", one, self.page),
            ("PUT", one + "/{to}", self.put),
            ("DELETE", one + "/{to}", self.remove),
            ("PUT", "/crm/v4/objects/{object}/{id}/associations/default/{to_object}/{to}", self.put_default),
            ("POST", pair + "/batch/read", self.batch_read),
            ("POST", pair + "/batch/create", self.batch_create),
            ("POST", pair + "/batch/associate/default", self.batch_default),
            ("POST", pair + "/batch/archive", self.batch_archive),
            ("GET", pair + "/labels", self.labels),
        ]

    def page(self, call: Call, object: str, id: str, to_object: str) -> Reply:
        record = self.portal.find(plural(object), id)
        if record is None:
            raise errors.not_found()
        limit = min(int(call.arg("limit") or 500), 500)
        after = int(call.arg("after") or 0)
        linked = self._shown(record.object, record.id, plural(to_object))
        body: dict[str, Any] = {"results": linked[after : after + limit]}
        if after + limit < len(linked):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return Reply(body=body)

    def _shown(self, object: str, id: str, to_object: str) -> list[dict[str, Any]]:
        return [
            {
                "toObjectId": to,
                "associationTypes": [
                    {"category": "HUBSPOT_DEFINED", "typeId": kind, "label": LABELS.get(kind)} for kind in sorted(kinds)
                ],
            }
            for to, kinds in self.portal.linked(object, id, to_object).items()
        ]

    def put(self, call: Call, object: str, id: str, to_object: str, to: str) -> Reply:
        kinds = {int(one["associationTypeId"]) for one in call.json()}
        self._linked(plural(object), id, plural(to_object), to, kinds)
        return Reply(201, self._pair(plural(object), id, plural(to_object), to, kinds))

    def put_default(self, call: Call, object: str, id: str, to_object: str, to: str) -> Reply:
        self._linked(plural(object), id, plural(to_object), to, None)
        return Reply(body=self._batch([self._default(plural(object), id, plural(to_object), to)]))

    def _linked(self, object: str, id: str, to_object: str, to: str, kinds: set[int] | None) -> None:
        if self.portal.find(object, id) is None or self.portal.find(to_object, to) is None:
            raise errors.not_found("One of the records to be associated does not exist")
        if kinds is not None and not kinds <= set(default_types(object, to_object)[0]):
            raise errors.invalid(f"Association types {sorted(kinds)} do not lead from {object} to {to_object}")
        self.portal.link(object, id, to_object, to, kinds)

    def _pair(self, object: str, id: str, to_object: str, to: str, kinds: set[int]) -> dict[str, Any]:
        return {
            "fromObjectTypeId": TYPE_IDS[object],
            "fromObjectId": id,
            "toObjectTypeId": TYPE_IDS[to_object],
            "toObjectId": to,
            "labels": [LABELS[kind] for kind in sorted(kinds) if kind in LABELS],
        }

    def _default(self, object: str, id: str, to_object: str, to: str) -> dict[str, Any]:
        kind = default_types(object, to_object)[0][0]
        spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": kind}
        return {"from": {"id": id}, "to": {"id": to}, "associationSpec": spec}

    def remove(self, call: Call, object: str, id: str, to_object: str, to: str) -> Reply:
        self.portal.unlink(plural(object), id, plural(to_object), to)
        return Reply(204)

    def batch_read(self, call: Call, object: str, to_object: str) -> Reply:
        object, to_object = plural(object), plural(to_object)
        results, missing = [], []
        for one in _inputs(call, READ):
            record = self.portal.find(object, str(one["id"]))
            linked = self._shown(object, record.id, to_object) if record else []
            if linked:
                results.append({"from": {"id": str(one["id"])}, "to": linked})
            else:
                missing.append(str(one["id"]))
        body = self._batch(results)
        if missing:
            message = f"No {to_object} is associated with these {object}"
            body |= {
                "numErrors": 1,
                "errors": [errors.row(message, "OBJECT_NOT_FOUND", fromObjectId=missing)],
            }
        return Reply(207 if missing else 200, body)

    def batch_create(self, call: Call, object: str, to_object: str) -> Reply:
        object, to_object = plural(object), plural(to_object)
        results = []
        for one in _inputs(call, WRITE):
            kinds = {int(of["associationTypeId"]) for of in one["types"]}
            self._linked(object, str(one["from"]["id"]), to_object, str(one["to"]["id"]), kinds)
            results.append(self._pair(object, str(one["from"]["id"]), to_object, str(one["to"]["id"]), kinds))
        return Reply(201, self._batch(results))

    def batch_default(self, call: Call, object: str, to_object: str) -> Reply:
        object, to_object = plural(object), plural(to_object)
        results = []
        for one in _inputs(call, WRITE):
            self._linked(object, str(one["from"]["id"]), to_object, str(one["to"]["id"]), None)
            results.append(self._default(object, str(one["from"]["id"]), to_object, str(one["to"]["id"])))
        return Reply(body=self._batch(results))

    def batch_archive(self, call: Call, object: str, to_object: str) -> Reply:
        for one in _inputs(call, REMOVE):
            for to in one["to"]:
                self.portal.unlink(plural(object), str(one["from"]["id"]), plural(to_object), str(to["id"]))
        return Reply(204)

    def labels(self, call: Call, object: str, to_object: str) -> Reply:
        forth, _ = default_types(plural(object), plural(to_object))
        return Reply(
            body={
                "results": [
                    {"category": "HUBSPOT_DEFINED", "typeId": kind, "label": LABELS.get(kind)} for kind in forth
                ]
            }
        )

    def _batch(self, results: list[Any]) -> dict[str, Any]:
        at = iso(self.portal.clock.now())
        return {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}


def _inputs(call: Call, most: int) -> list[dict[str, Any]]:
    inputs: list[dict[str, Any]] = call.json()["inputs"]
    if len(inputs) > most:
        raise errors.invalid(f"The maximum number of inputs supported in a batch request is {most}")
    return inputs
