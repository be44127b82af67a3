"""Bulk API 2.0 ingest: a job, a CSV, and results in another order than the rows came in.

Rows are worked on when the upload is complete; the job says so only after ``polls`` more looks. ``JobComplete`` does
not mean that all went well. Headers of duplicate rules and assignment do not count here; ``assignmentRuleId`` does.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway_sandbox.calls import Call
from gateway_sandbox.salesforce import ids
from gateway_sandbox.salesforce.fields import RowError, stamp
from gateway_sandbox.salesforce.org import Options, Org
from gateway_sandbox.salesforce.rows import refusal
from gateway_sandbox.sandbox import Refusal, Reply, Route

OPERATIONS = ("insert", "update", "upsert", "delete")
LINE_ENDS = {"LF": "\n", "CRLF": "\r\n"}
COLUMNS = {"COMMA": ",", "SEMICOLON": ";", "TAB": "\t", "PIPE": "|", "CARET": "^", "BACKQUOTE": "`"}
NULL = "#N/A"


@dataclass(slots=True)
class Job:
    id: str
    operation: str
    object: str
    key: str | None
    line_ending: str
    delimiter: str
    created_at: datetime
    assign: str | None
    state: str = "Open"
    polls: int = 0
    data: str = ""
    columns: list[str] = field(default_factory=list)
    done: list[dict[str, str]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)


class Bulk:
    def __init__(
        self, org: Org, chance: Callable[[], random.Random], fault: Callable[[int, Any], Mapping[str, Any] | None]
    ) -> None:
        self.org = org
        self.chance = chance
        self.fault = fault
        self.polls = 1
        self.jobs: dict[str, Job] = {}

    def routes(self) -> list[Route]:
        base = "/data/jobs/ingest"
        return [
            ("POST", base, self.create),
            ("GET", base, self.all),
            ("GET", base + "/{id}", self.show),
            ("PATCH", base + "/{id}", self.change),
            ("DELETE", base + "/{id}", self.delete),
            ("PUT", base + "/{id}/batches", self.upload),
            ("GET", base + "/{id}/successfulResults", self.successful),
            ("GET", base + "/{id}/failedResults", self.unsuccessful),
            ("GET", base + "/{id}/unprocessedrecords", self.unprocessed),
        ]

    def create(self, call: Call) -> Reply:
        given = call.json()
        operation, object = given.get("operation"), self.org.named(str(given.get("object")))
        if operation not in OPERATIONS or object not in self.org.objects:
            raise refusal(RowError("INVALIDJOB", f"Unable to create a job for {operation} of {given.get('object')}"))
        key = given.get("externalIdFieldName")
        if operation == "upsert":
            of = self.org.field(object, key or "")
            if of is None or not (of.external_id or of.id_lookup):
                raise refusal(RowError("INVALIDJOB", f"InvalidJob : Field name not found or no external id: {key}"))
            key = of.name
        made = Job(
            ids.make("Job", len(self.jobs) + 1),
            operation,
            object,
            key,
            given.get("lineEnding", "LF"),
            given.get("columnDelimiter", "COMMA"),
            self.org.clock.now(),
            given.get("assignmentRuleId"),
            polls=self.polls,
        )
        self.jobs[made.id] = made
        return Reply(body=self._shown(made))

    def _found(self, id: str) -> Job:
        if id not in self.jobs:
            raise refusal(RowError("NOT_FOUND", "The requested resource does not exist", status=404))
        return self.jobs[id]

    def _shown(self, job: Job) -> dict[str, Any]:
        at = stamp(job.created_at)
        return {
            "id": job.id,
            "operation": job.operation,
            "object": job.object,
            "createdById": self.org.user,
            "createdDate": at,
            "systemModstamp": at,
            "state": job.state,
            "externalIdFieldName": job.key,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": 67.0,
            "contentUrl": f"services/data/v67.0/jobs/ingest/{job.id}/batches",
            "jobType": "V2Ingest",
            "lineEnding": job.line_ending,
            "columnDelimiter": job.delimiter,
            "numberRecordsProcessed": len(job.done) + len(job.failed),
            "numberRecordsFailed": len(job.failed),
            "retries": 0,
            "totalProcessingTime": 0,
        }

    def all(self, call: Call) -> Reply:
        return Reply(body={"done": True, "records": [self._shown(job) for job in self.jobs.values()]})

    def show(self, call: Call, id: str) -> Reply:
        job = self._found(id)
        if job.state in ("UploadComplete", "InProgress"):
            job.state = "InProgress" if job.polls > 0 else "JobComplete"
            job.polls -= 1
        return Reply(body=self._shown(job))

    def upload(self, call: Call, id: str) -> Reply:
        job = self._found(id)
        if job.state != "Open" or job.data:
            raise refusal(RowError("INVALIDJOBSTATE", "Found multiple contents or the job is not open"))
        job.data = call.body.decode("utf-8-sig")
        return Reply(201)

    def change(self, call: Call, id: str) -> Reply:
        job, state = self._found(id), call.json().get("state")
        if state == "Aborted" and job.state in ("Open", "UploadComplete", "InProgress"):
            job.state = "Aborted"
        elif state == "UploadComplete" and job.state == "Open":
            job.state = "UploadComplete"
            self._work(job)
        else:
            raise refusal(RowError("INVALIDJOBSTATE", f"Invalid transition from {job.state} to {state}"))
        return Reply(body=self._shown(job))

    def delete(self, call: Call, id: str) -> Reply:
        if self._found(id).state not in ("JobComplete", "Failed", "Aborted", "UploadComplete"):
            raise refusal(RowError("INVALIDJOBSTATE", "The job has not ended"))
        del self.jobs[id]
        return Reply(204)

    def _work(self, job: Job) -> None:
        """Do every row. A file whose lines do not end as announced fails as a whole."""
        ends, delimiter = LINE_ENDS[job.line_ending], COLUMNS[job.delimiter]
        first = job.data.split("\n", 1)[0]
        if job.data and first.endswith("\r") != (ends == "\r\n"):
            job.state = "Failed"
            return
        reader = csv.DictReader(io.StringIO(job.data, newline=""), delimiter=delimiter)
        job.columns = list(reader.fieldnames or ())
        for place, row in enumerate(reader):
            try:
                fault = self.fault(place, row)
                if fault is not None:
                    raise RowError(fault["code"], fault.get("message", ""), list(fault.get("fields") or ()))
                id, created = self._row(job, row)
                job.done.append({"sf__Id": id, "sf__Created": str(created).lower(), **row})
            except RowError as error:
                told = f"{error.code}:{error.message}:{', '.join(error.fields)} --"
                job.failed.append({"sf__Id": "", "sf__Error": told, **row})
        for results in (job.done, job.failed):
            self.chance().shuffle(results)

    def _row(self, job: Job, row: Mapping[str, str]) -> tuple[str, bool]:
        # an empty cell leaves a value alone, #N/A clears it
        values = {name: None if value == NULL else value for name, value in row.items() if value}
        options = Options(assign=job.assign or "FALSE", allow_save=False)
        org, user = self.org, self.org.user
        if job.operation == "insert":
            put = org.create(job.object, values, user, options)
        elif job.operation == "upsert":
            key = values.pop(str(job.key), None)
            if not key:
                raise RowError("MISSING_ARGUMENT", f"{job.key} not specified", [str(job.key)])
            put = org.upsert(job.object, str(job.key), key, values, user, options)
        else:
            id = str(values.pop("Id", ""))
            put = (
                org.delete(job.object, id)
                if job.operation == "delete"
                else org.update(job.object, id, values, user, options)
            )
        return put.id, put.created

    def successful(self, call: Call, id: str) -> Reply:
        job = self._found(id)
        return _csv(job, ["sf__Id", "sf__Created"], job.done)

    def unsuccessful(self, call: Call, id: str) -> Reply:
        job = self._found(id)
        return _csv(job, ["sf__Id", "sf__Error"], job.failed)

    def unprocessed(self, call: Call, id: str) -> Reply:
        return _csv(self._found(id), [], [])


def _csv(job: Job, first: list[str], results: list[dict[str, str]]) -> Reply:
    if job.state not in ("JobComplete", "Failed", "Aborted"):
        raise Refusal(404, [{"errorCode": "NOT_FOUND", "message": "The job has not ended"}])
    out = io.StringIO(newline="")
    writer = csv.DictWriter(
        out,
        [*first, *job.columns],
        delimiter=COLUMNS[job.delimiter],
        quoting=csv.QUOTE_ALL,
        lineterminator=LINE_ENDS[job.line_ending],
    )
    writer.writeheader()
    writer.writerows(results)
    return Reply(200, out.getvalue().encode(), {"Content-Type": "text/csv"})
