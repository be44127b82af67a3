"""A metadata folder deployed through the API: for who may change the org, which the gateway's own user should not."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from gateway_salesforce.org import NoAnswer, Org

PATIENCE, PAUSE = 120.0, 2.0
"""Seconds: until a deployment must have ended, and between two questions for it."""


def deploy(org: Org, files: Mapping[str, str], sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Deploy ``files`` (path → content). Returns what Salesforce refuses; then nothing is deployed.

    Raises ``RefusedCall`` when our user may not, ``NoAnswer`` when it did not end in time.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    options = {"deployOptions": {"singlePackage": True, "rollbackOnError": True, "checkOnly": False}}
    body, kind = encode_multipart_formdata(
        [_part("json", orjson.dumps(options), "application/json"), _part("file", packed.getvalue(), "application/zip")]
    )
    started = org.call("POST", "metadata/deployRequest", body=body, headers={"Content-Type": kind})
    waited = 0.0
    while waited < PATIENCE:
        result = _result(org.call("GET", f"metadata/deployRequest/{started['id']}", params={"includeDetails": "true"}))
        if result.get("done"):
            failures = (result.get("details") or {}).get("componentFailures") or []
            told = [f"{one.get('fullName')}: {one.get('problem')}" for one in failures if isinstance(one, Mapping)]
            return [] if result.get("success") else told or [str(result.get("status"))]
        sleep(PAUSE)
        waited += PAUSE
    raise NoAnswer("the deployment did not end in time", sent=True)


def _result(answer: Any) -> Mapping[str, Any]:
    result = answer.get("deployResult") if isinstance(answer, Mapping) else None
    return result if isinstance(result, Mapping) else {}


def _part(name: str, data: bytes, kind: str) -> RequestField:
    part = RequestField(name, data, filename="deploy.zip" if name == "file" else None)
    part.make_multipart(content_type=kind)
    return part
