"""The tables' history: two lines of numbered steps, ``inbox`` and ``main``, run by Alembic without its files.

There is no ``alembic.ini`` and no ``env.py``: the steps are part of the package, and logging is left alone. Alembic
itself is imported where steps are run: every command asks whether the tables are today's, and hardly one runs a step.
A new database goes no steps: it gets today's tables at once, which tests hold to be those that the steps lead to.
A step that was released is never edited; ``python -m gateway.store.migrations.generate`` writes the next one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    column,
    insert,
    inspect,
    select,
    table,
)

from gateway.store import tables

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

Line = Literal["inbox", "main"]
METADATA: dict[str, MetaData] = {"inbox": tables.inbox, "main": tables.main}


def version_table(line: Line) -> str:
    """Each line keeps its own place, since on PostgreSQL both live in one database."""
    return f"version_{line}"


def head(line: Line) -> str | None:
    return max(known(line), default=None)


@cache
def known(line: Line) -> frozenset[str]:
    """Every revision this version of the gateway has steps for."""
    return frozenset(f"{line}_{step.name[1:5]}" for step in (Path(__file__).parent / line).glob("m[0-9]*.py"))


def current(line: Line, connection: Connection) -> str | None:
    """The revision a database is at; None when it has no tables of this line yet."""
    name = version_table(line)
    if not inspect(connection).has_table(name):
        return None
    revision: str | None = connection.scalar(select(column("version_num")).select_from(table(name)))
    return revision


def upgrade(line: Line, connection: Connection, to: str | None = None) -> None:
    """Bring the tables ``to`` a revision (default: the last), in the caller's transaction: all of it or nothing."""
    was, last = current(line, connection), head(line)
    if was is None and to in (None, last):
        _make(line, connection)
    elif was != (to or last):
        steps(line, connection, to or "head")


def steps(line: Line, connection: Connection, to: str = "head") -> None:
    """Run the missing steps, from the first one where there are no tables."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    scripts = _scripts(line)

    def missing(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), scripts, fn=missing) as environment:
        environment.configure(
            connection=connection, version_table=version_table(line), transactional_ddl=True, render_as_batch=True
        )
        environment.run_migrations()


def _make(line: Line, connection: Connection) -> None:
    METADATA[line].create_all(connection, checkfirst=False)
    name = version_table(line)
    place = Table(
        name, MetaData(), Column("version_num", String(32)), PrimaryKeyConstraint("version_num", name=f"{name}_pkc")
    )
    place.create(connection)
    connection.execute(insert(place).values(version_num=head(line)))


@cache
def _scripts(line: Line) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    here = Path(__file__).parent
    return ScriptDirectory(here, version_locations=[here / line])
