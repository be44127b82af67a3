"""`gateway plugins`: seen, shown, checked, switched off and approved; what a plugin that is away means for the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.main import cli
from gateway.contracts import Step
from gateway.engine.files import take_up
from gateway.opening import open_gateway
from gateway.plugins import probe, switched
from gateway.plugins.lock import Approved, Lock
from gateway.plugins.probe import Seen
from gateway.plugins.switched import Switched
from gateway.settings.files import ConfigFile
from gateway.store.arrivals import Arrival

FILES = Seen(
    name="files",
    module="gateway_files",
    distribution="gateway-files",
    version="1.0.0",
    requires="<2,>=1",
    state="active",
    reason="",
    offers=["source files", "sink files"],
)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Seen]:
    """What the process that loads plugins would tell; it is tried for itself in tests/plugins/test_probe.py."""
    found = [FILES, Seen("matrix", "m", "gateway-matrix", "1.0.0", "", "active", "", offers=["scorer matrix"])]
    monkeypatch.setattr(probe, "look", lambda root, **how: found)
    monkeypatch.setattr(probe, "ask", lambda *asked: [])
    return found


def off(instance: Any, name: str = "files", **more: Any) -> None:
    switched.write(instance.root, {name: Switched(offers=("source files", "sink files"), **more)})


def test_a_disabled_plugin_is_missed_by_its_systems_and_nobody_else(instance: Any, seen: list[Seen]) -> None:
    """``check`` says since when, by whom and why, not that the plugin is unknown; and ``enable`` takes it back."""
    told = instance.run("plugins", "disable", "files", "--reason", "they migrate", "--by", "anna").stdout
    assert "all news of and for leads, sales waits" in told
    assert (
        "files is disabled already, by anna: they migrate"
        in instance.run(*("plugins", "disable", "files"), code=1).stderr
    )
    report = instance.json("check", code=1)
    assert {one["key"]: one["message"] for one in report["problems"]} == dict.fromkeys(
        ("systems.leads", "systems.sales"), "plugin files is disabled: by anna: they migrate"
    )
    assert "no longer disabled" in instance.run("plugins", "enable", "files").stdout
    assert instance.json("check")["ok"]
    assert "not disabled" in instance.run("plugins", "enable", "files", code=1).stderr


def test_a_strategy_in_use_cannot_be_spared(instance: Any, seen: list[Seen]) -> None:
    """Without it no lead has a score: the files would be wrong."""
    instance.write("scoring.yaml", "strategy: matrix\n")
    refused = instance.run("plugins", "disable", "matrix", code=1).stderr
    assert "scoring.yaml:1: strategy matrix" in refused
    assert not (instance.root / "plugins.yaml").exists()


def test_documents_of_a_disabled_plugin_wait_and_are_read_when_it_is_back(filled: Any) -> None:
    """None is quarantined or lost, and the rest of the gateway works on."""
    off(filled)
    gateway = open_gateway(filled.root)
    arrival = Arrival(system="leads", body=b"id,email\n9,x@y.example\n", received_at=datetime.now(UTC))
    [kept] = gateway.inbox.append([arrival])
    assert gateway.run_pipeline_once("one") == 0
    counts = gateway.inbox.counts()["leads"]
    assert (counts["waiting"], counts["quarantined"]) == (1, 0)
    assert gateway.intake_sources()["leads"] is None  # whoever sends is told to come again
    assert gateway.outbound_systems() == []
    gateway.close()
    switched.write(filled.root, {})
    gateway = open_gateway(filled.root)
    assert [one.id for one in gateway.inbox.claim("two", without=gateway.absent)] == [kept.id]
    gateway.close()


def test_a_gateway_that_runs_takes_a_switch_up(filled: Any) -> None:
    """As an edit of its files: another bundle is active, and its processes make room for new ones."""
    store = str((filled.root / "var").resolve())
    first = take_up(filled.root, store)
    off(filled)
    second = take_up(filled.root, store)
    assert second["before"] == first["bundle"] != second["bundle"]
    queued = filled.json("status")["rescores_queued"]
    switched.write(filled.root, {})
    assert take_up(filled.root, store)["bundle"] == first["bundle"]
    assert filled.json("status")["rescores_queued"] == queued + 1  # what its systems missed is planned then


def test_who_works_goes_on_with_the_switches_of_before_while_the_file_is_broken(filled: Any) -> None:
    """A slip of the pen must not load what was switched off, nor stop what was not."""
    off(filled, by="anna")
    open_gateway(filled.root).close()
    filled.write("plugins.yaml", "disabled: [")
    gateway = open_gateway(filled.root, fallback=True)
    assert gateway.instance.systems["leads"].absent == "plugin files is disabled: by anna"
    assert str(gateway.broken[0]).startswith("plugins.yaml:1: ")
    gateway.close()
    assert "plugins.yaml:1: " in filled.run("check", code=2).stderr


def test_with_a_broken_lock_nobody_can_say_who_is_let_in(filled: Any) -> None:
    filled.write("plugins.lock", "{")
    assert "not readable as JSON" in filled.run("plugins", "list", code=1).stdout
    assert filled.json("plugins", "list", code=1)["plugins"]


def test_a_broken_lock_is_a_problem_of_each_system(filled: Any) -> None:
    """Also where the files in use had other ones: nobody knows who would be let in now."""
    off(filled)
    filled.run("status")
    (filled.root / "plugins.lock").write_text("{")
    done = filled.run("status", code=1)
    assert done.stdout.count("PROBLEM: plugins.lock:1: not readable as JSON)") == 2
    assert "disabled" not in done.stdout
    assert {one["problem"] for one in filled.json("status", code=1)["systems"]} == {
        "plugins.lock:1: not readable as JSON"
    }


def test_without_any_plugin_everything_that_needs_none_works(filled: Any) -> None:
    """Safe mode: is it the gateway, or a plugin? Nothing is lost meanwhile."""
    none = {"GATEWAY_PLUGINS": ""}
    for command in (("status",), ("leads", "list"), ("inbox", "list"), ("work", "list"), ("systems", "list")):
        filled.run(*command, env=none)
    report = json.loads(filled.run("check", "--json", code=1, env=none).stdout)
    assert "plugin files is disabled: not named in GATEWAY_PLUGINS" in report["problems"][0]["message"]
    assert CliRunner().invoke(cli, ["--help"], env=none).exit_code == 0


def test_a_name_that_nobody_could_be_asked_for_may_be_theirs(filled: Any) -> None:
    """smtp is offered by the plugin notify: what is called otherwise than its plugin is no slip of the pen either."""
    filled.edit("gateway.yaml", "  sales:\n    plugin: files", "  sales:\n    plugin: of_somebody")
    report = json.loads(filled.run("check", "--json", code=1, env={"GATEWAY_PLUGINS": "files"}).stdout)
    assert "no plugin that is loaded offers of_somebody; not loaded: " in report["problems"][0]["message"]


TWINS = [
    Seen("mail", "m", f"made-{name}", "1.0", ">=1,<2", state, "", offers=offers)
    for name, state, offers in (("one", "active", ["sink mail"]), ("two", "broken", []))
]
TALKS = Seen(
    *("talks", "m", "Made_Talks", "1.0", "", "active", ""),
    offers=["sink chat", "sink sms"],
    settings={"chat": [], "sms": [], "mail": []},
    sections={"chat": "  chat:\n    plugin: chat\n", "sms": "  sms:\n    plugin: sms\n"},
)


def test_of_two_plugins_of_one_name_one_is_switched_off_and_both_are_looked_at(instance: Any, seen: list[Seen]) -> None:
    """Their distribution tells them apart."""
    seen += TWINS
    for command in ("show", "disable"):
        told = instance.run("plugins", command, "mail", code=1).stderr
        assert "mail is more than one plugin; name one: made-one:mail, made-two:mail" in told
    report = instance.json("plugins", "check", "mail", code=1)
    assert [one["distribution"] for one in report["plugins"]] == ["made-one", "made-two"]
    instance.run("plugins", "disable", "Made_Two:mail")
    assert list(switched.switched(ConfigFile.read(instance.root / "plugins.yaml"))) == ["made-two:mail"]
    assert "disabled already" in instance.run("plugins", "disable", "made-two", code=1).stderr
    assert "made-two:mail is no longer disabled" in instance.run("plugins", "enable", "made-two:mail").stdout


@pytest.mark.parametrize("name", ["files", "gateway-files", "Gateway_Files", "gateway-files:files", "sink-of-files"])
def test_who_is_enabled_may_be_called_as_for_disable(instance: Any, seen: list[Seen], name: str) -> None:
    """By its name, its distribution's, both, or what it offered."""
    switched.write(instance.root, {"files": Switched(offers=["sink sink-of-files"]), "other": Switched()})
    assert instance.json("plugins", "enable", name)["plugin"] == "files"
    assert "disabled are other" in instance.run("plugins", "enable", name, code=1).stderr


