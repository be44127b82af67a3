"""What the pages show is true: examples load, commands exist, generated parts are what the code says."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from packaging.version import Version
from ruamel.yaml import YAML

from gateway import contracts, hookspecs, testing
from gateway.cli.main import cli
from gateway.contracts import Activity, Context, Document, RecordChanged, Subject, Write
from gateway.host import Host
from gateway.settings.files import ConfigFile
from gateway.settings.loading import load_instance

NOW = datetime(2026, 11, 3, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    language: str
    name: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        language, _, name = match["info"].strip().partition(" ")
        yield Block(page.name, text[: match.start()].count("\n") + 1, language, name.strip(), match["text"])


WALKED = "tutorial-plugin.md"
"""Its files are no parts of one instance: test_layout.py does what it says, word for word."""
BLOCKS = [block for page in PAGES if page.name != WALKED for block in blocks(page)]
INSTANCES = sorted({block.page for block in BLOCKS if block.language == "yaml"})


def merged(into: Any, more: Any) -> Any:
    """The examples of a page add up: keys to keys, entries to entries; a plain value takes the place of another."""
    if isinstance(into, dict) and isinstance(more, dict):
        return {key: merged(into.get(key), more.get(key)) if key in more else into[key] for key in {**into, **more}}
    if isinstance(into, list) and isinstance(more, list):
        return [*into, *more]
    return into if more is None else more


def page_instance(page: str, folder: Path) -> None:
    """All YAML examples of a page, put together into one instance."""
    found: dict[str, Any] = {
        "gateway.yaml": {
            "instance": {"name": "Example", "zone": "Europe/Berlin", "currency": "EUR"},
            "systems": {"crm": {"plugin": "files", "role": "crm"}},
        }
    }
    for block in BLOCKS:
        if block.page == page and block.language == "yaml":
            found[block.name] = merged(found.get(block.name), ConfigFile(block.name, block.text).data)
    for system in found["gateway.yaml"]["systems"]:
        empty = {"system": system, "objects": {"thing": {"kind": "person", "id": "id", "time": "received"}}}
        found.setdefault(f"mappings/{system}.yaml", empty)
        (folder / f"{system}.secret").write_text("0123456789abcdef0123456789abcdef")
    for name, data in found.items():
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(data, file)


@pytest.mark.parametrize("page", INSTANCES)
def test_examples_of_a_page_are_a_sound_instance(page, tmp_path):
    """Every YAML example says which file it is of; all of a page together pass the check."""
    page_instance(page, tmp_path)
    assert load_instance(tmp_path, Host()).systems


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda b: f"{b.page}:{b.line}")
def test_yaml_example_names_its_file(block):
    """An example without a file's name would not be loaded by the test above."""
    names = "gateway|scoring|journey|content|goals|rates|committee"
    assert re.fullmatch(rf"({names})\.yaml|(mappings|scores)/[a-z_]+\.yaml", block.name)


