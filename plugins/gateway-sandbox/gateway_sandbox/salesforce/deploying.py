"""A metadata folder is deployed: custom fields and permission sets, checked as the Metadata API checks them.

A field that no permission set grants stays hidden from the integration user, as in a real org: deploying it is not
enough. Fields of Activity are fields of Task and Event.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import orjson

from gateway_sandbox.calls import Call
from gateway_sandbox.salesforce.fields import Field, RowError
from gateway_sandbox.salesforce.org import Org
from gateway_sandbox.salesforce.rows import refusal
from gateway_sandbox.sandbox import Reply, Route

_SPACE = "{http://soap.sforce.com/2006/04/metadata}"
_NAME = re.compile(r"[A-Za-z](?:_?[A-Za-z0-9])*__c")
_TYPES = {
    "Text": "string",
    "TextArea": "textarea",
    "LongTextArea": "textarea",
    "Number": "double",
    "Currency": "currency",
    "Percent": "percent",
    "Checkbox": "boolean",
    "Date": "date",
    "DateTime": "datetime",
    "Email": "email",
    "Phone": "phone",
    "Url": "url",
    "Picklist": "picklist",
}
_LENGTHS = {"Email": 80, "Phone": 40, "Url": 255, "TextArea": 255, "Picklist": 255}
_NEEDS = {
    "Text": ("length",),
    "LongTextArea": ("length", "visibleLines"),
    "Number": ("precision", "scale"),
    "Currency": ("precision", "scale"),
    "Percent": ("precision", "scale"),
    "Checkbox": ("defaultValue",),
    "Picklist": ("valueSet",),
}


class DeployFailed(Exception):
    """Nothing was deployed; ``problems`` says why, all at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def deploy(org: Org, folder: Path, assigned: bool = True) -> list[str]:
    """Deploy a folder in the form of the Metadata API. Returns the fields that became visible (``Lead.Tier__c``).

    ``assigned``: the permission sets of the folder are given to the integration user. Raises ``DeployFailed``.
    """
    problems: list[str] = []
    listed = set(_listed(folder, problems))
    made: dict[str, Field] = {}
    for file in sorted((folder / "objects").glob("*.object")):
        for element in _root(file, problems).findall(f"{_SPACE}fields"):
            name = f"{file.stem}.{_text(element, 'fullName')}"
            problems += [f"objects/{file.name}: {name}: {problem}" for problem in _wrong(org, file.stem, element)]
            if name not in listed:
                problems.append(f"objects/{file.name}: {name} is not in package.xml")
            made[name] = _field(element)
    problems += [f"package.xml: {name} has no definition" for name in sorted(listed - set(made))]
    granted: dict[str, bool] = {}
    for file in sorted((folder / "permissionsets").glob("*.permissionset")):
        root = _root(file, problems)
        if not _text(root, "label"):
            problems.append(f"permissionsets/{file.name}: a label is required")
        for element in root.findall(f"{_SPACE}fieldPermissions"):
            name = _text(element, "field")
            object, _, field = name.partition(".")
            known = name in made or name.replace("Task.", "Activity.") in made or field in org.objects.get(object, ())
            if not known:
                problems.append(f"permissionsets/{file.name}: no field {name}")
            if _text(element, "readable") == "true":
                granted[name] = _text(element, "editable") == "true"
    if problems:
        raise DeployFailed(problems)
    for name, of in made.items():
        object, field = name.split(".")
        for target in ("Task", "Event") if object == "Activity" else (object,):
            # permissions on Activity's fields are given on Task
            writable = granted.get(f"{'Task' if object == 'Activity' else target}.{field}")
            if writable is not None:
                org.unassigned[f"{target}.{field}"] = replace(of, createable=writable, updateable=writable)
    return assign(org) if assigned else []


def assign(org: Org) -> list[str]:
    """The deployed permission sets are given to the integration user. Returns the fields that became visible."""
    shown = list(org.unassigned)
    for name in shown:
        object, field = name.split(".")
        org.objects[object][field] = org.unassigned.pop(name)
    org.described_at = org.clock.now()
    return shown


