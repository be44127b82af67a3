"""The tables' history: two lines of numbered steps, ``inbox`` and ``main``, run by Alembic without its files.

There is no ``alembic.ini`` and no ``env.py``: the steps are part of the package, and logging is left alone. Alembic
itself is imported where steps are run: every command asks whether the tables are today's, and hardly one runs a step.
A step that was released is never edited; ``python -m gateway.store.migrations.generate`` writes the next one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, MetaData, column, inspect, select, table

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


def upgrade(line: Line, connection: Connection, to: str = "head") -> None:
    """Run the missing steps inside the caller's transaction: all of them or none."""
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext

    scripts = _scripts(line)

    def steps(revision: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(to, revision)

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(
            connection=connection, version_table=version_table(line), transactional_ddl=True, render_as_batch=True
        )
        environment.run_migrations()


@cache
def _scripts(line: Line) -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    here = Path(__file__).parent
    return ScriptDirectory(here, version_locations=[here / line])
