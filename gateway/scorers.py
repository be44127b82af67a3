"""The model's scorers at work on the leads of a batch: plugin code, which may fail, tamper, or be quarantined.

In: a batch that was joined. Out: the leads' new standings, and on the batch those that moved and those to try again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from gateway import work
from gateway.checked import Tampered
from gateway.contracts import Scorer
from gateway.leads.batch import Batch
from gateway.leads.lead import Lead, Standing
from gateway.model import Guard, Model
from gateway.scoring.rating import moved, rate, subject, untouched
from gateway.times import to_micros

UNSCORED = timedelta(hours=1)
"""After so long a lead is scored whose scoring failed."""


class Scorers:
    def __init__(self, guard: Guard, stopped: Callable[[str, str, str], bool], log: Any) -> None:
        """``guard`` and ``stopped``: see ``Pipeline``."""
        self.guard = guard
        self.stopped = stopped
        self.log = log

    def rate(self, batch: Batch, lead: Lead, model: Model, at: datetime) -> None:
        """Every score of the model; a lead that one fails on keeps that one as it was."""
        for name, scorer, plugin in model.given():
            if scorer is not None:
                self._rate_by(batch, lead, at, name, scorer, plugin, name == model.score_name)

    def _rate_by(
        self, batch: Batch, lead: Lead, at: datetime, name: str, scorer: Scorer, plugin: str, main: bool
    ) -> None:
        before = lead.score if main else lead.scores.get(name)
        if self.stopped(plugin, "score", _named(lead)):  # all are scored again when it works, one that is poison later
            _put_off(batch, lead, name, before, at)
            return
        try:
            with self.guard(plugin, f"score {_named(lead)}"):
                given = subject(lead, lead.beside)
                after = rate(before, lead.counted, given, scorer, batch.scoring, at)
                if main:
                    lead.score = after
                else:
                    lead.scores[name] = after
                if moved(before, after):
                    batch.scored[lead.id, name] = after
                if not untouched(given, lead, lead.beside):
                    raise Tampered("changed the lead it was given")
        except Tampered:
            self.log.error("scorer tampers", lead=lead.id, plugin=plugin)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - a scorer may raise anything; the lead stays as it was
            self.log.error("scoring failed", lead=lead.id, plugin=plugin, error=type(exc).__name__)
            _put_off(batch, lead, name, lead.score if main else lead.scores.get(name), at)
            error = {"error": type(exc).__name__}
            item = work.work_item(f"score:{lead.id}", "scoring failed", "", error, batch.now, lead.id)
            batch.work_items.append(item)


def _put_off(batch: Batch, lead: Lead, name: str, score: Standing | None, at: datetime) -> None:
    """A lead that could not be scored is tried again in an hour, not at once and for ever."""
    again = to_micros(at + UNSCORED)
    if score is None:
        batch.unscored[lead.id] = again
    elif score.changes_at is None or score.changes_at < again:
        score.changes_at = again
        batch.scored[lead.id, name] = score


def _named(lead: Lead) -> str:
    """The lead's id; of one that is new, a name that it has in every attempt to make it, and that tells nothing."""
    if lead.version:
        return lead.id
    return "new " + blake2b(repr(min(lead.records, default="")).encode(), digest_size=8).hexdigest()