class Deploying:
    """The Metadata API's REST resource. Deployments end at once; what they bring stays hidden until it is assigned."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._done: dict[str, list[str]] = {}

    def routes(self) -> list[Route]:
        base = "/data/metadata/deployRequest"
        return [("POST", base, self.start), ("GET", base + "/{id}", self.show)]

    def start(self, call: Call) -> Reply:
        if not self.org.may_deploy:
            raise refusal(
                RowError("INSUFFICIENT_ACCESS", "insufficient access rights on cross-reference id", status=403)
            )
        head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
        parts: dict[Any, Any] = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message_from_bytes(head + call.body).walk()
            if not part.is_multipart()
        }
        orjson.loads(parts["json"])["deployOptions"]
        problems: list[str] = []
        with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(parts["file"])) as archive:
            archive.extractall(folder)
            try:
                deploy(self.org, Path(folder), assigned=False)
            except DeployFailed as failed:
                problems = failed.problems
        id = f"0Af{len(self._done) + 1:015d}"
        self._done[id] = problems
        return Reply(201, {"id": id, "deployResult": {"id": id, "done": False, "status": "Pending", "success": False}})

    def show(self, call: Call, id: str) -> Reply:
        problems = self._done[id]
        failures = [{"fullName": one.partition(": ")[0], "problem": one, "problemType": "Error"} for one in problems]
        result = {"id": id, "done": True, "success": not problems, "status": "Failed" if problems else "Succeeded"}
        return Reply(body={"id": id, "deployResult": {**result, "details": {"componentFailures": failures}}})


def _root(file: Path, problems: list[str]) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(file.read_bytes())
    except (OSError, ElementTree.ParseError) as exc:
        problems.append(f"{file.name}: {exc}")
        return ElementTree.Element("none")


def _listed(folder: Path, problems: list[str]) -> Iterator[str]:
    root = _root(folder / "package.xml", problems)
    if not re.fullmatch(r"\d\d\.0", _text(root, "version")):
        problems.append("package.xml: a version is required")
    for types in root.findall(f"{_SPACE}types"):
        if _text(types, "name") == "CustomField":
            yield from (member.text or "" for member in types.findall(f"{_SPACE}members"))


def _wrong(org: Org, object: str, element: ElementTree.Element) -> Iterator[str]:
    name, type = _text(element, "fullName"), _text(element, "type")
    if object != "Activity" and object not in org.objects:
        yield f"no object {object}"
    if not _NAME.fullmatch(name) or len(name) > 43:
        yield "a custom field's name is letters, digits and single underscores, at most 40, and __c"
    if not _text(element, "label"):
        yield "a label is required"
    if type not in _TYPES:
        yield f"unknown type {type!r}"
    for needed in _NEEDS.get(type, ()):
        if element.find(f"{_SPACE}{needed}") is None:
            yield f"{type} needs {needed}"
    length = _text(element, "length")
    if length and not 1 <= int(length) <= (131_072 if type == "LongTextArea" else 255):
        yield f"length {length} is not possible"
    if type == "LongTextArea" and length and int(length) < 256:
        yield "a LongTextArea has at least 256 characters"
    if type not in ("Text", "Number", "Email") and "true" in (_text(element, "externalId"), _text(element, "unique")):
        yield f"{type} can be no external id"


def _field(element: ElementTree.Element) -> Field:
    type = _text(element, "type")
    values = element.findall(f"{_SPACE}valueSet/{_SPACE}valueSetDefinition/{_SPACE}value/{_SPACE}fullName")
    precision, scale = int(_text(element, "precision") or 18), int(_text(element, "scale") or 0)
    default = _text(element, "defaultValue")
    return Field(
        _text(element, "fullName"),
        _TYPES.get(type, "string"),
        int(_text(element, "length") or _LENGTHS.get(type, 0)),
        precision,
        scale,
        values=tuple(value.text or "" for value in values),
        restricted=_text(element, f"valueSet/{_SPACE}restricted") == "true",
        required=_text(element, "required") == "true",
        external_id=_text(element, "externalId") == "true",
        unique=_text(element, "unique") == "true",
        default=default == "true" if type == "Checkbox" else None,
        label=_text(element, "label"),
    )


def _text(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(f"{_SPACE}{name}") or "").strip()
