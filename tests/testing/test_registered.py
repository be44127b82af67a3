"""A suite sees whether the gateway would find what it tests: loaded, registered, with the settings that are tested."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import CliRunner
from small_crm import CrmConnection, CrmSink, CrmSource, FakeCrm, Settings, settings

from gateway.cli.main import cli
from gateway.plugins.probe import Seen
from gateway.testing import ConnectionContract, ScorerContract, SinkContract, SourceContract, TransformContract, hooks
from gateway.testing.contract import Contract

HEAD = """
from small_crm import CrmConnection, CrmSink, CrmSource, Settings
from gateway.hookspecs import hookimpl

def shout(value):
    return value.upper()

class Other(CrmSink):
    pass

class OtherSettings(Settings):
    pass

@hookimpl
def register_{}(register):
    {}
"""
PACKAGE = "registered_of_tests"
CHECK = "test_the_gateway_finds_it"
Test = Callable[..., Contract]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Test]:
    """``suite(base, hooks, what)``: of a test module beside an installed plugin with that one hook."""
    monkeypatch.syspath_prepend(tmp_path)
    suites: list[Contract] = []

    def make(base: type[Contract], kind: str = "", does: str = "pass", entry: str = PACKAGE, **parts: Any) -> Contract:
        package, info = PACKAGE, tmp_path / "registered-1.0.dist-info"
        info.mkdir()
        (tmp_path / f"{package}.py").write_text(HEAD.format(kind, does))
        about = "Metadata-Version: 2.1\nName: registered\nVersion: 1.0\nRequires-Dist: lead_gateway>=1,<2\n"
        (info / "METADATA").write_text(about)
        (info / "top_level.txt").write_text(package)
        if entry:
            (info / "entry_points.txt").write_text(f"[lead_gateway]\nregistered = {entry}\n")
        module = ModuleType("test_of_registered")
        module.__dict__["theirs"] = importlib.import_module(package)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        functions = {
            "system": lambda self: FakeCrm(),
            "build": lambda self, context: PARTS[base](settings(self.fake), context),
        }
        known = functions | {"schema": Settings} if base in PARTS else {}
        made: Contract = type("Suite", (base,), {"__module__": module.__name__, **known, **parts})()
        suites.append(made)
        made.setup_method()
        return made

    yield make
    for one in suites:
        one.teardown_method()
    sys.modules.pop("registered_of_tests", None)
    hooks.loaded.cache_clear()
    hooks._silent.cache_clear()


PARTS: dict[type[Contract], Any] = {
    SourceContract: CrmSource,
    SinkContract: CrmSink,
    ConnectionContract: CrmConnection,
}


@pytest.mark.parametrize(
    ("base", "kind", "does"),
    [
        (SourceContract, "sources", "register('x', CrmSource, Settings)"),
        (SinkContract, "sinks", "register('x', lambda settings, context: None, Settings)"),  # what it makes, none knows
        (ConnectionContract, "connections", "register('x', CrmConnection)"),
    ],
)
def test_what_is_registered_is_found(suite: Test, base: type[Contract], kind: str, does: str) -> None:
    getattr(suite(base, kind, does), CHECK)()


@pytest.mark.parametrize(
    ("base", "kind", "does", "said"),
    [
        (SinkContract, "sources", "register('x', CrmSource, Settings)", "registered registers no sink"),
        (SinkContract, "sinks", "raise ValueError('x')", "registered is broken: register_sinks: ValueError at"),
        (SinkContract, "sinks", "register('x', Other, Settings)", "registered is Other, and build makes a CrmSink"),
        (SinkContract, "sinks", "register('x', CrmSink, OtherSettings)", "with the settings of OtherSettings, tested"),
        (SinkContract, "sinks", "register('x', CrmSink)", "with the settings of NoneType, tested with others"),
        (ConnectionContract, "connections", "register('x', CrmSink)", "registered is CrmSink, and build makes a Crm"),
        (SinkContract, "sink", "pass", "unknown hook 'register_sink'; did you mean 'register_sinks'"),
    ],
)
def test_what_is_not_as_tested_is_told(suite: Test, base: type[Contract], kind: str, does: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        getattr(suite(base, kind, does), CHECK)()


def test_a_scorer_is_the_one_that_is_registered(suite: Test) -> None:
    one = suite(ScorerContract, "scorers", "register('x', Other)", build=lambda self: object())
    with pytest.raises(AssertionError, match="registered is Other, and build makes a object"):
        getattr(one, CHECK)()


@pytest.mark.parametrize(("does", "right"), [("register('x', shout)", True), ("register('x', str.upper)", False)])
def test_a_transform_is_the_function_that_is_registered(suite: Test, does: str, right: bool) -> None:
    one = suite(TransformContract, "transforms", does)
    one.transform = sys.modules["registered_of_tests"].shout  # type: ignore[attr-defined]
    if right:
        getattr(one, CHECK)()
        return
    with pytest.raises(AssertionError, match="what is tested is not what is registered"):
        getattr(one, CHECK)()


@pytest.mark.parametrize("entry", ["", "registerd_of_tests"])
def test_a_distribution_that_names_no_plugin_of_its_own_is_told(suite: Test, entry: str) -> None:
    """None at all, or a misspelt one."""
    with pytest.raises(AssertionError, match="registered: no entry point of the group lead_gateway leads to it"):
        getattr(suite(SinkContract, entry=entry), CHECK)()


def test_what_is_no_plugin_is_excused(suite: Test) -> None:
    """The gateway's own parts, or an application's."""
    one = suite(SinkContract)
    del sys.modules[type(one).__module__].__dict__["theirs"]
    with pytest.raises(pytest.skip.Exception, match="no plugin is installed"):
        getattr(one, CHECK)()


@pytest.mark.parametrize(
    ("state", "ok", "said"),
    [
        ("broken", False, "  failed   the gateway loads it: broken: of a reason"),
        ("incompatible", False, "  failed   the gateway loads it: incompatible: of a reason"),
        ("disabled", True, "  skipped  the gateway loads it: disabled: of a reason"),  # here; that says nothing of it
    ],
)
def test_the_pass_sheet_tells_whether_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, ok: bool, said: str
) -> None:
    """However good its tests are."""
    seen = Seen("matrix", "gateway_matrix", "gateway-matrix", "1.0", ">=1,<2", state, "of a reason")
    monkeypatch.setattr("gateway.cli.plugins.looked", lambda app: [seen])
    good = {"gateway": "1.0", "python": "3.11", "plugins": {}, "suites": [], "ok": True}
    monkeypatch.setattr("gateway.testing.running.run", lambda folder, every: (good, ""))
    (tmp_path / "test_it.py").touch()
    done = CliRunner().invoke(cli, ["plugins", "test", "matrix", str(tmp_path)], prog_name="gateway")
    assert (done.exit_code == 0) is ok
    assert said in done.output.splitlines()
