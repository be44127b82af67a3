"""How many leads and wins are the opportunity that both teams wish for. Pure. In: leads; out: the JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.journey.ideal import ALL, Ideal

WITHOUT = "without"
"""The numbers of personas that have no ideal."""


@dataclass(frozen=True, slots=True)
class Known:
    """``attributes``: as conditions look at them, a company's as ``company.<name>``."""

    lead: str
    persona: str
    attributes: Mapping[str, Any]
    won: bool


def ideal(found: Iterable[Known], ideals: Mapping[str, Ideal]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """``leads``, ``won``, ``ideal`` and ``ideal_won`` of those personas that have one, ``ideals`` by persona in the
    order of the file, ``without_ideal`` the leads of each other persona; and who is behind each: ``finance``,
    ``finance/won``, ``without/other``."""
    behind: dict[str, list[str]] = {
        name: [] for persona in ideals for name in (persona, f"{persona}/won", f"{persona}/others won")
    }
    counts = dict.fromkeys(ideals, 0)
    others: dict[str, list[str]] = defaultdict(list)
    for one in found:
        persona = ALL if ALL in ideals else one.persona
        if (wanted := ideals.get(persona)) is None:
            others[persona].append(one.lead)
            continue
        counts[persona] += 1
        holds = wanted.holds(one.attributes)
        if holds:
            behind[persona].append(one.lead)
        if one.won:
            behind[f"{persona}/{'won' if holds else 'others won'}"].append(one.lead)
    rows = [_row(persona, one, counts[persona], behind) for persona, one in ideals.items()]
    whole = {key: sum(row[key] for row in rows) for key in ("leads", "won", "ideal", "ideal_won")}
    without = {persona: len(leads) for persona, leads in sorted(others.items())}
    behind |= {f"{WITHOUT}/{persona or '(none)'}": leads for persona, leads in sorted(others.items())}
    return {**whole, "ideals": rows, "without_ideal": without}, behind


def _row(persona: str, one: Ideal, leads: int, behind: Mapping[str, list[str]]) -> dict[str, Any]:
    ideal_, won = len(behind[persona]), len(behind[f"{persona}/won"])
    others = leads - ideal_, len(behind[f"{persona}/others won"])
    return {
        "persona": persona,
        "name": one.name,
        "leads": leads,
        "won": won + others[1],
        "ideal": ideal_,
        "ideal_won": won,
        "share": ideal_ / leads if leads else None,
        "won_share": won / ideal_ if ideal_ else None,
        "won_share_others": others[1] / others[0] if others[0] else None,
    }
