"""docs/performance.md says what the benchmarks printed, and nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    import page

    yield page
    del sys.modules["page"]


def test_the_page_is_what_was_measured(page):
    """Nobody edits it by hand: `python bench --page` writes both."""
    assert page.PAGE.read_text(encoding="utf-8") == page.render(page.load())


def test_a_run_takes_the_place_of_the_one_before(page, tmp_path, monkeypatch):
    """The others stay; each says when and where it was measured, and whether it reached its targets."""
    monkeypatch.setattr(page, "MEASURED", tmp_path / "measured.json")
    monkeypatch.setattr(page, "PAGE", tmp_path / "performance.md")
    page.keep("score", "  ratio 2.0\n", True, "1 × here")
    page.keep("events", "slow\n", False, "2 × there")
    page.keep("score", "  ratio 1.0\n", True, "3 × here")
    text = page.PAGE.read_text(encoding="utf-8")
    assert text == page.render(page.load())
    assert "ratio 1.0" in text
    assert "ratio 2.0" not in text
    assert "targets missed. 2 × there" in text
    assert "against the same arithmetic written by hand" in text
