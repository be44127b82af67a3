"""`gateway plugins new`: what it writes, for which names, and what it refuses. That it works, test_layout.py shows."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

import gateway
from gateway.cli.main import cli
from gateway.errors import Refused
from gateway.host import Host
from gateway.plugins.scaffold import LAYERS, LONGEST, Name, for_release, refuse_known, write

SHORT, LONG = "gateway-q", "gateway-" + "-".join(["lengthy"] * 3) + "-name22"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Every kind under a very short and a very long name."""
    folder = tmp_path_factory.mktemp("scaffold")
    for kind in LAYERS:
        for number, name in enumerate((SHORT, LONG)):
            write(Name(name), kind, folder / f"{kind}{number}", "1.0.0")
    return folder


def test_the_long_name_is_as_long_as_a_name_may_be():
    assert len(Name(LONG).word) == LONGEST


@pytest.mark.parametrize("kind", LAYERS)
def test_it_is_called_as_it_was_named(made, kind):
    """Nothing is left of the templates' own name, in no file and in no file's name."""
    for path in (made / f"{kind}1").rglob("*"):
        assert "acme" not in str(path.relative_to(made)).lower()
        assert path.is_dir() or "acme" not in path.read_text(encoding="utf-8").lower(), path
    module = made / f"{kind}1" / "gateway_lengthy_lengthy_lengthy_name22"
    assert (module / "py.typed").exists()
    assert "LengthyLengthyLengthyName22" in "".join(path.read_text() for path in module.glob("*.py")) or (
        kind == "transform"
    )


@pytest.mark.parametrize("kind", LAYERS)
def test_it_says_who_it_is(made, kind):
    """Its distribution, the hook API that it works with, the entry point; a licence is the author's to choose."""
    setup = ConfigParser()
    setup.read(made / f"{kind}0" / "setup.cfg", encoding="utf-8")
    assert setup["metadata"]["name"] == "gateway-q"
    assert "license" not in setup["metadata"]
    assert "## Licence" in (made / f"{kind}0" / "README.md").read_text(encoding="utf-8")
    [ours] = [line for line in setup["options"]["install_requires"].split("\n") if line.startswith("lead-gateway")]
    assert ours == "lead-gateway>=1,<2"
    assert setup["options.entry_points"]["lead_gateway"].strip() == "q = gateway_q"


@pytest.mark.parametrize("kind", LAYERS)
def test_all_of_it_is_python(made, kind):
    for path in (made / f"{kind}1").rglob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed here; pip install -e '.[dev]'")
def test_its_lint_passes(made):
    """However long the name: tox runs it before anything else."""
    for words in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, str(made)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow  # mypy reads the gateway's types, too
@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed here; `tox -e types` has it")
def test_its_types_are_those_of_the_gateway(tmp_path):
    """As its `types` environment looks at it."""
    for kind in LAYERS:
        write(Name(f"gateway-typed-{kind}"), kind, tmp_path / kind, "1.0.0")
    packages = [tmp_path / kind / f"gateway_typed_{kind}" for kind in LAYERS]
    told = [sys.executable, "-m", "mypy", "--strict", "--follow-imports", "silent", "--config-file=", *packages]
    home = Path(gateway.__file__).parents[1]  # an editable install is none that mypy finds; others it finds by itself
    environment = {**os.environ, "MYPYPATH": "" if home.name == "site-packages" else str(home)}
    done = subprocess.run(told, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("given", "distribution", "word", "camel"),
    [
        ("gateway-acme", "gateway-acme", "acme", "Acme"),
        ("Gateway_Acme.CRM", "gateway-acme-crm", "acme_crm", "AcmeCrm"),
        ("our-leads", "our-leads", "our_leads", "OurLeads"),  # a prefix is a habit, not a duty
    ],
)
def test_a_name_becomes_all_that_it_is_called_by(given, distribution, word, camel):
    name = Name(given)
    assert (name.distribution, name.module) == (distribution, distribution.replace("-", "_"))
    assert (name.word, name.camel) == (word, camel)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "cannot be a distribution's name"),
        ("9lives", "begins with a letter"),
        ("gateway-", "cannot be a distribution's name"),
        ("a/b", "cannot be a distribution's name"),
        ("../evil", "cannot be a distribution's name"),
        ("naïve", "cannot be a distribution's name"),
        ("gateway-class", "Python cannot call anything 'class'"),
        ("gateway-3d", "Python cannot call anything '3d'"),
        ("gateway-" + "x" * 31, "at most 30"),
    ],
)
def test_what_cannot_be_a_name_is_refused(given, why):
    with pytest.raises(Refused, match=why):
        Name(given)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("weighted", "lead-gateway has a plugin of this name"),
        ("gateway-weighted", "lead-gateway has a plugin of this name"),
        ("lead-gateway", "has a plugin of this name"),
        ("gateway-hubspot", "plugin"),  # ours, installed or not
        ("json", "a module 'json'"),
        ("marshmallow", "a module 'marshmallow'"),
        ("gateway", "a module 'gateway'"),
        ("gateway-mappings", "a module 'gateway_mappings'"),
    ],
)
def test_a_name_that_is_taken_is_refused(given, why):
    with pytest.raises(Refused, match=why):
        refuse_known(Name(given), Host())


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    """Even an empty one."""
    with pytest.raises(Refused, match="is there already"):
        write(Name("gateway-q"), "sink", tmp_path, "1.0.0")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("release", "range_", "oldest"),
    [
        ("1.0.0", ">=1,<2", "==1.0.0"),
        ("1.0.3", ">=1,<2", "==1.0.0"),
        ("1.4.2", ">=1.4,<2", "==1.4.*"),  # what the templates use may have come with 1.4
    ],
)
def test_it_asks_for_the_gateway_it_was_made_with(release, range_, oldest):
    text = for_release("lead-gateway>=1,<2 oldest: lead-gateway==1.0.0", release)
    assert text == f"lead-gateway{range_} oldest: lead-gateway{oldest}"
    assert Requirement(text.split()[0]).specifier.contains(release)


def test_the_command_says_what_next_in_two_columns(tmp_path):
    """However long the name is: a command and what it is for never run together."""
    done = CliRunner().invoke(cli, ["plugins", "new", LONG, "--kind", "transform", str(tmp_path / "mine")])
    assert f"  gateway -C DIR plugins lock {Name(LONG).word}  approves what is installed\n" in done.output


def test_the_command_writes_and_says_what_next(tmp_path):
    folder = tmp_path / "mine"
    done = CliRunner().invoke(cli, ["plugins", "new", "gateway-q", "--kind", "transform", str(folder)])
    assert done.exit_code == 0, done.output
    assert "  gateway_q/values.py\n" in done.output
    assert "  tests/test_q_transforms.py\n" in done.output
    assert f"  cd {folder}\n" in done.output
    again = CliRunner().invoke(cli, ["plugins", "new", "gateway-q", "--kind", "transform", str(folder)])
    assert (again.exit_code, again.stderr) == (1, f"{folder}: is there already; name a new folder\n")