def test_the_doctor_is_not_content_with_what_is_not_there(instance: Any, seen: list[Seen]) -> None:
    """What a system wants and nobody offers, what is approved and gone, what a file says of nobody: without a name."""
    seen.append(Seen("weighted", "w", "lead-gateway", "1.0.0", "", "active", "", offers=["scorer weighted"]))
    assert instance.json("plugins", "check", "--offline")["problems"] == []
    instance.edit("gateway.yaml", "  sales:\n    plugin: files", "  sales:\n    plugin: nobodys")
    entry = Approved("2.0", "sha256:0", {"nobodys": ["sink nobodys"]}, "anna", "now")
    Lock({"made-gone": entry}).write(instance.root)
    switched.write(instance.root, {"filse": Switched()})
    report = instance.json("plugins", "check", "--offline", code=1)
    assert (report["ok"], report["missing"]) == (False, ["made-gone 2.0"])
    [unmet] = report["problems"]
    assert unmet == "gateway.yaml:8: system sales: no plugin that is loaded offers 'nobodys'; made-gone did"
    assert report["warnings"] == [
        "plugins.yaml:3: disabled.filse: no such plugin is installed; did you mean 'files'?",
    ]
    told = instance.run("plugins", "check", "--offline", code=1).stdout
    assert "nothing is wrong" not in told
    assert "something is wrong with files, matrix and the instance beside its plugins" in told
    words = "nobodys is of made-gone, which is approved and not installed: `gateway plugins install --locked`"
    assert words in instance.run("check", code=1).stdout
    told = instance.run("systems", "add", "nobodys", "--offline", code=1).stderr
    assert "made-gone does: `gateway plugins install --locked`" in told
    assert "install gateway-" not in instance.run("systems", "add", "smpt", "--offline", code=1).stderr
    (instance.root / "plugins.lock").write_text("{")
    report = instance.json("plugins", "check", "files", "--offline", code=1)
    assert report["problems"] == ["plugins.lock:1: not readable as JSON"]


