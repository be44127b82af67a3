"""What every decision records of the batch that made it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a lead is advanced (news, time, model, import, merge, person) and what every decision records."""

    why: str
    at: datetime
    scoring: str
    journey: str
