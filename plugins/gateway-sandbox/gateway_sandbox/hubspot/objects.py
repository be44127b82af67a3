"""``/crm/v3/objects/{object}``: one by one, in batches, merged, erased."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.clock import iso
from gateway_sandbox.hubspot import errors
from gateway_sandbox.hubspot.catalogue import OBJECTS, singular
from gateway_sandbox.hubspot.portal import Portal, default_types
from gateway_sandbox.records import Record
from gateway_sandbox.sandbox import Refusal, Reply, Route

BATCH = 100
PAGE, HISTORY_PAGE = 100, 50
NEEDS_ONE = {"contacts": ("email", "firstname", "lastname"), "companies": ("name", "domain")}
MAX_MERGES = 250

RowError = Callable[[int, Any], Mapping[str, Any] | None]


def plural(object: str) -> str:
    """The object type of a path. Refuses unknown ones."""
    if object not in OBJECTS:
        raise errors.invalid(f"Unable to infer object type from: {object}")
    return OBJECTS[object]


class Objects:
    def __init__(self, portal: Portal, row_error: RowError) -> None:
        self.portal = portal
        self.row_error = row_error
        self.required: dict[str, tuple[str, ...]] = {}
        """What the admin's rules ask of every write; only the date-versioned API enforces them."""

    def routes(self) -> list[Route]:
        base = "/crm/v3/objects/{object}"
        return [
            ("GET", base, self.page),
            ("POST", base, self.create),
            ("GET", base + "/{id}", self.show),
            ("PATCH", base + "/{id}", self.update),
            ("DELETE", base + "/{id}", self.archive),
            ("POST", base + "/batch/read", self.batch_read),
            ("POST", base + "/batch/create", self.batch_create),
            ("POST", base + "/batch/update", self.batch_update),
            ("POST", base + "/batch/upsert", self.batch_upsert),
            ("POST", base + "/batch/archive", self.batch_archive),
            ("POST", base + "/merge", self.merge),
            ("POST", base + "/gdpr-delete", self.erase),
        ]

    # One by one

    def page(self, call: Call, object: str) -> Reply:
        object = plural(object)
        history = call.args("propertiesWithHistory")
        limit = int(call.arg("limit") or 10)
        most = HISTORY_PAGE if history else PAGE
        if not 1 <= limit <= most:
            raise errors.invalid(f"limit must be between 1 and {most}, was {limit}")
        archived = call.arg("archived", "") in ("true", "True")
        after = int(call.arg("after") or 0)
        wanted = (one for one in self.portal.records[object].values() if one.gone == archived and not one.merged_into)
        found = sorted((one for one in wanted if int(one.id) >= after), key=lambda one: int(one.id))
        shown = [self._shown(call, record) for record in found[:limit]]
        body: dict[str, Any] = {"results": shown}
        if len(found) > limit:
            body["paging"] = {"next": {"after": found[limit].id, "link": f"?after={found[limit].id}"}}
        return Reply(body=body)

    def show(self, call: Call, object: str, id: str) -> Reply:
        archived = call.arg("archived", "") in ("true", "True")
        record = self.portal.find(plural(object), id, call.arg("idProperty"), archived)
        if record is None:
            raise errors.not_found()
        return Reply(body=self._shown(call, record))

    def _shown(self, call: Call, record: Record) -> Any:
        shown = self.portal.shown(record, call.args("properties"), call.args("propertiesWithHistory"))
        for asked in call.args("associations"):
            to_object = plural(asked)
            linked = self.portal.linked(record.object, record.id, to_object)
            if linked:
                kind = f"{singular(record.object)}_to_{singular(to_object)}"
                shown.setdefault("associations", {})[to_object] = {
                    "results": [{"id": to, "type": kind} for to in linked]
                }
        return shown

    def create(self, call: Call, object: str) -> Reply:
        object = plural(object)
        given = call.json()
        record = self._created(call, object, given)
        return Reply(201, self.portal.shown(record, list(given["properties"])))

    def _created(self, call: Call, object: str, given: Mapping[str, Any]) -> Record:
        values = self.portal.checked(object, given["properties"])
        needed = NEEDS_ONE.get(object, ())
        if needed and not any(values.get(name) for name in needed):
            raise errors.invalid(f"At least one of these properties is needed: {', '.join(needed)}")
        links = given.get("associations") or []
        if object == "leads" and not (values.get("hs_lead_name") and links):
            raise errors.invalid("A lead needs hs_lead_name and an association with an existing contact")
        self._required(call, object, values)
        self.portal.taken(object, values)
        targets = []
        for link in links:
            kinds = {int(of["associationTypeId"]) for of in link["types"]}
            targets.append((*self._target(object, kinds, str(link["to"]["id"])), kinds))
        record = self.portal.create(object, values)
        for to_object, to, kinds in targets:
            self.portal.link(object, record.id, to_object, to, kinds)
        return record

    def _target(self, object: str, kinds: set[int], id: str) -> tuple[str, str]:
        """The record an association type leads to. Refuses what is not there."""
        for to_object in dict.fromkeys(OBJECTS.values()):
            if kinds & set(default_types(object, to_object)[0]):
                if id not in self.portal.records[to_object]:
                    raise errors.not_found(f"{to_object} object {id} not found")
                return to_object, id
        raise errors.invalid(f"No association type {sorted(kinds)} from {object}")

    def _required(self, call: Call, object: str, values: Mapping[str, Any], record: Record | None = None) -> None:
        if "/2026-" not in call.path:
            return
        for name in self.required.get(object, ()):
            if not (values[name] if name in values else record is not None and record[name]):
                raise errors.invalid(
                    f"Property '{name}' is required", errors=[{"message": name, "code": "MISSING_REQUIRED_PROPERTY"}]
                )

    def update(self, call: Call, object: str, id: str) -> Reply:
        object = plural(object)
        given = call.json()["properties"]
        record = self.portal.find(object, id, call.arg("idProperty"))
        if record is None:
            raise errors.not_found()
        self._updated(call, record, given)
        return Reply(body=self.portal.shown(record, list(given)))

    def _updated(self, call: Call, record: Record, given: Mapping[str, Any]) -> None:
        values = self.portal.checked(record.object, given)
        self._required(call, record.object, values, record)
        self.portal.taken(record.object, values, by=record.id)
        self.portal.update(record, values)

    def archive(self, call: Call, object: str, id: str) -> Reply:
        record = self.portal.find(plural(object), id)
        if record is not None:
            self.portal.archive(record)
        return Reply(204)

    def merge(self, call: Call, object: str) -> Reply:
        object = plural(object)
        given = call.json()
        winner = self.portal.find(object, given["primaryObjectId"])
        loser = self.portal.find(object, given["objectIdToMerge"])
        if winner is None or loser is None:
            raise errors.not_found()
        if winner is loser:
            raise errors.invalid("Cannot merge a record with itself")
        if str(winner["hs_merged_object_ids"] or "").count(";") >= MAX_MERGES:
            raise errors.refuse(414, "This record has been merged too often", "VALIDATION_ERROR")
        return Reply(body=self.portal.shown(self.portal.merge(winner, loser)))

    def erase(self, call: Call, object: str) -> Reply:
        given = call.json()
        record = self.portal.find(plural(object), given["objectId"], given.get("idProperty"))
        if record is not None:
            self.portal.erase(record)
        return Reply(204)

    # Batches

    def batch_read(self, call: Call, object: str) -> Reply:
        object = plural(object)
        given = call.json()
        inputs = _inputs(given, key=lambda one: str(one["id"]))
        found, missing = [], []
        for one in inputs:
            record = self.portal.find(object, str(one["id"]), given.get("idProperty"))
            if record is None:
                missing.append(str(one["id"]))
            else:
                found.append(
                    self.portal.shown(record, given.get("properties"), given.get("propertiesWithHistory") or [])
                )
        if not missing:
            return batch(self.portal, 200, found, [])
        message = (
            f"Could not get some {singular(object).upper()} objects, they may be deleted or not exist. "
            "Check that ids are valid."
        )
        return batch(self.portal, 200, found, [errors.row(message, "OBJECT_NOT_FOUND", ids=missing)])

    def batch_create(self, call: Call, object: str) -> Reply:
        object = plural(object)
        inputs = _inputs(call.json(), key=None)
        emails = [str(one["properties"].get("email") or "").strip().lower() for one in inputs]
        if twice := {email for email in emails if email and emails.count(email) > 1}:
            # One pair of equal addresses costs the whole batch, trace ids or not.
            raise errors.refuse(409, f"Duplicate email in batch input: {len(twice)}", "CONFLICT")

        def make(one: Mapping[str, Any]) -> Any:
            return self.portal.shown(self._created(call, object, one), list(one["properties"]))

        return self._each(object, inputs, make, status=201)

    def batch_update(self, call: Call, object: str) -> Reply:
        object = plural(object)
        inputs = _inputs(call.json(), key=lambda one: str(one["id"]).lower())

        def change(one: Mapping[str, Any]) -> Any:
            record = self.portal.find(object, str(one["id"]), one.get("idProperty"))
            if record is None:
                raise errors.refuse(
                    404, f"{object} object not found", "OBJECT_NOT_FOUND", context={"ids": [str(one["id"])]}
                )
            self._updated(call, record, one["properties"])
            return self.portal.shown(record, list(one["properties"]))

        return self._each(object, inputs, change)

    def batch_upsert(self, call: Call, object: str) -> Reply:
        object = plural(object)
        inputs = _inputs(call.json(), key=lambda one: str(one["id"]).lower())

        def put(one: Mapping[str, Any]) -> Any:
            key = one.get("idProperty")
            record = self.portal.find(object, str(one["id"]), key)
            if record is None and not key:
                raise errors.refuse(
                    404, f"{object} object not found", "OBJECT_NOT_FOUND", context={"ids": [str(one["id"])]}
                )
            if record is None:
                given = {**one, "properties": {key: str(one["id"]), **one["properties"]}}
                # By a unique property of its own, a record may begin with nothing else.
                values = self.portal.checked(object, given["properties"])
                self._required(call, object, values)
                self.portal.taken(object, values)
                made = self.portal.create(object, values)
                return {**self.portal.shown(made, list(given["properties"])), "new": True}
            self._updated(call, record, one["properties"])
            return {**self.portal.shown(record, list(one["properties"])), "new": False}

        return self._each(object, inputs, put)

    def batch_archive(self, call: Call, object: str) -> Reply:
        object = plural(object)
        for one in _inputs(call.json(), key=lambda one: str(one["id"])):
            record = self.portal.find(object, str(one["id"]))
            if record is not None:
                self.portal.archive(record)
        return Reply(204)

    def _each(
        self, object: str, inputs: list[dict[str, Any]], do: Callable[[Mapping[str, Any]], Any], status: int = 200
    ) -> Reply:
        """Do every input. One that is refused is told apart by its trace id; without them it refuses the whole."""
        traces = [one.get("objectWriteTraceId") for one in inputs]
        traced = all(traces) and len(set(traces)) == len(traces)
        results, failed = [], []
        if not traced:
            self._rehearse(object, inputs)
        for place, one in enumerate(inputs):
            try:
                fault = self.row_error(place, one)
                if fault is not None:
                    raise errors.refuse(400, fault.get("message", "Internal error"), fault["code"])
                shown = do(one)
                results.append({**shown, "objectWriteTraceId": one["objectWriteTraceId"]} if traced else shown)
            except Refusal as refusal:
                told = refusal.reply.body
                context = dict(told.get("context") or {})
                if traced:
                    context["objectWriteTraceId"] = [one["objectWriteTraceId"]]
                failed.append(errors.row(told["message"], told.get("category", "VALIDATION_ERROR"), **context))
        return batch(self.portal, status, results, failed)

    def _rehearse(self, object: str, inputs: list[dict[str, Any]]) -> None:
        """Without trace ids an invalid input refuses the batch before anything is written; a missing id does not."""
        for one in inputs:
            values = self.portal.checked(object, one["properties"])
            record = None
            if "id" in one:
                record = self.portal.find(object, str(one["id"]), one.get("idProperty"))
                if record is None and not one.get("idProperty"):
                    continue
            self.portal.taken(object, values, by=record.id if record else None)


def _inputs(given: Any, key: Callable[[dict[str, Any]], str] | None) -> list[dict[str, Any]]:
    """The inputs of a batch. Refuses too many of them, and the same id twice."""
    inputs: list[dict[str, Any]] = given["inputs"]
    if not inputs:
        raise errors.invalid("No inputs were provided")
    if len(inputs) > BATCH:
        raise errors.invalid(f"The maximum number of inputs supported in a batch request is {BATCH}")
    if key is not None:
        keys = [key(one) for one in inputs]
        if len(set(keys)) < len(keys):
            raise errors.duplicate_ids(dict.fromkeys(one for one in keys if keys.count(one) > 1))
    return inputs


def batch(portal: Portal, status: int, results: list[Any], failed: list[dict[str, Any]]) -> Reply:
    """What a batch answers: ``status``, or 207 where something of it failed."""
    at = iso(portal.clock.now())
    body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at}
    if failed:
        body |= {"numErrors": len(failed), "errors": failed}
    return Reply(207 if failed else status, body)
