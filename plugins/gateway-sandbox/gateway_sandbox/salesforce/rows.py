"""Records one by one (``sobjects/…``) and in collections (``composite/sobjects/…``)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.fields import RowError
from gateway_sandbox.salesforce.org import Options, Org, Written
from gateway_sandbox.sandbox import Refusal, Reply, Route

COLLECTION = 200
CHUNKS = 10

Fault = Callable[[int, Any], Mapping[str, Any] | None]


def refusal(error: RowError) -> Refusal:
    """A single call's answer to an error: a list of one object."""
    told: dict[str, Any] = {"message": error.message, "errorCode": error.code}
    if error.fields:
        told["fields"] = error.fields
    return Refusal(error.status, [{**told, **error.more}])


def options(call: Call) -> Options:
    """What the headers of a write say."""
    duplicate = call.headers.get("sforce-duplicate-rule-header", "").lower().replace(" ", "")
    return Options(assign=call.headers.get("sforce-auto-assign"), allow_save="allowsave=true" in duplicate)


class Rows:
    def __init__(self, org: Org, fault: Fault, base: str) -> None:
        self.org = org
        self.fault = fault
        self.base = base
        self.unknown_field_refuses_all = False
        """Whether one unknown field refuses a whole collection; which of the two an org does is not documented."""

    def routes(self) -> list[Route]:
        one = "/data/sobjects/{object}"
        many = "/data/composite/sobjects"
        return [
            ("POST", one, self.create),
            ("GET", one + "/{id}", self.show),
            ("PATCH", one + "/{id}", self.update),
            ("DELETE", one + "/{id}", self.delete),
            ("GET", one + "/{key}/{value}", self.show_by_key),
            ("PATCH", one + "/{key}/{value}", self.upsert),
            ("DELETE", one + "/{key}/{value}", self.delete_by_key),
            ("POST", many, self.create_many),
            ("PATCH", many, self.update_many),
            ("DELETE", many, self.delete_many),
            ("PATCH", many + "/{object}/{key}", self.upsert_many),
            ("GET", many + "/{object}", self.read_many),
            ("POST", many + "/{object}", self.read_many),
        ]

    def _object(self, name: str) -> str:
        object = self.org.named(name)
        if object not in self.org.objects:
            raise refusal(RowError("NOT_FOUND", "The requested resource does not exist", status=404))
        return object

    def _single(self, call: Call, do: Callable[[], Written], row: Any) -> Written:
        fault = self.fault(0, row)
        try:
            if fault is not None:
                raise _faulty(fault)
            return do()
        except RowError as error:
            raise refusal(error) from None

    # One by one

    def create(self, call: Call, object: str) -> Reply:
        object, values = self._object(object), call.json()
        made = self._single(call, lambda: self.org.create(object, values, self.org.user, options(call)), values)
        return Reply(201, {"id": made.id, "success": True, "errors": []}, self._location(object, made.id))

    def _location(self, object: str, id: str) -> dict[str, str]:
        return {"Location": f"{self.base}/sobjects/{object}/{id}"}

    def show(self, call: Call, object: str, id: str) -> Reply:
        object = self._object(object)
        record = self.org.get(id, object)
        if record is None:
            raise refusal(RowError("NOT_FOUND", "The requested resource does not exist", status=404))
        return Reply(body=self._shown(object, record.values, call.args("fields")))

    def _shown(self, object: str, values: Mapping[str, Any], fields: list[str]) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": {"type": object, "url": f"{self.base}/sobjects/{object}/{values['Id']}"}}
        for name in fields or self.org.objects[object]:
            of = self.org.field(object, name)
            if of is None:
                raise refusal(RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {object}", [name]))
            shown[of.name] = values.get(of.name)
        return shown

    def update(self, call: Call, object: str, id: str) -> Reply:
        object, values = self._object(object), call.json()

        def do() -> Written:
            if self.org.get(id, object) is None and id not in self.org.records[object]:
                raise RowError("NOT_FOUND", "The requested resource does not exist", status=404)
            return self.org.update(object, id, values, self.org.user, options(call))

        self._single(call, do, values)
        return Reply(204)

    def delete(self, call: Call, object: str, id: str) -> Reply:
        object = self._object(object)
        self._single(call, lambda: self.org.delete(object, id), {"Id": id})
        return Reply(204)

    def _by_key(self, object: str, key: str, value: str) -> str:
        of = self.org.field(object, key)
        if of is None or not (of.external_id or of.id_lookup):
            raise refusal(
                RowError(
                    "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + key, status=404
                )
            )
        found = self.org.matching(object, of.name, value)
        if len(found) > 1:
            raise Refusal(300, [f"{self.base}/sobjects/{object}/{one.id}" for one in found])
        if not found:
            raise refusal(RowError("NOT_FOUND", "The requested resource does not exist", status=404))
        return found[0].id

    def show_by_key(self, call: Call, object: str, key: str, value: str) -> Reply:
        object = self._object(object)
        return self.show(call, object, self._by_key(object, key, value))

    def delete_by_key(self, call: Call, object: str, key: str, value: str) -> Reply:
        object = self._object(object)
        return self.delete(call, object, self._by_key(object, key, value))

    def upsert(self, call: Call, object: str, key: str, value: str) -> Reply:
        object, values = self._object(object), call.json()
        update_only = call.arg("updateOnly", "false") == "true"

        def do() -> Written:
            return self.org.upsert(object, key, value, values, self.org.user, options(call), update_only)

        try:
            put = self._single(call, do, {**values, key: value})
        except Refusal as refused:
            if refused.reply.status == 300:
                found = refused.reply.body[0]["ids"]
                raise Refusal(300, [f"{self.base}/sobjects/{object}/{id}" for id in found]) from None
            raise
        answer = {"id": put.id, "success": True, "errors": [], "created": put.created}
        if put.created:
            return Reply(201, answer, self._location(object, put.id))
        return Reply(200, answer) if self._says_updated(call) else Reply(204)

    def _says_updated(self, call: Call) -> bool:
        """Newer versions answer an update with a body, older ones with 204."""
        version = re.search(r"/v(\d+)\.", call.path)
        return bool(version) and int(version[1]) >= 46 if version else True

    # Collections

    def create_many(self, call: Call) -> Reply:
        def do(row: Mapping[str, Any]) -> Written:
            return self.org.create(self._type(row), row, self.org.user, options(call))

        return self._each(call, do, says_created=False)

    def update_many(self, call: Call) -> Reply:
        def do(row: Mapping[str, Any]) -> Written:
            id = next((str(value) for name, value in row.items() if name.lower() == "id"), None)
            if id is None:
                raise RowError("MISSING_ARGUMENT", "Id not specified in an update call", ["Id"])
            values = {name: value for name, value in row.items() if name.lower() != "id"}
            return self.org.update(self._type(row), id, values, self.org.user, options(call))

        return self._each(call, do, says_created=False)

    def upsert_many(self, call: Call, object: str, key: str) -> Reply:
        object = self._object(object)
        of = self.org.field(object, key)
        if of is None or not (of.external_id or of.id_lookup):
            raise refusal(
                RowError(
                    "NOT_FOUND", "Provided external ID field does not exist or is not accessible: " + key, status=404
                )
            )
        rows = self._rows(call)
        if any(self._type(row) != object for row in rows):
            raise refusal(RowError("INVALID_TYPE", f"All records must be of type {object}"))
        keys = [str(row.get(of.name, "")).lower() for row in rows]
        twice = {one for one in keys if keys.count(one) > 1}

        def do(row: Mapping[str, Any]) -> Written:
            value = row.get(of.name)
            if value in (None, ""):
                raise RowError("MISSING_ARGUMENT", f"{of.name} not specified", [of.name])
            if str(value).lower() in twice:
                raise RowError("DUPLICATE_VALUE", f"Duplicate external id specified: {value}", [of.name])
            values = {name: one for name, one in row.items() if name != of.name}
            return self.org.upsert(object, of.name, str(value), values, self.org.user, options(call))

        return self._each(call, do, says_created=True)

    def delete_many(self, call: Call) -> Reply:
        wanted = call.args("ids")
        rows = [{"attributes": {"type": ids.object_of(id) or ""}, "Id": id} for id in wanted]

        def do(row: Mapping[str, Any]) -> Written:
            return self.org.delete(row["attributes"]["type"], row["Id"])

        return self._all(rows, do, call.arg("allOrNone", "false") == "true", says_created=False)

    def read_many(self, call: Call, object: str) -> Reply:
        object = self._object(object)
        asked = call.json() if call.method == "POST" else {"ids": call.args("ids"), "fields": call.args("fields")}
        shown = []
        for id in asked["ids"]:
            record = self.org.get(id, object)
            shown.append(None if record is None else self._shown(object, record.values, asked["fields"]))
        return Reply(body=shown)

    def _type(self, row: Mapping[str, Any]) -> str:
        try:
            return self._object(row["attributes"]["type"])
        except (KeyError, TypeError):
            raise refusal(RowError("INVALID_TYPE", "attributes.type is required for every record")) from None

    def _rows(self, call: Call) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = call.json()["records"]
        if len(rows) > COLLECTION:
            raise refusal(
                RowError(
                    "EXCEEDED_MAX_TYPES_LIMIT", f"record limit reached. cannot submit more than {COLLECTION} records"
                )
            )
        types = [self._type(row) for row in rows]
        if sum(one != other for one, other in itertools.pairwise(types)) >= CHUNKS:
            raise refusal(RowError("INVALID_INPUT", f"more than {CHUNKS} chunks of one type"))
        if self.unknown_field_refuses_all:
            for row, type in zip(rows, types, strict=True):
                for name in row:
                    if name != "attributes" and not name.endswith("__r") and self.org.field(type, name) is None:
                        raise refusal(
                            RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {type}", [name])
                        )
        return rows

    def _each(self, call: Call, do: Callable[[Mapping[str, Any]], Written], says_created: bool) -> Reply:
        return self._all(self._rows(call), do, bool(call.json().get("allOrNone")), says_created)

    def _all(
        self,
        rows: list[Any],
        do: Callable[[Mapping[str, Any]], Written],
        all_or_none: bool,
        says_created: bool,
    ) -> Reply:
        """Every row by itself; the answer is 200 whatever happened to them."""
        results: list[dict[str, Any]] = []
        if all_or_none:
            self.org.begin()
        for place, row in enumerate(rows):
            try:
                fault = self.fault(place, row)
                if fault is not None:
                    raise _faulty(fault)
                put = do(row)
                result: dict[str, Any] = {"id": put.id, "success": True, "errors": []}
                results.append(result | {"created": put.created} if says_created else result)
            except RowError as error:
                told = {"statusCode": error.code, "message": error.message, "fields": error.fields}
                results.append({"success": False, "errors": [told]})
        if all_or_none and not all(result["success"] for result in results):
            self.org.roll_back()
            rolled = {
                "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
                "message": "Record rolled back because not all records were valid and the request was using AllOrNone "
                "header",
                "fields": [],
            }
            results = [{"success": False, "errors": [rolled]} if result["success"] else result for result in results]
        elif all_or_none:
            self.org.commit()
        return Reply(body=results)


def _faulty(fault: Mapping[str, Any]) -> RowError:
    return RowError(
        fault["code"],
        fault.get("message", "unable to obtain exclusive access to this record"),
        list(fault.get("fields") or []),
    )
