"""Promise 11: secrets and personal values are in no log, error, answer or text that is made for somebody to look at.

One scenario in which every secret and every value of a person is a canary, walked through everything that may go
wrong, with a plugin that says all it knows wherever it may say something. Then all that came out is searched.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import shutil
import traceback
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from leaky_plugin import FAULTS
from sqlalchemy import select

from gateway import host, logs, opening
from gateway.cli.main import cli
from gateway.engine.process import web_app
from gateway.runtime import Gateway
from gateway.store import tables as t
from gateway.store.arrivals import Arrival
from gateway.store.database import open_store, read
from gateway.store.times import utc_now

pytest.importorskip("gateway_webhook")
SECRETS = {"SITE_OLD": "k4nari-geheim-alt", "SITE_NEW": "k4nari-geheim-neu", "METRICS": "k4nari-messung"}
SECRETS |= {"TOKEN": "k4nari-zeichen", "TOKEN_NEXT": "k4nari-zwei"}
PERSON = {"id": "p-1", "at": "2026-05-01T10:00:00Z", "email": "canary.person@birds.example", "first": "Kanaria"}
PERSON |= {"last": "Vogelsang", "phone": "+49 30 5557731", "title": "Chief"}
PEOPLE = ("canary.person", "birds.example", "kanaria", "vogelsang", "5557731")
FILES = {
    "gateway.yaml": """
instance: {name: Canaries, zone: UTC, currency: EUR}
metrics_token: "${METRICS}"
systems:
  site: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["${SITE_OLD}", "${SITE_NEW}"]}}
""",
    "mappings/site.yaml": """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    fields:
      email: email
      first: first_name
      last: last_name
      phone: phone
      title: title
      strict: {to: strict, type: integer, on_error: quarantine}
      loose: {to: loose, type: integer}
""",
    "scoring.yaml": """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit: [{name: Chief, when: {title: Chief}, points: 60}]
