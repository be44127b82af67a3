"""What is promised about the project itself: its layout, its packages, and that they work alone."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import venv
import zipfile
from configparser import ConfigParser
from importlib.metadata import distribution
from pathlib import Path
from textwrap import dedent

import pytest

import gateway

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/setup.cfg"))
PURE = ("journey", "leads", "mapping", "metrics", "scoring", "sync")
# What would read a clock, a file or the network at run time; parsing an address is none of it.
CALLS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "urlopen", "getenv", "sleep"}
FILES = {"open", "read_text", "read_bytes", "write_text", "write_bytes"}
# The title table is shipped with the code and read once, when the room is imported.
READ_AT_IMPORT = {"gateway/scoring/titles.py"}


def pure_modules() -> list[Path]:
    rooms = [path for room in PURE for path in sorted((ROOT / "gateway" / room).rglob("*.py"))]
    return [*rooms, ROOT / "gateway" / "conditions.py", ROOT / "gateway" / "durations.py"]


def called(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names.add(node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", ""))
    return names


@pytest.mark.parametrize("path", pure_modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_module_reads_no_clock_and_no_file(path):
    """Rooms that compute get time as a parameter and values from whoever loads them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    forbidden = CALLS | (set() if str(path.relative_to(ROOT)) in READ_AT_IMPORT else FILES)
    assert called(tree) & forbidden == set()
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imported & {"urllib.request", "os", "socket", "requests"} == set()


