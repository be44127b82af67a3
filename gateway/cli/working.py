"""Long work of a command: a bar for who watches, a row for everybody else, and an ear for who asks it to stop."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gateway.cli.output import Tell, progress

if TYPE_CHECKING:
    from gateway.jobs import Job
    from gateway.runtime import Gateway


class Working:
    """What is under way. ``check`` and ``wait`` are the job's: see there."""

    def __init__(self, job: Job) -> None:
        self.check = job.check
        self.wait = job.wait
        self.id = job.id
        self._job = job

    @contextlib.contextmanager
    def progress(self, title: str, total: int | None = None, bytes: bool = False) -> Iterator[Tell]:
        """As ``output.progress``; the function it gives may raise ``Stopped``: tell it of what is committed."""
        self._job.part(title, total)
        with progress(title, total, bytes) as draw:

            def tell(done: int, of: int | None = None) -> None:
                nonlocal total
                if of is not None and of != total:
                    total = of
                    self._job.part(title, of)
                draw(done, of)
                self._job.tell(done)

            yield tell


@contextlib.contextmanager
def long_work(gateway: Gateway, what: str, subject: str) -> Iterator[Working]:
    """``what``: the command; ``subject``: the system or file it is about."""
    from gateway.jobs import Job

    with Job(gateway.store.main, what, subject, getpass.getuser()) as job:
        yield Working(job)
