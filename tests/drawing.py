"""How many examples a property draws: a number of its own, scaled by the profile of the run (see conftest.py)."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def draws(count: int, **more: Any) -> settings:
    """Settings for ``count`` examples in the long run (``search`` draws ten times as many): two fifths of them in every
    run, a fifth with the profile ``quick``.
    """
    return settings(max_examples=max(10, count * settings().max_examples // 100), **more)
