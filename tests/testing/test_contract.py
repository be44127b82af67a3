"""What every contract suite shares: nothing is skipped in silence, and who says nothing is told what to say."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.testing import ConnectionContract, ScorerContract, SinkContract, SourceContract
from gateway.testing.contract import Contract

SUITES = [ConnectionContract, ScorerContract, SinkContract, SourceContract]
RULE = "test_what_is_skipped_has_a_reason"


def ran(suite: type[Contract], check: str, **parts: Any) -> None:
    one = type("Suite", (suite,), parts)()
    one.setup_method(getattr(one, check))
    getattr(one, check)()


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    ("skips", "said"),
    [
        ({"test_no_such_check": "for a good reason"}, "no checks of these names: test_no_such_check"),
        ({"CHECK": ""}, "say why, in a few words"),
        ({"CHECK": "because"}, "say why, in a few words"),
        ({RULE: "for a good reason"}, "never skipped"),
    ],
)
def test_a_skip_names_a_check_and_its_reason(suite: type[Contract], skips: dict[str, str], said: str) -> None:
    check = next(name for name in dir(suite) if name.startswith("test_") and name != RULE)
    with pytest.raises(AssertionError, match=said):
        ran(suite, RULE, skips={check if name == "CHECK" else name: why for name, why in skips.items()})


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_skipped_is_not_run(suite: type[Contract]) -> None:
    check = next(name for name in dir(suite) if name.startswith("test_") and name != RULE)
    with pytest.raises(pytest.skip.Exception, match="nobody may ask"):
        ran(suite, check, skips={check: "nobody may ask"})


@pytest.mark.parametrize("suite", SUITES)
def test_who_says_nothing_is_told_what_to_say(suite: type[Contract]) -> None:
    arguments = () if suite is ScorerContract else (None,)
    with pytest.raises(NotImplementedError, match="def build"):
        suite().build(*arguments)  # type: ignore[attr-defined]
