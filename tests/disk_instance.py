"""A small instance on disk, five records to fill it with, and a way to run commands on it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from gateway.cli.main import cli

GATEWAY = """
instance: {name: Example, zone: Europe/Berlin, currency: EUR}
systems:
  leads:
    plugin: files
    role: ma        # what marketing knows
  sales:
    plugin: files
    role: crm
    outbound: off   # until somebody activates it
    settings: {path: out}
"""
LEADS = """
system: leads
timezone: UTC
objects:
  contact:
    kind: person
    only: {object: {not: firm}}
    id: id
    time: at
    blank: ["", Select]
    exclude: [{reason: test address, when: {email: {ends_with: "@test.example"}}}]
    links: [{to: firm, id: firm}]
    fields:
      email: email
      first: first_name
      last: last_name
      title: title
      country: country
      employees: {to: employees, type: integer}
    activities:
      - {activity: page_view, when: {page: {known: true}}, on: each, asset: page}
    outcomes:
      - {outcome: won, when: {status: Won}, amount: amount, currency: EUR}
      - {outcome: rejected, when: {status: Rejected}, reason: why}
  firm:
    kind: company
    only: {object: firm}
    id: id
    time: at
    fields: {industry: industry}
"""
SALES = """
system: sales
timezone: UTC
objects:
  lead:
    kind: person
    id: id
    time: at
    create: handoff
    fields:
      mail: {to: email, sync: newest}
      position: {to: title, sync: newest}
      gateway_id: {to: lead_id, sync: out}
      score: {to: score, type: integer, sync: out}
      band: {to: band, sync: out}
"""
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
bands: {great: 70, good: 40}
levels:
  seniority: {attribute: title, order: [c_level, vice_president, director, manager, specialist, intern]}
fit:
  - {name: Executive or above, level: seniority, at_least: vice_president, points: 40}
  - {name: Software, when: {company.industry: software}, points: 20}
  - {name: Company size, ranges: {attribute: employees, points: {"0-49": 0, "50-": 10}}}
behaviour:
  - {name: Viewed a page, activity: page_view, points: 10, cap: 40}
"""
JOURNEY = """
personas:
  - {name: executive, when: {title: {contains: chief}}}
  - {name: other}
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: sales}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
never_hand_over:
  - {reason: competitor, when: {email: {ends_with: "@rival.example"}}}
"""
FILES = {
    "gateway.yaml": GATEWAY,
    "mappings/leads.yaml": LEADS,
    "mappings/sales.yaml": SALES,
    "scoring.yaml": SCORING,
    "journey.yaml": JOURNEY,
}
COLUMNS = (
    *("object", "id", "at", "email", "first", "last", "title", "country", "employees", "page", "status", "why"),
    *("amount", "firm", "industry"),
)
ANN = {"id": "1", "at": "2026-01-05T09:00:00", "email": "ann@one.example", "first": "Ann", "last": "Ames"}
ANN |= {"title": "Chief Financial Officer", "country": "DE", "employees": "80", "firm": "f1"}
BOB = {"id": "2", "at": "2026-01-06T09:00:00", "email": "bob@two.example", "title": "Intern", "employees": "5"}
CY = {"id": "3", "at": "2026-01-07T09:00:00", "email": "cy@rival.example", "title": "CEO", "employees": "500"}
DI = {"id": "4", "at": "2026-01-08T09:00:00", "email": "di@three.example", "title": "Wizard", "status": "Won"}
DI |= {"amount": "1500"}
FIRM = {"object": "firm", "id": "f1", "at": "2026-01-01T09:00:00", "industry": "software"}
PEOPLE = [FIRM, ANN, BOB, CY, DI]


class Instance:
    """An instance in a folder; ``run`` is the command line on it. ``tables``: a store without rows to begin with.

    ``given``: the folder is there already.
    """

    def __init__(self, root: Path, tables: Path, given: bool = False) -> None:
        self.root = root
        self._tables = tables
        for name, text in () if given else FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def csv(self, name: str, rows: Sequence[Mapping[str, str]]) -> Path:
        lines = [",".join(COLUMNS), *(",".join(row.get(column, "") for column in COLUMNS) for row in rows)]
        return self.write(f"data/{name}", "\n".join(lines) + "\n")

    def run(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None) -> Result:
        result = CliRunner().invoke(cli, ["-C", str(self.root), *args], prog_name="gateway", env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def json(self, *args: str, code: int = 0) -> Any:
        return json.loads(self.run(*args, "--json", code=code).stdout)

    def bring(
        self, rows: Sequence[Mapping[str, str]], name: str = "people.csv", history: bool = False, code: int = 0
    ) -> Any:
        path = self.csv(name, rows)
        if not (self.root / "var").exists():
            shutil.copytree(self._tables, self.root / "var")
        return self.json("import", str(path), "--system", "leads", *(["--history"] if history else []), code=code)
