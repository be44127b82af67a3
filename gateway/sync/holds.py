"""Fields that an undo put back: what a lead says of them is not written again until it says something newer. Pure.

A hold is of one field of one record, kept on the record as a list: see ``Hold``. As long as it holds, what is wanted
there is what was there before; so an undo is planned, sent and retried like any other write.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.leads.record import Record

HELD = "an undo took it back (`gateway undo` lists what is held)"


class Hold(NamedTuple):
    """``sent``: what a push had written; ``before``: what it had replaced, with its stamp; ``at``: when it was undone.

    Raw values, times in microseconds.
    """

    sent: Any
    before: Any
    stamp: int
    at: int
    push: str

    def stands(self, same: bool, stamp: int | None) -> bool:
        """Whether what is wanted now is still what was taken back.

        :param same: it is the same value. :param stamp: since when; None = the gateway computes it, it has no time.
        """
        return same and (stamp is None or stamp <= self.at)


def hold_of(record: Record | None, field: str) -> Hold | None:
    held = record.holds.get(field) if record is not None else None
    return Hold(*held) if held else None