def test_a_plugin_that_nobody_has_is_warned_of_wherever_plugins_are_told(instance: Any, seen: list[Seen]) -> None:
    """It may be the one that was meant to be on, or off."""
    off(instance, "filse")
    env = {"GATEWAY_PLUGINS": "files, matrics"}
    listed = instance.run("plugins", "list", env=env).stderr
    checked = instance.run("check", env=env).stdout
    for told in (listed, checked):
        assert "plugins.yaml:3: disabled.filse: no such plugin is installed; did you mean 'files'?" in told
        assert "GATEWAY_PLUGINS: no plugin 'matrics' is installed" in told


STEPS = [
    Step(object="Lead", name="Key__c", state="missing"),
    Step(object="", name="deploy", state="by hand", message="ask an administrator"),
]
MADE, THERE = (Step(object="Lead", name="Score__c", state=state) for state in ("made", "there"))


@pytest.mark.parametrize(
    ("steps", "arguments", "code", "told"),
    [
        (STEPS, ["--dry-run"], 0, "sales: 1 thing missing; nothing was made"),
        (STEPS, [], 1, "sales: 1 thing missing; nothing was made"),
        (STEPS, ["--json"], 1, '"missing"'),
        ([*STEPS, MADE], [], 1, "sales: 1 thing missing\n"),
        ([MADE, STEPS[1]], [], 0, "ask an administrator"),
        ([THERE], [], 0, "has everything"),
    ],
)
def test_what_could_not_be_made_is_no_success(
    instance: Any, monkeypatch: pytest.MonkeyPatch, steps: list[Step], arguments: list[str], code: int, told: str
) -> None:
    """What a script that goes on would trip over later; what a person is to do beside it is."""
    connection = SimpleNamespace(setup=lambda dry_run, folder: steps)
    monkeypatch.setattr("gateway.cli.connections.connection_of", lambda gateway, system: connection)
    assert told in instance.run("plugins", "setup", "sales", *arguments, code=code).stdout


