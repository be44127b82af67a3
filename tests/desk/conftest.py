"""A small company with the desk open: one lead is with sales."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from disk_instance import PEOPLE, Instance
from flask.testing import FlaskClient

REASONS = "\nreasons: {sales_rejected: [no budget, wrong person], recycled: [not now]}\n"
GOOD = "correct horse battery"


class Browser:
    """Somebody at the desk: follows redirects, sends forms with the token that the page had."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.text = ""
        self.status = 0

    def get(self, path: str) -> str:
        return self._took(self.client.get(path, follow_redirects=True))

    def post(self, path: str, token: bool = True, follow: bool = True, **fields: str | list[str]) -> str:
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.text)
        given = {"csrf_token": found[1]} if token and found else {}
        return self._took(self.client.post(path, data={**given, **fields}, follow_redirects=follow))

    def log_in(self, email: str, password: str = GOOD) -> str:
        self.get("/login")
        return self.post("/login", email=email, password=password)

    def _took(self, answer: Any) -> str:
        self.text, self.status = answer.text, answer.status_code
        return self.text


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory, gateway_tables: Path) -> Path:
    """Made once; each test works on a copy."""
    from gateway.accounts import users
    from gateway.store.database import open_store, write
    from gateway.store.place import Place

    pytest.importorskip("gateway_files")
    made = Instance(tmp_path_factory.mktemp("desk") / "instance", gateway_tables)
    made.write("journey.yaml", (made.root / "journey.yaml").read_text() + REASONS)
    made.bring(PEOPLE)
    made.run("activate", "sales", "--existing", "handover")
    store = open_store(Place(made.root / "var"))
    with write(store.main) as connection:
        for role in ("admin", "marketing", "sales", "viewer"):
            users.add(connection, f"{role}@one.example", role.title(), role, GOOD, 1, "root")
    store.close()
    return made.root


@pytest.fixture
def company(tmp_path: Path, example: Path, gateway_tables: Path) -> Instance:
    shutil.copytree(example, tmp_path / "instance")
    return Instance(tmp_path / "instance", gateway_tables, given=True)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pages have worked out beside them is there at once, however busy the machine is."""
    from gateway.web.desk import beside

    monkeypatch.setattr(beside, "WAIT", 30.0)


@pytest.fixture
def app(company: Instance) -> Iterator[Any]:
    """The application, with an account of each role."""
    from gateway.engine.process import web_app
    from gateway.opening import open_gateway

    opened = []

    def opener(root: Path) -> Any:
        opened.append(open_gateway(root))
        return opened[-1]

    made = web_app(company.root, opener)
    yield made
    for one in opened:
        one.close()


@pytest.fixture
def desk(app: Any) -> Any:
    """``desk(role)``: a browser with somebody of this role logged in; without one nobody is."""

    def enter(role: str = "") -> Browser:
        browser = Browser(app.test_client())
        if role:
            browser.log_in(f"{role}@one.example")
            assert "Log out" in browser.text
        return browser

    return enter


@pytest.fixture
def handoff(company: Instance) -> dict[str, Any]:
    """Ann's, which is open."""
    [one] = company.json("handoffs", "list")["handoffs"]
    return dict(one)


class Program:
    def __init__(self, client: Any, token: str) -> None:
        self.client, self.headers = client, {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, status: int = 200) -> Any:
        return self._told(self.client.get(f"/api/v1{path}", headers=self.headers), status)

    def post(self, path: str, status: int = 200, key: str = "", **body: Any) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return self._told(self.client.post(f"/api/v1{path}", json=body, headers=headers), status)

    def patch(self, path: str, status: int = 200, **body: Any) -> Any:
        return self._told(self.client.patch(f"/api/v1{path}", json=body, headers=self.headers), status)

    def delete(self, path: str, status: int = 200) -> Any:
        return self._told(self.client.delete(f"/api/v1{path}", headers=self.headers), status)

    def _told(self, answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.json.keys() == {"ok", "status", "errors"}
            assert (answer.json["ok"], answer.json["status"]) == (False, status)
        return answer.json


@pytest.fixture
def program(app: Any, company: Instance) -> Any:
    """``program(role, *scopes)``: one that calls with a token of its own."""
    made = 0

    def enter(role: str, *scopes: str) -> Program:
        nonlocal made
        made += 1
        words = [word for scope in scopes for word in ("--scope", scope)]
        token = company.run("users", "token", f"{role}@one.example", "--name", f"t{made}", *words).stdout.strip()
        return Program(app.test_client(), token)

    return enter


@pytest.fixture
def routes(app: Any) -> Any:
    """``routes(family, prefix)``: ``METHOD /rule`` of each route whose endpoint begins so, without the prefix."""

    def found(family: str, prefix: str = "") -> set[str]:
        return {
            f"{method} {rule.rule.removeprefix(prefix)}"
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith(family)
            for method in rule.methods - {"HEAD", "OPTIONS"}
        }

    return found
