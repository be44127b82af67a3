"""Long work of a command: a bar for who watches, a row for everybody else, and an ear for who asks it to stop."""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from gateway.cli.output import progress

if TYPE_CHECKING:
    from gateway.jobs import Job
    from gateway.runtime import Gateway


class Working:
    """What is under way. ``check`` and ``wait`` are the job's: see there."""

    def __init__(self, job: Job) -> None:
        self.check = job.check
        self.wait = job.wait
        self._job = job

    @contextlib.contextmanager
    def progress(self, title: str, total: int | None = None, bytes: bool = False) -> Iterator[Callable[[int], None]]:
        """As ``output.progress``; the function it gives may raise ``Stopped``: tell it of what is committed."""
        self._job.part(title, total)
        with progress(title, total, bytes) as draw:

            def tell(done: int) -> None:
                draw(done)
                self._job.tell(done)

            yield tell


@contextlib.contextmanager
def long_work(gateway: Gateway, what: str, subject: str) -> Iterator[Working]:
    """``what``: the command; ``subject``: the system or file it is about."""
    from gateway.jobs import Job

    with Job(gateway.store.main, what, subject, getpass.getuser()) as job:
        yield Working(job)