def test_a_choice_that_cannot_be_seen_is_quoted(instance: Any, seen: list[Seen]) -> None:
    """A list of separators is no list of commas."""
    setting = {"path": "separator", "type": "text", "default": ",", "required": False, "secret": False, "help": ""}
    seen[0] = replace(FILES, settings={"files": [{**setting, "choices": [",", ";", "\t", "tab"]}]})
    assert r"one of ',', ';', '\t', tab" in instance.run("plugins", "show", "files").stdout


WRONG_SECTIONS = {
    "of a plugin that is not loaded": (("files", "crm"), "files is disabled: by anna; what a system of it"),
    "of several": (("talks", "crm"), "talks offers chat, sms; name one: `gateway plugins show chat --section"),
    "without a name": (("chat", ""), "'': a system's name is written in"),
    "with a line break": (("chat", "crm\n"), "'crm\\n': a system's name is written in"),
}


@pytest.mark.parametrize(("asked", "told"), WRONG_SECTIONS.values(), ids=WRONG_SECTIONS)
def test_a_section_that_cannot_be_written_is_refused(instance: Any, seen: list[Seen], asked: Any, told: str) -> None:
    """Rather than another one than was asked for."""
    seen[0] = replace(FILES, state="disabled", reason="by anna")
    seen.append(TALKS)
    assert told in instance.run("plugins", "show", asked[0], "--section", asked[1], code=1).stderr
    assert "  crm:\n    plugin: sms" in instance.json("plugins", "show", "sms", "--section", "crm")["section"]


def test_somebody_must_have_a_name(instance: Any, seen: list[Seen]) -> None:
    """Who did it is asked for later."""
    for name in ("", "  ", "an\nna", "\x1b[2J"):
        assert "--by" in instance.run("plugins", "disable", "files", "--by", name, code=2).stderr


@pytest.mark.processes
def test_a_plugin_shows_its_settings_and_a_section_to_begin_with(instance: Any) -> None:
    """In words, as data, and as a text for gateway.yaml; by its name, its distribution's, or one that it offers."""
    pytest.importorskip("gateway_notify")
    [secret] = [one for one in instance.json("plugins", "show", "notify")["settings"]["chat"] if one["path"] == "url"]
    assert (secret["type"], secret["required"], secret["secret"]) == ("secret", True, True)
    assert "settings of `plugin: smtp`" in instance.run("plugins", "show", "gateway-notify").stdout
    section = instance.run("plugins", "show", "chat", "--section", "sales-chat").stdout
    assert section.startswith("  # below `systems:` in gateway.yaml\n  sales-chat:\n    plugin: chat\n    role: notify")
    assert 'url: "${SALES_CHAT_URL}"' in section
    with (instance.root / "gateway.yaml").open("a") as file:  # whose last block is `systems:`
        file.write(section)
    [problem] = instance.json("check", code=2)["problems"]
    assert "SALES_CHAT_URL" in problem["message"]
    assert "did you mean 'files'?" in instance.run("plugins", "show", "fils", code=1).stderr


