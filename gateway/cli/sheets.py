"""``gateway plugins test``: does a plugin keep what the gateway asks of it?"""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import click

from gateway.cli.main import App, pass_app
from gateway.cli.output import json_option, say, say_json


@click.command()
@click.argument("name")
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--all", "every", is_flag=True, help="Run all of the plugin's tests, not only the contract suites.")
@click.option("-v", "--verbose", is_flag=True, help="Print what pytest says, too.")
@json_option
@pass_app
def test(app: App, name: str, folder: Path | None, every: bool, verbose: bool, as_json: bool) -> None:
    """Run plugin NAME's contract suites and print the pass sheet: what it keeps to, what is skipped and why.

    Its tests are those beside the source it was installed from (plugins.lock knows it, too), those inside its package,
    or those in DIR. Exits with 1 where a check failed or none was run, or the gateway cannot load the plugin.
    """
    from gateway.cli.plugins import looked, one_of
    from gateway.plugins.rules import Rules
    from gateway.testing.running import place_of, run

    found = one_of(looked(app), name)
    home = distribution(found.distribution)
    lock = Rules.of(app.root).lock
    approved = lock.approved(home) if lock is not None else None
    origin = approved.origin if approved is not None else ""
    place = place_of(home, found.module, folder.resolve() if folder is not None else None, origin)
    sheet, said = run(place, every)
    sheet["loading"] = {"state": found.state, "reason": found.reason}
    sheet["ok"] = sheet["ok"] and found.state not in ("broken", "incompatible")
    if as_json:
        say_json(sheet)
    else:
        from gateway.testing.sheet import text  # it needs pytest, which `run` asks for in words

        for line in [*(said.splitlines() if verbose or not sheet["ok"] else ()), *text(sheet).splitlines()]:
            say(line)
    if not sheet["ok"]:
        raise click.exceptions.Exit(1)
