"""Long work under way, a rescoring by a changed model among it: as JSON, in words, stopped by whoever may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.answers.texts import iso
from gateway.errors import NotFound, Refused
from gateway.store.rescoring import BY, RESCORE, WHOM

if TYPE_CHECKING:
    from gateway.runtime import Gateway
    from gateway.store.jobs import JobRow


def jobs_of(gateway: Gateway, limit: int = 50, running: bool = False) -> list[JobRow]:
    """Rescoring first, then what goes on, then what ended in the last days; the newest first."""
    from gateway import jobs
    from gateway.store import rescoring
    from gateway.store.database import read
    from gateway.store.jobs import JobRow

    with read(gateway.store.main) as connection:
        bulk = rescoring.progress(connection)
    found = jobs.rows(gateway.store.main, limit, running)
    if bulk is not None:
        part = "leads" if bulk.leads is not None else "waits for the pipeline worker"
        whole = (bulk.id, RESCORE, WHOM, BY, "", bulk.since, part, bulk.done, bulk.leads)
        found.insert(0, JobRow(*whole, bulk.stop_by, None, "", ""))
    return found


def far(row: JobRow) -> str:
    """How far it is, in words."""
    if row.ended == "silent":
        return "nothing heard of it any more: its process died; the same again goes on where it stopped"
    if row.ended:
        return row.ended + (f" by {row.stop_by}" if row.ended == "stopped" and row.stop_by else "")
    if row.stop_by:
        words = "rests, asked by" if row.what == RESCORE else "is asked to stop by"
        return f"{words} {row.stop_by}"
    done = f"{row.done:,} of {row.total:,}" if row.total else f"{row.done:,}" if row.done else ""
    percent = f"({100 * row.done // row.total} %)" if row.total else ""
    return " ".join(filter(None, (row.part, done, percent))) or "begins"


def stop(gateway: Gateway, key: str, by: str) -> str:
    """Ask the work whose id ends with ``key`` to stop. Returns what is said. Raises ``NotFound`` and ``Refused``."""
    from gateway import jobs
    from gateway.store import rescoring
    from gateway.store.database import write

    row = named(gateway, key)
    if row.what == RESCORE:
        with write(gateway.store.main) as connection:
            done = rescoring.rest(connection, row.id, by)
        words = "rescoring rests from its next part on; people see the scores of before until it went on to its end"
    else:
        done = jobs.ask_to_stop(gateway.store.main, row.id, by)
        words = f"{called(row)} stops at its next good moment; the same again goes on where it stopped"
    if not done:
        raise Refused(f"{called(row)} is over, or was asked already")
    return words


def go_on(gateway: Gateway, key: str) -> str:
    """Let a rescoring that rests go on. Raises ``NotFound`` and ``Refused``."""
    from gateway.store import rescoring
    from gateway.store.database import write

    row = named(gateway, key)
    if row.what != RESCORE:
        raise Refused(f"only a rescoring rests; begin {called(row)} again, and it goes on where it stopped")
    with write(gateway.store.main) as connection:
        if not rescoring.rest(connection, row.id, ""):
            raise Refused("it does not rest")
    return "rescoring goes on"


def called(row: JobRow) -> str:
    return f"{row.what} {row.subject}".rstrip()


def line(row: JobRow) -> str:
    """One line of ``gateway status``."""
    return f"{called(row)}, begun by {row.by}: {far(row)}"


def job_json(row: JobRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "what": row.what,
        "subject": row.subject,
        "by": row.by,
        "machine": row.machine,
        "begun_at": iso(row.begun_at),
        "part": row.part,
        "done": row.done,
        "total": row.total,
        "stop_asked_by": row.stop_by or None,
        "ended_at": iso(row.ended_at),
        "state": row.ended or ("stopping" if row.stop_by else "running"),
        "told": row.told,
    }


def named(gateway: Gateway, key: str) -> JobRow:
    found = [one for one in jobs_of(gateway, 1000) if one.id.endswith(key)]
    if len(found) != 1:
        which = "several jobs end with" if found else "no job is or ends with"
        raise NotFound(f"{which} {key!r}; `gateway jobs list` shows them")
    return found[0]
