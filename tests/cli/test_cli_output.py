"""How the command line speaks: help, errors, exit codes, JSON shapes, plugins' commands."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from gateway import host, logs
from gateway.cli import output
from gateway.cli.main import COMMANDS, cli
from gateway.hookspecs import hookimpl

ROOT = Path(__file__).resolve().parents[2]


def docs() -> Any:
    """docs/generate_cli.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("generate_cli", ROOT / "docs" / "generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- help --------------------------------------------------------------------------------------------------------------


def test_page_of_the_command_line_is_what_the_commands_say() -> None:
    """docs/cli.md is generated; another click lays its help out otherwise."""
    page = docs()
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    if page.CLICK not in text.splitlines()[0]:
        pytest.skip("the page was made with another version of click")
    assert text == page.page()


def test_every_command_explains_itself_in_one_line() -> None:
    """The first sentence of each fits the list of commands, so that none ends in dots."""
    result = CliRunner().invoke(cli, ["--help"], terminal_width=100)
    assert result.exit_code == 0
    listed = result.output.partition("Commands:\n")[2]
    assert [line.split()[0] for line in listed.splitlines() if line.startswith("  ")][: len(COMMANDS)] == list(COMMANDS)
    assert [line.split()[0] for line in listed.splitlines() if line.endswith("...")] in ([], ["demo"])


def test_help_loads_nothing_heavy() -> None:
    """`gateway --help` is quick because a command is imported when it is used."""
    code = (
        "import sys; from gateway.cli.main import cli; cli.main(['--help'], standalone_mode=False); "
        "print(sorted({'sqlalchemy', 'flask', 'rich', 'granian', 'alembic'} & sys.modules.keys()), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "GATEWAY_PLUGINS": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.strip() == "[]"


def test_an_instance_is_opened_without_what_serves_and_what_calls(tmp_path) -> None:
    """A server and the libraries by which plugins call their systems are loaded by who serves, and who calls."""
    CliRunner().invoke(cli, ["init", str(tmp_path / "leads")], catch_exceptions=False)
    unwanted = {"granian", "flask", "hubspot", "simple_salesforce", "sklearn", "plotly", "alembic", "psycopg"}
    code = (
        "import sys; from pathlib import Path; from gateway.opening import open_gateway; "
        "gateway = open_gateway(Path(sys.argv[1])); gateway.close(); "
        "print({'gateway_hubspot', 'gateway_salesforce'} - sys.modules.keys()); "
        f"print(sorted({unwanted} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "leads"],
        env={**os.environ, "WEBSITE_SECRET": "0123456789abcdef0123456789abcdef"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-2:] == ["set()", "[]"]


def test_version_is_that_of_the_distribution() -> None:
    """As installed, not as written somewhere."""
    from importlib.metadata import version

    assert CliRunner().invoke(cli, ["--version"]).output == f"gateway {version('lead-gateway')}\n"


def test_module_is_the_command_line_too(instance: Any) -> None:
    """`python -m gateway` where the script is not on the path; `gateway run` checks the files this way."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "-C", str(instance.root), "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("ok: Example: 2 systems")


# -- which instance ----------------------------------------------------------------------------------------------------


def test_folder_without_an_instance_says_how_to_name_one(tmp_path: Path) -> None:
    """Every command that needs an instance says the same."""
    for command in (["check"], ["status"], ["run"], ["leads", "list"], ["db", "upgrade"]):
        result = CliRunner().invoke(cli, ["-C", str(tmp_path), *command])
        assert result.exit_code == 2
        assert "GATEWAY_DIR" in result.stderr
        assert result.stdout == ""


def test_environment_names_the_instance(instance: Any) -> None:
    """-C is not needed where GATEWAY_DIR is set; it wins where both are."""
    found = CliRunner().invoke(cli, ["systems", "list", "--json"], env={"GATEWAY_DIR": str(instance.root)})
    assert [one["system"] for one in json.loads(found.stdout)["systems"]] == ["leads", "sales"]
    assert instance.run("systems", "list", env={"GATEWAY_DIR": "/nowhere"}).exit_code == 0


# -- errors ------------------------------------------------------------------------------------------------------------


def test_problems_of_all_files_come_at_once_and_alone(instance: Any) -> None:
    """One per line on stderr, nothing on stdout, exit code 2; whatever the command."""
    instance.edit("gateway.yaml", "zone: Europe/Berlin", "zone: Europe/Berlim")
    instance.edit("journey.yaml", "name: mql", "nam: mql")
    for command in (["check"], ["plan"]):
        result = instance.run(*command, code=2)
        lines = result.stderr.splitlines()
        assert any(line.startswith("gateway.yaml:2: instance.zone: ") and "did you mean" in line for line in lines)
        assert any(line.startswith("journey.yaml:7: ") for line in lines)
        assert result.stdout == ""
    report = instance.json("check", code=2)
    assert not report["ok"]
    assert {"gateway.yaml", "journey.yaml"} <= {problem["file"] for problem in report["problems"]}


def test_trouble_of_the_store_never_shows_what_was_to_be_stored(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement's parameters are people's data."""

    def away(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("INSERT …", {"email": "kim@one.example"}, sqlite3.OperationalError("database is locked"))

    monkeypatch.setattr("gateway.store.listing.leads", away)
    result = instance.run("leads", "list", code=1)
    assert result.stderr == "the store is busy: another process is writing; try again\n"


def test_unexpected_errors_are_not_hidden(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug of ours keeps its traceback."""
    monkeypatch.setattr("gateway.store.listing.leads", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        instance.run("leads", "list")


# -- what is printed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("\x1b[31mAnn", "\\x1b[31mAnn"),  # an escape sequence is shown, not obeyed
        ("a\u202eb", "a\\u202eb"),  # nor may a value turn the line around
        ("two\nlines", "two ⏎ lines"),
        (1234, "1,234"),
        (True, "yes"),
        (None, ""),
        (["a", "b"], "a, b"),
        ("Müller 李", "Müller 李"),
    ],
)
def test_values_are_shown_in_one_safe_line(value: Any, text: str) -> None:
    """Whatever a lead typed."""
    assert output.shown(value) == text


def test_plain_table_lines_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there are no boxes and colours; numbers stand to the right."""
    output.table(("name", "count"), [("a", 5), ("long name", 1200)], right=("count",))
    assert capsys.readouterr().out == "NAME       COUNT\na              5\nlong name  1,200\n"


def test_terminal_gets_a_table_that_is_safe_too(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """Square brackets of a value are text, not markup."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    output.table(("name",), [("[red]x[/red]",)])
    assert "[red]x[/red]" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
def test_no_terminal_is_too_narrow_for_an_id(monkeypatch: pytest.MonkeyPatch, capsys: Any, columns: int) -> None:
    """Ids, times and numbers stand in one piece and every value is there, at any usual width."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    row = ("01a20095d5707bb789a74d63fb08757c", "Anna Alt", "target", "executive", "63.01", "good", "open")
    output.table(("lead", "who", "stage", "persona", "score", "band", "handed over"), [row])
    said = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
    assert [word for word in row if word not in said] == []
    assert max(map(len, said.splitlines())) <= columns


def test_an_endless_value_leaves_the_table_readable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal it is cut, and looks cut; the last column, where reasons stand, is whole."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "1000")
    output.table(("who", "why"), [("x" * 5000, "y" * 500)])
    said = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)
    assert f"{'x' * (output.LONGEST - 1)}…" in said
    assert "y" * 500 in said


def test_an_endless_value_in_a_pipe_is_whole_and_moves_no_other_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever looks for it finds it, and the columns of the others stay where they are."""
    output.table(("who", "why"), [("x" * 5000, "a"), ("z", "b")])
    _, first, second = capsys.readouterr().out.splitlines()
    assert (first, second) == (f"{'x' * 5000}  a", f"{'z':<{output.LONGEST}}  b")


def test_further_lines_stand_under_the_reason(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """On a terminal; elsewhere a line stays a line."""
    output.say_under("+20.00  fit  one two three four five six seven eight", 13)
    assert capsys.readouterr().out.count("\n") == 1
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    output.say_under("+20.00  fit  one two three four five six seven eight", 13)
    assert capsys.readouterr().out == f"+20.00  fit  one two three four five six\n{' ' * 13}seven eight\n"


def test_misspelt_command_is_suggested() -> None:
    """As misspelt keys are."""
    result = CliRunner().invoke(cli, ["stats"])
    assert result.exit_code == 2
    assert "No such command 'stats'; did you mean 'status'?" in result.output


def test_log_of_an_error_names_types_and_places_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither its text nor local variables: both may hold what a person typed."""
    import structlog

    logs.configure()
    email = "kim@one.example"
    try:
        raise ValueError(email)
    except ValueError:
        structlog.get_logger().exception("failed", document="d1")
    said = capsys.readouterr()
    assert said.out == ""
    assert "ValueError" in said.err
    assert "test_cli_output.py:" in said.err
    assert email not in said.err


# -- JSON --------------------------------------------------------------------------------------------------------------


ELSEWHERE = {"plugins install", "plugins test", "plugins uninstall"}
"""They change the environment, or run other tests: tests/plugins/test_installing.py, tests/testing."""


@pytest.mark.parametrize("command", sorted(docs().SHAPES.keys() - ELSEWHERE))
def test_json_has_the_documented_keys(filled: Any, ann: Any, bob: Any, command: str) -> None:
    """docs/cli.md promises them; a key may be added there, none may go."""
    shape = docs().SHAPES[command]
    filled.edit("gateway.yaml", "outbound: off", "outbound: on")
    arguments = {
        "import": [str(filled.root / "data/people.csv"), "--system", "leads"],
        "systems add": ["files", "--name", "more", "--set", "path=more"],
        "activate": ["sales", "--existing", "handover"],
        "plan": ["sales"],
        "leads show": ["ann@one.example"],
        "leads explain": ["ann@one.example"],
        "leads values": ["title"],
        "inbox replay": ["--state", "read"],
        "inbox discard": ["--system", "leads", "--dry-run"],
        "deliveries retry": ["--system", "sales"],
        "deliveries discard": ["--system", "sales"],
        "handoffs show": ["ann@one.example"],
        "handoffs reassign": ["ann@one.example", "--auto"],
        "owners absent": ["lou", "--until", "2099-01-01"],
        "owners back": ["kim"],
        "leads hold": ["ann@one.example", "--reason", "talks"],
        "leads points": ["ann@one.example", "5", "--reason", "fair"],
        "leads merge": ["ann@one.example", "bob@two.example"],
        "leads split": ["ann@one.example", "--record", "leads:contact:2"],
        "db backup": [str(filled.root / "kept")],
        "db copy": [str(filled.root / "copied")],
        **{key: ["files"] for key in ("plugins show", "plugins check", "plugins disable", "plugins enable")},
    }
    if command == "plugins enable":
        filled.json("plugins", "disable", "files")
    if command == "inbox show":
        filled.json("activate", "sales", "--existing", "ignore")
        filled.bring([ann | {"id": "8", "email": "fay@six.example"}], "fay.csv")
        arguments[command] = [filled.json("inbox", "list")["documents"][0]["id"]]
    if command == "import":
        arguments[command][0] = str(filled.csv("odd.csv", [ann | {"id": ""}, bob]))
    if command == "model show":
        rule = "fit:\n  - {name: Neighbours, when: {company.engaged_leads: {at_least: 2}}, points: 5}\n"
        filled.edit("scoring.yaml", "fit:\n", rule)
    if command == "try":  # somebody for sales, and somebody who is left out
        chief = ann | {"id": "8", "email": "fay@six.example", "page": "pricing"}
        arguments["try"] = ["--file", str(filled.csv("new.csv", [chief, bob | {"email": "x@test.example"}]))]
        arguments["try"] += ["--system", "leads"]
    if command.startswith("work"):
        odd = {"id": "7", "at": "2026-01-09T09:00:00", "email": "eve@four.example", "status": "Signed"}
        filled.bring([odd], "odd.csv")
        [item] = filled.json("work", "list")["work"]
        arguments |= {"work show": [item["id"]], "work resolve": [item["id"], "--map", "won"]}
    if command.startswith(("handoffs", "owners")):
        owners = "owners: [{name: kim, user: kim@x.example}, {name: lou, user: lou@x.example}]\nfallback: lou\n"
        filled.write("journey.yaml", (filled.root / "journey.yaml").read_text() + owners)
        filled.run("owners", "absent", "kim", "--from", "2099-01-01")
    if command.startswith(("handoffs", "deliveries", "undo")):
        filled.json("activate", "sales", "--existing", "handover")
    if command == "deliveries show":
        arguments[command] = [filled.json("deliveries", "list")["deliveries"][0]["id"]]
    if command == "metrics goals":
        goal = "{name: More, from: target, to: won, reach: 60 %, team: Sales, by: 2027-01-01}"
        filled.write("goals.yaml", f"baseline: {{from: 2025-01-01, until: 2026-01-01}}\ngoals: [{goal}]\n")
    if command == "leads split":
        filled.json("leads", "merge", "ann@one.example", "bob@two.example", "--go")
    if command.startswith("undo"):
        filled.json("push")
        filled.bring([ann | {"at": "2026-02-01T09:00:00", "title": "Chief Executive Officer"}], "later.csv")
        filled.json("push")
        arguments["undo PUSH"] = [filled.json("undo")["pushes"][0]["push"]]
    found = filled.json(*command.removesuffix(" PUSH").split(), *arguments.get(command, []))
    assert keys(found) >= set(shape.split())
    assert set(found) == {key.partition(".")[0].removesuffix("[]") for key in shape.split()}


def keys(node: Any, before: str = "") -> set[str]:
    """``{"leads[].score"}``: every place in a JSON document, lists seen through their first entry."""
    found = set()
    if isinstance(node, dict):
        for name, value in node.items():
            path = f"{before}.{name}" if before else name
            path += "[]" if isinstance(value, list) else ""
            found |= {path} | keys(value, path)
    elif isinstance(node, list) and node:
        found |= keys(node[0], before)
    return found


# -- plugins -----------------------------------------------------------------------------------------------------------


def plugin(monkeypatch: pytest.MonkeyPatch, name: str, register: Any) -> None:
    """Pretend that a distribution with this plugin is installed."""
    module: Any = ModuleType(name)
    register.__name__ = "register_commands"
    module.register_commands = hookimpl(register)
    monkeypatch.setitem(sys.modules, name, module)
    distribution = SimpleNamespace(metadata={"Name": f"gateway-{name}"}, version="1.0", requires=[])
    before = host.installed()
    monkeypatch.setattr(host, "installed", lambda: [*before, (EntryPoint(name, name, "lead_gateway"), distribution)])


def command(name: str) -> click.Command:
    return click.Command(name, callback=lambda: click.echo(f"{name} here"), help=f"What {name} does.")


def test_command_of_a_plugin_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the help and when it is called."""
    plugin(monkeypatch, "extra_one", lambda cli: cli.add_command(command("hello")))
    assert "What hello does." in CliRunner().invoke(cli, ["--help"]).output
    assert CliRunner().invoke(cli, ["hello"]).output == "hello here\n"


def test_broken_plugin_leaves_the_other_commands_alone(monkeypatch: pytest.MonkeyPatch, instance: Any) -> None:
    """It is told of where commands of plugins are asked for, and listed with its reason."""

    def broken(cli: Any) -> None:
        raise RuntimeError("out of order")

    plugin(monkeypatch, "extra_two", broken)
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert "plugin extra_two: register_commands: RuntimeError at test_cli_output.py:" in result.stderr
    assert instance.run("systems", "list").stderr == ""


def test_no_plugin_takes_the_name_of_our_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor that of another plugin's; the first one stays."""
    plugin(monkeypatch, "extra_three", lambda cli: cli.add_command(command("plan")))
    result = CliRunner().invoke(cli, ["--help"])
    assert "there is a command 'plan' already" in result.stderr
    assert "What plan does." not in result.stdout


def test_plugins_are_listed_with_their_state_and_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also one whose import fails; no instance is needed."""
    gone = tmp_path / "gateway_gone-0.1.dist-info"
    gone.mkdir()
    (gone / "METADATA").write_text("Metadata-Version: 2.1\nName: gateway-gone\nVersion: 0.1\n")
    (gone / "entry_points.txt").write_text("[lead_gateway]\ngone = no_such_module_at_all\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = {
        one["name"]: one for one in json.loads(CliRunner().invoke(cli, ["plugins", "list", "--json"]).stdout)["plugins"]
    }
    assert found["gone"]["state"] == "broken"
    assert "no_such_module_at_all" in found["gone"]["reason"]
    assert found["weighted"]["offers"] == ["scorer weighted"]
