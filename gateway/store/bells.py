"""Bells on PostgreSQL, with ``engine: procrastinate``: who made work wakes a process, of any machine, that does it.

In: names of bells, inside the transaction that made the work. Out: jobs of procrastinate, which only say "look". A bell
is called as the processes that hear it: ``pipeline``, ``deliver:SYSTEM``, ``pull:SYSTEM``; at most one of each waits.
The work itself is in our rows: a bell may get lost, be late or ring twice. After: ``engine/bells.py`` hears it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

HUNG, RUNG = "gateway_bells", "gateway_rung"
"""Options of SQLAlchemy: of an engine with bells, and of a write transaction: those it has rung."""
PIPELINE = "pipeline"
RING = "SELECT gateway_ring(%s)"
"""The same for who has a cursor of the driver's: a list of bells."""

_OURS = "lead gateway: "  # what the comment on procrastinate's table begins with; then its last step
# Nobody waits for who rings the same bell at this moment: that one has not committed yet, and rings for both. Each
# statement of such a function sees what was committed until then, so there is never a second job to be refused.
_FUNCTION = """
CREATE OR REPLACE FUNCTION gateway_ring(bells text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE bell text;
BEGIN
    FOREACH bell IN ARRAY bells LOOP
        IF pg_try_advisory_xact_lock(hashtextextended('lead gateway bell ' || bell, 0)) THEN
            IF NOT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = bell AND status = 'todo') THEN
                PERFORM procrastinate_defer_jobs_v1(
                    ARRAY[ROW(bell, 'ring', 0, NULL, bell, '{}', NULL)::procrastinate_job_to_defer_v1]
                );
            END IF;
        END IF;
    END LOOP;
END $$
"""
_LAST = text("SELECT to_regclass('procrastinate_jobs'), obj_description(to_regclass('procrastinate_jobs'), 'pg_class')")
_UNANSWERED = text(
    "DELETE FROM procrastinate_jobs WHERE status <> 'todo' AND (worker_id IS NULL OR worker_id IN"
    " (SELECT id FROM procrastinate_workers WHERE last_heartbeat < now() - interval '60 seconds'))"
)
_GONE = text("SELECT procrastinate_prune_stalled_workers_v1(60)")


def deliver(system: str) -> str:
    return f"deliver:{system}"


def pull(system: str) -> str:
    return f"pull:{system}"


def hung(engine: Engine) -> bool:
    """Whether anybody listens: otherwise workers look by themselves, and ringing does nothing."""
    return bool(engine.get_execution_options().get(HUNG))


def ring(connection: Connection, *names: str) -> None:
    """Ring these bells when this write transaction commits."""
    connection.get_execution_options().get(RUNG, set()).update(names)


def send(connection: Connection) -> None:
    """The last statement of a write transaction: nothing is waited for with bells in hand."""
    options = connection.get_execution_options()
    if options.get(HUNG) and (rung := options.get(RUNG)):
        connection.exec_driver_sql(RING, (sorted(rung),))


def tidy(connection: Connection) -> None:
    """Forget who died, and the bells they had heard."""
    connection.execute(_UNANSWERED)
    connection.execute(_GONE)


def upgrade(connection: Connection) -> None:
    """Bring procrastinate's tables to its installed version; nothing is half done. See ``trouble`` for who may not."""
    from procrastinate.schema import SchemaManager

    made, last = _last(connection)
    if not made:
        scripts = [SchemaManager.get_schema()]
    else:
        scripts = [step.read_text(encoding="utf-8") for step in _steps() if step.stem > last]
    driver: Any = connection.connection.driver_connection
    for script in (*scripts, _FUNCTION):
        driver.execute(script)
    driver.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{_OURS}{_newest()}'")


def trouble(connection: Connection) -> tuple[str, bool]:
    """What is wrong with procrastinate's tables, and whether ``upgrade`` helps."""
    made, last = _last(connection)
    if not made:
        return "has no tables of procrastinate's yet; run `gateway db upgrade`", True
    if not last:
        return "holds a procrastinate of somebody else's; give the gateway a database of its own", False
    if last > _newest():
        return f"made by a newer procrastinate (step {last} is unknown here); install that version", False
    return "older than the installed procrastinate; run `gateway db upgrade`" if last < _newest() else "", True


def _last(connection: Connection) -> tuple[bool, str]:
    """Whether there are tables, and the last step they have seen; "" when they are not ours."""
    table, comment = connection.execute(_LAST).one()
    ours = isinstance(comment, str) and comment.startswith(_OURS)
    return table is not None, comment.removeprefix(_OURS) if ours else ""


@cache
def _steps() -> list[Path]:
    from procrastinate.schema import SchemaManager

    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))


def _newest() -> str:
    return _steps()[-1].stem
