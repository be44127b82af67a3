"""What the intake has to know of a source. Apart from the intake, so that who opens an instance loads no server."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.contracts import Answer, Verification


@dataclass(frozen=True, slots=True)
class SourceOffer:
    """How a source's calls prove themselves, and what they are answered."""

    verification: Verification
    answer: Answer = field(default_factory=Answer)
