"""The pass sheet: what ran, what came of it, what was skipped and why; and the command that makes one."""

from __future__ import annotations

import copy
import json
import sys
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.errors import NotFound, Refused
from gateway.plugins.probe import Seen
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


def made(root: Path) -> Path:
    (root / "tests").mkdir()
    (root / "tox.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    return written(root, "GOOD = 1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a plugin whose second count is wrong."""
    return made(tmp_path)


def written(root: Path, good: str) -> Path:
    (root / "tests/test_mine.py").write_text(good + SUITE)
    return root / "tests"


def results(sheet: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {one["check"]: (one["result"], one["reason"]) for suite in sheet["suites"] for one in suite["checks"]}


MATRIX = Seen("matrix", "gateway_matrix", "gateway-matrix", "1.0", ">=1,<2", "active", "")
RULE = {"what is skipped has a reason": ("passed", ""), "the gateway finds it": ("passed", "")}
FOUND = RULE | {
    "it works": ("passed", ""),
    "it sleeps": ("skipped", "nobody may wake it"),
    "it counts": ("failed", "it counts 2 wrong"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """What came of them."""
    return running.run(made(tmp_path_factory.mktemp("plugin")), False)


@pytest.mark.slow
def test_a_sheet_is_the_same_where_other_processes_run_it(folder: Path, ran: tuple[dict[str, Any], str]) -> None:
    assert running.run(folder, False, ("-n", "1"))[0] == ran[0]


def test_a_sheet_tells_each_check_with_its_reason(ran: tuple[dict[str, Any], str]) -> None:
    """Of a check that runs several times, the worst counts; no other test is run."""
    sheet, said = ran
    assert results(sheet) == FOUND
    assert not sheet["ok"]
    [suite] = sheet["suites"]
    assert {name: suite[name] for name in ("contract", "suite", "where", "plugin")} == {
        "contract": "scorer", "suite": "TestMine", "where": "tests/test_mine.py", "plugin": ["gateway-matrix"],
    }  # fmt: skip
    assert (suite["passed"], suite["failed"], suite["skipped"]) == (3, 1, 1)
    assert sheet["plugins"].keys() == {"gateway-matrix"}
    assert "6 passed" not in said


def test_a_sheet_is_read_by_people(ran: tuple[dict[str, Any], str]) -> None:
    sheet, _ = ran
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


def test_without_pytest_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.plugins.looked", lambda app: [MATRIX])
    monkeypatch.setattr(running, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "gateway.testing.sheet", None)
    said = CliRunner().invoke(cli, ["-C", str(folder), "plugins", "test", "matrix", str(folder)], prog_name="gateway")
    assert (said.exit_code, said.output.strip()) == (
        1,
        "pytest is not installed here: pip install 'lead-gateway[test]'",
    )


class Installed:
    """A distribution that was installed from ``origin``."""

    metadata = message_from_string("Name: gateway-x\nProject-URL: Source, https://x.example/source\n")

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
    with pytest.raises(
        NotFound,
        match=r"no tests of gateway-x in .*site/gateway_x: a wheel brings none.* [(]https://x.example/source[)]",
    ):
        running.place_of(inside, "gateway_x.plugin:it", None)
    assert running.place_of(inside, "gateway_x", None, str(tmp_path)) == folder
    (tmp_path / "site/gateway_x/test_it.py").touch()
    assert running.place_of(inside, "gateway_x.plugin:it", None) == tmp_path / "site/gateway_x"
    with pytest.raises(NotFound, match=r"site/nowhere: .* name the folder"):
        running.place_of(beside, "gateway_x", tmp_path / "site/nowhere")


def test_the_command_prints_the_sheet_and_exits_by_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ran: tuple[dict[str, Any], str]
) -> None:
    """What pytest says of a failure is printed above."""
    monkeypatch.setattr("gateway.cli.plugins.looked", lambda app: [MATRIX])
    sheet, said = copy.deepcopy(ran)
    monkeypatch.setattr(running, "run", lambda place, every: (sheet, said))
    asked = ["plugins", "test", "matrix", str(folder)]
    bad = CliRunner().invoke(cli, asked, prog_name="gateway")
    assert bad.exit_code == 1, bad.output
    assert "AssertionError: it counts 2 wrong" in bad.output.partition("Pass sheet")[0]
    assert "  failed   it counts: it counts 2 wrong" in bad.output.partition("Pass sheet")[2]
    sheet["ok"] = True
    good = CliRunner().invoke(cli, [*asked, "--json"], prog_name="gateway")
    assert good.exit_code == 0, good.output
    assert json.loads(good.output)["ok"]
