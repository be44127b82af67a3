"""Connecting a Salesforce org: which one it is, what our user may do there, what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from gateway.contracts import Account, Connection, Context, Step
from gateway.errors import Refused, TryLater
from gateway_salesforce.deploying import deploy
from gateway_salesforce.meeting import PEOPLE
from gateway_salesforce.metadata import PREFIX, metadata
from gateway_salesforce.org import NoAnswer, Org, RefusedCall
from gateway_salesforce.source import OURS

CONNECTORS = {"HubSpot_Inc__": "HubSpot", "pi__": "Account Engagement (Pardot)", "mkto_si__": "Marketo"}
"""What other programs' fields begin with: they write to leads and contacts, too."""
LONGEST = 5_000
"""Characters of the fields in one question; ids stand beside them."""
BY_HAND = (
    (
        "permission set",
        "assign the permission set Lead_Gateway to the gateway's user (Setup > Permission Sets > Manage Assignments)",
    ),
    ("object permissions", "give that user the object permissions that the guide names"),
    ("Map Lead Fields", "map our lead fields to the contact's (Setup > Object Manager > Lead > Map Lead Fields)"),
)


class SalesforceConnection(Connection):
    role, pull, prefix = "crm", "30m", PREFIX

    def __init__(self, settings: Mapping[str, Any], context: Context) -> None:
        self._settings = settings
        self._mapping: Any = context.mapping
        self._org = Org(settings, context)

    @classmethod
    def mapping(cls) -> str:
        return files("gateway_salesforce").joinpath("mapping.yaml").read_text(encoding="utf-8")

    def account(self) -> Account:
        with _answered():
            row = self._organization()
            objects = [*PEOPLE, "Task"] if self._settings.get("task") else PEOPLE
            described = {name: self._described(name) for name in objects}
            about = {"edition": row.get("OrganizationType"), "calls left today": self._left()}
        org = row.get("Id") or self._org.tokens.current().org
        return Account(
            id=org,
            name=row.get("Name") or "",
            sandbox=row.get("IsSandbox"),
            pin={"org_id": org},
            missing=tuple(self._missing(described)),
            connectors=_connectors(described),
            about={name: str(value) for name, value in about.items() if value},
        )

    def sample(self, object: str, fields: Sequence[str], records: int) -> Iterable[Mapping[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        with _answered():
            rows, _ = self._org.query(f"SELECT Id FROM {object} ORDER BY SystemModstamp DESC LIMIT {records}")
            ids = [row["Id"] for row in rows]
            for names in _cut([name for name in fields if name not in OURS and name != "Id"]):
                for row in self._org.query_in(f"SELECT Id, {', '.join(names)} FROM {object}", "Id", ids):
                    found.setdefault(row["Id"], {"object": object}).update(row)
        return list(found.values())

    def setup(self, dry_run: bool = True, folder: Path | None = None) -> Iterator[Step]:
        if folder is not None and not dry_run:
            yield from self._written(folder)
            return
        steps = list(self._looked())
        missing = [step for step in steps if step.state == "missing"]
        if dry_run or not missing:
            yield from steps
            return
        yield from (step for step in steps if step.state != "missing")
        yield from self._deployed(missing)

    def _looked(self) -> Iterator[Step]:
        with _answered():
            held = {name: self._described(name) or {} for name in (*PEOPLE, "Task")}
        for object_, fields in self._wanted().items():
            there = held["Task" if object_ == "Activity" else object_].get("fields", {})
            for name, unique in fields.items():
                one = there.get(name)
                if one is None:
                    yield Step(object=object_, name=name, state="missing")
                elif unique and not (one.get("externalId") and one.get("unique")):
                    said = "is our key: make it External ID and Unique"
                    yield Step(object=object_, name=name, state="by hand", message=said)
                else:
                    yield Step(object=object_, name=name, state="there")

    def _deployed(self, missing: Sequence[Step]) -> Iterator[Step]:
        try:
            with _answered():
                only = {f"{step.object}.{step.name}" for step in missing}
                refused = deploy(self._org, metadata(self._mapping, self._settings, only))
        except Refused as exc:
            said = (
                f"run this with --metadata DIR for an administrator to deploy; our user may not change the org ({exc})"
            )
            yield from missing
            yield Step(object="", name="deploy", state="by hand", message=said)
            return
        for step in missing:
            yield step if refused else replace(step, state="made")
        for problem in refused:
            yield Step(object="", name="deploy", state="by hand", message=f"Salesforce refuses to deploy {problem}")
        if not refused:
            for name, said in BY_HAND:
                yield Step(object="", name=name, state="by hand", message=said)

    def _wanted(self) -> dict[str, dict[str, bool]]:
        """Object → field → whether it is our key."""
        key = self._settings["external_id"]
        wanted = {
            name: {key: True, **{path: False for path in one.outbound if path.startswith(PREFIX) and path != key}}
            for name, one in self._mapping.objects.items()
            if one.outbound and name in PEOPLE
        }
        if task := self._settings.get("task"):
            wanted["Activity"] = {task["external_id"]: True}
        return wanted

    def _written(self, folder: Path) -> Iterator[Step]:
        if folder.exists() and any(folder.iterdir()):
            raise Refused(f"{folder}: is not empty; name a new folder")
        for name, text in metadata(self._mapping, self._settings).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            yield Step(object="", name=str(folder / name), state="made")
        deploy = f"deploy the folder: sf project deploy start --metadata-dir {folder}"
        yield Step(object="", name="deploy", state="by hand", message=deploy)
        for name, said in BY_HAND:
            yield Step(object="", name=name, state="by hand", message=said)

    def _organization(self) -> Mapping[str, Any]:
        try:
            rows, _ = self._org.query("SELECT Id, Name, IsSandbox, OrganizationType FROM Organization LIMIT 1")
        except RefusedCall as refused:
            if refused.fault.meaning == "mapping":  # hidden from our user: the token names the org, too
                return {}
            raise
        return rows[0] if rows else {}

    def _left(self) -> str:
        try:
            daily = (self._org.call("GET", "limits/") or {}).get("DailyApiRequests") or {}
        except RefusedCall:  # it takes a permission of its own
            return ""
        return f"{daily['Remaining']:,} of {daily['Max']:,}" if {"Remaining", "Max"} <= daily.keys() else ""

    def _described(self, object_: str) -> dict[str, Any] | None:
        """The describe, its fields by name; None when there is no such object for us."""
        try:
            found = self._org.call("GET", f"sobjects/{object_}/describe")
        except RefusedCall as refused:
            if refused.fault.meaning == "mapping":
                return None
            raise
        return {**found, "fields": {one["name"]: one for one in found["fields"]}}

    def _missing(self, described: Mapping[str, Mapping[str, Any] | None]) -> Iterator[str]:
        for name, one in described.items():
            if one is None:
                yield f"{name}: Read (the object is hidden from our user)"
                continue
            lacks = [said for key, said in (("createable", "Create"), ("updateable", "Edit")) if one.get(key) is False]
            if lacks:
                yield f"{name}: {' and '.join(lacks)} (to write what sales needs)"


def _connectors(described: Mapping[str, Mapping[str, Any] | None]) -> dict[str, str]:
    found: dict[str, str] = {}
    for prefix, whose in CONNECTORS.items():
        objects = [name for name, one in described.items() if one and any(f.startswith(prefix) for f in one["fields"])]
        if objects:
            found[f"{whose}'s own connector"] = f"fields {prefix}… on {' and '.join(sorted(objects))}"
    return found


def _cut(names: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for name in names:
        if part and sum(map(len, part)) + 2 * len(part) + len(name) > LONGEST:
            yield part
            part = []
        part.append(name)
    if part:
        yield part


@contextmanager
def _answered() -> Iterator[None]:
    """What went wrong in the gateway's own words."""
    try:
        yield
    except RefusedCall as refused:
        raise Refused(f"Salesforce refused the question: {refused}") from None
    except NoAnswer as exc:
        raise TryLater(30, f"Salesforce gave no answer ({exc})") from None
