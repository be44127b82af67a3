"""``gateway plugins new``: a plugin of your own, with tests that pass, to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.main import log_to_stderr
from gateway.cli.output import say
from gateway.cli.patience import impatient


@click.command()
@click.argument("name")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["source", "scorer", "sink", "transform"]),
    help="What it is: brings records in, scores, carries writes out, or reads values of a mapping file.",
)
def new(name: str, folder: Path | None, kind: str) -> None:
    """Write a plugin's distribution called NAME, into a new folder DIR (default: NAME).

    It is complete: an example that works, tests on the gateway's contract suite, tox, CI. NAMEs of plugins begin with
    gateway- as a rule: gateway-acme is `plugin: acme` in gateway.yaml.
    """
    from importlib.metadata import version

    from gateway.host import Host
    from gateway.plugins.scaffold import Name, refuse_known, write

    called = Name(name)
    folder = folder or Path(called.distribution)
    log_to_stderr()
    refuse_known(called, Host(guard=impatient))
    written = write(called, kind, folder, version("lead-gateway"))
    say(f"made {folder}:")
    for path in written:
        say(f"  {path.relative_to(folder)}")
    say()
    say("Next:")
    steps = (
        (f"cd {folder}", ""),
        ("tox", "its tests, as CI runs them"),
        ("python -m pip install -e '.[test]'", "beside the gateway; then `pytest` while you work"),
        (f"gateway plugins test {called.word}", "what it keeps of the contract, as a pass sheet"),
        ("gateway plugins list", "shows it, with what it offers"),
        ("gateway -C DIR plugins install .", "into an instance, approved in its plugins.lock, or, as it is here,"),
        (f"gateway -C DIR plugins lock {called.word}", "approves what is installed"),
        ("README.md", "how it is set up and published; its licence is yours to choose"),
    )
    width = max(len(step) for step, why in steps if why) + 2
    for step, why in steps:
        say(f"  {step:<{width}}{why}".rstrip())
