"""The closed lists of the journey: what journey.yaml may say, and what it means when it says nothing."""

from __future__ import annotations

SHARED = ("target", "mql", "sal", "sql", "won")
"""The five shared stages, in order; a company's own stages are each tied to one of them."""
BUCKETS = ("sales_qualified", "sales_rejected", "recycled")
"""How a handoff can end."""
CLOCK, NO_WORD = "clock", "no word from sales"
"""Who ends a handoff whose follow-up is over, and why."""
NOT_GIVEN = "not given"
"""The reason of who gave none, where the journey has some to choose from."""
BANDS = ("great", "good", "bad")
"""How good a score is; scoring.yaml says from where on."""
STEPS = ("handoff", "set", "join", "leave", "campaign", "notify")
"""What a stage may ask for when a lead crosses into it."""
DEFAULT_BUCKETS = {
    "qualified": "sales_qualified",
    "rejected": "sales_rejected",
    "recycled": "recycled",
    "won": "sales_qualified",
    "lost": "recycled",
}
"""Outcome → the bucket it closes an open handoff into."""
DEFAULT_MARGIN = 5
"""Points a score must be below its threshold before it counts as fallen."""
DEFAULT_STAGES = ({"name": "target", "shared": "target"},)
FORGOTTEN = "this person is forgotten: only what was decided is kept, in the numbers"
"""What whoever asks for them, or says something of them, is told."""
