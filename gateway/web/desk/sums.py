"""What became of everything, per system, for pages: counted beside them, for it takes longer the more there is."""

from __future__ import annotations

from gateway.store.database import read
from gateway.store.overview import Overview, overview
from gateway.times import to_micros
from gateway.web.desk.beside import Kept
from gateway.web.desk.page import Desk


def sums(desk: Desk, patience: float = 0.0) -> Kept:
    """An ``Overview``. :param patience: seconds to wait for a first one."""
    gateway = desk.gateway

    def work() -> Overview:
        now = to_micros(gateway.now())
        with read(gateway.store.main) as connection:
            return overview(connection, gateway.inbox, gateway.model.score_names, now, people=False)

    return desk.beside.count("sums", work, patience)
