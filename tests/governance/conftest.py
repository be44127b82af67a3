"""The small instance on disk under approval, with people who hold keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from disk_instance import GATEWAY, PEOPLE, Instance

from gateway.accounts import keys, users
from gateway.accounts.users import User
from gateway.opening import open_gateway
from gateway.store.database import write
from gateway.store.times import utc_now
from gateway.times import to_micros

ROLES = {"mo": "marketing", "mi": "marketing", "sal": "sales", "ada": "admin", "vi": "viewer"}


class Committee:
    """Who decides about ``instance``. Each comes in by a token: a password would take long to hash."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.people: dict[str, User] = {}
        self.tokens: dict[str, str] = {}
        now = to_micros(utc_now())
        with self.gateway() as gateway, write(gateway.store.main) as connection:
            for name, role in ROLES.items():
                self.people[name] = users.add(connection, f"{name}@one.example", name, role, "", now, "test")
                self.tokens[name] = keys.make(connection, "token", self.people[name], now, None, "test")

    def gateway(self) -> Any:
        from contextlib import closing

        return closing(open_gateway(self.instance.root))

    def does(self, name: str, *args: str, code: int = 0, reason: str = "because") -> Any:
        """``gateway model …`` by ``name``."""
        env = {"GATEWAY_TOKEN": self.tokens[name]}
        return self.instance.run("model", *args, "--reason", reason, code=code, env=env)

    def proposes(self, name: str = "mo", *args: str) -> str:
        """The id of what ``name`` proposed."""
        self.does(name, "propose", *args)
        found: str = self.instance.json("model", "history")["drafts"][0]["id"]
        return found

    def agrees(self, draft: str) -> None:
        self.does("mo", "approve", draft)
        self.does("sal", "approve", draft)


@pytest.fixture
def committee(tmp_path: Path, gateway_tables: Path) -> Committee:
    """Two keys; the model that was live before approval was asked for stays."""
    pytest.importorskip("gateway_files")
    instance = Instance(tmp_path / "instance", gateway_tables)
    instance.bring(PEOPLE)
    instance.write("gateway.yaml", GATEWAY + "approval: two-key\n")
    return Committee(instance)


@pytest.fixture
def fresh(tmp_path: Path, gateway_tables: Path) -> Committee:
    """Two keys from the beginning: nothing is live yet."""
    pytest.importorskip("gateway_files")
    instance = Instance(tmp_path / "instance", gateway_tables)
    instance.write("gateway.yaml", GATEWAY + "approval: two-key\n")
    instance.bring(PEOPLE)
    return Committee(instance)
