"""What joining needs to know of the instance: how each object is mapped, and whose word counts first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Protocol

from gateway.contracts import Kind, RecordChanged
from gateway.leads.record import Ref
from gateway.leads.stamps import OWN, FieldRule, OwnRules
from gateway.mapping.unmapped import Unmapped


class ObjectRules(Protocol):
    """An object's mapping, as far as joining reads it."""

    @property
    def kind(self) -> Kind: ...
    @property
    def identify_by(self) -> tuple[str, ...]: ...
    @property
    def inbound(self) -> Mapping[str, FieldRule]: ...
    @property
    def outbound(self) -> Mapping[str, FieldRule]: ...
    @property
    def activities(self) -> frozenset[str]: ...
    def listens(self, event: RecordChanged) -> bool: ...
    def emit(self, before: Mapping[str, Any], event: RecordChanged) -> list[Any]: ...
    @property
    def paid(self) -> bool: ...
    def unreadable(self, values: Mapping[str, Any]) -> list[str]: ...
    @property
    def unmapped(self) -> Unmapped: ...


@dataclass(frozen=True, slots=True)
class Joining:
    """What joining needs to know of the instance, and where new ids come from."""

    objects: Mapping[tuple[str, str], ObjectRules]
    hashes: Mapping[str, str]
    rank: Mapping[str, int]
    merge_on_email: bool
    system_of_record: str | None
    mint: Callable[[], str]
    zone: tzinfo = UTC

    identifying: dict[tuple[str, str], list[tuple[str, FieldRule]]] = field(default_factory=dict)
    """(system, object) → the fields that say who somebody is; worked out here"""

    def __post_init__(self) -> None:
        for place_, rules in self.objects.items():
            fields = [*rules.inbound.items(), *rules.outbound.items()]
            wanted = {"email", "lead_id", *rules.identify_by}
            self.identifying[place_] = [(name, rule) for name, rule in fields if rule.to in wanted]

    def rules(self, ref: Ref) -> ObjectRules | None:
        return self.objects.get(ref[:2])

    def inbound(self, system: str, object: str) -> Mapping[str, FieldRule]:
        if (system, object) == OWN:
            return OwnRules()
        rules = self.objects.get((system, object))
        return rules.inbound if rules else {}
