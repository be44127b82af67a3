"""After a restore nothing is sent to a system before what came from it since the backup is known again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.errors import Refused
from gateway.store import due
from gateway.store.database import read
from gateway.times import from_micros

if TYPE_CHECKING:
    from gateway.runtime import Gateway


def require_heard(gateway: Gateway, system: str) -> None:
    """Raises ``Refused`` when ``system`` was restored, can be pulled, and was not since; or is still worked through."""
    with read(gateway.store.main) as connection:
        since = due.restored(connection, system)
    if since is None or (pulling := gateway.pullings.get(system)) is None:
        return
    if streams := pulling.unheard(from_micros(since)):
        raise Refused(
            f"{system}: restored from a backup, and not pulled to the end since ({', '.join(streams)}), so what it was"
            f" told after the backup is not known here. Run `gateway pull {system}`, look at `gateway plan {system}`,"
            f" and say it again; `gateway systems resume {system} --unheard` goes on without"
        )
    if waiting := gateway.inbox.counts().get(system, {}).get("waiting", 0):
        raise Refused(
            f"{system}: {waiting} of its documents since the restore are not read yet. `gateway run` reads them, and"
            f" `gateway status` counts them; say it again then"
        )
