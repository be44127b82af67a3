"""A gateway of real processes between a site that calls it and CRMs of the sandbox, for tests that kill and starve it.

What must hold afterwards is told by ``agrees``: the three equations, every document worked once, and each CRM holds
exactly what it holds after the same documents went through one undisturbed gateway in one process.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway_sandbox import HubSpotSandbox, SalesforceSandbox, serve
from gateway_sandbox.hubspot import OFF
from gateway_sandbox.hubspot.limits import Limits
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from gateway.engine.supervisor import STATUS, wanted_processes
from gateway.settings.folder import store_place
from gateway.store import tables as t
from gateway.store.database import Store, open_store, read, store_trouble, write
from gateway.store.inbox import Inbox
from gateway.store.overview import OPEN_WRITES, Overview, overview
from gateway.store.times import utc_now
from gateway.testing.instance import Instance

SECRET = "not-a-secret-only-a-test"
SOAK = bool(os.environ.get("GATEWAY_SOAK"))
"""The long form: more of everything, and nothing that would happen by itself is hurried."""
PATIENCE = 600.0 if SOAK else 120.0
"""Seconds within which a gateway must have done all it can; nothing is measured by it."""
SYSTEM = "{name}: {{plugin: {plugin}, role: {role}, outbound: on, settings: {{{settings}}}}}"
GATEWAY = """
instance: {name: Running, zone: UTC, currency: EUR}
send_score_step: 1
"""
SITE = """
system: site
timezone: UTC
objects:
  contact:
    kind: person
    id: id
    time: at
    fields: {email: email, title: title, last: last_name, firm: company_name}
    activities: [{activity: page_view, when: {page: {known: true}}, on: each}]
"""
SCORING = """
weights: {fit: 60, behaviour: 40}
maximum: {fit: 60, behaviour: 40}
fit: [{name: Chief, when: {title: Chief}, points: 60}]
behaviour: [{name: Page, activity: page_view, points: 1, cap: 40}]
"""
JOURNEY = """
stages:
  - {name: target, shared: target}
  - {name: mql, shared: mql, entry: {score: 60}, steps: [{handoff: crm}]}
  - {name: won, shared: won, entry: {outcome: [won]}}
"""


def document(number: int, person: str, chief: bool = True) -> bytes:
    """What the site says of one person, with one page seen; every ``number`` says something of its own."""
    at = f"2026-05-{number % 28 + 1:02}T{number // 28 % 24:02}:00:{number % 60:02}Z"
    said = {"id": person, "at": at, "email": f"{person}@example.org", "last": person, "firm": "F", "page": f"/{number}"}
    return json.dumps([said | ({"title": "Chief"} if chief else {})]).encode()


class Watched:
    """A sandbox that lets a test act at one moment of one call: as it ``arrived``, when it is ``done`` over there but
    unanswered (both cut the line), ``while`` it is answered, or once it is ``answered``."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.armed: list[tuple[str, str, Callable[[], Any], threading.Event]] = []

    def at(self, moment: str, call: str, act: Callable[[], Any]) -> threading.Event:
        """Act once, at that moment of the next call that the expression is found in; the event says that it was.

        ``while``: what ``act`` gives is entered before the answer, and left after it.
        """
        self.armed.append((moment, call, act, struck := threading.Event()))
        return struck

    @contextlib.contextmanager
    def _moment(self, moment: str, line: str) -> Iterator[bool]:
        found = next((one for one in self.armed if one[0] == moment and re.search(one[1], line)), None)
        if found is None:
            yield False
            return
        self.armed.remove(found)
        with found[2]() or contextlib.nullcontext():
            yield True
        found[3].set()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self._moment("arrived", line) as cut:
            pass
        if cut:
            raise ConnectionResetError
        answer = super().__call__(environ, start_response)  # type: ignore[misc]
        with self._moment("done", line) as cut:
            pass
        if cut:
            raise ConnectionResetError
        with self._moment("while", line):
            yield from answer
        with self._moment("answered", line):
            pass


