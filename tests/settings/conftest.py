"""An instance made of texts, and plugins to check it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from marshmallow import Schema, fields

from gateway.scoring.checking import check
from gateway.settings.instance import Instance
from gateway.settings.loading import load_instance
from gateway.settings.secrets import SecretField


@dataclass(frozen=True)
class Offer:
    settings: Any = None
    check: Any = None
    factory: Callable[..., Any] = dict


@dataclass
class Plugins:
    sources: dict[str, Offer] = field(default_factory=dict)
    sinks: dict[str, Offer] = field(default_factory=dict)
    scorers: dict[str, Offer] = field(default_factory=dict)
    transforms: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)


class TokenSchema(Schema):
    token = SecretField(required=True)
    more = fields.List(SecretField())
    path = fields.String()


GATEWAY = """\
instance: {name: Example, zone: Europe/Berlin, currency: EUR}
systems:
  website: {plugin: hook, role: ma, settings: {token: "${WEBSITE_TOKEN}"}}
  crm: {plugin: table, role: crm, outbound: on}
"""
WEBSITE = """\
system: website
objects:
  contact:
    kind: person
    id: id
    fields: {email: email, employees: {to: employees, type: integer}}
    activities: [{activity: page_view, when: {type: page}, on: each}]
"""
CRM = """\
system: crm
objects:
  Lead:
    kind: person
    id: Id
    create: stage mql
    fields: {Email: {to: email, sync: newest}, Score: {to: score, sync: out}}
  Account: {kind: company, id: Id, fields: {Industry: industry}}
"""
SCORING = """\
strategy: weighted
fit: [{name: Big, when: {employees: {at_least: 100}}, points: 10}]
behaviour: [{name: Looked, activity: page_view, points: 5}]
"""
JOURNEY = """\
stages: [{name: target, shared: target}, {name: mql, shared: mql, entry: {score: 50}}]
"""
FILES = {
    "gateway.yaml": GATEWAY,
    "mappings/website.yaml": WEBSITE,
    "mappings/crm.yaml": CRM,
    "scoring.yaml": SCORING,
    "journey.yaml": JOURNEY,
}


class Room:
    """``room(files)`` loads the good instance with some files replaced (None: left out)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plugins = Plugins(
            sources={"hook": Offer(TokenSchema), "table": Offer()},
            sinks={"table": Offer()},
            scorers={"weighted": Offer(check=check)},
        )

    def __call__(self, files: Mapping[str, str | None] | None = None) -> Instance:
        for name, text in {**FILES, **(files or {})}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink(missing_ok=True)
            else:
                path.write_text(text, encoding="utf-8", errors="surrogatepass")
        return load_instance(self.root, self.plugins)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("WEBSITE_TOKEN", "hunter2")
    return Room(tmp_path)
