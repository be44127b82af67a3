"""The pass sheet: what ran, what came of it, what was skipped and why; and the command that makes one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.errors import NotFound, Refused
from gateway.testing import running
from gateway.testing.sheet import text

SUITE = """
import pytest
from gateway_matrix import MatrixScorer
from gateway.testing.contract import Contract

class TestMine(Contract):
    contract = "scorer"
    skips = {"test_it_sleeps": "nobody may wake it"}

    def test_it_works(self):
        assert MatrixScorer

    def test_it_sleeps(self):
        raise AssertionError

    @pytest.mark.parametrize("number", [1, 2])
    def test_it_counts(self, number):
        assert number == GOOD or number == 1, f"it counts {number} wrong"

def test_of_another_sort():
    assert True
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a plugin whose second count is wrong."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tox.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    return written(tmp_path, "GOOD = 1")


def written(root: Path, good: str) -> Path:
    (root / "tests/test_mine.py").write_text(good + SUITE)
    return root / "tests"


def results(sheet: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["check"]: (one["result"], one["reason"]) for suite in sheet["suites"] for one in suite["checks"]}


RULE = {"what is skipped has a reason": ("passed", ""), "the gateway finds it": ("passed", "")}
FOUND = RULE | {
    "it works": ("passed", ""),
    "it sleeps": ("skipped", "nobody may wake it"),
    "it counts": ("failed", "it counts 2 wrong"),
}


@pytest.mark.parametrize("arguments", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)], ids=["alone", "xdist"])
def test_a_sheet_tells_each_check_with_its_reason(folder: Path, arguments: tuple[str, ...]) -> None:
    """Of a check that runs several times, the worst counts; no other test is run."""
    sheet, said = running.run(folder, False, arguments)
    assert results(sheet) == FOUND
    assert not sheet["ok"]
    [suite] = sheet["suites"]
    assert {name: suite[name] for name in ("contract", "suite", "where", "plugin")} == {
        "contract": "scorer", "suite": "TestMine", "where": "tests/test_mine.py", "plugin": ["gateway-matrix"],
    }  # fmt: skip
    assert (suite["passed"], suite["failed"], suite["skipped"]) == (3, 1, 1)
    assert sheet["plugins"].keys() == {"gateway-matrix"}
    assert "6 passed" not in said


def test_a_sheet_is_read_by_people(folder: Path) -> None:
    sheet, _ = running.run(folder, False)
    head, _, suite, *lines = text(sheet).splitlines()
    assert head.startswith(f"Pass sheet: gateway-matrix {sheet['plugins']['gateway-matrix']}; lead-gateway ")
    assert suite == "scorer: TestMine of tests/test_mine.py: 3 passed, 1 failed, 1 skipped"
    assert "  skipped  it sleeps: nobody may wake it" in lines
    assert "  failed   it counts: it counts 2 wrong" in lines


def test_all_tests_are_run_where_asked(folder: Path) -> None:
    """The sheet stays that of the suites."""
    written(folder.parent, "GOOD = 2")
    sheet, said = running.run(folder, True)
    assert sheet["ok"]
    assert results(sheet) == FOUND | {"it counts": ("passed", "")}
    assert "6 passed, 1 skipped" in said


def test_a_run_of_nothing_is_not_good(folder: Path) -> None:
    (folder / "test_mine.py").write_text("def test_of_another_sort():\n    assert True\n")
    sheet, _ = running.run(folder, False)
    assert (sheet["ok"], sheet["suites"]) == (False, [])
    assert "no contract suite was run" in text(sheet)


def test_what_pytest_cannot_run_is_told(folder: Path) -> None:
    (folder / "test_mine.py").write_text("import no_such_thing\n")
    with pytest.raises(Refused, match=r"could not run the tests in (?s:.*)no_such_thing"):
        running.run(folder, False)


@pytest.mark.processes
def test_without_pytest_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "gateway.testing.sheet", None)
    said = CliRunner().invoke(cli, ["-C", str(folder), "plugins", "test", "matrix", str(folder)], prog_name="gateway")
    assert (said.exit_code, said.output.strip()) == (
        1,
        "pytest is not installed here: pip install 'lead-gateway[test]'",
    )


class Installed:
    """A distribution that was installed from ``origin``."""

    metadata = {"Name": "gateway-x"}  # noqa: RUF012

    def __init__(self, origin: str, root: Path) -> None:
        self.origin, self.root = origin, root

    def read_text(self, name: str) -> str | None:
        return json.dumps({"url": self.origin}) if self.origin else None

    def locate_file(self, name: str) -> Path:
        return self.root / name


def test_tests_are_beside_the_source_or_inside_the_package(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "site/gateway_x").mkdir(parents=True)
    beside: Any = Installed(tmp_path.as_uri(), tmp_path / "site")
    assert running.place_of(beside, "gateway_x", None) == folder
    inside: Any = Installed("", tmp_path / "site")
    with pytest.raises(NotFound, match=r"no tests of gateway-x in .*site/gateway_x: name their folder"):
        running.place_of(inside, "gateway_x.plugin:it", None)
    (tmp_path / "site/gateway_x/test_it.py").touch()
    assert running.place_of(inside, "gateway_x.plugin:it", None) == tmp_path / "site/gateway_x"
    with pytest.raises(NotFound, match="site/nowhere: name their folder"):
        running.place_of(beside, "gateway_x", tmp_path / "site/nowhere")


@pytest.mark.processes
def test_the_command_prints_the_sheet_and_exits_by_it(folder: Path, tmp_path: Path) -> None:
    """What pytest says of a failure is printed above."""
    asked = ["-C", str(tmp_path), "plugins", "test", "matrix", str(folder)]
    bad = CliRunner().invoke(cli, asked, prog_name="gateway")
    assert bad.exit_code == 1, bad.output
    assert "AssertionError: it counts 2 wrong" in bad.output.partition("Pass sheet")[0]
    written(tmp_path, "GOOD = 2")
    good = CliRunner().invoke(cli, [*asked, "--json"], prog_name="gateway")
    assert good.exit_code == 0, good.output
    assert json.loads(good.output)["ok"]