class HubSpot(Watched, HubSpotSandbox):
    """Gets who is handed over, with a task."""

    plugin, role, secret = "hubspot", "crm", "pat-sandbox"
    write = r"POST .*/contacts/batch/upsert"

    def __init__(self, limits: Limits = OFF) -> None:
        super().__init__(limits=limits)
        self.define_gateway()

    def settings(self, url: str) -> str:
        burst, daily = self.limits.burst or 1000, self.limits.daily or 1_000_000
        limits = f"{{per_10s: {burst}, per_day: {daily}, searches_per_s: 1000}}"
        return f'token: "file:token", base_url: "{url}", portal_id: 9900123, task: {{}}, limits: {limits}'

    def mapping(self, name: str) -> str:
        return f"""
system: {name}
timezone: UTC
objects:
  contact:
    kind: person
    only: {{object: contact}}
    id: id
    time: updatedAt
    create: handoff
    fields:
      email: {{to: email, sync: newest}}
      lastname: {{to: last_name, sync: newest}}
      jobtitle: {{to: title, sync: newest}}
      gw_score: {{to: score, type: integer, sync: out}}
"""

    def holds(self) -> Counter[tuple[Any, ...]]:
        """(address, title, score, tasks) of everybody, as often as they are there."""
        with self.lock:
            tasks = Counter(
                person
                for task in self.records.alive("tasks")
                for person in self.portal.linked("tasks", task.id, "contacts")
            )
            people = list(self.records.alive("contacts"))
        return Counter((one["email"], one["jobtitle"], one["gw_score"], tasks[one.id]) for one in people)


class Salesforce(Watched, SalesforceSandbox):
    """Gets everybody, without tasks."""

    plugin, role, secret = "salesforce", "ma", "sandbox-consumer-secret"

    def settings(self, url: str) -> str:
        return f'login_url: "{url}", consumer_key: sandbox-consumer-key, consumer_secret: "file:secret"'

    def mapping(self, name: str) -> str:
        return f"""
system: {name}
timezone: UTC
objects:
  Lead:
    kind: person
    only: {{object: Lead}}
    id: Id
    time: SystemModstamp
    create: always
    fields:
      Gateway_Id__c: {{to: lead_id, sync: out}}
      Email: {{to: email, sync: newest}}
      LastName: {{to: last_name, sync: newest}}
      Company: {{to: company_name, sync: newest}}
      Title: {{to: title, sync: newest}}
      Gateway_Score__c: {{to: score, sync: out}}
"""

    def holds(self) -> Counter[tuple[Any, ...]]:
        """(address, title, score) of everybody, as often as they are there."""
        with self.lock:
            people = list(self.records.alive("Lead"))
        return Counter((one["Email"], one["Title"], one["Gateway_Score__c"]) for one in people)


Crm = HubSpot | Salesforce
ALONE = """
import sys
from pathlib import Path
from gateway.engine import process
sys.exit(process.run(sys.argv[1], Path(sys.argv[2])))
"""
"""One process of the gateway without a supervisor, as another machine may start it."""
CUSTOM = """
import datetime, pathlib, threading, time, traceback
import gateway.store.inbox, gateway.outbound.delivery, gateway.engine.workers
if {impatient}:
    gateway.store.inbox.SILENCE = gateway.outbound.delivery.SILENCE = 5.0
    gateway.engine.workers.BEAT = 0.5
gateway.engine.workers._where = lambda exc: "".join(traceback.format_exception(exc)[-12:])

def follow():
    held, travel = 0.0, None
    while True:
        wanted = float(pathlib.Path({clock!r}).read_text() or held)
        if wanted != held:
            import time_machine
            if travel is not None:
                travel.stop()
            there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=wanted)
            travel, held = time_machine.travel(there, tick=True), wanted
            travel.start()
        time.sleep(0.05)

threading.Thread(target=follow, daemon=True).start()
"""
"""How every process begins here: its clock can be moved, and in the short form a silence is over sooner."""


