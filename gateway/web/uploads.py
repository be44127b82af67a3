"""Files that people bring by the browser or by a call: kept until they are taken in, then removed.

In: the bytes of an upload. Out: a file in the store's folder, for ``gateway import --remove``, which tells how far it
is and can be stopped. The same file has the same path, so an import that was stopped goes on when it is brought again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

from werkzeug.utils import secure_filename

from gateway.contracts import Source
from gateway.errors import Refused
from gateway.settings.folder import store_place

if TYPE_CHECKING:
    from gateway.runtime import Gateway

FOLDER, REFUSED = "uploads", "refused"
LARGEST = 1 << 30
"""Bytes."""
LEFT = 86_400.0
"""Seconds after which a file that nobody took in is removed: it tells of people."""
CHUNK = 1 << 20


def bring(gateway: Gateway, system: str, name: str, body: IO[bytes], history: bool) -> tuple[str, tuple[str, ...]]:
    """(what the work is about, the command that does it) of a file of ``system``. Raises ``Refused``."""
    source = gateway.sources.get(system)
    if source is None or type(source).pull is Source.pull:
        raise Refused(f"{system}: {gateway.problems.get(system) or 'its plugin does not read files'}")
    folder = store_place(gateway.instance.root).folder
    kept = keep(folder, system, name, body)
    as_history = ("--history",) if history else ()
    refused = ("--refused", str(_folder(folder, REFUSED)))
    return f"{kept.name} → {system}", ("import", str(kept), "--system", system, *as_history, *refused, "--remove")


def refused(gateway: Gateway, job: str) -> Path | None:
    """The lines that an import begun here refused, as they came, while they are kept."""
    folder = store_place(gateway.instance.root).folder
    sweep(folder)
    return next((folder / FOLDER / REFUSED).glob(f"{job}.*"), None) if job.isalnum() else None


def keep(store: Path, system: str, name: str, body: IO[bytes]) -> Path:
    """Write it down. ``store``: the store's folder; ``name``: as the sender calls it. Raises ``Refused``."""
    folder = _folder(store)
    sweep(store)
    told, size = hashlib.sha256(system.encode()), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix="coming.", delete=False) as file:  # nobody else may read it
        coming = Path(file.name)
        try:
            while chunk := body.read(CHUNK):
                size += len(chunk)
                if size > LARGEST:
                    raise Refused(f"it is larger than {LARGEST >> 30} GiB: `gateway import` takes files of any size")
                told.update(chunk)
                file.write(chunk)
            if not size:
                raise Refused("choose a file: there is nothing in this one")
        except BaseException:
            coming.unlink()
            raise
    kept = folder / told.hexdigest()[:16] / (secure_filename(name)[-100:] or "file")
    kept.parent.mkdir(mode=0o700, exist_ok=True)
    os.replace(coming, kept)
    return kept


def _folder(store: Path, *more: str) -> Path:
    """Where uploads are kept, which nobody else may read."""
    folder = (store / FOLDER).joinpath(*more)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def sweep(store: Path) -> None:
    """Remove what was left behind by an import that was not ended, or by a sender who went away; and refused lines
    that nobody came for."""
    folder = store / FOLDER
    for one in [*(one for one in folder.glob("*") if one.name != REFUSED), *folder.glob(f"{REFUSED}/*")]:
        newest = max((each.stat().st_mtime for each in (one, *one.glob("*"))), default=0.0)
        if time.time() - newest > LEFT:
            shutil.rmtree(one, ignore_errors=True) if one.is_dir() else one.unlink(missing_ok=True)
