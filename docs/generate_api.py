"""Writes docs/openapi.json, the document that ``/api/v1/openapi.json`` serves: ``python docs/generate_api.py``."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask

from gateway.web.api.mounting import mount


def text() -> str:
    return json.dumps(mount(Flask("docs")).spec.to_dict(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / "openapi.json").write_text(text(), encoding="utf-8")
