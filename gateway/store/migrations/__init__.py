"""The tables' history: two lines of numbered steps, ``inbox`` and ``main``, run by Alembic without its files.

There is no ``alembic.ini`` and no ``env.py``: the steps are part of the package, and logging is left alone.
A step that was released is never edited; ``python -m gateway.store.migrations.generate`` writes the next one.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from gateway.store import tables

Line = Literal["inbox", "main"]
METADATA: dict[str, MetaData] = {"inbox": tables.inbox, "main": tables.main}


def version_table(line: Line) -> str:
    """Each line keeps its own place, since on PostgreSQL both live in one database."""
    return f"version_{line}"


def head(line: Line) -> str | None:
    return _scripts(line).get_current_head()


def known(line: Line) -> frozenset[str]:
    """Every revision this version of the gateway has steps for."""
    return frozenset(script.revision for script in _scripts(line).walk_revisions())


def current(line: Line, connection: Connection) -> str | None:
    """The revision a database is at; None when it has no tables of this line yet."""
    return MigrationContext.configure(connection, opts={"version_table": version_table(line)}).get_current_revision()


def upgrade(line: Line, connection: Connection, to: str = "head") -> None:
    """Run the missing steps inside the caller's transaction: all of them or none."""
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
    here = Path(__file__).parent
    return ScriptDirectory(here, version_locations=[here / line])