def files(crms: Mapping[str, tuple[Crm, str]], port: int, more: str = "") -> dict[str, str]:
    """The instance's files. ``crms``: name → sandbox and its address."""
    systems = [
        SYSTEM.format(name=name, plugin=crm.plugin, role=crm.role, settings=crm.settings(url))
        for name, (crm, url) in crms.items()
    ]
    site = 'site: {plugin: webhook, role: ma, settings: {preset: github, secrets: ["file:site"]}}'
    listed = "".join(f"  {line}\n" for line in [site, *systems])
    return {
        "gateway.yaml": f"{GATEWAY}pipeline_workers: 2\nlisten: 127.0.0.1:{port}\n{more}\nsystems:\n{listed}",
        "scoring.yaml": SCORING,
        "journey.yaml": JOURNEY,
        "mappings/site.yaml": SITE,
        **{f"mappings/{name}.yaml": crm.mapping(name) for name, (crm, _) in crms.items()},
        "site": SECRET,
        "token": HubSpot.secret,
        "secret": Salesforce.secret,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Running:
    """``gateway run`` over an instance in ``root``. ``sent``: delivery id → body of all that was answered 200."""

    root: Path
    crms: Mapping[str, Crm]
    more: str = ""
    sent: dict[str, bytes] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self._ends = contextlib.ExitStack()
        self._others: list[subprocess.Popen[bytes]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._store: Store | None = None
        self._here: Instance | None = None

    # -- processes ----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Running:
        self.servers = {name: self._ends.enter_context(serve(crm)) for name, crm in self.crms.items()}  # type: ignore[arg-type]
        addresses = {name: (crm, self.servers[name].url) for name, crm in self.crms.items()}
        self.files = files(addresses, self.port, self.more)
        for name, content in self.files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(content)
        (self.root / "custom").mkdir()
        custom = CUSTOM.format(impatient=not SOAK, clock=str(self.root / "clock"))
        (self.root / "custom" / "sitecustomize.py").write_text(custom)
        self.clock(0)
        return self

    def __exit__(self, *exc: object) -> None:
        began = [*self._others, *([self.process] if self.process else [])]
        for process in began:
            process.terminate()
        for process in began:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._here is not None:
            self._here.close()
        if self._store is not None:
            self._store.close()
        self._ends.close()

    def start(self) -> None:
        """Returns once every process was ready."""
        self.process = self._begun("-m", "gateway", "-C", str(self.root), "run")
        until(lambda: self.process.poll() is not None or self._all_ready(), self.log)  # type: ignore[union-attr]
        assert self.process.poll() is None, self.log()

    def beside(self, kind: str) -> subprocess.Popen[bytes]:
        """One more process of this kind; it ends with the test at the latest."""
        self._others.append(self._begun("-c", ALONE, kind, str(self.root)))
        return self._others[-1]

    def node(
        self, command: str, folder: Path, other: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen[bytes]:
        """``gateway run``, ``web`` or ``worker`` over a folder with the same files, as on another machine. ``other``:
        what is said otherwise in its gateway.yaml."""
        shutil.copytree(self.root, folder, ignore=shutil.ignore_patterns("var", "log"))
        for before, after in other.items():
            (folder / "gateway.yaml").write_text((folder / "gateway.yaml").read_text().replace(before, after))
        self._others.append(self._begun("-m", "gateway", "-C", str(folder), command))
        return self._others[-1]

    def _begun(self, *words: str) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(self.root / "custom"), os.environ.get("PYTHONPATH")]))
        with (self.root / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *words], env=os.environ | {"PYTHONPATH": path}, stdout=log, stderr=log
            )

    def clock(self, seconds: float) -> None:
        """Every process's clock jumps to so many seconds from the true time."""
        (self.root / "clock").write_text(str(seconds))

    def _all_ready(self) -> bool:
        told = self.processes()
        return len(told) == len(wanted_processes(self.root)) and all(one["ready"] for one in told.values())

    def processes(self) -> dict[str, dict[str, Any]]:
        """kind → pid, ready, lives, reason of its last death, as the supervisor tells them."""
        try:
            told = json.loads((self.root / "var" / STATUS).read_text())
        except (OSError, ValueError):
            return {}
        return {one["kind"]: one for one in told["processes"]}

    def signal(self, kind: str, number: int = signal.SIGKILL) -> None:
        pid = self.processes()[kind]["pid"]
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill_all(self) -> None:
        """As when the machine loses its power: nothing is finished, nothing given back."""
        assert self.process is not None
        self.process.kill()  # its children end with it
        self.process.wait()
        (self.root / "var" / STATUS).unlink(missing_ok=True)

    def forget_store(self) -> None:
        """The next to ask for it opens what gateway.yaml names then."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def log(self) -> str:
        return (self.root / "log").read_text()[-4000:]

    # -- in -----------------------------------------------------------------------------------------------------------

    def post(self, id_: str, body: bytes, port: int | None = None, seconds: float = 30.0) -> int:
        """One signed call; its status, or 0 when there was no answer."""
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest(),
            "X-GitHub-Delivery": id_,
        }
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=seconds)
            with contextlib.closing(connection):
                connection.request("POST", "/hooks/site", body, headers)
                status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        if status == 200:
            self.sent[id_] = body
        return status

    def send(self, documents: Iterable[tuple[str, bytes]], senders: int = 4) -> None:
        """As honest senders do: the same again until it is taken."""

        def insist(one: tuple[str, bytes]) -> None:
            until(lambda: self.post(*one) == 200, self.log, 0.1)

        with ThreadPoolExecutor(senders) as pool:
            list(pool.map(insist, documents))

    def take(self, documents: Mapping[str, bytes]) -> None:
        """The same without a web process and a pipeline: here, at once."""
        if self._here is None:
            self._here = Instance(self.root, self.files, utc_now)
        self.sent.update(documents)
        here = self._here
        here.give("site", *documents.values())

        def worked() -> bool:
            try:
                here.work()
            except OperationalError as exc:  # others write, for longer than usual: a worker would try again, too
                if not store_trouble(exc):
                    raise
                return False
            return True

        until(worked, self.log, 0.1)

    # -- what became of it --------------------------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = open_store(store_place(self.root))
        return self._store

    def overview(self) -> Overview:
        with read(self.store.main) as connection:
            return overview(connection, Inbox(self.store.inbox), ["lead"], 0)

    def status(self) -> int:
        """What `gateway status` ends with: 0 where the equations hold."""
        return self._begun("-m", "gateway", "-C", str(self.root), "status").wait()

    def quiet(self, *systems: str, hurry: bool = False) -> Overview:
        """Wait until nothing waits any more, in ``systems`` or anywhere. ``hurry``: see there."""

        def waits() -> bool:
            told = self.overview()
            if hurry:
                self.hurry()
            return not any(
                part.parts["waiting"]
                for name, one in told.systems.items()
                if name in systems or not systems
                for part in (one.documents, one.events, one.writes)
            )

        until(waits, lambda: f"{self.overview()}\n{self.log()}", 0.1)
        return self.overview()

    def waiting(self, system: str) -> int:
        """Writes that are not settled yet."""
        w = t.writes.c
        with read(self.store.main) as connection:
            unsettled = select(func.count()).where(w.system == system, w.state.in_(OPEN_WRITES))
            return int(connection.scalar(unsettled) or 0)

    def hurry(self) -> None:
        """What would be tried again later is due: the gateway does all by itself, but a test need not wait for it."""
        if SOAK:
            return
        with write(self.store.main, patience=PATIENCE) as connection:
            due = update(t.writes).where(t.writes.c.state.in_(("waiting", "unknown")), t.writes.c.due_at > 0)
            connection.execute(due.values(due_at=0))
            for waiting in (t.breakers, t.systems):
                connection.execute(update(waiting).where(waiting.c.retry_at > 0).values(retry_at=0))

    @contextlib.contextmanager
    def no_commits(self) -> Iterator[None]:
        """Meanwhile nobody else commits anything to the main database."""
        with write(self.store.main, patience=PATIENCE):
            yield

    def agrees(self) -> None:
        """Nothing was lost, nothing doubled, and all sides agree."""
        told = self.overview()
        assert told.holds, told
        site = told.systems["site"]
        assert site.documents.total == len(self.sent)
        assert site.documents.parts["quarantined"] == 0
        # Who takes a document over from one that had just committed it reads it once more, for nothing.
        assert site.skipped.keys() <= {"known already"}, told
        counted = {state: site.events.parts[state] for state in ("applied", "waiting", "dead")}
        assert counted == {"applied": len(self.sent), "waiting": 0, "dead": 0}, told
        for name in self.crms:
            assert {told.systems[name].writes.parts[state] for state in ("waiting", "dead")} == {0}, told.systems[name]
        undisturbed = self.undisturbed()
        for name, crm in self.crms.items():
            held = crm.holds()
            assert held == undisturbed[name], (held - undisturbed[name], undisturbed[name] - held)

    def undisturbed(self) -> dict[str, Counter[tuple[Any, ...]]]:
        """What each CRM would hold if nothing had happened."""
        with contextlib.ExitStack() as stack:
            fresh: dict[str, Crm] = {name: type(crm)() for name, crm in self.crms.items()}
            addresses = {name: (crm, stack.enter_context(serve(crm)).url) for name, crm in fresh.items()}  # type: ignore[arg-type]
            root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            model = Instance(root, files(addresses, self.port), utc_now)
            stack.callback(model.close)
            model.give("site", *self.sent.values())
            model.work()
            for name in fresh:
                model.deliver(name)
            return {name: crm.holds() for name, crm in fresh.items()}


def until(true: Callable[[], Any], why: Callable[[], str], every: float = 0.05) -> None:
    """Wait for it; ``why`` explains when it never comes."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, why()
        time.sleep(every)
