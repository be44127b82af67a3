"""``store:`` of gateway.yaml: a folder, or PostgreSQL's address without a secret in it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.contracts import Secret
from gateway.errors import ConfigError
from gateway.settings.folder import store_place
from gateway.settings.form import GatewayForm
from gateway.settings.secrets import secrets_of
from gateway.store.database import open_store
from gateway.store.place import Place, place_of

PASSWORD = "s3cret/@:%"
QUOTED = "s3cret%2F%40%3A%25"


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("var", None, "{root}/var"),
        ("/srv/leads", None, "/srv/leads"),
        ("postgresql://me@db.example/leads", "postgresql://me@db.example/leads", "postgresql://db.example/leads"),
        (  # what a URL cannot hold is quoted
            "postgres://me:${DB_PASSWORD}@db.example:6432/leads?sslmode=require",
            f"postgres://me:{QUOTED}@db.example:6432/leads?sslmode=require",
            "postgresql://db.example:6432/leads",
        ),
        (
            "postgresql:///leads?host=/run/postgresql",
            "postgresql:///leads?host=/run/postgresql",
            "postgresql:///run/postgresql/leads",
        ),
        ("${DATABASE_URL}", f"postgresql://me:{QUOTED}@db.example/leads", "postgresql://db.example/leads"),
        ("file:url", f"postgresql://me:{QUOTED}@db.example/leads", "postgresql://db.example/leads"),
    ],
)
def test_a_place_is_a_folder_or_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, url: str | None, shown: str
) -> None:
    """References are filled in; what is shown tells host and database alone."""
    whole = f"postgresql://me:{QUOTED}@db.example/leads"
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("DATABASE_URL", whole)
    (tmp_path / "url").write_text(whole + "\n")
    with secrets_of(tmp_path):
        place = place_of(text).within(tmp_path)
    assert (place.url.reveal() if place.url else None) == url
    assert str(place) == shown.format(root=tmp_path.resolve())
    assert "s3cret" not in repr(place) + str(place)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgresql://me:s3cret@db.example/leads", "write ${NAME} for the password"),
        ("postgresql://me:${DB_PASSWORD}s3cret@db.example/leads", "write ${NAME} for the password"),
        ("postgresql://db.example/leads?password=s3cret", "write ${NAME} for the password"),
        ("postgresql://me:${NOT_SET}@db.example/leads", "the environment variable NOT_SET is not set"),
        ("postgresql://db.example/", "names no database"),
        ("postgresql://db.example:s3cret/leads", "expected postgresql://USER@HOST:PORT/DATABASE"),
        ("mysql://db.example/leads", "expected a folder, or postgresql://USER@HOST/DATABASE"),
        ("${NO_ADDRESS}", "${NO_ADDRESS} must hold an address"),
        ("file:nowhere", "file:nowhere: no such file"),
    ],
)
def test_what_is_wrong_with_a_place_is_told_at_its_line(
    room: Any, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    """Like every mistake of the file, and without what it may hold."""
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    monkeypatch.setenv("NO_ADDRESS", "s3cret")
    room()
    good = (room.root / "gateway.yaml").read_text()
    with pytest.raises(ConfigError) as failed:
        room({"gateway.yaml": good.replace("systems:", f"store: {text}\nsystems:", 1)})
    [problem] = map(str, failed.value.problems)
    assert problem.startswith("gateway.yaml:2: store: ")
    assert told in problem
    assert "s3cret" not in problem


def test_a_broken_file_still_tells_where_the_store_is(tmp_path: Path) -> None:
    """By its line, for those who go on with the files of before; an address that is none is the default's folder."""
    for line, place in (
        ("store: postgresql://me@db.example/leads", "postgresql://db.example/leads"),
        ("store: 'elsewhere'  # a folder", str(tmp_path / "elsewhere")),
        ("store: postgresql://me:s3cret@db.example/leads", str(tmp_path / "var")),
    ):
        (tmp_path / "gateway.yaml").write_text(f"systems: [\n{line}\n")
        assert str(store_place(tmp_path)) == place


def test_a_driver_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: only who names PostgreSQL needs it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        ConfigError, match=r"postgresql://db.example/leads: needs a driver .*lead-gateway\[postgresql\]"
    ):
        open_store(Place(Path(), Secret("postgresql://me@db.example/leads", "test")))


@pytest.mark.parametrize(
    ("said", "installed", "told"),
    [
        ({"engine": "procrastinate"}, True, ["procrastinate needs a store on PostgreSQL: store: postgresql://…"]),
        ({"engine": "procrastinate", "store": "var"}, True, ["procrastinate needs a store on PostgreSQL"]),
        ({"engine": "procrastinate", "store": "postgresql://me@db.example/leads"}, True, []),
        ({"engine": "procrastinate", "store": "postgresql://me@db.example/leads"}, False, ["is not installed: pip"]),
        ({"engine": "local", "store": "postgresql://me@db.example/leads"}, False, []),
        ({"engine": "celery"}, True, ["not one of local, procrastinate"]),
    ],
)
def test_what_an_engine_needs_is_told_at_its_line(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], installed: bool, told: list[str]
) -> None:
    """A store that machines can share, and the library."""
    monkeypatch.setattr("gateway.settings.form.find_spec", lambda name: object() if installed else None)
    problems = GatewayForm().validate({"instance": {"name": "E", "zone": "UTC", "currency": "EUR"}} | said)
    assert problems.keys() == ({"engine"} if told else set())
    for text, part in zip(problems.get("engine", []), told, strict=True):
        assert part in text


def test_the_engine_is_read_from_a_file_that_is_broken_elsewhere(tmp_path: Path) -> None:
    """Who opens the store before the files are checked rings its bells, too."""
    line = "store: postgresql://me@db.example/leads\nnonsense: [\n"
    (tmp_path / "gateway.yaml").write_text(line + "engine: 'procrastinate'  # several machines\n")
    assert store_place(tmp_path).bells
    (tmp_path / "gateway.yaml").write_text(line + "# engine: procrastinate\n")
    assert not store_place(tmp_path).bells