@pytest.mark.processes
def test_the_doctor_looks_at_a_plugin_and_its_systems(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is right, what is wrong at its line, and what was not tried, with the reason."""
    monkeypatch.setenv("GATEWAY_PLUGINS", "files")
    instance.edit("gateway.yaml", "settings: {path: out}", "settings: {path: out, format: xml}")
    told = instance.json("plugins", "check", "files", code=1)
    assert not told["ok"]
    [plugin] = told["plugins"]
    found = {(one["system"], one["about"]): (one["state"], one["told"]) for one in plugin["findings"]}
    assert found[None, "approval"][0] == "not tried"
    assert found[None, "loading"] == ("ok", "offers source files, sink files")
    state, words = found["sales", "settings"]
    assert (state, words.partition(": ")[0]) == ("wrong", "gateway.yaml:11")
    assert found["leads", "system"][0] == "not tried"
    instance.edit("gateway.yaml", ", format: xml", "")
    words = instance.run("plugins", "check", "files").stdout
    assert "sales: building" in words
    assert words.endswith("1 plugin: nothing is wrong\n")


@pytest.mark.processes
def test_without_an_instance_the_doctor_looks_at_the_plugin_alone(tmp_path: Path, monkeypatch: Any) -> None:
    """A plugin's author has no instance."""
    monkeypatch.setenv("GATEWAY_PLUGINS", "matrix")
    done = CliRunner().invoke(cli, ["-C", str(tmp_path), "plugins", "check", "weighted"])
    assert done.exit_code == 0, done.output
    assert "offers scorer weighted" in done.stdout


@pytest.mark.processes
def test_approval_begins_with_what_is_there(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said first; with --yes it is written, and then there is nothing more to approve."""
    pytest.importorskip("gateway_files")
    monkeypatch.setenv("GATEWAY_PLUGINS", "files")
    planned = instance.json("plugins", "lock")
    assert planned["written"] is False
    assert not (instance.root / "plugins.lock").exists()
    instance.run("plugins", "lock", "--yes", "--by", "anna")
    lock = json.loads((instance.root / "plugins.lock").read_text())["distributions"]
    assert lock["gateway-files"]["plugins"] == {"files": ["source files", "sink files"]}
    assert lock["gateway-files"]["approved"]["by"] == "anna"
    assert instance.json("plugins", "lock") == {"approves": [], "written": False}
    assert instance.json("check")["ok"]
    assert "no plugin 'nope'" in instance.run("plugins", "lock", "nope", code=1).stderr


def test_what_is_no_distribution_is_refused_before_pip_is_asked() -> None:
    """An option could send pip elsewhere, unseen; a file that is not there is no name."""
    for asked, words in (
        ("--index-url=x", "options are pip's own settings"),
        ("./nothing.whl", "no such file"),
        ("./nothing", "./nothing: no such folder"),
        ("plugins/nothing", "no such folder"),
    ):
        done = CliRunner().invoke(cli, ["plugins", "install", "--", asked])
        assert done.exit_code == 1
        assert words in done.stderr
    assert CliRunner().invoke(cli, ["plugins", "install"]).exit_code == 2


def test_what_cannot_be_installed_here_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pip, or a folder that nobody may write to, root included."""
    from gateway.plugins import pip

    monkeypatch.setattr(pip.sysconfig, "get_path", lambda name: "/proc")
    done = CliRunner().invoke(cli, ["plugins", "install", "x"])
    assert done.exit_code == 1
    assert done.stderr.startswith("/proc: ")
    assert "gateway plugins lock" in done.stderr
    monkeypatch.setattr(pip, "find_spec", lambda name: None)
    done = CliRunner().invoke(cli, ["plugins", "install", "x"])
    assert done.stderr.startswith("there is no pip in ")


def test_what_a_build_said_last_is_told() -> None:
    """pip's own word for it is that there was an error."""
    from gateway.plugins import pip

    said = "  × It did not run.\n  ╰─> [4 lines of output]\n      a\n      b\n      c\n      error: no such command\n"
    errors = f"{said}      [end of output]\n\nerror: metadata-generation-failed\n\nhint: See above.\n"
    assert list(pip._told("", errors)) == [
        "error: metadata-generation-failed",
        "  b",
        "  c",
        "  error: no such command",
    ]
