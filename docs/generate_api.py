"""Writes what the API says of itself: ``python docs/generate_api.py``.

docs/openapi.json is the document that ``/api/v1/openapi.json`` serves; the list of all calls ends docs/api.md.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask

from gateway.accounts.rights import RIGHTS
from gateway.web.api.mounting import PREFIX, mount

HERE = Path(__file__).parent
MARK = "<!-- What follows is written by docs/generate_api.py. -->\n"


def document() -> dict[str, Any]:
    told: dict[str, Any] = mount(Flask("gateway.web")).spec.to_dict()
    return told


def page(told: dict[str, Any]) -> str:
    """docs/api.md with the list of all calls."""
    rights = [f"| `{name}` | {words} |" for name, words in RIGHTS.items()]
    calls = [
        f"| `{method.upper()} {path.removeprefix(PREFIX)}` | {one['summary']} | `{one['description'].split('`')[1]}` |"
        for path, found in sorted(told["paths"].items())
        for method, one in sorted(found.items())
        if method != "parameters"
    ]
    head = (HERE / "api.md").read_text(encoding="utf-8").partition(MARK)[0]
    lines = ["", "## Rights", "", "| Right | May |", "|---|---|", *rights]
    lines += ["", "## Every call", "", "| Call | What it does | Right |", "|---|---|---|", *calls, ""]
    return head + MARK + "\n".join(lines)


def written() -> dict[Path, str]:
    """File → what it should hold."""
    told = document()
    saved = json.dumps(told, indent=2, sort_keys=True) + "\n"
    return {HERE / "openapi.json": saved, HERE / "api.md": page(told)}


def stale() -> list[str]:
    return [path.name for path, text in written().items() if path.read_text(encoding="utf-8") != text]


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