def commands() -> Iterator[tuple[str, list[str]]]:
    for block in (block for page in PAGES for block in blocks(page)):
        if block.language == "console":
            for number, line in enumerate(block.text.splitlines(), block.line + 1):
                words = shlex.split(line.removeprefix("$ "), comments=True) if line.startswith("$ ") else []
                if words and words[0].rpartition("/")[2] == "gateway":
                    yield f"{block.page}:{number}", words[1:]
    for page in PAGES:
        for text in re.findall(r"`gateway ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
            yield f"{page.name}: {text}", shlex.split(text)


@pytest.mark.parametrize(("words"), [pytest.param(words, id=where) for where, words in commands()])
def test_command_that_is_shown_exists(words):
    """Each command of an example, and each of its options, is there."""
    command: click.Command = cli
    with click.Context(cli, info_name="gateway") as context:
        while words:
            word = words.pop(0)
            if word.startswith("-"):
                flags = {
                    option: param
                    for param in command.get_params(context)
                    for option in (*param.opts, *param.secondary_opts)
                }
                assert word in flags, f"{command.name} has no option {word}"
                if isinstance(flags[word], click.Option) and not flags[word].is_flag and words:
                    words.pop(0)
            elif isinstance(command, click.Group):
                found = command.get_command(context, word)
                assert found is not None, f"{command.name} has no command {word}"
                command = found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    """A relative link names a file of the project."""
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def script(name: str) -> ModuleType:
    """One of those that write pages, which are no part of a package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    return script("generate")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return script("generate_reference")


def test_generated_pages_are_what_the_code_says(generate):
    """``python docs/generate.py`` writes them."""
    assert generate.stale() == []


def test_the_pages_of_the_api_are_what_the_code_says():
    """``python docs/generate_api.py`` writes them, with the newest flask-smorest."""
    if Version(version("flask-smorest")) < Version("0.47"):
        pytest.skip("the document is saved by a newer flask-smorest")
    assert script("generate_api").stale() == []


def test_the_reference_is_what_the_code_says(reference):
    """``python docs/generate_reference.py`` writes it."""
    assert reference.stale() == []


def test_who_calls_what_is_told_of_every_hook_and_method(reference):
    """With how long it has and what happens when it raises; and no word is left over."""
    there = {f"{name}.{one}" for name in reference.BASES for one in reference.methods(getattr(contracts, name))}
    assert set(reference.CALLED) == there | set(reference.hooks())


def test_a_hook_that_goes_says_so_on_its_page(reference, monkeypatch):
    """Whoever looks it up reads what takes its place."""
    warning = DeprecationWarning("use lead_rated; goes in 2.0")
    monkeypatch.setitem(hookspecs.lead_scored.lead_gateway_spec, "warn_on_impl", warning)  # type: ignore[attr-defined]
    assert "**Goes:** use lead_rated; goes in 2.0\n" in reference.hook_page("lead_scored")


def test_every_suite_and_every_check_of_it_is_listed(reference):
    """What an author is held to is read before it is failed."""
    suites = {name for name in testing.__all__ if name.endswith("Contract")}
    assert set(reference.SUITES) == suites
    page = reference.testing_page()
    for name in suites:
        for check in (one for one in dir(getattr(testing, name)) if one.startswith("test_")):
            assert f"| `{check}` | " in page
            assert f"| `{check}` |  |" not in page, f"{name}.{check} does not say what it holds to"


def test_every_key_is_explained(generate):
    """No key of any file is without a word on what it says, and no word is left over."""
    told = {
        f"{name.partition('/')[0]} {path}": generate.help_of(f"{name.partition('/')[0]} {path}", field)
        for name, schema in generate.FILES
        for path, field in generate.keys(schema)
    }
    assert [where for where, text in told.items() if not text] == []
    assert set(generate.HELP) - set(told) == set()


def example(language: str, name: str) -> str:
    return next(block.text for block in BLOCKS if block.language == language and block.name == name)


@pytest.fixture
def example_plugin(tmp_path, monkeypatch) -> Host:
    """The plugin of the plugin author's page, installed as its setup.cfg says."""
    (tmp_path / "gateway_example.py").write_text(example("python", "gateway_example.py"))
    setup = ConfigParser()
    setup.read_string(example("ini", "setup.cfg"))
    info = tmp_path / "gateway_example-1.0.0.dist-info"
    info.mkdir()
    metadata = setup["metadata"]
    requires = setup["options"]["install_requires"]
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {metadata['name']}\nVersion: {metadata['version']}\nRequires-Dist: {requires}\n"
    )
    (info / "entry_points.txt").write_text(f"[lead_gateway]{setup['options.entry_points']['lead_gateway']}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    return Host()


def test_example_plugin_is_found_and_offers_what_it_says(example_plugin):
    """The host finds it by its entry point, active, with a source, a sink and a transform."""
    found = next(plugin for plugin in example_plugin.plugins if plugin.distribution == "gateway-example")
    assert (found.state, found.reason) == ("active", "")
    assert "example" in example_plugin.sources
    assert "example" in example_plugin.sinks
    assert example_plugin.transforms["without_spaces"]("a b") == "ab"


def test_example_plugin_reads_and_delivers(example_plugin, tmp_path, monkeypatch):
    """Its source reads through the mapping file; its sink makes one record of the same write delivered twice."""
    monkeypatch.setenv("EXAMPLE_TOKEN", "0123456789abcdef0123456789abcdef")
    files = {
        "gateway.yaml": """
            instance: {name: Example, zone: Europe/Berlin, currency: EUR}
            systems: {example: {plugin: example, role: ma, settings: {token: "${EXAMPLE_TOKEN}"}}}
            """,
        "mappings/example.yaml": """
            system: example
            objects:
              contact: {kind: person, id: id, time: received, fields: {email: email}}
            """,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    instance = load_instance(tmp_path, example_plugin)
    system = instance.systems["example"]
    context = Context(system="example", root=tmp_path, mapping=system.mapping, now=lambda: NOW)
    source = example_plugin.sources["example"].factory(system.settings, context)
    document = Document(id="d", system="example", received_at=NOW, body=b'{"id": "7", "email": "ann@example.org"}')
    (event,) = source.read(document)
    assert isinstance(event, RecordChanged)
    assert event.values == {"email": "ann@example.org"}

    sink = example_plugin.sinks["example"].factory(system.settings, context)
    write = Write(key="lead:1:contact", object="contact", record=None, fields={"email": "a@example.org"}, create=True)
    for _ in range(2):
        (call,) = sink.calls([write])
        assert [receipt.result for receipt in sink.deliver(call)] == ["done"]
    assert list(sink.records) == ["lead:1:contact"]
    assert sink.find("contact", ["lead:1:contact", "lead:2:contact"]) == {"lead:1:contact": ["lead:1:contact"]}


def test_arithmetic_of_the_committees_page_is_right():
    """The score that the page works out by hand is the score of its model."""
    model = ConfigFile("scoring.yaml", example("yaml", "scoring.yaml")).data
    lead = {"title": "Vice President Sales", "industry": "software", "employees": 200}
    asked = Activity(at=NOW, kind="demo_request")
    score = Host().scorers["weighted"].factory(model).score(Subject(lead, [asked]), NOW)
    assert (score.fit, score.behaviour, score.total, score.band) == (5400, 2667, 8067, "great")
