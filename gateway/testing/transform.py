"""What every transform keeps to: mapping files call it for each value of a field, today and when it is read again."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.testing.contract import Contract
from gateway.testing.hostile import VALUES


class TransformContract(Contract):
    """Say which function it is, what it makes of some values, and what it refuses."""

    contract = "transform"

    transform: Callable[[Any], Any]
    """Yours, as ``transform = staticmethod(initials)``."""
    examples: Sequence[tuple[Any, Any]] = ()
    """(raw value, what becomes of it)."""
    refused: Sequence[Any] = ()
    """Values that it cannot make anything of; none, where it takes every text."""

    def _is_among(self, offers: Mapping[str, Any]) -> None:
        functions = [one.__wrapped__ for one in offers.values()]
        assert self.transform in functions, "what is tested is not what is registered; say which function it is"

    def test_it_makes_of_values_what_it_says(self) -> None:
        assert self.examples, "give examples: (raw value, what becomes of it)"
        for raw, wanted in self.examples:
            assert self.transform(raw) == wanted
            assert type(self.transform(raw)) is type(wanted)

    def test_it_is_pure(self) -> None:
        """The same value gives the same, however often, and stays as it was."""
        for raw, wanted in self.examples:
            given = copy.deepcopy(raw)
            assert [self.transform(given) for _ in range(3)] == [wanted] * 3
            assert given == raw

    def test_it_refuses_without_quoting(self) -> None:
        """``ValueError``, and nothing of the value in its text: messages are read by people and kept in logs."""
        for raw in self.refused:
            refusal = self._refusal(raw)
            assert refusal is not None, f"{raw!r} was to be refused"
            assert not _quoted(raw, refusal), f"the message quotes what it refuses: {raw!r}"

    def test_no_value_makes_it_fail_otherwise(self) -> None:
        """What systems really send is a value for it, or a ``ValueError``; never another exception."""
        for raw in VALUES:
            if raw is None:  # it is never asked
                continue
            refusal = self._refusal(raw)
            assert not (refusal and _quoted(raw, refusal)), f"the message quotes what it refuses: {str(raw)[:40]!r}"

    def _refusal(self, raw: Any) -> ValueError | None:
        try:
            self.transform(copy.deepcopy(raw))
        except ValueError as exc:
            return exc
        return None


def _quoted(raw: Any, exc: ValueError) -> bool:
    text = str(raw).strip()
    return len(text) > 3 and text.lower() in f"{exc} {exc.__cause__ or ''}".lower()
