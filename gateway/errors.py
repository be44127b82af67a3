"""Every error the gateway raises, in a tree sorted by what the caller does next.

``GatewayError``
├── ``ConfigError``        an admin must edit a file; never retried; carries all problems at once
├── ``QuarantineDocument`` this document cannot be read: keep it, name the reason, go on with the rest
├── ``StorageBusy``        the store cannot take it now: answer 503 and let the sender come again
├── ``StaleCommit``        somebody else was faster: reload, compute again, commit again
├── ``TryLater``           a system, or our budget for it, has nothing left now: come again; costs no try
├── ``AccessRefused``      a system refused our credentials: everything with it pauses until a person resumes it
├── ``Stopped``            somebody asked this work to stop; what is done is kept, the same command goes on
├── ``NotFound``           what the user named does not exist
└── ``Refused``            the move is not legal; the message says what is
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in one place of one file. ``line`` counts from 1; 0 = the file as a whole."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class GatewayError(Exception):
    """The root; ``except GatewayError`` catches whatever the gateway itself raises on purpose."""


class ConfigError(GatewayError):
    """One or more files need an edit. ``str(error)`` is one problem per line."""

    def __init__(self, problems: Sequence[Problem | str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class QuarantineDocument(GatewayError):
    """``read`` cannot understand these bytes. ``reason`` is shown to the admin: it names the place, never the value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class StorageBusy(GatewayError):
    """The store is full, locked or away; nothing was stored. ``retry_after`` is in seconds."""

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(reason)


class StaleCommit(GatewayError):
    """A row changed between load and commit (or a lease was lost): nothing of this batch was written."""


class TryLater(GatewayError):
    """A system's limit, or our budget for it, is reached: come again in ``seconds``. No try is spent."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds = seconds
        self.reason = reason
        super().__init__(f"{reason}; again in {seconds:.0f} s")


class AccessRefused(GatewayError):
    """A system refused who we say we are. ``reason`` names the secret by its reference, never its value."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Stopped(GatewayError):
    """Long work was asked to stop, and did between two batches. ``by``: who asked."""

    def __init__(self, by: str) -> None:
        self.by = by
        super().__init__(f"stopped by {by}; the same again goes on where it stopped")


class NotFound(GatewayError):
    """What the user named does not exist; the message says where it was looked for."""


class Refused(GatewayError):
    """A move the rules do not allow; the message says what is allowed."""
