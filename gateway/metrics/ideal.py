"""How many leads and wins are the opportunity that both teams wish for. Pure. In: leads; out: the JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.journey.ideal import ALL, Ideal


@dataclass(frozen=True, slots=True)
class Known:
    """``attributes``: as conditions look at them, a company's as ``company.<name>``."""

    lead: str
    persona: str
    attributes: Mapping[str, Any]
    won: bool


def ideal(found: Iterable[Known], ideals: Mapping[str, Ideal]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """``leads``, ``won``, ``ideal`` and ``ideal_won`` of those personas that have one, ``ideals`` by persona in the
    order of the file; and who is behind each: ``finance``, ``finance/won``."""
    behind: dict[str, list[str]] = {
        name: [] for persona in ideals for name in (persona, f"{persona}/won", f"{persona}/others won")
    }
    counts = dict.fromkeys(ideals, 0)
    for one in found:
        persona = ALL if ALL in ideals else one.persona
        if (wanted := ideals.get(persona)) is None:
            continue
        counts[persona] += 1
        holds = wanted.holds(one.attributes)
        if holds:
            behind[persona].append(one.lead)
        if one.won:
            behind[f"{persona}/{'won' if holds else 'others won'}"].append(one.lead)
    rows = [_row(persona, one, counts[persona], behind) for persona, one in ideals.items()]
    whole = {key: sum(row[key] for row in rows) for key in ("leads", "won", "ideal", "ideal_won")}
    return {**whole, "ideals": rows}, behind


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