behaviour: [{name: Page, activity: page_view, points: 10, cap: 40}]
""",
    "journey.yaml": """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 50}, steps: [{handoff: rejects}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
""",
}
CRM = """  {}:
    {{plugin: leaky, role: crm, outbound: on, settings: {{tokens: ["${{TOKEN}}", "${{TOKEN_NEXT}}"], fault: {}}}}}
"""
LEAD = """
system: {}
objects:
  lead:
    kind: person
    id: id
    time: received
    create: always
    fields:
      mail: {{to: email, sync: out}}
      name: {{to: last_name, sync: out}}
      call: {{to: phone, sync: out}}
"""
COMMANDS = (
    *(
        "status",
        "check",
        "check --online",
        "systems list",
        "inbox list",
        "inbox list --troubles",
        "work list",
        "model show",
    ),
    *("pull raises", "push rejects", "owners list", "deliveries list --state confirmed"),
    *("deliveries retry --dry-run --system rejects", "leads show nobody@birds.example", "leads show p-9 --json"),
)
"""Commands that nobody asks for values of people."""
ASKED = ("plan raises", "deliveries list --json", "leads list")
"""These show what would be sent, or was, and who they are: never a secret."""


@pytest.fixture
def root(tmp_path: Path, gateway_tables: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An instance with the leaky plugin beside the installed ones, once for each way in which a CRM may answer."""
    ours = EntryPoint("leaky", "leaky_plugin", "lead_gateway"), distribution(host.DISTRIBUTION)
    known = host.installed()
    monkeypatch.setattr(host, "installed", lambda: [*known, ours])
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    files = dict(FILES)
    for fault in FAULTS:
        files["gateway.yaml"] += CRM.format(fault, fault)
        files[f"mappings/{fault}.yaml"] = LEAD.format(fault)
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    shutil.copytree(gateway_tables, tmp_path / "var")
    return tmp_path


def post(client: Any, body: bytes, secret: str, path: str = "site", **headers: str) -> str:
    """Everything that comes back."""
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    sent = {"X-Hub-Signature-256": signature, "Content-Type": "application/json", **headers}
    answer = client.post(f"/hooks/{path}", data=body, headers=sent)
    return f"{answer.status} {answer.headers} {answer.text}"


def calls(client: Any) -> list[str]:
    """What senders and monitors hear: good calls, bad ones, and those that nobody should make."""
    person = json.dumps(PERSON).encode()
    old, new = SECRETS["SITE_OLD"], SECRETS["SITE_NEW"]
    heard = [post(client, person, old), post(client, json.dumps(PERSON | {"id": "p-2"}).encode(), new)]
    assert all(one.startswith("200") for one in heard)  # both secrets are good while one replaces the other
    heard += [
        post(client, person, "wrong"),
        post(client, person, old, "nobody?token=" + new),
        post(client, person, old, "site/canary.person@birds.example"),
        post(client, json.dumps([PERSON | {"strict": "Vogelsang", "loose": "Kanaria"}]).encode(), old),
        post(client, person[:-9], old),
        post(client, person, old, **{"Content-Type": "canary.person@birds.example"}),
        post(client, b'{"canary.person@birds.example": 1, "canary.person@birds.example": 2}', old),
        post(client, b"x" * 1_100_000, old),
        post(client, person, old, **{"X-Person": "canary.person@birds.example", "Authorization": f"Bearer {new}"}),
    ]
    for path in ("/health/live", "/health/ready", "/health/work", "/metrics", "/canary.person@birds.example", "/"):
        for headers in ({}, {"Authorization": f"Bearer {SECRETS['METRICS']}"}):
            answer = client.get(path, headers=headers)
            heard.append(f"{answer.status} {answer.headers} {answer.text}")
    return heard


def work(root: Path) -> list[str]:
    """Read, work, pull and deliver until the faults have had their say. Returns what the objects say of themselves."""
    with closing(opening.open_gateway(root)) as gateway:
        gateway.inbox.append([_gossip(fault) for fault in FAULTS])
        for _ in range(4):
            gateway.run_pipeline_once("worker")
            gateway.sweep_once()
            for fault in FAULTS:
                gateway.pullings[fault].pull(timedelta(minutes=1))
                gateway.deliver_once(fault, "worker")
        said = [repr(gateway.instance), repr(vars(gateway)), *map(repr, gateway.instance.systems.values())]
        said += [repr(source.verification) for source in gateway.sources.values()]
        said += [repr(one) for one in gateway.inbox.documents([row["id"] for row in gateway.inbox.listing()])]
        for document in gateway.inbox.documents([row["id"] for row in gateway.inbox.listing(system="site")]):
            said += [repr(item) for item in gateway.read(document).events]
        try:
            raise RuntimeError("a traceback as somebody may log it") from ValueError(repr(gateway.instance))
        except RuntimeError:
            said.append(traceback.format_exc())
    return said


def _gossip(system: str) -> Arrival:
    return Arrival(system=system, body=json.dumps(PERSON).encode(), received_at=utc_now())


def found(canaries: Any, *texts: str) -> list[tuple[str, str]]:
    """(canary, where it stands)."""
    hits = []
    for text in texts:
        for canary in canaries:
            at = text.casefold().find(canary.casefold())
            if at >= 0:
                hits.append((canary, text[max(0, at - 150) : at + 60]))
    return hits


@pytest.mark.slow
def test_no_canary_sings(root, capfd):
    """Logs, answers, commands in text and JSON, errors, reprs; what dead letters say, and all that names a trouble."""
    logs.configure(logs.INFO)
    opened: list[Gateway] = []

    def opener(folder: Path) -> Gateway:
        opened.append(opening.open_gateway(folder))
        return opened[-1]

    heard = calls(web_app(root, opener).test_client())
    for one in opened:
        one.close()
    said = work(root)
    spoken = [run(root, *command.split(), *more) for command in COMMANDS for more in ((), ("--json",))]
    asked = [run(root, *command.split()) for command in ASKED]
    assert all("Vogelsang" in one for one in asked)
    out, err = capfd.readouterr()
    values = SECRETS.values()
    assert found([*values, *PEOPLE], *heard) == []
    assert found([*values, *PEOPLE], *said) == []
    assert found([*values, *PEOPLE], *spoken) == []
    assert found(values, *asked) == []
    assert found([*values, *PEOPLE], out, err) == []
    assert found([*values, *PEOPLE], *troubles(root)) == []
    stored = b"".join(path.read_bytes() for path in (root / "var").glob("*.db*"))
    assert [value for value in values if value.encode() in stored] == []
    assert b"canary.person@birds.example" in stored  # the leads themselves are kept, of course


def test_a_library_that_tells_of_each_call_is_silent(caplog):
    """People are looked up in other systems by their address, which stands in the address of the call then. Whoever
    has all logs written, as a plugin may, hears nothing of them."""
    requests, sandbox = pytest.importorskip("requests"), pytest.importorskip("gateway_sandbox")
    caplog.set_level(logging.DEBUG)
    logs.configure()
    with sandbox.serve(sandbox.HubSpotSandbox()) as server:
        requests.get(f"{server.url}/crm/v3/objects/contacts/canary.person@birds.example", timeout=30)
    assert found(PEOPLE, caplog.text) == []


def run(root: Path, *command: str) -> str:
    """What a command says, on whatever stream; it may fail, but not crash."""
    done = CliRunner().invoke(cli, ["-C", str(root), *command], prog_name="gateway")
    assert isinstance(done.exception, SystemExit | None), (command, done.exception)
    return done.output


def troubles(root: Path) -> list[str]:
    """The columns that tell people what went wrong, of every table."""
    store = open_store(root / "var")
    said = []
    told = {
        t.writes: "code message",
        t.work_items: "key detail resolution",
        t.events: "reason",
        t.systems: "paused",
        t.breakers: "reason strikes",
        t.notices: "words subject",
        t.tallies: "what reason",
        t.cursors: "cursor",
    }
    with read(store.main) as connection:
        for table, columns in told.items():
            said += [
                repr(tuple(row)) for row in connection.execute(select(*(table.c[name] for name in columns.split())))
            ]
    with read(store.inbox) as connection:
        d = t.documents.c
        said += [repr(tuple(row)) for row in connection.execute(select(d.reason, d.flags))]
    store.close()
    return said