@pytest.mark.parametrize("path", sorted((ROOT / "gateway").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_where_it_stands(path):
    """Every module that holds code opens with a sentence on what it is."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree)


def setup(folder: Path = ROOT) -> ConfigParser:
    read = ConfigParser()
    read.read(folder / "setup.cfg", encoding="utf-8")
    return read


def test_every_package_is_listed():
    """A package that setup.cfg forgets would be missing from the wheel alone."""
    listed = set(setup()["options"]["packages"].split())
    there = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "gateway").rglob("__init__.py")
        if "__pycache__" not in path.parts
    }
    assert there <= listed


def test_oldest_versions_are_those_that_setup_promises():
    """The constraints of the environment ``min`` are the lower bounds of each setup.cfg, no more and no less."""

    def versions(found: list[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(name.lower(), re.sub(r"(\.0)+$", "", version)) for name, version in found}

    oldest = re.findall(r"^([\w.-]+)==([\w.]+)$", (ROOT / "tests" / "oldest.txt").read_text(), re.M)
    needed = "\n".join(setup(folder)["options"]["install_requires"] for folder in (ROOT, *PLUGINS))
    needed += setup()["options.extras_require"]["postgresql"]
    promised = re.findall(r"^([A-Za-z][\w.-]+)(?:\[\w+\])?>=([\w.]+)", needed, re.M)
    assert versions(oldest) == versions(promised) - {("lead-gateway", "1")}


def test_every_plugin_is_tested():
    """Each is installed beside the gateway, and has its line among those that are tested by themselves."""
    tox = ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    for folder in PLUGINS:
        assert f"{{tox_root}}{{/}}plugins{{/}}{folder.name}" in tox["testenv"]["commands_pre"].split()
        assert f"plugins{{/}}{folder.name}{{/}}tests" in tox["testenv:plugins"]["commands"].split()


def test_changelog_tells_of_the_present_version():
    """The first version in the changelog is that of setup.cfg."""
    first = re.search(r"^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert first is not None
    assert first[1] == setup()["metadata"]["version"]


def test_tested_package_is_the_installed_one():
    """Where tox runs the tests, the code under test is the wheel's and not that of the source tree."""
    if "TOX_ENV_NAME" not in os.environ:
        pytest.skip("not in an environment of tox: the package is the source tree itself")
    assert not Path(gateway.__file__).is_relative_to(ROOT / "gateway")
    assert distribution("lead-gateway").version == setup()["metadata"]["version"]


# -- the wheels --------------------------------------------------------------------------------------------------------


def quiet(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "PYTHONPATH"))}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> dict[str, Path]:
    """The project's wheels, built as pip builds them, from a copy: building leaves nothing in the source tree."""
    folder, sources = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("sources") / "project"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a clone: which files belong to the project is not known")
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (sources / name).parent.mkdir(parents=True, exist_ok=True)
            (sources / name).write_bytes((ROOT / name).read_bytes())
    projects = [sources, *sorted(path.parent for path in sources.glob("plugins/*/setup.cfg"))]
    build = ("-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder)
    quiet(sys.executable, *build, *projects, cwd=folder)
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.mark.slow
def test_wheel_carries_all_data_and_nothing_else(wheels):
    """Starter, examples, the demo's instance and the title table are inside; tests, docs and data sets are not."""
    names = set(zipfile.ZipFile(wheels["lead_gateway"]).namelist())
    shipped = {path for path in (ROOT / "mappings").rglob("*.yaml") if "var" not in path.relative_to(ROOT).parts}
    shipped |= set((ROOT / "mappings" / "vendors").glob("*/samples/*"))
    for path in shipped:
        assert f"gateway_mappings/{path.relative_to(ROOT / 'mappings')}" in names
    for path in (ROOT / "gateway").rglob("*.yaml"):
        assert str(path.relative_to(ROOT)) in names
    assert "gateway/py.typed" in names
    tops = {name.partition("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {"gateway", "gateway_mappings", "gateway_scaffold"}
    templates = set(quiet("git", "ls-files", "scaffold", cwd=ROOT).stdout.split()) - {"scaffold/ruff.toml"}
    assert {f"gateway_{name}" for name in templates} == {name for name in names if name.startswith("gateway_scaffold/")}
    assert not [name for name in names if name.endswith((".csv", ".db", ".pyc"))]


@pytest.mark.slow
@pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)
def test_wheel_of_a_plugin_carries_its_packages(wheels, folder):
    """Each that setup.cfg names and each that is there, with the mark that it is typed; no tests."""
    name = folder.name.replace("-", "_")
    carried = {path.rpartition("/")[0] for path in zipfile.ZipFile(wheels[name]).namelist() if path.endswith(".py")}
    there = {str(path.parent.relative_to(folder)) for path in (folder / name).rglob("__init__.py")}
    assert carried == there == {name.replace(".", "/") for name in setup(folder)["options"]["packages"].split()}
    assert f"{name}/py.typed" in zipfile.ZipFile(wheels[name]).namelist()


@pytest.fixture(scope="module")
def alone(wheels, tmp_path_factory) -> Path:
    """A new environment with the wheels of the gateway and its starters."""
    names = ["lead-gateway", *setup()["options.extras_require"]["starter"].split()]
    return environment(tmp_path_factory.mktemp("alone"), [wheels[name.replace("-", "_")] for name in names])


def environment(folder: Path, ours: list[Path]) -> Path:
    """A new environment with these wheels; what they need is borrowed from ours."""
    venv.create(folder)  # without pip: ours is borrowed, too, and one of its own takes seconds to unpack
    python = folder / "bin" / "python"
    quiet(
        sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index", "--no-deps", *ours, cwd=folder
    )
    # Never the source tree, nor a plugin of ours: who finds one there and cannot import it says other things.
    (folder / "borrowed").mkdir()
    for entry in (entry for path in sys.path if path.endswith("site-packages") for entry in Path(path).iterdir()):
        link = folder / "borrowed" / entry.name
        if not entry.name.startswith(("gateway", "lead_gateway", "__editable__")) and not link.exists():
            link.symlink_to(entry)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "borrowed.pth").write_text(f"{folder / 'borrowed'}\n")
    assert "site-packages" in quiet(python, "-c", "import gateway; print(gateway.__file__)", cwd=folder).stdout
    return folder


@pytest.mark.slow
def test_init_and_check_work_from_the_wheel_alone(alone, tmp_path):
    """A folder made by ``gateway init`` is a sound instance, with nothing but the wheels installed."""
    command = alone / "bin" / "gateway"
    quiet(command, "init", tmp_path / "leads", cwd=tmp_path)
    environment = {**os.environ, "WEBSITE_SECRET": "0123456789abcdef0123456789abcdef"}
    done = subprocess.run(
        [command, "-C", tmp_path / "leads", "check"], capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok: Example" in done.stdout


@pytest.mark.slow
def test_shipped_examples_pass_the_check_from_the_wheel(alone, tmp_path):
    """A copy of each example's folder is a working instance."""
    script = "from importlib.resources import files; print(files('gateway_mappings') / 'examples')"
    examples = Path(quiet(alone / "bin" / "python", "-c", script, cwd=tmp_path).stdout.strip())
    found = sorted(path.name for path in examples.iterdir() if (path / "gateway.yaml").is_file())
    assert found == ["loan", "olist", "x_education"]
    for name in found:
        quiet("cp", "-r", examples / name, tmp_path / name, cwd=tmp_path)
        quiet(alone / "bin" / "gateway", "-C", tmp_path / name, "check", cwd=tmp_path)


@pytest.mark.slow
def test_plugins_are_found_by_their_entry_points(alone, tmp_path):
    """The wheels of our own plugins are installed like everybody's and offered like everybody's."""
    script = "from gateway.host import Host; print(sorted((p.distribution, p.state) for p in Host().plugins))"
    printed = quiet(alone / "bin" / "python", "-c", script, cwd=tmp_path).stdout
    for name in ("gateway-files", "gateway-webhook", "lead-gateway"):
        assert f"('{name}', 'active')" in printed


FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OFFLINE = ("-q", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")


@pytest.mark.slow
def test_the_tutorial_works_word_for_word(wheels, tmp_path):
    """Each file of the page is written, each command run, in order; what is shown of its output (… = anything) comes.

    Only the environment is made otherwise, and nothing is asked of an index.
    """
    folder = environment(tmp_path / "env", [wheels["lead_gateway"]])
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "work").mkdir()
    page = (ROOT / "docs" / "tutorial-plugin.md").read_text(encoding="utf-8")
    ran = 0
    for info, text in FENCE.findall(page):
        language, _, name = info.partition(" ")
        if name:
            (tmp_path / "work" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "work" / name).write_text(text, encoding="utf-8")
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:] if language == "console" else ():
            command, _, shown = part.partition("\n")
            words = shlex.split(command)
            if ".venv" in command or "lead-gateway" in words:
                continue
            told = quiet("env", f"PATH={path}", *words, *(OFFLINE if "pip" in words else ()), cwd=tmp_path / "work")
            for line in filter(None, shown.splitlines()):
                wanted = ".*".join(re.escape(piece) for piece in line.split("…"))
                assert re.search(wanted, told.stdout), f"{command}: {line!r} is not in {told.stdout}"
            ran += 1
    assert ran >= 9


KINDS = ("source", "scorer", "sink", "transform")
WORKED = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.opening import open_gateway
from gateway.store.arrivals import Arrival

gateway = open_gateway(Path(sys.argv[1]))
at = datetime.now(UTC)
person = '{"id": "1", "changed_at": "%s", "email": "ann@one.example", "staff": "201-500", "industry": "Software"}'
body = ('{"people": [' + person % at.isoformat() + "]}").encode()
gateway.inbox.append([Arrival(system="site", body=body, received_at=at)])
assert gateway.run_pipeline_once("test") == 1
gateway.close()
"""
INSTANCE = {
    "gateway.yaml": """
        instance: {name: Example, zone: Europe/Berlin, currency: EUR}
        systems:
          site:
            plugin: try_source
            role: ma
            settings: {token: "file:token", signing_secrets: ["file:token"]}
          sales: {plugin: try_sink, role: crm, settings: {token: "file:token"}}
        """,
    "mappings/site.yaml": """
        system: site
        timezone: UTC
        objects:
          person:
            kind: person
            id: id
            time: changed_at
            fields:
              email: email
              industry: industry
              staff: {to: employees, type: integer, transforms: [try_transform_headcount]}
        """,
    "mappings/sales.yaml": """
        system: sales
        timezone: UTC
        objects:
          person:
            {kind: person, id: id, time: at, create: always, fields: {score: {to: score, type: integer, sync: out}}}
        """,
    "scoring.yaml": """
        strategy: try_scorer
        fit:
          - {name: Right industry, attribute: industry, one_of: [software], points: 40}
          - {name: Large enough, attribute: employees, at_least: 350, points: 15}
        behaviour: [{name: Asked for a demo, activity: demo_request, points: 20}]
        """,
}


@pytest.mark.slow
def test_new_plugins_pass_their_tests_and_work_beside_the_wheel(wheels, tmp_path):
    """One of each kind: written, built, tested as its author's tox does, at work in an instance, and gone again."""
    folder = environment(tmp_path / "env", [wheels["lead_gateway"]])
    command, python = folder / "bin" / "gateway", folder / "bin" / "python"
    names = [f"gateway-try-{kind}" for kind in KINDS]
    for kind, name in zip(KINDS, names, strict=True):
        quiet(command, "plugins", "new", name, "--kind", kind, cwd=tmp_path)
    quiet(
        *(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation"),
        *(tmp_path / name for name in names),
        cwd=tmp_path,
    )
    tests = [tmp_path / name / "tests" for name in names]
    told = quiet(python, "-m", "pytest", "-q", "-c", tmp_path / names[0] / "tox.ini", *tests, cwd=tmp_path).stdout
    assert "passed" in told

    instance = tmp_path / "instance"
    quiet(command, "init", instance, cwd=tmp_path)
    (instance / "mappings" / "crm.yaml").unlink(missing_ok=True)
    (instance / "mappings" / "website.yaml").unlink(missing_ok=True)
    (instance / "journey.yaml").unlink()
    for name, text in {**INSTANCE, "token": "a-secret-of-the-test-that-is-long-enough"}.items():
        (instance / name).write_text(dedent(text), encoding="utf-8")
    assert "ok: Example" in quiet(command, "-C", instance, "check", cwd=tmp_path).stdout
    quiet(python, "-c", WORKED, instance, cwd=tmp_path)
    [lead] = json.loads(quiet(command, "-C", instance, "leads", "list", "--json", cwd=tmp_path).stdout)["leads"]
    assert (lead["score"], lead["band"]) == (55, "good")
    plan = json.loads(quiet(command, "-C", instance, "plan", "--json", cwd=tmp_path).stdout)
    [sales] = [one for one in plan["systems"] if one["system"] == "sales"]
    assert [(one["field"], one["wanted"]) for write in sales["writes"] for one in write["fields"]] == [("score", 55)]

    quiet(python, "-m", "pip", "uninstall", "-q", "-y", *names, cwd=tmp_path)
    done = subprocess.run([command, "-C", instance, "check"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    for where in ("gateway.yaml:5: systems.site.plugin", "gateway.yaml:8: systems.sales.plugin"):
        assert f"{where}: no installed plugin offers it; `gateway plugins list`" in done.stderr
    assert "scoring.yaml:2: strategy: no installed plugin offers this strategy" in done.stderr
    assert "mappings/site.yaml:12: objects.person.fields.staff.transforms[0]: no such transform" in done.stderr
