"""The pass sheet: which checks of the contract suites a plugin passed, and which were skipped and why.

``pytest --gateway-sheet FILE`` writes it beside any test run: as JSON, or as text where FILE ends in ``.txt`` (``-``
prints it). ``--gateway-contracts`` runs nothing else. Costs nothing where neither is asked for.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

MARK = "gateway-contract"
OURS = "lead-gateway"
RESULTS = ("passed", "failed", "skipped")
_WORST = ("passed", "skipped", "failed")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lead gateway")
    group.addoption(
        "--gateway-sheet", metavar="FILE", help="write the pass sheet of the contract suites there: JSON, *.txt or -"
    )
    group.addoption(
        "--gateway-contracts", action="store_true", help="run the checks of contract suites, and no other test"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--gateway-sheet") or config.getoption("--gateway-contracts"):
        config.pluginmanager.register(_Recorder(config))


class _Recorder:
    """Notes what each check came to; with xdist, at home, from what the workers report."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: dict[tuple[str, str], dict[str, Any]] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        others = []
        for place, item in enumerate(items):
            suite: Any = getattr(item, "cls", None)
            if kind := getattr(suite, "contract", ""):
                where = Path(item.nodeid.partition("::")[0])
                name = getattr(item, "originalname", item.name)
                made = {
                    "suite": suite.__name__,
                    "where": where.as_posix(),
                    "contract": kind,
                    "name": name,
                    "place": place,
                }
                item.user_properties.append((MARK, json.dumps(made | {"plugin": _plugin(suite, item)})))
            else:
                others.append(item)
        if config.getoption("--gateway-contracts") and others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in others]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        made = next((json.loads(str(value)) for name, value in report.user_properties if name == MARK), None)
        if made is None or (report.when != "call" and report.passed):
            return
        key = (f"{made['where']}::{made['suite']}", made["name"])
        before = self._told.get(key, made | {"result": "passed", "reason": ""})
        if _WORST.index(report.outcome) >= _WORST.index(before["result"]):
            self._told[key] = before | {"result": report.outcome, "reason": _reason(report)}

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        target = self._config.getoption("--gateway-sheet")
        if not target or hasattr(self._config, "workerinput"):
            return
        made = sheet(self._told.values())
        if target == "-":
            terminalreporter.write_line("")
            terminalreporter.write_line(text(made))
            return
        as_text = target.endswith(".txt")
        written = text(made) if as_text else json.dumps(made, indent=2, ensure_ascii=False)
        Path(target).write_text(written + "\n", encoding="utf-8")


def sheet(told: Any) -> dict[str, Any]:
    """``{gateway, python, plugins, suites, ok}``; each of a suite's ``checks`` has check, name, result and reason."""
    from importlib.metadata import version

    suites: dict[tuple[str, str], dict[str, Any]] = {}
    for one in sorted(told, key=lambda one: one["place"]):
        suite = suites.setdefault(
            (one["where"], one["suite"]),
            {name: one[name] for name in ("contract", "suite", "where", "plugin")}
            | dict.fromkeys(RESULTS, 0)
            | {"checks": []},
        )
        suite[one["result"]] += 1
        words = one["name"].removeprefix("test_").replace("_", " ")
        suite["checks"].append({"check": words, "name": one["name"], "result": one["result"], "reason": one["reason"]})
    found = [*suites.values()]
    plugins = sorted({name for suite in found for name in suite["plugin"]})
    return {
        "gateway": version(OURS),
        "python": platform.python_version(),
        "plugins": {name: version(name) for name in plugins},
        "suites": found,
        "ok": bool(found) and not any(suite["failed"] for suite in found),
    }


def text(made: Mapping[str, Any]) -> str:
    """The sheet for people, a line for each check."""
    named = ", ".join(f"{name} {version}" for name, version in made["plugins"].items()) or "no plugin"
    return "\n".join([f"Pass sheet: {named}; {OURS} {made['gateway']}, Python {made['python']}", *_lines(made)])


def _lines(made: Mapping[str, Any]) -> Iterator[str]:
    if loading := made.get("loading"):
        result = {"active": "passed", "broken": "failed", "incompatible": "failed"}.get(loading["state"], "skipped")
        why = ": ".join(filter(None, (loading["state"], loading["reason"])))
        yield ""
        yield f"  {result:<9}the gateway loads it{'' if why == 'active' else f': {why}'}"
    for suite in made["suites"]:
        counts = ", ".join(f"{suite[name]} {name}" for name in RESULTS if suite[name])
        yield ""
        yield f"{suite['contract']}: {suite['suite']} of {suite['where']}: {counts}"
        for one in suite["checks"]:
            yield f"  {one['result']:<9}{one['check']}{': ' if one['reason'] else ''}{one['reason']}"
    if not made["suites"]:
        yield "no contract suite was run"


def _reason(report: pytest.TestReport) -> str:
    """Why it was skipped, or the first line of what failed."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(getattr(crash, "message", "")).splitlines()
    return lines[0].removeprefix("AssertionError: ") if lines else ""


def _plugin(suite: Any, item: Any) -> Sequence[str]:
    """The distributions whose parts the suite is about: those of plugins that its module names anything of."""
    from importlib.metadata import entry_points

    homes = {
        entry.module.partition(".")[0]: entry.dist.metadata["Name"]
        for entry in entry_points(group="lead_gateway")
        if entry.dist is not None
    }
    named = {
        str(getattr(one, "__module__", None) or getattr(one, "__name__", "")) for one in vars(item.module).values()
    }
    found = {homes[name.partition(".")[0]] for name in named if name.partition(".")[0] in homes}
    return sorted(found - {OURS}) or [OURS]
